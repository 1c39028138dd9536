"""What watching costs: a turn with its numbers and without them, side by side, and a scrape of a busy house."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from statistics import median
from typing import Any

from aiohttp import web

from bench.database import Server, server
from bench.hall import BenchHall, at_rate, bench_hall, message
from bench.report import Figure, Progress, at_most, percentile, report, told
from bench.until import until
from bot.telemetry import PrometheusMetrics
from bot.web import metrics_route
from core.message import Message
from core.ports import Metrics
from core.store import Keys

THREADS = 200
RATE = 30  # messages a second
CONCURRENCY = 32


class NoMetrics:
    """The Metrics port that keeps nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        pass

    def observe(self, name: str, value: float, **labels: str) -> None:
        pass

    def gauge(self, name: str, value: float, **labels: str) -> None:
        pass


class Timed:
    """Passes everything on, and knows how many calls there were and the processor time they took."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.calls, self.seconds = 0, 0.0

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        began = time.thread_time()
        self._metrics.count(name, amount, **labels)
        self._spent(began)

    def observe(self, name: str, value: float, **labels: str) -> None:
        began = time.thread_time()
        self._metrics.observe(name, value, **labels)
        self._spent(began)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        began = time.thread_time()
        self._metrics.gauge(name, value, **labels)
        self._spent(began)

    def _spent(self, began: float) -> None:
        self.calls, self.seconds = self.calls + 1, self.seconds + time.thread_time() - began


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench telemetry", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few messages, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, options.quick))


async def measure(url: str, is_quick: bool) -> dict[str, Any]:
    progress = Progress("telemetry")
    progress("starting a database")
    async with server(url) as running:
        figures = [
            *await _cost(running, progress, per_thread=1 if is_quick else 2, pairs=1 if is_quick else 8),
            *await _scrapes(running, progress, seconds=2 if is_quick else 30),
        ]
        return report("telemetry", figures, postgres=await running.version())


# ------------------------------------------------------------------------------------------------------------ the cost


async def _cost(running: Server, progress: Progress, *, per_thread: int, pairs: int) -> list[Figure]:
    """Each pair answers the same messages with numbers and without, taking turns; what is compared is this process."""
    asked = [message(f"thread {thread}", number) for number in range(per_thread) for thread in range(THREADS)]
    await _answer(running, asked, NoMetrics())  # what is done for the first time on the way counts for neither
    ratios, shares, calls = [], [], 0.0
    for pair in range(pairs):
        order = (PrometheusMetrics(), NoMetrics()) if pair % 2 else (NoMetrics(), PrometheusMetrics())
        spent = {type(metrics): await _answer(running, asked, metrics) for metrics in order}
        ratios.append(100 * (spent[PrometheusMetrics] / spent[NoMetrics] - 1))
        timed = Timed(PrometheusMetrics())
        whole = await _answer(running, asked, timed)
        shares.append(100 * (timed.seconds - timed.calls * _nothing()) / whole)
        calls = timed.calls / len(asked)
        progress(f"with numbers {ratios[-1]:+.1f} % processor time; {shares[-1]:.2f} % is spent in them")
    return [
        at_most("share of a turn's processor time spent in metrics, median", median(shares), "%", 2),
        told(f"a turn's processor time with metrics against without, median of {pairs}", median(ratios), "%"),
        told("the same, smallest", min(ratios), "%"),
        told("the same, largest", max(ratios), "%"),
        told("calls of metrics for each turn", calls, "count"),
    ]


def _nothing(times: int = 10_000) -> float:
    """Seconds of a call that keeps nothing, looking at the clock included: what is left is the cost of the numbers."""
    timed = Timed(NoMetrics())
    for _ in range(times):
        timed.observe("turn_seconds", 1.0, channel="bench", kind="text", demo="false")
    return timed.seconds / times


async def _answer(running: Server, asked: Sequence[Message], metrics: Metrics) -> float:
    """Processor seconds of this process for answering all of them out of the queue."""
    async with running.new() as url, _hall(url, metrics) as hall:
        for number in range(0, len(asked), THREADS):
            await hall.ask(*asked[number : number + THREADS])
        began = time.process_time()
        async with hall.work():
            await until(hall.is_drained, timeout=600, every=0.05)
            return time.process_time() - began


def _hall(url: str, metrics: Metrics) -> AbstractAsyncContextManager[BenchHall]:
    """As of `parley bench pipeline`, with the engine behind its breaker, where most of the numbers are told."""
    return bench_hall(url, Keys.generate(), concurrency=CONCURRENCY, metrics=metrics)


# --------------------------------------------------------------------------------------------------------- the scrape


async def _scrapes(running: Server, progress: Progress, *, seconds: int) -> list[Figure]:
    """From the request of another process to its last byte, while this one answers questions of all these threads."""
    metrics = PrometheusMetrics()
    metrics.expect("bench", demo="false")
    async with running.new() as url, _hall(url, metrics) as hall, hall.work(), _serving(metrics) as port:
        metrics.watch(hall.store.pools)
        progress(f"{RATE} messages a second in {THREADS} threads for {seconds} s, a scrape each 100 ms")
        await at_rate(hall, _messages(THREADS), 2 * RATE)  # so that all of them are there
        asking = asyncio.create_task(at_rate(hall, _messages(RATE * seconds, first=1), RATE))
        scraper = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _SCRAPER, str(port), str(10 * seconds), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await scraper.communicate()
        await asking
    times, size = json.loads(output)
    return [
        at_most(f"/metrics with {THREADS} threads active, p95", percentile(times, 0.95), "ms", 20),
        told("/metrics, p50", percentile(times, 0.5), "ms"),
        told("/metrics, slowest", max(times), "ms"),
        told("scrapes", len(times), "count"),
        told("size of a scrape", size / 1024, "KiB"),
    ]


_SCRAPER = """
import http.client, json, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
line, times, body = http.client.HTTPConnection("127.0.0.1", port), [], b""
for _ in range(count):
    began = time.perf_counter()
    line.request("GET", "/metrics")
    body = line.getresponse().read()
    times.append(1000 * (time.perf_counter() - began))
    time.sleep(0.1)
print(json.dumps([times, len(body)]))
"""


@asynccontextmanager
async def _serving(metrics: PrometheusMetrics) -> AsyncGenerator[int, None]:
    app = web.Application()
    app.add_routes([metrics_route(metrics, None, is_loopback=True)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _messages(count: int, *, first: int = 0) -> Iterator[Message]:
    """One of each thread after the other; `first` is the number of the first ones."""
    return (message(f"thread {number % THREADS}", first + number // THREADS) for number in range(count))
