"""A turn reads the same rows however much was said before, in the house and in its own thread."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import sleep
from uuid import UUID

import psycopg
import pytest

from core.message import PartId
from core.ports import Confirmed, Draft, State, Window
from core.reading import ReadFile, Reading
from core.retention import Retention
from core.store import Keys, PostgresStore
from core.store.database import conninfo
from core.turn import Pending
from tests.integration.conftest import OpenStore
from tests.postgres import database
from tests.store_moves import (
    ANN,
    ATTIC,
    LEASE,
    ROOM,
    add,
    answered,
    begin,
    claim,
    deliver,
    finish,
    history,
    message,
    vote,
)

FEW = 5  # twenty times the past would show as hundreds
A_PAGE = 100  # three times the past would show as thousands
KEYS = Keys(1, {1: b"k" * 32})
PART = PartId("console", "home", "web", "part")
HERE, THERE, YEAR = UUID(int=1), UUID(int=2), timedelta(days=365)
CALL = Pending("post", {"to": "Eve"})

# Years of other people's threads, and a long past of this one; none of it is ever opened. The last `due` of it, in the
# workspace `here`, are to go; the others are as old, and are kept `there`.
FILL = """
    WITH said AS (
        INSERT INTO messages (id, seq, thread, author, body, workspace, said_at)
        SELECT gen_random_uuid(), 10 + place,
            CASE WHEN place <= %(long)s THEN %(room)s ELSE md5((place / 50)::text)::uuid END,
            CASE WHEN place <= %(long)s THEN %(ann)s ELSE md5((place / 100)::text)::uuid END, '\\x00',
            CASE WHEN place > %(house)s - %(due)s THEN %(here)s::uuid ELSE %(there)s END, now() - %(age)s
        FROM generate_series(1, %(house)s) AS place RETURNING id, seq, thread, author, workspace, said_at,
            now() - interval '1 minute' * (%(house)s + 10 - seq) AS at
    ), queued AS (
        INSERT INTO inbox (id, reply_id, adapter, lane, thread, author, status, finished_at) OVERRIDING SYSTEM VALUE
        SELECT seq, id, 'console', 'turn', thread, author, 2,
            now() - CASE WHEN seq - 10 > %(house)s - %(due)s THEN %(age)s ELSE interval '0' END FROM said
    ), replied AS (
        INSERT INTO replies (id, seq, thread, asker, question, about, body, workspace, said_at)
        SELECT id, seq, thread, author, id, '\\x00', decode(repeat('00', 60), 'hex'), workspace, said_at FROM said
    ), turned AS (
        INSERT INTO turns (reply_id, state, received_at, model, adapter)
        SELECT id, 'done', at, 'echo@1', 'console' FROM said
    ), found AS (
        INSERT INTO incidents (id, reply_id, thread, asker, action, created_at, appealed_at, body)
        SELECT id, id, thread, author, 'refuse', at, at, '\\x00' FROM said ORDER BY seq
    ), carried AS (
        INSERT INTO parts (id, reply_id, body) SELECT gen_random_uuid(), id, '\\x00' FROM said
    ), asked AS (
        INSERT INTO asks (reply_id, seq, thread, asker, question, body, expires_at, taken_by, taken_at)
        SELECT id, seq, thread, author, id, '\\x00', now(), id, now() FROM said
    ), voted AS (
        INSERT INTO votes (id, reply_id, author, origin, sent_at, score, model, body)
        SELECT gen_random_uuid(), id, author, 'button', at, 1, 'echo@1', '\\x00' FROM said ORDER BY seq
    )
    INSERT INTO threads (id, owner, asked_at)
    SELECT DISTINCT ON (thread) thread, author, now() - interval '1 day' FROM said ON CONFLICT DO NOTHING
"""
# A connection tells what it counted when it ends, and is gone from this list only after that.
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
READ = """
    SELECT relname, seq_tup_read, idx_tup_fetch + COALESCE(seq_tup_read, 0) FROM pg_stat_user_tables
    WHERE relname IN (
        'messages', 'inbox', 'outbox', 'replies', 'turns', 'parts', 'votes', 'drafts', 'threads', 'asks',
        'incidents', 'tallies', 'tally_steps'
    )
