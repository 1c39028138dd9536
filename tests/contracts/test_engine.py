"""What every engine promises: the echo, the scripted one, models in this process, one of a chain, and a server's."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.engine import REMOTE, EchoEngine, Fallback, Guarded, LocalEngine, RemoteEngine, Routed
from core.errors import Malformed, TooLong, Unavailable
from core.message import ToolCall, Usage
from core.ports import Conversation, Delta, Engine
from core.turn import SamplingParams, Tool, Utterance
from tests.fakes.caller import WEATHER, save_caller
from tests.fakes.engine import ScriptedEngine, say
from tests.fakes.metrics import Numbers
from tests.fakes.tiny import save_tiny
from tests.model_server import NAME, model_server

SCRIPT = (
    Delta(reasoning="A greeting. "),
    Delta(tool_call=ToolCall("1", "weather", '{"city": "Tokyo"}')),
    *say("Each word of this script is one token, and each space."),
)
GREEDY = SamplingParams(temperature=0, max_new_tokens=24)
LONG = SamplingParams(temperature=0, max_new_tokens=100)
FAILURES = 4  # more than a breaker bears
QUESTION = "What is the weather like today in the browser, in the quick brown fox and in the lazy dog?"


Test = Callable[..., object]


def needs(capability: str) -> Callable[[Test], Test]:
    """The test is expected to fail, and must fail, on an engine without this capability."""

    def mark(test: Test) -> Test:
        test.needs = capability  # type: ignore[attr-defined]
        return test

    return mark


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    return save_caller(tmp_path_factory.mktemp("caller"))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with model_server(tmp_path_factory.mktemp("served")) as url:
        yield url


# `transformers serve` refuses what OpenAI's own API does not know.
SERVED = replace(REMOTE, top_k=False, repetition_penalty=False)


@pytest.fixture(params=["echo", "scripted", "local", "caller", "chain", "remote"])
async def engine(request):
    if request.param == "echo":
        engine: Engine = EchoEngine(context=512)
    elif request.param == "scripted":
        engine = ScriptedEngine(SCRIPT, context=512, limit=8)
    elif request.param in {"local", "caller"}:
        folder = request.getfixturevalue("folder" if request.param == "local" else "caller")
        engine = LocalEngine(folder, slots=2, max_waiting=6, threads=1)
    elif request.param == "chain":
        local = LocalEngine(request.getfixturevalue("folder"), slots=2, max_waiting=6, threads=1)
        engine = Routed({"chat": Fallback([Guarded(local, "local", Numbers())], Numbers())}, default="chat")
    else:
        engine = RemoteEngine([request.getfixturevalue("served")], NAME, context=512, capabilities=SERVED)
    await engine.start()
    capability = getattr(request.function, "needs", None)
    if capability and not getattr(engine.capabilities, capability):
        request.applymarker(pytest.mark.xfail(strict=True, reason=f"{engine.model.name}: no {capability}"))
    yield engine
    await engine.stop()


def conversation(question: str = QUESTION, system: str = "Be brief.", tools: tuple[Tool, ...] = ()) -> Conversation:
    return Conversation("thread", (Utterance("system", system), Utterance("user", question)), tools=tools)


async def ask(engine: Engine, params: SamplingParams = GREEDY, question: str = QUESTION) -> list[Delta]:
    return await answer(engine, conversation(question), params)


async def answer(engine: Engine, asked: Conversation, params: SamplingParams = GREEDY) -> list[Delta]:
    async with aclosing(engine.stream(asked, params)) as deltas:
        return [delta async for delta in deltas]


@asynccontextmanager
async def neighbour(engine: Engine) -> AsyncIterator[None]:
    """Somebody else's answer has begun, goes on meanwhile, and comes whole, word for word as if they were alone."""
    alone = text(await ask(engine, LONG))
    begun = asyncio.Event()

    async def listen() -> list[Delta]:
        try:
            async with aclosing(engine.stream(conversation(), LONG)) as deltas:
                heard = []
                async for delta in deltas:
                    heard.append(delta)
                    begun.set()
                return heard
        finally:
            begun.set()  # also where it never began

    listening = asyncio.create_task(listen())
    await begun.wait()
    yield
    whole = await listening
    assert whole[-1].finish
    assert text(whole) == alone


