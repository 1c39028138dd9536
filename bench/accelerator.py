"""How close the engine comes to what a GPU's memory allows: a real DeepSeek model's shape with random weights."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench.networks import gpu, read_bandwidth, save_qwen, weight_bytes
from bench.report import Figure, Progress, at_least, at_most, report, told
from bench.rivals import window
from bench.until import until
from core.engine import LocalEngine
from core.ports import Conversation, Delta
from core.turn import SamplingParams, Utterance

SHAPE = "R1-Distill-Qwen-7B"
CONTEXT, ROWS = 2048, 32


async def measure(is_quick: bool) -> dict[str, Any]:
    """Downloads nothing: the checkpoint is made here, 15 GB of it (`is_quick`: 4 layers, which say nothing of 28)."""
    progress = Progress("engine")
    bandwidth = read_bandwidth()
    progress(f"the memory is read at {bandwidth / 1e12:.2f} TB/s")
    with TemporaryDirectory() as place:
        folder = save_qwen(Path(place), layers=4 if is_quick else 28)
        ideal = bandwidth / weight_bytes(folder)
        progress(f"{SHAPE} in bfloat16: {weight_bytes(folder) / 1e9:.1f} GB, so at most {ideal:.0f} tokens/s alone")
        figures = [told("memory read at", bandwidth / 1e9, "GB/s"), told("weights", weight_bytes(folder) / 1e9, "GB")]
        figures += await _whole(folder, ideal, progress)
        figures += await _rounded(folder, progress)
    result = report("engine on a GPU", figures)
    result["machine"] |= gpu()
    return result


async def _whole(folder: Path, ideal: float, progress: Progress) -> list[Figure]:
    async with _started(folder, progress) as (engine, seconds):
        rate = await _alone(engine, 32, 256)
        progress(f"one stream: {rate:.0f} tokens/s, {rate / ideal:.0%} of what the memory allows")
        single, many = await _side_by_side(engine, 1), await _side_by_side(engine, ROWS)
        progress(f"at 512 tokens: one stream {single:.0f} tokens/s, {ROWS} streams {many:.0f}, {many / single:.1f} x")
        first = median([await _first(engine, 1000) for _ in range(7)])
        progress(f"a prompt of 1,000 tokens: first token after {1e3 * first:.1f} ms")
        drawn = await _side_by_side(engine, ROWS, temperature=0.6)
        progress(f"{ROWS} streams that draw their tokens: {drawn:.0f} tokens/s")
    return [
        told("ready after", seconds, "s"),
        told("one stream", rate, "1/s"),
        at_least("one stream, of what the memory allows", rate / ideal, "share", 0.6),
        told("one stream at 512 tokens", single, "1/s"),
        told(f"{ROWS} streams at 512 tokens", many, "1/s"),
        told(f"{ROWS} streams at 512 tokens, drawn at temperature 0.6", drawn, "1/s"),
        at_least(f"{ROWS} streams against one", many / single, "ratio", 20),
        at_most("first token of a prompt of 1,000", 1e3 * first, "ms", 80),
    ]


async def _rounded(folder: Path, progress: Progress) -> list[Figure]:
    async with _started(folder, progress, quantisation="nf4") as (engine, seconds):
        rate, weights = await _alone(engine, 32, 64), _weights(engine)
    progress(f"nf4: {weights / 1e9:.1f} GB, {rate:.0f} tokens/s alone")
    return [
        told("nf4: ready after", seconds, "s"),
        told("nf4: weights", weights / 1e9, "GB"),
        at_least("nf4: one stream", rate, "1/s", 1),
    ]


def _weights(engine: LocalEngine) -> int:
    return engine._ready().checkpoint.weights


@asynccontextmanager
async def _started(folder: Path, progress: Progress, **options: Any) -> AsyncIterator[tuple[LocalEngine, float]]:
    """The engine, and after how many seconds it was ready."""
    engine, began = LocalEngine(folder, device="cuda", context=CONTEXT, slots=ROWS, **options), perf_counter()
    await engine.start()
    seconds = perf_counter() - began
    progress(f"ready after {seconds:.0f} s ({', '.join(f'{name}={value}' for name, value in options.items())})")
    try:
        yield engine, seconds
    finally:
        await engine.stop()
        await asyncio.to_thread(_release)


def _release() -> None:
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _turns(tokens: int) -> tuple[Utterance, ...]:
    """A prompt of about so many tokens: each of these letters is one."""
    return (Utterance("user", " ".join("abcdefghij"[number % 10] for number in range(tokens // 2))),)


async def _ask(engine: LocalEngine, turns: Sequence[Utterance], count: int, temperature: float) -> AsyncIterator[Delta]:
    # Among all its tokens random weights would draw some that no tokenizer knows.
    params = SamplingParams(temperature=temperature, top_k=50, max_new_tokens=count)
    async with aclosing(engine.stream(Conversation("", tuple(turns)), params)) as deltas:
        async for delta in deltas:
            yield delta


async def _alone(engine: LocalEngine, prompt: int, count: int) -> float:
    """Tokens per second after the first, of one answer."""

    async def once() -> float:
        async for delta in _ask(engine, _turns(prompt), count, 0):
            if delta.finish and delta.timings and delta.usage:
                return (delta.usage.completion_tokens - 1) / (delta.timings.whole - delta.timings.first)
        raise AssertionError("the answer has no end")

    return max([await once() for _ in range(3)])


async def _first(engine: LocalEngine, prompt: int) -> float:
    async for delta in _ask(engine, _turns(prompt), 2, 0):
        if delta.finish and delta.timings:
            return delta.timings.first
    raise AssertionError("the answer has no end")


async def _side_by_side(engine: LocalEngine, rows: int, temperature: float = 0) -> float:
    """Tokens per second of all, while all of them speak."""
    counts = [0] * rows

    async def follow(index: int) -> None:
        async for delta in _ask(engine, _turns(512), 400, temperature):
            counts[index] += delta.position is None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(index)) for index in range(rows)]
        seconds = await window(counts, 128)
        for task in tasks:
            task.cancel()
    await until(_is_empty(engine), timeout=60, every=0.01)
    return 1 / seconds


def _is_empty(engine: LocalEngine) -> Callable[[], Awaitable[bool]]:
    async def is_empty() -> bool:
        return engine.in_house == 0

    return is_empty
