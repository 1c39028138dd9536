"""What people press in Teams: thumbs, buttons on cards, reactions; and what an invoke is answered. Pure."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from adapters.teams.envelope import Envelope, locale_of
from adapters.teams.payload import MAX_TEXT, Payload, clean, part_of, parts_of, text_of
from adapters.teams.texts import say
from core.errors import Malformed
from core.language import language_of
from core.message import Command, CommandName, Event, Feedback, Origin
from core.ports import Received

MAX_COMMENT = 3000
FEEDBACK, ACTION = "message/submitAction", "adaptiveCard/action"

_THUMBS = {"like": 5, "dislike": 1}
_ACTIONS = frozenset({"regenerate", "confirm"})
_REPLY = re.compile(r"(?:[0-9a-f]{32})?")
_ASK = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_MESSAGE = "application/vnd.microsoft.activity.message"


def clicked(activity: Payload, envelope: Envelope) -> tuple[Event, ...]:
    """What an invoke stands for; none where it is no thumb and no button of ours. Raises Malformed."""
    name = text_of(activity, "name")
    if name == FEEDBACK:
        return _voted(part_of(activity, "value"), envelope)
    return _ordered(*_pressed(activity), envelope) if name == ACTION else ()


def submitted(activity: Payload, envelope: Envelope) -> tuple[Event, ...]:
    """The same button, pressed where a client knows no Action.Execute: a message with a value and no text."""
    data = part_of(activity, "value")
    return _ordered(text_of(data, "action"), data, envelope)


def answered(activity: Payload) -> Received:
    """What an invoke is answered once its events are stored. Raises Malformed.

    A vote: an empty object, with anything else the person reads of an error. A button: a line under the card, for
    whoever pressed it (learn.microsoft.com, "Universal Actions for Adaptive Cards"). All else: 400. Microsoft's
    SDK says 501, but nothing is wrong here that an operator should look for.
    """
    name = text_of(activity, "name")
    if name == FEEDBACK:
        return _body({})
    action, _ = _pressed(activity) if name == ACTION else ("", {})
    if action not in _ACTIONS:
        return Received(HTTPStatus.BAD_REQUEST)
    line = say(f"{action}_pressed", language_of("", locale_of(activity)))
    return _body({"statusCode": 200, "type": _MESSAGE, "value": line})


def reacted(activity: Payload, envelope: Envelope, *, up: frozenset[str], down: frozenset[str]) -> tuple[Event, ...]:
    """The votes that reactions are, each with its own name: first what was removed, then what was added."""
    if not envelope.replies_to:
        raise Malformed("the field replyToId is missing")
    scores = dict.fromkeys(up, 5) | dict.fromkeys(down, 1)
    removed, added = (_names(activity, field) for field in ("reactionsRemoved", "reactionsAdded"))
    return (
        *(_reaction("removed", name, None, envelope) for name in removed if name in scores),
        *(_reaction("added", name, scores[name], envelope) for name in added if name in scores),
    )


def _names(activity: Payload, field: str) -> tuple[str, ...]:
    """The reactions in this field, once each. Raises Malformed."""
    return tuple(dict.fromkeys(text_of(reaction, "type", 200) for reaction in parts_of(activity, field)))


def _reaction(kind: str, name: str, score: int | None, envelope: Envelope) -> Feedback:
    # By activity and time: given, taken back and given again is three votes, and one delivered twice is one.
    return Feedback(
        id=f"reaction:{kind}:{envelope.channel}:{envelope.replies_to}:{envelope.author.id}:{name}:{envelope.occasion}",
        target=envelope.target,
        author=envelope.author,
        origin=Origin.REACTION,
        score=score,
        sent_at=envelope.sent_at,
        reaction=name,
    )


# ------------------------------------------------------------------------------------------------------------- thumbs


def _voted(value: Payload, envelope: Envelope) -> tuple[Event, ...]:
    said = part_of(value, "actionValue")
    thumb = text_of(said, "reaction", 64)
    if text_of(value, "actionName", 64) != "feedback" or thumb not in _THUMBS:
        return ()
    feedback = Feedback(
        id=f"vote:{envelope.channel}:{envelope.replies_to}:{envelope.author.id}:{thumb}:{envelope.occasion}",
        target=envelope.target,
        author=envelope.author,
        origin=Origin.BUTTON,
        score=_THUMBS[thumb],
        sent_at=envelope.sent_at,
        comment=_comment(said.get("feedback")),
    )
    return (feedback,)


def _comment(feedback: Any) -> str:
    """The words in a vote: JSON in a string as documented, also bare text, an object, or nothing at all."""
    if isinstance(feedback, str):
        feedback = _read(feedback)
    words = feedback.get("feedbackText") if isinstance(feedback, Mapping) else feedback
    return clean(words).strip()[:MAX_COMMENT] if isinstance(words, str) else ""


def _read(text: str) -> Any:
    if len(text) > MAX_TEXT:
        raise Malformed("the field feedback is far too long")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read if isinstance(read, Mapping | str) else text  # who writes "10" has not written a number


# ------------------------------------------------------------------------------------------------------------ buttons


def _pressed(activity: Payload) -> tuple[str, Payload]:
    """The name of the button and what the card says with it."""
    action = part_of(part_of(activity, "value"), "action")
    data = part_of(action, "data")
    return text_of(action, "verb", 64) or text_of(data, "action", 64), data


def _ordered(action: str, data: Payload, envelope: Envelope) -> tuple[Event, ...]:
    id = text_of(data, "id", 200)
    if action not in _ACTIONS or not (_ASK if action == "confirm" else _REPLY).fullmatch(id):
        return ()
    command = Command(
        # By activity and time too: the same button pressed again is another order, one delivered twice is one.
        id=f"click:{envelope.channel}:{envelope.author.id}:{action}:{id}:{envelope.occasion}",
        name=CommandName(action),
        args=id,
        **envelope.fields | {"return_address": {**envelope.address, "activity": envelope.replies_to}},
    )
    return (command,)


def _body(value: Mapping[str, Any]) -> Received:
    return Received(HTTPStatus.OK, json.dumps(value, ensure_ascii=False).encode())
