"""Whether a door can be talked into anything: mutated webhooks, whole over HTTP, against the real route and store."""

import argparse
import asyncio
import logging
import os
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from random import Random
from typing import Any, Protocol, cast

from bench.database import Server, fetch, server
from bench.hall import CONTEXT
from bench.process import free_port
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, report, told
from bench.until import until
from bench.wire import Answer, Request, Wire
from bot.app import _bind as bind
from bot.logs import OWN, set_up_logging
from bot.telemetry import PrometheusMetrics
from bot.web import make_app
from core.answer import answer_with
from core.engine import EchoEngine
from core.errors import NotStored
from core.hall import Hall, Terms
from core.manager import DialogManager
from core.message import Event
from core.ports import Accept, Adapter, Receipt, Received, Store, Webhook
from core.store import Keys, PostgresStore
from core.turn import compose

COUNT = 100_000
_AT_ONCE = (1, 4)  # connections, each with one request at a time: batch by batch in turn
_BATCH, _TOLD = 500, 5_000
_INTAKE_SECONDS = 2.5
_OPEN = """
    SELECT EXISTS (SELECT FROM inbox WHERE status IN (0, 1) AND (lane = 'turn' OR attempts = 0))
        OR EXISTS (SELECT FROM outbox WHERE status = 0)
"""
_ROWS = "SELECT count(*), count(*) FILTER (WHERE status NOT IN (0, 1, 2)) FROM inbox"
# What a fault of ours looks like in the log; what aiohttp says of every request that is no HTTP is none.
_FAULTS = (" ERROR ", " CRITICAL ", 'File "', "Traceback")
_UNREADABLE = " aiohttp.server: Error handling request from "
_SHOWN = 20  # examples of what should not have happened


class Door(Protocol):
    """What is known of a door by those who want to break it."""

    CANARY: str
    SECRETS: tuple[str, ...]
    QUICK: int

    def total(self, count: int) -> int: ...

    def opened(self, store: Store) -> AbstractAsyncContextManager[Adapter | tuple[Adapter, ...]]: ...

    def request(self, number: int, chance: Random) -> Request: ...


_DOORS = ("slack", "teams", "wecom")
_COUNTED = "Slack and WeCom: so many requests; Teams: so many forged tokens and as many spoiled bodies under a good one"


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench fuzz", description=__doc__)
    parser.add_argument("--door", choices=_DOORS, default="slack", help="which one")
    parser.add_argument("--count", type=int, default=0, help=f"{COUNT} else; {_COUNTED}")
    parser.add_argument("--quick", action="store_true", help="some 5000 requests")
    parser.add_argument("--seed", type=int, default=0, help="repeats an earlier run; a new one is drawn else")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    count = options.count or (door_named(options.door).QUICK if options.quick else COUNT)
    return asyncio.run(measure(options.database, options.door, count, options.seed or _new_seed()))


async def measure(url: str, door: str, count: int, seed: int) -> dict[str, Any]:
    progress = Progress(f"fuzz {door}")
    async with server(url) as database:
        figures = await attack(database, door, count, seed, progress)
        return report("fuzz", figures, postgres=await database.version())


def door_named(name: str) -> Door:
    """One needs the packages of its own door alone."""
    return cast(Door, import_module(f"bench.fuzz_{name}"))


async def attack(database: Server, name: str, count: int, seed: int, progress: Progress) -> list[Figure]:
    """Sends the requests of this seed that `count` stands for, and counts what became of them."""
    door, tally = door_named(name), Tally()
    progress(f"seed {seed}")
    with _listened(door) as log:
        async with database.new() as url, _served(url, door, tally) as served:
            await _throw(door, served.port, door.total(count), seed, tally, progress)
            progress("answering all that was stored")
            await _answered(url, served)
            ((rows, buried),) = await fetch(url, _ROWS)
    for what, example in (*tally.examples.items(), *log.examples.items()):
        progress(f"{what}: {example}")
    return _figures(tally, log, rows, buried, seed)


def _new_seed() -> int:
    return int.from_bytes(os.urandom(4))


# ---------------------------------------------------------------------------------------------------------- the server


