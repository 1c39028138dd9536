"""Nothing that was said can be read where it lies, and what was moved about in the database is refused."""

import asyncio
import os
import subprocess

import aiohttp
import pytest
from sqlalchemy import make_url

from bench.channel import channel
from bench.database import Server, fetch, server
from bench.process import ServerProcess, servers
from bench.until import until
from core.store.embedded import programs

pytestmark = [pytest.mark.faults, pytest.mark.slow]

QUESTION = "canary-question-7f3a"
CHINESE = "金丝雀的问题"
COMMENT = "canary-comment-91bc"
NAME = "canary-name-55de"
PERSON = "canary-person-id-02aa"
THREAD = "canary-thread-id-c8e1"
EVENT = "canary-event-id-3b9d"
BROKEN = "canary-broken-json-6c4f"


def dump(url: str) -> bytes:
    """The whole database as SQL."""
    place = make_url(url)
    where = ["-h", str(place.query["host"]), "-U", "postgres", str(place.database)]
    command = [str(programs() / "pg_dump"), "--inserts", *where]
    return subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}).stdout


def forms(canary: str) -> list[bytes]:
    """As text, as JSON escapes, and as the hexadecimal digits a dump writes bytes in."""
    return [canary.encode(), canary.encode("unicode_escape"), canary.encode().hex().encode()]


def seen(canaries: list[str], *places: bytes) -> list[str]:
    return [canary for canary in canaries if any(form in place for place in places for form in forms(canary))]


async def run(process: ServerProcess, person, heard) -> str:
    """Questions, an answer through the channel, votes and bad input; the id that the channel knows the person by."""
    event = {"id": EVENT, "thread": THREAD, "author": PERSON, "name": NAME, "text": f"{QUESTION} {CHINESE}"}
    async with aiohttp.ClientSession() as http:
        for body in ({"events": [event]}, {"events": [event]}):
            async with http.post(f"{process.url}/channels/bench", json=body) as response:
                assert response.status == 200
        for path in ("/channels/bench", "/chat"):
            headers = {"Content-Type": "application/json"}
            async with http.post(process.url + path, data=f'{{"{BROKEN}', headers=headers) as response:
                assert response.status == 400
    _, answer = await person.post(f"{process.url}/chat", prompt=f"{QUESTION} {CHINESE}")
    assert answer["response"] == f"{QUESTION} {CHINESE}"
    _, again = await person.post(f"{process.url}/regenerate", reply_id=answer["reply_id"])
    rated = await person.post(f"{process.url}/feedback", reply_id=again["reply_id"], rating="down", comment=COMMENT)
    assert rated[0] == 200
    await person.post(f"{process.url}/chat", prompt=f"/code {QUESTION}", thread=answer["thread"])
    # More than the model reads, so that there is something to log.
    _, refused = await person.post(f"{process.url}/chat", prompt=f"{QUESTION} " * 1100, thread=answer["thread"])
    assert refused["state"] == "refused"

    async def was_heard() -> bool:
        _, page = await person.get(f"{process.url}/threads/{answer['thread']}")
        return bool(heard.finished()) and any(entry["comment"] == COMMENT for entry in page["entries"])

    await until(was_heard, timeout=20)
    return str(answer["thread"])


@pytest.fixture
async def database():
    """A server whose own log we may read."""
    async with server() as running:
        yield running


async def test_neither_a_dump_nor_a_log_shows_what_was_said_or_by_whom(database: Server, somebody):
    async with database.new() as url, channel() as heard, servers(1, url, channel=heard.url) as (process,):
        thread = await run(process, somebody(), heard)
        dumped = await asyncio.to_thread(dump, url)
        assert b"INSERT INTO public.messages" in dumped
        await process.stop()
        logs = process.log.read_bytes(), database.log.read_bytes()
    canaries = [QUESTION, CHINESE, COMMENT, NAME, PERSON, THREAD, EVENT, BROKEN, thread]
    assert b"was not answered" in logs[0]
    assert seen(canaries, dumped, *logs) == []
    # The search itself finds what is there.
    assert seen(canaries, dumped + QUESTION.encode().hex().encode()) == [QUESTION]


SWAP = """
    UPDATE messages SET body = other.body FROM messages other
    WHERE messages.seq IN (%(one)s, %(two)s) AND other.seq IN (%(one)s, %(two)s) AND other.seq <> messages.seq
"""


async def test_swapped_rows_are_refused_and_nothing_else_is_disturbed(database_url, somebody):
    async with servers(1, database_url, PARLEY_TURNS__LEASE_SECONDS="1", PARLEY_TURNS__MAX_ATTEMPTS="2") as (process,):
        ann, bob, chat = somebody(), somebody(), f"{process.url}/chat"
        _, first = await ann.post(chat, prompt="The first of mine.")
        _, second = await ann.post(chat, prompt="The second of mine.")
        one, two = (seq for (seq,) in await fetch(database_url, "SELECT seq FROM messages ORDER BY seq"))
        await fetch(database_url, SWAP, {"one": one, "two": two})
        # What was opened before is still known to this process: another one reads what lies there.
        await process.kill()
        await process.start()

        asking = [
            asyncio.create_task(ann.post(chat, prompt="And then?", thread=each["thread"])) for each in (first, second)
        ]
        undisturbed = await bob.post(chat, prompt="I am somebody else.")
        assert (undisturbed[0], undisturbed[1]["response"]) == (200, "I am somebody else.")
        for status, answer in await asyncio.gather(*asking):
            assert (status, answer["state"], answer["response"]) == (200, "done", "And then?")
        for each in (first, second):
            status, page = await ann.get(f"{process.url}/threads/{each['thread']}")
            assert status == 200
            assert [(entry["question"], entry["answer"]) for entry in page["entries"]] == [
                ("", ""),
                ("And then?", "And then?"),
            ]
        status, page = await ann.get(f"{process.url}/threads")
        assert (status, page["threads"]) == (200, [])
        log = process.log.read_text()
        assert log.count("cannot be read") >= 4
        assert "ERROR" in log
        assert "of mine" not in log
