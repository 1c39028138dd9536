"""What a server weighs: at rest with the bundled model, and after thousands of threads have come and gone."""

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import psutil

from bench.database import folder, server
from bench.process import ParleyServe, ServerProcess, running
from bench.report import Figure, Progress, at_most, report, told
from core.store import Keys

THREADS = 10_000
FILLING = 600  # threads that fill what the bundled model keeps of what it has read (8 times its weights)
AT_ONCE = 8
_SILENCE = 3.0  # seconds until what closes by itself is closed
_MB = 2**20


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="700 threads instead of 12,000, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, 100 if options.quick else THREADS))


async def measure(url: str, threads: int) -> dict[str, Any]:
    progress = Progress("memory")
    async with server(url) as database, database.new() as url_, aiohttp.ClientSession() as http:
        settings = {"DATABASE_URL": url_, "PARLEY_KEYS": Keys.generate().dump(), "PARLEY_ANSWERS__MAX_NEW_TOKENS": "1"}
        with folder() as place:
            figures = [
                await _idle(ParleyServe(place, settings), http, progress),
                *await _growth(ServerProcess(place, "bench.server", [], settings), http, threads, progress),
            ]
        return report("memory", figures, postgres=await database.version())


async def _idle(process: ParleyServe, http: aiohttp.ClientSession, progress: Progress) -> Figure:
    """`parley serve` with the bundled model, once it has answered and is silent again."""
    async with running(process):
        await _ask(process, http, 0)
        await asyncio.sleep(_SILENCE)
        rss = psutil.Process(process.pid).memory_info().rss / _MB
    progress(f"at rest: {rss:.0f} MB")
    return at_most("resident at rest, bundled model", rss, "MB", 900)


async def _growth(
    process: ServerProcess, http: aiohttp.ClientSession, threads: int, progress: Progress
) -> list[Figure]:
    """The same house with a door to look into its process. Every thread is a new person's, answered with one token."""
    async with running(process):
        await _talk(process, http, range(max(FILLING, threads // 5)))  # about what the caches hold
        seen = [await _look(process, http)]
        for half in (range(threads // 2), range(threads // 2, threads)):
            await _talk(process, http, half)
            seen.append(await _look(process, http))
            progress(f"{half.stop} threads: {seen[-1]['rss'] / _MB:.1f} MB, {seen[-1]['objects']} objects")
    start, middle, end = seen
    return [
        told("threads that came and went", threads, "count"),
        told("grown by the first half of them", (middle["rss"] - start["rss"]) / _MB, "MB"),
        at_most("grown by the second half of them", (end["rss"] - middle["rss"]) / _MB, "MB", 5),
        told("objects more after the first half", middle["objects"] - start["objects"], "count"),
        told("objects more after the second half", end["objects"] - middle["objects"], "count"),
        at_most("tasks more than at the start", end["tasks"] - start["tasks"], "count", 2),
    ]


async def _talk(process: ServerProcess, http: aiohttp.ClientSession, numbers: range) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> None:
        async with gate:
            await _ask(process, http, number)

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(ask(number))


async def _ask(process: ServerProcess, http: aiohttp.ClientSession, number: int) -> None:
    """Somebody new asks in a new thread: no cookie is sent."""
    async with http.post(
        f"{process.url}/chat", json={"prompt": f"What is Parley, for the {number}th time?"}
    ) as response:
        answer = await response.json()
        if answer.get("state") != "done":
            raise RuntimeError(f"a question was not answered: {response.status} {answer}")
    http.cookie_jar.clear()


async def _look(process: ServerProcess, http: aiohttp.ClientSession) -> dict[str, int]:
    await asyncio.sleep(_SILENCE)
    async with http.get(f"{process.url}/channels/probe") as response:
        facts: dict[str, int] = await response.json()
        return facts
