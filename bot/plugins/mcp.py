"""The tools of MCP servers: each that is allowed becomes a plugin of its own."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from bot.plugins._mcp.settings import settings_of
from core.errors import Misconfigured
from core.plugin import Plugin, Setup, provider


@provider
@asynccontextmanager
async def mcp(setup: Setup) -> AsyncGenerator[Sequence[Plugin], None]:
    """Connects the servers that are configured; raises Misconfigured. Where there is none, nothing is imported."""
    began, settings = monotonic(), settings_of(setup)
    if not settings.servers:
        yield ()
        return
    try:
        from bot.plugins._mcp.servers import opened
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"httpx2", "mcp", "mcp_types"}:
            raise
        raise Misconfigured("MCP servers need the extra mcp: pip install -c constraints.txt -e '.[mcp]'") from None
    # Importing the SDK takes its part of the time.
    async with opened(settings, until=began + settings.wait) as plugins:
        yield plugins
