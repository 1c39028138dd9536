"""Whatever is sent to the whole application: a refusal with a sentence, and nobody else's answer is disturbed."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from io import BytesIO

import aiohttp
import pytest

from bench.process import ServerProcess, servers

pytestmark = [pytest.mark.faults, pytest.mark.slow]

JSON = {"Content-Type": "application/json"}
NOBODYS = "a" * 32
MEGABYTE = "x" * 1024 * 1024


@dataclass(frozen=True)
class Bad:
    """A request that cannot be served."""

    name: str
    path: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


def bodies(path: str) -> list[Bad]:
    """What no address that takes JSON can make sense of."""
    wrong = {
        "an empty body": b"",
        "not JSON": b'{"prompt": "hello',
        "not UTF-8": b'{"prompt": "\xff\xfe"}',
        "a list": b"[]",
        "a number": b"7",
        "null": b"null",
        "an empty object": b"{}",
        "deep nesting": b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "a number without end": b'{"prompt": ' + b"9" * 5_000 + b"}",
        "more than a megabyte": json.dumps({"prompt": MEGABYTE}).encode(),
    }
    return [Bad(f"{name} to {path}", path, body) for name, body in wrong.items()]


def prompts() -> list[Bad]:
    wrong = {
        "an empty prompt": {"prompt": ""},
        "a prompt of spaces": {"prompt": " \n "},
        "a prompt with a NUL": {"prompt": "a\0b"},
        "a prompt with half a character": {"prompt": "a\ud800b"},
        "a prompt that is a number": {"prompt": 7},
        "a prompt that is a list": {"prompt": ["hello"]},
        "a prompt that is nothing": {"prompt": None},
        "too long a prompt": {"prompt": "x" * 100_000},
        "a thread that is a number": {"prompt": "hello", "thread": 7},
        "a thread that is an object": {"prompt": "hello", "thread": {}},
        "a thread with a NUL": {"prompt": "hello", "thread": "\0" * 26},
        "a thread with half a character": {"prompt": "hello", "thread": "\udfff" * 26},
        "a thread nobody began": {"prompt": "hello", "thread": "a" * 26},
    }
    return [Bad(name, "/chat", json.dumps(body).encode()) for name, body in wrong.items()]


def votes() -> list[Bad]:
    wrong = {
        "a vote on an unknown reply": {"reply_id": NOBODYS, "rating": "up"},
        "a vote on half a reply id": {"reply_id": NOBODYS[1:], "rating": "up"},
        "a vote on a NUL": {"reply_id": "\0", "rating": "up"},
        "a vote on half a character": {"reply_id": "\ud800", "rating": "up"},
        "a vote on a list": {"reply_id": [], "rating": "up"},
        "a vote of no known kind": {"reply_id": NOBODYS, "rating": "sideways"},
        "a vote that is a number": {"reply_id": NOBODYS, "rating": 5},
    }
    return [Bad(name, "/feedback", json.dumps(body).encode()) for name, body in wrong.items()]


def orders() -> list[Bad]:
    wrong = {
        ("a stop in an unknown thread", "/stop"): {"thread": "b" * 26},
        ("a stop in a list", "/stop"): {"thread": []},
        ("another try of an unknown reply", "/regenerate"): {"reply_id": NOBODYS},
        ("another try of a number", "/regenerate"): {"reply_id": 3},
        ("events that are none", "/channels/bench"): {"events": [{"id": 1}]},
        ("events that are a text", "/channels/bench"): {"events": "all of them"},
    }
    return [Bad(name, path, json.dumps(body).encode()) for (name, path), body in wrong.items()]


def addresses() -> list[Bad]:
    wrong = {
        "an unknown address": "/nowhere",
        "an unknown channel": "/channels/nowhere",
        "the page of an unknown thread": f"/threads/{'a' * 26}",
        "the page of a NUL": "/threads/%00",
        "the page of a byte that is no character": "/threads/%ff",
        "the page before no moment": "/threads?before=yesterday",
        "the page before a NUL": "/threads?before=%00",
        "the page before a moment that does not exist": "/threads?before=9999-99-99",
        "events of an unknown reply": f"/replies/{NOBODYS}/events",
        "events with a stamp of nobody": f"/replies/{NOBODYS}/events?stamp={'f' * 64}",
    }
    return [Bad(name, path, method="GET", headers={}) for name, path in wrong.items()]


def envelopes() -> list[Bad]:
    prompt = b'{"prompt": "hello"}'
    wrong = {
        "a form": {"Content-Type": "application/x-www-form-urlencoded"},
        "another site": JSON | {"Origin": "https://elsewhere.example"},
        "another host": JSON | {"Host": "elsewhere.example"},
        "a proxy nobody knows": JSON | {"X-Forwarded-For": "192.0.2.1"},
        "a token nobody gave": JSON | {"Authorization": "Bearer nobody"},
        "an idempotency key that is too long": JSON | {"Idempotency-Key": "k" * 1_000},
    }
    return [Bad(name, "/chat", prompt, headers=headers) for name, headers in wrong.items()]


TAKE_JSON = ("/chat", "/feedback", "/stop", "/regenerate", "/sign-in", "/channels/bench")
ALL = [bad for path in TAKE_JSON for bad in bodies(path)]
ALL += [*prompts(), *votes(), *orders(), *addresses(), *envelopes()]


@pytest.fixture
async def server(database_url) -> AsyncGenerator[ServerProcess, None]:
    async with servers(1, database_url, seconds=(2, 2)) as (process,):
        yield process


async def test_every_bad_request_is_told_why_and_a_neighbour_is_answered_meanwhile(server, somebody):
    # One server for all of them, so that what one request breaks the next one meets.
    question = "A question that takes its time while others knock with bad news."
    neighbour = asyncio.create_task(somebody().post(f"{server.url}/chat", prompt=question))
    async with aiohttp.ClientSession() as http:
        told = {bad.name: await outcome(http, server.url, bad) for bad in ALL}
    assert {name: said for name, said in told.items() if not is_refusal(*said)} == {}
    status, answer = await neighbour
    assert (status, answer["response"], answer["source"]) == (200, question, "engine")
    assert (await somebody().post(f"{server.url}/chat", prompt="Still there?"))[0] == 200
    assert "failed" not in server.log.read_text(), "something that was only bad input looked like a fault of ours"


async def outcome(http: aiohttp.ClientSession, url: str, bad: Bad) -> tuple[int, str]:
    # As a stream: aiohttp warns of large bodies given as bytes.
    data = BytesIO(bad.body) if bad.body else None
    async with http.request(bad.method, url + bad.path, data=data, headers=dict(bad.headers)) as response:
        return response.status, await response.text()


def is_refusal(status: int, text: str) -> bool:
    """A 4xx whose body holds a whole sentence."""
    try:
        sentence = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return 400 <= status < 500 and sentence.endswith(".") and " " in sentence


async def test_another_persons_thread_and_answer_are_as_good_as_unknown(server, somebody):
    ann, bob = somebody(), somebody()
    _, mine = await ann.post(f"{server.url}/chat", prompt="Mine.")
    await bob.post(f"{server.url}/chat", prompt="His.")
    thread, reply = mine["thread"], mine["reply_id"]
    theirs = [
        await bob.post(f"{server.url}/chat", prompt="Whose?", thread=thread),
        await bob.post(f"{server.url}/feedback", reply_id=reply, rating="down"),
        await bob.post(f"{server.url}/regenerate", reply_id=reply),
        await bob.post(f"{server.url}/stop", thread=thread),
        await bob.get(f"{server.url}/threads/{thread}"),
        await bob.get(f"{server.url}/replies/{reply}/events"),
    ]
    unknown = [
        await bob.post(f"{server.url}/chat", prompt="Whose?", thread="a" * 26),
        await bob.post(f"{server.url}/feedback", reply_id=NOBODYS, rating="down"),
        await bob.post(f"{server.url}/regenerate", reply_id=NOBODYS),
        await bob.post(f"{server.url}/stop", thread="a" * 26),
        await bob.get(f"{server.url}/threads/{'a' * 26}"),
        await bob.get(f"{server.url}/replies/{NOBODYS}/events"),
    ]
    assert theirs == unknown
    assert {status for status, _ in theirs} == {404}
    _, page = await ann.get(f"{server.url}/threads/{thread}")
    assert [(entry["question"], entry["answer"], entry["rating"]) for entry in page["entries"]] == [
        ("Mine.", "Mine.", "none")
    ]
