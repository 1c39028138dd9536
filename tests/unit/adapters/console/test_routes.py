"""The page and the API over HTTP, with a house in memory behind them."""

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from adapters.console.assets import assets
from core.errors import NotStored
from core.message import Command, CommandName, Feedback, Message, ReplyId
from core.ports import State

TOKEN = "one-of-256-random-bits"


class Visit:
    """A program that keeps its cookie and its CSRF token, as the documentation says."""

    def __init__(self, client) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    async def post(self, path: str, payload: object, **headers: str):
        self.client.session.cookie_jar.clear()
        response = await self.client.post(path, json=payload, headers={**self.headers, **headers})
        self._remember(response)
        return response

    async def get(self, path: str, **headers: str):
        self.client.session.cookie_jar.clear()
        response = await self.client.get(path, headers={**self.headers, **headers})
        self._remember(response)
        return response

    def _remember(self, response) -> None:
        if "X-CSRF-Token" in response.headers:
            self.headers["X-CSRF-Token"] = response.headers["X-CSRF-Token"]
        if "Set-Cookie" in response.headers:
            self.headers["Cookie"] = response.headers["Set-Cookie"].partition(";")[0]

    async def ask(self, prompt: str, **payload: str) -> dict[str, str]:
        """Where the answer will be found; nobody has begun to write it."""
        response = await self.post("/chat", {"prompt": prompt, **payload}, Prefer="respond-async")
        assert response.status == 202
        located: dict[str, str] = await response.json()
        return located


@pytest.fixture
def settings(settings):
    return replace(settings, answer_timeout=timedelta(seconds=0.5))


@pytest.fixture
def visit(client):
    return Visit(client)


@pytest.fixture
def stranger(client):
    return Visit(client)


@pytest.fixture
async def answering(house):
    """Every question is answered with itself, in two pieces."""
    tasks = set()

    async def accept(events, accept=house.accept):
        receipts = await accept(events)
        for event, receipt in zip(events, receipts, strict=True):
            if isinstance(event, Message) and receipt.is_new:
                tasks.add(asyncio.create_task(house.answer(receipt.reply_id, "You", f"You said {event.text}.")))
        return receipts

    house.accept = accept
    yield
    await asyncio.gather(*tasks)


async def events_of(response) -> list[tuple[str, dict[str, Any]]]:
    blocks = (await response.text()).split("\n\n")
    lines = [block.split("\n") for block in blocks if block.startswith("event:")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]


# ------------------------------------------------------------------------------------------------------------- asking


async def test_a_question_is_answered_as_json(answering, visit, house):
    response = await visit.post("/chat", {"prompt": "Hi"})
    answer = await response.json()
    assert response.status == 200
    assert answer == {
        "response": "You said Hi.",
        "thread": house.events[0].thread.thread,
        "reply_id": answer["reply_id"],
        "model": "echo",
        "source": "engine",
        "state": "done",
    }


async def test_a_question_is_answered_as_a_stream(answering, visit):
    response = await visit.post("/chat", {"prompt": "Hi"}, Accept="text/event-stream")
    events = await events_of(response)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert [name for name, _ in events] == ["start", "delta", "delta", "done"]
    assert "".join(data["text"] for name, data in events if name == "delta") == "You said Hi."
    assert events[-1][1]["response"] == "You said Hi."
    assert events[0][1]["reply_id"] == events[-1][1]["reply_id"]


async def test_text_that_is_taken_back_is_replaced_in_the_stream(visit, house):
    async def later():
        while not house.events:
            await asyncio.sleep(0.01)
        reply_id = ReplyId(sha256(house.events[0].id.encode()).hexdigest()[:32])
        await house.answer(reply_id, "A secret", "I can't say.", state=State.REFUSED, source="moderation")

    speaking = asyncio.create_task(later())
    events = await events_of(await visit.post("/chat", {"prompt": "Hi"}, Accept="text/event-stream"))
    await speaking
    assert [name for name, _ in events][-2:] == ["replace", "done"]
    assert events[-1][1] | {"thread": "", "reply_id": ""} == {
        "response": "I can't say.",
        "thread": "",
        "reply_id": "",
        "model": "echo",
        "source": "moderation",
        "state": "refused",
    }


