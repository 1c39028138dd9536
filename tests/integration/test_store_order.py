"""Order per thread and one owner per row, with several processes at the same queue."""

import asyncio
import random
from collections import defaultdict
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bench.until import until
from bot.telemetry import PrometheusMetrics
from core.answer import answer_with
from core.control import act
from core.errors import LeaseLost, NotStored, Unstorable
from core.hall import Hall
from core.message import Command, CommandName, Deleted, Edited, Message, ThreadId, Usage, Written
from core.ports import Claim, Delivery, Mark, Signal, SignalKind, State
from core.store import PostgresStore
from core.store.threads import PostgresThreads
from tests.fakes.engine import ScriptedEngine
from tests.integration.conftest import OpenStore
from tests.postgres import WAITING
from tests.store_moves import ANN, LEASE, ROOM, add, begin, claim, claims, command, deliver, finish, message

THREADS, PER_THREAD = 8, 12


def thread(number: int) -> ThreadId:
    return ThreadId("console", "home", "web", f"t{number}")


async def work(store: PostgresStore, owner: str, seen: dict[str, list[str]], total: int) -> None:
    while sum(map(len, seen.values())) < total:
        for taken in await claims(store, owner=owner, limit=3):
            assert isinstance(taken.event, Message)
            seen[str(taken.event.thread)].append(taken.event.text)
            await asyncio.sleep(random.random() / 500)
            await deliver(store, await finish(store, taken, await begin(store, taken)))
        await asyncio.sleep(0.001)


