"""Who is knocking: hosts, origins, proxies, cookies, tokens and CSRF, decided from the request alone."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, unquote

from adapters.console.problem import Problem
from adapters.console.settings import LOOPBACK_NAMES, ConsoleSettings
from core.message import Author
from core.ports import Webhook

_FORWARDED = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
)  # fmt: skip
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who was let in. `csrf` is the token their page must send; `cookie` is the value their browser should keep."""

    author: Author
    csrf: str
    cookie: str = ""
    is_new: bool = False


def verify(webhook: Webhook, settings: ConsoleSettings, *, newcomer: Callable[[], str], locale: str = "") -> Visitor:
    """Lets a request in or raises Problem. `newcomer` makes the id of a browser that was never here before."""
    check_place(webhook, settings)
    visitor = _by_token(webhook, settings, locale) or _by_cookie(webhook, settings, locale)
    if visitor is None:
        if _is_guarded(webhook, settings):
            raise Problem(401, "token_needed", headers={"WWW-Authenticate": "Bearer"})
        visitor = _issue(_author(settings, f"browser-{newcomer()}", locale), settings, is_new=True)
    return visitor


def check_place(webhook: Webhook, settings: ConsoleSettings) -> None:
    """Refuses a foreign host name, another site, a proxy nobody vouches for, and a body that is not JSON."""
    headers = webhook.headers
    if not _is_listed(headers.get("host", ""), settings.allowed_hosts):
        raise Problem(421, "bad_host")
    if "origin" in headers and not _is_own_origin(headers["origin"], headers["host"], settings):
        raise Problem(403, "bad_origin")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Problem(403, "bad_origin")
    if _is_forwarded(webhook) and settings.is_loopback and not settings.tokens:
        raise Problem(403, "forwarded")
    if webhook.method not in _SAFE_METHODS:
        _check_media_type(webhook)


def admit(token: str, settings: ConsoleSettings, locale: str = "") -> Visitor:
    """The visitor an access token names, with the cookie that stands for it; raises Problem where it names nobody."""
    name = _name_of(token, settings)
    if name is None:
        raise Problem(401, "token_unknown", headers={"WWW-Authenticate": "Bearer"})
    return _issue(_author(settings, f"token-{name}", locale, name), settings, is_new=True)


def cookie_name(settings: ConsoleSettings) -> str:
    """One name per installation: browsers share cookies between all the ports of a host."""
    return f"parley_{_sign(settings, 'name', settings.workspace)[:8]}"


def cookie_header(visitor: Visitor, settings: ConsoleSettings) -> str:
    """The Set-Cookie value that makes a browser remember this visitor, or forget one whose cookie is empty."""
    age = _YEAR if visitor.cookie else 0
    secure = "; Secure" if settings.is_secure else ""
    return f"{cookie_name(settings)}={visitor.cookie}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def cookies(webhook: Webhook) -> dict[str, str]:
    """The cookies of a request by name."""
    pairs = (pair.strip().partition("=") for pair in webhook.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def stamp(settings: ConsoleSettings, author: Author, subject: str) -> str:
    """Vouches that this author was told of `subject`, for an address only they may open."""
    return _sign(settings, "stamp", author.key, subject)


def check_stamp(settings: ConsoleSettings, author: Author, subject: str, value: str) -> None:
    """Raises Problem where the stamp is not ours, not theirs, or not for this."""
    if not _is_same(stamp(settings, author, subject), value):
        raise Problem(404, "no_reply")


def _by_token(webhook: Webhook, settings: ConsoleSettings, locale: str) -> Visitor | None:
    scheme, _, token = webhook.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer":
        raise Problem(401, "token_needed", headers={"WWW-Authenticate": "Bearer"})
    admitted = admit(token.strip(), settings, locale)
    return Visitor(admitted.author, admitted.csrf)


def _by_cookie(webhook: Webhook, settings: ConsoleSettings, locale: str) -> Visitor | None:
    cookie = cookies(webhook).get(cookie_name(settings), "")
    visitor = _remembered(cookie, webhook, settings, locale)
    # Checked for an unreadable cookie too: whoever sends one takes themselves for somebody.
    if cookie and webhook.method not in _SAFE_METHODS:
        sent = webhook.headers.get("x-csrf-token", "")
        if visitor is None or not _is_same(visitor.csrf, sent):
            raise Problem(403, "csrf")
    return visitor


def _remembered(cookie: str, webhook: Webhook, settings: ConsoleSettings, locale: str) -> Visitor | None:
    identity = unquote(cookie.rpartition(".")[0]) if cookie.isascii() else ""
    kind, _, name = identity.partition("-")
    if kind == "browser" and _is_guarded(webhook, settings):
        return None
    author = _author(settings, identity, locale, name if kind == "token" else "")
    visitor = _issue(author, settings)
    return visitor if identity and _is_same(visitor.cookie, cookie) else None


def _issue(author: Author, settings: ConsoleSettings, *, is_new: bool = False) -> Visitor:
    # The token's hash is signed too: a token that is withdrawn or renewed takes its cookies with it.
    token = settings.tokens.get(author.name, "gone") if author.id.startswith("token-") else ""
    signature = _sign(settings, "cookie", author.key, token)
    return Visitor(
        author, _sign(settings, "csrf", author.key, token), f"{quote(author.id, safe='')}.{signature}", is_new
    )


def _author(settings: ConsoleSettings, identity: str, locale: str, name: str = "") -> Author:
    return Author("console", settings.workspace, identity, name, locale)


def _name_of(token: str, settings: ConsoleSettings) -> str | None:
    digest = sha256(token.encode(errors="surrogatepass")).hexdigest()
    # Every hash is compared, so that the time taken says nothing about which one came close.
    names = [name for name, known in settings.tokens.items() if _is_same(known.lower(), digest)]
    return names[0] if names else None


def _is_guarded(webhook: Webhook, settings: ConsoleSettings) -> bool:
    """Whether a token is needed: anywhere but on this machine, whose own names a proxy's callers never use."""
    host = _name(webhook.headers.get("host", ""))
    return not settings.is_loopback or _is_forwarded(webhook) or host not in LOOPBACK_NAMES


def _is_forwarded(webhook: Webhook) -> bool:
    return any(name in webhook.headers for name in _FORWARDED)


def _is_listed(host: str, allowed: frozenset[str]) -> bool:
    host = host.lower()
    return bool(host) and (host in allowed or _name(host) in allowed)


def _name(host: str) -> str:
    """A host without its port."""
    host = host.lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _is_own_origin(origin: str, host: str, settings: ConsoleSettings) -> bool:
    # The host was checked before, so a page that came from it is ours.
    return origin in settings.allowed_origins or origin.lower().partition("://")[2] == host.lower()


def _check_media_type(webhook: Webhook) -> None:
    media_type = webhook.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "not_json_type")
    if webhook.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "encoded")


def _sign(settings: ConsoleSettings, purpose: str, *parts: str) -> str:
    text = "\0".join(("parley console", purpose, *parts))
    return hmac.new(settings.secret, text.encode(errors="surrogatepass"), sha256).hexdigest()[:32]


def _is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(errors="surrogatepass"), theirs.encode(errors="surrogatepass"))
