"""What hours of traffic leave behind in a server: memory, tasks, descriptors, connections."""

import argparse
import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.crowd import Crowd
from bench.curve import Curve, drawn
from bench.database import Server, fetch, server
from bench.process import ServerProcess, servers
from bench.report import Figure, Progress, at_least, at_most, none_of, report, told
from bench.samples import LOOKS, POOL, Samples
from bench.sink import Sink, sink
from bench.slope import slope
from bench.until import until

RATE = 20.0  # messages a second
SECONDS = (0.1, 1.0)  # that an answer of the echo takes
MINUTES = 8 * 60
QUICK = 2
_MB = 2**20
_HOUR = 3600.0
_LONG = 4.0  # hours; below this, a slope of 1 MB an hour may be lost in what the allocator does anyway
_SHORT = 0.5  # hours; below this, it always is
_LOOSE = 48  # MB: a leak that a run of minutes can see
_WORKING = "SELECT EXISTS (SELECT FROM inbox WHERE status IN (0, 1)) OR EXISTS (SELECT FROM outbox WHERE status = 0)"
_WHEREABOUTS = """
    SELECT inbox.status, inbox.mark, inbox.attempts, turns.state, outbox.status, outbox.attempts, outbox.failures
    FROM inbox LEFT JOIN turns USING (reply_id) LEFT JOIN outbox USING (reply_id) WHERE inbox.reply_id = %(id)s::uuid
"""
_PATIENCE = 300.0  # seconds; a delivery that failed, on a machine too busy, is tried again after a while
_FLAT = ("tasks", "threads", "descriptors", "connections", "children")
_OF_THE_POOL = ("descriptors", "connections")


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds: under load, of them to warm up, and between two samples. The others end in one of the `rests` each."""

    whole: float
    warm_up: float
    every: float
    rests: int


def plan(minutes: float) -> Plan:
    """Looks at what is left included. A third of the time, an hour at most, is left to what fills up to its bounds."""
    rests = max(1, min(14, round(minutes / 30)))
    whole = max(60 * minutes - (rests + 1) * LOOKS, 30 * minutes)
    return Plan(whole, min(_HOUR, whole / 3), 2.5 if whole < 1000 else 10.0, rests)


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} minutes instead of 8 hours, to see that it runs")
    parser.add_argument("--minutes", type=float, default=0, help="so many minutes")
    parser.add_argument("--into", type=Path, default=Path("var/soak"), help="the folder for the samples and the plot")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    minutes = options.minutes or (QUICK if options.quick else MINUTES)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it early leaves no server behind
    return asyncio.run(measure(options.database, plan(minutes), options.into))


async def measure(url: str, plan: Plan, into: Path) -> dict[str, Any]:
    into.mkdir(parents=True, exist_ok=True)
    samples_file = into / "samples.jsonl"
    samples_file.unlink(missing_ok=True)
    progress = Progress("soak")
    async with (
        server(url) as database,
        database.new() as url_,
        sink() as channel,
        servers(1, url_, channel=channel.url, seconds=SECONDS, **_settings()) as (process,),
    ):
        samples = Samples(process, url_, samples_file, None if url else _postmaster(database))
        crowd = Crowd(process.url, channel)
        soak = Soak(plan, crowd, channel, samples, progress)
        progress(f"{RATE:g} messages a second for {plan.whole / 60:.0f} minutes; samples go to {samples_file}")
        await soak.run()
        figures = await soak.figures()
        (into / "soak.svg").write_text(drawn(soak.curves()), encoding="utf-8")
        progress(f"drawn: {into / 'soak.svg'}")
        return report("soak", figures, postgres=await database.version())


def _settings() -> dict[str, str]:
    # Hours of other lines would fill the disk.
    return {"PARLEY_CACHE__ENABLED": "true", "PARLEY_LOG__LEVEL": "warning"}


def _postmaster(database: Server) -> int:
    return int((database.log.parent / "postmaster.pid").read_text().split()[0])


@dataclass(slots=True)
class Rest:
    """What was left while nobody asked: after so many `messages`, the pool had so many `unopened` connections."""

    row: dict[str, float]
    types: Counter[str]
    messages: int
    unopened: int


@dataclass(slots=True)
class Soak:
    """Load and rest by turns: warming up, then the rest of the time in equal parts, each with a look at its end."""

    plan: Plan
    crowd: Crowd
    channel: Sink
    samples: Samples
    progress: Progress
    rests: list[Rest] = field(default_factory=list)
    trimmed: float = 0.0

    async def run(self) -> None:
        part = (self.plan.whole - self.plan.warm_up) / self.plan.rests
        sampling = asyncio.create_task(self._sample(), name="samples")
        try:
            for seconds in (self.plan.warm_up, *(self.plan.rests * [part])):
                await self.crowd.go(seconds, RATE)
                await self._rest()
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        self.trimmed = await self.samples.trimmed()

    async def _sample(self) -> None:
        said = 0.0
        while True:
            row = await self.samples.take()
            if row["at"] - said >= 60:
                said = row["at"]
                self.progress(self._line(row))
            await asyncio.sleep(self.plan.every)

    def _line(self, row: dict[str, float]) -> str:
        numbers = " ".join(f"{name} {row[name]:.0f}" for name in _FLAT)
        return (
            f"{self.crowd.done.total()} messages: {row['own'] / _MB:.1f} MB its own, {row['rss'] / _MB:.1f} resident; "
            f"{numbers}; Postgres {row['postgres'] / _MB:.0f} MB, database {row['database'] / _MB:.0f} MB"
        )

    async def _rest(self) -> None:
        async def is_idle() -> bool:
            return not (await fetch(self.samples.url, _WORKING))[0][0]

        await until(is_idle, timeout=_PATIENCE, every=0.2)
        await self._look_for_lost()
        row, types = await self.samples.settled()
        counted = await self.samples.counted()
        unopened = _sum(counted, POOL, "limit") - _sum(counted, POOL, "lent") - _sum(counted, POOL, "free")
        self.rests.append(Rest(row, types, self.crowd.done.total(), unopened))
        self.progress(f"at rest after {self._line(row)}; {row['objects']:.0f} objects, {row['blocks']:.0f} blocks")
        if len(self.rests) > 1:
            grown = (types - self.rests[-2].types).most_common(6)
            self.progress("more of: " + ", ".join(f"{name} {number}" for name, number in grown))

    async def _look_for_lost(self) -> None:
        """Nothing is queued any more: whatever was promised has been told."""
        lost, awaited = [], self.channel.awaited
        for reply in sorted(awaited):
            rows = await fetch(self.samples.url, _WHEREABOUTS, {"id": reply})
            lost.append(f"an answer at the door was promised and is not whole: {rows}")
        self.crowd.complaints += lost
        awaited.clear()

    # -------------------------------------------------------------------------------------------------- what came of it

    async def figures(self) -> list[Figure]:
        first, last = self.rests[0], self.rests[-1]
        hours = (last.row["at"] - first.row["at"]) / _HOUR
        messages = last.messages - first.messages
        counted = await self.samples.counted()
        for complaint in self.crowd.complaints[:10]:
            self.progress(complaint)
        return [
            told("minutes under load", self.plan.whole / 60, "min"),
            told("of them to warm up", self.plan.warm_up / 60, "min"),
            self._rate(hours),
            *(told(f"messages: {name}", number, "count") for name, number in sorted(self.crowd.done.items())),
            told("answers out of the cache", counted["parley_cache_total", "hit"], "count"),
            told("answers of a plugin", _sum(counted, "parley_plugin_calls_total", "ok"), "count"),
            told("ratings", _sum(counted, "parley_feedback_total"), "count"),
            told("turns stopped, deleted ones among them", _sum(counted, "parley_turns_total", "stopped"), "count"),
            none_of("refused or unanswered", len(self.crowd.complaints)),
            self._quiet("turned away for want of time, and asked again", self.crowd.turned_away, hours),
            self._quiet("not answered within a minute", self.crowd.late, hours),
            self._quiet("streams cut off for want of time", self.crowd.cut_off, hours),
            none_of("turns failed", _sum(counted, "parley_turns_total", "failed")),
            *self._memory(hours),
            *(self._flat(name) for name in _FLAT),
            *(told(f"{name} at most, under load", self._most(name), "count") for name in _FLAT),
            told("objects at rest, more than after the warm-up", last.row["objects"] - first.row["objects"], "count"),
            told("the same, for each message", (last.row["objects"] - first.row["objects"]) / messages, "count"),
            told("lines of warning in its log", _lines(self.samples.process), "count"),
            told("Postgres and its processes, after the warm-up", first.row["postgres"] / _MB, "MB"),
            told("Postgres and its processes, at the end", last.row["postgres"] / _MB, "MB"),
            told("database, for each message", (last.row["database"] - first.row["database"]) / messages / 1024, "KiB"),
            told("processor of the server, share of a core", 100 * self._processor(), "%"),
        ]

    def _flat(self, name: str) -> Figure:
        """A short warm-up need not have had the whole pool opened: so much may come, and no more."""
        room = self.rests[0].unopened if name in _OF_THE_POOL else 0
        return at_most(f"{name} at rest, more than after the warm-up", _more(self, name), "count", room)

    def _rate(self, hours: float) -> Figure:
        """A short run, in the tests for instance, may share its machine with anything."""
        name, rate = "messages a second, under load", self.crowd.done.total() / self.plan.whole
        return at_least(name, rate, "1/s", 0.9 * RATE) if hours >= _SHORT else told(name, rate, "1/s")

    def _quiet(self, name: str, count: int, hours: float) -> Figure:
        return none_of(name, count) if hours >= _SHORT else told(name, count, "count")

    def _memory(self, hours: float) -> list[Figure]:
        first, last = self.rests[0], self.rests[-1]
        since = first.row["at"]
        points = [(row["at"] / _HOUR, row["own"] / _MB) for row in self.samples.rows if row["at"] > since]
        blocks = [(row["at"] / _HOUR, row["blocks"]) for row in self.samples.rows if row["at"] > since]
        found, grown = slope(points), (last.row["own"] - first.row["own"]) / _MB
        is_judged = hours >= _LONG or (hours >= _SHORT and found.high - found.low <= 1)
        name = "memory slope after the warm-up" + ("" if is_judged else ", too short a run to judge it by")
        return [
            at_most(name, found.value, "MB/h", 1) if is_judged else told(name, found.value, "MB/h"),
            told("the same, lower bound (95 %)", found.low, "MB/h"),
            told("the same, upper bound (95 %)", found.high, "MB/h"),
            at_most("memory of its own at rest, more than after the warm-up", grown, "MB", _LOOSE),
            told("memory of its own at rest, at the end", last.row["own"] / _MB, "MB"),
            told("resident at the end", last.row["rss"] / _MB, "MB"),
            told("of it held free by the allocator", (last.row["rss"] - self.trimmed) / _MB, "MB"),
            told("blocks of Python's allocator, slope", slope(blocks).value, "1/h"),
        ]

    def _most(self, name: str) -> float:
        return max(row[name] for row in self.samples.rows)

    def _processor(self) -> float:
        first, last = self.samples.rows[0], self.samples.rows[-1]
        return (last["processor"] - first["processor"]) / ((last["at"] - first["at"]) or 1)

    def curves(self) -> list[Curve]:
        rows, rests = self.samples.rows, [rest.row for rest in self.rests]

        def curve(title: str, unit: str, name: str, size: float = 1) -> Curve:
            points = tuple((row["at"] / 60, row[name] / size) for row in rows)
            return Curve(title, unit, points, tuple((row["at"] / 60, row[name] / size) for row in rests))

        return [
            curve("Memory of its own", "MB", "own", _MB),
            curve("Resident memory", "MB", "rss", _MB),
            curve("Used of the C allocator's", "MB", "used", _MB),
            curve("Blocks of Python's allocator", "", "blocks"),
            *(curve(name.capitalize(), "", name) for name in _FLAT),
            curve("Postgres and its processes", "MB", "postgres", _MB),
            curve("Database on disk", "MB", "database", _MB),
        ]


def _more(soak: Soak, name: str) -> float:
    return soak.rests[-1].row[name] - soak.rests[0].row[name]


def _sum(counted: Counter[tuple[str, ...]], name: str, label: str = "") -> int:
    return sum(number for series, number in counted.items() if series[0] == name and (not label or label in series))


def _lines(process: ServerProcess) -> int:
    with suppress(OSError):
        return process.log.read_text(errors="replace").count(os.linesep)
    return 0
