"""What every store promises of its audit log."""

import asyncio

from core.message import CommandName
from core.ports import Store
from tests.store_moves import ANN, BOB, add, claim, command


async def test_lines_are_kept_in_their_order_and_read_newest_first(store: Store):
    await store.audit.record("rotate", by="operator", keys=3, note="NUL \0 and 你好")
    await store.audit.record("export", by="operator", person=ANN)
    last, first = await store.audit.newest(limit=10)
    assert (first.number, first.action, first.by, first.details) == (
        1,
        "rotate",
        "operator",
        {"keys": 3, "note": "NUL \0 and 你好"},
    )
    assert (last.number, last.action, last.at >= first.at) == (2, "export", True)
    assert await store.audit.newest(limit=1) == (last,)
    assert await store.audit.newest(limit=10, before=2) == (first,)


async def test_a_person_is_found_and_not_named(store: Store):
    for person in (ANN, BOB, ANN):
        await store.audit.record("export", by="operator", person=person)
    theirs = await store.audit.newest(limit=10, person=ANN)
    assert [line.number for line in theirs] == [3, 1]
    assert len({line.details["person"] for line in theirs}) == 1
    assert ANN.id not in str(theirs)


async def test_lines_of_some_kinds_are_found(store: Store):
    for action in ("export", "rotate", "sign-in", "export"):
        await store.audit.record(action, by="operator")
    found = await store.audit.newest(limit=10, actions=("export", "sign-in"))
    assert [(line.number, line.action) for line in found] == [(4, "export"), (3, "sign-in"), (1, "export")]
    assert [line.number for line in await store.audit.newest(limit=1, before=4, actions=["export"])] == [1]


async def test_it_says_who_was_forgotten_by_whom(store: Store):
    await store.people.forget(ANN, by="operator")
    await add(store, command(CommandName.FORGET, args="yes"))
    await store.people.forget(ANN, sparing=await claim(store))
    lines = await store.audit.newest(limit=10, person=ANN)
    assert [(line.action, line.by) for line in lines] == [("forget", ""), ("forget", "operator")]


async def test_several_may_add_at_once(store: Store):
    await asyncio.gather(*(store.audit.record("export", by=f"{number}") for number in range(8)))
    lines = await store.audit.newest(limit=10)
    assert [line.number for line in lines] == list(range(8, 0, -1))
    assert {line.by for line in lines} == {str(number) for number in range(8)}
