"""The access token of a self-built app: one for all processes, fetched by one of them at a time."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from time import time

from adapters.wecom.errors import NotLetIn, NotSent
from core.ports import Leader, Secrets

log = logging.getLogger(__name__)

_MARGIN = 300.0  # seconds before its end that a token counts as over
_FRESH = 30.0  # seconds in which a token is not fetched again, refused or not: WeCom blocks who asks too often
_PATIENCE = 15.0  # seconds for another process to fetch it


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and for how many seconds it is good."""

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    fetched_at: float
    until: float


class Tokens:
    """Hands out the token `name`. `fetch` asks WeCom and raises NotLetIn or another ChannelError.

    `clock` gives Unix time: what one process keeps the others read.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Grant]],
        *,
        secrets: Secrets,
        leader: Callable[[str], Leader],
        clock: Callable[[], float] = time,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._secrets = secrets
        self._leader = leader
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: _Kept | None = None
        self._refused: tuple[NotLetIn, float] | None = None  # and until when nobody asks again

    async def token(self) -> str:
        """Raises NotLetIn, NotStored or another ChannelError."""
        if self._held is not None and self._is_good(self._held):
            return self._held.token
        async with self._lock:
            return (await self._other_than("")).token

    async def another(self, refused: str) -> str:
        """A token in place of this one, which WeCom did not take; "" where it was fetched just now. Raises as above."""
        async with self._lock:
            kept = self._held if self._held is not None else await self._kept()
            if kept is not None and kept.token == refused and self._clock() - kept.fetched_at < _FRESH:
                return ""
            return (await self._other_than(refused)).token

    async def _other_than(self, refused: str) -> _Kept:
        if self._held is not None and self._is_good(self._held) and self._held.token != refused:
            return self._held
        if kept := await self._good(refused):
            return kept
        self._check_pause()
        try:
            async with asyncio.timeout(_PATIENCE), self._leader(self._name).hold():
                return await self._good(refused) or await self._fetched()
        except TimeoutError:
            raise NotSent("the access token was not to be had in time") from None

    async def _fetched(self) -> _Kept:
        try:
            grant = await self._fetch()
        except NotLetIn as refused:
            self._refused = (refused, self._clock() + _FRESH)
            raise
        now = self._clock()
        self._refused = None
        self._held = _Kept(grant.token, now, now + grant.seconds - min(_MARGIN, grant.seconds / 2))
        await self._secrets.put(self._name, json.dumps(asdict(self._held)).encode())
        return self._held

    async def _good(self, refused: str) -> _Kept | None:
        """What is kept, where it can be used."""
        kept = await self._kept()
        if kept is None or kept.token == refused or not self._is_good(kept):
            return None
        self._held = kept
        return kept

    async def _kept(self) -> _Kept | None:
        value = await self._secrets.get(self._name)
        try:
            return _Kept(**json.loads(value)) if value else None
        except (ValueError, TypeError):
            log.warning("the access token that was kept cannot be read and is fetched anew")
            return None

    def _is_good(self, kept: _Kept) -> bool:
        return self._clock() < kept.until

    def _check_pause(self) -> None:
        if self._refused is not None and self._clock() < self._refused[1]:
            raise NotLetIn(self._refused[0].code, self._refused[0].detail)
