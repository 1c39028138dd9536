"""What survives kill -9: servers are killed while messages arrive, and everything said is counted afterwards."""

import argparse
import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic
from typing import Any

import aiohttp

from bench.channel import Channel, Posted, channel
from bench.database import Server, fetch, server
from bench.process import ServerProcess, servers
from bench.report import Figure, Progress, at_most, none_of, percentile, report, told
from bench.until import until

_REDELIVERED = 0.1
_RETRY_SECONDS = 0.2
_SLACK = 2.0  # seconds that a recovery may take beyond the lease
_WORDS = ("what", "is", "said", "here", "once", "and", "in", "its", "order", "whoever", "dies")

_INTERRUPTED = """
    SELECT reply_id, 'turn', attempts FROM inbox WHERE status = 1 AND owner = %(owner)s
    UNION ALL SELECT reply_id, 'delivery', attempts FROM outbox
    WHERE status = 0 AND owner = %(owner)s
        AND NOT EXISTS (SELECT FROM inbox WHERE inbox.reply_id = outbox.reply_id AND inbox.status = 1)
"""
_WAITING = """
    SELECT reply_id, 'turn', attempts FROM inbox WHERE status IN (0, 1)
    UNION ALL SELECT reply_id, 'delivery', attempts FROM outbox WHERE status = 0
"""
_REPLIES = "SELECT count(*), count(*) FILTER (WHERE body IS NULL) FROM replies"
_STARTED_EARLY = """
    SELECT count(*) FROM (
        SELECT started_at < lag(inbox.finished_at) OVER (PARTITION BY thread ORDER BY id) AS is_early
        FROM inbox JOIN turns USING (reply_id)
    ) AS neighbours WHERE is_early
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How bad the weather is."""

    messages: int = 2000
    threads: int = 200
    kills: int = 50
    servers: int = 1
    lease: float = 3.0


@dataclass(slots=True)
class Sent:
    """A message and what became of it: `reply` once it was acknowledged."""

    id: str
    thread: str
    text: str
    reply: str = ""
    deliveries: int = 0
    refusals: int = 0


@dataclass(slots=True)
class Record:
    """What happened during a storm; times are seconds after the kill."""

    sent: list[Sent] = field(default_factory=list)
    changed_reply: int = 0
    interrupted: int = 0
    claimed_again: list[float] = field(default_factory=list)
    killed_at: dict[str, float] = field(default_factory=dict)


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 kill and 40 messages, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    size = {"messages": 40, "threads": 20, "kills": 1} if options.quick else {}
    return asyncio.run(measure(options.database, [Plan(servers=servers, **size) for servers in (1, 2)]))


async def measure(url: str, plans: Sequence[Plan]) -> dict[str, Any]:
    progress = Progress("faults")
    async with server(url) as database:
        figures = [figure for plan in plans for figure in await storm(database, plan, progress)]
        return report("faults", figures, postgres=await database.version())


async def storm(database: Server, plan: Plan, progress: Progress) -> list[Figure]:
    """Kills servers over one new database while messages arrive, and counts."""
    record = Record()
    async with (
        database.new() as url,
        channel() as opened,
        servers(
            plan.servers,
            url,
            channel=opened.url,
            PARLEY_TURNS__LEASE_SECONDS=str(plan.lease),
            PARLEY_TURNS__MAX_ATTEMPTS=str(plan.kills + 1),  # a turn that meets every kill is answered all the same
        ) as processes,
    ):
        progress(f"{plan.servers} server(s) up; {plan.messages} messages, {plan.kills} kills")
        await _Storm(url, plan, processes, record, progress).run()
        await _until_drained(url)
        return await _figures(url, plan, record, opened)


