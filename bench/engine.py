"""How fast the engine answers many at once, against the other ways to serve the same model with the same library."""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench import rivals
from bench.networks import CONTEXT, load, save_llama, tokenizer_of
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, report, told
from bench.rivals import Request, Run, apart
from core.engine import LocalEngine, demo_folder
from core.engine.prompt import Prompts
from core.errors import Busy
from core.ports import Conversation, Delta
from core.turn import SamplingParams, Utterance

SYSTEM = Utterance("system", "You are Parley, a private assistant. Answer briefly and honestly.")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: so many at once, batches of (tokens, rows), and the seconds that threads are given."""

    loads: Sequence[int] = (16, 32)
    demo_loads: Sequence[int] = (16, 32)
    rounds: int = 3
    threads_seconds: float = float("inf")
    continuous_up_to: int = 32
    batches: Sequence[tuple[int, int]] = ((768, 16), (2048, 8))
    steps: int = 24
    caches: Sequence[str] = ("static", "dynamic")
    second_turns: int = 7
    cancellations: int = 1_000


FULL = Size()
SHORT = Size(
    demo_loads=(16,), rounds=1, threads_seconds=25, continuous_up_to=16, steps=8, caches=("static",),
    second_turns=2, cancellations=300,
)  # fmt: skip
QUICK = Size(
    loads=(4,), demo_loads=(4,), rounds=1, threads_seconds=4, batches=((768, 2),), steps=4, caches=("static",),
    second_turns=1, cancellations=50,
)  # fmt: skip


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench engine", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one round, fewer steps and cancellations: five minutes")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: see docs/engine.md")
    options = parser.parse_args(argv)
    if options.device == "cuda":
        from bench.accelerator import measure as measure_cuda

        return asyncio.run(measure_cuda(options.quick))
    return asyncio.run(measure(QUICK if options.quick else SHORT if options.short else FULL))


async def measure(size: Size) -> dict[str, Any]:
    progress = Progress("engine")
    with TemporaryDirectory() as place:
        folder = apart(save_llama, Path(place))
        network = apart(load, folder)
        figures = [
            *await _loads(folder, network, progress, "45M", size, size.loads),
            *await _steps(folder, network, progress, size),
            *await _second_turns(folder, progress, size.second_turns),
        ]
    demo = demo_folder()
    figures += [
        *await _loads(demo, apart(load, demo), progress, "demo", size, size.demo_loads),
        *await _crowd(demo, progress),
        *await _cancellations(demo, progress, size.cancellations),
    ]
    return report("engine", figures)


@asynccontextmanager
async def started(folder: Path, **options: Any) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(folder, dtype="float32", context=CONTEXT, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


class Load:
    """Questions of chosen lengths: for the engine as conversations, for its rivals as the same token ids."""

    def __init__(self, folder: Path, seed: int) -> None:
        tokenizer = tokenizer_of(folder)
        self._prompts, self._chance = Prompts(tokenizer), random.Random(seed)
        words = [tokenizer.decode([token]).strip() for token in range(300, len(tokenizer))]
        self._words = [word for word in words if word.isalpha() and word.isascii() and len(word) > 2]

    def turns(self, tokens: int) -> tuple[Utterance, ...]:
        """A conversation whose prompt has about so many tokens."""
        text = self._chance.choice(self._words) + " "
        while self.length(text) < tokens:
            text += " ".join(self._chance.choices(self._words, k=max(1, (tokens - self.length(text)) // 3))) + " "
        return SYSTEM, Utterance("user", text)

    def mixed(self, count: int) -> list[tuple[tuple[Utterance, ...], int]]:
        """Prompts of 16 to 256 tokens, answers of 16 to 128, in any order."""
        lengths = [16 + 240 * index // max(1, count - 1) for index in range(count)]
        answers = [16 + 112 * index // max(1, count - 1) for index in range(count)]
        self._chance.shuffle(answers)
        self._chance.shuffle(lengths)
        return [(self.turns(length), answer) for length, answer in zip(lengths, answers, strict=True)]

    def ids(self, turns: tuple[Utterance, ...]) -> list[int]:
        return self._prompts.ids(turns)

    def length(self, text: str) -> int:
        return len(self.ids((SYSTEM, Utterance("user", text))))


# ----------------------------------------------------------------------------------------------------- many at once


async def _loads(
    folder: Path, network: Any, progress: Progress, name: str, size: Size, loads: Sequence[int]
) -> list[Figure]:
    figures: list[Figure] = []
    async with started(folder, slots=32) as engine:
        for count in loads:
            questions = Load(folder, count).mixed(count)
            load = Load(folder, count)
            requests = [Request(load.ids(turns), answer) for turns, answer in questions]
            ours, theirs, library, lags = [], [], [], []
            # Whoever works for the first time still takes memory and learns how fast the machine is.
            await serve(engine, questions[:8], f"{count} warm")
            apart(rivals.pool, network, [Request(requests[0].ids, 8)])
            # Side by side: a machine is not equally fast all the time.
            for number in range(size.rounds):
                run, lag = await serve(engine, questions, f"{count} {number}")
                ours.append(run)
                lags.append(lag)
                theirs.append(apart(rivals.pool, network, requests, size.threads_seconds))
                if count <= size.continuous_up_to:
                    library.append(await rivals.continuous(network, requests))
                runs = {"the engine": run, "generate in threads": theirs[-1]}
                runs |= {"continuous batching": library[-1]} if library else {}
                said = (f"{who} {r.rate:.0f} tokens/s, first after {median(r.first):.2f} s" for who, r in runs.items())
                progress(f"{name}, {count} at once: {'; '.join(said)}")
            figures += _compared(name, count, ours, theirs, library)
            figures.append(at_most(f"{name}, {count} at once: event loop late by, at most", max(lags), "ms", 50))
    return figures


def _compared(name: str, count: int, ours: list[Run], theirs: list[Run], library: list[Run]) -> list[Figure]:
    who, is_judged = f"{name}, {count} at once", name != "demo"
    speed = median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))
    patience = median(median(a.first) / median(b.first) for a, b in zip(ours, theirs, strict=True))
    told_ = [
        told(f"{who}: tokens", median(run.rate for run in ours), "1/s"),
        told(f"{who}: tokens, generate in 16 threads", median(run.rate for run in theirs), "1/s"),
        told(f"{who}: time to first token, p50", 1e3 * median(median(run.first) for run in ours), "ms"),
        told(f"{who}: time to first token, p95", 1e3 * median(percentile(run.first, 0.95) for run in ours), "ms"),
        told(f"{who}: time to first token, p50, threads", 1e3 * median(median(r.first) for r in theirs), "ms"),
    ]
    judged = [
        at_least(f"{who}: tokens against threads", speed, "ratio", 6),
        at_most(f"{who}: first token against threads", patience, "ratio", 0.35 if count == 16 else 0.2),
    ]
    if library:
        beside = median(a.rate / b.rate for a, b in zip(ours, library, strict=True))
        told_.append(told(f"{who}: tokens, continuous batching", median(run.rate for run in library), "1/s"))
        judged.append(at_least(f"{who}: against continuous", beside, "ratio", 1.7))
    # The demo model's steps are so short that its figures are mostly those of Python.
    return [*told_, *(judged if is_judged else (told(each.name, each.value, each.unit) for each in judged))]


async def serve(
    engine: LocalEngine, questions: Sequence[tuple[tuple[Utterance, ...], int]], name: str
) -> tuple[Run, float]:
    """All at once, each in a thread of its own; the run, and by how many milliseconds the event loop was late."""
    run, began, late = Run(), perf_counter(), 0.0

    async def tick() -> None:
        nonlocal late
        while True:
            before = perf_counter()
            await asyncio.sleep(0.005)
            late = max(late, perf_counter() - before - 0.005)

    async def one(thread: str, turns: tuple[Utterance, ...], count: int) -> None:
        first = 0.0
        async for delta in ask(engine, thread, turns, count):
            if not first and delta.position is None:
                first = perf_counter() - began
            if delta.usage:
                run.tokens += delta.usage.completion_tokens
        run.first.append(first)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(one(f"{name} {i}", turns, count) for i, (turns, count) in enumerate(questions)))
    ticking.cancel()
    run.seconds = perf_counter() - began
    return run, 1e3 * late


async def ask(engine: LocalEngine, thread: str, turns: tuple[Utterance, ...], count: int) -> AsyncIterator[Delta]:
    params = SamplingParams(temperature=0, max_new_tokens=count)
    async with aclosing(engine.stream(Conversation(thread, turns), params)) as deltas:
        async for delta in deltas:
            yield delta


# ------------------------------------------------------------------------------------------------ the cost of a token


async def _steps(folder: Path, network: Any, progress: Progress, size: Size) -> list[Figure]:
    figures: list[Figure] = []
    steps = size.steps
    for context, rows in size.batches:
        load = Load(folder, context)
        questions = [load.turns(context) for _ in range(rows)]
        shortest = min(len(load.ids(turns)) for turns in questions)
        prompts = [load.ids(turns)[:shortest] for turns in questions]
        ours = await _step(folder, questions, steps)
        static = apart(rivals.step_of_a_static_batch, network, prompts, steps, size.caches)
        who = f"45M, {context} tokens x {rows}"
        figures += [
            told(f"{who}: a token", 1e3 * ours, "ms"),
            told(f"{who}: a token, static batch", 1e3 * static, "ms"),
            at_most(f"{who}: a token against a static batch", ours / static, "ratio", 1.25),
        ]
        progress(f"{who}: {1e3 * ours:.1f} ms a token, static batch {1e3 * static:.1f} ms")
        if context == 768:
            library = await rivals.step_of_continuous(network, prompts, max(3, steps // 4))
            progress(f"{who}: continuous batching {1e3 * library:.1f} ms")
            figures += [
                told(f"{who}: a token, continuous batching", 1e3 * library, "ms"),
                at_least(f"{who}: times as fast as continuous batching", library / ours, "ratio", 5),
            ]
    return figures


async def _step(folder: Path, questions: Sequence[tuple[Utterance, ...]], steps: int) -> float:
    counts = [0] * len(questions)

    async def follow(index: int, turns: tuple[Utterance, ...]) -> None:
        async for delta in ask(engine, "", turns, CONTEXT):
            counts[index] += delta.position is None

    async with started(folder, slots=len(questions)) as engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(index, turns)) for index, turns in enumerate(questions)]
        seconds = await rivals.window(counts, steps)
        for task in tasks:
            task.cancel()
    return seconds


# --------------------------------------------------------------------------------------------------- the second turn


async def _second_turns(folder: Path, progress: Progress, threads: int) -> list[Figure]:
    load = Load(folder, 7)
    first, second, reused = [], [], []
    async with started(folder, slots=4) as engine:
        for number in range(threads):
            turns = load.turns(1_500)
            begins, answer, _ = await _turn(engine, f"second {number}", turns)
            turns = (*turns, Utterance("assistant", answer), Utterance("user", "And how long does that take?"))
            follows, _, known = await _turn(engine, f"second {number}", turns)
            first.append(begins)
            second.append(follows)
            reused.append(known)
            progress(f"first turn {1e3 * begins:.0f} ms to the first token, second {1e3 * follows:.0f} ms")
    return [
        told("second turn of 1,500 tokens: first token", 1e3 * median(second), "ms"),
        told("first turn of 1,500 tokens: first token", 1e3 * median(first), "ms"),
        told("second turn of 1,500 tokens: tokens not read again", median(reused), "count"),
        at_most("second turn against the first", median(second) / median(first), "ratio", 1 / 8),
    ]


async def _turn(engine: LocalEngine, thread: str, turns: tuple[Utterance, ...]) -> tuple[float, str, int]:
    said, last = "", Delta()
    async for delta in ask(engine, thread, turns, 32):
        said, last = said + delta.text, delta
    assert last.timings
    return last.timings.first, said, last.timings.reused


# --------------------------------------------------------------------------------------------------------- the crowd


async def _crowd(folder: Path, progress: Progress) -> list[Figure]:
    """200 at once where 96 may be in the house."""
    turns, outcomes = (SYSTEM, Utterance("user", "What is Parley?")), {"answered": 0, "busy": 0, "told their place": 0}

    async def one(number: int) -> None:
        was_told = False
        try:
            async for delta in ask(engine, f"crowd {number}", turns, 32):
                was_told |= delta.position is not None
                outcomes["answered"] += delta.finish is not None
        except Busy:
            outcomes["busy"] += 1
        outcomes["told their place"] += was_told

    async with started(folder, slots=32, max_waiting=64) as engine:
        await asyncio.gather(*(one(number) for number in range(200)))
    progress(f"200 at once: {outcomes}")
    return [
        told("200 at once: told their place in the queue", outcomes["told their place"], "count"),
        at_least("200 at once: answered", outcomes["answered"], "count", 96),
        at_most("200 at once: told that it is busy", outcomes["busy"], "count", 104),
        none_of("200 at once: lost", 200 - outcomes["answered"] - outcomes["busy"]),
    ]


async def _cancellations(folder: Path, progress: Progress, count: int) -> list[Figure]:
    load, chance = Load(folder, 11), random.Random(11)
    turns = [load.turns(length) for length in (20, 60, 200, 500)]
    cancelled = 0

    async def one(number: int) -> None:
        nonlocal cancelled
        try:
            async with asyncio.timeout(chance.uniform(0, 0.5)):
                async for _ in ask(engine, f"cancelled {number % 50}", chance.choice(turns), 200):
                    pass
        except TimeoutError:
            cancelled += 1

    async with started(folder, slots=16, max_waiting=10_000) as engine:
        for begin in range(0, count, 50):
            await asyncio.gather(*(one(number) for number in range(begin, begin + 50)))
        after = [delta async for delta in ask(engine, "after", turns[0], 4)]
        leaked = engine.in_house
    progress(f"{count} asked, {cancelled} cancelled at random moments, {leaked} places leaked")
    return [
        told("cancelled at random moments", cancelled, "count"),
        none_of("places leaked by cancellations", leaked),
        none_of("answers missing after cancellations", int(not after or not after[-1].finish)),
    ]
