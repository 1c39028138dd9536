"""A few methods of Slack's Web API on a free port, for slack_sdk's own client: it answers what a test tells it to."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient


@dataclass(frozen=True)
class Call:
    """One call as it arrived; `token` is the bearer's, `client` the id and secret of the app where it was sent."""

    method: str
    token: str
    client: tuple[str, str]
    fields: Mapping[str, str]
    path: str


@dataclass(frozen=True)
class Answer:
    body: Mapping[str, Any] | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[Call], Answer]


@dataclass
class WebApi:
    """What was asked, and what is answered. With `gate` closed nothing is answered until it is opened."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, Respond] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(
        self, method: str, body: Mapping[str, Any] | str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.answers[method] = lambda _: Answer(body, status, headers or {})

    def refuse(self, method: str, code: str, **more: str) -> None:
        self.answer(method, {"ok": False, "error": code, **more})

    def client(self, token: str | None) -> AsyncWebClient:
        return AsyncWebClient(token=token, base_url=self.url, retry_handlers=[])

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        authorization = request.headers.get("Authorization", "")
        is_app = authorization.startswith("Basic ")
        login, _, password = b64decode(authorization[6:]).decode().partition(":") if is_app else ("", "", "")
        fields = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        call = Call(
            method,
            "" if is_app else authorization.removeprefix("Bearer "),
            (login, password),
            fields,
            request.path_qs,
        )
        self.calls.append(call)
        self.arrived.set()
        await self.gate.wait()
        answer = self.answers[method](call) if method in self.answers else Answer({}, 404)
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, headers=answer.headers)
        return web.json_response(dict(answer.body), status=answer.status, headers=answer.headers)


@asynccontextmanager
async def web_api() -> AsyncGenerator[WebApi, None]:
    """A server for one test."""
    api = WebApi()
    api.gate.set()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", api.handle)
    async with TestServer(app) as server:
        api.url = str(server.make_url("/api/"))
        yield api
