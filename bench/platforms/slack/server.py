"""The HTTP side: Web API calls, files, response URLs, the consent page and sockets, each under its address."""

import asyncio
import base64
import json
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from bench.platforms.slack import answers, oauth, uploads
from bench.platforms.slack.errors import ApiError, RateLimited
from bench.platforms.slack.faults import Broken, Faults, Lost, Refusal, Wait
from bench.platforms.slack.files import LOGIN_PAGE
from bench.platforms.slack.journal import Call
from bench.platforms.slack.limits import Tiers
from bench.platforms.slack.methods import METHODS
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.sockets import Sockets
from bench.platforms.slack.state import State
from bench.platforms.slack.workspace import NEEDED, Bot

_BODY_BYTES = 64 * 1024 * 1024
_BROKEN_PAGE = "<html><body>Server Error</body></html>"

Work = Callable[[Call], Awaitable[web.Response]]


class Server:
    """Listens on 127.0.0.1. With `is_tiered` the rate limits of the tiers hold."""

    def __init__(self, state: State, sockets: Sockets, faults: Faults, tiers: Tiers) -> None:
        self._state = state
        self._sockets = sockets
        self._faults = faults
        self.tiers = tiers
        self.is_tiered = False
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._api),
                web.post("/upload/{id}", self._upload),
                web.get("/files-pri/{id}/download/{name}", self._download),
                web.post("/response/{id}", self._respond),
                web.get("/link/", self._link),
                web.get("/oauth/v2/authorize", self._authorize),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024).start()
        host, bound = self._runner.addresses[0][:2]
        self._state.base_url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, args = request.match_info["method"], await _arguments(request)
        token = _token(request, args)

        async def work(call: Call) -> web.Response:
            headers: dict[str, str] = {}
            try:
                return _ok(self._call(call, token, headers), headers)
            except ApiError as error:
                call.error = error.code
                return _as_json({"ok": False, "error": error.code} | error.more, headers=headers)
            except RateLimited as error:
                return _wait(call, error.seconds)

        return await self._served(request, Call(method, args), work)

    async def _served(self, request: web.Request, call: Call, work: Work) -> web.StreamResponse:
        """Writes the call down and lets happen what is to happen to it."""
        self._state.journal.calls.append(call)
        self._state.journal.tell()
        if seconds := self._faults.seconds(call.method):
            await asyncio.sleep(seconds)
        match self._faults.take(call.method):
            case Lost(is_done):
                # The call keeps its status of 0: nobody was answered.
                response = await work(call) if is_done else web.Response()
                _hang_up(request)
            case fault:
                response = await _answered(fault, call, work)
                call.status = response.status
        self._state.journal.tell()
        return response

    def _call(self, call: Call, token: str, headers: dict[str, str]) -> Payload:
        if call.method == "oauth.v2.access":
            return oauth.access(self._state, call.args)
        if call.method == "apps.connections.open":
            return self._open_connection(token)
        if call.method == "apps.manifest.export":
            _same(token, self._state.config_token)
            return oauth.export_manifest(self._state, call.args)
        method = METHODS.get(call.method)
        if method is None:
            raise ApiError("unknown_method", req_method=call.method)
        bot = self._state.workspaces.of(token)
        call.team = bot.team
        headers["x-oauth-scopes"] = ",".join(bot.scopes)
        self._admit(call, bot, headers)
        return method(self._state, bot, call.args)

    def _admit(self, call: Call, bot: Bot, headers: dict[str, str]) -> None:
        """ApiError where the token may not, or may not yet."""
        needed = NEEDED.get(call.method, ())
        headers["x-accepted-oauth-scopes"] = ",".join(needed)
        if needed and not set(needed) & set(bot.scopes):
            bot.require(needed[0])
        if self.is_tiered and (seconds := self.tiers.wait(call.method, bot.team, str(call.args.get("channel", "")))):
            raise RateLimited(seconds)

    def _open_connection(self, token: str) -> Payload:
        if token.startswith("xoxb-"):
            raise ApiError("not_allowed_token_type")
        _same(token, self._state.app_token)
        ticket = str(uuid4())
        self._state.tickets.add(ticket)
        return {"url": f"{self._state.base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id=A0PARLEY1"}

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._state.tickets:
            return web.Response(status=408, text="invalid ticket")
        self._state.tickets.discard(ticket)
        return await self._sockets.serve(request)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        id, content = request.match_info["id"], await _content(request)

        async def work(call: Call) -> web.Response:
            if uploads.receive(self._state, id, content):
                return web.Response(text=f"OK - {len(content)}")
            call.error = "upload_failed"
            return web.Response(status=400, text="upload failed")

        return await self._served(request, Call("upload", {"id": id, "bytes": len(content)}), work)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        id, token = request.match_info["id"].rpartition("-")[2], _token(request, {})

        async def work(call: Call) -> web.Response:
            file = self._state.files.get(id)
            try:
                bot = self._state.workspaces.of(token)
                call.team = bot.team
                if file is None or not set(NEEDED["download"]) & set(bot.scopes):
                    raise ApiError("file_not_found")
            except ApiError as error:
                call.error = error.code
                return web.Response(text=LOGIN_PAGE, content_type="text/html")
            return web.Response(body=file.content, content_type=file.mimetype)

        return await self._served(request, Call("download", {"id": id}), work)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        id, args = request.match_info["id"], await _arguments(request)

        async def work(call: Call) -> web.Response:
            try:
                answers.respond(self._state, id, args)
            except ApiError as error:
                call.error = error.code
                status = 404 if error.code in ("used_url", "expired_url") else 400
                return web.Response(status=status, text=error.code)
            return web.Response(text="ok")

        return await self._served(request, Call("response_url", args), work)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """The consent page: back with the newest code, or with what it says where the person declined."""
        grants, query = self._state.grants, request.query
        if query.get("client_id") != grants.client_id:
            return web.Response(status=400, text="invalid_client_id")
        code = next((code for code, grant in reversed(grants.codes.items()) if not grant.is_used), "")
        told = {"error": "access_denied"} if grants.is_declined else {"code": code}
        told["state"] = query.get("state", "")
        raise web.HTTPFound(f"{query.get('redirect_uri', '/')}?{urlencode(told)}")


