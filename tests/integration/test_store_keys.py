"""A process that was not given an encryption key leaves what needs it to those that have it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import psycopg
import pytest

from core.errors import KeyMissing, NotStored
from core.manager import DialogManager
from core.message import Author, CommandName, Deleted, PartId, ReplyId
from core.ports import Claim, Delivery
from core.retention import Retention
from core.store import Keys, PostgresStore
from core.store.database import conninfo
from core.store.inbox import PostgresInbox
from tests.contracts import test_dialog as dialogs
from tests.contracts.test_dialog import House, eventually
from tests.integration.conftest import OpenStore
from tests.integration.test_store_retention import DAY, ELSEWHERE, ago, texts
from tests.store_moves import ANN, BOB, DOORS, LEASE, add, answered, begin, claim, finish, message, vote

OLD = Keys(1, {1: b"o" * 32})
BOTH = Keys(2, {2: b"n" * 32, 1: b"o" * 32})
PART = PartId("console", "home", "web", "part")


async def rotated(open_store: OpenStore) -> tuple[PostgresStore, PostgresStore]:
    """One process that missed the new key, and one that has it; Ann's data key goes over to it, Bob's has not yet."""
    behind, serving = await open_store(OLD), await open_store(BOTH)
    await answered(serving, message("before"))
    await serving.rewrap()
    await add(behind, message("Bob's", author=BOB))
    await only(behind, "turn")
    behind._vault.listen(is_heard=True)  # it holds no key any more
    return behind, serving


async def take(store: PostgresStore, lane: str = "turn", seats: int | None = None) -> tuple[Claim, ...]:
    async with store.unit() as unit:
        return await unit.inbox.claim(lane, owner="me", doors=DOORS, limit=9, lease=LEASE, per_person=seats)


async def only(store: PostgresStore, lane: str) -> None:
    """Ends what waits."""
    for taken in await take(store, lane):
        await finish(store, taken, await begin(store, taken), keep=False)


async def show(store: PostgresStore) -> tuple[Delivery, ...]:
    async with store.unit() as unit:
        return await unit.outbox.claim(owner="me", doors=DOORS, limit=9, lease=LEASE)


def statuses(url: str, table: str) -> list[tuple[int, str | None, int]]:
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(f"SELECT status, owner, failures FROM {table} WHERE status <> 2".encode()).fetchall()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("lane", "seats"), [("turn", None), ("turn", 4), ("control", None)])
async def test_an_event_is_left_to_a_process_that_has_the_key(
    open_store: OpenStore, database_url: str, caplog: pytest.LogCaptureFixture, lane: str, seats: int | None
):
    behind, serving = await rotated(open_store)
    events = [vote(PART), vote(PART)] if lane == "control" else [message("one"), message("two", thread=ELSEWHERE)]
    await add(serving, *events)
    for _ in range(3):
        assert await take(behind, lane, seats) == ()
    assert statuses(database_url, "inbox") == [(0, None, 0)] * 2
    with psycopg.connect(conninfo(database_url)) as connection:
        tries = connection.execute("SELECT max(attempts) FROM inbox WHERE status = 0").fetchone()
    assert tries == (1,), "it was taken once, and passed by after that"
    assert [taken.event for taken in await take(serving, lane, seats)] == events
    (error,) = said(caplog)
    assert "encryption key with id 2" in error
    assert "PARLEY_KEYS" in error


async def test_others_are_answered_by_the_process_that_lacks_the_key(open_store: OpenStore):
    behind, serving = await rotated(open_store)
    eve = Author("console", "home", "eve")
    await add(behind, message("Eve's", author=eve))  # her key is made here, and so with the old one
    await add(serving, message("Ann's", thread=ELSEWHERE))
    assert [taken.event.author for taken in await take(behind)] == [eve]
    await add(behind, message("Eve's again", author=eve, thread=ELSEWHERE))  # behind Ann's, which comes first there
    assert await take(behind) == ()
    assert [taken.event.author for taken in await take(serving)] == [ANN]


async def test_an_answer_is_left_to_a_process_that_has_the_key(
    open_store: OpenStore, database_url: str, caplog: pytest.LogCaptureFixture
):
    behind, serving = await rotated(open_store)
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("DELETE FROM outbox")
    await add(serving, message("one"))
    taken = await claim(serving)
    await finish(serving, taken, await begin(serving, taken), "42", keep=False)
    for _ in range(3):
        assert await show(behind) == ()
    assert statuses(database_url, "outbox") == [(0, None, 0)]
    assert [delivery.reply.text for delivery in await show(serving)] == ["42"]
    assert len(said(caplog)) == 1


async def test_what_somebody_says_to_the_process_that_lacks_their_key_is_not_acknowledged(open_store: OpenStore):
    behind, serving = await rotated(open_store)
    with pytest.raises(NotStored, match="id 2"):
        await add(behind, message("one"))
    await add(serving, message("one"))


async def test_a_message_that_cannot_be_erased_here_does_not_pass_for_erased(open_store: OpenStore):
    behind, serving = await rotated(open_store)
    said = message("one")
    await answered(serving, said)
    with pytest.raises(KeyMissing):
        async with behind.unit() as unit:
            await unit.threads.erase(said.thread, said.id)
    async with serving.unit() as unit:
        assert await unit.threads.erase(said.thread, said.id)


async def test_where_something_was_said_is_found_out_by_a_process_that_has_the_key(
    open_store: OpenStore, database_url: str
):
    behind, serving = await rotated(open_store)
    await answered(serving, message("there", thread=ELSEWHERE))
    with psycopg.connect(conninfo(database_url)) as connection:
        for table in ("messages", "replies"):
            connection.execute(f"UPDATE {table} SET workspace = NULL".encode())
    ago(10, database_url)
    behind._vault.listen(is_heard=True)
    kept = Retention(5 * DAY, {("slack", "T1"): None})
    assert await behind.expire(kept) == 1  # Bob's
    assert await texts(serving) == ["before", "there"], "of what is nowhere, one is to be kept"
    assert await serving.expire(kept) == 1
    assert await texts(serving) == ["there"]


@asynccontextmanager
async def at_work(house: House) -> AsyncGenerator[None, None]:
    """Ends as a process does that is stopped: nothing is left leased."""
    manager = DialogManager(house.hall)
    running = asyncio.create_task(manager.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await manager.stop(timedelta(seconds=5))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """How long what was given back was to be left alone, which is not waited for."""
    asked: list[timedelta] = []
    release = PostgresInbox.release

    async def at_once(self: PostgresInbox, claim: Claim, delay: timedelta, *, is_failure: bool = False) -> None:
        asked.append(delay)
        await release(self, claim, timedelta(0), is_failure=is_failure)

    monkeypatch.setattr(PostgresInbox, "release", at_once)
    return asked


@pytest.mark.parametrize("about", ["a vote", "a regeneration", "a deletion"])
async def test_what_somebody_wants_of_another_persons_words_is_left_to_a_process_that_has_their_key(
    open_store: OpenStore,
    database_url: str,
    pauses: list[timedelta],
    caplog: pytest.LogCaptureFixture,
    about: str,
):
    behind, serving = House(await open_store(OLD)), House(await open_store(BOTH))
    async with at_work(serving):
        question, reply = await serving.ask("why?")
        await serving.until_idle()
    await serving.store.rewrap()  # hers; whoever comes now by the other process has a key that is wrapped as before
    behind.store._vault.listen(is_heard=True)
    match about:
        case "a vote":
            event = dialogs._vote(ReplyId(reply), 1, author=dialogs.BOB)
        case "a regeneration":
            event = serving.command(CommandName.REGENERATE, author=dialogs.ROOT, args=reply)
        case _:
            event = Deleted(**serving.common("t", dialogs.BOB), message_id=question.id)
    await behind.accept(event)
    tries = 3 * dialogs.TERMS.max_attempts
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        async with at_work(behind):
            await eventually(lambda: len(pauses) >= tries)
    assert [pause.total_seconds() for pause in pauses[:tries]] == [1, 2, 4, 8, 16, 30]
    assert statuses(database_url, "inbox") == [(0, None, 0)]
    said = [(record.levelname, record.name) for record in caplog.records]
    assert said == [("ERROR", "core.store.vault"), ("WARNING", "core.manager")]
    assert behind.door.shown == {}
    async with at_work(serving):
        await serving.until_idle()
        match about:
            case "a vote":
                assert [vote.score for vote in await dialogs._votes(serving, reply)] == [1]
            case "a regeneration":
                await eventually(lambda: serving.door.shown.get(event.id) == "answer to why?")
            case _:
                async with serving.store.unit() as unit:
                    assert await unit.replies.question(reply) is None
