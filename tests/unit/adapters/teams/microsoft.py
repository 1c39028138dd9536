"""Microsoft's side on a free port, as little of it as the client needs: keys, sign-in and connector, all obedient."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

TENANT = "11111111-1111-4111-8111-111111111111"
APP = "22222222-2222-4222-8222-222222222222"
PASSWORD = "a password of the tests"
ISSUER = "https://api.botframework.com"


def made_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


KEY, OTHER_KEY = made_key(), made_key()


@dataclass(frozen=True)
class Call:
    """One call of the connector as it arrived; `path` is still quoted."""

    method: str
    path: str
    token: str
    body: Any


@dataclass(frozen=True)
class Answer:
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


TAKEN = Answer({"id": "1:answer"}, 201)


@dataclass
class Microsoft:
    """What was asked, and what is answered. With `gate` closed the connector answers once it is opened."""

    url: str = ""
    keys: dict[str, RSAPrivateKey] = field(default_factory=lambda: {"key-1": KEY})
    endorsements: list[str] | None = field(default_factory=lambda: ["msteams", "webchat"])
    are_keys_down: bool = False
    key_fetches: int = 0
    sign_in: Answer = field(default_factory=lambda: Answer())
    sign_ins: list[Mapping[str, str]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    respond: Callable[[Call], Answer] = lambda _: TAKEN
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def keys_url(self) -> str:
        return f"{self.url}/v1/.well-known/openidconfiguration"

    def answers(self, *answers: Answer) -> None:
        """Each call is answered by the next of these, and all further ones by the last."""
        left = list(answers)
        self.respond = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def token(self, key: Any = KEY, *, kid: str | None = "key-1", algorithm: str = "RS256", **claims: Any) -> str:
        """One as Teams' would be, but for these claims; None takes one out."""
        now = int(time())
        sound = {"iss": ISSUER, "aud": APP, "nbf": now - 60, "exp": now + 3600, "serviceurl": self.url}
        told = {name: value for name, value in (sound | claims).items() if value is not None}
        return jwt.encode(told, key, algorithm, headers={"kid": kid} if kid else None)

    async def document(self, _: web.Request) -> web.Response:
        self.key_fetches += 1
        if self.are_keys_down:
            return web.Response(status=503)
        return web.json_response({"issuer": ISSUER, "jwks_uri": f"{self.url}/v1/.well-known/keys"})

    async def jwks(self, _: web.Request) -> web.Response:
        more = {} if self.endorsements is None else {"endorsements": self.endorsements}
        keys = [
            json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} | more
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": [{"kty": "EC", "kid": "of another kind"}, "no key at all", *keys]})

    async def login(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.sign_ins.append({**form, "tenant": request.match_info["tenant"]})
        if self.sign_in.body is not None:
            return web.json_response(self.sign_in.body, status=self.sign_in.status)
        return web.json_response({"access_token": f"granted-{len(self.sign_ins)}", "expires_in": 3600})

    async def connector(self, request: web.Request) -> web.Response:
        raw = await request.read()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        call = Call(request.method, request.raw_path, token, json.loads(raw) if raw else None)
        self.calls.append(call)
        self.waiting += 1
        self.arrived.set()
        await self.gate.wait()
        self.waiting -= 1
        answer = self.respond(call)
        if answer.body is None or isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@asynccontextmanager
async def microsoft() -> AsyncGenerator[Microsoft, None]:
    side = Microsoft()
    side.gate.set()
    app = web.Application()
    app.router.add_get("/v1/.well-known/openidconfiguration", side.document)
    app.router.add_get("/v1/.well-known/keys", side.jwks)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", side.login)
    app.router.add_route("*", "/v3/{rest:.*}", side.connector)
    server = TestServer(app)
    await server.start_server()
    side.url = str(server.make_url("")).rstrip("/")
    try:
        yield side
    finally:
        side.gate.set()
        await server.close()
