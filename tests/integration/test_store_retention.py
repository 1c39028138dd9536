"""What is older than its workspace keeps it goes, a little at a time, and nothing else does."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from core.errors import NotStored
from core.message import CommandName, Message, PartId, ThreadId
from core.ports import CachedAnswer, Incident, State
from core.retention import Retention
from core.store import PostgresStore, ages, inbox
from core.store.database import conninfo
from tests.integration.conftest import OpenStore
from tests.integration.test_store_people import until_somebody_waits
from tests.store_moves import (
    ANN,
    ROOM,
    add,
    answered,
    begin,
    claim,
    command,
    finish,
    history,
    message,
    vote,
)

DAY = timedelta(days=1)
ELSEWHERE = ThreadId("slack", "T1", "C1", "1.1")
MONTH = Retention(30 * DAY)
KEY = "ab" * 32
TABLES = ("messages", "replies", "turns", "parts", "drafts", "outbox", "votes", "incidents", "asks", "cached_uses")


def ago(days: float, url: str) -> None:
    """All that was said until now was said so long ago."""
    with psycopg.connect(conninfo(url)) as connection:
        for table in ("messages", "replies"):
            moved = f"UPDATE {table} SET said_at = said_at - %s"
            connection.execute(moved.encode(), [timedelta(days=days)])


def left(url: str) -> dict[str, int]:
    with psycopg.connect(conninfo(url)) as connection:
        counts = {table: connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() for table in TABLES}
    return {table: count[0] for table, count in counts.items() if count and count[0]}


async def texts(store: PostgresStore) -> list[str]:
    return [item.text async for item in store.people.everything(ANN) if isinstance(item, Message)]


async def test_what_is_too_old_goes_with_all_that_hangs_on_it(open_store: OpenStore, database_url: str):
    store = await open_store()
    question = message("old")
    await add(store, question)
    taken = await claim(store)
    delivery = await finish(store, taken, await begin(store, taken))
    async with store.unit() as unit:
        await unit.outbox.part(delivery, PartId("console", "home", "web", "part"))
        await unit.outbox.done(delivery)
        await unit.ratings.record(vote(taken.reply_id))
        await unit.incidents.record(taken.reply_id, ROOM, ANN, Incident("answer", "c", "flag"))
        kept = CachedAnswer("old", "42", "echo@1")
        await unit.cached.keep(KEY, KEY, kept, delivery.reply, lifetime=365 * DAY)
    await answered(store, command(CommandName.HELP), state=State.DELIVERING)
    ago(31, database_url)
    await answered(store, message("new"))

    assert await store.expire(MONTH) == 2
    assert await texts(store) == ["new"]
    assert left(database_url) == {"messages": 1, "replies": 1, "turns": 1}
    async with store.unit() as unit:
        assert await unit.cached.find(KEY, taken.reply_id) is None
        assert not (await unit.threads.facts(ROOM)).is_reset
    assert await store.expire(MONTH) == 0


async def test_what_is_young_enough_stays(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message("young"))
    ago(29, database_url)
    assert await store.expire(MONTH) == 0
    assert await store.expire(Retention()) == 0
    assert await texts(store) == ["young"]


async def test_a_thread_that_is_all_gone_is_not_read_from_the_platform_again(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message("old"))
    ago(31, database_url)
    await store.expire(MONTH)
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).is_reset
    assert await store.archive.threads(ANN, limit=10) == ()
    await answered(store, message("new"), "newer")
    later = message("later")
    await add(store, later)
    assert await history(store, later) == [("new", "newer")]


async def test_a_workspace_may_keep_longer_or_shorter(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message("here"))
    await answered(store, message("there", thread=ELSEWHERE))
    await answered(store, command(CommandName.HELP, thread=ELSEWHERE))
    ago(10, database_url)
    assert await store.expire(Retention(5 * DAY, {("console", "home"): None, ("slack", "T1"): 20 * DAY})) == 0
    assert await store.expire(Retention(None, {("slack", "T1"): 5 * DAY})) == 2
    assert await texts(store) == ["here"]
    assert await store.expire(Retention(5 * DAY, {("slack", "T1"): None})) == 1


async def test_what_an_earlier_release_has_written_is_where_it_was_said(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message("here"))
    await answered(store, message("there", thread=ELSEWHERE))
    await answered(store, message("unreadable"))
    with psycopg.connect(conninfo(database_url)) as connection:
        for table in ("messages", "replies"):
            connection.execute(f"UPDATE {table} SET workspace = NULL".encode())
        connection.execute("UPDATE messages SET body = 'x' WHERE seq = (SELECT max(seq) FROM messages)")
    ago(10, database_url)
    assert await store.expire(Retention(20 * DAY, {("slack", "T1"): 5 * DAY})) == 1
    assert await texts(store) == ["here"]
    assert left(database_url)["messages"] == 2
    assert await store.expire(Retention(5 * DAY, {("console", "home"): None})) == 1


async def test_what_is_being_answered_or_shown_stays_until_that_is_over(open_store: OpenStore, database_url: str):
    store = await open_store()
    await add(store, message("waits"), message("runs", thread=ELSEWHERE))
    running = await claim(store, limit=1)
    delivery = await begin(store, running)
    ago(31, database_url)
    assert await store.expire(MONTH) == 0
    delivery = await finish(store, running, delivery)
    assert await store.expire(MONTH) == 0
    async with store.unit() as unit:
        await unit.outbox.done(delivery)
    assert await store.expire(MONTH) == 1


async def test_an_old_answer_that_is_written_again_stays_until_that_is_over(open_store: OpenStore, database_url: str):
    store = await open_store()
    question = message("old")
    first = await answered(store, question)
    ago(31, database_url)
    await add(store, command(CommandName.REGENERATE, args=first))
    again = await claim(store)
    await begin(store, again, in_reply_to=question.id, replaces=first)
    assert await store.expire(MONTH) == 0
    assert await texts(store) == ["old"]


async def test_it_goes_on_until_nothing_is_too_old_in_bites_that_let_others_in(
    open_store: OpenStore, database_url: str, monkeypatch
):
    monkeypatch.setattr(ages, "_BATCH", 7)
    store = await open_store()
    await add(store, *(message(str(number)) for number in range(50)))
    for taken in range(50):
        one = await claim(store, limit=1)
        await finish(store, one, await begin(store, one), keep=False)
        assert taken >= 0
    ago(31, database_url)
    held = replace(message("another"), thread=ELSEWHERE)
    with psycopg.connect(conninfo(database_url)) as other:
        other.execute("SELECT FROM messages WHERE seq = 3 FOR UPDATE")
        assert await store.expire(MONTH) == 49
        await add(store, held)
    assert await store.expire(MONTH) == 1


async def test_traffic_goes_on_meanwhile(open_store: OpenStore, database_url: str, monkeypatch):
    monkeypatch.setattr(ages, "_BATCH", 3)
    store = await open_store()
    for number in range(30):
        await answered(store, message(str(number)))
    ago(31, database_url)
    expiring = asyncio.create_task(store.expire(MONTH))
    for number in range(10):
        await answered(store, message(f"new {number}"))
    assert await expiring == 30
    assert len(await texts(store)) == 10


async def test_what_was_given_up_is_not_kept_for_longer(open_store: OpenStore, database_url: str):
    store = await open_store()
    await add(store, command(CommandName.CODE, args="old words"), vote(PartId("console", "home", "web", "none")))
    for lane in ("turn", "control"):
        given_up = await claim(store, lane=lane)
        async with store.unit() as unit:
            await unit.inbox.bury(given_up, "three tries came to nothing")
    kept = "SELECT count(*) FROM inbox WHERE payload IS NOT NULL"
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        await store.expire(MONTH)
        assert connection.execute(kept.encode()).fetchone() == (2,)
        connection.execute(b"UPDATE inbox SET finished_at = finished_at - interval '31 days'")
        await store.expire(MONTH)
        assert connection.execute(kept.encode()).fetchone() == (0,)
    await store.purge(30 * DAY)


async def test_whoever_asks_while_the_last_of_a_thread_goes_keeps_it(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message("old"))
    ago(31, database_url)
    with psycopg.connect(conninfo(database_url)) as asking:
        # As intake does it, which has not come to its end.
        asking.execute("UPDATE threads SET asked_at = clock_timestamp()")
        expiring = asyncio.create_task(store.expire(MONTH))
        await until_somebody_waits(database_url)
    assert await expiring == 1
    with psycopg.connect(conninfo(database_url)) as connection:
        rows = connection.execute("SELECT owner IS NOT NULL, asked_at IS NOT NULL FROM threads").fetchall()
    assert rows == [(True, True)]


async def test_what_cannot_be_forgotten_keeps_nothing_else_from_being_forgotten(
    open_store: OpenStore, database_url: str, monkeypatch
):
    store = await open_store()
    await answered(store, message("here"))
    await answered(store, command(CommandName.HELP))
    await store.notes.put("note", b"note", about=ANN, lifetime=timedelta(0))
    ago(31, database_url)
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute("UPDATE inbox SET finished_at = finished_at - interval '31 days'")
        monkeypatch.setitem(ages._DROP, "messages", {"here": "SELECT 1 / 0", "nowhere": "SELECT 1 / 0"})
        monkeypatch.setattr(inbox, "_PURGE", "SELECT 1 / 0")
        with pytest.raises(NotStored, match=r"finished events \(DivisionByZero, 22012\)$"):
            await store.purge(30 * DAY)
        with pytest.raises(NotStored, match=r"old messages of workspace [0-9a-f]{12} \(DivisionByZero, 22012\)"):
            await store.expire(MONTH)
        assert connection.execute("SELECT count(*) FROM secrets").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM replies").fetchone() == (1,)  # the one to a message
