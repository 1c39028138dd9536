"""A new encryption key, while everybody reads and writes: nobody notices."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from core.errors import Unreadable
from core.message import Author
from core.store import Keys, PostgresStore, rotation
from core.store.database import conninfo
from tests.integration.conftest import OpenStore
from tests.store_moves import add, message

OLD = Keys(1, {1: b"o" * 32})
BOTH = Keys(2, {2: b"n" * 32, 1: b"o" * 32})
NEW = Keys(2, {2: b"n" * 32})


def person(number: int) -> Author:
    return Author("console", "home", f"p{number}")


async def people(store: PostgresStore, count: int) -> None:
    for number in range(count):
        await add(store, message(f"said by {number}", author=person(number)))


async def said(store: PostgresStore, number: int) -> list[str]:
    return [getattr(item, "text", "") async for item in store.people.everything(person(number))]


async def test_every_key_goes_to_the_new_one_and_the_old_can_be_retired(open_store: OpenStore, monkeypatch):
    monkeypatch.setattr(rotation, "_BATCH", 3)
    await people(await open_store(OLD), 10)
    both, heard = await open_store(BOTH), []
    assert await both.wrapped() == {1: 11}
    assert await both.rewrap(lambda done, total: heard.append((done, total))) == 11
    assert heard == [(4, 11), (7, 11), (10, 11), (11, 11)]
    assert await both.wrapped() == {2: 11}
    assert await both.rewrap() == 0
    new = await open_store(NEW)
    assert [await said(new, number) for number in range(10)] == [[f"said by {number}"] for number in range(10)]


async def test_nobody_fails_to_read_or_to_write_meanwhile(open_store: OpenStore, monkeypatch):
    monkeypatch.setattr(rotation, "_BATCH", 5)
    await people(await open_store(OLD), 60)
    behind, serving, rotating = [await open_store(keys) for keys in (BOTH, BOTH, BOTH)]
    over = asyncio.Event()
    rounds: list[int] = []

    async def read_and_write(store: PostgresStore, numbers: Sequence[int]) -> None:
        while not over.is_set():
            for number in numbers:
                store._vault.listen(is_heard=True)  # holds no key: each is read, and unwrapped
                fresh = 1000 * (len(rounds) + 1) + number
                await add(store, message("new", author=person(fresh)), message("more", author=person(number)))
                assert (await said(store, number))[0] == f"said by {number}"
                assert await said(store, fresh) == ["new"]
            rounds.append(1)

    async with asyncio.TaskGroup() as group:
        for place, store in enumerate((behind, serving)):
            group.create_task(read_and_write(store, range(10 * place, 10 * place + 10)))
        while not rounds:
            await asyncio.sleep(0.01)
        assert await rotating.rewrap() >= 61
        over.set()
    assert set(await rotating.wrapped()) == {2}


async def test_a_rotation_that_broke_off_goes_on(open_store: OpenStore, monkeypatch):
    monkeypatch.setattr(rotation, "_BATCH", 3)
    await people(await open_store(OLD), 9)
    both = await open_store(BOTH)

    def broken_off(done: int, total: int) -> None:
        if done >= 4:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await both.rewrap(broken_off)
    assert await both.wrapped() == {1: 6, 2: 4}
    assert await both.rewrap() == 6


async def test_a_key_that_is_shredded_meanwhile_does_not_come_back(open_store: OpenStore, database_url: str):
    await people(await open_store(OLD), 3)
    both = await open_store(BOTH)
    walk = rotation.Rotation(BOTH, both._database)
    made = walk._all_fresh

    async def meanwhile(*asked):
        await both.people.forget(person(1))
        return await made(*asked)

    walk._all_fresh = meanwhile  # type: ignore[method-assign]
    assert await walk.rewrap(rotation.quiet) == 3  # the index's, and those of two persons
    with psycopg.connect(conninfo(database_url)) as connection:
        # The third is the house's, made for the audit log.
        assert connection.execute("SELECT count(*) FROM keys").fetchall() == [(3,)]


@pytest.mark.parametrize("many", [1, 10_000])
async def test_a_key_that_is_missing_is_named(open_store: OpenStore, monkeypatch, many):
    monkeypatch.setattr(rotation, "_MANY", many)  # with 1, in processes
    await people(await open_store(OLD), 2)
    both = await open_store(BOTH)
    alone = rotation.Rotation(NEW, both._database)
    with pytest.raises(Unreadable, match="id 1"):
        await alone.rewrap(rotation.quiet)
    with psycopg.connect(conninfo(both._url)) as connection:
        connection.execute("DELETE FROM house")
    with pytest.raises(Unreadable, match="id 1"):
        await alone.rewrap(rotation.quiet)


async def test_many_are_rewrapped_by_several_processes(open_store: OpenStore, monkeypatch):
    monkeypatch.setattr(rotation, "_MANY", 1)
    monkeypatch.setattr(rotation, "_SHARE", 2)
    await people(await open_store(OLD), 5)
    both = await open_store(BOTH)
    assert await both.rewrap() == 6
    assert await said(await open_store(NEW), 4) == ["said by 4"]
