"""A day in Teams: asked alone and in a channel, answered, asked again, rated in every way, and kept in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from bench.platforms.teams import Call, Message, Platform
from bench.process import ParleyServe
from bench.process import running as processes
from bench.until import until
from core.message import ReplyId
from core.ports import State
from core.store import Keys
from tests.fakes.engine import ScriptedEngine, say
from tests.fakes.wire import DONE, WireServer, piece, running
from tests.postgres import database
from tests.teams import ANNA, BEN, DIRECT, TOWN, Town, settle_in, told_of, town_with
from tests.teams_moves import answer, at_rest, cards, kept, part, person, reply_of, texts, until_scores, votes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

_CAPITAL = "The capital of **Freedonia** is Fredville, a small town by the sea with a harbour and a market."
_RIVER = "It lies on the Fred."


@pytest.fixture
def engine():
    return ScriptedEngine(scripts=[say(_CAPITAL), say(_RIVER)], delay=0.1)


@pytest.fixture
def town(engine, tmp_path, monkeypatch):
    return town_with(engine, tmp_path, monkeypatch)


async def test_a_personal_chat_is_streamed_a_follow_up_knows_what_was_said_and_every_rating_counts(engine, town):
    async with town as town:
        asked = await town.teams.say(DIRECT, ANNA, "What is the capital of Freedonia?")
        first = await answer(town, text=_CAPITAL)
        await at_rest(town)
        _it_was_streamed(town, first)
        _it_says_what_it_is(first)
        capital = reply_of(town, DIRECT)

        engine.delay = 0
        again = await town.teams.say(DIRECT, ANNA, "And on which river?")
        second = await answer(town, text=_RIVER, count=2)
        await at_rest(town)
        _it_says_what_it_is(second)
        assert _last_turns(engine) == ["What is the capital of Freedonia?", _CAPITAL, "And on which river?"]
        assert [message.id for message in town.teams.messages(DIRECT) if not message.card()] == [
            asked,
            first.id,
            again,
            second.id,
        ]

        river = reply_of(town, DIRECT)
        await _anna_says_why_it_was_bad(town, second, river)
        await _anna_reacts(town, first, capital)
        await _the_database_says_exactly_that(
            town, {capital: (_CAPITAL, DIRECT, first), river: (_RIVER, DIRECT, second)}
        )


async def test_a_channel_is_answered_in_the_thread_and_a_follow_up_there_needs_no_mention(engine, town):
    engine.delay = 0.01
    async with town as town:
        asked = await town.teams.say(TOWN, ANNA, f"{town.mention} What is the capital of Freedonia?")
        first = await answer(town, TOWN, asked, text=_CAPITAL)
        await at_rest(town)
        capital = reply_of(town, TOWN, asked)

        await town.teams.say(TOWN, BEN, "And on which river?", thread=asked, is_heard=True)
        second = await answer(town, TOWN, asked, text=_RIVER, count=2)
        await at_rest(town)
        river = reply_of(town, TOWN, asked)
        assert _last_turns(engine) == ["What is the capital of Freedonia?", _CAPITAL, "And on which river?"]
        for message in (first, second):
            _it_says_what_it_is(message)
            assert (message.root, message.was_streamed) == (asked, False)
        assert (texts(town, TOWN), len(cards(town, TOWN, asked))) == ([first, second], 2)

        await town.teams.react(TOWN, first.id, BEN, "heart")
        await until_scores(town, capital, {BEN: 5})
        assert (await town.teams.feedback(TOWN, second.id, ANNA, "like")).problem == ""
        await until_scores(town, river, {ANNA: 5})
        await _the_database_says_exactly_that(
            town, {capital: (_CAPITAL, TOWN, first), river: (_RIVER, TOWN, second)}, askers=("Anna", "Ben")
        )


def _last_turns(engine: ScriptedEngine) -> list[str]:
    return [turn.text for turn in engine.asked[1].conversation.turns[-3:]]


def _it_was_streamed(town: Town, message: Message) -> None:
    """An informative line, then the words as they come, then the whole; each goes on from the one before."""
    calls = town.teams.called("stream")
    kinds = [_info(call)["streamType"] for call in calls]
    assert kinds == ["informative", *["streaming"] * (len(kinds) - 2), "final"]
    assert len(kinds) >= 3
    assert all(call.is_ok for call in calls)
    assert calls[0].args["text"] == "Thinking…"
    said = [call.args["text"] for call in calls[1:]]
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    assert said[0] != _CAPITAL
    assert (message.was_streamed, message.edits, message.text) == (True, 0, _CAPITAL)


def _info(call: Call) -> dict[str, str]:
    return next(entity for entity in call.args["entities"] if entity["type"] == "streaminfo")


def _it_says_what_it_is(message: Message) -> None:
    assert message.is_labelled
    assert message.channel_data["feedbackLoop"] == {"type": "default"}


async def _anna_says_why_it_was_bad(town: Town, message: Message, reply: ReplyId) -> None:
    told = await town.teams.feedback(DIRECT, message.id, ANNA, "dislike", "The Fred is a lake.")
    assert told.problem == ""
    await until_scores(town, reply, {ANNA: 1})
    (vote,) = await votes(town, reply)
    assert (vote.author.id, vote.score, vote.comment) == (person(town, ANNA), 1, "The Fred is a lake.")
    assert vote.model == "scripted@1"


async def _anna_reacts(town: Town, message: Message, reply: ReplyId) -> None:
    await town.teams.react(DIRECT, message.id, ANNA, "like")
    await until_scores(town, reply, {ANNA: 5})
    await town.teams.unreact(DIRECT, message.id, ANNA, "like")
    await until_scores(town, reply, {})
    await town.teams.react(DIRECT, message.id, ANNA, "sad")
    await until_scores(town, reply, {ANNA: 1})
    (vote,) = await votes(town, reply)
    assert (vote.author.id, vote.comment) == (person(town, ANNA), "")


async def _the_database_says_exactly_that(
    town: Town, answers: dict[ReplyId, tuple[str, str, Message]], *, askers: tuple[str, ...] = ("Anna", "Anna")
) -> None:
    await at_rest(town)
    for (id, (text, chat, message)), asker in zip(answers.items(), askers, strict=True):
        reply = await kept(town, id)
        assert (reply.text, reply.asker.name) == (text, f"{asker} Example")
        assert part(chat, message.id) == reply.parts[0]
        async with town.store() as store, store.unit() as unit:
            turn = await unit.turns.get(id)
        assert turn is not None
        assert turn.state is State.DONE
    assert town.rows("SELECT count(*) FROM messages") == [(2,)]
    assert town.rows("SELECT count(*) FROM inbox WHERE status <> 2") == [(0,)]
    assert town.rows("SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.faults
@pytest.mark.parametrize("chat", [DIRECT, TOWN])
async def test_a_server_that_is_killed_while_it_answers_leaves_one_complete_message(tmp_path, chat):
    async with _served(tmp_path) as (town, server, go):
        await town.teams.say(chat, ANNA, f"{town.mention} What is the capital of Freedonia?")
        begun = await town.teams.until(lambda: next(iter(texts(town, chat)), None), 30)
        await until(lambda: _is_known(town), timeout=10)
        assert (begun.is_streaming, begun.text in _CAPITAL) == (chat == DIRECT, True)
        await server.kill()
        go.set()
        await server.start()
        whole = await town.teams.until(
            lambda: [each for each in texts(town, chat) if each.text == _CAPITAL and each.has_feedback], 30
        )
        await at_rest(town)
        assert (texts(town, chat), [each.is_streaming for each in town.teams.answers(chat)]) == (whole, [False, False])
        assert (whole[0].id, len(cards(town, chat))) == (begun.id, 1)
        _it_says_what_it_is(whole[0])


async def _is_known(town: Town) -> bool:
    """Whether the house knows the message; before, Teams alone does, and the answer would come again with a mark."""
    return town.rows("SELECT count(*) > 0 FROM parts") == [(True,)]


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[tuple[Town, ParleyServe, asyncio.Event]]:
    """Teams, and a server of its own process before a model that halts in the middle of its answer until it may go."""
    go = asyncio.Event()
    words = [piece(f"{word} ") for word in _CAPITAL.split(" ")]
    words[-1] = piece(_CAPITAL.split(" ")[-1])
    model = WireServer([*words[:8], go, *words[8:], piece("", "stop"), DONE])
    async with Platform() as teams, running(model):
        settle_in(teams)
        with database() as url:
            settings = told_of(teams) | {
                "DATABASE_URL": url,
                "PARLEY_KEYS": Keys.generate().dump(),
                "PARLEY_TURNS__LEASE_SECONDS": "2",
                "PARLEY_ENGINE__BACKEND": "remote",
                "PARLEY_REMOTE__URLS": f'["{model.url}"]',
            }
            server = ParleyServe(folder, settings)
            teams.endpoint = f"{server.url}/channels/teams"
            async with processes(server):
                yield Town(teams, server.url, url), server, go