async def test_a_conversation_goes_on_in_its_thread(answering, visit, house):
    first = await (await visit.post("/chat", {"prompt": "one"})).json()
    second = await (await visit.post("/chat", {"prompt": "two", "thread": first["thread"]})).json()
    assert first["thread"] == second["thread"]
    assert house.events[0].thread == house.events[1].thread
    assert house.events[0].author.key == house.events[1].author.key


async def test_a_failed_turn_is_answered_with_its_sentence(visit, house):
    asked = await visit.ask("Hi")
    await house.answer(ReplyId(asked["reply_id"]), "Something went wrong.", state=State.FAILED, source="house")
    thread = await (await visit.get(f"/threads/{asked['thread']}")).json()
    assert [(e["answer"], e["source"], e["state"]) for e in thread["entries"]] == [
        ("Something went wrong.", "house", "failed")
    ]


async def test_a_call_repeated_with_its_key_is_answered_once(answering, visit, house):
    await visit.get("/threads")
    answers = [await (await visit.post("/chat", {"prompt": "Hi"}, **{"Idempotency-Key": "k1"})).json() for _ in "12"]
    assert answers[0] == answers[1]
    assert len(house.events) == 1


async def test_whoever_waits_longer_than_the_limit_is_told_where_to_look(visit):
    response = await visit.post("/chat", {"prompt": "Hi"})
    answer = await response.json()
    assert response.status == 202
    assert {"thread", "reply_id", "events", "message"} == answer.keys()


async def test_a_stop_word_is_obeyed_at_once(visit, house):
    asked = await visit.ask("Tell me a long story")
    response = await visit.post("/chat", {"prompt": "停止", "thread": asked["thread"]}, **{"Accept-Language": "zh"})
    answer = await response.json()
    assert (answer["response"], answer["source"], answer["state"]) == ("正在进行的回答已停止。", "house", "done")
    assert isinstance(house.events[-1], Command)
    assert house.events[-1].name is CommandName.STOP


async def test_a_stop_word_that_stops_nothing_is_told_so(visit, house):
    asked = await visit.ask("Tell me a long story")
    stopping = asyncio.create_task(visit.post("/chat", {"prompt": "stop", "thread": asked["thread"]}))
    while len(house.events) < 2:
        await asyncio.sleep(0.01)
    await house.answer(house.reply_id(house.events[-1]), "There is nothing to stop.", source="house")
    answer = await (await stopping).json()
    assert (answer["response"], answer["state"]) == ("There is nothing to stop.", "done")


async def test_a_stop_word_is_answered_as_a_stream_too(visit):
    asked = await visit.ask("Tell me a long story")
    response = await visit.post("/chat", {"prompt": "stop", "thread": asked["thread"]}, Accept="text/event-stream")
    assert [name for name, _ in await events_of(response)] == ["start", "delta", "done"]


async def test_the_stop_button_stops_in_its_thread(visit, house):
    asked = await visit.ask("Tell me a long story")
    response = await visit.post("/stop", {"thread": asked["thread"]})
    assert (response.status, await response.json()) == (200, {"ok": True})
    assert house.events[-1].lane == "control"
    assert house.events[-1].thread == house.events[0].thread


async def test_an_answer_is_written_again_on_request(visit, house):
    asked = await visit.ask("Hi")
    await house.answer(ReplyId(asked["reply_id"]), "Hello.")
    again = await visit.post("/regenerate", {"reply_id": asked["reply_id"]}, Prefer="respond-async")
    answer = await again.json()
    assert again.status == 202
    assert answer["thread"] == asked["thread"]
    assert answer["reply_id"] != asked["reply_id"]
    assert house.events[-1].args == asked["reply_id"]


async def test_an_outage_is_told_and_nothing_is_begun(visit, house):
    house.is_away = True
    response = await visit.post("/chat", {"prompt": "Hi"})
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert "send it again" in (await response.json())["error"]
    assert (await visit.get("/")).status == 503


