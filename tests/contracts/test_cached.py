"""What every store promises of answers that are kept for whoever asks the same."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from core.message import Deleted, LastReplyTo, Message, Reply, ReplyId
from core.ports import CachedAnswer, Store
from tests.store_moves import ANN, BOB, ROOM, add, answered, message, moment, vote

WEIRD = "NUL \0, a lone surrogate \ud800, 你好, 👩‍👩‍👧, \u202e and 'quotes' \\ % :x %(y)s"
DAY = timedelta(days=1)
OVER = timedelta(seconds=-1)
KEY = sha256(b"key").hexdigest()
SHELF = sha256(b"shelf").hexdigest()
KEPT = CachedAnswer("what is the answer", "42", "echo@1")
VECTOR = (0.6, -0.8, 0.0)
SOMEBODY = ReplyId("5" * 32)


async def kept(store: Store, question: Message | None = None, key: str = KEY, **more: Any) -> tuple[Reply, bool]:
    """Answers a question and offers the answer to be kept: the reply, and whether it is."""
    reply_id = await answered(store, question or message())
    async with store.unit() as unit:
        reply = await unit.replies.get(reply_id)
    assert reply is not None
    return reply, await keep(store, reply, key, **more)


async def keep(store: Store, reply: Reply, key: str = KEY, **more: Any) -> bool:
    terms: dict[str, Any] = {"lifetime": DAY} | more
    async with store.unit() as unit:
        return await unit.cached.keep(key, SHELF, terms.pop("kept", KEPT), reply, **terms)


async def find(store: Store, key: str = KEY, reply_id: ReplyId = SOMEBODY) -> CachedAnswer | None:
    async with store.unit(autocommit=True) as unit:
        return await unit.cached.find(key, reply_id)


async def block(store: Store, reply_id: ReplyId) -> bool:
    async with store.unit() as unit:
        return await unit.cached.block(reply_id)


async def test_what_is_kept_is_found_as_it_was(store: Store):
    words = CachedAnswer(WEIRD, WEIRD * 100, "deepseek@abc")
    _, is_kept = await kept(store, kept=words)
    assert is_kept
    assert await find(store) == words


async def test_another_key_finds_nothing(store: Store):
    await kept(store)
    assert await find(store, sha256(b"another").hexdigest()) is None


async def test_what_is_too_old_is_given_to_nobody_and_makes_room(store: Store):
    await kept(store, lifetime=OVER)
    assert await find(store) is None
    newer = replace(KEPT, text="43")
    _, is_kept = await kept(store, kept=newer)
    assert is_kept
    assert await find(store) == newer


async def test_the_first_of_two_answers_stays(store: Store):
    await kept(store)
    _, is_kept = await kept(store, kept=replace(KEPT, text="43"))
    assert not is_kept
    assert await find(store) == KEPT


async def test_nothing_is_kept_of_a_reply_that_does_not_exist(store: Store):
    reply, _ = await kept(store)
    assert not await keep(store, replace(reply, id=SOMEBODY), sha256(b"another").hexdigest())


async def test_blocking_the_reply_it_was_kept_from_evicts_it_for_good(store: Store):
    reply, _ = await kept(store)
    assert await block(store, reply.id)
    assert await find(store) is None
    _, is_kept = await kept(store)
    assert not is_kept
    assert await find(store) is None


async def test_blocking_a_reply_that_was_taken_from_it_evicts_it_too(store: Store):
    await kept(store)
    elsewhere = await answered(store, message("the same", author=BOB))
    await find(store, reply_id=elsewhere)
    assert await block(store, elsewhere)
    assert await find(store) is None


async def test_blocking_any_other_reply_changes_nothing(store: Store):
    await kept(store)
    assert not await block(store, await answered(store, message("another")))
    assert await find(store) == KEPT


async def test_an_answer_that_was_voted_down_before_is_not_kept(store: Store):
    reply_id = await answered(store, message())
    async with store.unit() as unit:
        await unit.ratings.record(vote(reply_id, score=1))
        reply = await unit.replies.get(reply_id)
    assert reply is not None
    assert not await keep(store, reply)
    assert await find(store) is None


async def test_a_vote_for_it_keeps_nobody_from_keeping_it(store: Store):
    reply_id = await answered(store, message())
    async with store.unit() as unit:
        await unit.ratings.record(vote(LastReplyTo(ANN, ROOM), score=5))
        reply = await unit.replies.get(reply_id)
    assert reply is not None
    assert await keep(store, reply)


@pytest.mark.parametrize("is_before", [True, False])
async def test_with_the_question_goes_what_was_kept_of_it(store: Store, is_before: bool):
    question = message()
    reply_id = await answered(store, question)
    async with store.unit() as unit:
        reply = await unit.replies.get(reply_id)
    assert reply is not None
    assert is_before or await keep(store, reply)
    async with store.unit() as unit:
        assert await unit.threads.erase(ROOM, question.id)
    assert not is_before or not await keep(store, reply)
    assert await find(store) is None


async def test_an_edited_question_is_no_longer_what_was_asked(store: Store):
    question = message()
    await kept(store, question)
    async with store.unit() as unit:
        assert await unit.threads.edit(ROOM, question.id, ANN, "something else")
    assert await find(store) is None


async def test_the_erasure_of_another_question_changes_nothing(store: Store):
    await kept(store)
    another = message("another")
    await add(store, another, Deleted(id="d", thread=ROOM, author=ANN, sent_at=moment(), message_id=another.id))
    async with store.unit() as unit:
        assert await unit.threads.erase(ROOM, another.id)
    assert await find(store) == KEPT


async def test_vectors_come_back_with_what_finds_their_answer(store: Store):
    await kept(store, vector=VECTOR, embedder="one")
    async with store.unit() as unit:
        (place,) = await unit.cached.shelved("one")
        assert await unit.cached.shelved("two") == ()
        assert await unit.cached.shelved("one", since=place.kept_at) == ()
    assert (place.key, place.shelf, place.question) == (KEY, SHELF, KEPT.question)
    assert place.vector == pytest.approx(VECTOR)
    assert await find(store, place.key) == KEPT


async def test_what_has_no_vector_or_is_too_old_is_not_shelved(store: Store):
    await kept(store, embedder="one")
    await kept(store, key=sha256(b"old").hexdigest(), vector=VECTOR, embedder="one", lifetime=OVER)
    async with store.unit() as unit:
        assert await unit.cached.shelved("one") == ()


async def test_shelved_answers_come_oldest_first_and_only_those_kept_later(store: Store):
    keys = [sha256(bytes([number])).hexdigest() for number in range(3)]
    for key in keys:
        await kept(store, key=key, vector=VECTOR, embedder="one")
    async with store.unit() as unit:
        places = await unit.cached.shelved("one")
        later = await unit.cached.shelved("one", since=places[0].kept_at)
    assert [place.key for place in places] == keys
    assert [place.key for place in later] == keys[1:]
