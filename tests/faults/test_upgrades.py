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
from tests.postgres import database
from tests.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]

SECONDS = ("--seconds", "0.1", "0.5")
LEASE = {"PARLEY_TURNS__LEASE_SECONDS": "3"}


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
