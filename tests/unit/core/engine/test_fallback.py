"""A chain of engines: who answers when the first does not, what is shown of it, and what is counted."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from core.answer import answer_with
from core.engine import Breaker, Circuit, Fallback, Guarded, is_up
from core.errors import Busy, Malformed, Misconfigured, TooLong, Unavailable
from core.manuscript import Manuscript
from core.message import Author, Message, Replace, ReplyId, Source, ThreadId, Usage, Written
from core.ports import Conversation, Delta, Timings
from core.turn import SamplingParams, Turn, Utterance
from tests.fakes.engine import ScriptedEngine, say
from tests.fakes.metrics import Numbers

QUESTION = Conversation("thread", (Utterance("user", "Where is it?"),))
DIES: tuple[Delta | Exception, ...] = (*say("Half an answer"), Unavailable("it died"))
PARAMS = SamplingParams()
THREAD = ThreadId("console", "local", "web", "t1")
ASKED = Message(
    id="m1",
    thread=THREAD,
    author=Author("console", "local", "ada"),
    sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    text="Where is it?",
)
TURN = Turn(message=ASKED, reply_id=ReplyId("0" * 32))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Chain:
    """Scripted engines in a chain, the first one `first`, with breakers on one clock."""

    def __init__(self, *scripts, **settings) -> None:
        self.numbers, self.clock = Numbers(), Clock()
        self.engines: list[Any] = [ScriptedEngine(script) for script in scripts]
        for number, engine in enumerate(self.engines):
            engine.model = engine.model.__class__(f"m{number}", f"m{number}@1", engine.context)
        names = ("first", "second", "third")
        guarded = [
            Guarded(engine, name, self.numbers, Breaker(clock=self.clock))
            for engine, name in zip(self.engines, names, strict=False)
        ]
        self.fallback: Any = Fallback(guarded, self.numbers, **settings)

    async def __aenter__(self) -> "Chain":
        await self.fallback.start()
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fallback.stop()

    async def ask(self, conversation=QUESTION) -> list[Delta]:
        async with aclosing(self.fallback.stream(conversation, PARAMS)) as deltas:
            return [delta async for delta in deltas]

    def outcomes(self, engine: str) -> dict[str, float]:
        counts = self.numbers.counts.items()
        return {key[2]: value for key, value in counts if key[:2] == ("engine_requests", engine)}


def text(deltas) -> str:
    return "".join(delta.text for delta in deltas)


async def test_the_first_answers_where_it_can():
    async with Chain(say("I am the first."), say("I am the second.")) as chain:
        deltas = await chain.ask()
    assert text(deltas) == "I am the first."
    assert not any(delta.is_anew or delta.is_fallback for delta in deltas)
    assert chain.outcomes("first") == {"answered": 1}
    assert not chain.engines[1].asked


@pytest.mark.parametrize("error", [Unavailable(), Busy(), RuntimeError("who knows")], ids=repr)
async def test_the_next_one_answers_where_the_first_does_not(error):
    async with Chain([error], say("I am the second.")) as chain:
        deltas = await chain.ask()
    assert text(deltas) == "I am the second."
    assert (deltas[-1].model, deltas[-1].is_fallback, deltas[-1].finish) == ("m1@1", True, "stop")
    assert not any(delta.is_anew for delta in deltas)  # nothing had been said
    assert chain.numbers.counts["engine_fallbacks", "second"] == 1
    assert chain.outcomes("first") == {"busy" if isinstance(error, Busy) else "failed": 1}


async def test_what_nobody_expected_is_logged_without_its_words(caplog):
    async with Chain([RuntimeError("Where is it?")]) as chain:
        with pytest.raises(Unavailable):
            await chain.ask()
    assert "first failed" in caplog.text
    assert "Where is it?" not in caplog.text


async def test_what_was_said_by_an_engine_that_died_is_taken_back():
    async with Chain(DIES, say("A whole one.")) as chain:
        deltas = await chain.ask()
        anew = [delta.is_anew for delta in deltas]
        assert anew.count(True) == 1
        assert text(deltas[: anew.index(True)]) == "Half an answer"
        assert text(deltas[anew.index(True) :]) == "A whole one."
        chunks = [chunk async for chunk in answer_with(chain.fallback)(TURN)]
    assert Replace("A", Source.ENGINE) in chunks
    manuscript = Manuscript()
    for chunk in chunks:
        manuscript.take(chunk)
    assert (manuscript.text, manuscript.source) == ("A whole one.", Source.ENGINE)
    assert manuscript.written == Written("m1@1", "stop", None, Usage(3, 5), is_fallback=True)


async def test_what_was_thought_is_taken_back_too():
    script = (Delta(reasoning="Hm."), Unavailable())
    async with Chain(script, [Delta(reasoning="Well. "), *say("Yes.")]) as chain:
        chunks = [chunk async for chunk in answer_with(chain.fallback)(TURN)]
    manuscript = Manuscript()
    for chunk in chunks:
        manuscript.take(chunk)
    assert (manuscript.reasoning, manuscript.text) == ("Well. ", "Yes.")


async def test_three_engines_that_die_one_after_the_other_leave_no_word_behind():
    async with Chain(DIES, DIES, say("At last.")) as chain:
        manuscript = Manuscript()
        async for chunk in answer_with(chain.fallback)(TURN):
            manuscript.take(chunk)
    assert manuscript.text == "At last."


@pytest.mark.parametrize("error", [Malformed(), TooLong()], ids=repr)
async def test_a_bad_question_is_the_askers_and_asked_of_nobody_else(error):
    async with Chain([error], say("I am the second.")) as chain:
        for _ in range(5):
            with pytest.raises(type(error)):
                await chain.ask()
        assert not chain.engines[1].asked
        assert chain.outcomes("first") == {"refused": 5}
        assert chain.fallback.is_healthy


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([Unavailable("the first"), TooLong()], Unavailable),
        ([Unavailable("the first"), Unavailable("the second")], Unavailable),
        ([Unavailable("the first"), Busy()], Busy),
        ([Busy(), Unavailable("the second")], Busy),
    ],
    ids=repr,
)
async def test_where_nobody_answers_the_asker_is_told_the_most_useful_reason(errors, expected):
    async with Chain(*([error] for error in errors)) as chain:
        with pytest.raises(expected) as caught:
            await chain.ask()
    assert expected is Busy or "the first" in str(caught.value)


async def test_an_engine_that_is_down_is_not_asked_until_one_request_finds_it_well_again():
    async with Chain([Unavailable()], say("I am the second.")) as chain:
        first = chain.engines[0]
        for _ in range(6):
            assert text(await chain.ask()) == "I am the second."
        assert len(first.asked) == 3
        assert chain.outcomes("first") == {"failed": 3, "turned_away": 3}
        assert chain.numbers.gauges["engine_breaker", "first"] == 2
        first.script, first.gate = say("I am back."), asyncio.Event()
        chain.clock.now += 5
        trial = asyncio.create_task(chain.ask())
        while len(first.asked) < 4:
            await asyncio.sleep(0)
        assert text(await chain.ask()) == "I am the second."
        first.gate.set()
        assert text(await trial) == text(await chain.ask()) == "I am back."
        assert chain.numbers.gauges["engine_breaker", "first"] == 0


async def test_a_trial_that_is_cancelled_leaves_its_place_to_another():
    async with Chain([Unavailable()]) as chain:
        first = chain.engines[0]
        for _ in range(3):
            with pytest.raises(Unavailable):
                await chain.ask()
        assert not chain.fallback.is_healthy
        first.script, first.gate = say("I am back."), asyncio.Event()
        chain.clock.now += 5
        assert chain.fallback.is_healthy
        trial = asyncio.create_task(chain.ask())
        while len(first.asked) < 4:
            await asyncio.sleep(0)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        assert chain.outcomes("first")["cancelled"] == 1
        first.gate.set()
        assert text(await chain.ask()) == "I am back."


def alone(script: Any, rest: float = 0.01) -> tuple[Guarded, ScriptedEngine]:
    """An engine whose breaker opens at once."""
    engine = ScriptedEngine(script)
    return Guarded(engine, "far", Numbers(), Breaker(failures=1, rest=rest, longest=8 * rest)), engine


async def refused(engine: Guarded) -> None:
    with pytest.raises(Unavailable):
        [delta async for delta in engine.stream(QUESTION, PARAMS)]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked often whether there is something to try out."""
    monkeypatch.setattr("core.engine.guarded._LOOK", 0.001)
    monkeypatch.setattr("core.engine.guarded.LONGEST", 0.001)


