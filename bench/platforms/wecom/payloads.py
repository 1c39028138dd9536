"""What WeCom sends, as it stands on the wire: to a bot as JSON (document 100719), to an app as XML (90239, 90240)."""

import time
from collections.abc import Mapping
from typing import TypeAlias
from uuid import uuid4
from xml.sax.saxutils import escape

from bench.platforms.wecom.chats import Chat
from bench.platforms.wecom.journal import Payload

Fields: TypeAlias = Mapping[str, "str | int | float | Fields | list[Fields]"]


def message_body(bot: str, chat: Chat, person: str, kind: str, content: Payload) -> Payload:
    """`content` is what stands under the name of its `kind`. There is no time in it."""
    return _body(bot, chat, person) | {"msgtype": kind, kind: content}


def poll_body(bot: str, chat: Chat, person: str, stream: str) -> Payload:
    """By which WeCom asks how far a stream has come."""
    return _body(bot, chat, person) | {"msgtype": "stream", "stream": {"id": stream}}


def event_body(bot: str, name: str, content: Payload, chat: Chat | None = None, person: str = "") -> Payload:
    told = _body(bot, chat, person) if chat is not None else {"msgid": uuid4().hex, "aibotid": bot}
    event = {"eventtype": name, name: content} if content else {"eventtype": name}
    return told | {"create_time": int(time.time()), "msgtype": "event", "event": event}


def _body(bot: str, chat: Chat, person: str) -> Payload:
    told: Payload = {"msgid": uuid4().hex, "aibotid": bot, "chattype": chat.kind, "from": {"userid": person}}
    return told | ({"chatid": chat.id} if chat.kind == "group" else {})


def xml(fields: Fields) -> str:
    """As WeCom writes it: words as CDATA, numbers bare."""
    return f"<xml>{_elements(fields)}</xml>"


def _elements(fields: Fields) -> str:
    return "".join(_element(name, value) for name, value in fields.items())


def _element(name: str, value: "str | int | float | Fields | list[Fields]") -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, Mapping):
        return f"<{name}>{_elements(value)}</{name}>"
    if isinstance(value, int | float):
        return f"<{name}>{value}</{name}>"
    return f"<{name}>{escape(value)}</{name}>" if "]]>" in value else f"<{name}><![CDATA[{value}]]></{name}>"
