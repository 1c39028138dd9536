"""The engine in this process: beside the event loop, under load, and when something breaks."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine import EchoEngine, LocalEngine, demo_folder
from core.errors import Busy, Misconfigured, Unavailable
from core.ports import Conversation, Delta
from core.turn import SamplingParams, Utterance
from tests.fakes.tiny import SPECIAL, TEMPLATE, save_tiny

LONG = SamplingParams(temperature=0, max_new_tokens=400)
SHORT = SamplingParams(temperature=0, max_new_tokens=12)


def conversation(question: str = "Hello!") -> Conversation:
    return Conversation("thread", (Utterance("user", question),))


async def ask(engine, params: SamplingParams = SHORT, question: str = "Hello!") -> list[Any]:
    async with aclosing(engine.stream(conversation(question), params)) as deltas:
        return [delta async for delta in deltas]


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.fixture
async def engine(folder):
    engine = LocalEngine(folder, slots=8, max_waiting=24, threads=1)
    await engine.start()
    yield engine
    await engine.stop()


def generate(engine: LocalEngine, question: str, limit: int) -> str:
    checkpoint = engine._ready().checkpoint
    prompt = torch.tensor([engine._ready().prompt(conversation(question).turns)])
    whole = checkpoint.network.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=limit, do_sample=False
    )
    return str(checkpoint.tokenizer.decode(whole[0, prompt.shape[1] :], skip_special_tokens=True))


async def test_streamed_text_is_what_the_library_generates_for_mixed_requests_at_once(engine):
    questions = [("weather today? " * (1 + index * 5 % 17), 4 + index * 3) for index in range(20)]
    noise = asyncio.gather(*(ask(engine, SamplingParams(temperature=1.5, max_new_tokens=30)) for _ in range(10)))
    streams = await asyncio.gather(
        *(ask(engine, SamplingParams(temperature=0, max_new_tokens=n), question) for question, n in questions)
    )
    await noise
    assert [text(deltas) for deltas in streams] == [generate(engine, question, n) for question, n in questions]


async def test_who_comes_when_all_places_are_taken_is_told_so(folder):
    engine = LocalEngine(folder, slots=2, max_waiting=4, threads=1)
    await engine.start()
    outcomes = await asyncio.gather(*(ask(engine) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 14
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 6
    assert text(await ask(engine))
    await engine.stop()


async def test_a_closed_stream_leaves_nothing_behind(engine):
    for _ in range(30):
        async with aclosing(engine.stream(conversation(), LONG)) as deltas:
            await anext(deltas)
    await ask(engine)
    scheduler = engine._ready().scheduler
    await until(lambda: scheduler.is_idle)
    assert (scheduler.slots_in_use, engine._in_house) == (0, 0)


async def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


class Breakable:
    """Stands before a network's forward pass and lets some calls fail."""

    fails: Callable[[torch.Tensor], Any] | None = None
    error: Exception = RuntimeError("simulated")

    def __init__(self, engine: LocalEngine, monkeypatch) -> None:
        self.network = engine._ready().checkpoint.network
        self._forward = self.network.forward
        monkeypatch.setattr(self.network, "forward", self)

    def __call__(self, *args, **kwargs):
        if self.fails and self.fails(kwargs["input_ids"]):
            raise self.error
        return self._forward(*args, **kwargs)


async def test_a_step_that_fails_is_tried_again_and_nobody_notices(engine, monkeypatch):
    right = text(await ask(engine, LONG))
    broken = Breakable(engine, monkeypatch)
    speaking = [asyncio.create_task(ask(engine, LONG)) for _ in range(4)]
    await until(lambda: engine._ready().scheduler.slots_in_use == 4)
    failures = iter([True])
    broken.fails = lambda ids: ids.shape[1] == 1 and next(failures, False)
    assert [text(deltas) for deltas in await asyncio.gather(*speaking)] == [right] * 4


@pytest.mark.parametrize(
    "error", [RuntimeError("simulated"), torch.OutOfMemoryError("simulated")], ids=["fault", "oom"]
)
async def test_more_at_once_than_the_machine_can_do_are_answered_in_smaller_batches(engine, monkeypatch, error):
    questions = [f"What is the weather {number}?" for number in range(8)]
    right = [text(await ask(engine, question=question)) for question in questions]
    broken = Breakable(engine, monkeypatch)
    broken.error, broken.fails = error, lambda ids: ids.shape[0] > 3
    answers = await asyncio.gather(*(ask(engine, question=question) for question in questions))
    assert [text(deltas) for deltas in answers] == right
    assert all(deltas[-1].usage.completion_tokens for deltas in answers)


async def test_those_who_wait_outlive_a_step_that_fails(folder, monkeypatch):
    engine = LocalEngine(folder, slots=1, threads=1)
    await engine.start()
    network = engine._ready().checkpoint.network
    forward, calls = network.forward, []

    def broken(*args, **kwargs):
        calls.append(1)
        if len(calls) in (30, 31):
            raise RuntimeError("simulated")
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", broken)
    first = asyncio.create_task(ask(engine, LONG))
    await until(lambda: engine._ready().scheduler.slots_in_use == 1)
    second = await ask(engine)
    assert second[-1].finish
    with pytest.raises(Unavailable):
        await first
    await engine.stop()