async def test_an_engine_that_is_back_is_found_out_though_nobody_asks(looks, caplog):
    caplog.set_level(logging.INFO, "core")
    engine, inner = alone([Unavailable()])
    await engine.start()
    await refused(engine)
    await eventually(lambda: len(inner.asked) >= 4)
    assert not is_up(engine)
    inner.script = say("I am back.")
    await eventually(lambda: is_up(engine) and inner.is_idle)
    _, *trials = inner.asked
    assert {trial.params.max_new_tokens for trial in trials} == {1}
    assert all(QUESTION.turns[0] not in trial.conversation.turns for trial in trials)
    assert [(record.levelname, record.getMessage().partition(",")[0]) for record in caplog.records] == [
        ("WARNING", "The engine far failed several times in a row"),
        ("INFO", "The engine far answers again."),
    ]
    await asyncio.sleep(0.05)
    assert len(inner.asked) == 1 + len(trials), "it is left in peace now"
    await engine.stop()
    inner.script = [Unavailable()]
    await engine.start()
    await refused(engine)
    inner.script = say("I am back.")
    await eventually(lambda: is_up(engine))
    await engine.stop()


async def test_where_somebodys_question_was_the_trial_and_broke_off_it_is_tried_out_again(looks):
    engine, inner = alone([Unavailable()], rest=0.05)
    await engine.start()
    await refused(engine)
    inner.script, inner.gate = DIES, asyncio.Event()
    await eventually(lambda: engine.circuit is Circuit.HALF_OPEN)
    question = asyncio.create_task(refused(engine))
    await asyncio.sleep(0.02)
    inner.gate.set()
    await question
    assert not is_up(engine)
    inner.script = say("I am back.")
    await eventually(lambda: is_up(engine))
    assert inner.asked[-1].params.max_new_tokens == 1, "and nobody had to ask"
    await engine.stop()


