"""Who an event is from, where its platform says so only when asked: found out once it is claimed, before it acts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic

from core.errors import ChannelError, LeaseLost, RateLimited, Refused
from core.hall import Hall
from core.message import Author, Command, CommandName, Event, Feedback, Message, ThreadId, Visibility
from core.ports import Claim, Mark

log = logging.getLogger(__name__)

TRIES = 10
_OWN_TRIES = 3  # of them, at least, before a process gives up: an event may have been tried often for other reasons
_WAITING = 10_000  # events whose tries a process remembers
_PATIENCE = 2.0  # seconds; a door that does not know by then is asked again later
_PAUSE = 0.5  # seconds before the second try; twice as long before each further one: two minutes for all
_LONGEST_PAUSE = 30.0
_COMPLAINT = 600.0  # seconds until a door's silence is said again
_SHARE = 4  # of the places for answers, one in so many may be held by an event that waits for its platform

Introduce = Callable[[Event], Awaitable[Author]]


class PutOff(LeaseLost):
    """It is not known yet who asks; the event was given back and is tried again later."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """A claim whose event says who it is from; `refusal` names the sentence for whoever may not, "" for none at all."""

    claim: Claim
    refusal: str = "not_allowed"


class Introductions:
    """One process's questions to its doors. Few events wait for an answer at once: the others' places stay free."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._places = max(1, hall.terms.concurrency // _SHARE)
        self._waiting = 0
        self._silent: dict[str, float] = {}
        self._tries: dict[int, int] = {}

    def is_needed(self, event: Event) -> bool:
        """Whether the door has to be asked; not about those whom the rules refuse, or let in, whoever they are."""
        return self._asking(event) is not None

    async def of(self, claim: Claim) -> Introduction:
        """The claim with what its platform says of the author.

        Raises PutOff where it did not say in time and is asked again later, LeaseLost and NotStored. Where it did not
        say for all TRIES they count as a stranger, who is told nothing where they did not call us.
        """
        event, is_hopeless = claim.event, claim.failures >= self._hall.terms.max_attempts
        introduce = self._asking(event)
        if introduce is None or is_hopeless:
            return Introduction(claim)
        try:
            author = await self._answered(introduce(event))
        except Refused:
            self._tries.pop(claim.id, None)
            return Introduction(_by(claim, _stranger(event.author)), "")
        except (ChannelError, TimeoutError) as error:
            if claim.attempts > 1:  # at first they may only have come all at once
                self._complain(event.author.adapter, error)
            return await self._unanswered(claim, error)
        self._tries.pop(claim.id, None)
        if claim.attempts > 1:  # at first it may have been known without asking
            self._calm_down(author.adapter)
        return Introduction(_by(claim, author))

    def _asking(self, event: Event) -> Introduce | None:
        """How to ask the door, None where that is not needed."""
        introduce: Introduce | None = getattr(self._hall.adapters.get(event.author.adapter), "introduce", None)
        return introduce if introduce and self._hall.access.depends(event.author, _place(event)) else None

    async def _answered(self, asking: Awaitable[Author]) -> Author:
        """Where too many wait already, only what the door knows at once; what it then asks it knows the next time."""
        patience = _PATIENCE if self._waiting < self._places else 0.0
        self._waiting += 1
        try:
            async with asyncio.timeout(patience):
                return await asking
        finally:
            self._waiting -= 1

    async def _unanswered(self, claim: Claim, error: ChannelError | TimeoutError) -> Introduction:
        if claim.mark in (Mark.STOP, Mark.ERASE):
            return Introduction(claim)  # whoever they are, nothing is answered
        if self._has_tried_enough(claim):
            log.error("it did not become known in %d tries who event %d is from: %s", TRIES, claim.id, _named(error))
            refusal = "" if _is_overheard(claim.event) else "unknown_author"
            return Introduction(_by(claim, _stranger(claim.event.author)), refusal)
        async with self._hall.store.unit() as unit:
            await unit.inbox.release(claim, _delay(claim, error))
        self._hall.metrics.count("channel_retries", channel=claim.event.author.adapter)
        raise PutOff

    def _has_tried_enough(self, claim: Claim) -> bool:
        tries = self._tries.pop(claim.id, 0) + 1
        if claim.attempts >= TRIES and tries >= min(_OWN_TRIES, TRIES):
            return True
        self._tries[claim.id] = tries
        if len(self._tries) > _WAITING:
            del self._tries[next(iter(self._tries))]
        return False

    def _complain(self, door: str, error: ChannelError | TimeoutError) -> None:
        """Seldom, until people are known again: an outage is felt by everybody who asks."""
        now = monotonic()
        if now - self._silent.get(door, float("-inf")) > _COMPLAINT:
            self._silent[door] = now
            log.warning("%s does not say who asks, so what is asked there waits: %s", door, _named(error))

    def _calm_down(self, door: str) -> None:
        if self._silent.pop(door, None) is not None:
            log.info("%s says again who asks", door)


def _place(event: Event) -> ThreadId | None:
    """Where it is asked, None where that is decided later: by the answer that it is about."""
    if isinstance(event, Feedback) or (isinstance(event, Command) and event.name is CommandName.REGENERATE):
        return None
    return event.thread


def _is_overheard(event: Event) -> bool:
    """Whether it was said to others, in a thread we are part of: who did not ask waits for no sentence of ours."""
    return isinstance(event, Message) and not event.is_mention and event.visibility is not Visibility.DIRECT


def _by(claim: Claim, author: Author) -> Claim:
    return replace(claim, event=replace(claim.event, author=author))


def _stranger(author: Author) -> Author:
    return replace(author, is_guest=True, is_external=True)


def _delay(claim: Claim, error: ChannelError | TimeoutError) -> timedelta:
    pause = timedelta(seconds=min(_PAUSE * 2.0 ** min(claim.attempts - 1, 16), _LONGEST_PAUSE))
    return max(pause, error.retry_after) if isinstance(error, RateLimited) else pause


def _named(error: ChannelError | TimeoutError) -> str:
    return (error.detail or str(error)) if isinstance(error, ChannelError) else "no answer in time"
