"""What the WeCom door hears, once it is parsed: events for the house, and what the door itself has to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from core.message import Author, Event, ThreadId, Visibility

Kind = Literal["message", "control", "welcome", "click", "poll", "kicked", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card whose button was pressed. `response_code` is what a self-built app may change it with, once in 72 h."""

    task_id: str
    event_key: str
    card_type: str
    user: str
    response_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Somebody has come who is to be greeted, which is no event: nobody has said anything yet.

    `id` is the same when WeCom tells it twice.
    """

    id: str
    thread: ThreadId
    author: Author
    sent_at: datetime
    visibility: Visibility
    return_address: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """One callback or frame.

    message: `events` to accept and to answer. control: `events` to accept, which begin no answer (a stop word, a vote).
    welcome: `welcome` says whom to greet. click: `card` was pressed, its `events`, perhaps none, are to be accepted.
    poll: WeCom asks for more of `stream`, a reply id, "" where it
    is none. kicked: the long connection was taken over. nothing: not for us.
    """

    kind: Kind
    events: tuple[Event, ...] = ()
    card: Card | None = None
    stream: str = ""
    welcome: Welcome | None = None


NOTHING = Heard("nothing")
