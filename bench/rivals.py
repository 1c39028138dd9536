"""Other ways to serve the same requests with the same library: what the engine is measured against."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.streamers import BaseStreamer

from bench.until import until

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt as token ids, and how many tokens to generate; all are greedy."""

    ids: list[int]
    count: int


@dataclass(slots=True)
class Run:
    """How a load went: tokens generated, wall seconds, and the seconds each request waited for its first token."""

    tokens: int = 0
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Tokens per wall second."""
        return self.tokens / self.seconds


class _Over(Exception):
    """The time is up."""


class _Watch(BaseStreamer):
    """Takes the time of every token; the prompt comes before them. Raises _Over at the first token after `until`."""

    def __init__(self, until: float = float("inf")) -> None:
        self._times: list[float] = []
        self._until = until

    def put(self, value: Any) -> None:
        self._times.append(perf_counter())
        if self._times[-1] > self._until and len(self._times) > 1:
            raise _Over

    def end(self) -> None: ...

    @property
    def times(self) -> list[float]:
        return self._times[1:]


def pool(network: Any, requests: Sequence[Request], seconds: float = float("inf"), workers: int = 16) -> Run:
    """The common recipe: a pool of threads, each calling `generate` for one request.

    After `seconds` it is ended: what it has generated counts, and all threads were busy, which is to its advantage.
    """
    run, began = Run(), perf_counter()

    def one(request: Request) -> list[float]:
        watch = _Watch(until=began + seconds)
        with suppress(_Over):
            _generate(network, [request.ids], request.count, watch)
        return watch.times

    with ThreadPoolExecutor(workers) as threads:
        times = list(threads.map(one, requests))
    run.seconds = perf_counter() - began
    run.tokens, run.first = sum(map(len, times)), [each[0] - began for each in times]
    return run


def step_of_a_static_batch(
    network: Any, prompts: Sequence[list[int]], steps: int, caches: Sequence[str] = ("static", "dynamic")
) -> float:
    """Seconds per token of one batch that is generated as a whole, reading the prompts left out.

    Of the library's two caches, the one that grows ("dynamic") and the one of fixed size, the faster counts.
    """
    best = float("inf")
    for cache in caches:
        watch = _Watch()
        _generate(network, prompts, 2 + steps, watch, cache_implementation=cache)
        # The first step after the prompt may still allocate.
        best = min(best, (watch.times[-1] - watch.times[1]) / (steps * len(prompts)))
    return best


def apart(function: Callable[..., T], *args: object) -> T:
    """Calls it in a thread that ends with it: one that lives on would keep a team of processor threads, and the more
    of these there are, the sooner OpenMP lets all of them sleep between two operations."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *args).result()


async def continuous(network: Any, requests: Sequence[Request]) -> Run:
    """transformers' own continuous batching."""
    async with _Manager(network, requests) as manager:
        run, began = Run(), perf_counter()
        await asyncio.gather(*(manager.ask(str(index), request, run, began) for index, request in enumerate(requests)))
        run.seconds = perf_counter() - began
    return run


async def step_of_continuous(network: Any, prompts: Sequence[list[int]], steps: int) -> float:
    """Seconds per token and row once all prompts are read."""
    requests = [Request(prompt, 100_000) for prompt in prompts]
    async with _Manager(network, [Request(prompt, 8 * steps + 512) for prompt in prompts]) as manager:
        counts = [0] * len(requests)
        for index, request in enumerate(requests):
            manager.follow(str(index), request, partial(_count, counts, index))
        return await window(counts, steps)


async def window(counts: list[int], steps: int) -> float:
    """Seconds per token over `steps` tokens of each row, from when all have begun; `counts` grow by themselves."""

    async def have_begun() -> bool:
        return min(counts) >= 2

    async def have_grown() -> bool:
        return sum(counts) - begun >= steps * len(counts)

    await until(have_begun, timeout=600, every=0.001)
    begun, began = sum(counts), perf_counter()
    await until(have_grown, timeout=600, every=0.001)
    return (perf_counter() - began) / (sum(counts) - begun)


def _count(counts: list[int], index: int, output: Any) -> None:
    counts[index] = max(counts[index], len(output.generated_tokens))


class _Manager:
    """The library's manager with room for these requests and no more, so that it is not slowed by its own size."""

    def __init__(self, network: Any, requests: Sequence[Request]) -> None:
        page, tokens = 64, sum(len(request.ids) + request.count for request in requests)
        make: Any = GenerationConfig
        self._manager = network.init_continuous_batching(
            generation_config=make(do_sample=False, eos_token_id=network.generation_config.eos_token_id),
            continuous_batching_config=ContinuousBatchingConfig(
                num_blocks=2 * (tokens // page + len(requests)), page_size=page, max_batch_tokens=1024
            ),
        )

    async def __aenter__(self) -> "_Manager":
        self._manager.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.to_thread(self._manager.stop, block=True, timeout=30, hard_stop=True)

    def follow(self, name: str, request: Request, on_output: Callable[[Any], None]) -> None:
        """`on_output` is called on the event loop with each state of the request."""
        self._manager.register_result_handler(name, on_output)
        self._manager.add_request(request.ids, request_id=name, max_new_tokens=request.count, streaming=True)

    async def ask(self, name: str, request: Request, run: Run, began: float) -> None:
        whole: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        count = 0

        def on_output(output: Any) -> None:
            nonlocal count
            if output.generated_tokens and not count:
                run.first.append(perf_counter() - began)
            count = max(count, len(output.generated_tokens))
            if (output.is_finished() or count >= request.count) and not whole.done():
                whole.set_result(count)

        self.follow(name, request, on_output)
        count = await asyncio.wait_for(whole, 600)
        run.tokens += count


@torch.inference_mode()
def _generate(network: Any, prompts: Sequence[list[int]], count: int, watch: _Watch, **options: Any) -> None:
    ids = torch.tensor(prompts, device=network.device)
    mask = torch.ones_like(ids)
    network.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False, streamer=watch, **options)
