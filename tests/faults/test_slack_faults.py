"""Slack limits, fails, forgets and is not understood: every question has one whole answer all the same."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from aiohttp import web

from bench.database import fetch
from bench.platforms.slack import SIGNING_SECRET, Message, Platform
from bench.process import ParleyServe
from bench.process import running as processes
from bench.until import until
from core.ports import Conversation, Delta
from core.store import Keys
from core.turn import SamplingParams
from tests.fakes.engine import ScriptedEngine, say
from tests.fakes.wire import DONE, piece
from tests.postgres import database
from tests.slack import ANNA, BEN, DIRECT, TOWN, Town, town_with
from tests.slack_moves import HaltingEngine, answer, at_rest, buttons, is_finished, sentence, shown

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

STORY = "Once upon a time there was a town by the sea with a harbour and a market and a bell that nobody had heard."


@pytest.fixture
def house(tmp_path, monkeypatch) -> Any:
    """Opens a town with this engine behind it."""

    def opened(engine: ScriptedEngine, **settings: str) -> Any:
        return town_with(engine, tmp_path, monkeypatch, **settings)

    return opened


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Answers grow in small steps, get their Stop button at once, and nobody is known for long."""
    monkeypatch.setattr("adapters.slack.people._SECONDS", 0.0)
    monkeypatch.setattr("adapters.slack.client._BACKOFF", 0.1)
    monkeypatch.setattr("core.delivery._BACKOFF", 0.3)
    monkeypatch.setattr("adapters.slack.writer._STREAM_EVERY", 0.05)
    monkeypatch.setattr("adapters.slack.writer._STREAM_TIER", 6000)
    monkeypatch.setattr("adapters.slack.writer._EDIT_EVERY", 0.1)
    monkeypatch.setattr("adapters.slack.writer._EDIT_TIER", 6000)
    monkeypatch.setattr("adapters.slack.delivery._STOP_AFTER", 0.1)
    monkeypatch.setattr("adapters.slack.delivery._STATUS_AFTER", 0.01)


async def asks(town: Town, text: str = STORY, *, prepare: Callable[[Platform], None] | None = None) -> Message:
    """A question with one whole answer and nothing beside it, whatever `prepare` lets happen meanwhile."""
    if prepare is not None:
        prepare(town.slack)
    asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
    reply = await town.slack.until(lambda: _whole(town, asked, text), 40)
    await at_rest(town)
    assert town.slack.answers(TOWN, asked) == [reply]
    town.slack.heal()
    return reply


def _whole(town: Town, asked: str, text: str) -> Message | None:
    found = (each for each in town.slack.answers(TOWN, asked) if is_finished(each) and each.markdown == text)
    return next(found, None)


def limited(method: str) -> Callable[[Platform], None]:
    return lambda slack: slack.rate_limit(method, seconds=1)


def broken(method: str) -> Callable[[Platform], None]:
    return lambda slack: slack.break_(method, times=2)


def dropped(method: str) -> Callable[[Platform], None]:
    return lambda slack: slack.drop(method)


def swallowed(method: str) -> Callable[[Platform], None]:
    return lambda slack: slack.swallow(method)


async def asks_with_each_fault(
    town: Town, method: str, *, and_with: Callable[[Platform], None] = lambda slack: None
) -> None:
    for fault in FAULTS:
        print("now", method, fault.__name__)  # which of them it was, where the test fails
        failed = _failures(town, method)
        and_with(town.slack)
        await asks(town, prepare=fault(method))
        assert _failures(town, method) > failed, "nothing went wrong"


def _failures(town: Town, method: str) -> int:
    return len([call for call in town.slack.called(method) if not call.is_ok])


FAULTS = (limited, broken, dropped, swallowed)
STREAMED = (
    "users.info",
    "assistant.threads.setStatus",
    "chat.startStream",
    "chat.postMessage",
    "chat.appendStream",
    "chat.stopStream",
    "chat.delete",
)