async def test_an_outage_while_the_answer_grows_ends_the_reading_and_not_the_answer(visit, house, caplog):
    async def outage():
        while not house.events:
            await asyncio.sleep(0.01)
        house.is_away = True

    breaking = asyncio.create_task(outage())
    response = await visit.post("/chat", {"prompt": "Hi"})
    await breaking
    assert (response.status, (await response.json()).keys()) == (202, {"thread", "reply_id", "events", "message"})
    following = await visit.get((await response.json())["events"])
    assert (following.status, await following.text()) == (200, "")
    assert not caplog.records


# -------------------------------------------------------------------------------------------------- rating and reading


async def test_a_rating_is_kept_with_its_answer(visit, house):
    asked = await visit.ask("Hi")
    await house.answer(ReplyId(asked["reply_id"]), "Hello.")
    rating = {"reply_id": asked["reply_id"], "rating": "down", "reason": "unclear", "comment": "What?"}
    assert (await visit.post("/feedback", rating)).status == 200
    assert isinstance(house.events[-1], Feedback)
    (entry,) = (await (await visit.get(f"/threads/{asked['thread']}")).json())["entries"]
    assert (entry["rating"], entry["reason"], entry["comment"]) == ("down", "unclear", "What?")


async def test_threads_are_listed_newest_first(visit):
    for prompt in ("one", "two"):
        await visit.ask(prompt)
    threads = (await (await visit.get("/threads")).json())["threads"]
    assert [thread["title"] for thread in threads] == ["two", "one"]
    older = await visit.get("/threads?before=" + threads[0]["updated_at"])
    assert [thread["title"] for thread in (await older.json())["threads"]] == ["one"]


async def test_a_thread_is_read_from_its_end(visit):
    asked = await visit.ask("one")
    await visit.ask("two", thread=asked["thread"])
    entries = (await (await visit.get(f"/threads/{asked['thread']}")).json())["entries"]
    assert [(entry["question"], entry["state"]) for entry in entries] == [("one", "waiting"), ("two", "waiting")]
    before = await visit.get(f"/threads/{asked['thread']}?before={entries[1]['cursor']}")
    assert [entry["question"] for entry in (await before.json())["entries"]] == ["one"]


async def test_the_model_that_answers_is_named(visit, house):
    assert await (await visit.get("/model")).json() == {
        "is_ready": True,
        "name": "echo",
        "version": "echo-1",
        "is_demo": True,
    }
    house.model = None
    assert await (await visit.get("/model")).json() == {"is_ready": False}


async def test_an_answer_is_followed_as_html(visit, house):
    asked = await visit.ask("Hi")
    following = asyncio.create_task(visit.get(asked["events"]))
    await asyncio.sleep(0.12)
    await house.answer(ReplyId(asked["reply_id"]), "So **bo", "So **bold**.")
    events = await events_of(await following)
    assert [name for name, _ in events][-1] == "done"
    assert events[-1][1]["html"] == "<p>So <strong>bold</strong>.</p>\n"
    assert events[-1][1]["label"] == "echo"


async def test_whoever_leaves_early_leaves_the_answer_alone(visit, house, caplog):
    asked = await visit.ask("Hi")
    (await visit.get(asked["events"])).close()
    await asyncio.sleep(0.15)  # three heartbeats: the first that can't be written ends the stream
    await house.answer(ReplyId(asked["reply_id"]), "Hello.")
    assert (await (await visit.get(f"/threads/{asked['thread']}")).json())["entries"][0]["answer"] == "Hello."
    assert not caplog.records


# ----------------------------------------------------------------------------------------------------------- reasoning

THOUGHT = "They greet me.\n\nSo I *greet* <them>."


@pytest.fixture
async def thinking(house):
    """Every question is answered with a greeting, after a thought."""
    tasks = set()

    async def accept(events, accept=house.accept):
        receipts = await accept(events)
        for receipt in receipts:
            tasks.add(asyncio.create_task(house.answer(receipt.reply_id, "Hello.", thought=THOUGHT)))
        return receipts

    house.accept = accept
    yield
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("asked", [{}, {"reasoning": False}, {"reasoning": None}])
async def test_what_was_thought_does_not_come_unasked(thinking, visit, asked):
    answer = await (await visit.post("/chat", {"prompt": "Hi", **asked})).json()
    assert answer["response"] == "Hello."
    assert "reasoning" not in answer
    streamed = await visit.post("/chat", {"prompt": "Hi", **asked}, Accept="text/event-stream")
    assert "greet" not in await streamed.text()


