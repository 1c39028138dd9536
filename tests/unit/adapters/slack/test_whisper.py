"""A private answer whose address cannot be reached: nothing was sent, so nothing is lost and nothing said twice."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.slack.client import Client, Clients, Paces
from adapters.slack.whisper import WhisperDelivery
from core.errors import ChannelError
from core.message import Ask, Author, Chunk, Citation, PartId, Reply, ReplyId, Source, Sources, Text, ThreadId
from core.ports import Delivery
from tests.fakes.metrics import Numbers

URL = "https://hooks.slack.com/commands/T0PARLEY1/1/invented"
LONG = "word " * 4_000  # more than one message


class Notes:
    """A ledger that remembers the newest state."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def part(self, part: PartId) -> None:
        raise AssertionError("nobody's direct messages are written to")

    async def state(self, state: Mapping[str, Any]) -> None:
        self.kept = dict(state)

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        return frozenset()


async def test_of_several_messages_those_are_repeated_that_were_not_sent(monkeypatch):
    sent: list[str] = []
    outage = [False]

    async def send(_: object, **content: Any) -> Any:
        if outage[0] and sent:
            raise aiohttp.ClientConnectorError(Mock(), OSError())
        sent.append(content["blocks"][0]["text"])
        return Mock(status_code=200)

    monkeypatch.setattr(AsyncWebhookClient, "send", send)
    notes, outage[0] = Notes(), True
    with pytest.raises(ChannelError, match="cannot be reached"):
        await _show(notes, {})
    assert (len(sent), notes.kept["said"]) == (1, 1)
    outage[0] = False
    await _show(notes, notes.kept)
    assert "".join(sent).split() == LONG.split()


async def test_a_question_back_has_its_button_and_an_answer_its_sources(monkeypatch):
    sent: list[Any] = []

    async def send(_: object, **content: Any) -> Any:
        sent.append(content)
        return Mock(status_code=200)

    monkeypatch.setattr(AsyncWebhookClient, "send", send)
    sources = Sources((Citation("The sea", "https://example.com/sea"),))
    await _show(Notes(), {}, (Text("A draft. ", Source.PLUGIN), sources, Ask("0" * 32, "Send it?")))
    (content,) = sent
    text, *below = content["blocks"]
    assert text["text"].startswith("A draft. Send it?")
    assert "1. [The sea](https://example.com/sea)" in text["text"]
    buttons = [element for block in below for element in block["elements"] if element["type"] == "button"]
    assert [(button["action_id"], button["value"]) for button in buttons] == [
        ("confirm", "0" * 32),
        ("regenerate", "0" * 32),
    ]


async def _show(notes: Notes, state: dict[str, Any], said: Sequence[Chunk] = (Text(LONG),)) -> None:
    async def token_of(_: str) -> str:
        return "xoxb-invented"

    async def chunks():
        for chunk in said:
            yield chunk

    clients = Clients("https://slack.com/api/", token_of)
    anna = Author("slack", "T0PARLEY1", "U0ANNA001")
    thread = ThreadId("slack", "T0PARLEY1", "C0GENERAL", "/U0ANNA001")
    reply = Reply(id=ReplyId("0" * 32), thread=thread, asker=anna, in_reply_to="question")
    delivery = Delivery(reply=reply, return_address={"user": anna.id, "response_url": URL}, state=state)
    try:
        client = Client(clients.sdk(), Paces())
        await WhisperDelivery(clients, client, delivery, notes, Numbers()).show(chunks())
    finally:
        await clients.close()