class TestOneFaultyCall:
    @pytest.mark.parametrize("method", STREAMED)
    async def test_of_a_streamed_answer_changes_nothing_of_it(self, house, method):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            await asks_with_each_fault(town, method)

    @pytest.mark.parametrize("method", ["chat.postMessage", "chat.update", "chat.delete"])
    async def test_of_an_answer_that_grows_by_edits_neither(self, house, method):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            town.slack.fail("chat.startStream", error="unknown_method")
            assert not (await asks(town)).was_streamed
            await asks_with_each_fault(town, method)
            assert len(town.slack.called("chat.startStream")) == 1
            assert town.slack.called("chat.update")

    async def test_of_an_answer_that_is_there_at_once_neither(self, house):
        async with house(ScriptedEngine([Delta(STORY)])) as town:
            await asks_with_each_fault(town, "chat.postMessage")

    async def test_of_what_is_read_before_saying_it_again_neither(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            await asks_with_each_fault(
                town, "conversations.replies", and_with=lambda slack: slack.swallow("chat.startStream")
            )

    async def test_that_never_answers_is_not_waited_for_where_it_only_says_what_goes_on(self, house, monkeypatch):
        monkeypatch.setattr("adapters.slack.delivery._STATUS_PATIENCE", 0.3)
        engine = HaltingEngine(say(STORY), before=0)
        async with house(engine) as town:
            town.slack.delay("assistant.threads.setStatus", 30)
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await town.slack.until(lambda: town.slack.called("assistant.threads.setStatus"))
            engine.go.set()
            began = monotonic()
            await answer(town, asked, STORY)
            assert monotonic() - began < 5
            town.slack.heal()


class TestStreams:
    async def test_that_cannot_be_opened_for_now_are_replaced_by_edits_and_used_again(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.02)) as town:
            first = await asks(town, prepare=lambda slack: slack.rate_limit("chat.startStream", seconds=1))
            assert (first.was_streamed, first.edits > 0) == (False, True)
            second = await asks(town)
            assert second.was_streamed

    async def test_that_this_workspace_does_not_have_are_not_asked_for_again(self, house, caplog):
        async with house(ScriptedEngine(say(STORY), delay=0.02)) as town:
            for _ in range(2):
                reply = await asks(town, prepare=lambda slack: slack.fail("chat.startStream", error="unknown_method"))
                assert not reply.was_streamed
            assert len(town.slack.called("chat.startStream")) == 1
        assert caplog.text.count("answers are shown by editing a message for a while") == 1

    async def test_that_one_place_does_not_have_are_used_in_another(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.02)) as town:
            first = await asks(
                town, prepare=lambda slack: slack.fail("chat.startStream", error="channel_type_not_supported")
            )
            assert not first.was_streamed
            assert (await asks(town)).was_streamed

    async def test_that_may_not_grow_for_now_grow_later_and_lose_nothing(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.07)) as town:
            reply = await asks(town, prepare=lambda slack: slack.rate_limit("chat.appendStream", seconds=1))
            assert (reply.was_streamed, reply.edits) == (True, 0)
            statuses = [call.status for call in town.slack.called("chat.appendStream")]
            assert statuses.count(429) == 1
            assert 200 in statuses

    async def test_that_end_by_themselves_go_on_as_edits_of_the_same_message(self, house):
        engine = HaltingEngine(say(STORY), before=12, delay=0.02)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await town.slack.until(lambda: town.slack.called("chat.appendStream"))
            assert town.slack.expire_streams() == 1
            (begun,) = [each for each in town.slack.answers(TOWN, asked) if each.was_streamed]
            engine.go.set()
            reply = await answer(town, asked, STORY)
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [reply]
            assert (reply.ts, reply.edits > 0) == (begun.ts, True)

    async def test_that_end_before_they_are_ended_are_finished_by_an_edit(self, house):
        script = [*say(STORY), Delta()]
        engine = HaltingEngine(script, before=len(script) - 1)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await town.slack.until(lambda: [each for each in town.slack.answers(TOWN, asked) if STORY in shown(each)])
            town.slack.expire_streams()
            engine.go.set()
            reply = await answer(town, asked, STORY)
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [reply]
            assert [call.error for call in town.slack.called("chat.stopStream")] == ["message_not_in_streaming_state"]


