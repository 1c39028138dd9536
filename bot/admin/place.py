"""Where a request comes in: under which name, over what, and whether it is the pages' own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.console import LOOPBACK_NAMES
from bot.config import Settings

SAFE = frozenset({"GET", "HEAD"})
# Whatever else a Host header may hold is no browser's, and no address can be made of it.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\\\[\]]+)(:(?P<port>\d{1,5}))?", re.ASCII)


class Unwelcome(Exception):
    """A request that is not answered: the status, and the name of the sentence that says why."""

    def __init__(self, status: int, name: str) -> None:
        self.status = status
        self.name = name
        super().__init__(name)


@dataclass(frozen=True, slots=True)
class Place:
    """The address a browser uses, as `https://chat.example.com`."""

    origin: str

    @property
    def is_secure(self) -> bool:
        return self.origin.startswith("https://")

    @property
    def port(self) -> int:
        parts = urlsplit(self.origin)
        return parts.port or (443 if self.is_secure else 80)


@dataclass(frozen=True, slots=True)
class Places:
    """The names this server answers to. `origins` are addresses whose scheme is known, whatever a proxy says."""

    hosts: frozenset[str]
    origins: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        server, console = settings.server, settings.console
        bound = f"[{server.host}]" if ":" in server.host else server.host
        named = [url for url in (settings.admin.url, *console.allowed_origins) if url]
        origins = {_authority(url): _origin(url) for url in named}
        return cls(LOOPBACK_NAMES | {bound.lower(), *console.allowed_hosts}, origins)

    def check(self, method: str, scheme: str, headers: Mapping[str, str]) -> Place:
        """Where it came in; raises Unwelcome. Header names are looked up as they are written."""
        host = headers.get("Host", "").lower()
        if not _is_host(host) or not (host in self.origins or host in self.hosts or _name(host) in self.hosts):
            raise Unwelcome(421, "bad_host")
        place = Place(self.origins.get(host, f"{scheme}://{host}"))
        if not (place.is_secure or _name(host) in LOOPBACK_NAMES):
            raise Unwelcome(403, "insecure")
        if method not in SAFE:
            _check_origin(place, headers)
        elif headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate":
            raise Unwelcome(403, "bad_origin")
        return place


def _check_origin(place: Place, headers: Mapping[str, str]) -> None:
    """Whatever changes something comes from a page of ours; a browser says so in one of two ways at least."""
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is None and site is None:
        raise Unwelcome(403, "bad_origin")
    if origin is not None and origin.lower() != place.origin:
        raise Unwelcome(403, "bad_origin")
    if site not in (None, "same-origin"):
        raise Unwelcome(403, "bad_origin")


def _is_host(host: str) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and int(found["port"] or 0) < 2**16


def _name(host: str) -> str:
    """A host without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _authority(url: str) -> str:
    return _origin(url).partition("://")[2]


def _origin(url: str) -> str:
    """As browsers write it: without the port that the scheme has anyway."""
    parts = urlsplit(url.lower())
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"
