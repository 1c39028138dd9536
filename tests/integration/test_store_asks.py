"""Calls that wait for a yes as they lie in the database: sealed, given to one process, swept away when they are old."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.until import until
from core.message import Author, CommandName, ReplyId
from core.ports import Claim, Confirmed, State, Unit
from core.store import PostgresStore
from core.turn import Pending
from tests.integration.conftest import OpenStore
from tests.integration.test_store_order import somebody_waits
from tests.integration.test_store_sealed import CANARY, dump, swap
from tests.store_moves import ANN, ATTIC, BOB, NOW, ROOM, add, begin, claim, command, deliver, finish, message

DAY = timedelta(days=1)
OVER = timedelta(seconds=-1)
CALL = Pending(f"{CANARY}plugin", {f"{CANARY}name": [f"{CANARY}value"]})


async def asked(store: PostgresStore, call: Pending = CALL, *, by: Author = ANN, lifetime: timedelta = DAY) -> ReplyId:
    await add(store, message(author=by))
    asking = await claim(store)
    delivery = await begin(store, asking)
    async with store.unit() as unit:
        await unit.asks.keep(asking.reply_id, ROOM, by, call, lifetime=lifetime)
    await deliver(store, await finish(store, asking, delivery, state=State.ASKED))
    return asking.reply_id


async def yes(store: PostgresStore, **more: object) -> Claim:
    await add(store, command(CommandName.CONFIRM, **more))
    return await claim(store)


async def end(store: PostgresStore, taken: Claim) -> None:
    async with store.unit() as unit:
        await unit.inbox.finish(taken)


async def take(store: PostgresStore, reply_id: ReplyId, by: Claim, asker: Author = ANN) -> Confirmed | None:
    async with store.unit() as unit:
        return await unit.asks.take(reply_id, asker, by)


async def newest(store: PostgresStore, asker: Author = ANN) -> ReplyId | None:
    async with store.unit() as unit:
        return await unit.asks.newest(ROOM, asker)


async def kept(store: PostgresStore) -> set[str]:
    return {id_.hex for (id_,) in await store._database.fetch("SELECT reply_id FROM asks")}


async def test_neither_the_plugin_nor_its_arguments_can_be_read(open_store: OpenStore, database_url: str):
    store = await open_store()
    reply_id = await asked(store)
    for is_taken in (False, True):
        text = dump(database_url)
        assert "INSERT INTO public.asks" in text
        assert CANARY not in text
        assert CANARY.encode().hex() not in text
        assert is_taken or await take(store, reply_id, await yes(store)) == Confirmed(CALL)


@pytest.mark.parametrize("damage", ["swapped", "moved", "cut", "given away"])
async def test_what_was_tampered_with_is_not_done(open_store: OpenStore, caplog: pytest.LogCaptureFixture, damage: str):
    writer = await open_store()
    replies = [await asked(writer, Pending(f"{CANARY}{number}", {})) for number in range(4)]
    match damage:
        case "swapped":
            await swap(writer, "asks", "body", "reply_id")
        case "moved":
            await writer._database.fetch("UPDATE asks SET body = replies.body FROM replies WHERE id = reply_id")
        case "cut":
            await writer._database.fetch("UPDATE asks SET body = substr(body, 1, length(body) - 1)")
        case _:
            await asked(writer, by=BOB)  # who has a key of his own then
            await writer._database.fetch("UPDATE asks SET asker = %(bob)s", {"bob": writer._vault.person(BOB)})
    asker = BOB if damage == "given away" else ANN
    # One has them in its memory, the other has not.
    for store, reply_id in ((writer, replies[0]), (await open_store(), replies[1])):
        caplog.clear()
        said = await yes(store, author=asker)
        assert await take(store, reply_id, said, asker) is None
        await end(store, said)
        assert "Unreadable" in caplog.text
        assert reply_id in caplog.text
        assert CANARY not in caplog.text


async def test_what_cannot_be_read_stands_in_the_way_of_nothing(open_store: OpenStore):
    store = await open_store()
    older, broken = await asked(store), await asked(store)
    await store._database.fetch("UPDATE asks SET body = '\\x00' WHERE reply_id = %(id)s::uuid", {"id": broken})
    assert await newest(store) == broken
    said = await yes(store)
    assert await take(store, broken, said) is None
    await end(store, said)
    assert await newest(store) is None
    assert await take(store, older, await yes(store)) == Confirmed(CALL)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_the_second_of_two_processes_waits_for_what_becomes_of_the_first(open_store: OpenStore, is_kept: bool):
    one, two = await open_store(), await open_store()
    reply_id = await asked(one)
    clicks = [await yes(one, thread=thread) for thread in (ROOM, ATTIC)]

    async def first() -> asyncio.Task[Confirmed | None]:
        async with one.unit() as unit:
            assert await unit.asks.take(reply_id, ANN, clicks[0]) == Confirmed(CALL)
            second = asyncio.create_task(take(two, reply_id, clicks[1]))
            await until(lambda: somebody_waits(one))
            if not is_kept:
                raise ZeroDivisionError(second)
        return second

    try:
        second = await first()
    except ZeroDivisionError as error:
        (second,) = error.args
    assert await second == (None if is_kept else Confirmed(CALL))


async def test_of_several_processes_that_take_at_once_exactly_one_has_it(open_store: OpenStore):
    stores = [await open_store() for _ in range(4)]
    clicks = [await yes(stores[0], thread=replace(ROOM, thread=str(number))) for number in range(40)]
    while clicks:
        reply_id = await asked(stores[0])
        taken = await asyncio.gather(*(take(store, reply_id, clicks.pop()) for store in stores))
        assert sorted(taken, key=str) == [Confirmed(CALL), None, None, None]


async def test_of_two_processes_that_hold_the_same_event_one_may_begin(open_store: OpenStore):
    one, two = await open_store(), await open_store()
    for _ in range(10):
        reply_id, other = await asked(one), await asked(one)
        said = await yes(one)
        tries = take(one, reply_id, said), take(two, other, said)
        taken = await asyncio.gather(*tries, return_exceptions=True)
        assert [each for each in taken if isinstance(each, Confirmed) and not each.is_begun] == [Confirmed(CALL)]
        assert await take(one, reply_id, said) == Confirmed(CALL, is_begun=True)
        await end(one, said)


async def test_what_waited_too_long_is_swept_away_and_what_still_waits_is_not(open_store: OpenStore):
    store = await open_store()
    await asked(store, lifetime=OVER)
    waiting = await asked(store)
    assert await store.purge(DAY) == 1
    assert await kept(store) == {waiting}
    await store.purge(OVER)
    assert await kept(store) == {waiting}


async def test_what_was_taken_is_swept_away_after_the_event_that_took_it(open_store: OpenStore):
    store = await open_store()
    reply_id = await asked(store)
    said = await yes(store)
    assert await take(store, reply_id, said) == Confirmed(CALL)
    await store._database.fetch("UPDATE asks SET expires_at = now() - interval '1 day'")
    await store.purge(OVER)  # it is worked on still
    assert await kept(store) == {reply_id}
    async with store.unit() as unit:
        await unit.inbox.release(said, NOW)
    said = await claim(store)
    assert await take(store, reply_id, said) == Confirmed(CALL, is_begun=True)
    await end(store, said)
    await store._database.fetch("UPDATE asks SET taken_at = now() - interval '2 days'")
    await store.purge(DAY)  # it is known to be finished, and was so a moment ago
    assert await kept(store) == {reply_id}
    await store._database.fetch("UPDATE inbox SET finished_at = finished_at - interval '2 days'")
    await store.purge(DAY)
    assert await kept(store) == set()


async def test_what_was_taken_by_an_event_that_was_buried_is_swept_away_in_time(open_store: OpenStore):
    store = await open_store()
    reply_id = await asked(store)
    said = await yes(store)
    assert await take(store, reply_id, said) == Confirmed(CALL)
    async with store.unit() as unit:
        await unit.inbox.bury(said, "hopeless")
    await store.purge(DAY)
    assert await kept(store) == {reply_id}
    await store.purge(OVER)
    assert await kept(store) == set()


@pytest.mark.parametrize("is_erased_first", [True, False])
async def test_an_erasure_at_the_same_moment_never_leaves_anything_behind(open_store: OpenStore, is_erased_first: bool):
    one, two = await open_store(), await open_store()
    question = message()
    await add(one, question)
    asking = await claim(one)
    await begin(one, asking)

    async def keep(unit: Unit) -> None:
        await unit.asks.keep(asking.reply_id, ROOM, ANN, CALL, lifetime=DAY)
        await unit.asks.newest(ROOM, ANN)  # which needs it done

    async def erase(unit: Unit) -> None:
        assert await unit.threads.erase(ROOM, question.id)

    async def act(what: Callable[[Unit], Awaitable[None]]) -> None:
        async with two.unit() as unit:
            await what(unit)

    first, second = (erase, keep) if is_erased_first else (keep, erase)
    async with one.unit() as unit:
        await first(unit)
        acting = asyncio.create_task(act(second))
        await until(lambda: somebody_waits(one))
    await acting
    assert await kept(one) == set()


async def test_the_end_of_a_turn_at_the_same_moment_is_the_end_of_its_asking(open_store: OpenStore):
    one, two = await open_store(), await open_store()
    await add(one, message())
    asking = await claim(one)
    await begin(one, asking)
    async with one.unit() as unit:
        await unit.asks.keep(asking.reply_id, ROOM, ANN, CALL, lifetime=DAY)
        await unit.turns.move(asking.reply_id, State.ASKED)
        assert await unit.asks.newest(ROOM, ANN) == asking.reply_id

        async def keep() -> None:
            async with two.unit() as stale:
                await stale.asks.keep(asking.reply_id, ROOM, ANN, Pending("other", {}), lifetime=DAY)

        keeping = asyncio.create_task(keep())
        await until(lambda: somebody_waits(one))
    await keeping
    assert await take(one, asking.reply_id, await yes(one, thread=ATTIC)) == Confirmed(CALL)