class TestRefusals:
    async def test_of_an_edit_in_between_leave_the_answer_to_the_last_one(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            town.slack.fail("chat.startStream", error="unknown_method")
            await asks(town, prepare=lambda slack: slack.fail("chat.update", error="msg_blocks_too_long"))
            await asks(town, prepare=lambda slack: slack.fail("chat.update", error="an_error_nobody_knows"))

    async def test_of_more_text_leave_the_answer_to_the_end_of_the_stream(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            await asks(town, prepare=lambda slack: slack.fail("chat.appendStream", error="invalid_chunks"))

    @pytest.mark.parametrize(("method", "times"), [("chat.postMessage", 1), ("chat.stopStream", 1), ("chat.update", 2)])
    async def test_of_too_many_blocks_are_met_with_plain_text(self, house, method, times, caplog):
        engine = ScriptedEngine([Delta(STORY)] if method == "chat.postMessage" else say(STORY), delay=0.03)
        async with house(engine) as town:
            if method == "chat.update":
                town.slack.fail("chat.startStream", error="unknown_method")
            town.slack.fail(method, error="msg_blocks_too_long", times=times)
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            plain = await sentence(town, asked, STORY)
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), plain.blocks) == ([plain], [])
        assert "the answer is sent again as plain text" in caplog.text

    async def test_of_taking_the_stop_button_back_do_not_make_it_a_failure(self, house):
        async with house(ScriptedEngine(say(STORY), delay=0.03)) as town:
            town.slack.fail("chat.delete", error="restricted_action", times=50)
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked, STORY)
            await at_rest(town)
            assert town.rows("SELECT state FROM turns") == [("done",)]
            assert len(town.slack.called("chat.delete")) == 1

    async def test_of_a_place_where_we_are_not_are_told_the_operator_once(self, house, caplog):
        engine = HaltingEngine(say(STORY), before=0)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await engine.halted()
            town.slack.state.conversations.channels[TOWN].members.discard(town.slack.bot.user)
            engine.go.set()
            await until(lambda: _is_buried(town))

            async def is_told() -> bool:
                return "invite" in caplog.text

            await until(is_told, timeout=20)  # once it is buried
            (told,) = [record.getMessage() for record in caplog.records if "invite" in record.getMessage()]
            assert "the bot is not in this channel; invite it" in told
            town.slack.state.conversations.channels[TOWN].members.add(town.slack.bot.user)
            await asks(town)
            assert town.slack.answers(TOWN, asked) == []


async def _is_buried(town: Town) -> bool:
    return town.rows("SELECT status FROM outbox") == [(3,)]


class TestPrivateAnswers:
    @pytest.mark.parametrize("method", ["conversations.open", "chat.postMessage"])
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_that_come_as_a_direct_message_come_once(self, house, method, fault):
        engine = HaltingEngine(say("At last."), before=0)
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            for url in town.slack.state.response_urls.values():
                url.at -= 3600
            fault(method)(town.slack)
            engine.go.set()
            await town.slack.until(lambda: town.slack.answers(DIRECT), 30)
            await at_rest(town)
            assert [each.markdown for each in town.slack.answers(DIRECT)] == ["At last."]

    async def test_through_their_address_are_not_said_twice(self, house):
        engine = HaltingEngine(say("At last."), before=0)
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            town.slack.swallow("response_url")
            engine.go.set()
            await town.slack.until(lambda: len(town.slack.ephemeral) == 2)
            await at_rest(town)
            assert [shown(each) for each in town.slack.ephemeral[1:]] == ["At last."]
            assert town.slack.answers(DIRECT) == []


# -------------------------------------------------------------------------------------------------------------- storms


