"""A server that is asked over HTTP (Streamable HTTP): who we are, and how much it may say."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from bot.plugins._mcp.settings import ServerSettings

log = logging.getLogger(__name__)

LARGEST = 8 * 1024 * 1024  # bytes of one message
_SILENCE = 300.0  # seconds; a call has its own bound
_CONNECT = 10.0


@asynccontextmanager
async def line_to(name: str, settings: ServerSettings) -> AsyncGenerator[Any, None]:
    """Redirects are followed within the same origin alone; a proxy of the environment would be shown the token."""
    url, token = settings.url or "", settings.secret

    async def heard(response: httpx2.Response) -> None:
        if response.status_code in {401, 403}:
            log.warning("the MCP server %s refuses us (status %d): its token?", name, response.status_code)
        _bind(response)

    async with (
        httpx2.AsyncClient(
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=httpx2.Timeout(_SILENCE, connect=_CONNECT),
            event_hooks={"response": [heard]},
            trust_env=False,
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LARGEST) as streams,
    ):
        yield streams


def _bind(response: httpx2.Response) -> None:
    """A stream of events is bounded event by event; everything else as a whole."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise httpx2.DecodingError("compressed, though nobody asked for that", request=response.request)
    kind = response.headers.get("content-type", "").lower()
    if not kind.startswith("text/event-stream") and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > LARGEST:
                raise httpx2.StreamError("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
