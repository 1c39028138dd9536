"""What one person's flood costs everybody else: questions in hundreds of threads at once, beside others' own."""

import argparse
import asyncio
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from time import perf_counter
from typing import Any

from bench.database import Server, fetch, server
from bench.hall import AS_SHIPPED, DOOR, BenchHall, NotingEngine, at_rate, bench_hall, message
from bench.report import Figure, Progress, at_most, none_of, percentile, report, told
from bench.until import until
from core.limits import Limits
from core.message import Author, Message
from core.ports import Conversation, Delta
from core.store import Keys
from core.turn import SamplingParams

THREADS = 200  # of others, each by a person of its own
RATE = 10  # questions of others a second
FLOOD = 300  # threads that one person asks in, all at once
MORE = 10  # and so many more a second, for as long as is measured
SLOTS = 16  # answers that the engine writes at once
FIRST_WORD = 0.05  # seconds; a whole answer takes as long as ANSWER
ANSWER = 0.4
FLOODER = Author(DOOR, "workspace", "one who asks a lot", "A Person", "en")
_GOAL = 1.5
_GIVE_UP = "UPDATE inbox SET status = 2 WHERE status = 0 AND lane = 'turn'"


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench flood", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    seconds, rounds = (5, 2) if options.quick else (20, 5)
    return asyncio.run(measure(options.database, seconds, rounds))


class SlotEngine(NotingEngine):
    """Answers like a model on a GPU: so many at once, each in its time, and whoever comes then waits in line."""

    def __init__(self) -> None:
        super().__init__()
        self._slots = asyncio.Semaphore(SLOTS)

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        async with self._slots:
            await asyncio.sleep(FIRST_WORD)
            is_first = True
            async for delta in super().stream(conversation, params):
                yield delta
                if is_first:
                    is_first = False
                    await asyncio.sleep(ANSWER - FIRST_WORD)


@dataclass(slots=True)
class Waits:
    """Milliseconds that others waited for their first word; `answered` is how many of the flood were answered."""

    others: list[float] = field(default_factory=list)
    answered: int = 0

    @property
    def p99(self) -> float:
        return percentile(self.others, 0.99)


async def measure(url: str, seconds: int, rounds: int) -> dict[str, Any]:
    progress = Progress("flood")
    progress("starting a database")
    async with server(url) as running:
        calm, flooded, order = await _alternating(running, AS_SHIPPED, progress, seconds, rounds)
        _, free, _ = await _alternating(running, Limits(), progress, seconds, 1)
        figures = [*_figures(calm, flooded, order), told("others' p99 in a flood, without a limit", free.p99, "ms")]
        return report("flood", figures, postgres=await running.version())


def _figures(calm: Waits, flooded: Waits, order: int) -> Iterator[Figure]:
    for name, waits in (("without a flood", calm), ("in a flood", flooded)):
        yield told(f"others' p50 {name}", percentile(waits.others, 0.5), "ms")
        yield told(f"others' p99 {name}", waits.p99, "ms")
        yield told(f"questions of others measured {name}", len(waits.others), "count")
    yield at_most("others' p99 in a flood, times that without", flooded.p99 / calm.p99, "ratio", _GOAL)
    yield told("questions of the flood answered meanwhile", flooded.answered, "count")
    yield none_of("started or delivered out of order", order)


async def _alternating(
    running: Server, limits: Limits, progress: Progress, seconds: int, rounds: int
) -> tuple[Waits, Waits, int]:
    """Side by side, as a machine is not equally fast all the time: others without and within a flood, out of order."""
    calm, flooded = Waits(), Waits()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running.new())
        hall = await stack.enter_async_context(bench_hall(url, Keys.generate(), engine=SlotEngine(), limits=limits))
        await stack.enter_async_context(hall.work())
        asked, numbers = _others(), count()
        await at_rate(hall, _first(asked, RATE * 2), RATE)
        for number in range(rounds):
            await _ask(hall, asked, calm, seconds, number)
            async with _flood(hall, flooded, numbers):
                await _ask(hall, asked, flooded, seconds, number)
            progress(f"{limits.concurrency or 'all'} at once: p99 {calm.p99:.1f} ms, in a flood {flooded.p99:.1f} ms")
        return calm, flooded, sum(hall.violations())


async def _ask(hall: BenchHall, asked: Iterator[Message], waits: Waits, seconds: int, seed: int) -> None:
    waits.others += hall.latencies(await at_rate(hall, _first(asked, RATE * seconds), RATE, seed=seed))


@asynccontextmanager
async def _flood(hall: BenchHall, waits: Waits, numbers: Iterator[int]) -> AsyncGenerator[None, None]:
    """One person asks in hundreds of threads at once, and goes on; what is left of it at the end is given up."""
    ids: list[str] = []

    async def ask() -> None:
        each = replace(message(f"flood {next(numbers)}", 0), author=FLOODER)
        ids.append(each.id)
        await hall.ask(each)

    async def go_on() -> None:
        began = perf_counter()
        for place in count(1):
            await asyncio.sleep(max(0.0, began + place / MORE - perf_counter()))
            await ask()

    async def at_once(gate: asyncio.Semaphore) -> None:
        async with gate:
            await ask()

    gate = asyncio.Semaphore(10)
    await asyncio.gather(*(at_once(gate) for _ in range(FLOOD)))
    going_on = asyncio.create_task(go_on(), name="flood")
    try:
        yield
    finally:
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        waits.answered += sum(each in hall.door.first_text for each in ids)
        await fetch(hall.url, _GIVE_UP)
        await until(hall.is_drained, timeout=60, every=0.05)


def _others() -> Iterator[Message]:
    chance, numbers = random.Random(5), [0] * THREADS
    while True:
        thread = chance.randrange(THREADS)
        yield message(f"thread {thread}", numbers[thread])
        numbers[thread] += 1


def _first(messages: Iterator[Message], number: int) -> Iterator[Message]:
    return (next(messages) for _ in range(number))