async def _answered(fault: Refusal | Wait | Broken | None, call: Call, work: Work) -> web.Response:
    match fault:
        case None:
            return await work(call)
        case Refusal(error, more):
            call.error = error
            return _as_json({"ok": False, "error": error} | dict(more))
        case Wait(seconds):
            return _wait(call, seconds)
        case Broken(status):
            return web.Response(status=status, text=_BROKEN_PAGE, content_type="text/html")


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _same(token: str, expected: str) -> None:
    if not token:
        raise ApiError("not_authed")
    if token != expected:
        raise ApiError("invalid_auth")


async def _arguments(request: web.Request) -> Payload:
    """The arguments of a call, wherever they stand: in the address, in a form, or in JSON."""
    args: Payload = dict(request.query)
    if request.method != "POST":
        return args
    if request.content_type == "application/json":
        given = await _json(request)
        return args | (given if isinstance(given, dict) else {})
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        args |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    return args | _basic(request)


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError:
        return {}


async def _content(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    for part in (await request.post()).values():
        if isinstance(part, web.FileField):
            return part.file.read()
    return b""


def _basic(request: web.Request) -> Payload:
    """The app's own name and secret, which oauth.v2.access takes as Basic authentication."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        return {}
    return {"client_id": name, "client_secret": secret}


def _token(request: web.Request, args: Payload) -> str:
    """The token, which is not kept with the call."""
    told = str(args.pop("token", ""))
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value if scheme == "Bearer" else told


def _ok(told: Payload, headers: dict[str, str]) -> web.Response:
    return _as_json({"ok": True} | told, headers=headers)


def _wait(call: Call, seconds: int) -> web.Response:
    call.error = "ratelimited"
    return _as_json({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(seconds)})


def _as_json(told: Payload, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json.dumps(told).encode(), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