def usage(deltas: list[Delta]) -> Usage:
    assert deltas[-1].usage is not None
    return deltas[-1].usage


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_the_last_delta_says_how_it_ended_and_who_wrote_it(engine):
    deltas = await ask(engine)
    assert [delta.finish for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    last = deltas[-1]
    assert last.finish in {"stop", "length"}
    assert last.model == engine.model.version
    assert usage(deltas).prompt_tokens > 0
    assert 0 < usage(deltas).completion_tokens <= GREEDY.max_new_tokens
    assert text(deltas)


async def test_an_answer_comes_in_pieces(engine):
    assert sum(bool(delta.text) for delta in await ask(engine)) > 3


@needs("exact_count")
async def test_a_conversation_is_counted_as_the_engine_reads_it(engine):
    asked = conversation("你好! What is the weather?")
    deltas = await ask(engine, question="你好! What is the weather?")
    assert await engine.count(asked) == usage(deltas).prompt_tokens


async def test_a_longer_conversation_counts_more(engine):
    assert await engine.count(conversation(QUESTION * 2)) > await engine.count(conversation())


async def test_an_answer_has_at_most_max_new_tokens(engine):
    deltas = await ask(engine, SamplingParams(temperature=0, max_new_tokens=3))
    assert (deltas[-1].finish, usage(deltas).completion_tokens) == ("length", 3)


@needs("stop")
async def test_a_stop_string_ends_the_answer_and_is_never_shown(engine):
    whole = text(await ask(engine))
    stop = whole[7:12]
    deltas = await ask(engine, SamplingParams(temperature=0, max_new_tokens=24, stop=("", stop)))
    assert text(deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish == "stop"


async def test_the_beginning_of_a_stop_string_that_never_comes_is_shown_at_last(engine):
    whole = text(await ask(engine))
    params = SamplingParams(temperature=0, max_new_tokens=24, stop=(whole[-2:] + "\x00",))
    assert text(await ask(engine, params)) == whole


async def test_answers_given_side_by_side_are_those_given_alone(engine):
    questions = [QUESTION, "Hello!", "你好！今天天气怎么样？", "fox", "def answer(turn): return 7"]
    alone = [text(await ask(engine, question=question)) for question in questions]
    together = await asyncio.gather(*(ask(engine, question=question) for question in questions))
    assert [text(deltas) for deltas in together] == alone


async def test_a_closed_stream_frees_its_place(engine):
    for _ in range(20):
        async with aclosing(engine.stream(conversation(), GREEDY)) as deltas:
            await anext(deltas)
    assert (await ask(engine))[-1].finish


async def test_a_cancelled_reader_frees_their_place(engine):
    for _ in range(20):
        reader = asyncio.create_task(ask(engine, SamplingParams(max_new_tokens=400)))
        await asyncio.sleep(0.002)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    assert (await ask(engine))[-1].finish


@pytest.mark.parametrize("question", ["", "  \n"])
async def test_an_empty_question_is_malformed_and_harms_nobody(engine, question):
    async with neighbour(engine):
        for _ in range(FAILURES):
            with pytest.raises(Malformed):
                await ask(engine, question=question)
            with pytest.raises(Malformed):
                await anext(engine.stream(Conversation("thread", ()), GREEDY))
    assert (await ask(engine))[-1].finish


async def test_too_long_a_conversation_is_refused_and_harms_nobody(engine):
    async with neighbour(engine):
        for _ in range(FAILURES):
            with pytest.raises(TooLong):
                await ask(engine, question="weather " * 2_000)
    assert (await ask(engine))[-1].finish


async def test_two_questions_of_one_thread_at_once_are_answered_as_if_each_were_alone(engine):
    said = (*conversation().turns, Utterance("assistant", "The quick brown fox."))
    asked = [Conversation("one", (*said, Utterance("user", question))) for question in ("And in the browser?", "Why?")]
    alone = [text(await answer(engine, one)) for one in asked]
    async with neighbour(engine):
        together = await asyncio.gather(*(answer(engine, one) for one in asked))
    assert [text(deltas) for deltas in together] == alone


@needs("exact_count")
async def test_a_prompt_that_nearly_fills_the_context_gets_what_room_is_left(engine):
    question = "fox"
    while await engine.count(conversation(question + " fox")) <= 512 - 5:
        question += " fox"
    async with neighbour(engine):
        deltas = await ask(engine, SamplingParams(temperature=0, max_new_tokens=400), question=question)
    assert usage(deltas).prompt_tokens + usage(deltas).completion_tokens <= 512


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": math.nan},
        {"temperature": -1},
        {"temperature": 1e9},
        {"top_p": 0},
        {"top_p": 2},
        {"top_p": math.nan},
        {"top_k": -1},
        {"top_k": 10**9},
        {"repetition_penalty": 0},
        {"repetition_penalty": math.nan},
        {"repetition_penalty": math.inf},
        {"max_new_tokens": 0},
        {"max_new_tokens": -1},
        {"max_new_tokens": 10**9, "stop": ("e", "a", "o")},
        {"seed": -1},
        {"seed": 2**80},
    ],
    ids=str,
)
async def test_no_parameter_harms_anybody(engine, change):
    params = replace(SamplingParams(temperature=1, max_new_tokens=8), **change)
    async with neighbour(engine):
        assert (await ask(engine, params))[-1].finish


