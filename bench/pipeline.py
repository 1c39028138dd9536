"""How fast a message passes the house: the real inbox, store, outbox and manager around an echo."""

import argparse
import asyncio
import random
from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import Any

from bench import rival
from bench.database import Server, server
from bench.hall import BenchHall, at_rate, bench_hall, message
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, report, told
from bench.until import until
from core.message import Message
from core.store import Keys

THREADS = 200
RATE = 30  # messages a second
CONCURRENCY = 32


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench pipeline", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few messages, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, options.quick))


async def measure(url: str, is_quick: bool) -> dict[str, Any]:
    progress = Progress("pipeline")
    progress("starting a database")
    async with server(url) as running:
        figures = [
            *await _latency(running, progress, seconds=2 if is_quick else 60),
            *await _drain(running, progress, per_thread=1 if is_quick else 10, rounds=1 if is_quick else 3),
        ]
        return report("pipeline", figures, postgres=await running.version())


async def _latency(running: Server, progress: Progress, *, seconds: int) -> list[Figure]:
    warm_up = max(1, seconds // 10)
    async with running.new() as url, bench_hall(url, Keys.generate(), concurrency=CONCURRENCY) as hall, hall.work():
        messages = _chosen_at_random()
        progress(f"{RATE} messages a second in {THREADS} threads: {warm_up} s to warm up")
        await at_rate(hall, _first(messages, RATE * warm_up), RATE, seed=1)
        progress(f"measuring for {seconds} s")
        values = hall.latencies(await at_rate(hall, _first(messages, RATE * seconds), RATE, seed=2))
        starts, deliveries = hall.violations()
    progress(f"accepted to first text: p50 {percentile(values, 0.5):.1f} ms, p99 {percentile(values, 0.99):.1f} ms")
    return [
        at_most("accepted to first byte out, p50", percentile(values, 0.5), "ms", 25),
        at_most("accepted to first byte out, p99", percentile(values, 0.99), "ms", 150),
        told("accepted to first byte out, slowest", max(values), "ms"),
        told("messages measured", len(values), "count"),
        none_of("started out of order, under load", starts),
        none_of("delivered out of order, under load", deliveries),
    ]


async def _drain(running: Server, progress: Progress, *, per_thread: int, rounds: int) -> list[Figure]:
    asked = [message(f"thread {thread}", number) for number in range(per_thread) for thread in range(THREADS)]
    ours, theirs = [], []
    starts = deliveries = 0
    # Side by side, and more than once: a machine is not equally fast all the time.
    for _ in range(rounds):
        async with running.new() as url, bench_hall(url, Keys.generate(), concurrency=CONCURRENCY) as hall:
            ours.append(await _turns_per_second(hall, asked, progress))
            early, overtaking = hall.violations()
            starts, deliveries = starts + early, deliveries + overtaking
        theirs.append(await rival.drain(running, [str(each.thread) for each in asked], concurrency=CONCURRENCY))
        progress(f"{ours[-1]:.0f} turns a second; procrastinate {theirs[-1]:.0f} empty jobs a second")
    return [
        at_least(f"turns drained, median of {rounds}", median(ours), "1/s", 120),
        told(f"empty jobs drained by procrastinate, median of {rounds}", median(theirs), "1/s"),
        at_least("turns drained, times procrastinate's empty jobs", median(ours) / median(theirs), "ratio", 1),
        none_of("started out of order, draining", starts),
        none_of("delivered out of order, draining", deliveries),
    ]


async def _turns_per_second(hall: BenchHall, asked: Sequence[Message], progress: Progress) -> float:
    progress(f"storing {len(asked)} messages while nobody answers")
    gate = asyncio.Semaphore(10)

    async def store(thread: int) -> None:
        async with gate:
            for each in asked[thread::THREADS]:
                await hall.ask(each)

    await asyncio.gather(*(store(thread) for thread in range(THREADS)))
    began = perf_counter()
    async with hall.work():
        await until(hall.is_drained, timeout=600, every=0.05)
        return len(asked) / (perf_counter() - began)


def _chosen_at_random() -> Iterator[Message]:
    chance, numbers = random.Random(3), [0] * THREADS
    while True:
        thread = chance.randrange(THREADS)
        yield message(f"thread {thread}", numbers[thread])
        numbers[thread] += 1


def _first(messages: Iterator[Message], count: int) -> Iterator[Message]:
    return (next(messages) for _ in range(count))
