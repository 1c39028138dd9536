"""What tests of the store do over and over: say something, claim it, answer it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from core.extras import Placed
from core.message import (
    Author,
    Command,
    CommandName,
    Event,
    Feedback,
    Message,
    Origin,
    PartId,
    Reply,
    ReplyId,
    Target,
    ThreadId,
    Usage,
    Written,
)
from core.ports import Claim, Delivery, Receipt, State, Store

LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)
NOW = timedelta(0)
DOORS = ("console", "slack")
ANN = Author("console", "home", "ann", "Ann")
BOB = Author("console", "home", "bob", "Bob")
ROOM = ThreadId("console", "home", "web", "room")
ATTIC = ThreadId("console", "home", "web", "attic")
WRITTEN = Written("echo@1", seed=7, usage=Usage(11, 13))

_numbers = count(1)


def message(text: str = "Hello", **more: Any) -> Message:
    return replace(Message(id=f"m{next(_numbers)}", thread=ROOM, author=ANN, sent_at=moment(), text=text), **more)


def command(name: CommandName, **more: Any) -> Command:
    return replace(Command(id=f"c{next(_numbers)}", thread=ROOM, author=ANN, sent_at=moment(), name=name), **more)


def vote(target: Target, score: int | None = 5, **more: Any) -> Feedback:
    cast = Feedback(
        id=f"f{next(_numbers)}", target=target, author=ANN, origin=Origin.BUTTON, score=score, sent_at=moment()
    )
    return replace(cast, **more)


def moment() -> datetime:
    return datetime.now(UTC)


async def add(store: Store, *events: Event) -> tuple[Receipt, ...]:
    async with store.unit() as unit:
        return await unit.inbox.add(events)


async def claims(
    store: Store,
    *,
    lane: str = "turn",
    owner: str = "worker",
    limit: int = 10,
    lease: timedelta = LEASE,
    doors: Sequence[str] = DOORS,
) -> tuple[Claim, ...]:
    async with store.unit() as unit:
        return await unit.inbox.claim(lane, owner=owner, doors=doors, limit=limit, lease=lease)


async def claim(store: Store, **more: Any) -> Claim:
    (only,) = await claims(store, **more)
    return only


def reply_to(claim: Claim, **more: Any) -> Reply:
    event = claim.event
    assert isinstance(event, Message | Command)
    reply = Reply(id=claim.reply_id, thread=event.thread, asker=event.author, in_reply_to=event.id)
    return replace(reply, **more)


async def begin(store: Store, claim: Claim, **more: Any) -> Delivery:
    """Writes the turn down and takes its place in the outbox."""
    reply = reply_to(claim, **more)
    async with store.unit() as unit:
        await unit.turns.begin(claim)
        await unit.replies.open(claim, reply)
        return await unit.outbox.open(claim, reply, lease=LEASE)


async def finish(
    store: Store,
    claim: Claim,
    delivery: Delivery,
    text: str = "42",
    state: State = State.DELIVERING,
    *,
    keep: bool = True,
    reasoning: str = "",
    extras: Sequence[Placed] = (),
) -> Delivery:
    """The text is final, the inbox row ends, the outbox row is ready: one transaction."""
    reply = replace(delivery.reply, text=text, model=WRITTEN.model)
    async with store.unit() as unit:
        await unit.replies.save(reply, reasoning=reasoning)
        await unit.turns.move(reply.id, state, written=WRITTEN)
        await unit.inbox.finish(claim)
        await unit.outbox.ready(delivery, keep=keep, extras=extras)
    return replace(delivery, reply=reply)


async def deliver(store: Store, delivery: Delivery, *parts: PartId) -> None:
    for part in parts:
        async with store.unit() as unit:
            await unit.outbox.part(delivery, part)
    async with store.unit() as unit:
        await unit.outbox.done(delivery)


async def answered(
    store: Store,
    question: Event,
    text: str = "42",
    state: State = State.DELIVERING,
    *parts: PartId,
    reasoning: str = "",
    **more: Any,
) -> ReplyId:
    """Says it, and answers it to the end."""
    await add(store, question)
    taken = await claim(store)
    delivery = await finish(store, taken, await begin(store, taken, **more), text, state, reasoning=reasoning)
    await deliver(store, delivery, *parts)
    return taken.reply_id


async def history(store: Store, question: Message, limit: int = 10, before: int | None = None) -> list[tuple[str, str]]:
    async with store.unit() as unit:
        exchanges = await unit.threads.history(question.thread, question.id, limit=limit, before=before)
    return [(exchange.question, exchange.answer) for exchange in exchanges]
