"""Servers for benchmarks and fault tests to start, kill and start again: real processes on free local ports."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from ssl import SSLContext

import aiohttp

from bench.database import folder
from bench.until import until
from core.store import Keys

_ROOT = Path(__file__).resolve().parents[1]
_READY_SECONDS = 90


class ServerProcess:
    """`python -m MODULE ARGUMENTS` with these settings; its log is kept in `folder`. May be started again."""

    def __init__(self, folder: Path, module: str, arguments: Sequence[str], settings: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.owner = ""
        self.log = folder / f"server-{self.port}.log"
        self._command = [sys.executable, "-m", module, *arguments]
        self._folder = folder
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns once it answers; raises RuntimeError with its log where it does not."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._folder, env=self._environment(), stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_SECONDS):
            await self._until_ready(self._process.stdout)

    async def _until_ready(self, stdout: asyncio.StreamReader) -> None:
        line = await stdout.readline()
        if not line:
            raise self._ended()
        self.owner = json.loads(line)["owner"]

    def _ended(self) -> RuntimeError:
        return RuntimeError(f"the server ended by itself:\n{self.log.read_text(errors='replace')}")

    async def kill(self) -> None:
        """kill -9: it has no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()

    def _environment(self) -> dict[str, str]:
        foreign = ("PARLEY_", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "PYTHONPATH": str(_ROOT),
            "PARLEY_DATA_DIR": str(self._folder / "var"),
            "PARLEY_SERVER__PORT": str(self.port),
            "PARLEY_CACHE__ENABLED": "false",  # questions are few here, and each is to be answered
            **self._settings,
        }


class ParleyServe(ServerProcess):
    """`parley serve` itself, which says by /readyz that it answers; over TLS where there is somebody to trust."""

    def __init__(self, folder: Path, settings: dict[str, str], trusted: SSLContext | None = None) -> None:
        super().__init__(folder, "bot", ["serve"], settings)
        self._trusted = trusted
        if trusted:
            self.url = f"https://localhost:{self.port}"

    async def _until_ready(self, stdout: asyncio.StreamReader) -> None:
        async with aiohttp.ClientSession() as http:

            async def is_ready() -> bool:
                if stdout.at_eof():
                    raise self._ended()
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/readyz", ssl=self._trusted or True) as response:
                        return response.status == 200
                return False

            await until(is_ready, timeout=_READY_SECONDS, every=0.1)


@asynccontextmanager
async def servers(
    count: int, url: str, *, channel: str = "", seconds: tuple[float, float] = (0.05, 0.2), **settings: str
) -> AsyncGenerator[list[ServerProcess], None]:
    """So many servers over one database, answering into a channel with an echo that takes `seconds` (least, most)."""
    arguments = ["--channel", channel, "--seconds", *map(str, seconds)]
    shared = {"DATABASE_URL": url, "PARLEY_KEYS": Keys.generate().dump(), "PARLEY_LOG__LEVEL": "debug", **settings}
    with folder() as place:
        processes = [ServerProcess(place, "bench.server", arguments, shared) for _ in range(count)]
        async with running(*processes):
            yield processes


@asynccontextmanager
async def running(*processes: ServerProcess) -> AsyncGenerator[None, None]:
    """All of them started, and all of them ended in the end, however it comes."""
    try:
        await asyncio.gather(*(process.start() for process in processes))
        yield
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


def free_port() -> int:
    """Below those that systems hand out by themselves: nobody who asks for any port is given it before it is bound."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
