"""Limits over PostgreSQL: one person's share over several processes, however much they ask, and counts kept true."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from bench.plans import explained
from core.errors import LeaseLost
from core.message import Author, Message, ThreadId
from core.ports import Claim, Consumption, Signal, SignalKind
from core.store import PostgresStore
from core.store.database import conninfo
from tests.integration.conftest import OpenStore
from tests.store_moves import ANN, BOB, DOORS, LEASE, NOW, ROOM, add, begin, finish, message

SEATS = 2


def thread(name: object) -> ThreadId:
    return ThreadId("console", "home", "web", f"t{name}")


async def ask(store: PostgresStore, author: Author, *names: object) -> None:
    """A question in each of these threads."""
    for place in range(0, len(names), 100):
        some = names[place : place + 100]
        await add(store, *(message(str(name), thread=thread(name), author=author) for name in some))


async def claims(store: PostgresStore, limit: int = 10, seats: int | None = SEATS) -> tuple[Claim, ...]:
    async with store.unit() as unit:
        return await unit.inbox.claim("turn", owner="me", doors=DOORS, limit=limit, lease=LEASE, per_person=seats)


async def call(store: PostgresStore, seats: int | None = SEATS) -> int:
    async with store.unit() as unit:
        return await unit.inbox.call(per_person=seats)


def said(taken: Sequence[Claim]) -> list[str]:
    return [claim.event.text for claim in taken if isinstance(claim.event, Message)]


def count(url: str, where: str) -> int:
    with psycopg.connect(conninfo(url)) as connection:
        row = connection.execute(f"SELECT count(*) FROM inbox WHERE {where}".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def test_several_processes_together_give_nobody_more_than_their_seats(open_store: OpenStore):
    stores = [await open_store(pool_size=6) for _ in range(2)]
    for round_ in range(6):
        await ask(stores[0], ANN, *(f"{round_} {number}" for number in range(12)))
        taken = await asyncio.gather(*(claims(store, limit=3) for store in stores * 4))
        mine = [claim for some in taken for claim in some]
        assert len(mine) == SEATS
        for claim in mine:
            await finish(stores[0], claim, await begin(stores[0], claim), keep=False)
        async with stores[0].unit() as unit:  # the rest of the round goes
            while rest := await unit.inbox.claim("turn", owner="me", doors=DOORS, limit=99, lease=LEASE):
                for claim in rest:
                    await unit.inbox.finish(claim)
            await unit.inbox.call()
        await call(stores[0], None)
        async with stores[1].unit() as unit:
            for claim in await unit.inbox.claim("turn", owner="me", doors=DOORS, limit=99, lease=LEASE):
                await unit.inbox.finish(claim)


async def test_whoever_asks_after_hundreds_of_anothers_is_answered_at_once(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, *range(300))
    await ask(store, BOB, "bob")
    async with aclosing(store.signals()) as signals:
        told = asyncio.ensure_future(anext(signals))
        await asyncio.sleep(0)
        assert said(await claims(store, limit=8)) == ["0", "1"]
        async with asyncio.timeout(1):
            assert await told == Signal(SignalKind.INBOX, "turn")
    assert said(await claims(store, limit=8)) == ["bob"]
    await ask(store, ANN, *range(300, 400))
    await ask(store, BOB, "bob again")
    assert said(await claims(store, limit=1)) == ["bob again"]
    assert await claims(store, limit=1) == ()


async def test_a_claim_reads_the_same_rows_however_much_one_person_has_waiting(
    open_store: OpenStore, database_url: str
):
    store = await open_store()
    await ask(store, ANN, *range(SEATS))
    assert len(await claims(store)) == SEATS
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO inbox (reply_id, adapter, lane, thread, author, payload)
            SELECT gen_random_uuid(), 'console', 'turn', gen_random_uuid(), %s, '\\x00' FROM generate_series(1, 10000)
            """,
            [store._vault.person(ANN)],
        )
    rounds = 0
    while count(database_url, "status = 0 AND aside IS NULL"):
        assert await claims(store) == ()
        rounds += 1
    assert rounds == 20
    await ask(store, BOB, "bob")
    with explained() as costs:
        assert said(await claims(store)) == ["bob"]
        async with store.unit() as unit:
            await unit.inbox.backlog()
    assert costs["inbox.claim_seats"][0].rows < 50, costs
    assert costs["inbox.claim_seats"][0].sequential == ()


