"""A day in Slack: asked in a channel, answered as a stream, asked again, rated in every way, and kept in Postgres."""

import pytest

from bench.platforms.slack import Message
from core.message import PartId, ReplyId
from core.ports import State, Vote
from tests.fakes.engine import ScriptedEngine, say
from tests.slack import ANNA, BEN, TOWN, WAYS, Town, town_with

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

_CAPITAL = "The capital of **Freedonia** is Fredville, a small town by the sea with a harbour and a market."
_RIVER = "It lies on the Fred."


@pytest.fixture
def engine():
    return ScriptedEngine(scripts=[say(_CAPITAL), say(_RIVER)], delay=0.02)


@pytest.mark.parametrize("way", WAYS)
async def test_a_mention_is_streamed_a_follow_up_knows_what_was_said_and_every_rating_counts(
    way, engine, tmp_path, monkeypatch
):
    async with town_with(engine, tmp_path, monkeypatch, way=way) as town:
        asked = await town.slack.say(TOWN, ANNA, f"{town.mention} What is the capital of Freedonia?")
        first = await _answer(town, asked, _CAPITAL)
        await _it_was_streamed(town, first)

        await town.slack.say(TOWN, ANNA, "And on which river?", thread_ts=asked)
        second = await _answer(town, asked, _RIVER)
        assert [turn.text for turn in engine.asked[1].conversation.turns[-3:]] == [
            "What is the capital of Freedonia?",
            _CAPITAL,
            "And on which river?",
        ]

        await _anna_says_why_it_was_bad(town, second)
        await _ben_reacts(town, first)
        await _the_database_says_exactly_that(town, first, second)


async def _answer(town: Town, asked: str, text: str) -> Message:
    """The answer that says this, once its buttons stand under it."""

    def found() -> Message | None:
        answers = town.slack.answers(TOWN, asked)
        return next((each for each in answers if each.markdown == text and _is_finished(each)), None)

    return await town.slack.until(found)


def _is_finished(message: Message) -> bool:
    return not message.is_streaming and any(block["type"] == "context_actions" for block in message.blocks)


async def _it_was_streamed(town: Town, answer: Message) -> None:
    assert answer.was_streamed
    assert answer.edits == 0
    assert [call.status for call in town.slack.calls if call.method.endswith("Stream")] == [200] * 3 or (
        len(town.slack.called("chat.appendStream")) >= 1
    )
    (start,) = town.slack.called("chat.startStream")
    assert (start.args["recipient_user_id"], start.args["recipient_team_id"]) == (ANNA, town.slack.bot.team)


async def _anna_says_why_it_was_bad(town: Town, answer: Message) -> None:
    await town.slack.click(TOWN, answer.ts, ANNA, "feedback", is_positive=False)
    view = (await town.slack.until(lambda: town.slack.open_views(ANNA)))[0]
    await town.slack.submit(
        view, ANNA, {"reason": {"reason": "incorrect"}, "comment": {"comment": "The Fred is a lake."}}
    )
    assert town.slack.open_views(ANNA) == []


async def _ben_reacts(town: Town, answer: Message) -> None:
    await town.slack.react(TOWN, answer.ts, BEN, "+1::skin-tone-4")
    await _until_votes(town, answer, {BEN: 5})
    await town.slack.unreact(TOWN, answer.ts, BEN, "+1::skin-tone-4")
    await _until_votes(town, answer, {})
    await town.slack.react(TOWN, answer.ts, BEN, "-1")
    await _until_votes(town, answer, {BEN: 1})


async def _until_votes(town: Town, answer: Message, expected: dict[str, int]) -> None:
    async def counted() -> bool:
        return {vote.author.id: vote.score for vote in await _votes(town, answer) if vote.score} == expected

    for _ in range(200):
        if await counted():
            return
    raise AssertionError(f"the votes never were {expected}")


async def _votes(town: Town, answer: Message) -> tuple[Vote, ...]:
    async with town.store() as store, store.unit() as unit:
        return await unit.ratings.votes(_reply_of(answer))


def _reply_of(answer: Message) -> ReplyId:
    assert answer.metadata is not None
    return ReplyId(answer.metadata["event_payload"]["reply"])


async def _the_database_says_exactly_that(town: Town, first: Message, second: Message) -> None:
    await _until_votes(town, second, {ANNA: 1})
    (vote,) = await _votes(town, second)
    assert (vote.reason, vote.comment, vote.model) == ("incorrect", "The Fred is a lake.", "scripted@1")
    async with town.store() as store, store.unit() as unit:
        for answer, text in ((first, _CAPITAL), (second, _RIVER)):
            reply = await unit.replies.get(_reply_of(answer))
            turn = await unit.turns.get(_reply_of(answer))
            assert reply is not None
            assert turn is not None
            assert (reply.text, reply.asker.name) == (text, "Anna")
            assert reply.parts == (PartId("slack", town.slack.bot.team, TOWN, answer.ts),)
            assert turn.state is State.DONE
    assert town.rows("SELECT count(*) FROM messages") == [(2,)]
    assert town.rows("SELECT count(*) FROM inbox WHERE status <> 2") == [(0,)]
    assert town.rows("SELECT count(*) FROM outbox") == [(0,)]
