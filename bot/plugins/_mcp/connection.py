"""One life of the connection to a server."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult, Implementation, Tool

from core.errors import ParleyError

_CONNECT = 60.0  # seconds to start, to greet and to name its tools
_CLOSE = 2.5  # a process has two times a second to end by itself
_UNWINDING = 0.5  # until what ended it is known
_PAGES = 50  # of a list of tools
_STREAM = "SSE stream"
_US = Implementation(name="parley", version="1")

Dial = Callable[[asyncio.Event], AbstractAsyncContextManager[Any]]
"""Opens a transport, which sets the event when the other side is gone."""


class Away(ParleyError):
    """The MCP server cannot be reached; nothing was called."""


class Lost(ParleyError):
    """The MCP server went away during the call."""


class Connection:
    """Begins to connect at once.

    A task of its own enters and leaves it, since that has to be one and the same; anybody calls through it meanwhile.
    """

    def __init__(self, name: str, dial: Dial) -> None:
        self.tools: tuple[Tool, ...] = ()
        self.cause: Exception | None = None
        self._dial = dial
        self._client: Client | None = None
        self._calls, self._is_retired = 0, False
        self._ready, self._over = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._hold(), name=f"MCP server {name}")

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be called through it."""
        return self._is_retired or self._over.is_set() or self._task.done()

    @property
    def is_ended(self) -> bool:
        """Whether nothing is left of it."""
        return self._task.done()

    async def ready(self) -> None:
        """Raises Away."""
        await self._ready.wait()
        if self._client is None:
            raise Away(reason(self.cause))

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Raises Away where nothing was sent, Lost where that is not known, and MCPError where the server refuses."""
        client = self._client
        if client is None:
            raise Away(reason(self.cause))
        self._calls += 1
        is_alone = self._calls == 1
        try:
            return await client.call_tool(tool, dict(arguments))
        except (MCPError, OSError) as error:
            if isinstance(error, MCPError) and not _is_end(error):
                raise
            self._is_retired = True
            if not _is_one_stream(error):
                self._over.set()
            if is_alone and await self._is_unreached():
                raise Away(reason(self.cause)) from None
            raise Lost from None
        finally:
            self._calls -= 1
            self._rest()

    def retire(self) -> None:
        """Nothing new is called through it, and what is under way goes on."""
        self._is_retired = True
        self._rest()

    async def close(self) -> None:
        self._over.set()
        if not self._ready.is_set():
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _is_unreached(self) -> bool:
        """Whether it ended because nothing could be sent at all."""
        await asyncio.wait([self._task], timeout=_UNWINDING)
        return isinstance(self.cause, ExceptionGroup) and self.cause.split(httpx2.ConnectError)[1] is None

    def _rest(self) -> None:
        if self._is_retired and not self._calls:
            self._over.set()

    async def _hold(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(_CONNECT) as limit:
                async with Client(self._dial(self._over), client_info=_US, cache=None) as client:
                    self.tools = await _tools(client)
                    self._client = client
                    self._ready.set()
                    limit.reschedule(None)
                    await self._over.wait()
                    limit.reschedule(clock() + _CLOSE)
        except Exception as error:
            self.cause = error
        finally:
            self._client = None
            self._ready.set()


def _is_end(error: MCPError) -> bool:
    """Servers use the SDK's own number for errors of theirs, too: its words tell which it is."""
    return error.code == CONNECTION_CLOSED and error.message.startswith(("Connection closed", _STREAM))


def _is_one_stream(error: Exception) -> bool:
    """Whether what carried this answer broke off, and nothing else did."""
    return isinstance(error, MCPError) and error.message.startswith(_STREAM)


async def _tools(client: Client) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    cursor = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(tools)


def reason(error: BaseException | None) -> str:
    """Why it failed, without the words of others: the kinds of errors, innermost ones alone."""
    match error:
        case None:
            return "it ended by itself"
        case BaseExceptionGroup(exceptions=inner):
            return ", ".join(dict.fromkeys(map(reason, inner)))
        case TimeoutError():
            return "it did not answer in time"
        case FileNotFoundError():
            return "there is no such command (`command` is the program alone, its arguments go to `args`)"
        case ConnectionResetError() | BrokenPipeError():
            return "it ended by itself"
        case MCPError() if _is_end(error):
            return "it ended by itself"
        case MCPError(code=code):
            return f"it refuses us (error {code}): is this an MCP server?"
        case _:
            return f"it failed with {type(error).__name__}"
