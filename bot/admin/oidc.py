"""Signing in by OpenID Connect: authorization code with PKCE, at one provider; Authlib's parts over aiohttp.

Specifications: OpenID Connect Core 1.0 (3.1), Discovery 1.0, RP-Initiated Logout 1.0; RFC 7636, RFC 9207, RFC 9700.
"""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from hashlib import sha256
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwk, jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from bot.admin.vouching import Errand, NotVouched, Vouched
from bot.config import OidcSettings, is_loopback

log = logging.getLogger(__name__)

CALLBACK = "/admin/oidc"
_SECONDS = 10.0
_MOST = 2**20  # bytes of any answer
_DISCOVERED = 3600.0  # seconds
_DISCOVER_AGAIN = 10.0  # whoever wants in while it is away does not wait for all who wanted before
_KEYS_KEPT = 3600.0  # a key that it has withdrawn may have the name of the next one, or none
_KEYS_AGAIN = 10.0  # whoever sends tokens with made-up keys does not make us ask more often
_LEEWAY = 60  # seconds, between two clocks
# What only the provider can have signed: nothing with a shared secret, nothing unsigned.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """One that people are sent to. `origin` is the address of these pages as the provider knows it."""

    def __init__(self, settings: OidcSettings, secret: str | None, origin: str) -> None:
        self._settings = settings
        self._secret = secret
        self._origin = origin
        self._metadata: dict[str, Any] = {}
        self._discovered_at = 0.0
        self._away_at: float | None = None
        self._keys: jwk.KeySet | None = None
        self._keys_at = 0.0
        self._gate = asyncio.Lock()

    @property
    def label(self) -> str:
        return self._settings.label or (urlsplit(self._settings.issuer).hostname or "")

    @property
    def grant(self) -> str:
        """The terms on which people are let in: where one of them is changed, they sign in again."""
        terms = self._settings.model_dump(mode="json", exclude={"label", "scopes", "name"})
        return sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]

    def roles(self, vouched: Vouched) -> frozenset[str]:
        """What the settings give to their groups."""
        given = (roles for group, roles in self._settings.roles.items() if group in vouched.groups)
        return frozenset(role for roles in given for role in roles)

    # ------------------------------------------------------------------------------------------------- there and back

    async def address(self, errand: Errand) -> str:
        """Where the browser goes. Raises NotVouched."""
        metadata = await self._discover()
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                self._settings.client_id,
                "code",
                redirect_uri=self._origin + CALLBACK,
                scope=list(self._settings.scopes),
                state=errand.state,
                nonce=errand.nonce,
                code_challenge=create_s256_code_challenge(errand.verifier),
                code_challenge_method="S256",
            )
        )

    async def farewell(self) -> str:
        """Where one signs out at the provider; "" where it has no such place, or does not answer."""
        try:
            metadata = await self._discover()
        except NotVouched:
            return ""
        if not (end := metadata.get("end_session_endpoint")):
            return ""
        back = f"{self._origin}/admin/sign-in?out"
        params = [("client_id", self._settings.client_id), ("post_logout_redirect_uri", back)]
        return str(add_params_to_uri(end, params))

    async def vouch(self, answer: Mapping[str, str], errand: Errand) -> Vouched:
        """Whom it vouches for, of what the browser came back with; the state was compared before. Raises NotVouched."""
        metadata = await self._discover()
        if "error" in answer:
            raise NotVouched("refused", f"(it said {answer['error'][:60]!r})")
        is_told = "iss" in answer or metadata.get("authorization_response_iss_parameter_supported") is True
        if is_told and answer.get("iss") != self._settings.issuer:
            raise NotVouched("invalid", "(the answer is of another issuer)")
        if not (code := answer.get("code")):
            raise NotVouched("invalid", "(there was no code)")
        tokens = await self._redeem(metadata, code, errand.verifier)
        claims = await self._checked(metadata, tokens, errand.nonce)
        if _found(claims, self._settings.claim) is None and metadata.get("userinfo_endpoint"):
            claims = {**await self._told(metadata, tokens, str(claims["sub"])), **claims}
        return self._vouched(claims)

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        groups = _found(claims, self._settings.claim)
        names = (claims.get(name) for name in (self._settings.name, "email", "name", "sub"))
        name = next(name for name in names if isinstance(name, str) and name.strip())
        readable = "".join(letter for letter in name.strip() if letter.isprintable())[:100]
        return Vouched(str(claims["sub"]), readable or str(claims["sub"]), frozenset(_listed(groups)))

    async def _redeem(self, metadata: Mapping[str, Any], code: str, verifier: str) -> Mapping[str, Any]:
        body = prepare_token_request(
            "authorization_code", "", redirect_uri=self._origin + CALLBACK, code=code, code_verifier=verifier
        )
        uri, headers, body = self._client(metadata).prepare("POST", metadata["token_endpoint"], {}, body)
        sent = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", uri, headers=sent, data=body)

    def _client(self, metadata: Mapping[str, Any]) -> ClientAuth:
        """In the header, each part form-encoded (RFC 6749, 2.3.1), unless the provider takes it in the body alone."""
        if self._secret is None:
            return ClientAuth(self._settings.client_id, None, "none")
        if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            id_, secret = quote(self._settings.client_id, safe=""), quote(self._secret, safe="")
            return ClientAuth(id_, secret, "client_secret_basic")
        return ClientAuth(self._settings.client_id, self._secret, "client_secret_post")

    async def _told(self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], subject: str) -> Mapping[str, Any]:
        """Claims that are not in the ID token. It must speak of the same person (OpenID Connect Core, 5.3.2)."""
        headers = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        said = await self._ask("GET", metadata["userinfo_endpoint"], headers=headers)
        if said.get("sub") != subject:
            raise NotVouched("invalid", "(its user info is of somebody else)")
        return said

    # ----------------------------------------------------------------------------------------------------- the ID token

    async def _checked(self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """What the ID token says, signed by the provider, for us, now, in answer to this errand."""
        token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise NotVouched("invalid", "(there was no ID token)")
        decoded = await self._verified(metadata, token)
        options: dict[str, Any] = {
            "iss": {"essential": True, "value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access_token}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        try:
            claims.validate(leeway=_LEEWAY)
        except (JoseError, TypeError, ValueError) as error:
            raise NotVouched("invalid", f"(its ID token: {_kind(error)})") from None
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise NotVouched("invalid", "(its ID token names nobody)")
        said: Mapping[str, Any] = claims
        return said

    async def _verified(self, metadata: Mapping[str, Any], token: str) -> jwt.Token:
        said = metadata.get("id_token_signing_alg_values_supported", ["RS256"])
        algorithms = [name for name in _ALGORITHMS if name in said]
        if not algorithms:
            raise NotVouched("invalid", "(it signs ID tokens by nothing that is taken here)")
        try:
            try:
                return _decoded(token, await self._key_set(metadata), algorithms)
            except InvalidKeyIdError:  # it may have new keys
                return _decoded(token, await self._key_set(metadata, is_unknown=True), algorithms)
        except (JoseError, TypeError, ValueError) as error:
            raise NotVouched("invalid", f"(its ID token: {_kind(error)})") from None

    async def _key_set(self, metadata: Mapping[str, Any], *, is_unknown: bool = False) -> jwk.KeySet:
        async with self._gate:
            if self._keys is None or monotonic() - self._keys_at > (_KEYS_AGAIN if is_unknown else _KEYS_KEPT):
                said = await self._ask("GET", metadata["jwks_uri"])
                self._keys, self._keys_at = jwk.KeySet(list(_usable(said.get("keys")))), monotonic()
            return self._keys

    # ------------------------------------------------------------------------------------------------------- the wire

    async def _discover(self) -> Mapping[str, Any]:
        """What the provider says of itself, an hour old at most; where it is away, what it said before will do."""
        if self._metadata and monotonic() - self._discovered_at < _DISCOVERED:
            return self._metadata
        async with self._gate:
            if self._metadata and monotonic() - self._discovered_at < _DISCOVERED:
                return self._metadata
            try:
                said = await self._asked_of_itself()
            except NotVouched:
                if self._metadata:
                    return self._metadata
                raise
            self._metadata, self._discovered_at = _genuine(dict(said), self._settings.issuer), monotonic()
            return self._metadata

    async def _asked_of_itself(self) -> Mapping[str, Any]:
        """Once in a while where it is away: each asking may take long, and they go one after the other."""
        if self._away_at is not None and monotonic() - self._away_at < _DISCOVER_AGAIN:
            raise NotVouched("away", "(it did not answer a moment ago)")
        try:
            said = await self._ask("GET", f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        except NotVouched:
            self._away_at = monotonic()
            raise
        self._away_at = None
        return said

    async def _ask(self, method: str, url: str, **more: Any) -> Mapping[str, Any]:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, allow_redirects=False, **more) as answer,
            ):
                body = await answer.content.read(_MOST)
                while chunk := await answer.content.read(_MOST):
                    body += chunk
                    if len(body) > _MOST:
                        raise NotVouched("invalid", "(its answer is too long)")
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotVouched("away", f"({type(error).__name__})") from None
        if status >= 500:
            raise NotVouched("away", f"(status {status})")
        said = _json(body)
        if status != 200:
            raise NotVouched("invalid", f"(status {status}, {str((said or {}).get('error', ''))[:60]!r})")
        if said is None:
            raise NotVouched("invalid", "(its answer is no JSON object)")
        return said


def _genuine(said: dict[str, Any], issuer: str) -> dict[str, Any]:
    """Discovery speaks for the very issuer that was asked (Discovery, 4.3), and of places a secret may go to."""
    if said.get("issuer") != issuer:
        raise NotVouched("invalid", "(it calls itself another issuer than admin.oidc.issuer, perhaps by a slash)")
    for name in (*_NEEDED, "userinfo_endpoint", "end_session_endpoint"):
        url = said.get(name)
        if url is None and name not in _NEEDED:
            continue
        parts = urlsplit(url if isinstance(url, str) else "")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise NotVouched("invalid", f"(its {name} is no https address)")
    return said


def _decoded(token: str, keys: jwk.KeySet, algorithms: list[str]) -> jwt.Token:
    registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
    return jwt.decode(token, key=keys, registry=registry)


def _usable(keys: Any) -> Iterator[jwk.Key]:
    """Those that sign and that we know the kind of; others may stand beside them."""
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, dict) and key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP"):
            try:
                yield jwk.import_key(key)
            except (JoseError, TypeError, ValueError, KeyError):
                log.warning("a key of the provider that people sign in with is not understood")


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, else by its path: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _listed(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _kind(error: Exception) -> str:
    """Which check it was, without what was looked at."""
    claim = getattr(error, "claim", "")
    return f"{type(error).__name__} {claim}".strip()
