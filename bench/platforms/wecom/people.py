"""What people do in WeCom, and what the bot or the app hears of it."""

import itertools
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any
from uuid import uuid4

from bench.platforms.wecom.bot import Bot
from bench.platforms.wecom.callbacks import Callbacks
from bench.platforms.wecom.chats import Chat, Chats, Message
from bench.platforms.wecom.courier import Courier
from bench.platforms.wecom.journal import Attempt, Delivery, Journal, Payload
from bench.platforms.wecom.media import Media
from bench.platforms.wecom.payloads import Fields, event_body, message_body
from bench.platforms.wecom.pushes import Pushes
from bench.platforms.wecom.sockets import Sockets


class People:
    """`chat` is a person's id (alone with the bot), a group's, or `app:` and a person's id (alone with the app).

    The bot hears through the long connection or, once `courier.bot.url` is set, by callback. Through the connection
    these return at once, and where nobody is connected it is lost: `is_accepted` of the delivery is False. By callback,
    and with the app, they return once the callback was answered or WeCom has given up; with `wait` False it is still on
    its way. The questions after a stream go on in the background.
    """

    def __init__(
        self, bot: Bot, chats: Chats, media: Media, courier: Courier, sockets: Sockets, journal: Journal, pushes: Pushes
    ) -> None:
        self.bot = bot
        self.chats = chats
        self.media = media
        self.courier = courier
        self.sockets = sockets
        self.journal = journal
        self.pushes = pushes
        self.callbacks = Callbacks(bot, courier, journal)
        self.file_url = ""
        self._numbers = itertools.count(7_400_000_000_000_000_001)

    async def say(
        self, chat: str, user: str, text: str, *, quote: Payload | None = None, wait: bool = True, **more: Any
    ) -> Delivery:
        """Writes a text; in a group the bot hears of it where its @name stands in it.

        `quote` is the body of a message that is quoted, as `{"msgtype": "text", "text": {"content": …}}`. `more` are
        fields of the body, other ones or in the place of the usual ones.
        """
        place = self._place(chat)
        if place.kind == "app":
            return await self._tell_app(place, user, "text", {"Content": text}, text, wait=wait, **more)
        if quote:
            more["quote"] = quote
        return await self._tell_bot(place, user, "text", {"content": text}, text, wait=wait, **more)

    async def send(
        self,
        chat: str,
        user: str,
        kind: str,
        content: bytes = b"",
        name: str = "",
        *,
        words: str = "",
        wait: bool = True,
    ) -> Delivery:
        """Sends a picture, a voice message, a video or a file: `kind` is image, voice, video or file.

        The bot gets an address where the bytes lie encrypted, of a voice message the `words` alone; the app a media_id.
        """
        place = self._place(chat)
        if place.kind == "app":
            stored = self.media.keep(kind, name, content)
            return await self._tell_app(place, user, kind, _media_fields(kind, stored.id), name, wait=wait)
        given: Payload = {"content": words} if kind == "voice" else self._file(name, content)
        return await self._tell_bot(place, user, kind, given, words or name, wait=wait)

    async def mix(self, chat: str, user: str, parts: Sequence[str | bytes], *, wait: bool = True) -> Delivery:
        """Writes a message of texts and pictures to the bot."""
        items: list[Payload] = []
        for part in parts:
            given = {"content": part} if isinstance(part, str) else self._file("image.png", part)
            kind = "text" if isinstance(part, str) else "image"
            items.append({"msgtype": kind, kind: given})
        text = "\n".join(part for part in parts if isinstance(part, str))
        return await self._tell_bot(self._place(chat), user, "mixed", {"msg_item": items}, text, wait=wait)

    async def tell(self, chat: str, user: str, kind: str, content: Mapping[str, Any], *, wait: bool = True) -> Delivery:
        """Sends a message of any type: to the bot `content` as what stands under its name, to the app as its fields."""
        place = self._place(chat)
        if place.kind == "app":
            return await self._tell_app(place, user, kind, content, "", wait=wait)
        return await self._tell_bot(place, user, kind, dict(content), "", wait=wait, is_heard=True)

    async def enter(self, chat: str, user: str, *, wait: bool = True) -> Delivery:
        """Opens the chat with the bot for the first time of a day, or the app at all."""
        place = self._place(chat)
        if place.kind == "app":
            return await self.event(chat, user, "enter_agent", {"EventKey": ""}, wait=wait)
        return await self.event(chat, user, "enter_chat", {}, wait=wait)

    async def click(self, chat: str, message: Message, user: str, button: str, *, wait: bool = True) -> Delivery:
        """Presses the button with this key or text. Raises LookupError where the card that they see has no such one."""
        card = message.card_for(user) or {}
        buttons = [each for each in card.get("button_list") or () if button in (each["key"], each["text"])]
        if not buttons:
            raise LookupError(f"no button {button!r}: {card.get('button_list')}")
        place, key, task = self._place(chat), buttons[0]["key"], str(card["task_id"])
        if place.kind == "app":
            told = {"EventKey": key, "TaskId": task, "CardType": card["card_type"]}
            return await self.event(
                chat, user, "template_card_event", told | {"ResponseCode": self.pushes.app.code(task)}, wait=wait
            )
        told = {"card_type": card["card_type"], "event_key": key, "task_id": task}
        return await self.event(chat, user, "template_card_event", told, task=task, wait=wait)

    async def rate(
        self, chat: str, message: Message, user: str, kind: int, content: str = "", reasons: Sequence[int] = ()
    ) -> Delivery:
        """Says that an answer is accurate (1), is not (2, with words and reasons), or takes that back (3).

        Raises LookupError where the message has no feedback id, or is not finished.
        """
        if not message.feedback or message.is_streaming:
            raise LookupError("this message cannot be rated")
        if kind == 3:
            message.votes.pop(user, None)
        else:
            message.votes[user] = kind
        told: Payload = {"id": message.feedback, "type": kind}
        if kind == 2:
            told |= {"content": content, "inaccurate_reason_list": list(reasons)}
        return await self.event(chat, user, "feedback_event", told)

    async def event(
        self, chat: str, user: str, name: str, content: Mapping[str, Any], *, task: str = "", wait: bool = True
    ) -> Delivery:
        """Any event: of the bot with `content` under its name, of the app with `content` as its fields."""
        place = self._place(chat)
        if place.kind == "app":
            fields = self._fields(user, "event") | {"Event": name} | dict(content)
            delivery = self._delivery("app", name, fields, place)
            return await self._sent(self.pushes.send(delivery), delivery, wait=wait)
        body = event_body(self.bot.id, name, dict(content), place, user)
        return await self._out(place, user, name, name, body, task=task, wait=wait)

    async def repeat(self, delivery: Delivery) -> Delivery:
        """Sends a callback once more, as where WeCom did not see the answer: the same message, sealed anew."""
        again = self._delivery(delivery.way, delivery.kind, delivery.body, self._place(delivery.chat))
        if delivery.way == "app":
            return await self.pushes.send(again)
        again.req_id = delivery.req_id
        if delivery.way == "socket":
            return await self._push(again)
        return await self.callbacks.again(again, self.bot.requests[delivery.req_id])

    # How it gets there.

    async def _tell_bot(
        self,
        place: Chat,
        user: str,
        kind: str,
        content: Payload,
        text: str,
        *,
        wait: bool,
        is_heard: bool | None = None,
        **more: Any,
    ) -> Delivery:
        body = message_body(self.bot.id, place, user, kind, content) | more
        place.has_written = True
        message = place.add(Message(str(body["msgid"]), user, kind=kind))
        message.show(text)
        hears = place.kind == "single" or f"@{self.bot.name}" in text
        if not (hears if is_heard is None else is_heard):
            return Delivery("", kind, body, place.id, reason="the bot is not mentioned")
        return await self._out(place, user, "message", kind, body, wait=wait)

    async def _out(
        self, place: Chat, user: str, what: str, kind: str, body: Payload, *, task: str = "", wait: bool
    ) -> Delivery:
        request = self.bot.expect(place, what, user, task)
        is_callback = bool(self.courier.bot.url)
        delivery = self._delivery("callback" if is_callback else "socket", kind, body, place)
        delivery.req_id = request.id
        if not is_callback:
            return await self._push(delivery)
        request.is_polled = True
        if what == "message":
            body["response_url"] = f"{self.file_url}/response/{self.bot.response_url(request)}"
        return await self._sent(self.callbacks.send(delivery, request), delivery, wait=wait)

    async def _push(self, delivery: Delivery) -> Delivery:
        cmd = "aibot_event_callback" if delivery.body["msgtype"] == "event" else "aibot_msg_callback"
        began = time.monotonic()
        is_sent = await self.sockets.push(cmd, delivery.req_id, delivery.body)
        reason = "" if is_sent else "connection"
        delivery.attempts.append(Attempt(None, reason, began, time.monotonic() - began))
        self.journal.tell()
        return delivery

    async def _tell_app(
        self, place: Chat, user: str, kind: str, content: Mapping[str, Any], text: str, *, wait: bool, **more: Any
    ) -> Delivery:
        fields = self._fields(user, kind) | dict(content) | {"MsgId": next(self._numbers)} | more
        place.has_written = True
        message = place.add(Message(str(fields["MsgId"]), user, kind=kind))
        message.show(text)
        delivery = self._delivery("app", kind, fields, place)
        return await self._sent(self.pushes.send(delivery), delivery, wait=wait)

    async def _sent(self, work: Coroutine[Any, Any, Delivery], delivery: Delivery, *, wait: bool) -> Delivery:
        if wait:
            return await work
        self.courier.in_background(work)
        return delivery

    def _delivery(self, way: str, kind: str, body: Payload, place: Chat) -> Delivery:
        delivery = Delivery(way, kind, body, place.id)
        self.journal.deliveries.append(delivery)
        self.journal.tell()
        return delivery

    def _fields(self, user: str, kind: str) -> dict[str, Any]:
        told = {"ToUserName": self.pushes.app.corp, "FromUserName": user, "CreateTime": int(time.time())}
        return told | {"MsgType": kind, "AgentID": self.pushes.app.agent}

    def _file(self, name: str, content: bytes) -> Payload:
        """Sealed with a key of its own through the long connection, by callback with that of the callback."""
        id, key = self.media.send(name, content, self.courier.bot.wire.key if self.courier.bot.url else b"")
        return {"url": f"{self.file_url}/file/{id}"} | ({"aeskey": key} if key else {})

    def _place(self, chat: str) -> Chat:
        return self.chats.all[chat]


def _media_fields(kind: str, id: str) -> Fields:
    match kind:
        case "image":
            return {"PicUrl": f"http://127.0.0.1/{uuid4().hex}.png", "MediaId": id}
        case "voice":
            return {"MediaId": id, "Format": "amr"}
        case "video":
            return {"MediaId": id, "ThumbMediaId": f"thumb-{id}"}
        case _:
            return {"MediaId": id}
