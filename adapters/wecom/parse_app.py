"""From what a self-built app is sent to the words of the house: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.wecom.buttons import pressed
from adapters.wecom.content import LOCALE, Content, File, attachments_of
from adapters.wecom.heard import NOTHING, Card, Heard, Welcome
from adapters.wecom.payload import id_of, known, moment_of, text_of
from core.commands import understood
from core.errors import Malformed
from core.message import Author, Command, CommandName, Message, ThreadId, Visibility

Fields = Mapping[str, str]

_FORMATS = {"amr": "audio/amr", "speex": "audio/speex"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What all messages and events of an app have in common: who, where, when, and how to answer."""

    occasion: str
    author: Author
    sent_at: datetime
    thread: ThreadId
    address: Mapping[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        return {"thread": self.thread, "visibility": Visibility.DIRECT, "return_address": self.address}


def parse_app(fields: Fields, *, corp_id: str, agent_id: int, now: datetime) -> Heard:
    """What the app is told by an opened callback. Raises Malformed.

    Messages are named by app, person, time and id, for two people's have been seen to share an id; events have none
    (developer.work.weixin.qq.com, documents 90239 and 90240).
    """
    kind = text_of(fields, "MsgType")
    if not kind:
        raise Malformed("the field MsgType is missing")
    if kind == "event" and text_of(fields, "Event") not in ("subscribe", "template_card_event"):
        return NOTHING
    place = _place(fields, corp_id, agent_id, now)
    match kind, text_of(fields, "Event"):
        case "event", "subscribe":
            return _welcomed(place)
        case "event", _:
            return _clicked(fields, place)
        case _:
            return _message(fields, place)


def _place(fields: Fields, corp_id: str, agent_id: int, now: datetime) -> _Place:
    if known(fields, "ToUserName") != corp_id or known(fields, "AgentID") != str(agent_id):
        raise Malformed("this is for another app than wecom.app")
    user, created = known(fields, "FromUserName"), known(fields, "CreateTime")
    return _Place(
        occasion=f"app:{agent_id}:{user}:{created}",
        author=Author("wecom-app", corp_id, user, locale=LOCALE),
        sent_at=moment_of(created, now),
        thread=ThreadId("wecom-app", corp_id, str(agent_id), user),
        address={"mode": "app", "user": user, "agent": agent_id, "at": now.isoformat()},
    )


def _message(fields: Fields, place: _Place) -> Heard:
    id = f"{place.occasion}:{known(fields, 'MsgId')}"
    content = _content(fields)
    text = content.text.strip()
    message = Message(
        id=id,
        author=place.author,
        sent_at=place.sent_at,
        text=text,
        is_mention=True,
        attachments=attachments_of(content.files, id, text),
        **place.fields,
    )
    event = understood(message)
    is_order = isinstance(event, Command) and event.name is CommandName.STOP
    return Heard("control" if is_order else "message", (event,))


def _content(fields: Fields) -> Content:
    kind = text_of(fields, "MsgType")
    match kind:
        case "text":
            return Content(text_of(fields, "Content"))
        case "location":
            point = ", ".join(filter(None, (text_of(fields, "Location_X"), text_of(fields, "Location_Y"))))
            return Content(" ".join(filter(None, (text_of(fields, "Label"), point and f"({point})"))))
        case "link":
            lines = (text_of(fields, name) for name in ("Title", "Description", "Url"))
            return Content("\n".join(filter(None, lines)))
        case _:
            return Content(files=(_file(kind[:64], fields),))


def _file(kind: str, fields: Fields) -> File:
    """A file by its media id, which is good for three days; something of an unknown type has none."""
    media_id = id_of(fields, "MediaId")
    media_type = _FORMATS.get(text_of(fields, "Format").lower(), "") if kind == "voice" else ""
    return File(kind, {"media_id": media_id} if media_id else {}, text_of(fields, "FileName"), media_type)


# ------------------------------------------------------------------------------------------------------------- events


def _welcomed(place: _Place) -> Heard:
    id = f"welcome:{place.occasion}:subscribe"
    return Heard("welcome", welcome=Welcome(id=id, author=place.author, sent_at=place.sent_at, **place.fields))


def _clicked(fields: Fields, place: _Place) -> Heard:
    card = Card(
        task_id=id_of(fields, "TaskId"),
        event_key=text_of(fields, "EventKey"),
        card_type=id_of(fields, "CardType"),
        user=place.author.id,
        response_code=text_of(fields, "ResponseCode").strip(),
    )
    # A mind may be changed twice within a second: each time the card has another task id.
    id = f"{place.occasion}:template_card_event:{card.event_key}:{card.task_id}"
    return Heard("click", pressed(card.event_key, id, place.author, place.sent_at, place.fields), card)
