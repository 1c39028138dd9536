"""A house in memory around the console: what is accepted is kept, what is saved as a draft is what pages read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.console import ConsoleAdapter, ConsoleSettings
from core.errors import NotStored
from core.message import Author, Command, CommandName, Event, Feedback, Message, Reply, ReplyId, ThreadId
from core.ports import Draft, Entry, Model, Receipt, State, ThreadSummary, Vote
from tests.fakes.metrics import Numbers

TOKEN = "a-token-of-the-tests"
SETTINGS = ConsoleSettings(
    secret=b"a secret of the tests",
    answer_timeout=timedelta(seconds=5),
    heartbeat=timedelta(seconds=0.05),
)


class MemoryHouse:
    """Accept, Drafts and Archive over plain lists. `answer` says what a question is answered with, at once."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.entries_of: dict[ThreadId, list[Entry]] = {}
        self.drafts: dict[ReplyId, Draft] = {}
        self.thoughts: dict[ReplyId, str] = {}
        self.grown = asyncio.Condition()
        self.is_away = False
        self.model: Model | None = Model("echo", "echo-1", 1024, is_demo=True)

    # Accept

    async def accept(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        if self.is_away:
            raise NotStored
        return tuple([self._take(event) for event in events])

    def _take(self, event: Event) -> Receipt:
        reply_id = self.reply_id(event)
        is_new = event.id not in {known.id for known in self.events}
        if is_new:
            self.events.append(event)
            self._keep(event, reply_id)
        return Receipt(reply_id, is_new)

    def reply_id(self, event: Event) -> ReplyId:
        return ReplyId(sha256(event.id.encode()).hexdigest()[:32])

    def _keep(self, event: Event, reply_id: ReplyId) -> None:
        if isinstance(event, Feedback):
            self._rate(event)
        elif isinstance(event, Command) and event.name is CommandName.REGENERATE:
            self._change(ReplyId(event.args), lambda entry: replace(entry, reply_id=reply_id, state=None, vote=None))
        elif isinstance(event, Message):
            entries = self.entries_of.setdefault(event.thread, [])
            number = len(self.events)
            entries.append(Entry(number, event.id, event.text, event.author, event.sent_at, reply_id, None))

    def _rate(self, event: Feedback) -> None:
        assert isinstance(event.target, ReplyId)
        vote = Vote(event.target, event.author, event.score, event.reason, event.comment)
        self._change(event.target, lambda entry: replace(entry, vote=vote))

    def _change(self, reply_id, change) -> None:
        for entries in self.entries_of.values():
            entries[:] = [change(entry) if entry.reply_id == reply_id else entry for entry in entries]

    # Drafts

    async def save(self, draft: Draft) -> None:
        async with self.grown:
            self.drafts[draft.reply_id] = draft
            self._change(
                draft.reply_id,
                lambda entry: replace(
                    entry,
                    state=draft.state,
                    answer=draft.text,
                    model=draft.model,
                    source=draft.source,
                    has_reasoning=draft.has_reasoning,
                ),
            )
            self.grown.notify_all()

    async def latest(self, reply_id: ReplyId) -> Draft | None:
        return self.drafts.get(reply_id)

    async def follow(self, reply_id: ReplyId) -> AsyncGenerator[Draft, None]:
        seen = -1
        while True:
            if self.is_away:
                raise NotStored
            async with self.grown:
                await self.grown.wait_for(lambda: self._revision(reply_id) > seen)  # noqa: B023
                draft = self.drafts[reply_id]
            seen = draft.revision
            yield draft
            if draft.is_final:
                return

    def _revision(self, reply_id: ReplyId) -> int:
        draft = self.drafts.get(reply_id)
        return draft.revision if draft else -1

    # Archive

    async def threads(self, reader: Author, *, limit: int, before: datetime | None = None) -> tuple[ThreadSummary, ...]:
        if self.is_away:
            raise NotStored
        summaries = [
            ThreadSummary(thread, entries[0].question, entries[-1].sent_at)
            for thread, entries in self.entries_of.items()
            if entries[0].asker.is_same_person(reader) and (before is None or entries[-1].sent_at < before)
        ]
        return tuple(sorted(summaries, key=lambda summary: summary.updated_at, reverse=True)[:limit])

    async def entries(
        self, thread: ThreadId, reader: Author, *, limit: int, before: int | None = None
    ) -> tuple[Entry, ...]:
        entries = self.entries_of.get(thread, []) if await self.owns(thread, reader) else []
        return tuple([entry for entry in entries if before is None or entry.cursor < before][-limit:])

    async def is_conversation(self, thread) -> bool:
        raise AssertionError("the console asks about its own threads alone")

    async def owns(self, thread: ThreadId, reader: Author) -> bool | None:
        entries = self.entries_of.get(thread)
        return entries[0].asker.is_same_person(reader) if entries else None

    async def reply(self, reply_id: ReplyId, reader: Author) -> Reply | None:
        for thread, entries in self.entries_of.items():
            for entry in entries:
                if entry.reply_id == reply_id and entry.state is not None and entry.asker.is_same_person(reader):
                    return Reply(id=reply_id, thread=thread, asker=entry.asker, in_reply_to=entry.message_id)
        return None

    async def reasoning(self, reply_id: ReplyId, reader: Author) -> str | None:
        if self.is_away:
            raise NotStored
        return self.thoughts.get(reply_id, "") if await self.reply(reply_id, reader) else None

    # What the tests do with it

    async def answer(
        self,
        reply_id: ReplyId,
        *texts: str,
        state: State = State.DONE,
        source: str = "engine",
        thought: str = "",
    ) -> None:
        """The reply grows through these texts and ends in `state`."""
        for text in texts[:-1]:
            await self._revise(reply_id, text, State.ANSWERING, source)
        self.thoughts[reply_id] = thought
        await self._revise(reply_id, texts[-1], state, source, has_reasoning=bool(thought))

    async def _revise(
        self, reply_id: ReplyId, text: str, state: State, source: str, *, has_reasoning: bool = False
    ) -> None:
        revision = self._revision(reply_id) + 1
        await self.save(Draft(reply_id, revision, text, state, "", "echo", source, has_reasoning))
        await asyncio.sleep(0.01)


@pytest.fixture
def house() -> MemoryHouse:
    return MemoryHouse()


@pytest.fixture
def settings() -> ConsoleSettings:
    return SETTINGS


@pytest.fixture
def now() -> datetime:
    return datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def client(
    house: MemoryHouse, settings: ConsoleSettings
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    adapter = ConsoleAdapter(settings, drafts=house, archive=house, model=lambda: house.model, metrics=Numbers())
    app = web.Application()
    app.add_routes(adapter.routes(house.accept))
    async with TestClient(TestServer(app)) as client:
        yield client
