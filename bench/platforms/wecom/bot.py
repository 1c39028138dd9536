"""The AI bot's answers, by whichever way they come: what it may say, to whom, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from bench.platforms.wecom import contents
from bench.platforms.wecom.chats import Chat, Chats, Message, Stream
from bench.platforms.wecom.contents import Content
from bench.platforms.wecom.errors import LIMITED, NO_CHAT, NO_REQUEST, STREAM_OVER, ApiError, invalid
from bench.platforms.wecom.journal import Journal, Payload
from bench.platforms.wecom.limits import CLICK_SECONDS, REPLY_SECONDS, RESPONSE_URL_SECONDS, STREAM_SECONDS, Limits
from bench.platforms.wecom.media import Media

ANSWERS: Final = ("stream", "markdown", "template_card", *contents.MEDIA)
_PUSHES: Final = ("markdown", "template_card", *contents.MEDIA)
_WELCOMES: Final = ("text", "template_card")


@dataclass(slots=True)
class Request:
    """A callback that may be answered. `kind` is message or the event's name; `at` is the clock's.

    `task` is the card that was clicked; `is_done`: it was answered, where that is possible once alone; `is_polled`:
    WeCom asks how far its stream has come; `has_card`: with a card beside it.
    """

    id: str
    chat: Chat
    kind: str
    person: str
    at: float
    task: str = ""
    is_done: bool = False
    is_polled: bool = False
    has_card: bool = False


class Bot:
    """One AI bot. `is_open_again` lets a finished stream be written once more, which is not documented."""

    def __init__(
        self,
        id: str,
        secret: str,
        name: str,
        chats: Chats,
        media: Media,
        journal: Journal,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self.id = id
        self.secret = secret
        self.name = name
        self.chats = chats
        self.media = media
        self.limits = limits
        self.clock = clock
        self.is_limited = False
        self.is_open_again = False
        self.stream_seconds = STREAM_SECONDS
        self.requests: dict[str, Request] = {}
        self.response_urls: dict[str, Request] = {}
        self.streams: dict[tuple[str, str], Message] = {}
        self._journal = journal

    def expect(self, chat: Chat, kind: str, person: str, task: str = "") -> Request:
        """Remembers a callback that goes out now."""
        request = Request(uuid4().hex, chat, kind, person, self.clock(), task)
        self.requests[request.id] = request
        return request

    def response_url(self, request: Request) -> str:
        """The last part of an address for one answer within an hour."""
        id = uuid4().hex
        self.response_urls[id] = Request(id, request.chat, request.kind, request.person, request.at)
        return id

    # What the bot asks for. Each raises ApiError.

    def respond(self, req_id: str, body: Payload) -> Payload:
        request = self._request(req_id, REPLY_SECONDS)
        content = contents.read(body, ANSWERS, self.media.find)
        if content.kind == "stream":
            self.grow(request, content)
        else:
            self._admit(request.chat)
            self.post(request.chat, content, req_id)
        return {}

    def welcome(self, req_id: str, body: Payload) -> Payload:
        request = self._request(req_id, CLICK_SECONDS)
        if request.kind != "enter_chat" or request.is_done:
            raise ApiError(NO_REQUEST)
        self.post(request.chat, contents.read(body, _WELCOMES, self.media.find), req_id)
        request.is_done = True
        return {}

    def update(self, req_id: str, body: Payload) -> Payload:
        request = self._request(req_id, CLICK_SECONDS)
        if request.kind != "template_card_event":
            raise ApiError(NO_REQUEST)
        self.change(request, body)
        return {}

    def send(self, body: Payload) -> Payload:
        """Only where somebody wrote before."""
        chat, kind = self.chats.all.get(str(body.get("chatid"))), body.get("chat_type", 0)
        if chat is None or chat.kind == "app" or not chat.has_written:
            raise ApiError(NO_CHAT)
        if kind not in (0, 1, 2) or (kind and kind != (2 if chat.kind == "group" else 1)):
            raise ApiError(NO_CHAT, "chat_type")
        content = contents.read(body, _PUSHES, self.media.find)
        self._admit(chat)
        self.post(chat, content)
        return {}

    def respond_by_url(self, id: str, body: Payload) -> Payload:
        """One answer, within an hour; cards in single chats alone (document 101138)."""
        request = self.response_urls.get(id)
        if request is None or request.is_done or self.clock() - request.at > RESPONSE_URL_SECONDS:
            raise ApiError(NO_REQUEST, "response_url")
        content = contents.read(body, ("markdown", "template_card"), self.media.find)
        if content.card and request.chat.kind == "group":
            raise invalid("template_card in a group")
        self._admit(request.chat)
        self.post(request.chat, content)
        request.is_done = True
        return {}

    # What people see of it.

    def grow(self, request: Request, content: Content) -> Message:
        """Opens a stream or writes one on: `content` is the whole text."""
        message = self.streams.get((request.id, content.stream))
        if message is None:
            self._admit(request.chat)
            message = self._open(request, content)
        else:
            self._alive(message)
            if self.limits.counts_frames and not request.is_polled:
                self._admit(request.chat)
        assert message.stream is not None
        message.show(content.text)
        message.images = content.images
        message.stream.state = "finished" if content.finish else "open"
        self._journal.tell()
        return message

    def post(self, chat: Chat, content: Content, req_id: str = "") -> Message:
        if content.card and (task := content.card.get("task_id")) and self.chats.by_task(str(task), of_app=False):
            raise invalid("task_id is used already")
        message = Message(f"bot-{uuid4().hex}", self.id, kind=content.kind, is_bot=True, req_id=req_id)
        message.card, message.media, message.feedback = content.card, content.media, content.feedback
        message.show(content.text)
        chat.add(message)
        self._journal.tell()
        return message

    def change(self, request: Request, body: Payload) -> None:
        """Another card in the place of the one that was clicked, for everybody or for `userids` (document 101031)."""
        if body.get("response_type") != "update_template_card":
            raise invalid("response_type")
        message, given = self.chats.by_task(request.task, of_app=False), body.get("template_card")
        if message is None or not isinstance(given, dict) or given.get("task_id", request.task) != request.task:
            raise invalid("template_card")
        changed, people = contents.card({"task_id": request.task} | given), body.get("userids")
        if people:
            message.cards |= dict.fromkeys(people, changed)
        else:
            message.card = changed
            message.cards.clear()
        self._journal.tell()

    def age(self) -> None:
        """Ends the streams whose time is over; what they had said stays."""
        for message in self.streams.values():
            self._age(message)

    def _request(self, req_id: str, seconds: float) -> Request:
        request = self.requests.get(req_id)
        if request is None or self.clock() - request.at > seconds:
            raise ApiError(NO_REQUEST)
        return request

    def _open(self, request: Request, content: Content) -> Message:
        message = Message(f"bot-{uuid4().hex}", self.id, kind="stream", is_bot=True, req_id=request.id)
        message.stream = Stream(content.stream, self.clock())
        message.feedback = content.feedback
        self.streams[request.id, content.stream] = request.chat.add(message)
        return message

    def _alive(self, message: Message) -> None:
        self._age(message)
        state = message.stream.state if message.stream else "finished"
        if state == "expired" or (state == "finished" and not self.is_open_again):
            raise ApiError(STREAM_OVER)

    def _age(self, message: Message) -> None:
        stream = message.stream
        if stream is not None and stream.state == "open" and self.clock() - stream.began > self.stream_seconds:
            stream.state = "expired"

    def _admit(self, chat: Chat) -> None:
        if self.is_limited and not self.limits.takes(chat.id):
            raise ApiError(LIMITED)