async def test_what_was_thought_comes_with_the_answer_on_request(thinking, visit):
    answer = await (await visit.post("/chat", {"prompt": "Hi", "reasoning": True})).json()
    assert (answer["response"], answer["reasoning"]) == ("Hello.", THOUGHT)
    streamed = await visit.post("/chat", {"prompt": "Hi", "reasoning": True}, Accept="text/event-stream")
    name, data = (await events_of(streamed))[-1]
    assert (name, data["response"], data["reasoning"]) == ("done", "Hello.", THOUGHT)
    again = await visit.post("/regenerate", {"reply_id": answer["reply_id"], "reasoning": True})
    assert (await again.json())["reasoning"] == THOUGHT


async def test_where_nothing_was_thought_nothing_is_told(answering, visit):
    answer = await (await visit.post("/chat", {"prompt": "Hi", "reasoning": True})).json()
    assert (answer["response"], answer["reasoning"]) == ("You said Hi.", "")
    read = await visit.get(f"/replies/{answer['reply_id']}/reasoning")
    assert await read.json() == {"reply_id": answer["reply_id"], "reasoning": ""}


async def test_what_was_thought_is_read_later_as_text_and_as_html(thinking, visit):
    answer = await (await visit.post("/chat", {"prompt": "Hi"})).json()
    path = f"/replies/{answer['reply_id']}/reasoning"
    assert (await (await visit.get(path)).json())["reasoning"] == THOUGHT
    fragment = await visit.get(path, Accept="text/html")
    assert await fragment.text() == "<p>They greet me.</p>\n<p>So I <em>greet</em> &lt;them&gt;.</p>\n"
    assert "default-src 'none'" in fragment.headers["Content-Security-Policy"]
    assert fragment.headers["Cache-Control"] == "no-store"


async def test_what_was_thought_is_its_askers_alone(thinking, visit, stranger):
    answer = await (await visit.post("/chat", {"prompt": "Hi"})).json()
    await stranger.get("/threads")
    for reply_id in (answer["reply_id"], "0" * 32, "x"):
        for accept in ("*/*", "text/html"):
            read = await stranger.get(f"/replies/{reply_id}/reasoning", Accept=accept)
            assert (read.status, (await read.json())["code"]) == (404, "no_reply")


async def test_an_outage_after_the_answer_leaves_what_was_thought_to_be_read_later(thinking, visit, house, monkeypatch):
    async def away(reply_id, reader):
        raise NotStored

    monkeypatch.setattr(house, "reasoning", away)
    response = await visit.post("/chat", {"prompt": "Hi", "reasoning": True})
    assert response.status == 202
    reply_id = (await response.json())["reply_id"]
    assert (await visit.get(f"/replies/{reply_id}/reasoning")).status == 503


@pytest.mark.parametrize("wrong", ["true", 1, 0, "", [], {}])
async def test_a_wish_that_is_neither_true_nor_false_is_refused(visit, house, wrong):
    response = await visit.post("/chat", {"prompt": "Hi", "reasoning": wrong})
    assert (response.status, (await response.json())["code"]) == (422, "not_a_boolean")
    assert not house.events


@pytest.mark.parametrize(("language", "label"), [("en-US", "How this was thought through"), ("zh-CN", "思考过程")])
async def test_the_page_offers_what_was_thought_and_holds_none_of_it(visit, house, language, label):
    asked, plain = await visit.ask("Hi"), await visit.ask("Ho")
    following = asyncio.create_task(visit.get(asked["events"]))
    await house.answer(ReplyId(asked["reply_id"]), "Hello.", thought=THOUGHT)
    await house.answer(ReplyId(plain["reply_id"]), "Hello.")
    name, data = (await events_of(await following))[-1]
    assert (name, data["has_reasoning"]) == ("done", True)
    page = await (await visit.get(f"/t/{asked['thread']}", **{"Accept-Language": language})).text()
    assert '<details class="thoughts">' in page
    assert label in page
    assert "They greet me" not in page
    assert '<details class="thoughts">' not in await (await visit.get(f"/t/{plain['thread']}")).text()


