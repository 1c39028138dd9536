"""How soon the operator's pages know what they show, in a house where a million messages were said in a week."""

import argparse
import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_bytes
from time import perf_counter
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import psycopg
from aiohttp.test_utils import TestServer

from bench.database import fetch, folder, server
from bench.hall import DOOR, at_rate, bench_hall, message
from bench.load import without_indexes, without_waiting
from bench.report import Figure, Progress, at_most, percentile, report, told
from bot import config
from bot.admin.password import hashed
from bot.admin.routes import Routes
from bot.app import House
from bot.telemetry import PrometheusMetrics
from bot.web import make_app
from core.engine import EchoEngine
from core.manager import DialogManager
from core.message import Feedback, Message, Origin, ReplyId
from core.ports import Incident, Overview, Unit, Window
from core.store import Keys, PostgresStore
from core.store.database import conninfo

MESSAGES = 1_000_000
_GOAL = 200.0  # ms
_SLOWLY = {"load of the week": 500.0, "opinions of 30 days": 500.0}  # which are looked up once in half a minute
_OPERATORS = 20
_LATELY = 40  # messages that were really sealed, in so many threads
_RARE = "rare@1"
_ADMIN, _PASSWORD = "ann", "a long enough password"
_PATHS = ("/admin/live", "/admin/conversations", "/admin/ratings", "/admin/moderation", "/admin/models")

# Twenty in a second during the last hour, and the others in the week before. Nobody opens these.
_SAID = """
    CREATE UNLOGGED TABLE said AS
    SELECT n, md5('reply' || n)::uuid AS id, md5('thread' || n / 20)::uuid AS thread,
        md5('person' || n / 100)::uuid AS person, now() - CASE WHEN n > quiet
            THEN interval '1 hour' * (%(count)s - n) / (%(count)s - quiet)
            ELSE interval '1 hour' + interval '7 days' * (quiet - n) / quiet END AS at,
        (ARRAY['done', 'done', 'done', 'done', 'done', 'done', 'done', 'refused', 'failed', 'stopped'])[n %% 10 + 1]
            AS state,
        CASE WHEN n %% 50000 = 0 THEN %(rare)s ELSE (ARRAY['large@1', 'small@1', 'coder@1'])[n %% 3 + 1] END AS model,
        (ARRAY['slack', 'teams', 'wecom', 'console'])[n %% 4 + 1] AS adapter,
        random() AS chance
    FROM (SELECT %(count)s - LEAST(72000, %(count)s / 10) AS quiet) AS part, generate_series(1, %(count)s) AS n
"""
_BLOB = "decode(repeat('00', 300), 'hex')"
_FILL = {
    "inbox": """
        INSERT INTO inbox (id, reply_id, adapter, lane, thread, author, status, created_at, finished_at)
        OVERRIDING SYSTEM VALUE SELECT n, id, adapter, 'turn', thread, person, 2, at, at FROM said
    """,
    "messages": f"""
        INSERT INTO messages (id, seq, thread, author, body, said_at)
        SELECT id, n, thread, person, {_BLOB}, at FROM said
    """,
    "replies": f"""
        INSERT INTO replies (id, seq, thread, asker, question, about, body, source, model, said_at)
        SELECT id, n, thread, person, id, {_BLOB}, {_BLOB}, 'engine', model, at FROM said
    """,
    "turns": """
        INSERT INTO turns (reply_id, state, model, source, prompt_tokens, completion_tokens, adapter, received_at,
            started_at, first_text_at, finished_at)
        SELECT id, state, model, 'engine', 400, 200, adapter, at, at, at + interval '1 second' * (0.2 + chance),
            at + interval '1 second' * (1 + 9 * chance) FROM said
    """,
    "threads": """
        INSERT INTO threads (id, owner, asked_at) SELECT DISTINCT ON (thread) thread, person, at FROM said
        ORDER BY thread, n DESC
    """,
    "votes": f"""
        INSERT INTO votes (id, reply_id, author, origin, score, model, sent_at, body)
        SELECT id, id, person, 'button', CASE WHEN chance < 0.1 THEN 1 ELSE 5 END, model, at, {_BLOB}
        FROM said WHERE n % 20 = 0 ORDER BY n
    """,
    "incidents": f"""
        INSERT INTO incidents (id, reply_id, thread, asker, action, created_at, appealed_at, body)
        SELECT id, id, thread, person, action, at, CASE WHEN action = 'refuse' AND chance < 0.1 THEN at END, {_BLOB}
        FROM said, LATERAL (SELECT (ARRAY['refuse', 'mask', 'flag'])[n / 100 % 3 + 1] AS action) AS acted
        WHERE n % 100 = 0 ORDER BY n
    """,
}

