"""A server that is a process of ours: its input, its output, what it complains of, and its end.

The SDK's own transport hands down more of the environment, and joins a line of any length piece by piece, which
keeps the whole house waiting for a server that says too much.
"""

import asyncio
import atexit
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self, TypeVar

from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError

from bot.plugins._mcp.settings import ServerSettings
from bot.plugins._mcp.words import line

log = logging.getLogger(__name__)

LARGEST = 8 * 1024 * 1024  # bytes of one message: a picture of 5 MB, and some words
_INHERITED = ("PATH", "HOME")
_LONGEST_COMPLAINT = 500
_MOST_COMPLAINTS = 200  # lines of one process
_GRACE = 1.0  # seconds to end by itself once its input is closed, and again once it was told to
_STEP = 0.02
_WATCH = 0.5

T = TypeVar("T")
_alive: set[int] = set()  # leaders of groups, by their process ids


@asynccontextmanager
async def process_of(
    name: str, settings: ServerSettings, over: asyncio.Event
) -> AsyncGenerator[tuple["Heard", "Told"], None]:
    """Runs for as long as this is entered; `over` is set when it ends by itself. Raises OSError, ValueError."""
    process = await asyncio.create_subprocess_exec(
        settings.command or "",
        *settings.args,
        env=_environment() | settings.environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=LARGEST,
        start_new_session=True,  # so that its own children end with it
    )
    _alive.add(process.pid)
    besides = [
        asyncio.create_task(_listen(name, _piped(process.stderr)), name=f"complaints of the MCP server {name}"),
        asyncio.create_task(_watch(process, over), name=f"end of the MCP server {name}"),
    ]
    try:
        yield Heard(name, _piped(process.stdout), over), Told(_piped(process.stdin))
    finally:
        await _ended(process)
        for task in besides:
            task.cancel()
        await asyncio.wait(besides)


def _piped(pipe: T | None) -> T:
    if pipe is None:
        raise ValueError("the process was started without its pipes")
    return pipe


def _environment() -> dict[str, str]:
    """No more than a program needs to be found and to run."""
    inherited = get_default_environment()
    return {name: inherited[name] for name in _INHERITED if name in inherited} | {"LANG": "C.UTF-8"}


class Heard:
    """What the server says, message by message, up to its end."""

    def __init__(self, name: str, lines: asyncio.StreamReader, over: asyncio.Event) -> None:
        self._name, self._lines, self._over = name, lines, over

    async def receive(self) -> SessionMessage | Exception:
        while True:
            message = _message(await self._line())
            if message:
                return message
            log.debug("the MCP server %s said something that is no message", self._name)

    async def _line(self) -> bytes:
        """Raises StopAsyncIteration at the end."""
        try:
            said = await self._lines.readline()
        except (ValueError, OSError) as error:
            if isinstance(error, ValueError):
                log.warning("the MCP server %s said more at once than %d MB", self._name, LARGEST >> 20)
            said = b""
        if not said:
            self._over.set()
            raise StopAsyncIteration
        return said

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return await self.receive()

    async def aclose(self) -> None:
        """The process is ended where it was begun."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Told:
    """What the server is told."""

    def __init__(self, pipe: asyncio.StreamWriter) -> None:
        self._input = pipe

    async def send(self, item: SessionMessage, /) -> None:
        """Raises OSError where the process is gone."""
        said = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        try:
            self._input.write(said + b"\n")
            await self._input.drain()
        except RuntimeError:  # uvloop's word for it
            raise BrokenPipeError from None

    async def aclose(self) -> None:
        self._input.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _message(said: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(said, by_name=False))
    except ValidationError:
        return None


async def _listen(name: str, pipe: asyncio.StreamReader) -> None:
    """Its complaints are always read, lest it wait to be heard; the first of them are logged."""
    left, rest = _MOST_COMPLAINTS, b""
    while chunk := await pipe.read(4096):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:_LONGEST_COMPLAINT]
        for complaint in lines[:left]:
            log.debug("the MCP server %s: %s", name, line(complaint.decode("utf-8", "replace"), _LONGEST_COMPLAINT))
        left = max(0, left - len(lines))


async def _watch(process: Process, over: asyncio.Event) -> None:
    """Its output may stay open when it dies: a child of it may hold that."""
    while process.returncode is None:  # noqa: ASYNC110 - nothing else tells of it alone
        await asyncio.sleep(_WATCH)
    over.set()


async def _ended(process: Process) -> None:
    """Its input is closed, then it is told to end, then it is ended, and whatever it started with it."""
    try:
        if process.stdin:
            process.stdin.close()
        if not await _is_gone(process):
            _kill(process.pid, signal.SIGTERM)
            await _is_gone(process)
    finally:
        _kill(process.pid, signal.SIGKILL)
        _alive.discard(process.pid)
    await _is_gone(process)
    # A process that left its group may still hold a pipe: nothing public closes our end.
    if transport := getattr(process, "_transport", None):
        transport.close()


async def _is_gone(process: Process) -> bool:
    """Whether it ends in time. Waiting for it would also wait for the pipes that a child of it holds."""
    for _ in range(int(_GRACE / _STEP)):
        if process.returncode is not None:
            return True
        await asyncio.sleep(_STEP)
    return False


def _kill(leader: int, number: int) -> None:
    # The number of its group outlives it for as long as anybody is in it, and is nobody else's.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


@atexit.register
def _end_all() -> None:
    """Where the thread was given up that would have ended them."""
    for leader in _alive:
        _kill(leader, signal.SIGKILL)
