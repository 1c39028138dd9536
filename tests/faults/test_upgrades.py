"""The release before this one, as it was, on what this one makes of the database: before, beside and after it."""

import asyncio
from contextlib import suppress
from time import monotonic

import pytest

from bench.channel import channel
from bench.database import fetch, folder
from bench.process import ServerProcess, running
from bench.until import until
from core.errors import NotStored
from core.store import Keys, schema
from tests import previous
from tests.postgres import database, server, template, url_of
from tests.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]

SECONDS = ("--seconds", "0.1", "0.5")
LEASE = {"PARLEY_TURNS__LEASE_SECONDS": "3"}
# Its own tests of its store, of the rooms whose tables this release has changed: every promise they make, forgetting
# and retention.
ITS_TESTS = (
    "tests/contracts/test_store.py",
    "tests/contracts/test_people.py",
    "tests/integration/test_store_people.py",
    "tests/integration/test_store_retention.py",
)
# All but the one that counts the columns there are, one that a busy machine fails, and those that run on its fake.
WHICH = "not memory and not test_each_sealed_column_is_in_this_test and not is_being_claimed_just_now"
# Its tests copy their databases from one that this release has made. A copy takes longer than a test: it is emptied,
# and used again.
PLUGIN = """
import os
from contextlib import ExitStack, contextmanager

import psycopg
import tests.postgres as theirs
from core.store.database import conninfo

EMPTY = '''
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET session_replication_role = replica;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM %I', name);
        END LOOP;
        FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER SEQUENCE %I RESTART', name);
        END LOOP;
    END $$
'''
theirs.template = lambda: os.environ["PARLEY_TESTS_TEMPLATE"]
copied, copies, free = theirs.database, ExitStack(), []


@contextmanager
def database(*, of=None):
    url = copies.enter_context(copied(of=of)) if of or not free else free.pop()
    try:
        yield url
    finally:
        if of is None:
            with psycopg.connect(conninfo(url), autocommit=True) as connection:
                connection.execute(EMPTY)
            free.append(url)


theirs.database = database


def pytest_sessionfinish():
    copies.close()
"""


@pytest.fixture
def empty():
    with database(of="template1") as url:
        yield url


def processes(place, url: str, heard) -> tuple[previous.PreviousServer, ServerProcess]:
    """The previous release, and this one, over one database and with the same keys."""
    arguments = ["--channel", heard.url, *SECONDS]
    shared = {"DATABASE_URL": url, "PARLEY_KEYS": Keys.generate().dump(), **LEASE}
    return (
        previous.PreviousServer(place, arguments, shared),
        ServerProcess(place, "bench.server", arguments, shared),
    )