async def test_a_word_is_no_proof_that_whole_answers_come(looks):
    """It answers a trial, and breaks off in each answer: its rests grow all the same."""
    seconds = [0.0]
    inner = ScriptedEngine([Unavailable()])
    breaker = Breaker(failures=1, rest=5, longest=60, clock=lambda: seconds[0])
    engine = Guarded(inner, "far", Numbers(), breaker)
    await engine.start()
    rests = []
    for _ in range(5):
        inner.script = DIES
        await refused(engine)
        rests.append(round(breaker.rests_for))
        inner.script = say("Hello")
        seconds[0] += breaker.rests_for
        await engine.stop()  # the next look is at once
        await engine.start()
        await eventually(lambda: is_up(engine))
    assert rests == [5, 10, 20, 40, 60]
    inner.script = say("A whole answer.")
    async with aclosing(engine.stream(QUESTION, PARAMS)) as deltas:
        assert [delta async for delta in deltas]
    inner.script = DIES
    await refused(engine)
    assert breaker.rests_for == 5
    await engine.stop()


async def test_an_engine_that_is_full_is_there(looks):
    engine, inner = alone([Unavailable()])
    await engine.start()
    await refused(engine)
    inner.script = [Busy()]
    await eventually(lambda: is_up(engine))
    await engine.stop()


async def test_a_trial_that_tells_nothing_is_made_again(looks):
    engine, inner = alone([Unavailable()])
    await engine.start()
    await refused(engine)
    inner.script = [TooLong()]
    await eventually(lambda: len(inner.asked) >= 4)
    assert not is_up(engine)
    inner.script = say("I am back.")
    await eventually(lambda: is_up(engine))
    await engine.stop()


class Clumsy(ScriptedEngine):
    """Whose request fails anew while it is called off."""

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        try:
            async for delta in super().stream(conversation, params):
                yield delta
        except asyncio.CancelledError:
            raise Unavailable from None


@pytest.mark.parametrize("kind", [ScriptedEngine, Clumsy])
async def test_whoever_stops_it_ends_its_trial(looks, kind):
    inner = kind([Unavailable()])
    engine = Guarded(inner, "far", Numbers(), Breaker(failures=1, rest=0.01))
    await engine.start()
    await refused(engine)
    inner.gate = asyncio.Event()
    await eventually(lambda: not inner.is_idle)
    async with asyncio.timeout(10):
        await engine.stop()
    assert inner.is_idle
    assert not inner.is_running
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("try out")] == []


async def test_closing_the_stream_closes_the_one_that_speaks():
    async with Chain([Unavailable()], say("I am the second.")) as chain:
        async with aclosing(chain.fallback.stream(QUESTION, PARAMS)) as deltas:
            await anext(deltas)
        assert all(engine.is_idle for engine in chain.engines)
        assert chain.numbers.gauges["engine_waiting", "second"] == 0