Look = Callable[[], Awaitable[object]]


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench admin", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 messages, to see that it runs")
    parser.add_argument("--messages", type=int, default=0, help="so many messages")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    count = options.messages or (20_000 if options.quick else MESSAGES)
    return asyncio.run(measure(options.database, count, rounds=10 if options.quick else 50))


async def measure(url: str, count: int, *, rounds: int) -> dict[str, Any]:
    progress, keys = Progress("admin"), Keys.generate()
    logging.getLogger("core.store").setLevel(logging.CRITICAL)  # most of what it finds was never sealed
    async with server(url) as running, running.new() as database:
        await _fill(database, count, progress)
        store = PostgresStore(database, keys, fresh_for=timedelta(0))
        await store.start()
        try:
            progress(f"saying {_LATELY} messages that can be opened")
            await _say(database, keys)
            progress("summing up")
            began = perf_counter()
            steps = await store.sum_up()
            summed = perf_counter() - began
            began = perf_counter()
            await store.sum_up()
            again = perf_counter() - began
            figures = [
                *[await _timed(name, look, rounds, progress) for name, look in (await _looks(store)).items()],
                *await _pages(store, rounds, progress),
                await _crowd(database, keys, rounds, progress),
                told(f"summing up {steps} steps of a week at once", summed, "s"),
                told("summing up a minute later", 1000 * again, "ms"),
            ]
        finally:
            await store.stop()
        return report("admin", figures, postgres=await running.version())


async def _fill(url: str, count: int, progress: Progress) -> None:
    async with (
        without_waiting(url),
        without_indexes(url, progress, _FILL),
        await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True) as connection,
    ):
        await connection.execute("SELECT setseed(0.5)")
        await connection.execute(_SAID.encode(), {"count": count, "rare": _RARE})
        for table, sql in _FILL.items():
            progress(f"filling {table}")
            await connection.execute(sql.encode())
        await connection.execute("DROP TABLE said")
    await fetch(url, f"SELECT setval(pg_get_serial_sequence('inbox', 'id'), {count + 1})")
    progress("counting and cleaning up")
    await fetch(url, "VACUUM (ANALYZE)")
    await fetch(url, "CHECKPOINT")


async def _say(url: str, keys: Keys) -> None:
    """The newest of all, so that the first pages of every list have something to open."""
    async with bench_hall(url, keys) as hall, hall.work():
        said = [message(f"thread {number % 8}", number) for number in range(_LATELY)]
        await at_rate(hall, said, 40)
        for each in said:
            async with hall.store.unit() as unit:
                await _judge(unit, each, hall.replies[each.id])


async def _judge(unit: Unit, said: Message, reply: ReplyId) -> None:
    incident = Incident("question", "insult", "refuse", excerpt="a word")
    await unit.incidents.record(reply, said.thread, said.author, incident)
    vote = Feedback(
        id=f"vote {said.id}",
        target=reply,
        author=said.author,
        origin=Origin.BUTTON,
        score=1,
        sent_at=said.sent_at,
        comment="It is not so.",
    )
    assert await unit.ratings.record(vote)


