"""The model to measure with speaks the wire that our engine and the openai client read."""

from collections.abc import AsyncGenerator
from time import monotonic

import pytest
from aiohttp import web

from bench.model_peer import NAME, answer_to, make_app
from core.engine import RemoteEngine
from core.ports import Conversation
from core.turn import SamplingParams, Utterance

QUESTION = "What is  said\nhere?"


@pytest.fixture
async def peer() -> AsyncGenerator[object, None]:
    """Starts peers that take so many seconds; gives their base URL."""
    runners: list[web.AppRunner] = []

    async def start(seconds: float) -> str:
        runners.append(runner := web.AppRunner(make_app(seconds)))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("seconds", [0, 0.2])
async def test_our_engine_reads_the_whole_answer_of_it(peer, seconds):
    engine = RemoteEngine([await peer(seconds)], NAME)
    await engine.start()
    began = monotonic()
    turns = (Utterance("user", QUESTION),)
    deltas = [delta async for delta in engine.stream(Conversation("thread", turns), SamplingParams())]
    await engine.stop()
    assert "".join(delta.text for delta in deltas) == answer_to(QUESTION, seconds)
    assert deltas[-1].finish == "stop"
    assert monotonic() - began >= seconds


@pytest.mark.parametrize("seconds", [0, 0.2])
async def test_a_client_that_does_not_stream_reads_the_same(peer, seconds):
    openai = pytest.importorskip("openai")
    client = openai.AsyncOpenAI(base_url=await peer(seconds), api_key="none")
    completion = await client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": QUESTION}])
    await client.close()
    assert completion.choices[0].message.content == answer_to(QUESTION, seconds)


def test_an_answer_that_takes_time_has_something_to_say_meanwhile():
    assert answer_to(QUESTION, 0) == QUESTION
    assert answer_to(QUESTION, 2).startswith(QUESTION)
    assert len(answer_to(QUESTION, 2).split()) > 20