async def test_tokens_and_the_first_word_are_counted():
    last = Delta(finish="stop", usage=Usage(100, 7), timings=Timings(0, 0.1, 0.2, reused=60))
    async with Chain([Delta("Yes."), last]) as chain:
        await chain.ask()
    counts = chain.numbers.counts
    kinds = ("prompt", "completion", "reused")
    assert [counts["engine_tokens", "first", kind] for kind in kinds] == [100, 7, 60]
    observed = chain.numbers.observed
    assert len(observed["gen_ai_server_time_to_first_token_seconds", "first", "m0"]) == 1
    assert observed["gen_ai_client_token_usage", "input", "first", "m0"] == [100]
    assert observed["gen_ai_client_token_usage", "output", "first", "m0"] == [7]
    assert len(observed["gen_ai_server_time_per_output_token_seconds", "first", "m0"]) == 1
    assert len(observed["gen_ai_server_request_duration_seconds", "", "first", "m0"]) == 1


async def test_how_long_a_request_took_is_told_by_how_it_ended():
    async with Chain([Unavailable()], say("I am the second.")) as chain:
        await chain.ask()
    observed = chain.numbers.observed
    assert len(observed["gen_ai_server_request_duration_seconds", "failed", "first", "m0"]) == 1
    assert not observed["gen_ai_server_time_to_first_token_seconds", "first", "m0"]
    assert len(observed["gen_ai_server_request_duration_seconds", "", "second", "m1"]) == 1


# ---------------------------------------------------------------------------------------------------- starting


async def test_it_is_known_by_its_first_engine_also_while_that_is_away():
    async with Chain(say("I am the first."), say("I am the second.")) as chain:
        await chain.engines[0].stop()
        assert chain.fallback.model.name == "m0"
        assert text(await chain.ask()) == "I am the second."


async def test_where_the_first_can_not_count_the_next_one_does():
    async with Chain(say("a"), say("b")) as chain:

        async def away(conversation: Conversation) -> int:
            raise Unavailable

        assert await chain.fallback.count(QUESTION) == 3
        chain.engines[0].count = away
        assert await chain.fallback.count(QUESTION) == 3
        chain.engines[1].count = away
        with pytest.raises(Unavailable):
            await chain.fallback.count(QUESTION)


async def test_the_first_must_start():
    chain = Chain(say("a"), say("b"))
    chain.engines[0].start = _fails(9)
    with pytest.raises(Misconfigured):
        await chain.fallback.start()
    assert not chain.engines[1].is_running
    with pytest.raises(Unavailable):
        _ = chain.fallback.model


def _fails(times, then=None):
    left = iter(range(times))

    async def start() -> None:
        if next(left, None) is not None:
            raise Misconfigured("No model server answered.")
        await then()

    return start


async def test_a_later_one_that_is_not_there_yet_is_tried_again_and_said_once(caplog):
    caplog.set_level(logging.INFO)
    chain = Chain([Unavailable()], say("Here I am."), patience=(0.001, 0.002))
    second = chain.engines[1]
    second.start = _fails(4, second.start)
    async with chain:
        with pytest.raises(Unavailable):
            await chain.ask()
        while not second.is_running:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        assert text(await chain.ask()) == "Here I am."
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in said] == [
        "The engine second can't stand in yet, and is tried again by and by: "
        "The configuration does not allow this. No model server answered."
    ]


async def test_stopping_ends_what_is_still_starting():
    chain = Chain(say("a"), say("b"))
    gate = asyncio.Event()
    chain.engines[1].start = gate.wait
    async with chain:
        pass
    assert not any(task.get_name().startswith("start ") for task in asyncio.all_tasks())
    with pytest.raises(Unavailable):
        await chain.ask()


async def test_an_engine_in_two_chains_is_started_once():
    numbers, starts = Numbers(), []
    engine: Any = ScriptedEngine()

    async def start() -> None:
        starts.append(1)
        await asyncio.sleep(0)
        await ScriptedEngine.start(engine)

    engine.start = start
    guarded = Guarded(engine, "shared", numbers)
    await asyncio.gather(Fallback([guarded], numbers).start(), Fallback([guarded], numbers).start())
    assert (starts, engine.is_running) == ([1], True)
