"""The cache by itself: what it says, what it does where the database is away, and what it forgets."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.cache import AnswerCache, Near
from core.cache.cache import labelled
from core.cache.offer import is_fit
from core.embedding import NgramEmbedder
from core.message import Reply, ReplyId, Source, Text, Verdict, Written
from core.ports import CachedAnswer, Finished, State
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.store_moves import answered, message
from tests.unit.core.cache.test_key import turn

DAY = timedelta(days=1)
WRITTEN = Written("model@1")


async def engine(asked):
    yield Text("a ")
    yield Text("whale")
    yield WRITTEN


async def said(cache, asked):
    return [chunk async for chunk in cache(asked, engine)]


class Caching:
    """A cache over a store in memory, through which whole turns are put."""

    def __init__(self, **more):
        self.store, self.numbers = MemoryStore(), Numbers()
        self.cache = AnswerCache(self.store, self.numbers, lambda route: "model@1", **more)

    async def put(self, text):
        """The chunks of the answer, which is stored and offered."""
        reply_id = await answered(self.store, message(text), "a whale")
        chunks = await said(self.cache, replace(turn(text), reply_id=reply_id))
        async with self.store.unit() as unit:
            reply = await unit.replies.get(reply_id)
        assert reply is not None
        written = next(chunk for chunk in chunks if isinstance(chunk, Written))
        source = chunks[0].source
        clean = replace(reply, model=written.model, source=source, verdict=Verdict.CLEAN)
        self.cache.offer(Finished(clean, State.DELIVERING, written))
        await self.cache.close()
        return chunks

    def outcomes(self):
        return {name[1]: int(count) for name, count in self.numbers.counts.items() if name[0] == "cache"}


async def near_cache():
    caching = Caching()
    near = Near(caching.store, NgramEmbedder(), lifetime=DAY)
    caching.cache = AnswerCache(caching.store, caching.numbers, lambda route: "model@1", near=near)
    await near.start()
    return caching


async def test_what_was_kept_comes_as_one_piece_and_says_who_wrote_it():
    caching = Caching()
    assert await caching.put("What is a whale?") == [Text("a "), Text("whale"), WRITTEN]
    assert await caching.put("what is a whale") == [
        Text("a whale", Source.CACHE),
        replace(WRITTEN, source=Source.CACHE),
    ]
    assert caching.outcomes() == {"miss": 1, "kept": 1, "hit": 1}


async def test_without_the_database_the_engine_answers():
    caching = Caching()
    await caching.put("What is a whale?")
    caching.store.is_down = True
    assert await said(caching.cache, turn("What is a whale?")) == [Text("a "), Text("whale"), WRITTEN]


async def test_what_cannot_be_kept_disturbs_nobody(caplog):
    caching = Caching()
    await said(caching.cache, turn("What is a whale?"))
    reply = Reply(id=turn().reply_id, thread=turn().message.thread, asker=turn().message.author, in_reply_to="m")
    caching.store.is_down = True
    finished = replace(reply, text="a whale", model="model@1", verdict=Verdict.CLEAN)
    caching.cache.offer(Finished(finished, State.DELIVERING, WRITTEN))
    await caching.cache.close()
    assert "was not kept" in caplog.text
    assert "whale" not in caplog.text


async def test_a_question_of_this_moment_is_neither_looked_for_nor_kept():
    caching = Caching()
    for _ in range(2):
        assert (await caching.put("What is the weather today?"))[0].source is Source.ENGINE
    assert caching.outcomes() == {"unfit": 2}


async def test_an_answer_that_nobody_waited_for_is_offered_in_vain():
    caching = Caching()
    reply = Reply(id=ReplyId("9" * 32), thread=turn().message.thread, asker=turn().message.author, in_reply_to="m")
    caching.cache.offer(Finished(replace(reply, text="a whale", verdict=Verdict.CLEAN), State.DELIVERING, WRITTEN))
    await caching.cache.close()
    assert caching.outcomes() == {}


async def test_a_similar_question_is_given_the_answer_with_a_label():
    pytest.importorskip("faiss")
    caching = await near_cache()
    await caching.put("What is a whale?")
    chunks = await caching.put("What is the whale?")
    kept = CachedAnswer("what is a whale", "a whale", "model@1")
    assert chunks == [Text(labelled(kept, "en"), Source.CACHE), replace(WRITTEN, source=Source.CACHE)]
    assert caching.outcomes() == {"miss": 1, "kept": 1, "near": 1}


async def test_what_was_evicted_elsewhere_is_no_longer_near():
    pytest.importorskip("faiss")
    caching = await near_cache()
    await caching.put("What is a whale?")
    assert (await caching.put("What is the whale?"))[0].source is Source.CACHE
    caching.store.tables.cached.clear()
    assert (await caching.put("What is the whale?"))[0].source is Source.ENGINE


def test_a_label_cannot_be_broken_by_the_question():
    kept = CachedAnswer("what is *bold* and `code`", "42", "model@1")
    assert "“" not in labelled(kept, "en")
    assert r"what is \*bold\* and \`code\`" in labelled(kept, "en")
    assert "相似问题" in labelled(kept, "zh")


# ------------------------------------------------------------------------------------------------------ what is fit


REPLY = Reply(
    id=ReplyId("1" * 32),
    thread=turn().message.thread,
    asker=turn().message.author,
    in_reply_to="m",
    text="42",
    model="model@1",
    verdict=Verdict.CLEAN,
)
FIT = Finished(REPLY, State.DELIVERING, WRITTEN)


def test_a_clean_whole_answer_of_the_model_is_fit():
    assert is_fit(FIT, "model@1", is_screened=True)


@pytest.mark.parametrize(
    "change",
    [
        {"reply": replace(REPLY, verdict=Verdict.UNSCREENED)},
        {"reply": replace(REPLY, verdict=Verdict.FLAGGED)},
        {"reply": replace(REPLY, text=" ")},
        {"reply": replace(REPLY, source=Source.HOUSE)},
        {"reply": replace(REPLY, source=Source.CACHE)},
        {"state": State.STOPPED},
        {"state": State.ASKED},
        {"state": State.FAILED},
        {"written": None},
        {"written": replace(WRITTEN, finish="length")},
        {"written": replace(WRITTEN, is_fallback=True)},
        {"written": replace(WRITTEN, model="model@2")},
        {"written": replace(WRITTEN, source=Source.PLUGIN)},
        {"has_extras": True},
    ],
    ids=str,
)
def test_no_other_is(change):
    assert not is_fit(replace(FIT, **change), "model@1", is_screened=True)


def test_where_there_is_no_screen_nothing_could_be_clean():
    unscreened = replace(FIT, reply=replace(REPLY, verdict=Verdict.UNSCREENED))
    assert is_fit(unscreened, "model@1", is_screened=False)
    assert not is_fit(replace(unscreened, reply=replace(REPLY, verdict=Verdict.MASKED)), "model@1", is_screened=False)