@dataclass(slots=True)
class Tally:
    """What was sent and what came of it. `stored` are the numbers of all requests of which something was stored.

    `seconds` are by how many were under way at once, `examples` the first of each kind of what should not have been.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    may_count: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    silent: int = 0
    hung_up: int = 0
    turned_away: int = 0
    failed: int = 0
    otherwise: int = 0
    examples: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, request: Request, answer: Answer, at_once: int = 1) -> None:
        self.kinds[request.kind] += 1
        if request.may_count:
            self.may_count.add(str(number))
        if request.is_cut:
            self.hung_up += 1
            return
        self.statuses[answer.status] += 1
        self.seconds[at_once].append(answer.seconds)
        self.silent += not answer.status
        is_turned_away = request.is_whole and answer.status not in (request.answers or (200,))
        self.turned_away += is_turned_away
        has_failed = answer.status >= 500 and answer.status not in request.answers
        self.failed += has_failed
        is_otherwise = bool(request.answers) and answer.status not in request.answers
        self.otherwise += is_otherwise
        if has_failed or not answer.status or is_turned_away or is_otherwise:
            self.examples.setdefault(f"{request.kind}: answered with {answer.status}", number)


class _Watched:
    """A door of which we know what each request stored."""

    def __init__(self, door: Adapter, tally: Tally) -> None:
        self.name = door.name
        self._door = door
        self._tally = tally
        self.deliver = door.deliver

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        async def watched(events: Sequence[Event]) -> tuple[Receipt, ...]:
            receipts = await accept(events)
            if receipts:
                self._tally.stored.add(webhook.headers.get("x-fuzz", ""))
            return receipts

        return await self._door.receive(webhook, watched)


@dataclass(frozen=True, slots=True)
class Served:
    """The house's own server with one platform's doors, over a real store, while nobody answers."""

    port: int
    store: PostgresStore
    adapters: tuple[Adapter, ...]


@asynccontextmanager
async def _served(url: str, door: Door, tally: Tally) -> AsyncGenerator[Served, None]:
    async with AsyncExitStack() as stack:
        store = PostgresStore(url, Keys.generate())
        await store.start()
        stack.push_async_callback(store.stop)
        opened = await stack.enter_async_context(door.opened(store))
        adapters = opened if isinstance(opened, tuple) else (opened,)

        async def accept(events: Sequence[Event]) -> tuple[Receipt, ...]:
            try:
                async with asyncio.timeout(_INTAKE_SECONDS), store.unit() as unit:
                    return await unit.inbox.add(events)
            except TimeoutError:
                raise NotStored from None

        async def ready() -> str:
            return ""

        port = free_port()
        app = make_app(routes=[], webhooks=[_Watched(each, tally) for each in adapters], accept=accept, ready=ready)
        await bind(app, "127.0.0.1", port, stack)
        yield Served(port, store, adapters)


async def _answered(url: str, served: Served) -> None:
    """Lets the hall make of it what it can, with an echo that answers at once."""
    engine = EchoEngine(CONTEXT)
    await engine.start()
    hall = Hall(
        served.store,
        {adapter.name: adapter for adapter in served.adapters},
        engine,
        compose([], answer_with(engine)),
        PrometheusMetrics(),
        terms=Terms(system={"en": "You are a benchmark."}),
    )
    manager = DialogManager(hall)
    running = asyncio.create_task(manager.run(), name="dialog manager")

    async def is_drained() -> bool:
        return not (await fetch(url, _OPEN))[0][0]

    try:
        await until(is_drained, timeout=3600, every=0.5)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await manager.stop(timedelta(seconds=10))


async def _throw(door: Door, port: int, count: int, seed: int, tally: Tally, progress: Progress) -> None:
    """Each request's number and the seed alone decide what it is."""
    for first in range(0, count, _BATCH):
        # Made beforehand: what making them costs must not look like our answer's time.
        numbers = range(first, min(first + _BATCH, count))
        made = iter([(number, door.request(number, Random(f"{seed}/{number}"))) for number in numbers])
        at_once = _AT_ONCE[first // _BATCH % len(_AT_ONCE)]
        await asyncio.gather(*(_send(port, made, tally, at_once) for _ in range(at_once)))
        if (first + _BATCH) % _TOLD == 0:
            progress(f"{first + _BATCH} requests, {len(tally.stored)} of them stored")


async def _send(port: int, requests: Iterator[tuple[int, Request]], tally: Tally, at_once: int) -> None:
    """One after the other, on one connection as long as it lasts."""
    wire = Wire(port)
    for number, request in requests:
        tally.add(number, request, await wire.send(request), at_once)
    await wire.close()


# ------------------------------------------------------------------------------------------------------------- the log


class _Log:
    """Reads what the operator would read: how often it shows what was said, a secret, or a fault of ours."""

    def __init__(self, canary: str, secrets: Sequence[str]) -> None:
        self._canary = canary
        self._secrets = secrets
        self.lines = self.canaries = self.faults = 0
        self.examples: dict[str, str] = {}

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        shows = self._canary in text or any(secret in text for secret in self._secrets)
        is_fault = any(sign in text for sign in _FAULTS) and _UNREADABLE not in text
        self.canaries += shows
        self.faults += is_fault
        if (shows or is_fault) and len(self.examples) < _SHOWN:
            frames = text.strip().splitlines()
            self.examples.setdefault(frames[-1].strip() if is_fault else "shown in the log", text.strip())
        return len(text)

    def flush(self) -> None: ...


@contextmanager
def _listened(door: Door) -> Generator[_Log, None, None]:
    """The house's logging at its most talkative, into our ears until it is left."""
    log, root = _Log(door.CANARY, door.SECRETS), logging.getLogger()
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, OWN))}
    handlers, root.handlers = root.handlers, []
    set_up_logging("debug", "console")
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(log)
    try:
        yield log
    finally:
        root.handlers = handlers
        for logger, level in levels.items():
            logger.setLevel(level)


