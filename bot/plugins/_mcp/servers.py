"""The servers that are configured: connected when the house opens, anew when they went away, closed with it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any

from mcp import MCPError
from mcp.types import INVALID_REQUEST, PARSE_ERROR
from pydantic import ValidationError

from bot.plugins._mcp.connection import Away, Connection, Lost
from bot.plugins._mcp.http import line_to
from bot.plugins._mcp.results import result_of
from bot.plugins._mcp.settings import ServerSettings, Settings
from bot.plugins._mcp.stdio import process_of
from bot.plugins._mcp.texts import say
from bot.plugins._mcp.tools import plugins_of
from bot.plugins._mcp.words import line
from core.plugin import Plugin, Result

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds between tries to reach a server that was away at the start
_LONGEST_REFUSAL = 500


class Server:
    """One server. Whoever calls finds it connected, or connects it; at most one connection is opened at a time."""

    def __init__(self, name: str, settings: ServerSettings) -> None:
        self.name, self.settings = name, settings
        self._connection: Connection | None = None
        self._old: set[Connection] = set()

    async def connected(self) -> Connection:
        """Raises Away."""
        if self._connection is None or self._connection.is_over:
            # Nothing is awaited between the look and the new connection: everybody else waits for that one.
            self._old = {old for old in (*self._old, self._connection) if old and not old.is_ended}
            self._connection = Connection(self.name, self._dial)
        connection = self._connection
        await connection.ready()
        return connection

    async def call(self, tool: str, arguments: Mapping[str, Any], language: str) -> Result:
        """What came of it, or a sentence that says why nothing did. No call is made twice: it may have acted."""
        names = {"tool": line(tool, 80), "server": self.name}
        try:
            connection = await self.connected()
            return result_of(await self._called(connection, tool, arguments), tool, self.name, language)
        except Away as error:
            log.warning("the MCP server %s cannot be reached: %s", self.name, error.detail)
            return say("away", language, **names)
        except Lost:
            log.warning("the MCP server %s went away during a call", self.name)
            return say("lost", language, **names)
        except MCPError as error:
            log.warning("the MCP server %s refused a call (error %d)", self.name, error.code)
            if error.code == PARSE_ERROR:
                return say("senseless", language, **names)
            return say("refused", language, words=line(error.message, _LONGEST_REFUSAL), **names)
        except (RuntimeError, ValidationError) as error:
            log.warning("the MCP server %s answered what makes no sense (%s)", self.name, type(error).__name__)
            return say("senseless", language, **names)

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in (*self._old, self._connection) if each))

    async def _called(self, connection: Connection, tool: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return await connection.call(tool, arguments)
        except MCPError as error:
            if self.settings.url and _is_about_the_session(error):
                connection.retire()
            raise

    def _dial(self, over: asyncio.Event) -> AbstractAsyncContextManager[Any]:
        return line_to(self.name, self.settings) if self.settings.url else process_of(self.name, self.settings, over)


def _is_about_the_session(error: MCPError) -> bool:
    """A server that was started anew knows nothing of the session we had; each says so in its own way."""
    return error.code == INVALID_REQUEST or -32099 <= error.code <= -32000


@asynccontextmanager
async def opened(settings: Settings, *, until: float) -> AsyncGenerator[Sequence[Plugin], None]:
    """The plugins of all servers that are there in time. The others are named, and looked for in the background.

    `until` is a time of the monotonic clock.
    """
    servers = [Server(name, each) for name, each in settings.servers.items()]
    looking: list[asyncio.Task[None]] = []
    try:
        found = await asyncio.gather(*(_found(server, until) for server in servers))
        away = [server for server, plugins in zip(servers, found, strict=True) if plugins is None]
        looking += [asyncio.create_task(_look_for(server), name=f"look for {server.name}") for server in away]
        yield [plugin for plugins in found for plugin in plugins or ()]
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*(server.close() for server in servers), *looking, return_exceptions=True)


async def _found(server: Server, until: float) -> tuple[Plugin, ...] | None:
    try:
        async with asyncio.timeout(until - monotonic()):
            connection = await server.connected()
    except (Away, TimeoutError) as error:
        why = error.detail if isinstance(error, Away) else "it did not answer in time"
        log.warning("the MCP server %s has no tools until the next start: %s", server.name, why)
        return None
    plugins = plugins_of(server.name, server.settings, connection.tools, server.call)
    log.info("the MCP server %s offers %d of its %d tools", server.name, len(plugins), len(connection.tools))
    return plugins


async def _look_for(server: Server) -> None:
    """What is offered is settled when the house opens: once the server is there, the operator is told."""
    pause = _FIRST_PAUSE
    while True:
        try:
            await server.connected()
            break
        except Away:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    log.warning("the MCP server %s can be reached now: start anew to use its tools", server.name)
    await server.close()