async def test_a_claim_reads_the_same_rows_however_much_one_person_asks_in_each_thread(
    open_store: OpenStore, database_url: str
):
    store = await open_store()
    await ask(store, ANN, *range(SEATS))
    taken = await claims(store)
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO inbox (reply_id, adapter, lane, thread, author, payload)
            SELECT gen_random_uuid(), 'console', 'turn', md5((place / 7)::text)::uuid, %s, '\\x00'
            FROM generate_series(1, 5000) AS place
            """,
            [store._vault.person(ANN)],
        )
    for _ in range(10):
        assert await claims(store) == ()
    await ask(store, BOB, "bob")
    with explained() as costs:
        assert said(await claims(store)) == ["bob"]
        await call(store)
        await finish(store, taken[0], await begin(store, taken[0]), keep=False)
    for name in ("inbox.claim_seats", "inbox.call", "inbox.finish"):
        assert costs[name][0].rows < 60, (name, costs[name])


async def test_those_who_ask_much_in_few_threads_are_answered_in_order(open_store: OpenStore, database_url: str):
    store = await open_store()
    for place in range(4):
        await ask(store, ANN, *(f"{number} {place}" for number in range(5)))
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:  # four in each of five threads
        threads = {name: store._vault.thread(thread(name)) for name in (f"{n} {p}" for n in range(5) for p in range(4))}
        for name, id_ in threads.items():
            first = threads[f"{name[0]} 0"]
            connection.execute("UPDATE inbox SET thread = %s WHERE thread = %s", [first, id_])
    order: list[str] = []
    while taken := await claims(store):
        assert len(taken) <= SEATS
        order += said(taken)
        for claim in taken:
            async with store.unit() as unit:
                await unit.inbox.finish(claim)
    assert len(order) == 20
    for number in "01234":
        assert [name for name in order if name[0] == number] == [f"{number} {place}" for place in range(4)]


async def test_a_process_that_stands_still_while_it_claims_holds_up_nobody_else(open_store: OpenStore):
    here, there = await open_store(), await open_store()
    await ask(here, ANN, 1, 2, 3)
    await ask(here, BOB, "bob")
    async with here.unit() as still:
        taken = await still.inbox.claim("turn", owner="me", doors=DOORS, limit=1, lease=LEASE, per_person=SEATS)
        assert said(taken) == ["1"]
        async with asyncio.timeout(1.5):
            assert said(await claims(there)) == ["bob"]
    assert said(await claims(there)) == ["2"]


async def test_two_processes_that_each_find_what_the_other_has_begun_wait_in_no_circle(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
):
    here, there = await open_store(), await open_store()
    await ask(here, ANN, 1, 2, 3)
    await ask(here, BOB, 4, 5, 6)
    await ask(here, ANN, 7)
    await ask(here, BOB, 8)
    both = asyncio.Barrier(2)

    async def claimed(store: PostgresStore) -> list[str]:
        async with store.unit() as unit:
            fetch = unit._desk.tx.fetch

            async def meeting(*statement: Any) -> Any:
                rows = await fetch(*statement)
                async with asyncio.timeout(5):
                    await both.wait()
                return rows

            monkeypatch.setattr(unit._desk.tx, "fetch", meeting)
            return said(await unit.inbox.claim("turn", owner="me", doors=DOORS, limit=3, lease=LEASE, per_person=SEATS))

    taken = await asyncio.gather(claimed(here), claimed(there))
    assert sorted(taken[0] + taken[1]) == ["1", "2", "4", "5"]


async def test_a_claim_reads_the_same_rows_however_many_wait(open_store: OpenStore, database_url: str):
    """While nobody has all their seats: a long queue of many persons is not looked through for those who have."""
    store = await open_store()
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO inbox (reply_id, adapter, lane, thread, author, payload)
            SELECT gen_random_uuid(), 'slack', 'turn', gen_random_uuid(), gen_random_uuid(), '\\x00'
            FROM generate_series(1, 2000)
            """
        )
    with explained() as costs:
        await claims(store, limit=4)
    assert costs["inbox.claim_seats"][0].rows < 50, costs


async def test_a_claim_does_not_look_through_a_long_thread(open_store: OpenStore, database_url: str):
    store = await open_store()
    await ask(store, ANN, *["long"] * 40)
    assert count(database_url, "aside = 1") == 32
    order: list[str] = []
    for _ in range(40):
        (taken,) = await claims(store)
        order.append(taken.event.id)
        await finish(store, taken, await begin(store, taken), keep=False)
    assert order == sorted(order, key=lambda id_: int(id_.removeprefix("m")))
    assert await claims(store) == ()
    assert count(database_url, "status = 0") == 0


async def test_the_end_of_one_of_theirs_calls_the_next_in_every_process(open_store: OpenStore):
    here, there = await open_store(), await open_store()
    await ask(here, ANN, *range(5))
    first, _ = await claims(here)
    delivery = await begin(here, first)

    async def woken(store: PostgresStore) -> None:
        async with aclosing(store.signals()) as signals:
            async for signal in signals:
                if signal == Signal(SignalKind.INBOX, "turn"):
                    return

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(woken(here))
        group.create_task(woken(there))
        await asyncio.sleep(0.3)  # both listen
        await finish(here, first, delivery)
    assert said(await claims(there)) == ["2"]
    assert await claims(there) == ()


