"""What only a GPU can show: decoding recorded as CUDA graphs says what the library's own `generate` says."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import torch

from core.engine import LocalEngine
from core.engine.decoder import Decoder
from core.engine.runner import Runner
from core.ports import Conversation, Delta
from core.turn import SamplingParams, Utterance
from tests.fakes.networks import network
from tests.fakes.tiny import save_tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

PROMPTS = [[*range(10 + 3 * row, 14 + 5 * row)] for row in range(7)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"))


def on_gpu(kind: str) -> Any:
    return network(kind).to("cuda")


@torch.inference_mode()
def said(runner: Runner, prompts: list[list[int]], count: int) -> list[list[int]]:
    """Greedy answers, all rows side by side."""
    tokens = [int(runner.forward(row, [prompt])[0].argmax()) for row, prompt in enumerate(prompts)]
    answers = [[token] for token in tokens]
    for _ in range(count - 1):
        tokens = runner.decode(tokens).argmax(-1).tolist()
        for answer, token in zip(answers, tokens, strict=True):
            answer.append(token)
    return answers


def generated(net: Any, prompt: list[int], count: int) -> list[int]:
    ids = torch.tensor([prompt], device="cuda")
    output = net.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count, eos_token_id=[]
    )
    return list(output[0, len(prompt) :].tolist())


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_recorded_steps_say_what_the_library_generates(kind):
    net = on_gpu(kind)
    runner = Runner(net, 8, 1000, is_reserved=True)
    answers = said(runner, PROMPTS, 40)
    assert runner._decoder is not None
    assert runner._decoder._graphs
    assert answers == [generated(net, prompt, 40) for prompt in PROMPTS]


def test_a_cache_that_grows_is_recorded_anew():
    net = on_gpu("llama")
    runner = Runner(net, 8, 1000)
    assert said(runner, PROMPTS[:2], 400) == [generated(net, prompt, 400) for prompt in PROMPTS[:2]]
    assert runner._decoder
    assert runner._decoder._records
    assert runner._decoder._graphs


def test_what_cannot_be_recorded_runs_without():
    """Experts are chosen on the host in the library's DeepSeek V2: no graph can hold that."""
    net = on_gpu("deepseek v2")
    runner = Runner(net, 8, 1000)
    assert said(runner, PROMPTS[:3], 20) == [generated(net, prompt, 20) for prompt in PROMPTS[:3]]


def test_a_step_costs_one_copy_to_the_host():
    net = on_gpu("llama")
    runner = Runner(net, 8, 1000, is_reserved=True)
    said(runner, PROMPTS, 4)
    decoder: Decoder | None = runner._decoder
    assert decoder
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.inference_mode():
            logits = decoder.decode([1] * 7)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert logits.isfinite().all()


def test_the_engine_answers_many_and_draws_the_same_for_the_same_seed(folder):
    async def talk() -> tuple[list[str], list[str], int]:
        engine = LocalEngine(folder, device="cuda", dtype="float32", slots=8)
        await engine.start()
        try:
            first = await asyncio.gather(*(ask(engine, number) for number in range(20)))
            again = await asyncio.gather(*(ask(engine, number) for number in range(20)))
            return first, again, engine.in_house
        finally:
            await engine.stop()

    async def ask(engine: LocalEngine, seed: int) -> str:
        params = SamplingParams(temperature=1.0 * (seed % 2), seed=seed, max_new_tokens=30)
        turns = (Utterance("user", f"weather {'today ' * seed}?"),)
        async with aclosing(engine.stream(Conversation("", turns), params)) as deltas:
            said: list[Delta] = [delta async for delta in deltas]
        assert said[-1].finish
        return "".join(delta.text for delta in said)

    first, again, left = asyncio.run(talk())
    assert first == again
    assert left == 0


def test_four_bits_load_and_run(tmp_path):
    pytest.importorskip("bitsandbytes")
    folder = save_tiny(tmp_path / "tiny")

    async def talk() -> Delta:
        engine = LocalEngine(folder, device="cuda", quantisation="nf4", slots=4)
        await engine.start()
        try:
            params = SamplingParams(temperature=0, max_new_tokens=20)
            async with aclosing(engine.stream(Conversation("", (Utterance("user", "Hello"),)), params)) as deltas:
                return [delta async for delta in deltas][-1]
        finally:
            await engine.stop()

    last = asyncio.run(talk())
    assert last.finish
    assert last.model.endswith("+nf4")
