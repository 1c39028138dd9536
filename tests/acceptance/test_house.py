"""The whole application on real parts: asked over HTTP, answered by the demo model, restarted, killed."""

import asyncio
import json
import time

import aiohttp
import pytest

from core.texts import say
from tests.server import Server

pytestmark = pytest.mark.slow


class Person:
    """Somebody with a browser: keeps the cookie and the CSRF token."""

    def __init__(self, session, url):
        self.session = session
        self.url = url
        self.headers = {}

    async def post(self, path, body, **headers):
        async with self.session.post(f"{self.url}{path}", json=body, headers=self.headers | headers) as response:
            if token := response.headers.get("X-CSRF-Token"):
                self.headers = {"X-CSRF-Token": token}
            return response.status, await response.json()

    async def get(self, path):
        async with self.session.get(f"{self.url}{path}", headers=self.headers) as response:
            return response.status, await response.json()

    async def events(self, path, body):
        """Server-sent events of an answer, as they come."""
        headers = self.headers | {"Accept": "text/event-stream"}
        async with self.session.post(f"{self.url}{path}", json=body, headers=headers) as response:
            assert response.content_type == "text/event-stream", await response.text()
            if token := response.headers.get("X-CSRF-Token"):  # whoever shows an access token needs none
                self.headers = {"X-CSRF-Token": token} | self.headers
            name = ""
            async for line in response.content:
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    yield name, json.loads(line[5:])


@pytest.fixture
async def person(server):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Person(session, server.url)


async def test_a_stranger_with_curl_is_answered(server):
    async with aiohttp.ClientSession() as session:
        status, answer = await Person(session, server.url).post("/chat", {"prompt": "What is Parley?"})
    assert status == 200
    assert "assistant" in answer["response"]
    assert answer["source"] == "engine"
    assert answer["model"].startswith("parley-demo")


async def test_a_chinese_question_is_answered_in_chinese(person):
    _, answer = await person.post("/chat", {"prompt": "Parley 是什么？"})
    assert "助手" in answer["response"]


async def test_an_answer_grows_as_it_is_written(person):
    events = [event async for event in person.events("/chat", {"prompt": "How does Parley work?"})]
    names = [name for name, _ in events]
    assert names[0] == "start"
    assert names[-1] == "done"
    grown = "".join(data["text"] for name, data in events if name == "delta")
    assert grown == events[-1][1]["response"]


async def test_a_conversation_goes_on_and_can_be_rated_and_written_again(person):
    _, first = await person.post("/chat", {"prompt": "Hello"})
    status, second = await person.post("/chat", {"prompt": "What is Parley?", "thread": first["thread"]})
    assert (status, second["thread"]) == (200, first["thread"])
    status, _ = await person.post("/feedback", {"reply_id": second["reply_id"], "rating": "down", "comment": "why?"})
    assert status == 200
    status, third = await person.post("/regenerate", {"reply_id": second["reply_id"]})
    assert status == 200
    assert third["reply_id"] != second["reply_id"]
    _, thread = await person.get(f"/threads/{first['thread']}")
    assert [entry["reply_id"] for entry in thread["entries"]] == [first["reply_id"], third["reply_id"]]


async def test_a_question_behind_a_route_is_found_again(person):
    _, answer = await person.post("/chat", {"prompt": "/code What is Parley?"})
    assert "assistant" in answer["response"]
    _, thread = await person.get(f"/threads/{answer['thread']}")
    assert [(entry["question"], entry["answer"]) for entry in thread["entries"]] == [
        ("What is Parley?", answer["response"])
    ]
    status, again = await person.post("/regenerate", {"reply_id": answer["reply_id"]})
    assert (status, again["response"]) == (200, answer["response"])


async def test_what_an_address_does_not_take_is_said(person):
    async with person.session.get(f"{person.url}/chat") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["code"] == "not_allowed_method"


async def test_commands_are_obeyed(person):
    _, helped = await person.post("/chat", {"prompt": "/help"})
    assert helped["response"].startswith(say("help", "en"))
    _, stopped = await person.post("/chat", {"prompt": "停止", "thread": helped["thread"]})
    assert stopped["response"]


async def test_nobody_reads_another_persons_thread(server, person):
    _, mine = await person.post("/chat", {"prompt": "Hello"})
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        other = Person(session, server.url)
        await other.post("/chat", {"prompt": "Hello"})
        assert (await other.get(f"/threads/{mine['thread']}"))[0] == 404
        assert (await other.post("/chat", {"prompt": "Hi", "thread": mine["thread"]}))[0] == 404
        assert (await other.post("/feedback", {"reply_id": mine["reply_id"], "rating": "up"}))[0] == 404
        assert (await other.post("/regenerate", {"reply_id": mine["reply_id"]}))[0] == 404


async def test_the_metrics_count_and_name_nobody(server, person):
    await person.post("/chat", {"prompt": "canary in the metrics"})
    async with person.session.get(f"{server.url}/metrics") as response:
        text = await response.text()
    assert 'parley_turns_total{channel="console",state="done"}' in text
    assert "canary" not in text
    async with person.session.get(f"{server.url}/metrics", headers={"X-Forwarded-For": "203.0.113.9"}) as response:
        assert response.status == 403


async def test_a_restart_keeps_everything_and_a_kill_loses_nothing(tmp_path):
    server = Server(tmp_path, PARLEY_TURNS__LEASE_SECONDS="2").start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            person = Person(session, server.url)
            _, first = await person.post("/chat", {"prompt": "What is Parley?"})
            assert server.stop() == 0
            server.start()
            _, thread = await person.get(f"/threads/{first['thread']}")
            assert [entry["answer"] for entry in thread["entries"]] == [first["response"]]
            asked = person.events("/chat", {"prompt": "How does Parley work?", "thread": first["thread"]})
            name, started = await anext(asked)
            assert name == "start"
            server.kill()
            await asked.aclose()
            began = time.monotonic()
            server.start()
            async with asyncio.timeout(30):
                while True:
                    _, thread = await person.get(f"/threads/{first['thread']}")
                    last = thread["entries"][-1]
                    if last["state"] == "done":
                        break
                    await asyncio.sleep(0.1)
            assert last["reply_id"] == started["reply_id"]
            assert "PostgreSQL" in last["answer"]
            assert time.monotonic() - began < 30
    finally:
        server.stop()
