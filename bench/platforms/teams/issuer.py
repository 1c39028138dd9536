"""Who signs what Teams sends: the keys, where they are published, and tokens good and bad."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.platforms.teams.journal import Payload

ISSUER: Final = "https://api.botframework.com"
_LIFETIME = 3600


@cache
def _private(*names: object) -> rsa.RSAPrivateKey:
    """Made once in a process for each name: that takes longer than most tests."""
    return rsa.generate_private_key(65537, 2048)


class Key:
    """One RSA key; `endorsements` are the channels that it may sign for ("Authenticate requests", JWKS)."""

    def __init__(self, id: str, endorsements: tuple[str, ...] = ("msteams",), *, is_real: bool = True) -> None:
        self.id = id
        self.endorsements = endorsements
        self.private = _private(id, endorsements, is_real)

    def jwk(self) -> Payload:
        numbers = self.private.public_key().public_numbers()
        told: Payload = {"kty": "RSA", "use": "sig", "kid": self.id, "x5t": self.id}
        return told | {"n": _number(numbers.n), "e": _number(numbers.e), "endorsements": list(self.endorsements)}

    def signature(self, signed: bytes) -> bytes:
        return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Issuer:
    """Signs for one bot. Besides the current key an old one is published, and one that is for another channel."""

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self.service_url = ""
        self.keys_uri = ""
        self.now: Callable[[], float] = time.time
        self.key = Key("key-1")
        self.stranger = Key("key-1", is_real=False)  # says that it is the current one, and is not
        self.unendorsed = Key("key-webchat", ("webchat",))
        self.published = [self.key, self.unendorsed]
        self._count = 1

    def rotate(self, *, keeps_old: bool = True) -> None:
        """Signs with a new key from now on; without `keeps_old` the one before is not published any more."""
        self._count += 1
        old, self.key = self.key, Key(f"key-{self._count}")
        self.published = [self.key, *([old] if keeps_old else []), self.unendorsed]

    def configuration(self) -> Payload:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": "https://invalid.botframework.com",
            "jwks_uri": self.keys_uri,
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        }

    def jwks(self) -> Payload:
        return {"keys": [key.jwk() for key in self.published]}

    def sign(
        self,
        *,
        service_url: str | None = None,
        audience: str | None = None,
        issuer: str = ISSUER,
        expires_in: float = _LIFETIME,
        starts_in: float = 0,
        key: Key | None = None,
        kid: str | None = None,
        algorithm: str = "RS256",
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token as Teams sends it, unless told otherwise.

        An empty `service_url` or `kid` is left out; `algorithm` is RS256, HS256 (with the public key as its secret) or
        none. `claims` are more of them, or others.
        """
        signer, now = key or self.key, self.now()
        told: Payload = {"iss": issuer, "aud": self.app_id if audience is None else audience}
        told |= {"nbf": int(now + starts_in), "exp": int(now + expires_in)}
        where = self.service_url if service_url is None else service_url
        told |= {"serviceurl": where} if where else {}
        id = signer.id if kid is None else kid
        header = {"alg": algorithm, "typ": "JWT"} | ({"kid": id, "x5t": id} if id else {})
        signed = f"{_json(header)}.{_json(told | dict(claims or {}))}"
        return f"{signed}.{_text(_signature(algorithm, signer, signed.encode()))}"

    def header(self, **knobs: Any) -> str:
        """The Authorization header; `knobs` as of `sign`."""
        return f"Bearer {self.sign(**knobs)}"

    def forged(self, name: str) -> str:
        """An Authorization header that has to be refused, one of FORGERIES; "" where there is none at all."""
        return FORGERIES[name](self)


def _signature(algorithm: str, key: Key, signed: bytes) -> bytes:
    match algorithm:
        case "RS256":
            return key.signature(signed)
        case "HS256":
            return hmac.digest(key.pem, signed, hashlib.sha256)
        case "none":
            return b""
    raise ValueError(f"no such algorithm: {algorithm}")


def _flipped(header: str) -> str:
    """The same token with one bit of its signature turned."""
    head, _, signature = header.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return f"{head}.{_text(bytes(raw))}"


def _swapped(issuer: Issuer) -> str:
    """The claims of one token under the signature of another."""
    first, second = issuer.header(), issuer.header(claims={"extra": "1"})
    return ".".join([first.split(".")[0], second.split(".")[1], first.split(".")[2]])


FORGERIES: Final[Mapping[str, Callable[[Issuer], str]]] = {
    "missing": lambda issuer: "",
    "garbage": lambda issuer: "Bearer not-a-token",
    "dots": lambda issuer: "Bearer a.b.c",
    "no scheme": lambda issuer: issuer.sign(),
    "basic": lambda issuer: f"Basic {issuer.sign()}",
    "empty bearer": lambda issuer: "Bearer ",
    "expired": lambda issuer: issuer.header(expires_in=-600),
    "not yet valid": lambda issuer: issuer.header(starts_in=600),
    "wrong audience": lambda issuer: issuer.header(audience="33333333-3333-4333-8333-333333333333"),
    "wrong issuer": lambda issuer: issuer.header(issuer="https://issuer.example.com"),
    "wrong service url": lambda issuer: issuer.header(service_url="https://service.example.com/teams/"),
    "no service url": lambda issuer: issuer.header(service_url=""),
    "unknown kid": lambda issuer: issuer.header(kid="key-nobody"),
    "no kid": lambda issuer: issuer.header(kid=""),
    "bad signature": lambda issuer: _flipped(issuer.header()),
    "swapped claims": _swapped,
    "another's key": lambda issuer: issuer.header(key=issuer.stranger),
    "unendorsed key": lambda issuer: issuer.header(key=issuer.unendorsed),
    "HS256": lambda issuer: issuer.header(algorithm="HS256"),
    "no algorithm": lambda issuer: issuer.header(algorithm="none"),
}


def _json(told: Mapping[str, Any]) -> str:
    return _text(json.dumps(told, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
