"""From what a browser or a program sends to the words of the house: pure, and every refusal is a sentence."""

import json
import re
from base64 import b32encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from adapters.console.problem import Problem
from core.commands import understood
from core.message import (
    Author,
    Command,
    CommandName,
    Event,
    Feedback,
    Message,
    Origin,
    ReplyId,
    ThreadId,
    Visibility,
)

ACTIONS = ("chat", "feedback", "stop", "regenerate", "confirm")
REASONS = ("incorrect", "incomplete", "unclear", "off_topic", "unsafe")
SCORES: Mapping[str, int | None] = {"up": 5, "down": 1, "none": None}
MAX_COMMENT = 4_000

_THREAD = re.compile(r"[a-z2-7]{26}")
_REPLY = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[!-~]{1,200}")

Payload = Mapping[str, Any]


def payload_of(body: bytes) -> Payload:
    """The JSON object of a request; raises Problem."""
    try:
        payload = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem(400, "not_utf8") from error
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not_json") from error
    if not isinstance(payload, dict):
        raise Problem(400, "not_an_object")
    return payload


def parse(
    action: str,
    payload: Payload,
    *,
    author: Author,
    thread: ThreadId,
    event_id: str,
    now: datetime,
    max_prompt: int = 32_000,
) -> tuple[Event, ...]:
    """The event a payload stands for; raises Problem.

    `thread` is where it happens: for chat and stop the one the payload names (or a new one), for regenerate and confirm
    that of the reply; feedback goes by its reply alone.
    """
    where: dict[str, Any] = {"id": event_id, "thread": thread, "author": author, "sent_at": now}
    match action:
        case "chat":
            text = _text(payload, "prompt", limit=max_prompt)
            return (understood(Message(text=text, visibility=Visibility.DIRECT, **where)),)
        case "feedback":
            return (_feedback(payload, author=author, event_id=event_id, now=now),)
        case "stop":
            return (Command(name=CommandName.STOP, visibility=Visibility.DIRECT, **where),)
        case "regenerate" | "confirm":
            reply_id = reply_id_of(payload)
            return (Command(name=CommandName(action), args=reply_id, visibility=Visibility.DIRECT, **where),)
        case _:
            raise Problem(404, "not_found")


def wants_reasoning(payload: Payload) -> bool:
    """Whether what was thought is to come with the answer; raises Problem."""
    value = payload.get("reasoning")
    if value is not None and not isinstance(value, bool):
        raise Problem(422, "not_a_boolean", field="reasoning")
    return bool(value)


def thread_of(payload: Payload, author: Author) -> ThreadId:
    """The thread a payload names; raises Problem."""
    return thread_id(author, _string(payload, "thread"))


def thread_id(author: Author, name: str) -> ThreadId:
    """The author's thread of this name; raises Problem where it can't be one of ours.

    A person's threads lie in a channel of their own, so that no name leads into another person's.
    """
    if not _THREAD.fullmatch(name):
        raise Problem(404, "no_thread")
    return ThreadId("console", author.workspace, author.id, name)


def reply_id_of(payload: Payload) -> ReplyId:
    """The answer a payload is about; raises Problem."""
    value = _string(payload, "reply_id")
    if not _REPLY.fullmatch(value):
        raise Problem(404, "no_reply")
    return ReplyId(value)


def event_id_of(action: str, author: Author, thread: str, key: str) -> str:
    """The dedupe key of a call a client may repeat: the same for the same key, unlike anybody else's."""
    if not _KEY.fullmatch(key):
        raise Problem(422, "bad_key")
    named = "\0".join((action, author.key, thread, key))
    return sha256(named.encode(errors="surrogatepass")).hexdigest()[:32]


def thread_name(seed: bytes) -> str:
    """A thread's short id out of at least 16 bytes: 26 letters and digits, in lower case."""
    return b32encode(seed[:16]).decode().rstrip("=").lower()


def _feedback(payload: Payload, *, author: Author, event_id: str, now: datetime) -> Feedback:
    rating = _choice(payload, "rating", tuple(SCORES))
    return Feedback(
        id=event_id,
        target=reply_id_of(payload),
        author=author,
        origin=Origin.BUTTON,
        score=SCORES[rating],
        sent_at=now,
        reason=_choice(payload, "reason", REASONS) if payload.get("reason") else "",
        comment=_text(payload, "comment", limit=MAX_COMMENT) if payload.get("comment") else "",
    )


def _string(payload: Payload, field: str) -> str:
    value = payload.get(field)
    if value is None:
        raise Problem(422, "missing", field=field)
    if not isinstance(value, str):
        raise Problem(422, "not_a_string", field=field)
    return value


def _choice(payload: Payload, field: str, choices: tuple[str, ...]) -> str:
    value = _string(payload, field)
    if value not in choices:
        raise Problem(422, "bad_choice", field=field, choices=", ".join(choices))
    return value


def _text(payload: Payload, field: str, *, limit: int) -> str:
    text = _string(payload, field).replace("\r\n", "\n").strip()
    if len(text) > limit:
        raise Problem(422, "too_long", field=field, length=len(text), limit=limit)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Problem(422, "unreadable", field=field)
    if not text:
        raise Problem(422, "empty", field=field)
    return text
