"""A database server for one benchmark: a new embedded one in a temporary folder, or the one that was named."""

import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from uuid import uuid4

import psutil
import psycopg
from sqlalchemy import make_url

from core.store.database import conninfo
from core.store.embedded import Embedded, start, start_async
from core.store.schema import upgrade


class Server:
    """A PostgreSQL server. Only an embedded one (with `data`) can be broken off and started again."""

    def __init__(self, url: str, data: Path | None = None) -> None:
        self.url = url
        self._data = data
        self._restarts: list[Embedded] = []

    @property
    def log(self) -> Path:
        """What the server itself writes down."""
        assert self._data is not None
        return self._data / "log"

    async def version(self) -> str:
        return str((await fetch(self.url, "SHOW server_version"))[0][0])

    @asynccontextmanager
    async def new(self, *, is_migrated: bool = True) -> AsyncGenerator[str, None]:
        """The URL of a database of its own, with all tables; dropped at the end."""
        name = f"parley_bench_{uuid4().hex[:12]}"
        await fetch(self.url, f"CREATE DATABASE {name}")
        url = make_url(self.url).set(database=name).render_as_string(hide_password=False)
        try:
            if is_migrated:
                await upgrade(url)
            yield url
        finally:
            await fetch(self.url, f"DROP DATABASE {name} WITH (FORCE)")

    def break_off(self) -> None:
        """Stops it without a word to its clients, as a crash would (an immediate shutdown)."""
        assert self._data is not None
        process = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        process.send_signal(signal.SIGQUIT)
        while _is_alive(process):
            sleep(0.01)

    def start_again(self) -> None:
        """Returns once it takes connections."""
        assert self._data is not None
        self._restarts.append(start(self._data))

    def close(self) -> None:
        for embedded in self._restarts:
            embedded.stop()


@asynccontextmanager
async def server(url: str = "") -> AsyncGenerator[Server, None]:
    """The named server, or an embedded one as safe as in production (fsync is on), removed at the end."""
    if url:
        yield Server(url)
        return
    with folder() as place:
        embedded = await start_async(place / "pg")
        running = Server(embedded.url, place / "pg")
        try:
            yield running
        finally:
            running.close()
            embedded.stop()


@contextmanager
def folder() -> Generator[Path, None, None]:
    """A temporary folder with a short path, which the server's own user may pass through where we are root."""
    path = Path(tempfile.mkdtemp(prefix="parley-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def fetch(url: str, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """One statement, or several where there are no parameters, on a connection of its own."""
    async with await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True) as connection:
        cursor = await connection.execute(sql.encode(), params)
        return await cursor.fetchall() if cursor.description is not None else []


def _is_alive(process: psutil.Process) -> bool:
    # Nobody may be there to collect it: a zombie is gone, too.
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
