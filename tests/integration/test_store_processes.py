"""Two processes on one database: what one writes, the other shows at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import psycopg
import pytest

from core.errors import NotStored
from core.ports import Draft, Mark, Signal, SignalKind
from core.store import PostgresStore, database
from core.store.database import conninfo
from tests.integration.conftest import OpenStore
from tests.store_moves import ATTIC, ROOM, add, begin, claim, deliver, finish, message


async def test_a_reply_that_grows_in_one_process_is_seen_growing_in_another(open_store: OpenStore):
    writer, reader = await open_store(), await open_store()
    (receipt,) = await add(reader, message())
    seen: list[tuple[str, float]] = []

    async def watch() -> None:
        async with aclosing(reader.drafts.follow(receipt.reply_id)) as drafts:
            async for draft in drafts:
                seen.append((draft.text, time.monotonic()))  # noqa: PERF401 - each as it comes

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await asyncio.sleep(0.3)
        taken = await claim(writer)
        delivery = await begin(writer, taken)
        said: list[float] = []
        for revision, text in enumerate(["4", "42", "42 is"], start=1):
            await writer.drafts.save(Draft(receipt.reply_id, revision, text))
            said.append(time.monotonic())
            await asyncio.sleep(0.3)
        await finish(writer, taken, delivery, "42 is it")
        said.append(time.monotonic())
    assert [text for text, _ in seen] == ["4", "42", "42 is", "42 is it"]
    assert max(shown - saved for (_, shown), saved in zip(seen, said, strict=True)) < 0.25


async def heard(reader: PostgresStore, act: Callable[[], Awaitable[object]]) -> Signal:
    """The first wake-up the reader hears after the writer did something."""
    async with asyncio.timeout(5), aclosing(reader.signals()) as signals:
        waiting = asyncio.ensure_future(anext(signals))
        await asyncio.sleep(0)
        began = time.monotonic()
        await act()
        signal = await waiting
        assert time.monotonic() - began < 0.5
        return signal


async def test_the_other_process_is_woken_for_what_it_may_do(open_store: OpenStore):
    writer, reader = await open_store(), await open_store()
    await asyncio.sleep(0.3)  # both listen
    assert await heard(reader, lambda: add(writer, message())) == Signal(SignalKind.INBOX, "turn")
    taken = await claim(writer)
    delivery = await begin(writer, taken)

    async def stop() -> None:
        async with writer.unit() as unit:
            await unit.inbox.mark(Mark.STOP, thread=ROOM)

    assert await heard(reader, stop) == Signal(SignalKind.MARK, taken.reply_id)

    async def amend() -> None:
        async with writer.unit() as unit:
            await unit.inbox.amend(ROOM, taken.event.id, "better")

    assert await heard(reader, amend) == Signal(SignalKind.MARK, taken.reply_id)
    await add(writer, message("the next of the thread"))
    delivery = await finish(writer, taken, delivery)
    following = await claim(writer)
    await finish(writer, following, await begin(writer, following))
    await asyncio.sleep(0.2)
    assert await heard(reader, lambda: deliver(writer, delivery)) == Signal(SignalKind.OUTBOX)


async def test_one_name_is_led_by_one_process(open_store: OpenStore):
    first, second = await open_store(), await open_store()

    async def lead() -> bool:
        async with second.leader("socket").hold():
            return True

    async with asyncio.timeout(10):
        async with first.leader("socket").hold():
            waiting = asyncio.create_task(lead())
            await asyncio.sleep(0.7)
            assert not waiting.done()
        assert await waiting


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements went with each round trip to the database."""
    trips: list[int] = []
    send = database.send

    async def counted(raw, statements):
        trips.append(len(statements))
        return await send(raw, statements)

    monkeypatch.setattr(database, "send", counted)
    return trips


async def test_a_turn_costs_few_round_trips(open_store: OpenStore, round_trips: list[int]):
    store = await open_store()
    await add(store, message(thread=ATTIC))  # Ann's key is made
    round_trips.clear()
    question = message()
    await add(store, question)
    assert len(round_trips) == 2
    taken = (await asyncio.gather(claim(store, limit=1)))[0]
    round_trips.clear()
    delivery = await begin(store, taken)
    assert len(round_trips) == 2
    round_trips.clear()
    await store.drafts.save(Draft(taken.reply_id, 1, "4"))
    assert len(round_trips) == 1
    round_trips.clear()
    delivery = await finish(store, taken, delivery)
    assert len(round_trips) == 2
    round_trips.clear()
    await deliver(store, delivery)
    assert round_trips == [1]


async def test_a_database_that_only_reads_would_not_take_a_message(open_store: OpenStore, database_url: str):
    writer = await open_store()
    await writer.check()
    async with await psycopg.AsyncConnection.connect(conninfo(database_url), autocommit=True) as connection:
        name = connection.info.dbname
        await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    store = await open_store()
    with pytest.raises(NotStored):
        await store.check()