@dataclass(eq=False)
class Echo(ScriptedEngine):
    """Says what it was asked, word by word."""

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        voice = ScriptedEngine(say(said_of(conversation.turns[-1].text)), delay=self.delay, is_running=True)
        async with aclosing(voice.stream(conversation, params)) as deltas:
            async for delta in deltas:
                yield delta


def said_of(question: str) -> str:
    return f"You asked {question} and here is an answer of some words to {question}"


async def _until_answered(slack: Platform, questions: dict[str, list[str]], timeout: float) -> None:
    def is_all() -> bool:
        return all(
            len([each for each in slack.answers(TOWN, root) if is_finished(each)]) == len(asked)
            for root, asked in questions.items()
        )

    await slack.until(is_all, timeout)


def _nothing_is_lost_repeated_or_mixed_up(slack: Platform, questions: dict[str, list[str]]) -> None:
    for root, asked in questions.items():
        assert [shown(each) for each in slack.answers(TOWN, root)] == [said_of(question) for question in asked]


async def _ask(town: Town, threads: int, each: int) -> dict[str, list[str]]:
    """Questions in threads of their own, each thread's one after another; by the root of the thread."""

    async def thread(number: int) -> tuple[str, list[str]]:
        questions = [f"question {number}.{place}" for place in range(each)]
        root = await town.slack.say(TOWN, (ANNA, BEN)[number % 2], f"{town.mention} {questions[0]}")
        for question in questions[1:]:
            await town.slack.say(TOWN, ANNA, question, thread_ts=root)
        return root, questions

    return dict(await asyncio.gather(*(thread(number) for number in range(threads))))


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_storm_of_faults_loses_repeats_and_mixes_up_nothing(house):
    methods = (*STREAMED, "chat.update", "conversations.replies")
    chance = random.Random(7)

    async def storm(slack: Platform) -> None:
        for _ in range(150):
            method = chance.choice(methods)
            match chance.randrange(6):
                case 0:
                    slack.rate_limit(method, seconds=1)
                case 1:
                    slack.break_(method)
                case 2:
                    slack.drop(method)
                case 3:
                    slack.swallow(method)
                case 4:
                    slack.fail(method, error="internal_error")
                case 5:
                    slack.expire_streams()
            await asyncio.sleep(0.05)  # in the middle of whatever goes on

    async with house(Echo(delay=0.03)) as town:
        town.slack.courier.retry_delays = (0.2,) * 10
        storming = asyncio.create_task(storm(town.slack))
        questions = await _ask(town, 20, 3)
        await storming
        hit = [call for call in town.slack.calls if not call.is_ok]
        town.slack.heal()
        await _until_answered(town.slack, questions, 120)
        await at_rest(town)
        _nothing_is_lost_repeated_or_mixed_up(town.slack, questions)
        assert len(hit) > 50, "the storm was a breeze"


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_slacks_own_limits_are_kept_to_and_everybody_is_answered(house, monkeypatch):
    """Of a shortened minute: as many calls as in a real one, in a tenth of its time."""
    async with house(Echo(delay=0.02)) as town:
        town.slack.server.tiers.minute = 6.0
        town.slack.tiers = True
        questions = await _ask(town, 20, 2)
        await _until_answered(town.slack, questions, 150)
        await at_rest(town)
        _nothing_is_lost_repeated_or_mixed_up(town.slack, questions)
        refused = [call for call in town.slack.calls if call.status == 429]
        assert refused, "nothing was limited, so nothing was tested"
        assert len(refused) < len(town.slack.calls) / 2


# --------------------------------------------------------------------------------------------------------------- kills


class Storyteller:
    """A model server that tells a long story, slowly, about whatever it is asked."""

    url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        question = (await request.json())["messages"][-1]["content"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in re.findall(r"\S+\s*", said_of(question)):
            await response.write(_event(piece(word)))
            await asyncio.sleep(0.0 if "at once" in question else 0.2)  # as slow as a large model
        await response.write(_event(piece("", "stop")) + DONE.encode())
        return response

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "a-model"}]})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {web.json_response(data).text}\n\n".encode()


