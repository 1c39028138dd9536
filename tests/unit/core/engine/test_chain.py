"""Real engines in a chain: a model that hangs, servers that are away, and who answers meanwhile."""

import asyncio
import threading
import time
from contextlib import aclosing, asynccontextmanager

import pytest

from bench.process import free_port
from core.engine import Breaker, Fallback, Guarded, LocalEngine, RemoteEngine, is_up
from core.errors import Unavailable
from core.ports import Conversation, Delta
from core.turn import SamplingParams, Utterance
from tests.fakes.metrics import Numbers
from tests.fakes.wire import Refusal, WireServer, running

LONG = SamplingParams(temperature=0, max_new_tokens=200)
QUESTION = Conversation("thread", (Utterance("user", "Hello!"),))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Hanging:
    """Stands before a network's forward pass and, once told to, never comes back until it is let."""

    def __init__(self, engine: LocalEngine, monkeypatch) -> None:
        network = engine._ready().checkpoint.network
        self._forward, self.hangs, self.gate = network.forward, False, threading.Event()
        monkeypatch.setattr(network, "forward", self)

    def __call__(self, *args, **kwargs):
        if self.hangs:
            self.gate.wait(timeout=20)
        return self._forward(*args, **kwargs)


@asynccontextmanager
async def chain(*engines, clock=None, **settings):
    names = ("first", "second")
    breakers = (Breaker(clock=clock) if clock else Breaker() for _ in engines)
    guarded = [Guarded(*one[:2], Numbers(), one[2]) for one in zip(engines, names, breakers, strict=False)]
    fallback = Fallback(guarded, Numbers(), **settings)
    await fallback.start()
    try:
        yield fallback
    finally:
        await fallback.stop()


async def ask(engine, params=LONG) -> list[Delta]:
    async with aclosing(engine.stream(QUESTION, params)) as deltas:
        return [delta async for delta in deltas]


def are_all_up(engine: Fallback) -> bool:
    return all(one.is_healthy for one in engine._engines)


def text(deltas) -> str:
    return "".join(delta.text for delta in deltas)


def local(folder, **settings) -> LocalEngine:
    return LocalEngine(folder, slots=4, threads=1, **settings)


async def until(condition, seconds=20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_where_a_model_hangs_in_its_answer_the_next_one_answers_whole(folder, monkeypatch):
    first, second = local(folder, step_seconds=2), local(folder)
    async with chain(first, second) as engine:
        await until(lambda: are_all_up(engine))
        right = text(await ask(second))
        broken = Hanging(first, monkeypatch)
        began = time.monotonic()
        said: list[Delta] = []
        async with aclosing(engine.stream(QUESTION, LONG)) as deltas:
            async for delta in deltas:
                broken.hangs = True
                if delta.is_anew:
                    said.clear()
                said.append(delta)
        assert time.monotonic() - began < 15
        assert text(said) == right
        assert said[0].is_anew
        assert said[-1].is_fallback
        broken.hangs = False
        broken.gate.set()
        assert not (await ask(engine))[-1].is_fallback  # it was started again, and nobody was kept from it


async def test_a_server_that_is_away_at_the_start_stands_in_once_it_is_there(folder, monkeypatch):
    first, port = local(folder), free_port()
    second = RemoteEngine([f"http://127.0.0.1:{port}/v1"], "a-model", start_timeout=0)
    async with chain(first, second, patience=(0.05, 0.1)) as engine:
        assert text(await ask(engine))
        await first.stop()
        with pytest.raises(Unavailable):
            await ask(engine)
        async with running(WireServer(), port):
            await until(lambda: engine._engines[1].is_healthy)
            deltas = await ask(engine)
            assert (text(deltas), deltas[-1].is_fallback, deltas[-1].model) == ("Hello there", True, "a-model")


async def test_a_server_that_comes_back_is_found_by_one_request(folder):
    async with running(WireServer()) as server:
        clock, second = Clock(), local(folder)
        async with chain(RemoteEngine([server.url], "a-model"), second, clock=clock) as engine:
            await until(lambda: are_all_up(engine))
            assert text(await ask(engine)) == "Hello there"
            server.answer = Refusal(503)
            assert [(await ask(engine))[-1].is_fallback for _ in range(5)] == [True] * 5
            assert len(server.asked) == 1 + 3
            server.answer = WireServer().answer
            assert (await ask(engine))[-1].is_fallback
            clock.now += 5
            assert [text(await ask(engine)) for _ in range(2)] == ["Hello there"] * 2


async def test_a_server_that_comes_back_is_found_though_nobody_asks(monkeypatch):
    monkeypatch.setattr("core.engine.guarded._LOOK", 0.01)
    port = free_port()
    engine = Guarded(RemoteEngine([f"http://127.0.0.1:{port}/v1"], "a-model"), "far", Numbers(), Breaker(rest=0.05))
    async with running(WireServer(), port):
        await engine.start()
    try:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await ask(engine)
        assert not is_up(engine)
        async with running(WireServer(), port) as server:
            await until(lambda: is_up(engine))
            (asked,) = server.asked
            assert asked["max_tokens"] == 1
    finally:
        await engine.stop()


async def test_a_server_that_falls_silent_is_followed_by_the_next(folder):
    async with running(WireServer([{"choices": []}, asyncio.Event()])) as server:
        second = local(folder)
        async with chain(RemoteEngine([server.url], "a-model", silence=0.2), second) as engine:
            await until(lambda: are_all_up(engine))
            began = time.monotonic()
            assert (await ask(engine))[-1].is_fallback
            assert time.monotonic() - began < 10
