"""A bot by URL callback: what it answers is shown, and its stream is asked for until it ends (101031, 101033)."""

import asyncio
from typing import Final

from bench.platforms.wecom import contents
from bench.platforms.wecom.bot import Bot, Request
from bench.platforms.wecom.chats import Message
from bench.platforms.wecom.contents import Content
from bench.platforms.wecom.courier import Courier
from bench.platforms.wecom.errors import ApiError, invalid
from bench.platforms.wecom.journal import Delivery, Journal, Payload
from bench.platforms.wecom.limits import MOST_AT_ONCE
from bench.platforms.wecom.payloads import poll_body

_WITH_CARD: Final = "stream_with_template_card"
_ALLOWED: Final = {"message": ("stream", "template_card"), "enter_chat": ("text", "template_card"), "poll": ("stream",)}


class Callbacks:
    """`poll_interval` is how long WeCom waits between an answer and its next question; `most` messages of a person are
    in hand at once, further ones are not delivered."""

    def __init__(self, bot: Bot, courier: Courier, journal: Journal) -> None:
        self.poll_interval = 0.1
        self.most = MOST_AT_ONCE
        self._bot = bot
        self._courier = courier
        self._journal = journal
        self._open: dict[str, int] = {}

    async def send(self, delivery: Delivery, request: Request) -> Delivery:
        """Sends a callback and shows what is answered; the questions after it go on in the background."""
        is_message = request.kind == "message"
        if is_message and self._open.get(request.person, 0) >= self.most:
            delivery.reason = "too many at once"
            return delivery
        self._count(request, 1 if is_message else 0)
        is_polled = False
        try:
            await self._courier.send(delivery, is_once=not is_message)
            is_polled = delivery.is_accepted and self._take(delivery, request)
        finally:
            if is_polled:
                self._courier.in_background(self._poll(request, str(delivery.answer["stream"]["id"])))
            else:
                self._count(request, -1 if is_message else 0)
        return delivery

    def _count(self, request: Request, more: int) -> None:
        self._open[request.person] = self._open.get(request.person, 0) + more

    def _take(self, delivery: Delivery, request: Request) -> bool:
        """Whether there is a stream to ask for."""
        answer = delivery.answer
        try:
            if not answer:
                return False
            if request.kind == "template_card_event":
                self._bot.change(request, answer)
                return False
            if request.kind not in _ALLOWED:
                raise invalid(f"only an empty packet answers {request.kind}")
            return self._show(request, answer, request.kind)
        except ApiError as error:
            delivery.problem = error.message
            return False
        finally:
            self._journal.tell()

    def _show(self, request: Request, answer: Payload, kind: str) -> bool:
        """What a message, an entry or a question is answered with; whether a stream goes on."""
        has_card = answer.get("msgtype") == _WITH_CARD
        content = self._read(answer | {"msgtype": "stream"} if has_card else answer, _ALLOWED[kind])
        card = contents.card(answer.get("template_card") or {}) if has_card else None
        if content.kind != "stream":
            self._bot.post(request.chat, content, request.id)
            return False
        self._show_stream(request, content)
        if card is not None and not request.has_card:
            request.has_card = True  # once in a message
            self._bot.post(request.chat, Content("template_card", card=card), request.id)
        return not content.finish

    def _read(self, answer: Payload, allowed: tuple[str, ...]) -> Content:
        return contents.read(answer, allowed, self._bot.media.find, has_images=True)

    def _show_stream(self, request: Request, content: Content) -> None:
        known = [message for (id, _), message in self._bot.streams.items() if id == request.id]
        if known and (known[0].stream is None or known[0].stream.id != content.stream):
            raise invalid("another stream id for the same message")
        if known and content.feedback not in ("", known[0].feedback):
            raise invalid("another feedback id for the same message")
        if not (known and content.finish and _has_ended(known[0], content.text)):
            self._bot.grow(request, content)

    async def _poll(self, request: Request, stream: str) -> None:
        """Asks until the stream ends, or six minutes from the person's message are over."""
        message = self._bot.streams[request.id, stream]
        try:
            while message.is_streaming and message.stream is not None:
                await asyncio.sleep(self.poll_interval)
                if self._bot.clock() - request.at > self._bot.stream_seconds:
                    message.stream.state = "expired"
                    break
                await self._ask(request, stream)
        finally:
            self._count(request, -1)
            self._journal.tell()

    async def _ask(self, request: Request, stream: str) -> None:
        """One question; one that nobody answers is asked again."""
        body = poll_body(self._bot.id, request.chat, request.person, stream)
        delivery = Delivery("callback", "stream", body, request.chat.id)
        self._journal.deliveries.append(delivery)
        await self._courier.send(delivery, is_once=True)
        if not delivery.is_accepted or not delivery.answer:
            return
        try:
            self._show(request, delivery.answer, "poll")
        except ApiError as error:
            delivery.problem = error.message

    async def again(self, delivery: Delivery, request: Request) -> Delivery:
        """The same message once more, as where an answer was lost: the same stream has to answer it."""
        await self._courier.send(delivery, is_once=True)
        if delivery.is_accepted:
            self._take(delivery, request)
        return delivery


def _has_ended(message: Message, text: str) -> bool:
    """Just like this: the end may be told once more."""
    return not message.is_streaming and message.text == text
