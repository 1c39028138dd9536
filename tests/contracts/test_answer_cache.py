"""What the answer cache promises within whole turns, on both stores."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.answer import answer_with
from core.cache import AnswerCache
from core.message import (
    CommandName,
    Deleted,
    Feedback,
    Image,
    Origin,
    Screened,
    Source,
    Text,
    Usage,
    Verdict,
    Visibility,
    Written,
)
from core.ports import Delta
from core.turn import compose
from tests.contracts.test_dialog import ADA, BOB, House

QUESTION = "What is Docker?"
PUBLIC, PRIVATE, DIRECT = Visibility.PUBLIC, Visibility.PRIVATE, Visibility.DIRECT


def judging(verdict):
    """Moderation that comes to this verdict and lets everything pass."""

    async def screen(turn, call_next):
        async for chunk in call_next(turn):
            yield chunk
        yield Screened(verdict)

    return screen


CLEAN = (judging(Verdict.CLEAN),)


class CachingHouse(House):
    """A house with an answer cache in its line; `outer` stand before it, `inner` behind it."""

    def __init__(self, store, *, outer=CLEAN, inner=(), is_screened=True):
        super().__init__(store)
        self.cache = AnswerCache(store, self.numbers, lambda route: self.mind.model.version, is_screened=is_screened)
        answer = compose([*outer, self.cache, *inner], answer_with(self.mind))
        self.hall = replace(self.hall, answer=answer, keepers=(self.cache,))

    async def put(self, text=QUESTION, *, visibility=PUBLIC, **where):
        """Asks, and waits until the answer is shown and kept: the question and the reply."""
        message = replace(self.message(text, **where), visibility=visibility)
        (reply_id,) = await self.accept(message)
        await self.until(reply_id)
        await self.cache.close()
        return message, await self.reply(reply_id)

    async def vote(self, reply, score, author=ADA):
        await self.accept(
            Feedback(
                id=f"vote {score} {reply.id}",
                target=reply.id,
                author=author,
                origin=Origin.BUTTON,
                score=score,
                sent_at=datetime.now(UTC),
            )
        )
        await self.until_idle()

    @property
    def asked(self):
        """How often the engine was asked."""
        return len(self.mind.heard)


async def test_the_same_question_is_answered_once(store):
    async with CachingHouse(store).at_work() as house:
        _, first = await house.put(thread="a")
        message, second = await house.put("hi, what is docker please", thread="b", author=BOB)
        facts = await house.facts(second.id)
    assert house.asked == 1
    assert second.text == first.text == house.door.shown[message.id]
    assert (first.source, second.source) == (Source.ENGINE, Source.CACHE)
    assert second.model == facts.model == house.mind.model.version
    assert (facts.source, facts.usage) == ("cache", Usage())
    assert house.numbers.counts["cache", ("outcome", "hit")] == 1
    assert house.numbers.counts["cache", ("outcome", "kept")] == 1


async def test_another_question_is_answered_by_the_engine(store):
    async with CachingHouse(store).at_work() as house:
        await house.put(thread="a")
        await house.put("What is Podman?", thread="b")
    assert house.asked == 2


async def test_what_was_asked_in_private_never_surfaces_elsewhere(store):
    async with CachingHouse(store).at_work() as house:
        await house.put(thread="a", visibility=DIRECT)
        await house.put(thread="b", visibility=PUBLIC)
        await house.put(thread="c", visibility=PRIVATE)
        await house.put(thread="d", visibility=DIRECT, author=BOB)
        assert house.asked == 4
        _, again = await house.put(thread="e", visibility=DIRECT)
    assert again.source is Source.CACHE


async def test_a_follow_up_is_nobody_elses_question(store):
    async with CachingHouse(store).at_work() as house:
        await house.put(thread="a")
        _, second = await house.put(thread="a")
        _, third = await house.put("Why?", thread="a")
    assert [second.source, third.source] == [Source.ENGINE] * 2


async def test_an_answer_written_again_is_not_taken_from_the_cache(store):
    async with CachingHouse(store).at_work() as house:
        _, first = await house.put(thread="a")
        house.mind.answers[QUESTION] = "another answer"
        (again,) = await house.accept(house.command(CommandName.REGENERATE, thread="a", args=first.id))
        await house.until(again)
        assert (await house.reply(again)).text == "another answer"
        _, later = await house.put(thread="b")
    assert later.text == first.text


async def test_a_vote_against_it_evicts_the_answer_for_good(store):
    async with CachingHouse(store).at_work() as house:
        await house.put(thread="a")
        _, second = await house.put(thread="b", author=BOB)
        await house.vote(second, 1, author=BOB)
        house.mind.answers[QUESTION] = "a better answer"
        _, third = await house.put(thread="c")
        _, fourth = await house.put(thread="d")
    assert second.source is Source.CACHE
    assert [third.source, fourth.source] == [Source.ENGINE] * 2
    assert fourth.text == "a better answer"


@pytest.mark.parametrize("score", [5, 3, None])
async def test_any_other_vote_leaves_it(store, score):
    async with CachingHouse(store).at_work() as house:
        _, first = await house.put(thread="a")
        await house.vote(first, score)
        _, second = await house.put(thread="b")
    assert second.source is Source.CACHE


async def test_with_the_question_goes_its_answer(store):
    async with CachingHouse(store).at_work() as house:
        message, _ = await house.put(thread="a")
        where = house.common("a", ADA)
        await house.accept(Deleted(**where, message_id=message.id))
        await house.until_idle()
        _, second = await house.put(thread="b", author=BOB)
    assert second.source is Source.ENGINE


@pytest.mark.parametrize(
    "verdict", [Verdict.UNSCREENED, Verdict.FLAGGED, Verdict.MASKED, Verdict.REFUSED], ids=lambda verdict: verdict.value
)
async def test_only_what_moderation_finds_clean_is_kept(store, verdict):
    async with CachingHouse(store, outer=[judging(verdict)]).at_work() as house:
        await house.put(thread="a")
        await house.put(thread="b")
    assert house.asked == 2


async def test_without_moderation_there_is_nothing_to_find(store):
    async with CachingHouse(store, outer=(), is_screened=False).at_work() as house:
        await house.put(thread="a")
        _, second = await house.put(thread="b")
    assert second.source is Source.CACHE


async def test_what_is_kept_passes_moderation_as_what_is_written_does(store):
    seen = []

    async def screen(turn, call_next):
        async for chunk in call_next(turn):
            seen.append(chunk)
            yield chunk
        yield Screened(Verdict.CLEAN)

    async with CachingHouse(store, outer=[screen]).at_work() as house:
        _, first = await house.put(thread="a")
        seen.clear()
        await house.put(thread="b")
    assert seen == [Text(first.text, Source.CACHE), Written(first.model, source=Source.CACHE)]


async def test_what_a_tool_has_said_is_not_kept(store):
    async def tool(turn, call_next):
        yield Text("12 · 3 = 36", Source.PLUGIN)
        yield Written("calculator", source=Source.PLUGIN)

    async with CachingHouse(store, inner=[tool]).at_work() as house:
        await house.put(thread="a")
        _, second = await house.put(thread="b")
    assert second.source is Source.PLUGIN


async def test_nor_is_an_answer_with_something_of_a_tool_in_it(store):
    async def tool(turn, call_next):
        async for chunk in call_next(turn):
            yield chunk
        yield Image(b"picture", "image/png", "a whale")

    async with CachingHouse(store, inner=[tool]).at_work() as house:
        await house.put(thread="a")
        _, second = await house.put(thread="b")
    assert second.source is Source.ENGINE


@pytest.mark.parametrize(
    "end",
    [
        Delta(finish="length", model="mind@1"),
        Delta(finish="timeout", model="mind@1"),
        Delta(finish="stop", model="stand-in@1", is_fallback=True),
        Delta(finish="stop", model="mind@2"),
    ],
    ids=["cut", "timeout", "fallback", "another version"],
)
async def test_only_the_whole_answer_of_the_model_itself_is_kept(store, end):
    async with CachingHouse(store).at_work() as house:

        async def stream(conversation, params):
            house.mind.heard.append(conversation)
            yield Delta("a whale")
            yield end

        house.mind.stream = stream
        await house.put(thread="a")
        await house.put(thread="b")
    assert house.asked == 2


async def test_a_failure_is_not_kept(store):
    async with CachingHouse(store).at_work() as house:
        house.mind.answers[QUESTION] = RuntimeError()
        await house.put(thread="a")
        del house.mind.answers[QUESTION]
        _, second = await house.put(thread="b")
    assert second.text == f"answer to {QUESTION}"


async def test_another_process_gives_what_this_one_kept(store):
    async with CachingHouse(store).at_work() as house:
        _, first = await house.put(thread="a")
    async with CachingHouse(store).at_work() as other:
        _, second = await other.put(thread="b")
    assert other.asked == 0
    assert second.text == first.text
