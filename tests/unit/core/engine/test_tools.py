"""A real model that calls a tool, from the prompt to the call."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import torch

from core.engine import EchoEngine, Fallback, Guarded, LocalEngine, Routed
from core.message import Usage
from core.ports import Conversation, Delta, Engine
from core.turn import SamplingParams, Utterance
from tests.fakes.caller import ARGUMENTS, CALLS, TEMPLATES, WEATHER, save_caller
from tests.fakes.metrics import Numbers

GREEDY = SamplingParams(temperature=0, max_new_tokens=40)
PLAIN = Conversation("thread", (Utterance("system", "Be brief."), Utterance("user", "weather today")))
ASKED = replace(PLAIN, tools=(WEATHER,))


@pytest.fixture(scope="module", params=TEMPLATES)
def folder(request, tmp_path_factory):
    return save_caller(tmp_path_factory.mktemp("caller"), request.param)


@pytest.fixture
async def engine(folder) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(folder, slots=4, threads=1)
    await engine.start()
    yield engine
    await engine.stop()


async def answer(engine: Engine, asked: Conversation, params: SamplingParams = GREEDY) -> list[Delta]:
    async with aclosing(engine.stream(asked, params)) as deltas:
        return [delta async for delta in deltas]


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def called(deltas: list[Delta]) -> list[tuple[str, object]]:
    calls = [delta.tool_call for delta in deltas if delta.tool_call]
    return [(call.name, json.loads(call.arguments)) for call in calls]


def usage(deltas: list[Delta]) -> Usage:
    assert deltas[-1].usage is not None
    return deltas[-1].usage


def reused(deltas: list[Delta]) -> int:
    assert deltas[-1].timings is not None
    return deltas[-1].timings.reused


def generate(engine: LocalEngine, asked: Conversation, limit: int) -> tuple[list[int], str]:
    """What the library generates, with and without its special tokens."""
    checkpoint = engine._ready().checkpoint
    prompt = torch.tensor([engine._ready().prompt(asked.turns, asked.tools)])
    mask = torch.ones_like(prompt)
    whole = checkpoint.network.generate(prompt, attention_mask=mask, max_new_tokens=limit, do_sample=False)
    ids = whole[0, prompt.shape[1] :].tolist()
    return ids, str(checkpoint.tokenizer.decode(ids, skip_special_tokens=True))


CALLED = [("weather", json.loads(ARGUMENTS))]


async def test_a_model_calls_the_tool_that_is_offered_and_shows_nothing_of_it(engine):
    assert engine.capabilities.tools
    deltas = await answer(engine, ASKED)
    assert (called(deltas), text(deltas), deltas[-1].finish) == (CALLED, "", "stop")
    assert usage(deltas).prompt_tokens == await engine.count(ASKED) > await engine.count(PLAIN)


async def test_the_tokens_of_a_call_are_those_that_the_library_generates(engine):
    ids, _ = generate(engine, ASKED, 40)
    deltas = await answer(engine, ASKED)
    # The mark behind all calls ends the answer, where there is one, and else the last token does.
    assert 0 <= len(ids) - usage(deltas).completion_tokens <= 1
    said = engine._ready().checkpoint.tokenizer.decode(ids).removesuffix("</s>")
    assert close(said) == close(call_of(engine))


def close(text: str) -> str:
    # The library's decoder makes spaces of the strokes in DeepSeek's marks.
    return "".join(text.replace("▁", " ").split())


def call_of(engine: LocalEngine) -> str:
    template = engine._ready().checkpoint.tokenizer.chat_template
    return next(call for form, call in CALLS.items() if TEMPLATES[form] == template)


async def test_where_no_tool_is_offered_the_text_is_what_the_library_generates(engine):
    for question in ("weather today", "the lazy dog", "fox"):
        asked = Conversation("", (Utterance("user", question),))
        assert text(await answer(engine, asked)) == generate(engine, asked, 40)[1]


async def test_those_who_are_offered_tools_and_those_who_are_not_are_answered_side_by_side(engine):
    alone = text(await answer(engine, PLAIN))
    together = await asyncio.gather(*(answer(engine, asked) for asked in (ASKED, PLAIN, ASKED, PLAIN, ASKED)))
    assert [called(deltas) for deltas in together] == [CALLED, [], CALLED, [], CALLED]
    assert [text(deltas) for deltas in together] == ["", alone, "", alone, ""]


async def test_half_a_call_is_left_out_and_its_answer_ends_as_it_ended(engine):
    for limit in range(1, usage(await answer(engine, ASKED)).completion_tokens - 4):
        deltas = await answer(engine, ASKED, replace(GREEDY, max_new_tokens=limit))
        assert (called(deltas), text(deltas), deltas[-1].finish) == ([], "", "length")


async def test_a_stop_string_within_a_call_ends_nothing(engine):
    deltas = await answer(engine, ASKED, replace(GREEDY, stop=("Tokyo", "weather", "{")))
    assert called(deltas) == CALLED


async def test_what_was_read_with_tools_is_kept_for_the_next_turn(engine):
    again = replace(ASKED, turns=(*ASKED.turns, Utterance("assistant", "today"), Utterance("user", "weather?")))
    first = await answer(engine, replace(ASKED, thread="a"))
    second = await answer(engine, replace(again, thread="a"))
    elsewhere = await answer(engine, replace(again, thread="b"))
    without = await answer(engine, replace(PLAIN, thread="c"))
    assert usage(first).prompt_tokens - 1 <= reused(second)
    assert reused(without) < reused(elsewhere) < reused(second)


async def test_a_chain_passes_calls_on_and_a_model_that_takes_no_tools_goes_without(folder):
    local = LocalEngine(folder, slots=4, threads=1)
    chat = Fallback([Guarded(local, "local", Numbers())], Numbers())
    routed = Routed({"chat": chat, "code": EchoEngine()}, default="chat")
    await routed.start()
    assert routed.capabilities.tools
    assert called(await answer(routed, ASKED)) == CALLED
    assert text(await answer(routed, replace(ASKED, model="code"))) == "weather today"
    await routed.stop()
    assert not local.capabilities.tools
