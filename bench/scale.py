"""Whether the past costs anything: turns beside a million stored messages, and in a thread with thousands of them."""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.database import fetch, server
from bench.hall import BenchHall, bench_hall, message
from bench.load import load
from bench.plans import Cost, Trees, explained, may_grow, trees
from bench.report import Figure, Progress, at_most, none_of, percentile, report, told
from bench.until import until
from core.message import Author, Feedback, LastReplyTo, Message, Origin
from core.store import Keys

MESSAGES = 1_000_000
LONG = 5_000
SHORT = 60  # more than the history of one turn reads
LONG_THREAD = "long thread"
_ROUNDS = 8
_PER_ROUND = 30
_EXPLAINED = 6


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 messages instead of a million, to see that it runs")
    parser.add_argument("--messages", type=int, default=0, help="so many messages")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    count = options.messages or (2_000 if options.quick else MESSAGES)
    return asyncio.run(measure(options.database, count, rounds=1 if options.quick else _ROUNDS))


async def measure(url: str, count: int, *, rounds: int) -> dict[str, Any]:
    progress, keys = Progress("scale"), Keys.generate()
    async with server(url) as running, running.new() as small_url, running.new() as big_url:
        await load(small_url, keys, 0, (LONG_THREAD, SHORT), _silent)
        progress(f"loading {count} messages and a thread of {LONG}")
        seconds = await load(big_url, keys, count, (LONG_THREAD, LONG), progress)
        async with bench_hall(small_url, keys) as small, bench_hall(big_url, keys) as big:
            figures = [
                told("messages loaded", count + LONG, "count"),
                told("time to load them", seconds, "s"),
                *await _latency(small, big, rounds, progress),
                *await _plans(small, big, progress),
            ]
        return report("scale", figures, postgres=await running.version())


def _silent(line: str) -> None:
    pass


# -------------------------------------------------------------------------------------------------------------- latency


@dataclass(frozen=True, slots=True)
class Place:
    """Where questions are asked: in a new thread each, or one after the other in one thread with a past."""

    name: str
    hall: BenchHall
    is_long: bool = False


async def _latency(small: BenchHall, big: BenchHall, rounds: int, progress: Progress) -> list[Figure]:
    places = (
        Place("new threads, empty database", small),
        Place("new threads, full database", big),
        Place(f"thread of {SHORT} messages, empty database", small, is_long=True),
        Place(f"thread of {LONG} messages, full database", big, is_long=True),
    )
    values: defaultdict[str, list[float]] = defaultdict(list)
    async with small.work(), big.work():
        for number in range(rounds + 1):
            for place in places:
                measured = await _ask(place, number)
                # The first round opens connections and plans statements.
                values[place.name] += measured if number else []
    medians = [percentile(values[place.name], 0.5) for place in places]
    for place, median in zip(places, medians, strict=True):
        progress(f"{place.name}: p50 {median:.1f} ms, p99 {percentile(values[place.name], 0.99):.1f} ms")
    empty, full, short, long = medians
    return [
        *(told(f"p50, {place.name}", median, "ms") for place, median in zip(places, medians, strict=True)),
        at_most("p50 of new threads, full database to empty", full / empty, "ratio", 1.3),
        at_most(f"p50 of a thread of {LONG} messages to one of {SHORT}", long / short, "ratio", 1.3),
        at_most(f"p50 of a thread of {LONG} messages to new ones, empty database", long / empty, "ratio", 1.3),
    ]


async def _ask(place: Place, number: int) -> list[float]:
    """One question at a time, so that nothing but its own turn is measured."""
    asked = []
    for turn in range(_PER_ROUND):
        unused = LONG + number * _PER_ROUND + turn
        thread = LONG_THREAD if place.is_long else f"new {number}/{turn}"
        said = message(thread, unused)
        await place.hall.ask(said)
        await place.hall.until_done(said)
        asked.append(said.id)
    return place.hall.latencies(asked)


# ---------------------------------------------------------------------------------------------------------------- plans


async def _plans(small: BenchHall, big: BenchHall, progress: Progress) -> list[Figure]:
    before, after = await trees(small.url), await trees(big.url)
    comparisons = []
    for is_long in (False, True):
        here, there = await _costs(small, is_long=is_long), await _costs(big, is_long=is_long)
        comparisons += list(compare(here, there, before, after))
    progress(f"{len(comparisons)} statements explained in both databases")
    for each in comparisons:
        if each.complaint:
            progress(each.complaint)
    return [
        told("statements explained", len(comparisons), "count"),
        none_of("statements that read more rows", sum(each.is_wider for each in comparisons)),
        none_of("statements whose buffers grew by more than their trees", sum(each.is_deeper for each in comparisons)),
        none_of("sequential scans", sum(each.is_sequential for each in comparisons)),
        told("buffers more per statement, at most", max(each.more_buffers for each in comparisons), "count"),
    ]


async def _costs(hall: BenchHall, *, is_long: bool) -> dict[str, Cost]:
    """The cheapest run of every statement of a turn, of a rating, and of the page that shows them."""
    # What the measurements left behind in the queues is not what is looked at here. In a big table a plain VACUUM
    # leaves so few dead rows in the indexes; scans mark them and pass them by.
    await fetch(hall.url, "VACUUM (INDEX_CLEANUP ON)")
    with explained() as found:
        async with hall.work():
            for number in range(_EXPLAINED):
                said = message(LONG_THREAD if is_long else f"explained {number}", 2 * LONG + number)
                await hall.ask(said)
                await hall.until_done(said)
                await hall.add(_vote(said.author, LastReplyTo(said.author, said.thread), number))
                await until(partial(_is_rated, hall, said))
                await hall.store.archive.threads(said.author, limit=20)
                await hall.store.archive.entries(said.thread, said.author, limit=20)
    return {name: cheapest(costs) for name, costs in found.items()}


async def _is_rated(hall: BenchHall, said: Message) -> bool:
    async with hall.store.unit() as unit:
        return bool(await unit.ratings.votes(hall.replies[said.id]))


def _vote(author: Author, target: LastReplyTo, number: int) -> Feedback:
    said = message("vote", number)
    return Feedback(
        id=f"vote {target.thread.thread} {number}", target=target, author=author, origin=Origin.BUTTON, score=5,
        sent_at=said.sent_at, comment="Thank you.",
    )  # fmt: skip


def cheapest(costs: Sequence[Cost]) -> Cost:
    """Least buffers and least rows: what is above it was somebody else's (a page split, a row of another turn)."""
    best = min(costs, key=lambda cost: cost.buffers)
    rows = min(cost.rows for cost in costs)
    return Cost(rows, best.buffers, best.descents, best.writes, tuple({name for c in costs for name in c.sequential}))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One statement in both databases; `complaint` says what is wrong, "" where nothing is."""

    complaint: str
    more_buffers: int
    is_wider: bool
    is_deeper: bool
    is_sequential: bool


def compare(small: Mapping[str, Cost], big: Mapping[str, Cost], before: Trees, after: Trees) -> Iterator[Comparison]:
    for name in sorted(small.keys() & big.keys()):
        here, there = small[name], big[name]
        more, allowed = there.buffers - here.buffers, may_grow(there, before, after)
        is_wider, is_deeper = there.rows > here.rows, more > allowed
        complaint = (
            f"{name}: {here.rows} → {there.rows} rows, {here.buffers} → {there.buffers} buffers (+{allowed} may be)"
        )
        is_bad = is_wider or is_deeper or bool(there.sequential)
        yield Comparison(complaint if is_bad else "", more, is_wider, is_deeper, bool(there.sequential))