WRONG: list[dict[str, Any]] = [
    {"temperature": "hot"},
    {"top_p": None},
    {"top_k": 2.5},
    {"max_new_tokens": "many"},
    {"seed": "seven"},
    {"stop": ("END", 7)},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_a_parameter_of_the_wrong_type_is_malformed_and_harms_nobody(engine, wrong):
    async with neighbour(engine):
        for _ in range(FAILURES):
            with pytest.raises(Malformed):
                await ask(engine, replace(GREEDY, **wrong))
    assert (await ask(engine))[-1].finish


async def test_an_engine_that_does_not_run_is_unavailable(engine):
    await engine.stop()
    with pytest.raises(Unavailable):
        await ask(engine)
    await engine.start()
    assert (await ask(engine))[-1].finish


@needs("seed")
async def test_a_seed_is_told_and_says_the_same_again(engine):
    params = SamplingParams(temperature=2.0, top_p=1, max_new_tokens=24)
    first, other = await asyncio.gather(ask(engine, params), ask(engine, params))
    seed = first[-1].seed
    assert seed is not None
    assert text(first) != text(other)
    again = await ask(engine, SamplingParams(temperature=2.0, top_p=1, max_new_tokens=24, seed=seed))
    assert (text(again), again[-1].seed) == (text(first), seed)


@needs("top_k")
async def test_top_k_of_one_is_the_likeliest_word_at_any_temperature(engine):
    def params(seed: int, top_k: int) -> SamplingParams:
        return SamplingParams(temperature=3.0, top_p=1, top_k=top_k, max_new_tokens=24, seed=seed)

    free = [text(await ask(engine, params(seed, 0))) for seed in range(2)]
    bound = [text(await ask(engine, params(seed, 1))) for seed in range(2)]
    assert free[0] != free[1]
    assert bound == [text(await ask(engine))] * 2


@needs("repetition_penalty")
async def test_a_penalty_keeps_words_from_coming_back(engine):
    penalised = SamplingParams(temperature=0, max_new_tokens=24, repetition_penalty=5.0)
    assert text(await ask(engine, penalised)) != text(await ask(engine))


@needs("queue_position")
async def test_who_waits_is_told_their_place(engine):
    streams = await asyncio.gather(*(ask(engine, SamplingParams(max_new_tokens=60)) for _ in range(6)))
    told = [[delta.position for delta in deltas if delta.position] for deltas in streams]
    waited = [places for places in told if places]
    assert {places[0] for places in waited} == {1, 2, 3, 4}
    assert all(places == sorted(set(places), reverse=True) for places in waited)
    assert all(
        deltas[len(places)].text or deltas[len(places)].finish for deltas, places in zip(streams, told, strict=True)
    )


@needs("reasoning")
async def test_reasoning_comes_apart_from_the_answer(engine):
    deltas = await ask(engine)
    reasoning = "".join(delta.reasoning for delta in deltas)
    assert reasoning
    assert reasoning not in text(deltas)


@needs("tools")
async def test_a_model_may_call_a_tool(engine):
    async with aclosing(engine.stream(conversation(tools=(WEATHER,)), GREEDY)) as deltas:
        told = [delta async for delta in deltas]
    calls = [delta.tool_call for delta in told if delta.tool_call]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "Tokyo"})]
    assert told[-1].finish == "stop"
    assert not told[-1].tool_call
