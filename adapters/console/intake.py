"""An HTTP request as a Webhook, read no further than it may be long."""

import asyncio
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from adapters.console.problem import Problem
from core.ports import Webhook

_TIMEOUT = 30.0


async def read(request: web.Request, limit: int) -> Webhook:
    """The request with its body, of at most `limit` bytes; raises Problem."""
    return envelope(request, await _body(request, limit))


def envelope(request: web.Request, body: bytes = b"") -> Webhook:
    """The request without its body, for deciding whether that is to be read at all."""
    return Webhook(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        received_at=datetime.now(UTC),
        remote=request.remote or "",
    )


async def _body(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > limit:
                    raise Problem(413, "body_too_large", limit=limit // 1024)
    except (TimeoutError, HttpProcessingError, web.RequestPayloadError) as error:
        raise Problem(400, "body_cut") from error
    return bytes(body)
