"""WeCom's server API on a free port: it answers what a test tells it to, and writes down what it was asked."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.wecom.settings import AppSettings, Callback

CORP, AGENT, SECRET = "ww00000000000000aa", 1000002, "an-invented-secret"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CALLBACK = Callback(token="an-invented-token", aes_key=AES_KEY, receive_id=CORP)


def settings(url: str) -> AppSettings:
    return AppSettings(corp_id=CORP, agent_id=AGENT, secret=SECRET, callback=CALLBACK, api_url=url)


@dataclass(frozen=True)
class Call:
    """`body` is the JSON, or a form's file as {"name", "type", "data"}."""

    path: str
    query: Mapping[str, str]
    body: Any
    raw: bytes = b""


@dataclass
class Qyapi:
    """`answers` holds what the next calls of a path are answered with, the last of them again and again.

    An answer is a JSON object, an HTTP status, or bytes: a file. Tokens are "token-1", "token-2", …
    """

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    tokens: int = 0

    def answer(self, path: str, *answers: Any) -> None:
        self.answers[path] = list(answers)

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.calls.append(Call(path, dict(request.query), *await _read(request)))
        planned = self.answers.get(path)
        answer = (planned.pop(0) if len(planned) > 1 else planned[0]) if planned else self._usual(path)
        match answer:
            case int():
                return web.Response(status=answer)
            case bytes():
                return web.Response(body=answer, headers={"Content-Disposition": 'attachment; filename="x"'})
            case str():
                return web.Response(text=answer)
        return web.json_response(answer)

    def _usual(self, path: str) -> Any:
        if path == "gettoken":
            self.tokens += 1
            return {"errcode": 0, "errmsg": "ok", "access_token": f"token-{self.tokens}", "expires_in": 7200}
        return {"errcode": 0, "errmsg": "ok", "msgid": f"m{len(self.of('message/send'))}"}


async def _read(request: web.Request) -> tuple[Any, bytes]:
    if request.content_type == "multipart/form-data":
        file = (await request.post())["media"]
        assert isinstance(file, web.FileField)
        return {"name": file.filename, "type": file.content_type, "data": file.file.read()}, b""
    raw = await request.read()
    return (await request.json() if raw else None), raw


@asynccontextmanager
async def serving() -> AsyncGenerator[Qyapi, None]:
    qyapi = Qyapi()
    app = web.Application()
    app.router.add_route("*", "/cgi-bin/{path:.*}", qyapi.handle)
    async with TestServer(app) as server:
        qyapi.url = str(server.make_url("")).rstrip("/")
        yield qyapi