async def test_four_workers_of_two_processes_keep_every_thread_in_order(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    seen: dict[str, list[str]] = defaultdict(list)

    async def speak(number: int) -> None:
        for place in range(PER_THREAD):
            said = message(str(place), thread=thread(number))
            await add(random.choice(stores), said)
            if place % 5 == 0:
                await add(random.choice(stores), said)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(THREADS):
            group.create_task(speak(number))
        for number in range(4):
            group.create_task(work(stores[number % 2], f"worker {number}", seen, THREADS * PER_THREAD))
    assert seen == {str(thread(number)): [str(place) for place in range(PER_THREAD)] for number in range(THREADS)}


async def test_rows_of_one_thread_become_visible_in_the_order_of_their_ids(open_store: OpenStore):
    """The id is given before the commit: without a lock, a later row could be claimed before an earlier one is seen."""
    first, second = await open_store(), await open_store()
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with first.unit() as unit:
            await unit.inbox.add([message("one")])
            entered.set()
            await go.wait()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(slow())
        await entered.wait()
        late = group.create_task(add(second, message("two")))
        elsewhere = group.create_task(add(second, message("elsewhere", thread=thread(9))))
        await elsewhere  # other threads do not wait
        await asyncio.sleep(0.1)
        assert not late.done()
        go.set()
    taken = await claims(second)
    assert [entry.event.text for entry in taken if isinstance(entry.event, Message)] == ["one", "elsewhere"]


async def test_two_deliveries_of_many_threads_never_wait_in_a_circle(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    numbers = list(range(6))

    async def speak(store: PostgresStore) -> None:
        for _ in range(10):
            random.shuffle(numbers)
            await add(store, *(message(thread=thread(number)) for number in numbers))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for store in stores * 3:
            group.create_task(speak(store))


async def test_the_same_event_at_two_processes_is_stored_once(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    for _ in range(10):
        said = message()
        receipts = await asyncio.gather(*(add(store, said) for store in stores * 3))
        assert sum(receipt.is_new for (receipt,) in receipts) == 1
    async with stores[0].unit() as unit:
        assert await unit.inbox.waiting() == 10


async def test_a_row_is_claimed_by_one_of_many(open_store: OpenStore):
    stores = [await open_store(pool_size=6), await open_store(pool_size=6)]
    await add(stores[0], *(message(thread=thread(number)) for number in range(20)))
    taken = await asyncio.gather(*(claims(store, limit=4) for store in stores * 6))
    ids = [entry.id for batch in taken for entry in batch]
    assert len(ids) == len(set(ids)) == 20


async def test_a_stop_at_the_very_moment_of_the_claim_is_not_lost(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    for number in range(20):
        place = thread(number)
        await add(stores[0], message(thread=place))

        async def stop(place: ThreadId = place) -> int:
            async with stores[1].unit() as unit:
                return await unit.inbox.mark(Mark.STOP, thread=place, author=ANN)

        early, marked = await asyncio.gather(claims(stores[0]), stop())
        assert marked == 1
        # A row that is being marked is passed over by the claim, which then finds it the next time.
        (taken,) = early or await claims(stores[0])
        async with stores[0].unit() as unit:
            assert (await unit.inbox.renew([taken], LEASE)) == {taken.id: Mark.STOP}


async def test_a_stale_owner_can_not_take_the_reply_back(open_store: OpenStore):
    here, there = await open_store(), await open_store()
    await add(here, message())
    stale = await claim(here, owner="stale", lease=timedelta(seconds=-1))
    async with there.unit() as unit:
        await unit.inbox.reap()
    fresh = await claim(there, owner="fresh")
    delivery = await begin(there, fresh)
    try:
        await begin(here, stale)
    except LeaseLost:
        pass
    else:
        raise AssertionError("the stale owner took the reply over")
    await deliver(there, await finish(there, fresh, delivery))


async def test_finished_rows_are_forgotten_in_time_and_others_are_not(open_store: OpenStore):
    store = await open_store()
    for event in (message("old"), command(CommandName.HELP)):
        await add(store, event)
        taken = await claim(store)
        async with store.unit() as unit:
            await unit.inbox.finish(taken)
    waiting = message("waiting")
    await add(store, waiting)
    assert await store.purge(timedelta(hours=1)) == 0
    assert await store.purge(timedelta(seconds=-1)) == 2
    assert (await claim(store)).event == waiting


async def test_what_waits_for_a_message_is_forgotten_with_the_event_that_left_it(open_store: OpenStore):
    store = await open_store()
    kept, late, gone = message("kept"), message("late"), message("gone")
    await add(store, kept)
    await finish(store, taken := await claim(store), await begin(store, taken))
    common: dict[str, Any] = {"thread": ROOM, "author": ANN, "sent_at": message().sent_at}
    await add(store, Edited(id="e", message_id=late.id, text="newer", **common))
    await add(store, Deleted(id="d", message_id=gone.id, **common))
    for early in await claims(store, lane="control"):
        async with store.unit() as unit:
            assert await unit.threads.forestall(early)
            await unit.inbox.finish(early)
    bodies = await store._database.fetch("SELECT body FROM messages WHERE is_erased")
    assert len(bodies) == 2
    assert not any(b"newer" in body for (body,) in bodies)
    assert await store.purge(timedelta(hours=1)) == 0
    assert await store.purge(timedelta(seconds=-1)) == 3
    assert await store._database.fetch("SELECT count(*), bool_or(is_erased) FROM messages") == [(1, False)]
    assert [receipt.is_new for receipt in await add(store, kept, late)] == [False, True]
    assert (await claim(store)).event == late


async def somebody_waits(store: PostgresStore) -> bool:
    return bool(await store._database.fetch(WAITING))


async def test_a_message_that_comes_at_the_moment_of_its_edit_is_told_again_and_is_newer_then(open_store: OpenStore):
    store = await open_store()
    late = message("late")
    edited = Edited(id="e", message_id=late.id, text="newer", thread=ROOM, author=ANN, sent_at=message().sent_at)
    await add(store, edited)
    early = await claim(store, lane="control")
    async with store.unit() as unit:
        assert await unit.threads.forestall(early)
        adding = asyncio.create_task(add(store, late))
        await until(lambda: somebody_waits(store))
    with pytest.raises(NotStored):
        await adding
    assert [receipt.is_new for receipt in await add(store, late)] == [True]
    assert (await claim(store)).event == replace(late, text="newer")


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (1, 3, 2)])
async def test_of_edits_that_come_at_one_moment_the_newest_waits_for_the_message(
    open_store: OpenStore, order: tuple[int, ...]
):
    store = await open_store()
    late = message("late")
    for number in order:
        sent_at = late.sent_at + timedelta(seconds=number)
        newer = Edited(id=f"e{number}", message_id=late.id, text=str(number), thread=ROOM, author=ANN, sent_at=sent_at)
        await add(store, newer)
    first, *others = await claims(store, lane="control")

    async def forestall(early: Claim) -> None:
        async with store.unit() as unit:
            assert await unit.threads.forestall(early)

    async with asyncio.TaskGroup() as group, store.unit() as unit:
        assert await unit.threads.forestall(first)
        for other in others:
            group.create_task(forestall(other))
        await until(lambda: somebody_waits(store))
    await add(store, late)
    assert (await claim(store)).event == replace(late, text="3")


async def test_an_edit_that_comes_at_the_moment_of_its_message_finds_it(open_store: OpenStore):
    store = await open_store()
    late = message("late")
    edited = Edited(id="e", message_id=late.id, text="newer", thread=ROOM, author=ANN, sent_at=message().sent_at)
    await add(store, edited)
    early = await claim(store, lane="control")

    async def is_edited() -> bool:
        async with store.unit() as unit:
            is_forestalled = await unit.threads.forestall(early)
            return not is_forestalled and await unit.threads.edit(ROOM, late.id, ANN, "newer")

    async with store.unit() as unit:
        await unit.inbox.add([late])
        editing = asyncio.create_task(is_edited())
        await until(lambda: somebody_waits(store))
    assert await editing
    assert (await claim(store)).event == replace(late, text="newer")


async def test_an_edit_that_cannot_be_read_costs_its_message_and_no_other(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
):
    store = await open_store()
    late, other = message("late"), message("other")
    await add(
        store, Edited(id="e", message_id=late.id, text="newer", thread=ROOM, author=ANN, sent_at=message().sent_at)
    )
    early = await claim(store, lane="control")
    async with store.unit() as unit:
        await unit.threads.forestall(early)
        await unit.inbox.finish(early)
    await store._database.fetch("UPDATE messages SET body = body || 'x'")
    assert [receipt.is_new for receipt in await add(store, late, other)] == [False, True]
    assert "cannot be read: Unreadable" in caplog.text


async def test_a_message_whose_row_is_forgotten_is_still_known(open_store: OpenStore):
    store = await open_store()
    said = message()
    await add(store, said)
    taken = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.finish(taken)
    await store.purge(timedelta(seconds=-1))
    assert [receipt.is_new for receipt in await add(store, said)] == [False]


async def test_an_unreadable_row_is_buried_and_the_next_is_answered(open_store: OpenStore):
    store = await open_store()
    await add(store, message("broken"))
    await add(store, message("fine"))
    await add(store, Command(id="c", thread=thread(1), author=ANN, sent_at=message().sent_at, name=CommandName.HELP))
    await store._database.fetch("UPDATE messages SET body = body || 'x' WHERE seq = 1")
    (other,) = await claims(store)
    assert isinstance(other.event, Command)
    fine = await claim(store)
    assert isinstance(fine.event, Message)
    assert (fine.event.text, fine.event.thread) == ("fine", ROOM)


@pytest.mark.parametrize("column", ["source", "verdict"])
async def test_an_answer_that_only_a_later_release_understands_holds_back_no_other(open_store: OpenStore, column: str):
    store = await open_store()
    for number in (1, 2):
        await add(store, message(f"{number}", thread=thread(number)))
    for taken in await claims(store):
        await finish(store, taken, await begin(store, taken), keep=False)
    await store._database.fetch(f"UPDATE replies SET {column} = 'widget' WHERE seq = 1")
    async with store.unit() as unit:
        (delivery,) = await unit.outbox.claim(owner="p", doors=["console"], limit=9, lease=LEASE)
    assert delivery.reply.thread == thread(2)
    assert await store._database.fetch("SELECT count(*) FROM outbox WHERE status = 3") == [(1,)]


async def test_a_mark_that_only_a_later_release_understands_asks_nothing(open_store: OpenStore):
    store = await open_store()
    await add(store, message())
    await store._database.fetch("UPDATE inbox SET mark = 'whirl'")
    taken = await claim(store)
    assert taken.mark is None
    await store._database.fetch("UPDATE inbox SET mark = 'whirl'")
    async with store.unit() as unit:
        assert await unit.inbox.renew([taken], LEASE) == {taken.id: None}


@pytest.mark.parametrize(("sql", "value"), [("SELECT %(it)s::text", "a\0b"), ("SELECT %(it)s::bigint::int", 2**31)])
async def test_what_the_database_never_takes_is_told_apart_from_an_outage(open_store: OpenStore, sql: Any, value: Any):
    store = await open_store()
    with pytest.raises(Unstorable):
        await store._database.fetch(sql, {"it": value})


async def test_tokens_of_many_rounds_are_kept_as_far_as_there_is_room(open_store: OpenStore):
    store = await open_store()
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.turns.move(delivery.reply.id, State.DONE, written=Written("m", usage=Usage(2**32, 2**31)))
    async with store.unit() as unit:
        facts = await unit.turns.get(delivery.reply.id)
    assert facts is not None
    assert facts.usage == Usage(2**31 - 1, 2**31 - 1)


async def test_a_row_that_was_passed_over_while_it_was_written_is_looked_for_again(open_store: OpenStore):
    writer, reader = await open_store(), await open_store()
    said = message("one")
    await add(writer, said)
    async with asyncio.timeout(5), aclosing(reader.signals()) as signals:
        await asyncio.sleep(0.3)  # the reader listens
        waiting = asyncio.ensure_future(anext(signals))
        async with writer.unit() as unit:
            assert await unit.inbox.amend(ROOM, said.id, "two")
            assert await claims(reader) == ()
        assert await waiting == Signal(SignalKind.INBOX, "turn")
    (taken,) = await claims(reader)
    assert isinstance(taken.event, Message)
    assert taken.event.text == "two"


async def test_what_is_given_back_is_heard_of_elsewhere(open_store: OpenStore):
    writer, reader = await open_store(), await open_store()
    await add(writer, message("one"))
    taken = await claim(writer)
    async with asyncio.timeout(5), aclosing(reader.signals()) as signals:
        await asyncio.sleep(0.3)
        waiting = asyncio.ensure_future(anext(signals))
        async with writer.unit() as unit:
            await unit.inbox.release(taken, timedelta(0))
        assert (await waiting).kind is SignalKind.INBOX


async def test_the_end_of_a_turn_wakes_whoever_may_take_the_next_of_its_thread(open_store: OpenStore):
    writer, reader = await open_store(), await open_store()
    await add(writer, message("one"), message("two"))
    taken = await claim(writer)
    delivery = await begin(writer, taken)

    async def woken(store: PostgresStore) -> None:
        async with aclosing(store.signals()) as signals:
            async for signal in signals:
                if signal == Signal(SignalKind.INBOX, "turn"):
                    return

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(woken(writer))
        group.create_task(woken(reader))
        await asyncio.sleep(0.3)  # both listen
        await finish(writer, taken, delivery)


async def test_a_message_that_comes_while_it_is_deleted_is_erased_all_the_same(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
):
    first, second = await open_store(), await open_store()
    said = message("secret")
    await add(first, Deleted(id="d1", thread=ROOM, author=ANN, sent_at=said.sent_at, message_id=said.id))
    deletion = await claim(first, lane="control")
    forestall = PostgresThreads.forestall

    async def late(threads: PostgresThreads, taken: Claim) -> bool:
        await add(second, said)
        return await forestall(threads, taken)

    monkeypatch.setattr(PostgresThreads, "forestall", late)
    mind = ScriptedEngine()
    await act(Hall(first, {}, mind, answer_with(mind), PrometheusMetrics()), deletion)
    (taken,) = await claims(second)
    assert isinstance(taken.event, Message)
    assert (taken.event.text, taken.mark) == ("", Mark.ERASE)


async def test_a_key_that_cannot_be_read_for_a_moment_costs_nobody_their_answer(open_store: OpenStore):
    first, second = await open_store(), await open_store()
    await second.secrets.put("console/cookies", b"x")  # its own key is known
    await add(first, message("one"))
    taken = await claim(first)
    await finish(first, taken, await begin(first, taken), keep=False)
    await add(first, message("two"))
    line = await first._database.take()
    try:
        await line.raw.execute("BEGIN")
        await line.raw.execute("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(NotStored):
            await claims(second)
        with pytest.raises(NotStored):
            await carried(second)
    finally:
        await line.raw.execute("ROLLBACK")
        await first._database.give_back(line, is_clean=True)
    assert len(await claims(second)) == 1
    assert len(await carried(second)) == 1


async def carried(store: PostgresStore) -> tuple[Delivery, ...]:
    async with store.unit() as unit:
        return await unit.outbox.claim(owner="them", doors=("console",), limit=4, lease=LEASE)
