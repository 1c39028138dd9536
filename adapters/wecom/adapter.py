"""WeCom as a front door: an AI bot by long connection or by URL callback, and a self-built app."""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

from adapters.wecom.api import Api
from adapters.wecom.app_delivery import AppDelivery
from adapters.wecom.board import Board
from adapters.wecom.callback_delivery import CallbackDelivery
from adapters.wecom.cards import pressed_card, pressed_xml, refused_card, unsaved_card
from adapters.wecom.connection import Connection
from adapters.wecom.crypto import Crypto
from adapters.wecom.heard import Card, Heard
from adapters.wecom.media import Media
from adapters.wecom.pacing import Pacer, SharedPacer
from adapters.wecom.parse import parse_bot
from adapters.wecom.parse_app import parse_app
from adapters.wecom.payload import object_of
from adapters.wecom.response import Responses
from adapters.wecom.rest import Rests
from adapters.wecom.settings import AppSettings, BotSettings, Callback
from adapters.wecom.socket_delivery import SocketDelivery
from adapters.wecom.streams import Streams
from adapters.wecom.tempo import CALLBACK_TEMPO, CallbackTempo
from adapters.wecom.texts import say
from adapters.wecom.verify import Envelope, Forged, echo_of, envelope_json, envelope_xml, opened
from adapters.wecom.waiting import Waiting
from adapters.wecom.xml import fields_of
from core.errors import ChannelError, Malformed, Misconfigured, NotStored, trace
from core.language import language_of
from core.message import Attachment, Author, Chunk, Command, CommandName, Event, Feedback, Message, ReplyId, ThreadId
from core.ports import Accept, Delivery, Drafts, Leader, Ledger, Metrics, Notes, Receipt, Received, Secrets, Webhook

log = logging.getLogger(__name__)

BOT, APP = "wecom", "wecom-app"
_REPORT_EVERY = 60.0  # seconds between two lines about requests that are not taken: anybody can send them
_TEXT = "text/plain; charset=utf-8"
_LOCALE = "zh-CN"  # WeCom tells nobody's; a text in another language is answered in it

May = Callable[[Author, ThreadId], bool]
"""Whether somebody may ask there."""