def test_its_own_store_tests_pass_on_this_schema(tmp_path):
    (tmp_path / "on_this_schema.py").write_text(PLUGIN)
    code = previous.code()
    name = template()
    assert schema.current(url_of(name)) == schema.head()
    done = previous.run(
        "-m", "pytest", "-p", "on_this_schema", "-p", "no:cacheprovider", "-q", "-k", WHICH, *ITS_TESTS,
        PYTHONPATH=f"{code}:{tmp_path}", TEST_DATABASE_URL=server(), PARLEY_TESTS_TEMPLATE=name,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout


async def test_it_serves_while_the_schema_is_brought_up_then_beside_this_one_and_ends_in_good_order(empty, somebody):
    """Threads grow deeper than they are answered, so that much of what one has taken in is answered by the other."""
    with folder() as place:
        async with channel() as heard:
            old, new = processes(place, empty, heard)
            async with running(old):
                assert schema.current(empty) == schema.previous()[1]
                earlier = await brought_up(old, empty, heard, somebody)
                await new.start()
                try:
                    await switched(old, new, empty, heard, earlier)
                finally:
                    await new.stop()


async def brought_up(old: ServerProcess, url: str, heard, somebody) -> Traffic:
    traffic = Traffic([old.url], prefix="earlier")
    asking = asyncio.create_task(traffic.run(threads=8, each=60, pause=0.3))

    async def have_answered(count: int) -> bool:
        return len(heard.finished()) >= count

    await until(lambda: have_answered(10), timeout=30)
    person, other = somebody(), somebody()
    _, before = await person.post(f"{old.url}/chat", prompt="asked before")
    await other.post(f"{old.url}/chat", prompt="somebody else's")
    await brought_to_head(url)
    assert schema.current(url) == schema.head()
    seen = len(heard.finished())
    await until(lambda: have_answered(seen + 20), timeout=30)
    traffic.is_over.set()
    await asking
    await traffic.all_answered(url, heard)
    await lives(old, person, before, url)
    return traffic


async def brought_to_head(url: str) -> None:
    """As an operator does it: one that meets a lock gives up, and is called again."""
    for _ in range(10):
        with suppress(NotStored):
            return await schema.upgrade(url)
    await schema.upgrade(url)


async def lives(process: ServerProcess, person, before, url: str) -> None:
    """Asks, reads, rates, has it said again, erases a thread, and wants to be forgotten."""
    _, after = await person.post(f"{process.url}/chat", prompt="asked after", thread=before["thread"])
    assert (after["state"], after["response"]) == ("done", "asked after")
    rated = await person.post(f"{process.url}/feedback", reply_id=before["reply_id"], rating="down", comment="no")
    assert rated[0] == 200
    _, again = await person.post(f"{process.url}/regenerate", reply_id=after["reply_id"])
    assert again["response"] == "asked after"

    async def is_rated() -> bool:
        _, page = await person.get(f"{process.url}/threads/{before['thread']}")
        return any(entry["comment"] == "no" for entry in page["entries"])

    await until(is_rated, timeout=10)
    others = len(await fetch(url, "SELECT FROM messages"))
    await person.post(f"{process.url}/chat", prompt="/forget-me yes", thread=before["thread"])

    async def is_forgotten() -> bool:
        rows = await fetch(url, "SELECT action FROM audit")
        return rows == [("forget",)] and len(await fetch(url, "SELECT FROM messages")) == others - 2

    await until(is_forgotten, timeout=15)


async def switched(old: ServerProcess, new: ServerProcess, url: str, heard, earlier: Traffic) -> None:
    traffic = Traffic([old.url, new.url])
    asking = asyncio.create_task(traffic.run(threads=12, each=40, pause=0.1))
    begun = len(heard.finished())

    async def have_answered(count: int) -> bool:
        return len(heard.finished()) >= count

    await until(lambda: have_answered(begun + 60), timeout=60)
    owners = {owner for (owner,) in await fetch(url, "SELECT DISTINCT owner FROM inbox WHERE status = 1")}
    assert owners <= {old.owner, new.owner}
    began = monotonic()
    await old.stop()
    assert monotonic() - began <= 30
    by_then = len(heard.finished())
    await until(lambda: have_answered(by_then + 20), timeout=30)
    traffic.is_over.set()
    await asking
    assert len(traffic.acknowledged) >= 100
    assert min(traffic.taken[old.url], traffic.taken[new.url]) > 30
    traffic.acknowledged |= earlier.acknowledged
    await traffic.all_answered(url, heard, timeout=120)
    assert await fetch(url, "SELECT FROM inbox WHERE status = 3") == []


async def test_it_can_be_gone_back_to_by_a_word_to_the_database(empty):
    """It can't know the schema of a release after it. docs/operating.md, "Upgrade", has these two statements."""
    schema.upgrade_now(empty)
    looks = "import sys; from core.store import schema; schema.upgrade_now(sys.argv[1])"
    assert "Can't locate revision" in previous.run("-c", looks, empty).stderr
    with folder() as place:
        async with channel() as heard:
            old, _ = processes(place, empty, heard)
            await fetch(empty, f"UPDATE alembic_version SET version_num = '{schema.previous()[1]}'")
            async with running(old):
                traffic = Traffic([old.url])
                await traffic.run(threads=3, each=2)
                await traffic.all_answered(empty, heard)
    await fetch(empty, f"UPDATE alembic_version SET version_num = '{schema.head()}'")
    schema.upgrade_now(empty)
    schema.check_now(empty)
