"""The database stops, hangs and returns: what was acknowledged is there, and nobody waits long to hear of it."""
# ruff: noqa: PT012 - leaving a unit may be what raises

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing

import psutil
import psycopg
import pytest

from core.errors import NotStored
from core.message import ReplyId
from core.ports import Draft, SignalKind
from core.store import Keys, PostgresStore, database, embedded, schema
from core.store.database import Statement
from core.store.embedded import Embedded
from tests.postgres import start_embedded
from tests.store_moves import ANN, ROOM, add, answered, message

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server() -> Generator[Embedded, None, None]:
    """A server that belongs to these tests alone."""
    server = start_embedded()
    schema.upgrade_now(server.url)
    yield server
    server.stop()


@pytest.fixture
async def store(server: Embedded) -> AsyncGenerator[PostgresStore, None]:
    store = PostgresStore(server.url, Keys(1, {1: b"k" * 32}), pool_size=4)
    await store.start()
    yield store
    await store.stop()


def cut(server: Embedded) -> None:
    """Stops it as a power cut would."""
    embedded._pg_ctl(server.data, "stop", "--mode=immediate")


def restart(server: Embedded) -> None:
    embedded._start_server(server.data, server.sockets)


def everything(store: PostgresStore) -> list[Callable[[], Awaitable[object]]]:
    async def in_unit() -> None:
        async with store.unit() as unit:
            await unit.threads.route(ROOM, "coder")

    async def follow() -> None:
        async with aclosing(store.drafts.follow(ReplyId("0" * 32))) as drafts:
            await anext(drafts)

    return [
        lambda: add(store, message()),
        in_unit,
        follow,
        lambda: store.drafts.latest(ReplyId("0" * 32)),
        lambda: store.drafts.save(Draft(ReplyId("0" * 32), 1, "x")),
        lambda: store.archive.threads(ANN, limit=1),
        lambda: store.archive.entries(ROOM, ANN, limit=1),
        lambda: store.secrets.get("x"),
        lambda: store.secrets.put("x", b""),
        store.check,
    ]


async def test_a_stopped_database_takes_nothing_and_says_so(server: Embedded, store: PostgresStore):
    await answered(store, message("before"))
    cut(server)
    try:
        for attempt in everything(store):
            with pytest.raises(NotStored):
                await attempt()
    finally:
        restart(server)
    await answered(store, message("after"))
    assert [entry.question for entry in await store.archive.entries(ROOM, ANN, limit=2)] == ["before", "after"]


async def test_the_first_try_after_the_return_succeeds(server: Embedded, store: PostgresStore):
    """Connections that died meanwhile are told apart before anything is sent over them."""
    await asyncio.gather(*(add(store, message(str(place))) for place in range(8)))
    cut(server)
    restart(server)
    await asyncio.gather(*(add(store, message(str(place))) for place in range(8)))


async def test_a_commit_that_is_cut_off_is_not_acknowledged(server: Embedded, store: PostgresStore):
    said = message()
    with pytest.raises(NotStored):
        async with store.unit() as unit:
            await unit.inbox.add([said])
            cut(server)
    restart(server)
    assert [receipt.is_new for receipt in await add(store, said)] == [True]


async def test_a_hanging_database_is_given_up_within_three_seconds(server: Embedded, store: PostgresStore):
    await asyncio.gather(*(store.check() for _ in range(3)))
    postmaster = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    processes = [psutil.Process(postmaster), *psutil.Process(postmaster).children()]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        results = await asyncio.gather(*(add(store, message()) for _ in range(12)), return_exceptions=True)
        assert time.monotonic() - began < 3.2
        assert {type(result) for result in results} == {NotStored}
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)
    async with asyncio.timeout(5):
        while True:
            try:
                await add(store, message())
            except NotStored:
                await asyncio.sleep(0.05)
            else:
                break


async def test_a_statement_that_waits_for_ever_is_given_up(server: Embedded, store: PostgresStore):
    other = PostgresStore(server.url, Keys(1, {1: b"k" * 32}))
    await other.start()
    try:
        began = time.monotonic()
        async with other.unit() as unit:
            await unit.inbox.add([message()])
            with pytest.raises(NotStored):
                await add(store, message())
        assert time.monotonic() - began < 3
        await add(store, message())
    finally:
        await other.stop()


async def test_a_leader_learns_that_the_database_went(server: Embedded, store: PostgresStore):
    async with asyncio.timeout(20):
        async with store.leader("socket").hold() as held:
            cut(server)
            await held.lost()
        restart(server)
        async with store.leader("socket").hold():
            pass


async def test_notifications_are_heard_again_after_the_return(server: Embedded, store: PostgresStore):
    other = PostgresStore(server.url, Keys(1, {1: b"k" * 32}))
    await other.start()
    try:
        cut(server)
        restart(server)
        async with asyncio.timeout(10), aclosing(store.signals()) as signals:
            waiting = asyncio.ensure_future(anext(signals))
            while not waiting.done():  # until the line is up again, a wake-up may be lost
                await add(other, message())
                await asyncio.sleep(0.1)
            assert (await waiting).kind in (SignalKind.INBOX, SignalKind.OUTBOX)
    finally:
        await other.stop()


async def test_a_store_that_cannot_start_says_so_and_leaves_nothing_open(server: Embedded):
    cut(server)
    try:
        store = PostgresStore(server.url, Keys.generate())
        with pytest.raises(NotStored):
            await store.start()
    finally:
        restart(server)


async def test_cancelling_a_unit_leaves_the_store_usable(store: PostgresStore):
    async def cancelled() -> None:
        async with store.unit() as unit:
            await unit.inbox.add([message()])
            await store._database.fetch("SELECT pg_sleep(1)")

    tasks = [asyncio.create_task(cancelled()) for _ in range(4)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(8):
        await add(store, message())


async def test_what_the_server_skipped_is_not_taken_for_prepared(server: Embedded):
    line = database.Database(server.url, pool_size=1)
    # Late enough for what follows it to be on its way.
    fails = Statement("SELECT pg_sleep(%(wait)s), 1 / %(nought)s::int", {"wait": 0.1, "nought": 0})
    seen = Statement("SELECT %(number)s::int", {"number": 1})
    try:
        for _ in range(2):  # seen a third time it gets prepared
            assert await line.fetch(*seen[:2]) == [(1,)]
        lent = await line.take()
        with pytest.raises(psycopg.errors.DivisionByZero):
            await database.send(lent.raw, [fails, seen])
        await line.give_back(lent, is_clean=True)
        assert await line.fetch(*seen[:2]) == [(1,)]
    finally:
        await line.close()
