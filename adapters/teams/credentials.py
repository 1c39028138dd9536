"""The token that our answers carry: one per process, renewed beside the work before it ends."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

import msal  # type: ignore[import-untyped]
import requests

from adapters.teams.errors import NotLetIn

log = logging.getLogger(__name__)

_AHEAD = 600.0  # seconds before its end that a token is renewed
_MARGIN = 60.0  # seconds before its end that it counts as over: an answer under way must arrive with it
_TIMEOUT = 10.0  # seconds for one call to the machine's identity service
_FRESH = 30.0  # seconds in which a token that was refused is not asked for again: it may be the conversation


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and for how many seconds it is good."""

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    asked_at: float
    renew_at: float
    until: float


class Credential:
    """Asks for a token once and hands it to everybody. `acquire` raises NotLetIn; `clock` never runs backwards."""

    def __init__(self, acquire: Callable[[], Awaitable[Grant]], *, clock: Callable[[], float] = monotonic) -> None:
        self._acquire = acquire
        self._clock = clock
        self._held: _Held | None = None
        self._renewal: asyncio.Task[_Held] | None = None
        self._refused: tuple[NotLetIn, float] | None = None  # and until when nobody asks again
        self._told = ""  # the reason that the operator knows of

    async def token(self) -> str:
        """Raises NotLetIn."""
        held, now = self._held, self._clock()
        if held and now < held.until:
            if now >= held.renew_at and not self._is_paused(now):
                self._renewing()
            return held.token
        if self._refused and self._is_paused(now):
            raise NotLetIn(self._refused[0].code, self._refused[0].detail)
        return (await asyncio.shield(self._renewing())).token

    def forget(self, token: str) -> bool:
        """Teams did not accept this one; whether a new one may help: one that was asked for just now is kept."""
        held = self._held
        if held is None or held.token != token:
            return True
        if self._clock() < held.asked_at + _FRESH:
            return False
        self._held = None
        return True

    def turned_away(self) -> NotLetIn:
        """What to raise where Teams did not accept even a new token: for this call alone, others may be welcome."""
        refused = NotLetIn("turned_away", "Teams does not accept the token; check app id, tenant and clock")
        self._tell(refused)
        return refused

    async def renew(self) -> None:
        """Asks anew, whatever is held. Raises NotLetIn."""
        await asyncio.shield(self._renewing())

    async def close(self) -> None:
        if self._renewal:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _is_paused(self, now: float) -> bool:
        return self._refused is not None and now < self._refused[1]

    def _renewing(self) -> asyncio.Task[_Held]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), name="teams-token")
            self._renewal.add_done_callback(_look_at)
        return self._renewal

    async def _renew(self) -> _Held:
        asked = self._clock()
        try:
            grant = await self._acquire()
        except NotLetIn as refused:
            self._refuse(refused)
            raise
        self._refused = None
        end, half = asked + grant.seconds, grant.seconds / 2
        self._held = _Held(grant.token, asked, renew_at=end - min(_AHEAD, half), until=end - min(_MARGIN, half / 2))
        return self._held

    def _refuse(self, refused: NotLetIn) -> None:
        """The operator is told once of each reason, until answers go out again."""
        self._refused = (refused, self._clock() + refused.retry_after.total_seconds())
        self._tell(refused)

    def _tell(self, refused: NotLetIn) -> None:
        if self._told != refused.code:
            self._told = refused.code
            log.error(
                "The Teams bot is not let in, and nobody there is answered (%s): %s", refused.code, refused.detail
            )

    def accepted(self) -> None:
        """Teams has taken the token."""
        if self._told:
            self._told = ""
            log.info("The Teams bot is let in again")


def _look_at(task: asyncio.Task[_Held]) -> None:
    """A renewal beside the work has nobody who waits for its error; it was written down where it arose."""
    if not task.cancelled():
        task.exception()


class _Forgetful(msal.TokenCache):  # type: ignore[misc]
    """Finds nothing: whoever asks has no token any more, or one that ends soon or was refused, and wants another."""

    def search(self, *args: Any, **more: Any) -> Iterator[Any]:
        return iter(())

    def add(self, *args: Any, **more: Any) -> None: ...


def managed_identity(app_id: str, resource: str) -> Callable[[], Awaitable[Grant]]:
    """Asks the machine's identity service, by msal and in a thread: it differs from one Azure product to the next.

    Each time anew, for msal would give the token it has until five minutes before its end. The service may still give
    the same one again: there is no way to have another of it.
    """
    session = requests.Session()
    session.request = partial(session.request, timeout=_TIMEOUT)  # type: ignore[method-assign]  # msal sets none
    identity = msal.UserAssignedManagedIdentity(client_id=app_id)
    client = msal.ManagedIdentityClient(identity, http_client=session, token_cache=_Forgetful())

    async def acquire() -> Grant:
        try:
            answer = await asyncio.to_thread(client.acquire_token_for_client, resource=resource)
        except Exception as error:  # msal lets out what requests raises, and its own
            raise NotLetIn("unreachable", f"the managed identity does not answer ({type(error).__name__})") from None
        return granted(answer) or _rejected()

    return acquire


def granted(answer: Any) -> Grant | None:
    """The grant in a token answer, None where there is none."""
    fields = answer if isinstance(answer, Mapping) else {}
    token = fields.get("access_token")
    try:
        seconds = float(fields.get("expires_in", 0))
    except (TypeError, ValueError):
        return None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token) or not 0 < seconds < float("inf"):
        return None
    return Grant(token, seconds)


def _rejected() -> Grant:
    raise NotLetIn("rejected", "check that the managed identity of teams.app_id is assigned to this machine")