class _Storm:
    """Sends, redelivers and kills until all is sent and the last victim stands again."""

    def __init__(
        self, url: str, plan: Plan, processes: Sequence[ServerProcess], record: Record, progress: Progress
    ) -> None:
        self._url = url
        self._plan = plan
        self._processes = processes
        self._record = record
        self._progress = progress
        self._chance = random.Random(plan.kills)
        self._waiting: defaultdict[str, deque[Sent]] = defaultdict(deque)

    async def run(self) -> None:
        order = [number % self._plan.threads for number in range(self._plan.messages)]
        self._chance.shuffle(order)
        share = -(-len(order) // self._plan.kills)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4)) as http, asyncio.TaskGroup() as group:
            for number in range(self._plan.kills):
                group.create_task(self._arrive(order[number * share : (number + 1) * share], http, group))
                await asyncio.sleep(self._chance.uniform(0.3, 1.8))
                await self._kill(self._processes[number % len(self._processes)])
                if (number + 1) % 10 == 0 or number + 1 == self._plan.kills:
                    self._progress(f"{number + 1} kills, {self._record.interrupted} turns and deliveries interrupted")

    async def _arrive(self, threads: Sequence[int], http: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        """Some messages, spread over two seconds; in each thread one after the other."""
        for thread in threads:
            name = f"thread {thread}"
            number = sum(sent.thread == name for sent in self._record.sent)
            sent = Sent(f"{name}/{number}", name, f"{number} {' '.join(self._chance.choices(_WORDS, k=10))}")
            self._record.sent.append(sent)
            self._waiting[name].append(sent)
            if len(self._waiting[name]) == 1:
                group.create_task(self._send_all(name, http, group))
            await asyncio.sleep(2 / len(threads))

    async def _send_all(self, thread: str, http: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        waiting = self._waiting[thread]
        while waiting:
            sent = waiting[0]
            await self._deliver(sent, http)
            waiting.popleft()
            if self._chance.random() < _REDELIVERED:
                group.create_task(self._redeliver(sent, http))

    async def _redeliver(self, sent: Sent, http: aiohttp.ClientSession) -> None:
        await asyncio.sleep(self._chance.choice((0.0, 0.1, 1.0, 3.0)))
        await self._deliver(sent, http)

    async def _deliver(self, sent: Sent, http: aiohttp.ClientSession) -> None:
        """As a platform does: again and again until it is acknowledged, at whichever server."""
        event = {"id": sent.id, "thread": sent.thread, "author": f"person of {sent.thread}", "text": sent.text}
        while True:
            url = self._chance.choice(self._processes).url
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.post(f"{url}/channels/bench", json={"events": [event]}) as response:
                    if response.status == 200:
                        (reply,) = (await response.json())["replies"]
                        self._record.changed_reply += sent.reply not in ("", reply)
                        sent.reply = reply
                        sent.deliveries += 1
                        return
            sent.refusals += 1
            await asyncio.sleep(_RETRY_SECONDS)

    async def _kill(self, victim: ServerProcess) -> None:
        """Kills it, starts it again, and waits until everything it was at is taken up again."""
        owner, record = victim.owner, self._record
        await victim.kill()
        killed_at = monotonic()
        starting = asyncio.create_task(victim.start())
        rows = await fetch(self._url, _INTERRUPTED, {"owner": owner})
        open_ = {(reply, kind): attempts for reply, kind, attempts in rows}
        record.interrupted += len(open_)
        record.killed_at |= {reply.hex: killed_at for reply, _ in open_}

        async def are_all_claimed() -> bool:
            now = {(reply, kind): attempts for reply, kind, attempts in await fetch(self._url, _WAITING)}
            for key in [key for key, attempts in open_.items() if now.get(key, attempts + 1) > attempts]:
                del open_[key]
                record.claimed_again.append(monotonic() - killed_at)
            return not open_

        await until(are_all_claimed)
        await starting


async def _until_drained(url: str, timeout: float = 120) -> None:
    async def is_drained() -> bool:
        return not await fetch(url, _WAITING)

    await until(is_drained, timeout=timeout, every=0.1)


async def _figures(url: str, plan: Plan, record: Record, opened: Channel) -> list[Figure]:
    finished = opened.finished()
    lost = sum(sent.reply not in finished or finished[sent.reply].text != sent.text for sent in record.sent)
    replies, unfinished = (await fetch(url, _REPLIES))[0]
    early = (await fetch(url, _STARTED_EARLY))[0][0]
    redelivered = sum(sent.deliveries - 1 for sent in record.sent)
    again = [
        ended - killed_at
        for reply, killed_at in record.killed_at.items()
        if reply in finished and (ended := finished[reply].finished_at or 0.0) > killed_at
    ]
    who = "one server" if plan.servers == 1 else f"{plan.servers} servers"
    bound = plan.lease + _SLACK
    return [
        told(f"{who}: messages acknowledged", len(record.sent), "count"),
        told(f"{who}: of them delivered to us again", redelivered, "count"),
        told(f"{who}: refused or unanswered, and sent again", sum(sent.refusals for sent in record.sent), "count"),
        told(f"{who}: kills", plan.kills, "count"),
        told(f"{who}: turns and deliveries interrupted", record.interrupted, "count"),
        none_of(f"{who}: lost", lost + unfinished),
        none_of(f"{who}: answered twice", len(opened.posted) - len(record.sent) + replies - len(record.sent)),
        none_of(f"{who}: another reply id for a repeated message", record.changed_reply),
        none_of(f"{who}: started out of order", early),
        none_of(f"{who}: delivered out of order", out_of_order(opened)),
        at_most(f"{who}: killed to claimed again, slowest", max(record.claimed_again, default=0), "s", bound),
        at_most(f"{who}: killed to answer delivered, p99", percentile(again, 0.99), "s", bound),
        told(f"{who}: killed to answer delivered, p50", percentile(again, 0.5), "s"),
    ]


def out_of_order(opened: Channel) -> int:
    """Messages that were posted before an earlier one of their thread was finished, or that say an earlier number.

    One that says none, an apology for instance, is out of order by its time alone.
    """
    return sum(
        _overtook(later, earlier) for messages in opened.threads().values() for earlier, later in pairwise(messages)
    )


def _overtook(later: Posted, earlier: Posted) -> bool:
    if earlier.finished_at is None or later.posted_at < earlier.finished_at:
        return True
    first, second = _number(earlier), _number(later)
    return first is not None and second is not None and second <= first


def _number(message: Posted) -> int | None:
    word, *_ = message.text.split() or [""]
    return int(word) if word.isdecimal() else None