# ---------------------------------------------------------------------------------------- what belongs to others


async def test_what_is_one_persons_is_nobody_elses(visit, stranger, house):
    asked = await visit.ask("private")
    await house.answer(ReplyId(asked["reply_id"]), "between us")
    await stranger.get("/threads")
    events = len(house.events)
    thread, reply_id = asked["thread"], asked["reply_id"]
    answers = [
        await stranger.get(f"/threads/{thread}"),
        await stranger.get(f"/t/{thread}"),
        await stranger.get(f"/t/{thread}/earlier"),
        await stranger.get(asked["events"]),
        await stranger.post("/chat", {"prompt": "more", "thread": thread}),
        await stranger.post("/stop", {"thread": thread}),
        await stranger.post("/regenerate", {"reply_id": reply_id}),
        await stranger.post("/feedback", {"reply_id": reply_id, "rating": "down"}),
    ]
    assert [answer.status for answer in answers] == [404] * len(answers)
    assert not [answer for answer in answers if "between us" in await answer.text()]
    assert (await (await stranger.get("/threads")).json())["threads"] == []
    assert len(house.events) == events


async def test_an_answer_can_not_be_rated_before_it_began(visit):
    asked = await visit.ask("Hi")
    response = await visit.post("/feedback", {"reply_id": asked["reply_id"], "rating": "up"})
    assert (response.status, (await response.json())["code"]) == (404, "no_reply")


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"prompt": ""}', 422),
        (b'{"prompt": "a\\u0000b"}', 422),
        (b'{"prompt": "\\ud800"}', 422),
        (b'{"prompt": {"text": "Hi"}}', 422),
        (b'{"prompt": "Hi", "thread": 7}', 422),
        (b'{"prompt": "Hi", "thread": "\\ud800"}', 404),
        (b'{"prompt": "Hi", "thread": "%s"}' % (b"a" * 26), 404),
        (b'{"prompt": "%s"}' % (b"x" * 40_000), 422),
        (b'{"prompt": "%s"}' % (b"x" * 1_000_000), 413),
        (b"x" * 1_048_576, 413),
    ],
)
async def test_bad_input_is_told_what_is_wrong_with_it(client, house, body, status):
    response = await client.post("/chat", data=body, headers={"Content-Type": "application/json"})
    answer = json.loads(await response.text())
    assert response.status == status
    assert answer["error"].endswith(".")
    assert not house.events


@pytest.mark.parametrize("path", ["/feedback", "/regenerate"])
@pytest.mark.parametrize("reply_id", ["", "x", "0" * 32, "\ud800", "../../etc/passwd"])
async def test_an_unknown_reply_is_not_found(visit, path, reply_id):
    response = await visit.post(path, {"reply_id": reply_id, "rating": "up"})
    assert (response.status, (await response.json())["code"]) == (404, "no_reply")


@pytest.mark.parametrize("key", ["a b", "x" * 201])
async def test_a_key_that_is_no_key_is_refused(visit, key):
    response = await visit.post("/chat", {"prompt": "Hi"}, **{"Idempotency-Key": key})
    assert (response.status, (await response.json())["code"]) == (422, "bad_key")


@pytest.mark.parametrize("path", ["/threads?before=yesterday", "/side?before=1e9", "/threads?before="])
async def test_a_place_that_is_not_in_the_list_is_refused(visit, path):
    assert (await visit.get(path)).status == 422


async def test_a_key_may_come_with_a_thread_that_is_none(visit):
    for thread in ("\ud800", 7, ["x"]):
        response = await visit.post("/chat", {"prompt": "Hi", "thread": thread}, **{"Idempotency-Key": "k"})
        assert response.status in (404, 422)


@pytest.mark.parametrize("before", ["-1", "x", "9" * 19, "\u0661"])
async def test_a_cursor_that_is_no_cursor_is_refused(visit, before):
    asked = await visit.ask("Hi")
    assert (await visit.get(f"/threads/{asked['thread']}?before={before}")).status == 422


