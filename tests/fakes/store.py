"""A store in memory that keeps the whole promise of core.ports.Store, for tests that need no database."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from core.commands import as_edited, is_farewell, question_in
from core.errors import LeaseLost, NotFound, NotStored
from core.extras import Placed
from core.message import (
    Author,
    Command,
    Deleted,
    Edited,
    Event,
    Feedback,
    LastReplyTo,
    Message,
    Origin,
    PartId,
    Reply,
    ReplyId,
    Source,
    ThreadId,
    Visibility,
    Written,
)
from core.ports import (
    Appeal,
    Awaited,
    Backlog,
    CachedAnswer,
    Claim,
    Confirmed,
    Consumer,
    Consumption,
    Delivery,
    Draft,
    Entry,
    Exchange,
    Forgotten,
    Incident,
    Kept,
    Lifted,
    Mark,
    Neighbourhood,
    Read,
    Receipt,
    Recorded,
    Ruling,
    Shelved,
    Signal,
    SignalKind,
    Standing,
    State,
    Theirs,
    Thought,
    ThreadFacts,
    ThreadSummary,
    TurnFacts,
    Vote,
)
from core.reading import EMPTY, Reading
from core.turn import Pending
from tests.fakes.admins import MemoryAdmins
from tests.fakes.overview import MemoryOverview, name_of

ANSWERED = (State.DONE, State.DELIVERING, State.STOPPED, State.ASKED)
WAITING, RUNNING, DONE, BURIED = range(4)
_KEY = secrets.token_bytes(32)


def reply_id(adapter: str, event_id: str) -> ReplyId:
    text = f"{len(adapter)}:{adapter}{event_id}".encode("utf-8", "surrogatepass")
    return ReplyId(hmac.digest(_KEY, text, hashlib.sha256)[:16].hex())


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class InboxRow:
    id: int
    reply_id: ReplyId
    adapter: str
    thread: str
    event: Event | None
    author: str
    lane: str
    created_at: datetime
    available_at: datetime
    status: int = WAITING
    attempts: int = 0
    owner: str = ""
    lease_until: datetime | None = None
    mark: Mark | None = None
    failures: int = 0
    is_aside: bool = False


@dataclass(frozen=True)
class MessageRow:
    seq: int
    message: Message
    is_erased: bool = False
    reading: Reading | None = None


@dataclass(frozen=True)
class ReplyRow:
    seq: int
    reply: Reply
    question: ReplyId
    return_address: Mapping[str, Any]
    visibility: Visibility
    is_saved: bool = False
    revision: int = 0
    reasoning: str = ""


@dataclass(frozen=True)
class OutboxRow:
    inbox_id: int
    reply_id: ReplyId
    adapter: str
    thread: str
    owner: str
    lease_until: datetime | None
    available_at: datetime
    attempts: int = 1
    state: Mapping[str, Any] = field(default_factory=dict)
    is_ready: bool = False
    is_buried: bool = False
    failures: int = 0
    extras: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class ThreadRow:
    thread: ThreadId
    owner: str = ""
    route: str = ""
    reset_seq: int = 0
    asked_at: datetime | None = None


@dataclass(frozen=True)
class CachedRow:
    kept: CachedAnswer
    place: Shelved
    embedder: str
    question: ReplyId
    expires_at: datetime


@dataclass(frozen=True)
class AskRow:
    seq: int
    thread: str
    asker: str
    question: ReplyId
    call: Pending
    expires_at: datetime
    taken_by: ReplyId | None = None


@dataclass
class Tables:
    """Everything a unit commits. Rows are frozen, so a copy of the dictionaries is a copy of it all."""

    inbox: dict[int, InboxRow] = field(default_factory=dict)
    events: dict[ReplyId, int] = field(default_factory=dict)
    messages: dict[ReplyId, MessageRow] = field(default_factory=dict)
    early: dict[ReplyId, Edited | Deleted] = field(default_factory=dict)
    threads: dict[str, ThreadRow] = field(default_factory=dict)
    turns: dict[ReplyId, TurnFacts] = field(default_factory=dict)
    replies: dict[ReplyId, ReplyRow] = field(default_factory=dict)
    parts: dict[PartId, ReplyId] = field(default_factory=dict)
    outbox: dict[ReplyId, OutboxRow] = field(default_factory=dict)
    votes: dict[tuple[str, str], tuple[ReplyId, Feedback, str]] = field(default_factory=dict)
    incidents: dict[tuple[str, ...], Kept] = field(default_factory=dict)
    cached: dict[str, CachedRow] = field(default_factory=dict)
    cached_uses: dict[ReplyId, str] = field(default_factory=dict)
    cached_blocks: dict[str, datetime] = field(default_factory=dict)
    asks: dict[ReplyId, AskRow] = field(default_factory=dict)
    consumption: dict[tuple[str, date, str], Consumption] = field(default_factory=dict)
    counted: dict[ReplyId, date] = field(default_factory=dict)
    lifted: dict[str, Lifted] = field(default_factory=dict)

    def copy(self) -> "Tables":
        return Tables(**{table.name: dict(getattr(self, table.name)) for table in fields(self)})

    def newest_reply(self, question: ReplyId) -> ReplyRow | None:
        """One that came to nothing gives way to an earlier one that did not."""
        rows = (row for row in self.replies.values() if row.question == question)
        return max(rows, key=lambda row: (not self._came_to_nothing(row), row.seq), default=None)

    def _came_to_nothing(self, row: ReplyRow) -> bool:
        state = self.turns[row.reply.id].state if row.reply.id in self.turns else None
        is_silenced = state is State.STOPPED and row.reply.source is Source.HOUSE
        return state in (State.FAILED, State.REFUSED) or is_silenced

    def rewrite(self, question: ReplyId, said: MessageRow) -> None:
        """What the text it had led to is forgotten: thoughts, what was kept for others, calls that wait for a yes."""
        self.messages[question] = said
        for id_, row in self.replies.items():
            if row.question == question:
                self.replies[id_] = replace(row, reasoning="")
        for key, kept in self.incidents.items():
            if (answer := self.replies.get(kept.reply_id)) and answer.question == question:
                self.incidents[key] = replace(kept, incident=replace(kept.incident, excerpt=""))
        self.cached = {key: row for key, row in self.cached.items() if row.question != question}
        self.asks = {id_: ask for id_, ask in self.asks.items() if ask.question != question}

    def forget_extras(self, question: ReplyId) -> None:
        for id_, row in self.outbox.items():
            if self.replies[id_].question == question:
                self.outbox[id_] = replace(row, extras=())

    def said_in(self, thread: str) -> list[MessageRow]:
        """Newest first."""
        rows = (row for row in self.messages.values() if str(row.message.thread) == thread and not row.is_erased)
        return sorted(rows, key=lambda row: row.seq, reverse=True)


class Room:
    def __init__(self, unit: "MemoryUnit") -> None:
        self._unit = unit
        self._tables = unit.tables


class MemoryInbox(Room):
    async def add(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        return tuple(self._add(event) for event in events)

    def _add(self, event: Event) -> Receipt:
        self._unit.wake(SignalKind.INBOX, event.lane)
        is_vote = isinstance(event, Feedback)
        adapter = event.author.adapter if isinstance(event, Feedback) else event.thread.adapter
        id_ = reply_id(adapter, event.id)
        early = self._tables.early.get(id_)
        if id_ in self._tables.events or isinstance(early, Deleted):
            return Receipt(id_, is_new=False)
        if early and isinstance(event, Message | Command):
            event = as_edited(event, early)
            del self._tables.early[id_]
        row = max(self._tables.inbox, default=0) + 1
        thread = f"feedback {event.id}" if isinstance(event, Feedback) else str(event.thread)
        self._tables.events[id_] = row
        self._tables.inbox[row] = InboxRow(
            row, id_, adapter, thread, event, event.author.key, event.lane, now(), available_at=now()
        )
        if not is_vote and event.lane == "turn":
            self._open_thread(event)
        if question := question_in(event):
            self._tables.messages[id_] = MessageRow(row, question)
        return Receipt(id_, is_new=True)

    def _open_thread(self, event: Event) -> None:
        assert isinstance(event, Message | Command)
        key = str(event.thread)
        thread = self._tables.threads.get(key) or ThreadRow(event.thread)
        asked_at = now() if question_in(event) else thread.asked_at
        self._tables.threads[key] = replace(thread, owner=thread.owner or event.author.key, asked_at=asked_at)

    async def claim(
        self,
        lane: str,
        *,
        owner: str,
        doors: Collection[str],
        limit: int,
        lease: timedelta,
        per_person: int | None = None,
    ) -> tuple[Claim, ...]:
        rows = [
            row
            for _, row in sorted(self._tables.inbox.items())
            if row.status == WAITING and row.lane == lane and row.available_at <= now() and row.adapter in doors
        ]
        heads = (row for row in rows if lane == "control" or self._is_head(row))
        claims: list[Claim] = []
        for row in heads:
            is_seated = lane == "control" or per_person is None or self._running(row.author) < per_person
            if is_seated and len(claims) < limit:
                claims.append(self._lease(row, owner, lease))
            self._tables.inbox[row.id] = replace(self._tables.inbox[row.id], is_aside=not is_seated)
        return tuple(claims)

    def _running(self, author: str) -> int:
        rows = self._tables.inbox.values()
        return sum(row.author == author and row.status == RUNNING and row.lane == "turn" for row in rows)

    async def call(self, *, per_person: int | None = None) -> int:
        return 0  # every claim looks at all

    def _is_head(self, row: InboxRow) -> bool:
        return not any(
            other.thread == row.thread and other.lane == "turn" and other.status in (WAITING, RUNNING)
            for other in self._tables.inbox.values()
            if other.id < row.id
        )

    def _lease(self, row: InboxRow, owner: str, lease: timedelta) -> Claim:
        mark = None if row.mark is Mark.REDO else row.mark
        row = replace(row, status=RUNNING, attempts=row.attempts + 1, owner=owner, lease_until=now() + lease, mark=mark)
        self._tables.inbox[row.id] = row
        said = self._tables.messages.get(row.reply_id)
        event = replace(row.event, args=said.message.text) if said and isinstance(row.event, Command) else row.event
        event = said.message if said and isinstance(event, Message) else event
        assert event is not None
        return Claim(row.id, event, row.reply_id, owner, row.attempts, row.created_at, mark, row.failures)

    def held(self, claim: Claim) -> InboxRow:
        row = self._tables.inbox.get(claim.id)
        if row is None or (row.status, row.owner, row.attempts) != (RUNNING, claim.owner, claim.attempts):
            raise LeaseLost
        return row

    async def renew(self, claims: Collection[Claim], lease: timedelta) -> Mapping[int, Mark | None]:
        marks = {}
        for claim in claims:
            with suppress(LeaseLost):
                row = self._tables.inbox[claim.id] = replace(self.held(claim), lease_until=now() + lease)
                marks[claim.id] = row.mark
        return marks

    def _end(self, claim: Claim, **change: Any) -> None:
        self._tables.inbox[claim.id] = replace(self.held(claim), owner="", lease_until=None, **change)
        self._unit.wake(SignalKind.INBOX)

    async def finish(self, claim: Claim) -> None:
        self._end(claim, status=DONE, event=None)

    async def release(self, claim: Claim, delay: timedelta, *, is_failure: bool = False) -> None:
        failures = self.held(claim).failures + is_failure
        self._end(claim, status=WAITING, available_at=now() + delay, failures=failures)

    async def bury(self, claim: Claim, reason: str) -> None:
        self._end(claim, status=BURIED)
        place = self._tables.outbox.get(claim.reply_id)
        if place is not None and not place.is_ready:
            self._tables.outbox[claim.reply_id] = replace(place, owner="", lease_until=None, is_buried=True)
            self._unit.wake(SignalKind.OUTBOX)

    async def reap(self) -> int:
        expired = [row for row in self._tables.inbox.values() if row.lease_until and row.lease_until < now()]
        for row in expired:
            self._tables.inbox[row.id] = replace(
                row, status=WAITING, owner="", lease_until=None, available_at=now(), failures=row.failures + 1
            )
            self._unit.wake(SignalKind.INBOX)
        return len(expired)

    async def mark(
        self,
        mark: Mark,
        *,
        thread: ThreadId,
        author: Author | None = None,
        message_id: str | None = None,
        reply: ReplyId | None = None,
        before: Claim | None = None,
    ) -> int:
        rows = [
            row
            for row in self._tables.inbox.values()
            if row.thread == str(thread)
            and row.lane == "turn"
            and row.status in (WAITING, RUNNING)
            and (author is None or row.author == author.key)
            and (message_id is None or self._is_about(row, reply_id(thread.adapter, message_id)))
            and (reply is None or row.reply_id == reply)
            and (before is None or row.id < before.id)
        ]
        rows = [row for row in rows if row.status == RUNNING] or rows
        for row in rows:
            is_weaker = row.mark is Mark.ERASE or (row.mark is Mark.STOP and mark is Mark.REDO)
            self._write(row, row.mark if is_weaker else mark)
        return len(rows)

    def _is_about(self, row: InboxRow, question: ReplyId) -> bool:
        reply = self._tables.replies.get(row.reply_id)
        return row.reply_id == question or (reply is not None and reply.question == question)

    def _write(self, row: InboxRow, mark: Mark | None) -> None:
        self._tables.inbox[row.id] = replace(row, mark=mark)
        if row.status == RUNNING:
            self._unit.wake(SignalKind.MARK, row.reply_id)

    async def amend(self, thread: ThreadId, message_id: str, text: str) -> int:
        id_ = reply_id(thread.adapter, message_id)
        said = self._tables.messages.get(id_)
        rows = [
            row
            for row in self._tables.inbox.values()
            if row.thread == str(thread) and row.lane == "turn" and row.status in (WAITING, RUNNING)
            if self._is_about(row, id_)
        ]
        if said is None or not rows:
            return 0
        self._tables.rewrite(id_, replace(said, message=replace(said.message, text=text)))
        for row in rows:
            self._write(row, row.mark or Mark.REDO if row.status == RUNNING else row.mark)
        return len(rows)

    async def waiting(self) -> int:
        return sum(row.status in (WAITING, RUNNING) for row in self._tables.inbox.values())

    async def backlog(self) -> tuple[Backlog, ...]:
        return tuple(self._backlog(lane) for lane in ("turn", "control"))

    def _backlog(self, lane: str) -> Backlog:
        rows = [row for row in self._tables.inbox.values() if row.lane == lane and row.status in (WAITING, RUNNING)]
        waiting = [row for row in rows if row.status == WAITING and not row.is_aside]
        heads = [row for row in waiting if lane == "control" or self._is_head(row)]
        return Backlog(lane, len(rows), now() - heads[0].created_at if heads else timedelta(0))


class MemoryOutbox(Room):
    async def open(self, claim: Claim, reply: Reply, *, lease: timedelta) -> Delivery:
        inbox = self._unit.inbox.held(claim)
        earlier = self._tables.outbox.get(reply.id)
        line = inbox.reply_id if inbox.lane == "control" else inbox.thread
        row = OutboxRow(inbox.id, reply.id, inbox.adapter, line, claim.owner, now() + lease, now())
        if earlier:
            attempts = earlier.attempts + 1
            failures, is_ready = earlier.failures, earlier.is_ready
            row = replace(row, attempts=attempts, state=earlier.state, is_ready=is_ready, failures=failures)
            row = replace(row, extras=earlier.extras)
        self._tables.outbox[reply.id] = row
        event = claim.event
        assert not isinstance(event, Feedback)
        return self._delivery(row, reply, event.return_address, event.visibility)

    def _delivery(
        self, row: OutboxRow, reply: Reply, return_address: Mapping[str, Any], visibility: Visibility
    ) -> Delivery:
        return Delivery(
            reply=self._unit.replies.with_parts(reply),
            return_address=return_address,
            visibility=visibility,
            state=row.state,
            is_ready=row.is_ready,
            is_head=self._is_head(row),
            attempts=row.attempts,
            owner=row.owner,
            failures=row.failures,
        )

    def _is_head(self, row: OutboxRow) -> bool:
        others = (other for other in self._tables.outbox.values() if other.inbox_id < row.inbox_id)
        return not any(other.thread == row.thread and not other.is_buried for other in others)

    async def is_head(self, reply_id: ReplyId) -> bool:
        row = self._tables.outbox.get(reply_id)
        return row is not None and not row.is_buried and self._is_head(row)

    async def forsake(self, claim: Claim) -> None:
        row = self._tables.outbox.get(claim.reply_id)
        if row is not None and not row.is_ready:
            del self._tables.outbox[claim.reply_id]

    def _held(self, delivery: Delivery) -> OutboxRow:
        row = self._tables.outbox.get(delivery.reply.id)
        if row is None or row.is_buried or (row.owner, row.attempts) != (delivery.owner, delivery.attempts):
            raise LeaseLost
        return row

    def _write(self, delivery: Delivery, **change: Any) -> None:
        self._tables.outbox[delivery.reply.id] = replace(self._held(delivery), **change)

    async def ready(self, delivery: Delivery, *, keep: bool, extras: Sequence[Placed] = ()) -> None:
        self._write(delivery, is_ready=True, extras=tuple(extras))
        if not keep:
            self._write(delivery, owner="", lease_until=None)
            self._unit.wake(SignalKind.OUTBOX)

    async def extras(self, delivery: Delivery) -> tuple[Placed, ...]:
        return self._held(delivery).extras

    async def claim(self, *, owner: str, doors: Collection[str], limit: int, lease: timedelta) -> tuple[Delivery, ...]:
        rows = sorted(self._tables.outbox.values(), key=lambda row: row.inbox_id)
        free = [
            row
            for row in rows
            if row.is_ready and not row.owner and not row.is_buried and row.available_at <= now()
            if row.adapter in doors and self._is_head(row)
        ]
        return tuple(self._lease(row, owner, lease) for row in free[:limit])

    def _lease(self, row: OutboxRow, owner: str, lease: timedelta) -> Delivery:
        row = replace(row, owner=owner, attempts=row.attempts + 1, lease_until=now() + lease)
        self._tables.outbox[row.reply_id] = row
        stored = self._tables.replies[row.reply_id]
        delivery = self._delivery(row, stored.reply, stored.return_address, stored.visibility)
        return replace(delivery, has_extras=bool(row.extras))

    async def renew(self, deliveries: Collection[Delivery], lease: timedelta) -> frozenset[ReplyId]:
        kept = set()
        for delivery in deliveries:
            with suppress(LeaseLost):
                self._write(delivery, lease_until=now() + lease)
                kept.add(delivery.reply.id)
        return frozenset(kept)

    async def part(self, delivery: Delivery, part: PartId) -> None:
        self._held(delivery)
        self._tables.parts[part] = delivery.reply.id

    async def state(self, delivery: Delivery, state: Mapping[str, Any]) -> None:
        self._write(delivery, state=dict(state))

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        return frozenset(part for part in parts if part in self._tables.parts)

    async def done(self, delivery: Delivery) -> None:
        self._held(delivery)
        del self._tables.outbox[delivery.reply.id]
        turn = self._tables.turns.get(delivery.reply.id)
        if turn and turn.state is State.DELIVERING:
            self._tables.turns[turn.reply_id] = replace(turn, state=State.DONE, finished_at=now())
        self._unit.wake(SignalKind.OUTBOX)

    async def release(self, delivery: Delivery, delay: timedelta, *, is_failure: bool = False) -> None:
        failures = self._held(delivery).failures + is_failure
        self._write(delivery, owner="", lease_until=None, available_at=now() + delay, failures=failures)
        self._unit.wake(SignalKind.OUTBOX)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        self._write(delivery, owner="", lease_until=None, is_buried=True)
        self._unit.wake(SignalKind.OUTBOX)

    async def reap(self) -> int:
        expired = [row for row in self._tables.outbox.values() if row.lease_until and row.lease_until < now()]
        for row in expired:
            failures = row.failures + row.is_ready
            self._tables.outbox[row.reply_id] = replace(row, owner="", lease_until=None, failures=failures)
            self._unit.wake(SignalKind.OUTBOX)
        return len(expired)


class MemoryTurns(Room):
    async def begin(self, claim: Claim) -> None:
        row = self._unit.inbox.held(claim)
        earlier = self._tables.turns.get(claim.reply_id)
        self._tables.turns[claim.reply_id] = TurnFacts(
            claim.reply_id,
            State.SCREENING,
            attempts=earlier.attempts + 1 if earlier else 1,
            received_at=row.created_at,
            started_at=now(),
        )

    async def move(
        self, reply_id: ReplyId, state: State, *, written: Written | None = None, first_text: bool = False
    ) -> None:
        turn = self._tables.turns.get(reply_id)
        if turn is None or turn.state.is_final:
            return
        if turn.state is State.DELIVERING and not (state.is_final or state is State.DELIVERING):
            return
        if written is not None:
            turn = replace(
                turn, model=written.model, source=written.source.value, seed=written.seed, usage=written.usage
            )
        first_text_at = turn.first_text_at or now() if first_text else turn.first_text_at
        finished_at = now() if state.is_final else None
        self._tables.turns[reply_id] = replace(turn, state=state, first_text_at=first_text_at, finished_at=finished_at)

    async def get(self, reply_id: ReplyId) -> TurnFacts | None:
        return self._tables.turns.get(reply_id)


class MemoryReplies(Room):
    async def open(self, claim: Claim, reply: Reply) -> None:
        with suppress(LeaseLost):
            self._unit.inbox.held(claim)
            earlier = self._tables.replies.get(reply.replaces) if reply.replaces else None
            if reply.replaces and earlier is None:
                raise NotStored("(what it replaces is gone)")
            question = earlier.question if earlier else reply_id(reply.thread.adapter, reply.in_reply_to)
            event = claim.event
            assert not isinstance(event, Feedback)
            empty = replace(reply, text="")
            row = ReplyRow(claim.id, empty, question, event.return_address, event.visibility)
            self._tables.replies.setdefault(reply.id, row)

    async def save(self, reply: Reply, *, reasoning: str = "") -> None:
        row = self._tables.replies.get(reply.id)
        if row is None:
            raise NotFound
        kept = replace(
            row.reply, text=reply.text, source=reply.source, model=reply.model, verdict=reply.verdict, parts=()
        )
        revision = max(row.revision, self._unit.last_revision(reply.id)) + 1
        self._tables.replies[reply.id] = replace(row, reply=kept, is_saved=True, revision=revision, reasoning=reasoning)
        for key, (voted, feedback, _) in self._tables.votes.items():
            if voted == reply.id:
                self._tables.votes[key] = (voted, feedback, reply.model)
        self._unit.ended.append(reply.id)
        self._unit.wake(SignalKind.DRAFT, reply.id)

    def with_parts(self, reply: Reply) -> Reply:
        return replace(reply, parts=tuple(part for part, owner in self._tables.parts.items() if owner == reply.id))

    async def get(self, reply_id: ReplyId) -> Reply | None:
        row = self._tables.replies.get(reply_id)
        return self.with_parts(row.reply) if row else None

    def last(self, matches: Callable[[ReplyRow], bool]) -> Reply | None:
        rows = (row for row in self._tables.replies.values() if row.is_saved and matches(row))
        newest = max(rows, key=lambda row: row.seq, default=None)
        return self.with_parts(newest.reply) if newest else None

    async def newest(self, thread: ThreadId) -> Reply | None:
        def is_answer(row: ReplyRow) -> bool:
            question = self._tables.messages.get(row.question)
            return row.reply.thread == thread and question is not None and not question.is_erased

        return self.last(is_answer)

    async def is_replaced_meanwhile(self, reply_id: ReplyId, claim: Claim) -> bool:
        rows = (row for row in self._tables.replies.values() if row.reply.replaces == reply_id and row.seq < claim.id)
        return any(self._was_unfinished(row.reply.id, claim.received_at) for row in rows)

    def _was_unfinished(self, reply_id: ReplyId, moment: datetime) -> bool:
        turn, place = self._tables.turns.get(reply_id), self._tables.outbox.get(reply_id)
        if turn is None or turn.state in (State.STOPPED, State.FAILED):
            return False
        ended_later = turn.finished_at is not None and turn.finished_at > moment
        return ended_later or (place is not None and not place.is_buried)

    async def question(self, reply_id: ReplyId) -> Message | None:
        row = self._tables.replies.get(reply_id)
        said = self._tables.messages.get(row.question) if row else None
        return said.message if said and not said.is_erased else None


def count(casts: Iterable[tuple[ReplyId, Feedback, str]]) -> Vote | None:
    ordered = sorted(casts, key=lambda cast: cast[1].sent_at)
    if not ordered:
        return None
    votes = [vote for _, vote, _ in ordered]
    live = [vote for place, vote in enumerate(votes) if vote.score is not None and not ended(vote, votes[place + 1 :])]
    counts = live[-1] if live else None
    reasons = [vote.reason for _, vote, _ in ordered if vote.reason]
    comment = "\n".join(vote.comment for _, vote, _ in ordered if vote.comment)
    if counts is None and not reasons and not comment:
        return None
    reply, newest, model = ordered[-1]
    score, at = counts.score if counts else None, (counts or newest).sent_at
    return Vote(reply, newest.author, score, reasons[-1] if reasons else "", comment, model, at)


def ended(vote: Feedback, later: Sequence[Feedback]) -> bool:
    """A reaction without a name, as they were once kept, is ended by any later one in its place."""
    places = {(each.reaction, *place_of(each)) for each in later} | {("", *place_of(each)) for each in later}
    return (vote.reaction, *place_of(vote)) in places


def place_of(vote: Feedback) -> tuple[Origin, PartId | None]:
    return vote.origin, vote.target if isinstance(vote.target, PartId) else None


class MemoryRatings(Room):
    async def record(self, feedback: Feedback) -> ReplyId | None:
        key = (feedback.author.adapter, feedback.id)
        if key in self._tables.votes:
            return self._tables.votes[key][0]
        reply = await self.resolve(feedback)
        if reply is not None:
            self._tables.votes[key] = (reply.id, feedback, reply.model)
        return reply.id if reply else None

    async def resolve(self, feedback: Feedback) -> Reply | None:
        target = feedback.target
        if isinstance(target, LastReplyTo):
            whom = target
            return self._unit.replies.last(
                lambda row: (
                    row.reply.thread == whom.thread
                    and row.reply.asker.is_same_person(whom.author)
                    and row.reply.source is not Source.HOUSE
                )
            )
        reply = self._tables.parts.get(target) if isinstance(target, PartId) else target
        return await self._unit.replies.get(reply) if reply else None

    async def votes(self, reply_id: ReplyId) -> tuple[Vote, ...]:
        people = {vote[1].author.key for vote in self._tables.votes.values() if vote[0] == reply_id}
        votes = (votes_of(self._tables, reply_id, person) for person in people)
        return tuple(vote for vote in votes if vote)


def votes_of(tables: Tables, reply_id: ReplyId, person: str) -> Vote | None:
    return count(vote for vote in tables.votes.values() if vote[0] == reply_id and vote[1].author.key == person)


class MemoryThreads(Room):
    async def history(
        self, thread: ThreadId, message_id: str, *, limit: int, before: int | None = None
    ) -> tuple[Exchange, ...]:
        row = self._tables.threads.get(str(thread))
        end = self._tables.events.get(reply_id(thread.adapter, message_id), 0)
        since = row.reset_seq if row else 0
        exchanges = (
            self._exchange(said)
            for said in self._tables.said_in(str(thread))
            if since < said.seq < end and (before is None or said.seq < before)
        )
        return tuple(exchange for exchange in exchanges if exchange)[:limit]

    def _exchange(self, said: MessageRow) -> Exchange | None:
        newest = self._tables.newest_reply(reply_id(said.message.thread.adapter, said.message.id))
        turn = self._tables.turns.get(newest.reply.id) if newest else None
        if newest is None or turn is None or turn.state not in ANSWERED or not newest.reply.text:
            return None
        if newest.reply.source is Source.HOUSE:
            return None
        return Exchange(said.seq, said.message.text, said.message.author, newest.reply.text, said.reading or EMPTY)

    async def reading(self, thread: ThreadId, message_id: str) -> Reading | None:
        said = self._said(thread, message_id)
        return said.reading if said else None

    async def keep_reading(self, thread: ThreadId, message_id: str, reading: Reading) -> None:
        if said := self._said(thread, message_id):
            self._tables.messages[reply_id(thread.adapter, message_id)] = replace(said, reading=reading)

    def _row(self, thread: ThreadId) -> ThreadRow:
        return self._tables.threads.get(str(thread)) or ThreadRow(thread)

    async def facts(self, thread: ThreadId) -> ThreadFacts:
        row = self._row(thread)
        return ThreadFacts(row.route, row.reset_seq > 0)

    async def route(self, thread: ThreadId, route: str) -> None:
        self._tables.threads[str(thread)] = replace(self._row(thread), route=route)

    async def reset(self, claim: Claim) -> None:
        assert not isinstance(claim.event, Feedback)
        row = self._row(claim.event.thread)
        self._tables.threads[str(claim.event.thread)] = replace(row, reset_seq=max(row.reset_seq, claim.id))

    def _said(self, thread: ThreadId, message_id: str) -> MessageRow | None:
        said = self._tables.messages.get(reply_id(thread.adapter, message_id))
        return said if said and not said.is_erased and said.message.thread == thread else None

    async def edit(self, thread: ThreadId, message_id: str, author: Author, text: str) -> bool:
        said = self._said(thread, message_id)
        if said is None or not said.message.author.is_same_person(author):
            return False
        self._rewrite(replace(said, message=replace(said.message, text=text)))
        return True

    async def erase(self, thread: ThreadId, message_id: str, author: Author | None = None) -> bool:
        said = self._said(thread, message_id)
        if said is None or (author is not None and not said.message.author.is_same_person(author)):
            return False
        emptied = replace(said.message, text="", attachments=())
        self._rewrite(replace(said, message=emptied, is_erased=True, reading=None))
        self._tables.forget_extras(reply_id(thread.adapter, message_id))
        return True

    async def forestall(self, claim: Claim) -> bool:
        event = claim.event
        assert isinstance(event, Edited | Deleted)
        id_ = reply_id(event.thread.adapter, event.message_id)
        earlier = self._tables.early.get(id_)
        if id_ in self._tables.events or isinstance(earlier, Deleted):
            return False
        if earlier is None or isinstance(event, Deleted) or event.sent_at >= earlier.sent_at:
            self._tables.early[id_] = event
        return True

    def _rewrite(self, said: MessageRow) -> None:
        self._tables.rewrite(reply_id(said.message.thread.adapter, said.message.id), said)


class MemoryCached(Room):
    async def find(self, key: str, reply_id: ReplyId) -> CachedAnswer | None:
        row = self._tables.cached.get(key)
        if row is None or row.expires_at <= now() or key in self._tables.cached_blocks:
            return None
        self._tables.cached_uses[reply_id] = key
        return row.kept

    async def keep(
        self,
        key: str,
        shelf: str,
        kept: CachedAnswer,
        reply: Reply,
        *,
        lifetime: timedelta,
        vector: Sequence[float] = (),
        embedder: str = "",
    ) -> bool:
        row, held = self._tables.replies.get(reply.id), self._tables.cached.get(key)
        said = self._tables.messages.get(row.question) if row else None
        voted = [vote for voted, vote, _ in self._tables.votes.values() if voted == reply.id]
        is_unwanted = key in self._tables.cached_blocks or any(vote.score and vote.score <= 2 for vote in voted)
        is_taken = held is not None and held.expires_at > now()
        if row is None or not row.is_saved or said is None or said.is_erased or is_unwanted or is_taken:
            return False
        place = Shelved(key, shelf, kept.question, tuple(vector), now())
        self._tables.cached[key] = CachedRow(kept, place, embedder, row.question, now() + lifetime)
        self._tables.cached_uses[reply.id] = key
        return True

    async def block(self, reply_id: ReplyId) -> bool:
        key = self._tables.cached_uses.get(reply_id)
        if key is None:
            return False
        self._tables.cached.pop(key, None)
        self._tables.cached_blocks[key] = now()
        return True

    async def shelved(self, embedder: str, *, since: datetime | None = None) -> tuple[Shelved, ...]:
        rows = (row for row in self._tables.cached.values() if row.embedder == embedder and row.place.vector)
        live = (row.place for row in rows if row.expires_at > now())
        return tuple(sorted((place for place in live if since is None or place.kept_at > since), key=_kept_at))


def _kept_at(place: Shelved) -> datetime:
    return place.kept_at


class MemoryIncidents(Room):
    async def record(self, reply_id: ReplyId, thread: ThreadId, asker: Author, incident: Incident) -> None:
        kept, row = self._tables.incidents, self._tables.replies.get(reply_id)
        if row is None or not row.reply.asker.is_same_person(asker):
            return
        key = (reply_id, incident.where, incident.category, incident.action)
        kept.setdefault(key, Kept(len(kept) + 1, now(), reply_id, asker, thread, incident, talk=name_of(thread)))

    async def appeal(self, asker: Author, target: ReplyId | ThreadId, *, comment: str = "") -> bool:
        refusals = [
            (key, kept)
            for key, kept in self._tables.incidents.items()
            if kept.asker.is_same_person(asker)
            and target in (kept.reply_id, kept.thread)
            and kept.incident.action == "refuse"
        ]
        for key, kept in refusals[-1:]:
            earlier = kept.appeal or Appeal(now())
            self._tables.incidents[key] = replace(kept, appeal=replace(earlier, comment=comment or earlier.comment))
        return bool(refusals)

    async def newest(
        self, *, limit: int, before: int | None = None, appealed: bool = False, unruled: bool = False, action: str = ""
    ) -> tuple[Kept, ...]:
        found = [
            kept
            for kept in self._tables.incidents.values()
            if (before is None or kept.cursor < before) and action in ("", kept.incident.action)
            if kept.appeal or not (appealed or unruled)
            if not (unruled and kept.appeal and kept.appeal.ruling)
        ]
        return tuple(sorted(found, key=lambda kept: kept.cursor, reverse=True)[:limit])

    async def rule(self, cursor: int, *, by: str, is_right: bool, note: str = "") -> bool:
        for key, kept in self._tables.incidents.items():
            if kept.cursor == cursor and kept.appeal:
                appeal = replace(kept.appeal, ruling=Ruling(now(), by, is_right, note))
                self._tables.incidents[key] = replace(kept, appeal=appeal)
                return True
        return False


class MemoryAsks(Room):
    async def keep(
        self, reply_id: ReplyId, thread: ThreadId, asker: Author, call: Pending, *, lifetime: timedelta
    ) -> None:
        row, earlier = self._tables.replies.get(reply_id), self._tables.asks.get(reply_id)
        said, turn = self._tables.messages.get(row.question) if row else None, self._tables.turns.get(reply_id)
        if row is None or said is None or said.is_erased or (earlier and earlier.taken_by):
            return
        if turn is None or turn.state.is_final or turn.state is State.DELIVERING:
            return
        kept = replace(call, arguments=json.loads(json.dumps(dict(call.arguments))))
        ask = AskRow(row.seq, str(thread), asker.key, row.question, kept, now() + lifetime)
        earlier_ones = [id_ for id_, other in self._tables.asks.items() if other.question == row.question]
        for id_ in earlier_ones:
            if not self._tables.asks[id_].taken_by:
                del self._tables.asks[id_]
        self._tables.asks[reply_id] = ask

    async def newest(self, thread: ThreadId, asker: Author) -> ReplyId | None:
        asked = {
            ask.seq: id_
            for id_, ask in self._tables.asks.items()
            if (ask.thread, ask.asker) == (str(thread), asker.key) and self._has_asked(id_)
        }
        newest = asked[max(asked)] if asked else None
        return newest if newest and self._waits(newest, self._tables.asks[newest]) else None

    def _has_asked(self, reply_id: ReplyId) -> bool:
        return self._tables.turns[reply_id].state is State.ASKED

    def _waits(self, reply_id: ReplyId, ask: AskRow) -> bool:
        return self._has_asked(reply_id) and ask.taken_by is None and ask.expires_at > now()

    async def take(self, reply_id: ReplyId, asker: Author, claim: Claim) -> Confirmed | None:
        own = (ask for ask in self._tables.asks.values() if ask.asker == asker.key and ask.taken_by == claim.reply_id)
        if mine := next(own, None):
            return Confirmed(mine.call, is_begun=True)
        ask = self._tables.asks.get(reply_id)
        if ask is None or ask.asker != asker.key or not self._waits(reply_id, ask):
            return None
        self._tables.asks[reply_id] = replace(ask, taken_by=claim.reply_id)
        return Confirmed(ask.call)


class MemoryMeter(Room):
    async def standing(self, claim: Claim, person: Author, thread: ThreadId, *, workspace: bool) -> Standing:
        place, until = workspace_of(thread), self._tables.lifted.get(person.key)
        return Standing(
            used_today(self._tables, lambda whose, _: whose == person.key),
            used_today(self._tables, lambda _, where: workspace and where == place),
            until is not None and until.until > now(),
            claim.reply_id in self._tables.counted,
            midnight() - now(),
        )

    async def count(self, claim: Claim, person: Author, thread: ThreadId) -> None:
        if claim.reply_id not in self._tables.counted:
            self._tables.counted[claim.reply_id] = now().date()
            self._add(person, thread, Consumption(1, 0))

    async def recount(self, claim: Claim) -> None:
        self._tables.counted.pop(claim.reply_id, None)

    async def spend(self, person: Author, thread: ThreadId, tokens: int) -> None:
        self._add(person, thread, Consumption(0, tokens))

    def _add(self, person: Author, thread: ThreadId, more: Consumption) -> None:
        key = (person.key, now().date(), workspace_of(thread))
        self._tables.consumption[key] = summed([more, self._tables.consumption.get(key, Consumption())])


def workspace_of(thread: ThreadId) -> str:
    return f"{thread.adapter}:{thread.workspace}"


def midnight() -> datetime:
    return datetime.combine(now().date() + timedelta(days=1), datetime.min.time(), UTC)


def summed(parts: Iterable[Consumption]) -> Consumption:
    parts = list(parts)
    return Consumption(sum(part.messages for part in parts), sum(part.tokens for part in parts))


def used_today(tables: Tables, is_meant: Callable[[str, str], bool]) -> Consumption:
    """Of the persons and workspaces that are meant."""
    rows = tables.consumption.items()
    return summed(used for (whose, day, where), used in rows if day == now().date() and is_meant(whose, where))


class MemoryQuotas:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def of(self, person: Author) -> Consumer:
        self._store.must_be_up()
        return replace(self._consumer(person.key), person=person)

    def _consumer(self, key: str) -> Consumer:
        tables = self._store.tables
        row = tables.lifted.get(key)
        until = row.until if row and row.until > now() else None
        used = used_today(tables, lambda whose, _: whose == key)
        return Consumer(self._named(key), used, until, reply_id("person", key))

    def _named(self, key: str) -> Author | None:
        said = [row for row in self._store.tables.messages.values() if row.message.author.key == key]
        newest = max((row for row in said if not row.is_erased), key=lambda row: row.seq, default=None)
        return newest.message.author if newest else None

    async def persons(self, *, limit: int) -> tuple[Consumer, ...]:
        self._store.must_be_up()
        keys = {whose for whose, day, _ in self._store.tables.consumption if day == now().date()}
        found = [self._consumer(key) for key in keys]
        return tuple(sorted(found, key=lambda one: (-one.used.messages, -one.used.tokens))[:limit])

    async def workspaces(self, *, limit: int) -> tuple[Neighbourhood, ...]:
        self._store.must_be_up()
        today = [(whose, where) for whose, day, where in self._store.tables.consumption if day == now().date()]
        found = [self._neighbourhood(place, today) for place in {where for _, where in today}]
        return tuple(sorted(found, key=lambda one: (-one.used.messages, -one.used.tokens))[:limit])

    def _neighbourhood(self, place: str, today: Sequence[tuple[str, str]]) -> Neighbourhood:
        tables = self._store.tables
        said = (row for row in tables.messages.values() if not row.is_erased)
        is_known = any(workspace_of(row.message.thread) == place for row in said)
        used = used_today(tables, lambda _, where: where == place)
        return Neighbourhood(place if is_known else "", used, sum(where == place for _, where in today))

    async def lift(self, person: Author, *, until: datetime | None = None, by: str) -> datetime:
        end = until or midnight()
        async with self._store.unit() as unit:
            index = reply_id("person", person.key)
            unit.tables.lifted[person.key] = Lifted(Author.parse(person.key), end, index)
        await self._store.audit.record("lift", by=by, person=person, until=end.isoformat())
        return end

    async def restore(self, person: Author, *, by: str) -> bool:
        async with self._store.unit() as unit:
            row = unit.tables.lifted.pop(person.key, None)
        if row is None or row.until <= now():
            return False
        await self._store.audit.record("lift-ended", by=by, person=person)
        return True

    async def lifted(self, *, limit: int) -> tuple[Lifted, ...]:
        self._store.must_be_up()
        rows = [row for row in self._store.tables.lifted.values() if row.until > now()]
        return tuple(sorted(rows, key=lambda row: row.until)[:limit])


class MemoryUnit:
    """Works on a copy, which becomes the truth on leaving."""

    def __init__(self, store: "MemoryStore") -> None:
        self.tables = store.tables.copy()
        self.signals: list[Signal] = []
        self.ended: list[ReplyId] = []
        self._store = store
        self.inbox = MemoryInbox(self)
        self.outbox = MemoryOutbox(self)
        self.turns = MemoryTurns(self)
        self.replies = MemoryReplies(self)
        self.ratings = MemoryRatings(self)
        self.threads = MemoryThreads(self)
        self.incidents = MemoryIncidents(self)
        self.cached = MemoryCached(self)
        self.asks = MemoryAsks(self)
        self.meter = MemoryMeter(self)

    def wake(self, kind: SignalKind, key: str = "") -> None:
        if Signal(kind, key) not in self.signals:
            self.signals.append(Signal(kind, key))

    def last_revision(self, reply_id: ReplyId) -> int:
        draft = self._store.drafts.growing.get(reply_id)
        return draft.revision if draft else 0


class MemoryDrafts:
    def __init__(self, store: "MemoryStore") -> None:
        self.growing: dict[ReplyId, Draft] = {}
        self._store = store

    async def save(self, draft: Draft) -> None:
        self._store.must_be_up()
        row = self._store.tables.replies.get(draft.reply_id)
        if row is None:
            raise NotFound
        earlier = self.growing.get(draft.reply_id)
        if not row.is_saved and (earlier is None or earlier.revision < draft.revision):
            self.growing[draft.reply_id] = draft
            self._store.publish(Signal(SignalKind.DRAFT, draft.reply_id))

    async def latest(self, reply_id: ReplyId) -> Draft | None:
        self._store.must_be_up()
        row = self._store.tables.replies.get(reply_id)
        if row is None or not row.is_saved:
            return self.growing.get(reply_id)
        turn = self._store.tables.turns.get(reply_id)
        state = turn.state if turn and turn.state.is_final else State.DELIVERING
        reply = row.reply
        has_reasoning = bool(row.reasoning)
        return Draft(reply_id, row.revision, reply.text, state, "", reply.model, reply.source.value, has_reasoning)

    async def follow(self, reply_id: ReplyId) -> AsyncGenerator[Draft, None]:
        seen = -1
        while True:
            news = self._store.news[reply_id]
            draft = await self.latest(reply_id)
            if draft is not None and draft.revision > seen:
                seen = draft.revision
                yield draft
            if draft is not None and draft.is_final:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), 1)


class MemoryArchive:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def threads(self, reader: Author, *, limit: int, before: datetime | None = None) -> tuple[ThreadSummary, ...]:
        self._store.must_be_up()
        rows = [
            (row.asked_at, row)
            for row in self._store.tables.threads.values()
            if row.owner == reader.key and row.asked_at and (before is None or row.asked_at < before)
        ]
        lines = (self._line(row, asked_at) for asked_at, row in sorted(rows, key=lambda row: row[0], reverse=True))
        return tuple(line for line in lines if line)[:limit]

    def _line(self, row: ThreadRow, asked_at: datetime) -> ThreadSummary | None:
        said = self._store.tables.said_in(str(row.thread))
        if not said:
            return None
        line = " ".join(said[-1].message.text.split())
        return ThreadSummary(row.thread, line if len(line) <= 80 else line[:79].rstrip() + "…", asked_at)

    async def entries(
        self, thread: ThreadId, reader: Author, *, limit: int, before: int | None = None
    ) -> tuple[Entry, ...]:
        self._store.must_be_up()
        row = self._store.tables.threads.get(str(thread))
        if row is None or row.owner != reader.key:
            return ()
        said = [
            said
            for said in self._store.tables.said_in(str(thread))
            if said.message.author.is_same_person(reader) and (before is None or said.seq < before)
        ]
        return tuple(self._entry(row, item, reader) for item in reversed(said[:limit]))

    def _entry(self, row: ThreadRow, said: MessageRow, reader: Author) -> Entry:
        question = reply_id(row.thread.adapter, said.message.id)
        newest = self._store.tables.newest_reply(question)
        turn = self._store.tables.turns.get(newest.reply.id) if newest else None
        return Entry(
            cursor=said.seq,
            message_id=said.message.id,
            question=said.message.text,
            asker=said.message.author,
            sent_at=said.message.sent_at,
            reply_id=newest.reply.id if newest else question,
            state=turn.state if turn else None,
            answer=newest.reply.text if newest else "",
            model=newest.reply.model if newest else "",
            source=newest.reply.source.value if newest and newest.is_saved else "",
            vote=votes_of(self._store.tables, newest.reply.id, reader.key) if newest else None,
            is_before_reset=said.seq < row.reset_seq,
            has_reasoning=bool(newest and newest.reasoning),
        )

    async def owns(self, thread: ThreadId, reader: Author) -> bool | None:
        self._store.must_be_up()
        row = self._store.tables.threads.get(str(thread))
        return row.owner == reader.key if row and row.owner else None

    async def is_conversation(self, thread: ThreadId) -> bool:
        self._store.must_be_up()
        tables, name = self._store.tables, str(thread)
        is_asked = any(
            row.thread == name and row.lane == "turn" and row.status in (WAITING, RUNNING)
            for row in tables.inbox.values()
        )
        return is_asked or any(
            row.reply.thread == thread
            and (
                tables.turns[row.reply.id].state is not State.REFUSED
                or row.reply.source is not Source.HOUSE
                or row.reply.id in tables.counted
            )
            for row in tables.replies.values()
            if row.reply.id in tables.turns
        )

    async def reply(self, reply_id: ReplyId, reader: Author) -> Reply | None:
        self._store.must_be_up()
        row = self._store.tables.replies.get(reply_id)
        if row is None or not row.reply.asker.is_same_person(reader):
            return None
        parts = tuple(part for part, owner in self._store.tables.parts.items() if owner == reply_id)
        return replace(row.reply, parts=parts)

    async def reasoning(self, reply_id: ReplyId, reader: Author) -> str | None:
        self._store.must_be_up()
        row = self._store.tables.replies.get(reply_id)
        return row.reasoning if row and row.reply.asker.is_same_person(reader) else None


class MemorySecrets:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._values: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes | None:
        self._store.must_be_up()
        return self._values.get(name)

    async def put(self, name: str, value: bytes) -> None:
        self._store.must_be_up()
        self._values[name] = value

    async def delete(self, name: str) -> None:
        self._store.must_be_up()
        self._values.pop(name, None)


class MemoryNotes:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self.kept: dict[str, tuple[str, datetime, bytes]] = {}

    async def get(self, name: str) -> bytes | None:
        self._store.must_be_up()
        _, until, value = self.kept.get(name, ("", now(), b""))
        return value if until > now() else None

    async def put(self, name: str, value: bytes, *, about: Author | ReplyId, lifetime: timedelta) -> None:
        self._store.must_be_up()
        if not isinstance(about, Author):
            tables = self._store.tables
            if about in tables.replies:
                about = tables.replies[about].reply.asker
            elif about in tables.messages:
                about = tables.messages[about].message.author
            else:
                return
        self.kept[name] = (about.key, now() + lifetime, value)

    async def delete(self, name: str) -> None:
        self._store.must_be_up()
        self.kept.pop(name, None)


class MemoryAudit:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._lines: list[tuple[str, Recorded]] = []

    async def record(self, action: str, *, by: str, person: Author | None = None, **details: Any) -> None:
        self._store.must_be_up()
        index = {"person": reply_id("person", person.key)} if person else {}
        kept = json.loads(json.dumps(index | details))
        self._lines.append((person.key if person else "", Recorded(len(self._lines) + 1, now(), action, by, kept)))

    async def newest(
        self, *, limit: int, before: int | None = None, person: Author | None = None, actions: Collection[str] = ()
    ) -> tuple[Recorded, ...]:
        self._store.must_be_up()
        found = [
            line
            for whose, line in reversed(self._lines)
            if (person is None or whose == person.key) and (before is None or line.number < before)
            if not actions or line.action in actions
        ]
        return tuple(found[:limit])


class MemoryPeople:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._until: dict[str, int] = {}
        self._spared: set[ReplyId] = set()

    async def forget(self, person: Author, *, sparing: Claim | None = None, by: str = "") -> Forgotten:
        async with self._store.unit() as unit:
            tables, before = unit.tables, self._until.get(person.key, 0)
            if sparing and sparing.id <= before:  # it was done when this one had been asked for
                return Forgotten()
            if sparing:
                unit.inbox.held(sparing)
                self._until[person.key] = max(tables.inbox)
            for row in [row for row in tables.inbox.values() if row.author == person.key]:
                is_asking = row.status in (WAITING, RUNNING) and row.event is not None and is_farewell(row.event)
                if sparing and (row.id == sparing.id or is_asking):
                    self._spared.add(row.reply_id)
                    continue
                if row.status == RUNNING and row.lane == "turn":
                    unit.wake(SignalKind.MARK, row.reply_id)
                tables.inbox[row.id] = replace(
                    row, status=DONE, event=None, author="", owner="", lease_until=None, mark=None
                )
            for kind in (SignalKind.INBOX, SignalKind.OUTBOX, SignalKind.FORGET):
                unit.wake(kind)
            notes = self._store.notes
            notes.kept = {name: note for name, note in notes.kept.items() if note[0] != person.key}
            forgotten = self._forget(tables, person)
            await self._store.audit.record("forget", by=by, person=person)
            return forgotten

    def _forget(self, tables: Tables, person: Author) -> Forgotten:
        said = {id_ for id_, row in tables.messages.items() if row.message.author.is_same_person(person)}
        kept = self._spared & tables.outbox.keys()  # they are being told so
        told = {id_ for id_, row in tables.replies.items() if row.reply.asker.is_same_person(person)} - kept
        cast = {key for key, (_, feedback, _) in tables.votes.items() if feedback.author.is_same_person(person)}
        for id_ in said | told:
            row = tables.messages.get(id_)
            place = str(row.message.thread if row else tables.replies[id_].reply.thread)
            if thread := tables.threads.get(place):
                is_theirs = thread.owner == person.key
                owner, asked_at = ("", None) if is_theirs else (thread.owner, thread.asked_at)
                reset_seq = max(thread.reset_seq, 1)
                tables.threads[place] = replace(thread, owner=owner, asked_at=asked_at, reset_seq=reset_seq)
        tables.messages = {id_: row for id_, row in tables.messages.items() if id_ not in said}
        tables.early = {id_: event for id_, event in tables.early.items() if not event.author.is_same_person(person)}
        for name in ("replies", "turns", "outbox", "cached_uses"):
            setattr(tables, name, {id_: row for id_, row in getattr(tables, name).items() if id_ not in told})
        tables.parts = {part: id_ for part, id_ in tables.parts.items() if id_ not in told}
        tables.cached = {key: row for key, row in tables.cached.items() if row.question not in said}
        tables.asks = {id_: ask for id_, ask in tables.asks.items() if ask.asker != person.key}
        tables.incidents = {
            key: kept for key, kept in tables.incidents.items() if not kept.asker.is_same_person(person)
        }
        tables.votes = {key: vote for key, vote in tables.votes.items() if key not in cast and vote[0] not in told}
        for id_ in told:
            self._store.drafts.growing.pop(id_, None)
        theirs = {str(row.reply.thread) for row in tables.replies.values() if row.reply.asker.is_same_person(person)}
        theirs |= {row.thread for row in tables.inbox.values() if row.author == person.key}
        for place, thread in tables.threads.items():
            if thread.owner == person.key and place not in theirs:
                tables.threads[place] = replace(thread, owner="", asked_at=None)
        if lifted := tables.lifted.get(person.key):
            tables.lifted[person.key] = replace(lifted, person=None)
        return Forgotten(len(said), len(told), len(cast))

    async def everything(self, person: Author) -> AsyncGenerator[Theirs, None]:
        self._store.must_be_up()
        tables = self._store.tables
        said = (row for row in tables.messages.values() if row.message.author.is_same_person(person))
        for row in sorted(said, key=lambda row: row.seq):
            if not row.is_erased:
                yield row.message
                if row.reading:
                    yield Read(row.message.id, row.reading)
        told = (row for row in tables.replies.values() if row.reply.asker.is_same_person(person) and row.is_saved)
        for answer in sorted(told, key=lambda row: row.seq):
            parts = tuple(part for part, owner in tables.parts.items() if owner == answer.reply.id)
            yield replace(answer.reply, parts=parts)
            if turn := tables.turns.get(answer.reply.id):
                yield turn
            if answer.reasoning:
                yield Thought(answer.reply.id, answer.reasoning)
        for reply in sorted({vote[0] for vote in tables.votes.values()}):
            if vote := votes_of(tables, reply, person.key):
                yield vote
        for kept in sorted(tables.incidents.values(), key=lambda kept: kept.cursor):
            if kept.asker.is_same_person(person):
                yield kept
        for id_, ask in tables.asks.items():
            if ask.asker == person.key:
                yield Awaited(id_, ask.call, ask.expires_at, ask.taken_by is not None)


class MemoryHeld:
    def __init__(self) -> None:
        self._lost = asyncio.Event()

    async def lost(self) -> None:
        await self._lost.wait()


class MemoryLeader:
    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[MemoryHeld, None]:
        async with self._lock:
            yield MemoryHeld()


class MemoryStore:
    """`core.ports.Store` of one process. With `is_down` set, everything raises NotStored."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.is_down = False
        self.news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._queues: set[asyncio.Queue[Signal]] = set()
        self._leaders: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._one_at_a_time = asyncio.Lock()
        self.drafts = MemoryDrafts(self)
        self.archive = MemoryArchive(self)
        self.secrets = MemorySecrets(self)
        self.notes = MemoryNotes(self)
        self.people = MemoryPeople(self)
        self.audit = MemoryAudit(self)
        self.quotas = MemoryQuotas(self)
        self.admins = MemoryAdmins(self.audit, self.must_be_up)
        self.overview = MemoryOverview(self, votes_of)

    def must_be_up(self) -> None:
        if self.is_down:
            raise NotStored

    async def check(self) -> None:
        self.must_be_up()

    @asynccontextmanager
    async def unit(self, *, autocommit: bool = False) -> AsyncGenerator[MemoryUnit, None]:
        self.must_be_up()
        async with self._one_at_a_time:
            unit = MemoryUnit(self)
            yield unit
            self.must_be_up()
            self.tables = unit.tables
        for ended in unit.ended:
            self.drafts.growing.pop(ended, None)
        for signal in unit.signals:
            self.publish(signal)

    def publish(self, signal: Signal) -> None:
        for queue in self._queues:
            queue.put_nowait(signal)
        if signal.key in self.news:
            self.news.pop(signal.key).set()

    async def signals(self) -> AsyncGenerator[Signal, None]:
        queue: asyncio.Queue[Signal] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    def leader(self, name: str) -> MemoryLeader:
        return MemoryLeader(self._leaders[name])