async def test_a_model_that_hangs_is_started_again_and_its_callers_are_told(folder, monkeypatch):
    engine = LocalEngine(folder, slots=4, threads=1, step_seconds=2)
    await engine.start()
    right = text(await ask(engine))
    network = engine._ready().checkpoint.network
    forward, gate, hanging = network.forward, threading.Event(), threading.Event()

    def hangs(*args, **kwargs):
        if hanging.is_set():
            gate.wait(timeout=20)
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", hangs)
    asked = [asyncio.create_task(ask(engine, LONG)) for _ in range(6)]
    await until(lambda: engine._ready().scheduler.slots_in_use == 4)
    hanging.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    hanging.clear()
    assert text(await ask(engine)) == right
    assert engine.is_healthy
    gate.set()
    await until(lambda: sum(thread.name == "parley-engine" for thread in threading.enumerate()) == 1)
    await engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_dies_is_replaced(engine, monkeypatch):
    right = text(await ask(engine))
    scheduler = engine._ready().scheduler

    def dies(self) -> None:
        raise SystemExit

    monkeypatch.setattr(scheduler, "step", dies.__get__(scheduler))
    with pytest.raises(Unavailable):
        await ask(engine)
    await until(lambda: engine._ready().scheduler is not scheduler)
    assert text(await ask(engine)) == right


async def test_a_model_that_never_recovers_needs_a_new_process(folder, monkeypatch):
    engine = LocalEngine(folder, threads=1)
    await engine.start()
    for _ in range(4):
        assert engine.is_healthy
        scheduler = engine._ready().scheduler
        monkeypatch.setattr(scheduler, "run", lambda: None)
        scheduler.close()
        await until(lambda lost=scheduler: engine._is_broken or engine._ready().scheduler is not lost)
    assert not engine.is_healthy
    with pytest.raises(Unavailable):
        await ask(engine)
    await engine.stop()


@pytest.mark.parametrize("where", ["core.engine.runner.Runner.warm_up", "core.engine.running.Runner"])
async def test_a_device_that_hangs_for_good_needs_a_new_process(folder, monkeypatch, where):
    """The new thread hangs as the old one does: in its first step, or while what it needs is laid out on the device."""
    engine, gate = LocalEngine(folder, slots=2, threads=1, step_seconds=0.2), threading.Event()
    await engine.start()
    Breakable(engine, monkeypatch).fails = lambda ids: gate.wait(20)
    monkeypatch.setattr(where, lambda *args, **settings: gate.wait(20))
    try:
        with pytest.raises(Unavailable):
            await ask(engine)
        waiting = asyncio.create_task(ask(engine))
        await until(lambda: not engine.is_healthy)
        with pytest.raises(Unavailable):
            await waiting
    finally:
        gate.set()
    await engine.stop()


async def test_an_answer_that_takes_too_long_is_cut_and_one_that_never_begins_is_given_up(folder, monkeypatch):
    engine = LocalEngine(folder, slots=1, threads=1, request_seconds=1)
    await engine.start()
    Breakable(engine, monkeypatch).fails = lambda ids: time.sleep(0.02)
    outcomes: list[Any] = await asyncio.gather(ask(engine, LONG), ask(engine, LONG), return_exceptions=True)
    first, second = sorted(outcomes, key=lambda outcome: isinstance(outcome, Unavailable))
    assert text(first)
    assert (first[-1].finish, first[-1].usage.completion_tokens > 1) == ("timeout", True)
    assert isinstance(second, Unavailable)
    await until(lambda: engine.in_house == 0)
    await engine.stop()


async def test_the_second_turn_of_a_thread_reads_what_is_new_and_says_the_same(engine):
    turns: tuple[Utterance, ...] = (Utterance("system", "Be brief. " * 3), Utterance("user", "weather today? " * 8))
    first = await said(engine, "a thread", turns)
    turns = (*turns, Utterance("assistant", text(first)), Utterance("user", "And tomorrow?"))
    second = await said(engine, "a thread", turns)
    elsewhere = await said(engine, "another thread", turns)
    assert first[-1].usage.prompt_tokens - 1 <= second[-1].timings.reused < second[-1].usage.prompt_tokens
    assert 0 < elsewhere[-1].timings.reused < first[-1].usage.prompt_tokens - 10  # the system prompt alone
    assert text(second) == text(elsewhere) == text(await said(engine, "", turns))


async def said(engine: LocalEngine, thread: str, turns: tuple[Utterance, ...]) -> list[Any]:
    async with aclosing(engine.stream(Conversation(thread, turns), SHORT)) as deltas:
        return [delta async for delta in deltas]