class SocketBot:
    """The AI bot by long connection: one process at a time holds it, and only that one answers."""

    name = BOT

    def __init__(self, settings: BotSettings, *, leader: Callable[[str], Leader], metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._connection = Connection(settings, leader=leader, metrics=metrics)
        self._pacer = Pacer()
        self._waiting = Waiting(self._connection, self._pacer)
        self._media = Media()
        self._tasks: set[asyncio.Task[None]] = set()
        self._intakes: WeakValueDictionary[ThreadId, asyncio.Lock] = WeakValueDictionary()

    @property
    def is_connected(self) -> bool:
        return self._connection.is_connected

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """Nothing comes by HTTP."""
        return Received(HTTPStatus.NOT_FOUND)

    async def listen(self, accept: Accept) -> None:
        """Holds the connection, or waits to, until cancelled."""

        def take(frame: Mapping[str, Any]) -> None:
            # The reader goes on reading: an answer's acknowledgement comes through it too.
            task = asyncio.create_task(self._take(frame, accept), name="wecom frame")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        try:
            await self._connection.hold(take)
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._waiting.close()

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer where it was asked for."""
        opening = await self._waiting.begin(delivery.reply.id)
        showing = SocketDelivery(self._connection, delivery, ledger, self._metrics, self._pacer, opening=opening)
        await showing.show(chunks)

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file, each encrypted with a key of its own. Raises Refused above `limit`, NotFound, …"""
        return await self._media.fetch(attachment, limit)

    async def close(self) -> None:
        await self._media.close()

    async def _take(self, frame: Mapping[str, Any], accept: Accept) -> None:
        headers, body = frame.get("headers"), frame.get("body")
        req_id = str(headers.get("req_id", "")) if isinstance(headers, Mapping) else ""
        try:
            heard = parse_bot(
                body if isinstance(body, Mapping) else {},
                mode="socket",
                bot_id=self._settings.bot_id,
                name=self._settings.name,
                req_id=req_id,
                now=datetime.now().astimezone(),
            )
            await self._act(heard, req_id, accept)
        except Malformed:
            log.warning("a frame of WeCom was not understood and is left alone")
        except ChannelError as error:
            log.warning("a frame of WeCom could not be answered at once: %s", error)
        except Exception as error:
            log.error("a frame of WeCom was not worked on: %s", trace(error))

    async def _act(self, heard: Heard, req_id: str, accept: Accept) -> None:
        if heard.kind == "welcome":
            body = {"msgtype": "text", "text": {"content": say("welcome", "zh")}}
            await self._connection.send("aibot_respond_welcome_msg", body, req_id=req_id)
        try:
            if heard.events:
                self._expect(heard, await self._stored(heard.events, accept))
        except Exception as error:
            # WeCom does not send it again: whoever said it has to know, whatever the reason.
            self._metrics.count("events", channel=self.name, outcome="lost")
            log.warning("something was said through WeCom that could not be stored; the person was told so")
            if not isinstance(error, NotStored):
                log.error("it was not stored for a fault of this program: %s", trace(error))
            await self._tell_lost(heard, req_id)
            return
        if heard.card is not None:
            body = pressed_card(heard.card, language="zh")
            await self._connection.send("aibot_respond_update_msg", body, req_id=req_id)

    async def _stored(self, events: Sequence[Event], accept: Accept) -> tuple[Receipt, ...]:
        """One after the other in each chat, as they came: a lock is given to whoever has waited longest."""
        lock = self._intakes.setdefault(_place(events[0]), asyncio.Lock())
        async with lock:
            return await accept(events)

    def _expect(self, heard: Heard, receipts: Sequence[Receipt]) -> None:
        """A question may have to wait for the one before it."""
        event = heard.events[0]
        if heard.kind == "message" and isinstance(event, Message | Command) and receipts[0].is_new:
            self._waiting.expect(receipts[0].reply_id, event)

    async def _tell_lost(self, heard: Heard, req_id: str) -> None:
        event = heard.events[0]
        if heard.card is not None:
            body = unsaved_card(heard.card, language="zh")
            await self._connection.send("aibot_respond_update_msg", body, req_id=req_id)
        elif isinstance(event, Feedback):  # which itself may be answered with nothing
            to = {"chatid": event.return_address.get("chat"), "chat_type": event.return_address.get("chat_type", 0)}
            words = {"msgtype": "markdown", "markdown": {"content": say("not_stored_vote", "zh")}}
            await self._connection.send("aibot_send_msg", {**to, **words})
        else:
            await self._connection.send("aibot_respond_msg", _lost(event), req_id=req_id)


class _Door(ABC):
    """What the two doors that WeCom comes to over HTTP have in common: the check of the address, and disbelief."""

    name: str

    def __init__(self, callback: Callback, envelope: Envelope, metrics: Metrics) -> None:
        """Raises Misconfigured where the EncodingAESKey is none."""
        self._crypto = Crypto(callback)
        self._envelope = envelope
        self._metrics = metrics
        self._forged_at = self._malformed_at = float("-inf")

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """Verifies, writes down and acknowledges one callback. Raises NotStored where WeCom is to send it again."""
        if webhook.path != f"/channels/{self.name}":
            return Received(HTTPStatus.NOT_FOUND)
        if webhook.method not in ("GET", "POST"):
            return Received(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, POST"})
        try:
            if webhook.method == "GET":
                return Received(HTTPStatus.OK, echo_of(webhook, self._crypto), _TEXT)
            return await self._answered(opened(webhook, self._crypto, self._envelope), webhook, accept)
        except Malformed as error:
            self._report_malformed(error)
            return Received(HTTPStatus.BAD_REQUEST)
        except Forged:
            self._metrics.count("events", channel=self.name, outcome="unsigned")
            self._report()
            return Received(HTTPStatus.UNAUTHORIZED)

    @abstractmethod
    async def _answered(self, message: bytes, webhook: Webhook, accept: Accept) -> Received:
        """Works on what an opened callback says. Raises Malformed or NotStored."""

    def _report_malformed(self, error: Malformed) -> None:
        """It is WeCom's own, so somebody waits for an answer. Only fixed words and names of fields are said of it."""
        now = monotonic()
        if now - self._malformed_at > _REPORT_EVERY:
            self._malformed_at = now
            log.warning(
                "a callback to /channels/%s is signed by WeCom and was not taken: %s. If it is for another bot or app: "
                "wecom.bot.id, wecom.app.corp_id and wecom.app.agent_id must be those of the admin console",
                self.name,
                error.detail,
            )

    def _report(self) -> None:
        now = monotonic()
        if now - self._forged_at > _REPORT_EVERY:
            self._forged_at = now
            log.warning(
                "a request to /channels/%s is not signed by WeCom. If your own callback is meant: its Token, its "
                "EncodingAESKey and the corp id must be those of the admin console",
                self.name,
            )


class CallbackBot(_Door):
    """The AI bot by URL callback: WeCom is answered with a stream, and polls it from whichever process it reaches."""

    name = BOT

    def __init__(
        self,
        settings: BotSettings,
        *,
        drafts: Drafts,
        notes: Notes,
        metrics: Metrics,
        may: May,
        tempo: CallbackTempo = CALLBACK_TEMPO,
    ) -> None:
        """Raises Misconfigured without a callback."""
        if settings.callback is None:
            raise Misconfigured("the AI bot has neither a Secret nor a Token with an EncodingAESKey")
        super().__init__(settings.callback, envelope_json, metrics)
        self._settings = settings
        self._may = may
        self._board = Board(notes, tempo.linger)
        self._tempo = tempo
        self._streams = Streams(drafts, self._board, tempo)
        self._rests = Rests(notes, drafts)
        self._responses = Responses()
        self._media = Media(self._crypto.key)

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer where it was asked for."""
        board, rests, responses = self._board, self._rests, self._responses
        showing = CallbackDelivery(board, rests, responses, delivery, ledger, self._metrics, self._tempo)
        await showing.show(chunks)

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file, encrypted with the EncodingAESKey. Raises Refused above `limit`, NotFound, …"""
        return await self._media.fetch(attachment, limit)

    async def close(self) -> None:
        await self._board.close()
        await self._responses.close()
        await self._media.close()

    async def _answered(self, message: bytes, webhook: Webhook, accept: Accept) -> Received:
        settings, now = self._settings, webhook.received_at
        heard = parse_bot(
            object_of(message), mode="callback", bot_id=settings.bot_id, name=settings.name, req_id="", now=now
        )
        body = await self._body(heard, accept)
        return Received(HTTPStatus.OK, self._sealed(body, webhook) if body is not None else b"")

    async def _body(self, heard: Heard, accept: Accept) -> Mapping[str, Any] | None:
        """The answer, None for the empty packet: nothing else may answer a vote (document 101027)."""
        match heard.kind:
            case "poll":
                return await self._streams.polled(ReplyId(heard.stream))
            case "message":
                return await self._opened(heard.events, accept)
            case "welcome":
                return {"msgtype": "text", "text": {"content": say("welcome", "zh")}}
            case "click" if heard.card is not None:
                return await self._clicked(heard.card, heard.events, accept)
            case "control" if isinstance(heard.events[0], Command):
                return await self._ordered(heard.events[0], accept)
        if heard.events:
            await accept(heard.events)
        return None

    async def _ordered(self, order: Command, accept: Accept) -> Mapping[str, Any] | None:
        """A stop word opens no stream: what there is to say to it goes to its response_url."""
        try:
            await accept([replace(order, return_address={**order.return_address, "has_stream": False})])
        except NotStored:
            self._metrics.count("events", channel=self.name, outcome="lost")
            return _lost(order)
        return None

    async def _clicked(self, card: Card, events: Sequence[Event], accept: Accept) -> Mapping[str, Any]:
        """The card that takes the place of the one that was clicked. Nobody sends a click again."""
        try:
            for event in events:
                if isinstance(event, Command) and event.name is CommandName.CONFIRM:
                    return await self._confirmed(card, event, accept)
            if events:
                await accept(events)
        except NotStored:
            self._metrics.count("events", channel=self.name, outcome="lost")
            return unsaved_card(card, language="zh")
        return pressed_card(card, language="zh")

    async def _confirmed(self, card: Card, event: Command, accept: Accept) -> Mapping[str, Any]:
        """A confirmation is answered at the address of the question it was asked for: a click comes with none."""
        asked = await self._board.asked(event.args)
        if asked is None:
            return pressed_card(card, language="zh")
        if asked.asker != event.author.key:
            return refused_card(card, language="zh")
        url = asked.address(event.sent_at)
        await accept(
            [replace(event, return_address={**event.return_address, "response_url": url, "has_stream": False})]
        )
        await self._board.confirmed(event.args)
        return pressed_card(card, language="zh", note="" if url else "read_by_word")

    async def _opened(self, events: tuple[Event, ...], accept: Accept) -> Mapping[str, Any]:
        event = events[0]
        language = language_of(event.text if isinstance(event, Message) else "", _LOCALE)
        try:
            if (page := await self._rest(event, language)) is not None:
                return page
            receipts = await accept(events)
            return await self._streams.opened(receipts[0].reply_id, language, event.author)
        except NotStored:
            # That it would be sent again is written nowhere: whoever asked has to know.
            self._metrics.count("events", channel=self.name, outcome="lost")
            return _lost(event)

    async def _rest(self, event: Event, language: str) -> Mapping[str, Any] | None:
        """The next page of the person's last answer, where that is what they ask for."""
        if isinstance(event, Message) and self._may(event.author, event.thread):
            return await self._rests.page(event, language)
        return None

    def _sealed(self, body: Mapping[str, Any], webhook: Webhook) -> bytes:
        """The envelope of an answer, with the nonce of the callback (document 101033)."""
        message = json.dumps(body, ensure_ascii=False).encode()
        sealed = self._crypto.seal(
            message, timestamp=int(webhook.received_at.timestamp()), nonce=webhook.query.get("nonce", "")
        )
        envelope = {
            "encrypt": sealed.encrypt,
            "msgsignature": sealed.signature,
            "timestamp": sealed.timestamp,
            "nonce": sealed.nonce,
        }
        return json.dumps(envelope).encode()


class App(_Door):
    """The self-built app: callbacks are acknowledged at once, answers go out by message/send."""

    name = APP

    def __init__(
        self,
        settings: AppSettings,
        *,
        secrets: Secrets,
        notes: Notes,
        leader: Callable[[str], Leader],
        metrics: Metrics,
    ) -> None:
        super().__init__(settings.callback, envelope_xml, metrics)
        self._settings = settings
        self._api = Api(settings, metrics, secrets=secrets, leader=leader)
        self._pacer = SharedPacer(notes, f"{settings.corp_id}/{settings.agent_id}", whose=self._member)

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer to the person who asked."""
        await AppDelivery(self._api, delivery, ledger, self._metrics, self._pacer).show(chunks)

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file. Raises Refused above `limit`, NotFound where it is gone, ChannelError else."""
        return await self._api.media(str(attachment.address.get("media_id", "")), limit)

    async def close(self) -> None:
        await self._api.close()

    async def _answered(self, message: bytes, webhook: Webhook, accept: Accept) -> Received:
        settings = self._settings
        heard = parse_app(
            fields_of(message), corp_id=settings.corp_id, agent_id=settings.agent_id, now=webhook.received_at
        )
        events = [*heard.events, *_greeting(heard)]
        if events:
            await accept(events)
        if heard.card is None:
            return Received(HTTPStatus.OK)
        return Received(HTTPStatus.OK, self._sealed(self._pressed(heard.card, webhook), webhook), "application/xml")

    def _member(self, user: str) -> Author:
        return Author(APP, self._settings.corp_id, user)

    def _pressed(self, card: Card, webhook: Webhook) -> bytes:
        return pressed_xml(card, corp_id=self._settings.corp_id, created=int(webhook.received_at.timestamp()))

    def _sealed(self, xml: bytes, webhook: Webhook) -> bytes:
        """The envelope of a passive answer (document 90241)."""
        nonce = webhook.query.get("nonce", "")
        sealed = self._crypto.seal(xml, timestamp=int(webhook.received_at.timestamp()), nonce=nonce)
        return (
            f"<xml><Encrypt><![CDATA[{sealed.encrypt}]]></Encrypt><MsgSignature><![CDATA[{sealed.signature}]]>"
            f"</MsgSignature><TimeStamp>{sealed.timestamp}</TimeStamp><Nonce><![CDATA[{sealed.nonce}]]></Nonce></xml>"
        ).encode()


def _greeting(heard: Heard) -> tuple[Command, ...]:
    """Whoever gets the app is told what it can do."""
    if (welcome := heard.welcome) is None:
        return ()
    command = Command(
        id=welcome.id,
        thread=welcome.thread,
        author=welcome.author,
        sent_at=welcome.sent_at,
        visibility=welcome.visibility,
        return_address=welcome.return_address,
        name=CommandName.HELP,
    )
    return (command,)


def _place(event: Event) -> ThreadId:
    """A vote names no thread, and need not wait for one."""
    if isinstance(event, Feedback):
        return ThreadId(event.author.adapter, event.author.workspace, "", event.author.id)
    return event.thread


def _lost(event: Event) -> Mapping[str, Any]:
    """A finished stream of its own that says that nothing was stored."""
    language = language_of(event.text if isinstance(event, Message) else "", _LOCALE)
    id = f"lost-{sha256(event.id.encode()).hexdigest()[:16]}"
    return {"msgtype": "stream", "stream": {"id": id, "finish": True, "content": say("not_stored", language)}}
