"""The console as a front door: what is written down before it is acknowledged, and what delivery leaves behind."""

import json
from dataclasses import replace

import pytest

from adapters.console import ConsoleAdapter
from adapters.console.verify import cookie_name
from core.errors import NotStored
from core.message import Author, Message, PartId, Reply, ReplyId, Status, StatusKind, Text, ThreadId, Visibility
from core.ports import Delivery, State, Webhook
from tests.fakes.metrics import Numbers

REPLY = Reply(
    id=ReplyId("0" * 32),
    thread=ThreadId("console", "local", "browser-ann", "a" * 26),
    asker=Author("console", "local", "browser-ann"),
    in_reply_to="id",
)


@pytest.fixture
def numbers():
    return Numbers()


@pytest.fixture
def adapter(house, settings, numbers):
    return ConsoleAdapter(settings, drafts=house, archive=house, model=lambda: house.model, metrics=numbers)


@pytest.fixture
def webhook(now):
    def webhook(path: str, payload: object, **headers: str) -> Webhook:
        given = {"host": "127.0.0.1", "content-type": "application/json", **headers}
        return Webhook("POST", path, {}, given, json.dumps(payload).encode(), now)

    return webhook


class Notes:
    """A Ledger that remembers."""

    def __init__(self) -> None:
        self.parts: list[PartId] = []

    async def part(self, part: PartId) -> None:
        self.parts.append(part)

    async def state(self, state) -> None:
        raise AssertionError("the console keeps no state")

    async def known(self, parts) -> frozenset[PartId]:
        raise AssertionError("the console asks for no parts")


async def chunks(*given):
    for chunk in given:
        yield chunk


async def test_a_question_is_written_down_and_then_acknowledged(adapter, webhook, house, settings, now):
    received = await adapter.receive(webhook("/chat", {"prompt": "Hi"}), house.accept)
    (event,) = house.events
    answer = json.loads(received.body)
    assert received.status == 202
    assert isinstance(event, Message)
    assert (event.text, event.sent_at, event.visibility) == ("Hi", now, Visibility.DIRECT)
    assert event.thread == ThreadId("console", "local", event.author.id, answer["thread"])
    assert answer["reply_id"] in answer["events"]
    assert received.headers["Set-Cookie"].startswith(cookie_name(settings))


async def test_nothing_is_acknowledged_that_is_not_stored(adapter, webhook, house):
    house.is_away = True
    received = await adapter.receive(webhook("/chat", {"prompt": "Hi"}), house.accept)
    assert received.status == 503
    assert received.headers["Retry-After"] == "2"
    assert "Set-Cookie" not in received.headers
    assert json.loads(received.body)["code"] == "not_stored"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat", {"prompt": "And?", "thread": "a" * 26}),
        ("/feedback", {"reply_id": "0" * 32, "rating": "up"}),
    ],
)
async def test_what_belongs_to_something_that_cannot_be_looked_up_is_counted_as_not_stored(
    adapter, webhook, house, numbers, monkeypatch, path, body
):
    async def away(*_: object) -> None:
        raise NotStored

    monkeypatch.setattr(house, "owns", away)
    monkeypatch.setattr(house, "reply", away)
    received = await adapter.receive(webhook(path, body), house.accept)
    assert (received.status, json.loads(received.body)["code"]) == (503, "not_stored")
    assert numbers.counts["events", "console", "not_stored"] == 1


async def test_what_the_inbox_does_not_take_is_left_to_the_inbox_to_count(adapter, webhook, house, numbers):
    house.is_away = True
    assert (await adapter.receive(webhook("/chat", {"prompt": "Hi"}), house.accept)).status == 503
    assert not numbers.counts


async def test_a_refusal_speaks_the_senders_language(adapter, webhook, house):
    received = await adapter.receive(webhook("/chat", {"prompt": ""}, **{"accept-language": "zh-CN"}), house.accept)
    assert received.status == 422
    assert received.headers["Content-Language"] == "zh"
    assert json.loads(received.body)["error"] == "`prompt` 是空的。请先写点内容。"
    assert not house.events


async def test_an_unknown_action_is_no_event(adapter, webhook, house):
    assert (await adapter.receive(webhook("/other", {}), house.accept)).status == 404
    assert not house.events


async def test_a_thumb_is_acknowledged_once_stored(adapter, webhook, house):
    received = await adapter.receive(webhook("/chat", {"prompt": "Hi"}), house.accept)
    answer = json.loads(received.body)
    await house.answer(ReplyId(answer["reply_id"]), "Hello.", state=State.DONE)
    known = {
        "cookie": received.headers["Set-Cookie"].partition(";")[0],
        "x-csrf-token": received.headers["X-CSRF-Token"],
    }
    rated = await adapter.receive(
        webhook("/feedback", {"reply_id": answer["reply_id"], "rating": "up"}, **known), house.accept
    )
    assert (rated.status, json.loads(rated.body)) == (200, {"ok": True})
    assert len(house.events) == 2


async def test_delivery_reads_the_answer_to_its_end_and_records_one_part(adapter):
    notes = Notes()
    source = chunks(Status(StatusKind.THINKING), Text("Hel"), Text("lo"))
    await adapter.deliver(Delivery(reply=REPLY, return_address={}), source, notes)
    assert notes.parts == [PartId("console", "local", "browser-ann", REPLY.id)]
    assert [chunk async for chunk in source] == []


async def test_delivering_again_records_nothing_new(adapter):
    notes = Notes()
    part = PartId("console", "local", "browser-ann", REPLY.id)
    delivery = Delivery(reply=replace(REPLY, text="Hello", parts=(part,)), return_address={}, is_ready=True)
    await adapter.deliver(delivery, chunks(Text("Hello")), notes)
    assert notes.parts == []
