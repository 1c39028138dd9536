"""pg_dump and pg_restore: which of them speaks with a server, and what goes through them."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from bot.texts import say
from core.errors import Misconfigured, NotStored, ParleyError
from core.store.backup import address
from core.store.embedded import programs

Told = Callable[[int], None]
"""Hears how many bytes it has come to."""

_CHUNK = 2**20
_OURS = "public"  # others may have theirs beside it
_DEBIAN = Path("/usr/lib/postgresql")
# From this version on the programs send a setting that servers before it do not know.
_TIMEOUT_SINCE = 17


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of PostgreSQL's, of this major version."""

    path: Path
    major: int
    version: str

    def suits(self, server: int) -> bool:
        """Whether it speaks with a server of this major version, in both directions."""
        return self.major >= server and not (self.major >= _TIMEOUT_SINCE > server)


async def dump(tool: Tool, url: str, snapshot: str, out: IO[bytes], told: Told) -> tuple[int, str]:
    """What the database held at that moment, in pg_dump's custom format; its size and SHA-256. Raises NotStored."""
    digest, size = sha256(), 0
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--schema={_OURS}", f"--snapshot={snapshot}"]
    async with _running(tool, url, options, into=asyncio.subprocess.DEVNULL, out=asyncio.subprocess.PIPE) as process:
        while process.stdout and (piece := await process.stdout.read(_CHUNK)):
            out.write(piece)
            digest.update(piece)
            size += len(piece)
            told(size)
    return size, digest.hexdigest()


async def load(tool: Tool, url: str, source: IO[bytes], told: Told) -> None:
    """Makes everything that was dumped, or nothing. Raises NotStored."""
    options, size = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"], 0
    options.append(f"--schema={_OURS}")  # which is there: what is in it is made, and it is not made itself
    async with _running(tool, url, options, into=asyncio.subprocess.PIPE, out=asyncio.subprocess.DEVNULL) as process:
        with suppress(ConnectionError):  # it ended early, and says why
            while process.stdin and (piece := source.read(_CHUNK)):
                process.stdin.write(piece)
                await process.stdin.drain()
                size += len(piece)
                told(size)
        if process.stdin:
            process.stdin.close()


@asynccontextmanager
async def _running(
    tool: Tool, url: str, options: list[str], *, into: int, out: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Waits for its end; raises NotStored with what it says first where that is no good one."""
    with address(url) as (place, more), TemporaryFile() as errors:
        command = ["env", *(f"{name}={value}" for name, value in more.items()), str(tool.path), *options]
        process = await asyncio.create_subprocess_exec(
            *command, f"--dbname={place}", stdin=into, stdout=out, stderr=errors
        )
        try:
            yield process
            await process.wait()
        finally:
            with suppress(ProcessLookupError):
                if process.returncode is None:
                    process.kill()
            await process.wait()
        if process.returncode:
            raise NotStored(say("backup_tool_failed", tool=tool.path.name, problem=_first(errors)))


async def find(name: str, server: int, *, least: int = 0) -> Tool:
    """The oldest one that will do: of the server's own version, where that is there. Raises Misconfigured."""
    tools = [tool for path in _places(name) if (tool := await _asked(path)) is not None]
    suitable = [tool for tool in tools if tool.suits(server) and tool.major >= least]
    if suitable:
        return min(suitable, key=lambda tool: tool.major)
    needed = max(server, least)
    if not tools:
        raise Misconfigured(say("backup_no_tool", tool=name, server=needed))
    found = ", ".join(sorted({tool.version for tool in tools}))
    raise Misconfigured(say("backup_old_tool", tool=name, server=needed, found=found))


def _places(name: str) -> list[Path]:
    """Debian's versions beside each other, whichever is first on the path, and the embedded server's own."""
    places = sorted(_DEBIAN.glob(f"*/bin/{name}"))
    if found := shutil.which(name):
        places.append(Path(found))
    with suppress(ParleyError):
        places.append(programs() / name)
    return [place for place in places if place.is_file()]


async def _asked(path: Path) -> Tool | None:
    process = await asyncio.create_subprocess_exec(
        path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    found = re.search(rb"\) (\d+)(\S*)", said)
    return Tool(path, int(found[1]), (found[1] + found[2]).decode()) if found else None


def _first(errors: IO[bytes]) -> str:
    errors.seek(0)
    return next((line.strip() for line in errors.read(4096).decode(errors="replace").splitlines() if line.strip()), "?")