async def _looks(store: PostgresStore) -> dict[str, Look]:
    """Everything that is looked up for some page, by what it is."""
    overview: Overview = store.overview
    talk = next(each.id for each in (await overview.talks(limit=50)).lines if each.adapter == DOOR)

    async def incidents() -> None:
        async with store.unit(autocommit=True) as unit:
            assert await unit.incidents.newest(limit=30, action="refuse")

    return {
        "live page: load of the hour and queues": lambda: _live(overview),
        "load of the day": lambda: overview.load(Window.DAY),
        "load of the week": lambda: overview.load(Window.WEEK),
        "50 conversations": lambda: overview.talks(limit=50),
        "50 conversations, of the week before": lambda: overview.talks(limit=50, before=_long_ago(talk)),
        "a conversation opened": lambda: overview.open(talk, limit=50),
        "30 ratings": lambda: overview.ratings(limit=30),
        "30 bad ratings": lambda: overview.ratings(limit=30, is_down=True),
        "ratings of a model hardly used": lambda: overview.ratings(limit=30, model=_RARE),
        "opinions of 30 days": lambda: overview.opinions(30),
        "moderation of 30 days": lambda: overview.found(30),
        "30 refusals": incidents,
    }


async def _live(overview: Overview) -> None:
    await asyncio.gather(overview.load(Window.HOUR), overview.queues())


def _long_ago(talk: str) -> str:
    """Where the list goes on that was turned to the conversations of six days ago."""
    moment = datetime.now(UTC) - timedelta(days=6)
    return f"{round(moment.timestamp()) * 1_000_000}-{talk}"


async def _timed(name: str, look: Look, rounds: int, progress: Progress) -> Figure:
    await look()
    taken = []
    for _ in range(rounds):
        began = perf_counter()
        await look()
        taken.append(1000 * (perf_counter() - began))
    progress(f"{name}: p50 {percentile(taken, 0.5):.1f} ms, p95 {percentile(taken, 0.95):.1f} ms")
    return at_most(f"{name}, p95", percentile(taken, 0.95), "ms", _SLOWLY.get(name, _GOAL))


async def _pages(store: PostgresStore, rounds: int, progress: Progress) -> list[Figure]:
    """Over HTTP, with nothing that was looked up before."""
    manager = cast(DialogManager, SimpleNamespace(active=0))
    with folder() as place, contextlib.chdir(place):  # without the settings of whoever measures
        house = House(config.load(must_do=False), store, EchoEngine(), PrometheusMetrics(), {}, manager)
    app = make_app(routes=Routes(house, token_bytes()).table(), webhooks=[], accept=house.accept, ready=_ready)
    await store.admins.add(_ADMIN, roles=["reader", "operator"], password=hashed(_PASSWORD, n=2**4), by="bench")
    jar = aiohttp.CookieJar(unsafe=True)  # of an address that is a number, too
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        url = f"http://127.0.0.1:{server.port}"
        await _sign_in(session, url)
        paths = {path: partial(_page, session, f"{url}{path}") for path in _PATHS}
        return [await _timed(f"page {path}", look, rounds, progress) for path, look in paths.items()]


async def _sign_in(session: aiohttp.ClientSession, url: str) -> None:
    text = await _page(session, f"{url}/admin/sign-in")
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
    assert csrf
    form = {"name": _ADMIN, "password": _PASSWORD, "csrf": csrf[1], "to": ""}
    async with session.post(f"{url}/admin/sign-in", data=form, headers={"Origin": url}) as answer:
        assert answer.status == 200, answer.status


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        assert answer.status == 200, (url, answer.status)
        return await answer.text()


async def _ready() -> str:
    return ""


async def _crowd(url: str, keys: Keys, rounds: int, progress: Progress) -> Figure:
    """Many operators look at the live page at once, and each sees figures that are a few seconds old at most."""
    store = PostgresStore(url, keys)
    await store.start()
    taken: list[float] = []

    async def look() -> None:
        began = perf_counter()
        await _live(store.overview)
        taken.append(1000 * (perf_counter() - began))

    try:
        for _ in range(rounds):
            await asyncio.gather(*(look() for _ in range(_OPERATORS)))
    finally:
        await store.stop()
    progress(f"{_OPERATORS} operators at once: p95 {percentile(taken, 0.95):.1f} ms, slowest {max(taken):.1f} ms")
    return at_most(f"live page, the slowest of {_OPERATORS} operators at once", max(taken), "ms", _GOAL)