"""


def fill(url: str, store: PostgresStore, house: int, **old: object) -> None:
    params = {
        "due": 0,
        "here": None,
        "there": None,
        "age": timedelta(0),
        "long": house // 4,
        "house": house,
        "room": store._vault.thread(ROOM),
        "ann": store._vault.person(ANN),
    } | old
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute(FILL, params)
        connection.execute("SELECT setval(pg_get_serial_sequence('inbox', 'id'), %(house)s + 100)", params)
        connection.execute("VACUUM ANALYZE")
        connection.execute("SELECT pg_stat_reset()")


async def live(store: PostgresStore) -> None:
    """One turn with everything that belongs to it, and what its page shows."""
    question = message("now")
    await add(store, question)
    taken = await claim(store)
    assert len(await history(store, question)) == 10
    async with store.unit() as unit:
        await unit.threads.facts(ROOM)
        await unit.threads.keep_reading(ROOM, question.id, Reading(files=(ReadFile("a.txt", "b"),)))
        assert await unit.threads.reading(ROOM, question.id)
        await unit.inbox.renew([taken], LEASE)
        await unit.inbox.waiting()
        await unit.inbox.backlog()
        assert await unit.inbox.reap() == await unit.outbox.reap() == 0
    delivery = await begin(store, taken)
    await store.drafts.save(Draft(taken.reply_id, 1, "4"))
    await store.drafts.latest(taken.reply_id)
    async with store.unit() as unit:
        await unit.asks.keep(taken.reply_id, ROOM, ANN, CALL, lifetime=LEASE)
    delivery = await finish(store, taken, delivery, state=State.ASKED, keep=False)
    async with store.unit() as unit:
        (delivery,) = await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)
    await deliver(store, delivery, PART)
    async with store.unit() as unit:
        assert await unit.replies.newest(ROOM)
        assert await unit.replies.question(taken.reply_id)
        assert await unit.ratings.record(vote(PART, 5))
        assert await unit.ratings.votes(taken.reply_id)
        assert await unit.asks.newest(ROOM, ANN) == taken.reply_id
        assert await unit.asks.take(taken.reply_id, ANN, taken) == Confirmed(CALL)
        assert await unit.threads.edit(ROOM, question.id, ANN, "then")
    assert len(await store.archive.entries(ROOM, ANN, limit=10)) == 10
    assert len(await store.archive.threads(ANN, limit=10)) == 2
    assert await store.archive.reply(taken.reply_id, ANN)


async def look(store: PostgresStore) -> None:
    """Everything that operators are shown."""
    overview = store.overview
    for window in Window:
        load = await overview.load(window)
        assert len([step for step in load.steps if step.turns]) >= len(load.steps) - 1
    assert await overview.queues() == ()
    page = await overview.talks(limit=10)
    assert len((await overview.talks(limit=10, before=page.next)).lines) == 10
    assert len((await overview.open(store._vault.thread(ROOM).hex, limit=10)).lines) == 10
    for wish in ({}, {"is_down": True}, {"model": "echo@1"}, {"is_down": True, "model": "echo@1"}):
        await overview.ratings(limit=10, **wish)
    assert len(await overview.opinions(7)) == len(await overview.found(7)) == 7
    async with store.unit() as unit:
        for wish in ({}, {"appealed": True}, {"unruled": True}, {"action": "refuse"}):
            await unit.incidents.newest(limit=10, before=9_000, **wish)


Doing = Callable[[PostgresStore], Awaitable[None]]


async def rows_read(open_store: OpenStore, house: int, doing: Doing, **old: object) -> dict[str, int]:
    with database() as url:
        store = await open_store(KEYS, url)
        await answered(store, message("the first"))
        await answered(store, message("elsewhere", thread=ATTIC))
        fill(url, store, house, **old)
        for place in range(11):
            await answered(store, message(str(place)), "a", State.DELIVERING)
        await store.sum_up()
        await store.stop()
        before = counts(url)
        store = await open_store(KEYS, url)
        await doing(store)
        await store.stop()
        return {table: count - before[table] for table, count in counts(url).items()}


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        while connection.execute(OTHERS).fetchone() != (0,):
            sleep(0.01)
        rows = connection.execute(READ).fetchall()
    assert all(sequential == 0 for table, sequential, _ in rows if table != "drafts"), rows
    return {table: count for table, _, count in rows}


async def test_a_turn_reads_the_same_rows_with_years_behind_it(open_store: OpenStore):
    young = await rows_read(open_store, house=1_000, doing=live)
    old = await rows_read(open_store, house=20_000, doing=live)  # 5,000 of them in the very thread
    assert sum(young.values()) > 20
    # A version of a row that died a moment ago may still be looked at, or may not: a row or two say nothing.
    more = {table: old[table] - young[table] for table in young}
    assert max(more.values()) <= FEW, str(more)


async def test_operators_pages_read_the_same_rows_with_years_behind_them(open_store: OpenStore):
    young = await rows_read(open_store, house=12_000, doing=look)  # one in a minute: more than a week
    old = await rows_read(open_store, house=36_000, doing=look)
    assert young["votes"] > 10_000  # those of a week, each once for its model and once for its day
    more = {table: old[table] - young[table] for table in young}
    assert max(more.values()) <= A_PAGE, more
    assert young["turns"] < 1_000  # what is summed up is not counted again


# ----------------------------------------------------------------------------------------------- what is kept no longer


def forgetting(due: int) -> Doing:
    """All that is due goes, and what was finished a year ago."""

    async def forget(store: PostgresStore) -> None:
        # Nobody has a rule for `THERE`, and so a long one; for `HERE`, that of everywhere.
        store._vault.workspace = lambda thread: THERE  # type: ignore[method-assign]
        blind = store._vault.blind
        store._vault.blind = lambda *names: THERE if names[0] == "workspace" else blind(*names)  # type: ignore[method-assign]
        assert await store.expire(Retention(YEAR / 2, {("console", "home"): None})) == due
        assert await store.purge(YEAR / 2) == due

    return forget


async def test_what_is_kept_no_longer_is_found_beside_all_that_is_as_old(open_store: OpenStore):
    old = {"here": HERE, "there": THERE, "age": YEAR, "due": 30}
    young = await rows_read(open_store, 1_000, forgetting(30), **old)
    grown = await rows_read(open_store, 20_000, forgetting(30), **old)
    more = {table: grown[table] - young[table] for table in young}
    assert max(more.values()) <= FEW, str(more)


@pytest.mark.parametrize("here", [HERE, None])
async def test_what_falls_due_all_at_once_is_read_about_once(open_store: OpenStore, here: UUID | None):
    """As on the day when all that a release before has written is old enough."""

    async def forget(store: PostgresStore) -> None:
        for work in (store.expire(Retention(YEAR / 2)), store.purge(YEAR / 2)):
            assert await work > 2_000

    old = {"here": here, "age": YEAR}
    few = await rows_read(open_store, 3_000, forget, due=3_000, **old)
    many = await rows_read(open_store, 12_000, forget, due=12_000, **old)
    each = {table: (few[table] / 3_000, many[table] / 12_000) for table in few}
    assert each["messages"][0] > 1
    assert all(then <= now * 1.2 + 0.1 for now, then in each.values()), str(each)