def _figures(tally: Tally, log: _Log, rows: int, buried: int, seed: int) -> list[Figure]:
    one, several = (_milliseconds(tally, at_once) for at_once in _AT_ONCE)
    return [
        told("seed", seed, "number"),
        told("requests", tally.kinds.total(), "count"),
        *(told(f"of them {what}", number, "count") for what, number in _sorts(tally).items()),
        told("kinds of them", len(tally.kinds), "count"),
        none_of("stored of what was unsigned, forged or astray", len(tally.stored - tally.may_count)),
        none_of("answered with 5xx", tally.failed),
        none_of("not answered", tally.silent),
        none_of("as it should be, and not answered with 200", tally.turned_away),
        none_of("answered with another status than is right for it", tally.otherwise),
        none_of("errors and exception traces in the log", log.faults),
        none_of("lines of the log that show what was sent, or a secret", log.canaries),
        at_least("stored of what was signed: the door was open", len(tally.stored & tally.may_count), "count", 1),
        told("events stored", rows, "count"),
        none_of("events that the house could make nothing of", buried),
        told("lines in the log, at level debug", log.lines, "count"),
        told("our answer, one request at a time, p50", percentile(one, 0.5), "ms"),
        at_most("our answer, one request at a time, p99", percentile(one, 0.99), "ms", 10),
        told(f"our answer, {_AT_ONCE[1]} requests at a time, p50", percentile(several, 0.5), "ms"),
        told(f"our answer, {_AT_ONCE[1]} requests at a time, p99", percentile(several, 0.99), "ms"),
        told("our answer, slowest", max(one + several), "ms"),
        told("ended by us in the middle", tally.hung_up, "count"),
        *(told(f"answered with {status}", count, "count") for status, count in sorted(tally.statuses.items())),
    ]


def _sorts(tally: Tally) -> Counter[str]:
    """What came before the colon of a request's kind, and how many there were."""
    sorts = Counter[str]()
    for kind, number in sorted(tally.kinds.items()):
        sorts[kind.partition(":")[0]] += number
    return sorts


def _milliseconds(tally: Tally, at_once: int) -> list[float]:
    return [1000 * each for each in tally.seconds[at_once]]
