"""How long it takes to bring every data key under a new encryption key, and whether anybody notices."""

import argparse
import asyncio
import multiprocessing
import resource
import secrets
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from time import monotonic, process_time
from typing import Any
from uuid import uuid4

import psycopg

from bench.database import server
from bench.hall import message
from bench.report import Progress, at_most, none_of, percentile, report, told
from core.errors import ParleyError
from core.store import Keys, PostgresStore, seal
from core.store.database import conninfo

COUNT = 100_000
_GOAL = 60.0  # seconds
_OLD = Keys(1, {1: secrets.token_bytes(seal.KEY_BYTES)})
_BOTH = Keys(2, {2: secrets.token_bytes(seal.KEY_BYTES), **_OLD.ring})


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench keys", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 keys, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, 2_000 if options.quick else COUNT))


@dataclass(slots=True)
class Traffic:
    """Somebody says something, and all that they said is read again, with no key held in memory."""

    store: PostgresStore
    reads: int = 0
    failed: int = 0
    taken: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled. Every third one is somebody new, for whom a key is made."""
        for number in count():
            began = monotonic()
            try:
                await self._say_and_read(number)
            except (ParleyError, AssertionError):
                self.failed += 1
            self.taken.append(1000 * (monotonic() - began))
            self.reads += 1

    async def _say_and_read(self, number: int) -> None:
        said = message(f"thread {number if number % 3 == 0 else 1}", number)
        async with self.store.unit(autocommit=True) as unit:
            await unit.inbox.add([said])
        self.store._vault.listen(is_heard=True)  # forgets all keys
        texts = {getattr(item, "text", "") async for item in self.store.people.everything(said.author)}
        assert said.text in texts


async def measure(url: str, keys: int) -> dict[str, Any]:
    progress = Progress("keys")
    async with server(url) as running, running.new() as database:
        before = PostgresStore(database, _OLD)
        await before.start()
        await before.stop()
        progress(f"making {keys} data keys")
        await asyncio.to_thread(_fill, database, keys)
        serving = PostgresStore(database, _BOTH)
        await serving.start()
        traffic = Traffic(serving)
        work = asyncio.create_task(traffic.run())
        progress("rotating under traffic")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            loop = asyncio.get_running_loop()
            rewrapped, seconds, busy = await loop.run_in_executor(process, _rotate, database, _BOTH.dump())
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        stale = (await serving.wrapped()).get(_OLD.primary, 0)
        await serving.stop()
        figures = [
            at_most(f"time to rotate {keys} keys", seconds, "s", _GOAL),
            told("processor time of it", busy, "s"),
            told("keys rewrapped", rewrapped, "count"),
            none_of("keys left under the old one", stale),
            told("messages said and read meanwhile", traffic.reads, "count"),
            none_of("failed reads", traffic.failed),
            told("said and read, p99", percentile(traffic.taken, 0.99), "ms"),
        ]
        return report("keys", figures, postgres=await running.version())


def _rotate(url: str, keys: str) -> tuple[int, float, float]:
    """In a process of its own, as `parley keys rotate` does; how many, the seconds it took, and those of processors."""

    async def rotate() -> tuple[int, float, float]:
        store = PostgresStore(url, Keys.parse(keys))
        await store.start()
        began = monotonic()
        rewrapped = await store.rewrap()
        seconds = monotonic() - began
        await store.stop()
        return rewrapped, seconds, process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    return asyncio.run(rotate())


def _fill(url: str, keys: int) -> None:
    with psycopg.connect(conninfo(url)) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY keys (scope, wrapped) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "bytea"])
            for _ in range(keys):
                scope = uuid4()
                copy.write_row((scope, _OLD.wrap(scope.bytes, secrets.token_bytes(seal.KEY_BYTES))))
        connection.commit()
