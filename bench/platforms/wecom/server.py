"""What listens: the long connection, the server API under /cgi-bin, response URLs and people's files."""

import json
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import quote

from aiohttp import web

from bench.platforms.wecom.app import App
from bench.platforms.wecom.bot import Bot
from bench.platforms.wecom.errors import ApiError, invalid
from bench.platforms.wecom.faults import Broken, Faults, Lost, Refused
from bench.platforms.wecom.journal import Call, Journal, Payload
from bench.platforms.wecom.media import Media
from bench.platforms.wecom.sockets import Sockets

_BODY_BYTES = 32 * 1024 * 1024
_PAGE = "<html><body>Service Unavailable</body></html>"
_OK: Payload = {"errcode": 0, "errmsg": "ok"}

Work = Callable[[], web.Response]


class Server:
    """Listens on 127.0.0.1."""

    def __init__(self, journal: Journal, faults: Faults, sockets: Sockets, bot: Bot, app: App, media: Media) -> None:
        self._journal = journal
        self._faults = faults
        self._sockets = sockets
        self._bot = bot
        self._app = app
        self._media = media
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.get("/openws", self._sockets.serve),
                web.post("/response/{id}", self._respond),
                web.get("/file/{id}", self._file),
                web.post("/cgi-bin/media/upload", self._upload),
                web.get("/cgi-bin/media/get", self._fetch),
                web.route("*", "/cgi-bin/{method:.+}", self._api),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024).start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, body = request.match_info["method"], await _body(request)
        call = Call(method, _shown(request, body))

        def work() -> Payload:
            if method == "gettoken":
                return self._app.token(dict(request.query))
            return self._method(request, method)(body)

        return await self._served(request, call, lambda: _json(_OK | work()))

    def _method(self, request: web.Request, method: str) -> Callable[[Payload], Payload]:
        methods: dict[str, Callable[[Payload], Payload]] = {
            "message/send": self._app.send,
            "message/recall": self._app.recall,
            "message/update_template_card": self._app.update_card,
            "getcallbackip": lambda body: self._app.callback_ips(),
            "agent/get": lambda body: self._app.agent_info(dict(request.query)),
        }
        if method not in methods:
            raise invalid("no such interface")
        self._app.admit(request.query.get("access_token"))
        return methods[method]

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """multipart/form-data with one part named media (document 90253)."""
        part = (await request.post()).get("media")
        name, content = (part.filename, part.file.read()) if isinstance(part, web.FileField) else ("", b"")
        call = Call("media/upload", _shown(request, {"filename": name, "bytes": len(content)}))

        def work() -> web.Response:
            self._app.admit(request.query.get("access_token"))
            return _json(_OK | self._app.upload(request.query.get("type", ""), name, content))

        return await self._served(request, call, work)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        """The bytes themselves; an error comes as JSON (document 90254)."""

        def work() -> web.Response:
            self._app.admit(request.query.get("access_token"))
            stored = self._app.fetch(request.query.get("media_id", ""))
            return _bytes(stored.content, stored.name)

        return await self._served(request, Call("media/get", _shown(request, {})), work)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        id, body = request.match_info["id"], await _body(request)
        return await self._served(
            request, Call("response_url", body), lambda: _json(_OK | self._bot.respond_by_url(id, body))
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Encrypted; gone after five minutes."""

        def work() -> web.Response:
            sent = self._media.fetch(request.match_info["id"])
            return web.Response(status=404) if sent is None else _bytes(sent.content, sent.name)

        return await self._served(request, Call("file", {"id": request.match_info["id"]}), work)

    async def _served(self, request: web.Request, call: Call, work: Work) -> web.StreamResponse:
        """Writes the call down and lets happen what is to happen to it."""
        self._journal.calls.append(call)
        self._journal.tell()
        await self._faults.pause(call.kind)
        fault = self._faults.take(call.kind)
        if isinstance(fault, Lost):
            response = _done(work) if fault.is_done else web.Response()
            if request.transport is not None:
                request.transport.abort()
        elif isinstance(fault, Broken):
            response = web.Response(status=fault.status, text=_PAGE, content_type="text/html")
        else:
            response = _json(fault.error.body) if isinstance(fault, Refused) else _done(work)
            _note(call, response)
        self._journal.tell()
        return response


def _done(work: Work) -> web.Response:
    try:
        return work()
    except ApiError as error:
        return _json(error.body)


def _note(call: Call, response: web.Response) -> None:
    call.ended, call.code = monotonic(), 0 if response.status == 200 else None
    if response.content_type == "application/json" and isinstance(response.body, bytes):
        told = json.loads(response.body)
        call.code, call.told = told["errcode"], {name: told[name] for name in told if name != "access_token"}


def _shown(request: web.Request, body: Payload) -> Payload:
    """What is written down of a request: no secret."""
    return {k: v for k, v in request.query.items() if k not in ("access_token", "corpsecret")} | body


async def _body(request: web.Request) -> Payload:
    raw = await request.read()
    try:
        told: Any = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _bytes(content: bytes, name: str) -> web.Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return web.Response(body=content, content_type="application/octet-stream", headers=headers)


def _json(told: Payload) -> web.Response:
    return web.Response(body=json.dumps(told, ensure_ascii=False).encode(), content_type="application/json")
