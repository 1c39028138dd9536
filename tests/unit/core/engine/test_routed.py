"""Two models behind one door."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from core.engine import Routed
from core.errors import Misconfigured, Unavailable
from core.ports import Conversation, Model
from core.turn import SamplingParams, Utterance
from tests.fakes.engine import ScriptedEngine, say

QUESTION = Conversation("thread", (Utterance("user", "Why is it so?"),))


@pytest.fixture
async def engines():
    chat, code = ScriptedEngine(say("chat")), ScriptedEngine(say("code"))
    chat.model = Model("talker", "talker@1", 8192, params=SamplingParams(temperature=0.6))
    code.model = Model("coder", "coder@1", 4096, params=SamplingParams(temperature=0))
    routed = Routed({"chat": chat, "code": code}, default="chat")
    await routed.start()
    yield routed, chat, code
    await routed.stop()


async def ask(engine, model: str) -> str:
    async with aclosing(engine.stream(replace(QUESTION, model=model), SamplingParams())) as deltas:
        return "".join([delta.text async for delta in deltas])


@pytest.mark.parametrize(("model", "expected"), [("chat", "chat"), ("code", "code"), ("", "chat"), ("art", "chat")])
async def test_a_conversation_goes_to_the_model_it_asks_for(engines, model, expected):
    assert await ask(engines[0], model) == expected


async def test_it_is_known_by_its_talker_with_the_context_that_fits_both(engines):
    routed, *_ = engines
    assert (routed.model.name, routed.model.context) == ("talker", 4096)
    assert [routed.model_of(route).name for route in ("chat", "code", "")] == ["talker", "coder", "talker"]
    assert [model.version for model in routed.models] == ["talker@1", "coder@1"]


async def test_it_counts_as_the_model_that_is_asked_and_before_that_is_known_as_the_larger(engines):
    routed, _, code = engines

    async def many(conversation: Conversation) -> int:
        return 99

    code.count = many
    assert [await routed.count(replace(QUESTION, model=model)) for model in ("chat", "code", "")] == [4, 99, 99]


async def test_where_one_can_not_be_started_none_runs(engines):
    _, chat, code = engines
    await chat.stop()
    await code.stop()

    async def fails() -> None:
        raise Misconfigured

    code.start = fails
    with pytest.raises(Misconfigured):
        await Routed({"chat": chat, "code": code}, default="chat").start()
    assert not chat.is_running


async def test_stopping_stops_both(engines):
    routed, chat, code = engines
    await routed.stop()
    assert [engine.is_running for engine in (chat, code)] == [False, False]
    with pytest.raises(Unavailable):
        await ask(routed, "code")


async def test_it_is_well_while_both_are(engines):
    routed, _, code = engines
    assert routed.is_healthy
    code.is_healthy = False
    assert not routed.is_healthy
