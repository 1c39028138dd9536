"""What every store promises of a door's notes: they are one person's, and last no longer than they should."""

from datetime import timedelta

from core.message import ReplyId
from core.ports import Store
from tests.store_moves import ANN, BOB, EXPIRED, add, answered, begin, claim, message

HOUR = timedelta(hours=1)


async def test_a_note_is_read_until_it_is_deleted(store: Store):
    assert await store.notes.get("one") is None
    await store.notes.put("one", b"\0\xff 1", about=ANN, lifetime=HOUR)
    await store.notes.put("one", b"\0\xff 2", about=ANN, lifetime=HOUR)
    await store.notes.put("other", b"", about=ANN, lifetime=HOUR)
    assert (await store.notes.get("one"), await store.notes.get("other")) == (b"\0\xff 2", b"")
    await store.notes.delete("one")
    await store.notes.delete("one")
    assert (await store.notes.get("one"), await store.notes.get("other")) == (None, b"")


async def test_a_note_is_read_no_longer_than_it_lasts(store: Store):
    await store.notes.put("one", b"1", about=ANN, lifetime=EXPIRED)
    assert await store.notes.get("one") is None
    await store.notes.put("one", b"2", about=ANN, lifetime=HOUR)
    assert await store.notes.get("one") == b"2"


async def test_notes_go_with_the_person_and_nobody_elses_do(store: Store):
    theirs, others = await answered(store, message()), await answered(store, message(author=BOB))
    for about, name in ((ANN, "Ann's"), (theirs, "her answer's"), (BOB, "Bob's"), (others, "his answer's")):
        await store.notes.put(name, b"1", about=about, lifetime=HOUR)
    await store.people.forget(ANN)
    names = ("Ann's", "her answer's", "Bob's", "his answer's")
    assert [await store.notes.get(name) for name in names] == [None, None, b"1", b"1"]


async def test_of_a_question_that_nobody_has_begun_to_answer_something_can_be_noted(store: Store):
    """Its stream may have to end before."""
    (receipt,) = await add(store, message())
    waiting = receipt.reply_id
    await store.notes.put("shown", b"1", about=waiting, lifetime=HOUR)
    assert await store.notes.get("shown") == b"1"
    await store.people.forget(ANN)
    assert await store.notes.get("shown") is None
    await store.notes.put("shown", b"1", about=waiting, lifetime=HOUR)
    assert await store.notes.get("shown") is None


async def test_of_an_answer_that_is_gone_nothing_is_noted(store: Store):
    await add(store, message())
    running = await claim(store)
    await begin(store, running)
    await store.people.forget(ANN)
    for reply in (running.reply_id, ReplyId("0" * 32), ReplyId("none")):
        await store.notes.put("late", b"1", about=reply, lifetime=HOUR)
    assert await store.notes.get("late") is None
    await store.notes.put("new", b"1", about=ANN, lifetime=HOUR)
    assert await store.notes.get("new") == b"1"