async def test_two_that_end_at_the_same_moment_call_two(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    await ask(stores[0], ANN, *range(6))
    taken = await claims(stores[0])
    deliveries = [await begin(stores[0], claim) for claim in taken]
    ending = zip(stores, taken, deliveries, strict=True)
    await asyncio.gather(*(finish(store, claim, delivery) for store, claim, delivery in ending))
    assert said(await claims(stores[0])) == ["2", "3"]


async def test_one_that_is_given_back_or_buried_makes_room_too(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, *range(5))
    first, second = await claims(store)
    async with store.unit() as unit:
        await unit.inbox.release(first, timedelta(hours=1))
    assert await call(store) == 1
    assert said(await claims(store)) == ["2"]
    async with store.unit() as unit:
        await unit.inbox.bury(second, "poison")
    assert said(await claims(store)) == ["3"]
    assert await call(store) == 0


async def test_a_turn_that_a_release_before_this_one_ends_holds_nobody_up(open_store: OpenStore, database_url: str):
    store = await open_store()
    await ask(store, ANN, *range(4))
    await ask(store, BOB, *["long"] * 12)
    taken = await claims(store)
    with psycopg.connect(conninfo(database_url)) as connection:  # as that release ends them: it knows of none aside
        connection.execute("UPDATE inbox SET status = 2 WHERE status = 1")
        connection.execute("UPDATE inbox SET status = 2 WHERE aside IS NULL AND status = 0")
    assert len(taken) == SEATS + 1
    assert await call(store) == 3  # of the person's, as many as have room; and the thread's next
    assert said(await claims(store)) == ["2", "3", "long"]


async def test_a_limit_that_is_lifted_lets_all_of_them_through(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, *range(6))
    assert len(await claims(store)) == SEATS
    assert await call(store, None) == 4
    assert len(await claims(store, seats=None)) == 4


async def test_those_who_wait_for_their_own_are_no_old_queue(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, *range(4))
    await claims(store)
    async with store.unit() as unit:
        turn, _ = await unit.inbox.backlog()
    assert (turn.unfinished, turn.age) == (4, timedelta(0))


async def test_whoever_is_forgotten_while_they_wait_keeps_nobody_waiting(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, *["shared"] * 10)
    await ask(store, BOB, *["shared"] * 2)
    await store.people.forget(ANN)
    await call(store)
    (taken,) = await claims(store)
    assert taken.event.author.key == BOB.key


async def test_counts_are_kept_by_indexes_alone_and_go_with_their_day(open_store: OpenStore, database_url: str):
    store = await open_store()
    await ask(store, ANN, 1)
    (taken,) = await claims(store)
    async with store.unit() as unit:
        await unit.turns.begin(taken)
        await unit.meter.count(taken, ANN, ROOM)
    await store.quotas.lift(BOB, by="operator")
    with psycopg.connect(conninfo(database_url)) as connection:
        kept = connection.execute("SELECT consumption::text FROM consumption").fetchall()
        kept += connection.execute("SELECT encode(body, 'escape') FROM lifted").fetchall()
        assert not any(word in str(kept) for word in ("ann", "bob", "home"))
    assert await store.purge(timedelta(days=1)) == 0
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("UPDATE consumption SET day = day - 1")
        connection.execute("UPDATE lifted SET until = now() - interval '1 second'")
    assert (await store.quotas.of(ANN)).used == Consumption()
    assert await store.quotas.lifted(limit=9) == ()
    assert await store.purge(timedelta(days=1)) == 2
    assert count(database_url, "EXISTS (SELECT FROM consumption) OR EXISTS (SELECT FROM lifted)") == 0


async def test_two_processes_count_one_turn_once_and_two_turns_twice(open_store: OpenStore):
    stores = [await open_store(), await open_store()]
    await ask(stores[0], ANN, 1, 2)
    taken = await claims(stores[0])
    for claim in taken:
        async with stores[0].unit() as unit:
            await unit.turns.begin(claim)

    async def counted(store: PostgresStore, claim: Claim) -> None:
        async with store.unit() as unit:
            await unit.meter.count(claim, ANN, ROOM)
            await unit.meter.spend(ANN, ROOM, 5)

    await asyncio.gather(*(counted(store, claim) for store in stores for claim in taken))
    assert (await stores[1].quotas.of(ANN)).used == Consumption(2, 20)


async def test_a_lost_lease_spends_nothing(open_store: OpenStore):
    store = await open_store()
    await ask(store, ANN, 1)
    (taken,) = await claims(store)
    await begin(store, taken)
    async with store.unit() as unit:
        await unit.inbox.release(taken, NOW)

    async def end() -> None:
        async with store.unit() as unit:
            await unit.inbox.finish(taken)
            await unit.meter.spend(ANN, ROOM, 5)

    with pytest.raises(LeaseLost):
        await end()
    assert (await store.quotas.of(ANN)).used == Consumption()