async def test_stopping_tells_everybody_and_ends_the_thread_at_once(folder):
    engine = LocalEngine(folder, slots=2, threads=1)
    await engine.start()
    asked = [asyncio.create_task(ask(engine, LONG)) for _ in range(6)]
    await until(lambda: engine._ready().scheduler.slots_in_use == 2)
    began = time.monotonic()
    await engine.stop()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert time.monotonic() - began < 2
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert not any(thread.name == "parley-engine" for thread in threading.enumerate())


async def test_a_model_that_can_not_be_loaded_says_why_and_leaves_no_thread(tmp_path):
    engine = LocalEngine(tmp_path / "nowhere")
    with pytest.raises(Misconfigured, match="nowhere"):
        await engine.start()
    with pytest.raises(Unavailable):
        await ask(engine)
    await until(lambda: not any(thread.name == "parley-engine" for thread in threading.enumerate()))


async def test_a_start_that_is_cancelled_ends_its_thread(folder):
    start = asyncio.create_task(LocalEngine(folder).start())
    await asyncio.sleep(0)
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    await until(lambda: not any(thread.name == "parley-engine" for thread in threading.enumerate()))


async def test_reasoning_opened_by_the_template_comes_apart(tmp_path, monkeypatch):
    template = TEMPLATE.replace("<|assistant|>{% endif %}", "<|assistant|><think>\n{% endif %}")
    engine = LocalEngine(save_tiny(tmp_path, template, [*SPECIAL, "<think>", "</think>"]), threads=1)
    await engine.start()
    assert engine.capabilities.reasoning
    deltas = await ask(engine, SamplingParams(temperature=0, max_new_tokens=8))
    assert "".join(delta.reasoning for delta in deltas)
    assert "<think>" not in text(deltas)
    await engine.stop()


async def test_the_event_loop_stays_free_while_the_model_computes(engine, monkeypatch):
    network = engine._ready().checkpoint.network
    forward, gate = network.forward, threading.Event()

    def slow(*args, **kwargs):
        assert gate.wait(timeout=10), "the loop never got its turn"
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", slow)
    answer = asyncio.create_task(ask(engine))
    await until(lambda: engine._ready().scheduler.slots_in_use == 1)
    assert await engine.count(conversation()) > 0
    gate.set()
    assert text(await answer)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_many_threads_leave_no_growth(engine):
    async def rounds(count: int) -> int:
        for number in range(count):
            conversations = (
                Conversation(f"thread {number}:{n}", (Utterance("user", f"Hello {n}"),)) for n in range(20)
            )
            await asyncio.gather(*(one(conversation) for conversation in conversations))
        return resident()

    async def one(conversation: Conversation) -> None:
        async with aclosing(engine.stream(conversation, SamplingParams(max_new_tokens=1))) as deltas:
            async for _ in deltas:
                pass

    before = await rounds(20)
    assert await rounds(40) - before < 8_000_000


async def test_the_bundled_demo_says_that_it_is_one():
    if not (demo_folder() / "config.json").exists():
        pytest.skip("the demo checkpoint is not there; make it with `parley demo train`")
    engine = LocalEngine(demo_folder(), threads=1)
    await engine.start()
    assert engine.model.is_demo
    assert "Parley" in text(await ask(engine, SamplingParams(temperature=0), "What is Parley?"))
    await engine.stop()


def test_the_echo_needs_no_model_library():
    heavy = "import core.engine, sys; sys.exit(bool({'torch', 'transformers', 'tokenizers'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0


async def test_the_echo_says_the_question_back():
    engine = EchoEngine()
    await engine.start()
    assert text(await ask(engine, SamplingParams(), " Hello,  世界!\nBye ")) == "Hello,  世界!\nBye "
    assert text(await ask(engine, SamplingParams(max_new_tokens=2), "one two three")) == "one two "


async def test_a_beginning_that_fails_once_is_begun_again(folder, monkeypatch):
    engine = LocalEngine(folder, slots=2, threads=1, step_seconds=1)
    await engine.start()
    right, set_up, tries = text(await ask(engine)), engine._set_up, []

    def fails_at_first(*args):
        tries.append(args)
        if len(tries) == 1:
            raise RuntimeError("no memory just now")
        return set_up(*args)

    monkeypatch.setattr(engine, "_set_up", fails_at_first)
    broken = Breakable(engine, monkeypatch)
    broken.fails = lambda ids: time.sleep(3)
    with pytest.raises(Unavailable):
        await ask(engine)
    broken.fails = None
    assert text(await ask(engine)) == right
    assert (len(tries), engine.is_healthy) == (2, True)
    await engine.stop()


async def test_an_engine_that_cannot_be_started_again_says_so(folder, monkeypatch):
    engine = LocalEngine(folder, slots=2, threads=1, step_seconds=0.2)
    await engine.start()
    Breakable(engine, monkeypatch).fails = lambda ids: time.sleep(1)

    def fails(*args):
        raise RuntimeError("no memory for another one")

    monkeypatch.setattr(engine, "_set_up", fails)
    with pytest.raises(Unavailable):
        await ask(engine)
    await until(lambda: not engine.is_healthy)
    with pytest.raises(Unavailable):
        await ask(engine)
    await engine.stop()