async def raw(client, head: bytes, body: bytes = b"") -> bytes:
    """The first line of the answer to a request written byte by byte."""
    reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
    host = f"Host: {client.server.host}:{client.server.port}\r\n".encode()
    writer.write(head.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n" + host) + b"\r\n" + body)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


JSON_POST = b"POST /chat HTTP/1.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (JSON_POST + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n", b"not gzip!"),
        (JSON_POST + b"Content-Encoding: gzip\r\nContent-Length: 23\r\n", gzip.compress(b"{}", mtime=0)[:23]),
        (JSON_POST + b"Transfer-Encoding: chunked\r\n", b"zz\r\nhello\r\n0\r\n\r\n"),
        (JSON_POST + b"Content-Length: 2\r\nIdempotency-Key: \xff\xfe\r\n", b"{}"),
        (JSON_POST + b"Content-Length: 2\r\nCookie: parley_x=\xff; \xfe=\xfd\r\n", b"{}"),
        (JSON_POST + b"Content-Length: 2\r\nAuthorization: Bearer \xff\r\n", b"{}"),
        (JSON_POST + b"Content-Length: 2\r\nOrigin: \xff\r\n", b"{}"),
        (JSON_POST + b"Content-Length: 2\r\nAccept-Language: \xff;q=\xff\r\n", b"{}"),
        (b"GET /threads/%ff%fe HTTP/1.1\r\n", b""),
        (b"GET /static/%00/%2e%2e HTTP/1.1\r\n", b""),
        (b"GET /replies/%ff/events?stamp=%ff HTTP/1.1\r\n", b""),
        (b"GET /t/%ff HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", b""),
        (b"GET /?before=x&lang=%ff HTTP/1.1\r\nCookie: parley_theme=\xff\r\n", b""),
    ],
)
async def test_no_bytes_make_the_server_fail(client, head, body):
    status = int((await raw(client, head, body)).split()[1])
    assert status in range(200, 500)


# ------------------------------------------------------------------------------------------------------------ the door


async def test_a_program_on_this_machine_is_introduced_with_its_first_call(answering, visit):
    response = await visit.post("/chat", {"prompt": "Hi"})
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert visit.headers.keys() == {"Cookie", "X-CSRF-Token"}
    again = await visit.post("/chat", {"prompt": "Hi"})
    assert "Set-Cookie" not in again.headers
    assert again.headers["X-CSRF-Token"] == visit.headers["X-CSRF-Token"]


async def test_a_cookie_without_the_csrf_token_does_nothing(visit, house):
    await visit.get("/threads")
    del visit.headers["X-CSRF-Token"]
    for path in ("/chat", "/feedback", "/stop", "/regenerate", "/sign-out"):
        assert (await visit.post(path, {"prompt": "Hi"})).status == 403
    assert not house.events


async def test_a_form_of_another_site_does_nothing(client, house):
    response = await client.post("/chat", data={"prompt": "Hi"}, headers={"Origin": "https://evil.example"})
    assert response.status == 403
    response = await client.post("/chat", data='{"prompt": "Hi"}', headers={"Content-Type": "text/plain"})
    assert response.status == 415
    assert not house.events


async def test_a_name_that_was_bound_to_this_machine_elsewhere_is_refused(client):
    assert (await client.get("/", headers={"Host": "evil.example"})).status == 421


async def test_a_link_from_another_site_makes_nobody_new(client):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    response = await client.get("/", headers=headers)
    assert response.status == 403
    assert "Set-Cookie" not in response.headers
    assert 'href="/"' in await response.text()


async def test_a_proxied_request_is_refused_where_nobody_needs_a_token(visit, house):
    response = await visit.post("/chat", {"prompt": "Hi"}, **{"X-Forwarded-For": "203.0.113.7"})
    assert (response.status, (await response.json())["code"]) == (403, "forwarded")
    assert not house.events


