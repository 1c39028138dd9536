"""Two servers on one database: what one of them does, the other one shows, stops, and takes over."""

import asyncio
import os
import signal
from time import monotonic

import aiohttp
import pytest

from bench.channel import channel
from bench.database import fetch
from bench.process import ServerProcess, servers
from bench.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LONG_SECONDS = 6.0
LONG = " ".join(f"word{number}" for number in range(40))
OWNER = "SELECT owner FROM inbox WHERE status = 1 AND reply_id = %(id)s::uuid"


async def owner_of(url: str, reply: str) -> str:
    """The server that is at this turn, once one is."""
    found = ""

    async def is_claimed() -> bool:
        nonlocal found
        rows = await fetch(url, OWNER, {"id": reply})
        found = rows[0][0] if rows else ""
        return bool(found)

    await until(is_claimed, timeout=10)
    return found


async def ask_for_later(process: ServerProcess, http, thread: str, text: str) -> str:
    """Through the channel; the id of the reply to come."""
    event = {"id": f"{thread}: {text[:20]}", "thread": thread, "author": f"person of {thread}", "text": text}
    async with http.post(f"{process.url}/channels/bench", json={"events": [event]}) as response:
        (reply,) = (await response.json())["replies"]
        return str(reply)


async def test_a_question_at_one_server_streams_though_the_other_answers_it(database_url, somebody):
    settings = {"PARLEY_TURNS__CONCURRENCY": "1", "PARLEY_TURNS__DRAFT_SECONDS": "0.2"}
    async with servers(2, database_url, seconds=(LONG_SECONDS, LONG_SECONDS), **settings) as (here, there):
        # Each has room for one turn. Whoever takes the first one leaves the second one to the other.
        first = asyncio.create_task(somebody().post(f"{here.url}/chat", prompt=LONG))
        owner = await owner_of(database_url, (await _replies(database_url, 1))[0])
        busy, free = (here, there) if owner == here.owner else (there, here)
        began = monotonic()
        events = []
        async for name, data in somebody().events(f"{busy.url}/chat", prompt=LONG):
            if name == "start":
                assert await owner_of(database_url, data["reply_id"]) == free.owner
            events.append((monotonic() - began, name, data))
        deltas = [(at, data["text"]) for at, name, data in events if name == "delta"]
        assert "".join(text for _, text in deltas) == LONG == events[-1][2]["response"]
        assert len(deltas) >= 5, "it did not grow, it came at once"
        assert deltas[0][0] < 2.5
        await first


async def _replies(url: str, count: int) -> list[str]:
    async def are_there() -> bool:
        return len(await fetch(url, "SELECT FROM inbox")) >= count

    await until(are_there, timeout=10)
    return [reply.hex for (reply,) in await fetch(url, "SELECT reply_id FROM inbox ORDER BY id")]


async def test_a_stop_at_the_other_server_is_obeyed_within_a_second(database_url, somebody):
    async with servers(2, database_url, seconds=(LONG_SECONDS, LONG_SECONDS)) as both:
        person = somebody()
        # A browser that is known already, so that its cookie is the same at both.
        _, known = await person.post(f"{both[0].url}/chat", prompt="/help")
        asking = asyncio.create_task(person.post(f"{both[0].url}/chat", prompt=LONG, thread=known["thread"]))
        owner = await owner_of(database_url, (await _replies(database_url, 2))[1])
        other = next(process for process in both if process.owner != owner)
        await asyncio.sleep(1)
        status, _ = await person.post(f"{other.url}/stop", thread=known["thread"])
        stopped_at = monotonic()
        _, answer = await asking
        assert status == 200
        assert monotonic() - stopped_at < 1
        assert answer["state"] == "stopped"
        assert LONG.startswith(answer["response"].strip())
        assert 0 < len(answer["response"]) < len(LONG)


@pytest.mark.timeout(90)
async def test_a_server_that_slept_through_its_lease_discards_what_it_did(database_url):
    lease = {"PARLEY_TURNS__LEASE_SECONDS": "1"}
    async with (
        channel() as heard,
        servers(2, database_url, channel=heard.url, seconds=(3, 3), **lease) as both,
        aiohttp.ClientSession() as http,
    ):
        replies = [await ask_for_later(both[0], http, f"thread {number}", LONG) for number in range(3)]
        owners = [await owner_of(database_url, reply) for reply in replies]
        sleeper = next(process for process in both if process.owner == owners[0])

        async def is_being_said() -> bool:
            return len(heard.posted) == len(replies)

        await until(is_being_said, timeout=10)
        os.kill(sleeper.pid, signal.SIGSTOP)
        taken = [reply for reply, owner in zip(replies, owners, strict=True) if owner == sleeper.owner]

        async def are_finished() -> bool:
            return heard.finished().keys() >= set(taken)

        await until(are_finished, timeout=30)
        os.kill(sleeper.pid, signal.SIGCONT)
        await until(are_finished, timeout=30)
        await asyncio.sleep(2)
        assert sorted(message.reply for message in heard.posted) == sorted(replies)
        assert {message.text for message in heard.posted} == {LONG}
        facts = await fetch(database_url, "SELECT reply_id, attempts, state FROM turns")
        assert {(reply.hex, attempts, state) for reply, attempts, state in facts if reply.hex in taken} == {
            (reply, 2, "done") for reply in taken
        }
        assert await fetch(database_url, "SELECT FROM inbox WHERE status <> 2 UNION ALL SELECT FROM outbox") == []
        assert "was given up" in sleeper.log.read_text()
