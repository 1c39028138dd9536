"""The servers a remote engine may ask: whose turn it is, and which ones are let alone for a while."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import Misconfigured

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@dataclass(eq=False, slots=True)
class Endpoint:
    """One server. `url` is its address as it may be shown; `rests_until` is on the monotonic clock."""

    url: str
    client: "AsyncOpenAI"
    outstanding: int = 0
    rests_until: float = 0.0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Counts one request that is under way."""
        self.outstanding += 1
        try:
            yield
        finally:
            self.outstanding -= 1

    def rest(self, seconds: float) -> None:
        self.rests_until = time.monotonic() + seconds


class Endpoints:
    """All of them, in the order of the settings."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._all = list(endpoints)
        self._first = -1

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._all)

    def in_order(self) -> list[Endpoint]:
        """Whom to ask first: the least outstanding, ties in turn; whoever rests comes last and is asked all the same.

        A server that rests may be back, and where all of them rest an attempt costs less than a refusal.
        """
        self._first = (self._first + 1) % len(self._all)
        now = time.monotonic()
        turned = self._all[self._first :] + self._all[: self._first]
        return sorted(turned, key=lambda one: (max(0.0, one.rests_until - now), one.outstanding))

    async def close(self) -> None:
        for endpoint in self._all:
            await endpoint.client.close()


def connect(urls: Sequence[str], api_key: str, connect_timeout: float) -> Endpoints:
    """Makes a client for each address; nothing is asked yet. Raises Misconfigured."""
    try:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout
    except ImportError:
        raise Misconfigured("A remote engine needs the extra `remote`: pip install 'parley[remote]'.") from None

    def client(url: str) -> AsyncOpenAI:
        # What somebody wrote goes to the server that is named in the settings: by no proxy of the environment, with no
        # password of a .netrc, and nowhere else by a redirect. How long an answer may take is the engine's to say.
        timeout = Timeout(None, connect=connect_timeout)
        http = DefaultAsyncHttpxClient(timeout=timeout, trust_env=False, follow_redirects=False)
        return AsyncOpenAI(base_url=url, api_key=api_key or "none", max_retries=0, http_client=http)

    if not urls:
        raise Misconfigured("A remote engine needs the address of at least one server, as remote.urls.")
    return Endpoints([Endpoint(shown(url), client(url)) for url in urls])


def shown(url: str) -> str:
    """The address without user, password and query. Raises Misconfigured where it is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        sentence = "Every address of a remote engine begins with http:// or https:// and names a host."
        raise Misconfigured(sentence) from None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
