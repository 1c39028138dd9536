"""Whoever changes the audit log is found out, at the first line that is not what was written."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from core.store import PostgresStore
from core.store.audit import Verdict
from core.store.database import conninfo
from tests.integration.conftest import OpenStore
from tests.store_moves import ANN, BOB, answered, message

UNLOCKED = "ALTER TABLE audit DISABLE TRIGGER USER"


def tamper(url: str, *statements: str) -> None:
    with psycopg.connect(conninfo(url)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def written(open_store: OpenStore, lines: int = 5) -> PostgresStore:
    store = await open_store()
    for number in range(lines):
        await store.audit.record("export", by=f"operator {number}", person=ANN if number % 2 else BOB)
    return store


async def test_a_log_that_is_whole_is_told_so(open_store: OpenStore):
    store = await open_store()
    assert await store.audit.verify() == Verdict(0, "00" * 32)
    await store.audit.record("export", by="operator")
    await answered(store, message())
    await store.people.forget(ANN)
    verdict = await store.audit.verify()
    assert (verdict.lines, verdict.broken) == (2, None)
    assert await store.audit.verify({2: verdict.link}) == verdict


@pytest.mark.parametrize("statement", ["UPDATE audit SET action = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_the_database_refuses_to_change_it(open_store: OpenStore, database_url: str, statement: str):
    store = await written(open_store)
    with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        tamper(database_url, statement)
    assert (await store.audit.verify()).lines == 5


@pytest.mark.parametrize(
    ("statement", "broken", "why"),
    [
        ("UPDATE audit SET action = 'x' WHERE id = 3", 3, "changed"),
        ("UPDATE audit SET at = at - interval '1 microsecond' WHERE id = 1", 1, "changed"),
        ("UPDATE audit SET person = NULL WHERE id = 2", 2, "changed"),
        ("UPDATE audit SET body = body || 'x' WHERE id = 5", 5, "changed"),
        ("UPDATE audit SET link = body WHERE id = 4", 4, "changed"),
        ("DELETE FROM audit WHERE id = 2", 2, "missing"),
        ("DELETE FROM audit WHERE id = 1", 1, "missing"),
        ("DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3", 3, "changed"),
        ("INSERT INTO audit SELECT 6, at, action, person, body, link FROM audit WHERE id = 5", 6, "changed"),
    ],
)
async def test_the_first_line_that_is_another_is_named(
    open_store: OpenStore, database_url: str, statement: str, broken: int, why: str
):
    store = await written(open_store)
    tamper(database_url, UNLOCKED, statement)
    verdict = await store.audit.verify()
    assert (verdict.broken, verdict.why, verdict.lines) == (broken, why, broken - 1)


async def test_an_end_that_was_cut_off_is_found_by_what_was_told_before(open_store: OpenStore, database_url: str):
    store = await written(open_store)
    before = await store.audit.verify()
    tamper(database_url, UNLOCKED, "DELETE FROM audit WHERE id > 3")
    assert (await store.audit.verify()).broken is None
    verdict = await store.audit.verify({before.lines: before.link})
    assert (verdict.broken, verdict.why) == (4, "missing")
    for _ in range(2):
        await store.audit.record("export", by="operator")
    verdict = await store.audit.verify({before.lines: before.link})
    assert (verdict.broken, verdict.why) == (5, "changed")


async def test_without_the_house_key_nothing_is_written_that_passes(open_store: OpenStore, database_url: str):
    """Another house's line, sealed and linked with its own keys."""
    store = await written(open_store)
    tamper(database_url, UNLOCKED)
    link: Callable[..., Any] = store.audit._link
    store._vault._index, kept = b"another" * 5, store._vault._index
    forged = link(bytes(32), 1, *(await _line(store, 1)))
    store._vault._index = kept
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("UPDATE audit SET link = %s WHERE id = 1", [forged])
    assert (await store.audit.verify()).broken == 1


async def _line(store: PostgresStore, number: int) -> Any:
    fetch: Callable[..., Awaitable[Any]] = store._database.fetch
    return (await fetch("SELECT at, action, person, body FROM audit WHERE id = %(id)s", {"id": number}))[0]


async def test_what_it_says_is_sealed(open_store: OpenStore, database_url: str):
    store = await open_store()
    await store.audit.record("export", by="canary", person=ANN, note="canary")
    with psycopg.connect(conninfo(database_url)) as connection:
        ((line,),) = connection.execute("SELECT audit::text FROM audit").fetchall()
    assert "canary" not in line
    assert b"canary".hex() not in line
    tamper(database_url, UNLOCKED, "UPDATE audit SET body = 'x'")
    (changed,) = await store.audit.newest(limit=1)
    assert (changed.action, changed.by) == ("export", "?")
