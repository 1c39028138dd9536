"""The keys that Microsoft signs with: fetched beside the work, and kept while they cannot be had anew."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from adapters.teams.verify import Forged, is_safe
from core.errors import ChannelError

log = logging.getLogger(__name__)

_EVERY = 4 * 3600.0  # seconds; Microsoft asks for once a day at least
_AGAIN = 15.0  # seconds, about, until the next try after a failure; twice as long after each further one
_AGAIN_MOST = 600.0
# Seconds from one look for unknown keys to the next, however many tokens name one: whoever invents keys delays a new
# one that long at most, and costs us two requests in that time.
PAUSE = 30.0
_PATIENCE = 10.0  # seconds that a token of an unknown key waits for it
_MAX_KEYS = 256
_REMEDY = "Without them nobody in Teams is believed; check the network, the proxy and teams.keys_url."


class Key(NamedTuple):
    """`public_key` is what PyJWT verifies with; `endorsements` are the channels it may sign for, empty where any."""

    public_key: Any
    endorsements: tuple[str, ...]


class Keys:
    """The keys by their id, from the OpenID document at `url`. `fetch` gets JSON and raises ChannelError."""

    def __init__(
        self, url: str, fetch: Callable[[str], Awaitable[Any]], *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._asked_for_unknown: float | None = None
        self._renewal: asyncio.Task[bool] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._has_tried = asyncio.Event()
        self._is_well = True

    async def start(self) -> None:
        """Returns after the first try, whether it succeeded or not; goes on trying until `close`."""
        self._keeper = asyncio.create_task(self._keep(), name="teams-keys")
        await self._has_tried.wait()

    async def close(self) -> None:
        tasks: list[asyncio.Task[Any]] = [task for task in (self._keeper, self._renewal) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeper = self._renewal = None

    async def get(self, key_id: str | None) -> Key:
        """Raises Forged where Microsoft has no such key.

        Keys change at any time, so an unknown one makes us look, and all that ask meanwhile share that look. Whoever
        invents ids makes us look no oftener than once in `PAUSE` seconds; a key that Microsoft publishes is known that
        long after at the latest, whatever is invented.
        """
        if not key_id:
            raise Forged("the token names no key")
        if key_id not in self._keys:
            await self._look()
        key = self._keys.get(key_id)
        if key is None:
            raise Forged("the token is signed with a key that is not Microsoft's" if self._keys else "no keys yet")
        return key

    async def renew(self) -> None:
        """Fetches the keys anew. Raises ChannelError, and keeps those it has."""
        document = await self._fetch(self._url)
        keys_url = document.get("jwks_uri") if isinstance(document, Mapping) else None
        if not is_safe(keys_url):
            raise ChannelError("the OpenID document names no place for its keys")
        # Building a key is arithmetic on big numbers: not on the loop.
        keys = await asyncio.to_thread(_read, await self._fetch(str(keys_url)))
        if not keys:
            raise ChannelError("the list of keys is empty")
        self._keys = keys

    async def _look(self) -> None:
        if self._keeper is not None and not self._has_tried.is_set():
            with suppress(TimeoutError):  # the first look is under way, and is none for an unknown key
                await asyncio.wait_for(self._has_tried.wait(), _PATIENCE)
            return
        if self._renewal is None or self._renewal.done():
            now = self._clock()
            if self._asked_for_unknown is not None and now - self._asked_for_unknown < PAUSE:
                return
            self._asked_for_unknown = now
            self._renewal = asyncio.create_task(self._try(), name="teams-keys-unknown")
        await asyncio.wait({self._renewal}, timeout=_PATIENCE)

    async def _keep(self) -> None:
        pause = _AGAIN
        while True:
            is_well = await self._try()
            self._has_tried.set()
            pause = _AGAIN if is_well else min(2 * pause, _AGAIN_MOST)
            await asyncio.sleep(random.uniform(0.8, 1.0) * (_EVERY if is_well else pause))

    async def _try(self) -> bool:
        try:
            await self.renew()
        except ChannelError as error:
            if self._is_well or not self._keys:
                log.error("Microsoft's keys could not be fetched from %s (%s). %s", self._url, error.detail, _REMEDY)
            self._is_well = False
        else:
            self._is_well = True
        return self._is_well


def _read(document: Any) -> Mapping[str, Key]:
    """Those keys of a JWKS that can verify an RS256 signature; what cannot be read is passed over."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    found: dict[str, Key] = {}
    for fields in (listed if isinstance(listed, list) else [])[:_MAX_KEYS]:
        if isinstance(fields, Mapping) and isinstance(fields.get("kid"), str) and fields.get("kty") == "RSA":
            try:
                found[fields["kid"]] = Key(PyJWK(dict(fields), "RS256").key, _endorsements(fields))
            except (PyJWTError, ValueError, TypeError, AttributeError):
                log.warning("One of Microsoft's keys could not be read")
    return found


def _endorsements(fields: Mapping[str, Any]) -> tuple[str, ...]:
    listed = fields.get("endorsements")
    return tuple(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else ()