@asynccontextmanager
async def storyteller() -> AsyncIterator[Storyteller]:
    teller, app = Storyteller(), web.Application()
    app.add_routes([web.post("/v1/chat/completions", teller.chat), web.get("/v1/models", teller.models)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    teller.url = f"http://{host}:{port}/v1"
    try:
        yield teller
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served(folder: Path, way: str) -> AsyncIterator[tuple[Platform, ParleyServe, str]]:
    """Slack, and a server of its own process in front of a slow model; with the URL of its database."""
    async with Platform() as slack, storyteller() as teller:
        slack.add_user(ANNA, "Anna")
        slack.add_channel(TOWN, members=[ANNA])
        slack.courier.retry_delays = (0.5,) * 100
        with database() as url:
            settings = {
                "DATABASE_URL": url,
                "PARLEY_KEYS": Keys.generate().dump(),
                "PARLEY_TURNS__LEASE_SECONDS": "2",
                "PARLEY_ENGINE__BACKEND": "remote",
                "PARLEY_REMOTE__URLS": f'["{teller.url}"]',
                "PARLEY_SLACK__ENABLED": "true",
                "PARLEY_SLACK__API_URL": slack.api_url,
                "PARLEY_SLACK_BOT_TOKEN": slack.bot.token,
                "PARLEY_SLACK_APP_TOKEN" if way == "socket" else "PARLEY_SLACK_SIGNING_SECRET": (
                    slack.state.app_token if way == "socket" else SIGNING_SECRET
                ),
            }
            server = ParleyServe(folder, settings)
            if way == "http":
                slack.events_url = f"{server.url}/channels/slack"
            async with processes(server):
                yield slack, server, url


def _moment(method: str, *, nth: int = 1) -> Callable[[Platform], bool]:
    """When this method was called for the nth time."""

    def has_come(slack: Platform) -> bool:
        return len(slack.called(method)) >= nth

    return has_come


KILLS: Sequence[tuple[str, Callable[[Platform], None], Callable[[Platform], bool]]] = (
    ("in the middle of a stream", lambda slack: None, _moment("chat.appendStream", nth=3)),
    ("before a stream is known", lambda slack: slack.swallow("chat.startStream", times=3), _moment("chat.startStream")),
    ("with a Stop button in the thread", lambda slack: None, _moment("chat.postMessage", nth=2)),
    (
        "before a Stop button is known",
        lambda slack: slack.swallow("chat.postMessage", times=3),
        _moment("chat.postMessage"),
    ),
    (
        "with an answer that was there at once",
        lambda slack: slack.swallow("chat.postMessage", times=3),
        _moment("chat.postMessage"),
    ),
    ("at the end of a stream", lambda slack: slack.swallow("chat.stopStream", times=3), _moment("chat.stopStream")),
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("way", "count"), [("http", None), ("socket", 1)])
async def test_a_server_that_is_killed_answers_everybody_once_after_its_restart(tmp_path, way, count):
    async with served(tmp_path, way) as (slack, server, url):
        mention = f"<@{slack.bot.user}>"
        for name, prepare, has_come in KILLS[:count]:
            del slack.calls[:]
            prepare(slack)
            questions = [f"{name}, question {number}" for number in range(3)]
            roots = await asyncio.gather(*(slack.say(TOWN, ANNA, f"{mention} {each}") for each in questions))
            await slack.until(partial(has_come, slack), 30)
            await server.kill()
            slack.heal()
            await server.start()
            asked = {root: [question] for root, question in zip(roots, questions, strict=True)}
            await _until_answered(slack, asked, 60)
            await until(lambda: _is_worked_off(url), timeout=30)
            _nothing_is_lost_repeated_or_mixed_up(slack, asked)
            assert not [each for each in slack.answers(TOWN) if each.is_streaming or "stop" in buttons(each)]


async def _is_worked_off(url: str) -> bool:
    return await fetch(url, "SELECT 1 FROM inbox WHERE status < 2 UNION ALL SELECT 1 FROM outbox") == []
