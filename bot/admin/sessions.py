"""Who is signed in, as their browser shows it: cookies, and the token that each form sends back."""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from aiohttp import web

from bot.admin.place import Place

SESSION, DOOR, ERRAND, KNOWN = "session", "door", "errand", "known"
_MAX_COOKIE = 4096


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def cookie_name(what: str, place: Place) -> str:
    """Over TLS one that no other host and no plain page can set; browsers share the others between a host's ports."""
    return f"__Host-parley_admin_{what}" if place.is_secure else f"parley_admin_{what}_{place.port}"


def cookie(request: web.Request, what: str, place: Place) -> str:
    value = request.cookies.get(cookie_name(what, place), "")
    return value if len(value) <= _MAX_COOKIE else ""


def set_cookie(response: web.StreamResponse, what: str, place: Place, value: str, age: timedelta | None) -> None:
    """With no age it goes with the browser. Lax, as whoever vouches for somebody sends them back from another site."""
    response.set_cookie(
        cookie_name(what, place),
        value,
        path="/",
        max_age=None if age is None else int(age.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=place.is_secure,
    )


def drop_cookie(response: web.StreamResponse, what: str, place: Place) -> None:
    set_cookie(response, what, place, "", timedelta(0))


def csrf_of(token: str) -> str:
    """What a form sends back, which whoever can't read the cookie can't know; it dies with the session."""
    return hmac.digest(token.encode(errors="surrogatepass"), b"csrf", "sha256").hex()


def is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(errors="surrogatepass"), theirs.encode(errors="surrogatepass"))


@dataclass(frozen=True, slots=True)
class Note:
    """What a browser keeps for us between two requests. It can be read there, and is not believed once changed."""

    secret: bytes

    def write(self, said: dict[str, Any], age: timedelta) -> str:
        until = (datetime.now(UTC) + age).timestamp()
        text = base64.urlsafe_b64encode(json.dumps(said | {"until": until}).encode()).decode()
        return f"{text}.{self._sign(text)}"

    def read(self, value: str) -> dict[str, Any] | None:
        """None where it is not ours, or too old."""
        text, _, signature = value.partition(".")
        if not is_same(self._sign(text), signature):
            return None
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        return said if said["until"] > datetime.now(UTC).timestamp() else None

    def _sign(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(errors="surrogatepass"), sha256).hexdigest()