class TestBeyondThisMachine:
    """The same routes behind access tokens."""

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, is_loopback=False, tokens={"ann": sha256(TOKEN.encode()).hexdigest()})

    async def test_nothing_is_shown_without_a_token(self, visit):
        for path in ("/threads", "/model", "/side", f"/threads/{'a' * 26}", f"/replies/{'0' * 32}/events"):
            assert (await visit.get(path)).status == 401
        for path in ("/chat", "/feedback", "/stop", "/regenerate"):
            response = await visit.post(path, {"prompt": "Hi"})
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        page = await visit.get("/")
        assert page.status == 401
        assert 'id="sign-in"' in await page.text()

    async def test_a_token_is_its_author(self, answering, visit, house):
        answer = await visit.post("/chat", {"prompt": "Hi"}, Authorization=f"Bearer {TOKEN}")
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert (house.events[0].author.id, house.events[0].author.name) == ("token-ann", "ann")

    async def test_signing_in_is_remembered_and_forgotten(self, visit, stranger):
        refused = await stranger.post("/sign-in", {"token": "guess"})
        assert (refused.status, (await refused.json())["code"]) == (401, "token_unknown")
        assert (await visit.post("/sign-in", {"token": f" {TOKEN}\n"})).status == 200
        page = await (await visit.get("/")).text()
        assert "Signed in as ann" in page
        left = await visit.post("/sign-out", {})
        assert "Max-Age=0" in left.headers["Set-Cookie"]

    @pytest.mark.parametrize("payload", [[], {}, {"token": 7}, {"token": None}, {"token": "\ud800"}])
    async def test_a_token_that_is_none_is_refused(self, visit, payload):
        assert (await visit.post("/sign-in", payload)).status in (400, 401, 422)

    async def test_another_site_can_not_sign_anybody_in(self, visit):
        response = await visit.post("/sign-in", {"token": TOKEN}, Origin="https://evil.example")
        assert response.status == 403


# ------------------------------------------------------------------------------------------------------------ the page


async def test_the_page_shows_what_was_said(visit, house):
    asked = await visit.ask("Is 1 < 2?")
    await house.answer(ReplyId(asked["reply_id"]), "Yes, **it is**.")
    await visit.post("/feedback", {"reply_id": asked["reply_id"], "rating": "down", "comment": "I knew <that>"})
    page = await (await visit.get(f"/t/{asked['thread']}")).text()
    assert "Is 1 &lt; 2?" in page
    assert "<strong>it is</strong>" in page
    assert "I knew &lt;that&gt;" in page
    assert f'href="/t/{asked["thread"]}" aria-current="page"' in page


async def test_the_page_goes_on_where_an_answer_is_growing(visit):
    asked = await visit.ask("Hi")
    page = await (await visit.get(f"/t/{asked['thread']}")).text()
    assert asked["events"] in page


async def test_the_page_speaks_the_browsers_language_until_another_is_chosen(visit):
    assert "新会话" in await (await visit.get("/", **{"Accept-Language": "zh-CN"})).text()
    switched = await visit.get("/?lang=en", **{"Accept-Language": "zh-CN"})
    assert "New chat" in await switched.text()
    assert "parley_lang=en" in str(switched.cookies)


async def test_the_page_says_when_the_model_is_a_demo_or_still_loading(visit, house):
    assert "This is the small demo model." in await (await visit.get("/")).text()
    house.model = None
    assert "The model is loading." in await (await visit.get("/")).text()


async def test_the_page_runs_nothing_but_its_own_files(visit):
    response = await visit.get("/")
    page = await response.text()
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert page.count("<script") == 1
    assert "<style" not in page
    assert " style=" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


async def test_refusals_carry_the_security_headers_too(visit):
    response = await visit.post("/chat", {})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["app.js", "style.css", "icon.svg"])
async def test_assets_are_kept_by_the_browser_for_as_long_as_they_are_the_same(visit, name):
    url = assets()[name].url
    response = await visit.get(url)
    assert response.status == 200
    assert "immutable" in response.headers["Cache-Control"]
    assert (await visit.get(url, **{"If-None-Match": response.headers["ETag"]})).status == 304
    assert (await visit.get(f"/static/{'0' * 16}/{name}")).status == 404


async def test_a_page_that_is_not_there_says_so(visit):
    response = await visit.get(f"/t/{'a' * 26}")
    assert response.status == 404
    assert "no such conversation of yours" in await response.text()
