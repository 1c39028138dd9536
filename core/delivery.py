"""Taking a reply to its door: in order per thread, as a stream while it grows, until the platform has confirmed it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from time import monotonic
from typing import Any

from core.errors import (
    ChannelError,
    DoorLost,
    LeaseLost,
    NotStored,
    RateLimited,
    Undeliverable,
    Unreached,
    Unstorable,
    trace,
)
from core.extras import Placed, with_words
from core.hall import Hall
from core.message import Chunk, PartId
from core.ports import Delivery, State

log = logging.getLogger(__name__)

_HEAD_POLL = 0.25
_STORE_RETRY = 0.5
_PAUSE = timedelta(seconds=1)
_BACKOFF = 2.0  # seconds before the second try; twice as long before each further one, up to a minute
# What says nothing against the answer or its platform: these tries do not count.
_PATIENT = (RateLimited, DoorLost, Unreached, NotStored, LeaseLost, asyncio.CancelledError)


class Feed:
    """The chunks of one answer, for a reader who may come late: it sees all of them, from the first one on."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = list(chunks)
        self._grown = asyncio.Event()
        self._is_closed = False

    @classmethod
    def of(cls, delivery: Delivery, extras: Sequence[Placed] = ()) -> "Feed":
        """A finished reply as a feed, with all that its first one said."""
        feed = cls(*with_words(delivery.reply.text, delivery.reply.source, extras))
        feed.close()
        return feed

    def put(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._grown.set()

    def close(self) -> None:
        self._is_closed = True
        self._grown.set()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        position = 0
        while True:
            self._grown.clear()
            while position < len(self._chunks):
                position += 1
                yield self._chunks[position - 1]
            if self._is_closed:
                return
            await self._grown.wait()


class StoredLedger:
    """Writes down what was sent, each entry in a transaction of its own."""

    def __init__(self, hall: Hall, delivery: Delivery) -> None:
        self._hall = hall
        self._delivery = delivery

    async def part(self, part: PartId) -> None:
        async with self._hall.store.unit() as unit:
            await unit.outbox.part(self._delivery, part)

    async def state(self, state: Mapping[str, Any]) -> None:
        async with self._hall.store.unit() as unit:
            await unit.outbox.state(self._delivery, state)

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        async with self._hall.store.unit() as unit:
            return await unit.outbox.known(parts)


class Courier:
    """Carries one leased delivery: `carry` shows it, `settle` writes down how that ended.

    Without a feed it shows the finished reply.
    """

    def __init__(self, hall: Hall, delivery: Delivery, feed: Feed | None = None) -> None:
        self.delivery = delivery
        self.has_started = False
        self._hall = hall
        self._feed = feed
        self._is_held = False
        self._became_head = asyncio.Event()
        self.renewed(monotonic())

    def renewed(self, asked_at: float) -> None:
        """The lease was given anew; `asked_at` is when it was asked for, by the monotonic clock."""
        self._leased_until = asked_at + self._hall.terms.lease.total_seconds()

    def hold(self) -> bool:
        """Keeps a courier that has not started from starting; whether it had."""
        self._is_held = not self.has_started
        return self.has_started

    def look_again(self) -> None:
        """Another reply was delivered; this one may be the head of its thread now."""
        self._became_head.set()

    async def carry(self) -> None:
        """Shows the answer once it is the head of its thread; returns without where it was held back."""
        await self._until_head()
        if self._is_held:
            return
        self.has_started = True
        adapter = self._hall.adapters[self.delivery.reply.thread.adapter]
        ledger = StoredLedger(self._hall, self.delivery)
        async with aclosing(self._chunks(self._feed or await self._finished())) as chunks:
            await adapter.deliver(self.delivery, chunks, ledger)

    async def settle(self, error: BaseException | None) -> None:
        """Writes down how the delivery ended, trying again while the database is away."""
        while True:
            try:
                await self.write_down(error)
            except Unstorable as refused:
                if isinstance(error, Undeliverable):
                    raise
                log.error("how reply %s was delivered cannot be written down: %s", self.delivery.reply.id, refused)
                error = Undeliverable(refused.detail)
            except NotStored:
                await asyncio.sleep(_STORE_RETRY)
            else:
                return

    async def write_down(self, error: BaseException | None) -> None:
        """Ends the row of a delivery that succeeded, or gives it back, or buries it. Raises LeaseLost or NotStored."""
        delivery, channel = self.delivery, self.delivery.reply.thread.adapter
        async with self._hall.store.unit() as unit:
            if error is None:
                await unit.outbox.done(delivery)
            elif self._is_hopeless(error):
                await unit.turns.move(delivery.reply.id, State.FAILED)
                await unit.outbox.bury(delivery, str(error))
            else:
                await unit.outbox.release(delivery, self._delay(error), is_failure=not _is_patient(error))
        if error is None:
            log.info("a reply was delivered through %s, attempt %d", channel, delivery.attempts)
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._hall.metrics.count("delivery_failures", channel=channel, error=type(error).__name__)
            _report(error, delivery)

    async def _finished(self) -> Feed:
        """Read when it is shown and not when it is claimed: the pictures of many answers are too much at once."""
        if not self.delivery.has_extras:
            return Feed.of(self.delivery)
        async with self._hall.store.unit(autocommit=True) as unit:
            return Feed.of(self.delivery, await unit.outbox.extras(self.delivery))

    async def _chunks(self, feed: Feed) -> AsyncGenerator[Chunk, None]:
        """The feed, as long as the lease lasts: a process that slept must not write over what another one finished."""
        async with aclosing(feed.chunks()) as chunks:
            async for chunk in chunks:
                self._check_lease()
                yield chunk
        self._check_lease()

    def _check_lease(self) -> None:
        if monotonic() > self._leased_until:
            raise LeaseLost

    async def _until_head(self) -> None:
        is_head = self.delivery.is_head
        while not is_head and not self._is_held:
            self._became_head.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAD_POLL):
                    await self._became_head.wait()
            with suppress(NotStored):
                async with self._hall.store.unit() as unit:
                    is_head = await unit.outbox.is_head(self.delivery.reply.id)

    def _is_hopeless(self, error: BaseException) -> bool:
        has_tried_enough = self.delivery.failures + 1 >= self._hall.terms.max_deliveries
        return isinstance(error, Undeliverable) or (has_tried_enough and not _is_patient(error))

    def _delay(self, error: BaseException) -> timedelta:
        if isinstance(error, RateLimited):
            return error.retry_after
        if isinstance(error, Unreached):
            return _backoff(self.delivery.attempts - 1)
        if _is_patient(error):
            return _PAUSE
        return _backoff(self.delivery.failures)


def _is_patient(error: BaseException) -> bool:
    return isinstance(error, _PATIENT) and not isinstance(error, Unstorable)


def _backoff(tries: int) -> timedelta:
    """How long to wait after so many earlier tries."""
    return timedelta(seconds=min(_BACKOFF * 2.0 ** min(tries, 16), 60.0))


def _report(error: BaseException, delivery: Delivery) -> None:
    where = f"reply {delivery.reply.id} through {delivery.reply.thread.adapter}, attempt {delivery.attempts}"
    if isinstance(error, ChannelError):
        # One that only waits says so once: the tries that follow say nothing new.
        has_been_said = _is_patient(error) and delivery.attempts > 1
        log.log(logging.INFO if has_been_said else logging.WARNING, "%s was not delivered: %s", where, error)
    elif isinstance(error, Unstorable) or not isinstance(error, LeaseLost | NotStored):
        log.error("%s was not delivered, the adapter failed: %s", where, trace(error))
