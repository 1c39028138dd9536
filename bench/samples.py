"""What a server weighs from moment to moment, taken from outside and by a look inside; written down as it comes."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.database import fetch
from bench.process import ServerProcess

_DATABASE = """
    SELECT (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'parley%'),
        pg_database_size(current_database())
"""
POOL = "parley_database_connections"
LOOKS = 6  # one a second: connections that are kept for a while are closed by then


@dataclass(slots=True)
class Samples:
    """All samples, each a row of numbers by their names: bytes, counts, and `at`, in seconds since the start.

    `postmaster` is the process id of the database server where it is known; its processes are weighed together, what
    they share counted once.
    """

    process: ServerProcess
    url: str
    file: Path
    postmaster: int | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    began: float = field(default_factory=monotonic)

    async def take(self) -> dict[str, float]:
        """What costs next to nothing, under load."""
        row = await self._row("light")
        self._keep(row)
        self.rows.append(row)
        return row

    async def settled(self) -> tuple[dict[str, float], Counter[str]]:
        """What is left while nobody asks, the least of some looks, and its objects by their types."""
        looks = []
        for _ in range(LOOKS):
            await asyncio.sleep(1)
            looks.append(await self._row("settled"))
        types = Counter(looks[-1].pop("types"))
        least = {name: min(look[name] for look in looks) for name in looks[-1]}
        least["objects"] = types.total()
        self._keep({**least, "types": dict(types)})
        return least, types

    async def trimmed(self) -> float:
        """Bytes resident once the allocator has given back what it held free."""
        return float((await self._probe("trimmed"))["rss"])

    async def counted(self) -> Counter[tuple[str, ...]]:
        """What the server's own metrics have counted, by name and the values of the labels, those in order of name."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.process.url}/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        return Counter(
            {
                (sample.name, *(value for _, value in sorted(sample.labels.items()))): int(sample.value)
                for family in families
                for sample in family.samples
                if sample.name.endswith("_total") or sample.name == POOL
            }
        )

    async def _row(self, look: str) -> dict[str, Any]:
        """The process from outside, the server from inside, and its database."""
        inside = await self._probe(look)
        row: dict[str, Any] = {"at": monotonic() - self.began, **inside, **await asyncio.to_thread(self._outside)}
        row["connections"], row["database"] = (await fetch(self.url, _DATABASE))[0]
        return row

    async def _probe(self, look: str) -> dict[str, Any]:
        # A connection of its own each time, so that it is counted the same each time.
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.process.url}/channels/probe", params={"look": look}) as response,
        ):
            found: dict[str, Any] = await response.json()
            return found

    def _outside(self) -> dict[str, float]:
        server = psutil.Process(self.process.pid)
        memory, times = server.memory_full_info(), server.cpu_times()
        return {
            # Without what is mapped from files: how much of that is its own changes as others map the same ones.
            "own": memory.rss - memory.shared if hasattr(memory, "shared") else memory.uss,
            "uss": memory.uss,
            "pss": memory.pss,
            "descriptors": server.num_fds(),
            "children": len(server.children(recursive=True)),
            "processor": times.user + times.system,
            "postgres": self._weigh_postgres(),
        }

    def _weigh_postgres(self) -> float:
        if self.postmaster is None:
            return 0.0
        try:
            first = psutil.Process(self.postmaster)
            return sum(_pss(each) for each in (first, *first.children(recursive=True)))
        except psutil.Error:
            return 0.0

    def _keep(self, row: dict[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:  # it ended meanwhile
        return 0.0
