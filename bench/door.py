"""The door of the fault benchmarks: a channel that can be read back, so that nothing is ever said twice.

It does what the Slack door does, against an API that we hold in our own hands (bench/channel.py): a webhook of events
in, one growing message per answer out, and a look into the channel before anything unknown is sent again.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from time import monotonic
from typing import Any

import aiohttp

from core.errors import ChannelError, Malformed, NotStored
from core.message import Author, Chunk, Deleted, Edited, Event, Message, PartId, Replace, Text, ThreadId, Visibility
from core.ports import Accept, Delivery, Ledger, Received, Webhook

NAME = "bench"
_UPDATE_SECONDS = 0.05


class BenchDoor:
    """`channel` is the address of the channel's API."""

    name = NAME

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._http: aiohttp.ClientSession | None = None

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """200 with the reply ids once the events are stored, 503 where they are not, 400 where they are none."""
        try:
            receipts = await accept(parse(webhook.body, webhook.received_at))
        except Malformed as error:
            return _as_json(400, {"error": str(error)})
        except NotStored as error:
            return _as_json(503, {"error": str(error)})
        return _as_json(200, {"replies": [receipt.reply_id for receipt in receipts]})

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        message = await self._known(delivery, ledger)
        text, shown_at = "", 0.0
        async for chunk in chunks:
            match chunk:
                case Text(piece):
                    text += piece
                case Replace(whole):
                    text = whole
                case _:
                    continue
            if message and monotonic() - shown_at < _UPDATE_SECONDS:
                continue
            if message:
                await self._call("PUT", f"/messages/{message}", text=text)
            else:
                message = await self._send(delivery, ledger, text)
            shown_at = monotonic()
        await self._call("PUT", f"/messages/{message}", text=text, is_final=True)

    async def _known(self, delivery: Delivery, ledger: Ledger) -> str:
        """The message that carries this answer already, "" where there is none."""
        if delivery.parts:
            return delivery.parts[0].id
        if delivery.attempts == 1:
            return ""
        # An earlier owner may have sent it and died before it could write that down.
        found = await self._call("GET", f"/messages?reply={delivery.reply.id}")
        for message in found["messages"]:
            await ledger.part(_part(delivery, message))
            return str(message)
        return ""

    async def _send(self, delivery: Delivery, ledger: Ledger, text: str) -> str:
        reply = delivery.reply
        sent = await self._call("POST", "/messages", thread=reply.thread.thread, reply=reply.id, text=text)
        await ledger.part(_part(delivery, sent["id"]))
        return str(sent["id"])

    async def _call(self, method: str, path: str, **body: object) -> Any:
        self._http = self._http or _session()
        try:
            async with self._http.request(method, self._channel + path, json=body or None) as response:
                response.raise_for_status()
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChannelError(type(error).__name__) from error

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


def _session() -> aiohttp.ClientSession:
    # What is not used any more is closed soon: whoever counts what is left need not wait long.
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=2), connector=aiohttp.TCPConnector(keepalive_timeout=2)
    )


def parse(body: bytes, received_at: datetime) -> tuple[Event, ...]:
    """`{"events": [{"id", "thread", "author", "text"}]}`; raises Malformed.

    One with an "edited" or a "deleted" tells of that message.
    """
    try:
        events = json.loads(body)["events"]
        return tuple(_event(event, received_at) for event in events)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Malformed(f"A list of events was expected ({type(error).__name__}).") from error


def _event(event: dict[str, str], received_at: datetime) -> Event:
    what: dict[str, Any] = {
        "id": event["id"],
        "thread": ThreadId(NAME, "workspace", "channel", event["thread"]),
        "author": Author(NAME, "workspace", event["author"], event.get("name", ""), "en"),
        "sent_at": received_at,
        "visibility": Visibility.DIRECT,
    }
    if "deleted" in event:
        return Deleted(message_id=event["deleted"], **what)
    if "edited" in event:
        return Edited(message_id=event["edited"], text=event["text"], **what)
    return Message(text=event["text"], **what)


def _part(delivery: Delivery, message: str) -> PartId:
    thread = delivery.reply.thread
    return PartId(NAME, thread.workspace, thread.channel, message)


def _as_json(status: int, value: object) -> Received:
    return Received(status, json.dumps(value).encode())
