"""An OpenID provider that lies as it is told to: what it hands out is what a test has put into it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwk, jwt
from joserfc.jwk import RSAKey

CLIENT = "parley"
CODE = "a code"


def new_key(kid: str) -> RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass(eq=False)
class Liar:
    """`claims` change the ID token, `header` its header, `said` the discovery document; `told` is its user info."""

    url: str = ""
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] | None = None
    key: RSAKey = field(default_factory=lambda: new_key("first"))
    published: list[RSAKey] = field(default_factory=list)
    token: str = ""  # in place of a signed one
    status: int = 200
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def id_token(self) -> str:
        if self.token:
            return self.token
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "248289761001",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
            "preferred_username": "ann",
            "groups": ["ops"],
        } | self.claims
        header = {"alg": "RS256", "kid": self.key.kid} | self.header
        return jwt.encode(header, {name: value for name, value in claims.items() if value is not None}, self.key)

    def unsigned(self) -> str:
        """The same, vouched for by nobody."""
        _, payload, _ = self.id_token().split(".")
        return f"{_text(json.dumps({'alg': 'none'}).encode())}.{payload}."

    def signed_with_what_everybody_knows(self) -> str:
        """HS256 over the public key, for verifiers that believe the header's `alg`."""
        _, payload, _ = self.id_token().split(".")
        signed = f"{_text(json.dumps({'alg': 'HS256', 'kid': self.key.kid}).encode())}.{payload}"
        return f"{signed}.{_text(hmac.digest(self.key.as_pem(private=False), signed.encode(), hashlib.sha256))}"

    async def discovery(self, _: web.Request) -> web.Response:
        self.asked.append("discovery")
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/end",
            "id_token_signing_alg_values_supported": ["RS256"],
        } | ({"userinfo_endpoint": f"{self.url}/me"} if self.told is not None else {})
        return web.json_response(document | self.said)

    async def keys(self, _: web.Request) -> web.Response:
        self.asked.append("keys")
        keys = [key.as_dict(private=False) for key in self.published or [self.key]]
        return web.json_response({"keys": [{"kty": "ML-DSA", "kid": "of another age"}, *keys]})

    async def redeem(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form | {"authorization": request.headers.get("Authorization", "")})
        if self.status != 200:
            return web.json_response({"error": "invalid_grant"}, status=self.status)
        return web.json_response(
            {"access_token": "an access token", "token_type": "Bearer", "id_token": self.id_token()}
        )

    async def me(self, _: web.Request) -> web.Response:
        self.asked.append("me")
        return web.json_response(self.told)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@asynccontextmanager
async def lying() -> AsyncIterator[Liar]:
    """One at an address of its own."""
    liar, app = Liar(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", liar.discovery)
    app.router.add_get("/keys", liar.keys)
    app.router.add_post("/token", liar.redeem)
    app.router.add_get("/me", liar.me)
    async with TestServer(app, host="127.0.0.1") as server:
        liar.url = f"http://127.0.0.1:{server.port}"
        yield liar
