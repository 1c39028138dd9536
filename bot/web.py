"""The server: every channel's routes, health, readiness and metrics on one address."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

from bot.proxies import BASE, Handler, believing
from bot.telemetry import PrometheusMetrics
from bot.texts import say
from core.errors import NotStored, trace
from core.language import language_of
from core.ports import Accept, Adapter, Webhook
from core.trail import apart

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHIELD = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Ready = Callable[[], Awaitable[str]]
"""Why a question would not be answered now; "" where it would."""


def make_app(
    *,
    routes: Sequence[web.RouteDef],
    webhooks: Sequence[Adapter],
    accept: Accept,
    ready: Ready,
    trusted_proxies: Sequence[str] = (),
    is_open: Callable[[], bool] = lambda: True,
    is_closing: Callable[[], bool] = lambda: False,
) -> web.Application:
    """The public address: channel routes, `/channels/NAME` and one level below for webhooks, `/healthz`, `/readyz`.

    `/readyz` is 200 while it `is_open`, whatever a question would have to wait for: with the database away nobody else
    would answer either, and whoever comes is told so here. Its body says what it is.

    While it is closing, what comes over connections that are open is stored still, and each of them ends with its
    answer: whoever keeps one open comes to another process with the next request.
    """
    app = web.Application(middlewares=[_apart, believing(trusted_proxies), _errors], client_max_size=MAX_BODY)
    app.on_response_prepare.append(shield)
    app.on_response_prepare.append(_parting(is_closing))
    app.add_routes(routes)
    for adapter in webhooks:
        handler = _webhook(adapter, accept)
        app.router.add_route("*", f"/channels/{adapter.name}", handler)
        app.router.add_route("*", f"/channels/{adapter.name}/{{page}}", handler)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(ready, is_open))
    return app


def _parting(is_closing: Callable[[], bool]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def part(_: web.Request, response: web.StreamResponse) -> None:
        if is_closing():
            response.force_close()
            response.headers["Connection"] = "close"  # aiohttp has written its own headers before this is called

    return part


async def shield(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer tells a browser that may show it; a page's own policy comes before the strict one here."""
    for name, value in _SHIELD.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "Parley"  # and not which versions of what
    scheme, host = request.get(BASE, (request.scheme, request.host))
    if scheme == "https":
        _keep_to_https(response)
        # A browser that was told so on this machine would refuse whatever else listens on it.
        if _name(host) not in _LOOPBACK:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def _keep_to_https(response: web.StreamResponse) -> None:
    """A cookie that was handed out over HTTPS is shown over nothing else, whatever the settings know of the proxy."""
    for cookie in response.headers.popall("Set-Cookie", []):
        is_kept = "secure" in (part.strip().lower() for part in cookie.split(";")[1:])
        response.headers.add("Set-Cookie", cookie if is_kept else f"{cookie}; Secure")


def metrics_route(metrics: PrometheusMetrics, token: str | None, *, is_loopback: bool) -> web.RouteDef:
    """`/metrics`, for whoever has the token; without one for this machine only, and not through a proxy."""

    async def scrape(request: web.Request) -> web.Response:
        if not _may_scrape(request, token, is_loopback):
            return _sentence(request, HTTPStatus.FORBIDDEN, "no_metrics")
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return web.get("/metrics", scrape)


def _may_scrape(request: web.Request, token: str | None, is_loopback: bool) -> bool:
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
    is_direct = not any(name in request.headers for name in _FORWARDED)
    return is_loopback and is_direct and _name(request.host) in _LOOPBACK


def _name(host: str) -> str:
    """A host without its port."""
    return (host if host.endswith("]") else host.rsplit(":", 1)[0]).strip("[]")


def _webhook(adapter: Adapter, accept: Accept) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        webhook = Webhook(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            received_at=datetime.now(UTC),
            remote=request.remote or "",
        )
        received = await adapter.receive(webhook, accept)
        return web.Response(
            status=received.status,
            body=received.body,
            headers={"Content-Type": received.content_type, **received.headers},
        )

    return handle


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


def _readyz(ready: Ready, is_open: Callable[[], bool]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        problem = await ready()
        lacking = {"waiting_for": problem} if problem else {}
        if is_open():
            return web.json_response({"status": "ready", **lacking})
        return web.json_response({"status": "not ready", **lacking}, status=HTTPStatus.SERVICE_UNAVAILABLE)

    return handle


@web.middleware
async def _apart(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whose a request is, is not told of the next one on its connection."""
    with apart():
        return await handler(request)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is a status and a sentence, and the operator finds its cause in the log."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return _sentence(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", limit=MAX_BODY)
    except web.HTTPNotFound:
        return _sentence(request, HTTPStatus.NOT_FOUND, "not_found")
    except web.HTTPMethodNotAllowed as error:
        response = _sentence(request, HTTPStatus.METHOD_NOT_ALLOWED, "not_allowed_method", method=error.method)
        response.headers["Allow"] = error.headers["Allow"]
        return response
    except web.HTTPException:
        raise
    except NotStored:
        response = _sentence(request, HTTPStatus.SERVICE_UNAVAILABLE, "not_stored")
        response.headers["Retry-After"] = "2"
        return response
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception as error:
        log.error("%s %s failed: %s", request.method, request.rel_url.path, trace(error))
        return _sentence(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error")


def _sentence(request: web.Request, status: HTTPStatus, name: str, **facts: object) -> web.Response:
    accepted = request.headers.get("Accept-Language", "")
    language = language_of("", accepted)
    body = json.dumps({"error": say(name, language=language, **facts), "code": name}, ensure_ascii=False)
    return web.Response(status=status, text=body, content_type="application/json")
