"""What the buttons on our cards mean: keys such as "fb:up:REPLY", "fb:down:REPLY", "again:REPLY", "ask:ID"."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.message import Author, Command, CommandName, Event, Feedback, Origin, ReplyId

REPLY = re.compile(r"[0-9a-f]{32}")
_ASK = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_SCORES = {"fb:up": 5, "fb:down": 1}


def pressed(key: str, id: str, author: Author, sent_at: datetime, fields: Mapping[str, Any]) -> tuple[Event, ...]:
    """The event of a pressed button, named `id`; none where the key is not ours.

    `fields` are those that a Command has beside: thread, visibility, return address.
    """
    action, _, about = key.rpartition(":")
    if action == "ask" and _ASK.fullmatch(about):
        name = CommandName.CONFIRM
    elif action == "again" and REPLY.fullmatch(about):
        name = CommandName.REGENERATE
    elif action in _SCORES and REPLY.fullmatch(about):
        return (_vote(_SCORES[action], about, id, author, sent_at),)
    else:
        return ()
    return (Command(id=id, name=name, args=about, author=author, sent_at=sent_at, **fields),)


def _vote(score: int, reply: str, id: str, author: Author, sent_at: datetime) -> Feedback:
    return Feedback(id=id, target=ReplyId(reply), author=author, origin=Origin.BUTTON, score=score, sent_at=sent_at)
