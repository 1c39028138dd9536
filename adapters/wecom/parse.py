"""From what an AI bot is sent, by either way, to the words of the house: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from adapters.wecom.buttons import REPLY, pressed
from adapters.wecom.content import LOCALE, attachments_of, content_of, quoted, without_mention
from adapters.wecom.heard import NOTHING, Card, Heard, Welcome
from adapters.wecom.payload import Payload, clean, id_of, known, moment_of, part_of, text_of, url_of
from core.commands import understood
from core.errors import Malformed
from core.message import Author, Command, CommandName, Feedback, Message, Origin, ReplyId, ThreadId, Visibility

Mode = Literal["socket", "callback"]

SINGLE, GROUP = 1, 2  # how a push names the kind of a chat (developer.work.weixin.qq.com, document 101463)
MAX_COMMENT = 3000

_SCORES: Mapping[int, int | None] = {1: 5, 2: 1, 3: None}  # of a feedback's type; 3 takes it back
_INACCURATE = 2
_REASONS = {1: "off_topic", 2: "incomplete", 3: "incorrect", 4: "data_analysis"}  # document 101027
_CODES = {str(code): code for code in (*_SCORES, *_REASONS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What all of a bot's messages and events have in common: who, where, when, and how to answer."""

    id: str
    thread: ThreadId
    author: Author
    sent_at: datetime
    address: Mapping[str, Any]

    @property
    def is_group(self) -> bool:
        return self.thread.thread == "group"

    @property
    def fields(self) -> dict[str, Any]:
        visibility = Visibility.PRIVATE if self.is_group else Visibility.DIRECT
        return {"thread": self.thread, "visibility": visibility, "return_address": self.address}


def parse_bot(body: object, *, mode: Mode, bot_id: str, name: str = "", req_id: str = "", now: datetime) -> Heard:
    """What the bot is told by a frame's body or an opened callback. Raises Malformed.

    `name` is what groups call the bot, "" where nobody said; `req_id` the frame's, for the answer's own.
    """
    if not isinstance(body, Mapping):
        raise Malformed("a message or event of WeCom is an object")
    if body.get("aibotid", bot_id) != bot_id:
        raise Malformed("this is for another bot than wecom.bot.id")
    match text_of(body, "msgtype"):
        case "":
            raise Malformed("the field msgtype is missing")
        case "stream":
            stream = id_of(part_of(body, "stream"), "id")
            return Heard("poll", stream=stream if REPLY.fullmatch(stream) else "")
        case "event":
            return _event(body, mode, bot_id, req_id, now)
        case _:
            return _message(body, _place(body, mode, bot_id, req_id, now), name)


def _place(body: Payload, mode: Mode, bot_id: str, req_id: str, now: datetime) -> _Place:
    user, chat = known(part_of(body, "from"), "userid"), id_of(body, "chatid")
    kind = id_of(body, "chattype") or ("group" if chat else "single")
    if kind not in ("single", "group") or (kind == "group" and not chat):
        raise Malformed("the field chattype is neither single nor group, or chatid is missing")
    place = chat if kind == "group" else user
    way = {"req_id": req_id} if mode == "socket" else {"response_url": url_of(body, "response_url")}
    address = {"chat": place, "chat_type": GROUP if kind == "group" else SINGLE, "at": now.isoformat()}
    return _Place(
        id=f"{mode}:{bot_id}:{known(body, 'msgid')}",
        thread=ThreadId("wecom", bot_id, place, kind),
        author=Author("wecom", bot_id, user, locale=LOCALE),
        sent_at=moment_of(body.get("create_time"), now),  # which only events have
        address={"mode": mode, **way, **address},
    )


# ----------------------------------------------------------------------------------------------------------- messages


def _message(body: Payload, place: _Place, name: str) -> Heard:
    said, quote = content_of(body), part_of(body, "quote")
    cited = content_of(quote) if quote else None
    text = without_mention(said.text, name) if place.is_group else said.text.strip()
    message = Message(
        id=place.id,
        author=place.author,
        sent_at=place.sent_at,
        text=text,
        is_mention=True,
        attachments=attachments_of((*said.files, *(cited.files if cited else ())), place.id, text),
        **place.fields,
    )
    event = understood(message)
    if cited and cited.text.strip():
        event = _citing(event, cited.text)
    is_order = isinstance(event, Command) and event.name is CommandName.STOP
    return Heard("control" if is_order else "message", (event,))


def _citing(event: Message | Command, quote: str) -> Message | Command:
    """With the quotation where there is something to ask: who quotes an answer and says "stop" orders us to stop."""
    if isinstance(event, Message):
        return replace(event, text=quoted(quote, event.text))
    is_question = event.name in (CommandName.CODE, CommandName.CHAT) and event.args
    return replace(event, args=quoted(quote, event.args)) if is_question else event


# ------------------------------------------------------------------------------------------------------------- events


def _event(body: Payload, mode: Mode, bot_id: str, req_id: str, now: datetime) -> Heard:
    """An event names its type within an object: `{"eventtype": "X", "X": {…}}` (document 101027)."""
    event = part_of(body, "event")
    kind = text_of(event, "eventtype")
    told = part_of(event, kind)
    if kind == "disconnected_event":
        return Heard("kicked")
    if kind not in ("enter_chat", "template_card_event", "feedback_event"):
        return NOTHING
    place = _place(body, mode, bot_id, req_id, now)
    match kind:
        case "enter_chat":
            return _entered(place)
        case "template_card_event":
            return _clicked(told, place)
        case _:
            return _rated(told, place)


def _entered(place: _Place) -> Heard:
    welcome = Welcome(id=f"welcome:{place.id}", author=place.author, sent_at=place.sent_at, **place.fields)
    return Heard("welcome", welcome=welcome)


def _clicked(told: Payload, place: _Place) -> Heard:
    card = Card(
        task_id=id_of(told, "task_id"),
        event_key=text_of(told, "event_key"),
        card_type=id_of(told, "card_type"),
        user=place.author.id,
    )
    events = pressed(card.event_key, place.id, place.author, place.sent_at, place.fields)
    return Heard("click", events, card)


def _rated(told: Payload, place: _Place) -> Heard:
    """A vote under an answer of ours: its feedback id is the reply's."""
    reply, kind = id_of(told, "id"), _code(told.get("type"))
    if kind not in _SCORES or not REPLY.fullmatch(reply):
        return NOTHING
    has_words = kind == _INACCURATE
    vote = Feedback(
        id=place.id,
        target=ReplyId(reply),
        author=place.author,
        origin=Origin.BUTTON,
        score=_SCORES[kind],
        sent_at=place.sent_at,
        reason=_reasons(told.get("inaccurate_reason_list")) if has_words else "",
        comment=text_of(told, "content").strip()[:MAX_COMMENT] if has_words else "",
        return_address=place.address,
    )
    return Heard("control", (vote,))


def _reasons(codes: object) -> str:
    """The names of the reasons, those that all doors have by the names they have there."""
    found = [_code(each) for each in codes[:100]] if isinstance(codes, list) else []
    return ", ".join(dict.fromkeys(_REASONS[code] for code in found if code in _REASONS))


def _code(value: object) -> int:
    """A small number, or its digit; 0 where it is none."""
    return _CODES.get(clean(str(value)), 0) if isinstance(value, int | str) and not isinstance(value, bool) else 0
