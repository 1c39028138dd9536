"""The words of the house: what people, platforms and the assistant say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from core.errors import Malformed


def _join(*parts: str) -> str:
    # Teams ids contain ':', so each part is quoted before it is joined.
    return ":".join(quote(part, safe="") for part in parts)


def _split(text: str, count: int) -> list[str]:
    parts = [unquote(part) for part in text.split(":")]
    if len(parts) != count:
        raise Malformed(f"an id of {count} parts was expected, not {len(parts)}")
    return parts


class Visibility(StrEnum):
    """Who else sees the place a message was said in; unknown counts as private."""

    DIRECT = "direct"
    PRIVATE = "private"
    PUBLIC = "public"


class Source(StrEnum):
    """Which part of the house a chunk comes from; `house` speaks the fixed sentences (errors, commands)."""

    ENGINE = "engine"
    CACHE = "cache"
    PLUGIN = "plugin"
    MODERATION = "moderation"
    HOUSE = "house"


class Verdict(StrEnum):
    """What moderation decided about a text; `unscreened` where no screen was in the line."""

    UNSCREENED = "unscreened"
    CLEAN = "clean"
    FLAGGED = "flagged"
    MASKED = "masked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ThreadId:
    """Where a conversation lives. The four parts are the platform's own ids, unquoted."""

    adapter: str
    workspace: str
    channel: str
    thread: str

    def __str__(self) -> str:
        return _join(self.adapter, self.workspace, self.channel, self.thread)

    @classmethod
    def parse(cls, text: str) -> "ThreadId":
        """The inverse of `str()`; raises Malformed."""
        return cls(*_split(text, 4))


@dataclass(frozen=True, slots=True)
class Author:
    """A person (or bot) as one platform knows them. `locale` is a BCP 47 tag, "" where the platform does not say."""

    adapter: str
    workspace: str
    id: str
    name: str = ""
    locale: str = ""
    is_bot: bool = False
    is_guest: bool = False
    is_external: bool = False

    @property
    def key(self) -> str:
        """Names the person and nothing else: the scope of their sealing key."""
        return _join(self.adapter, self.workspace, self.id)

    @classmethod
    def parse(cls, key: str) -> "Author":
        """The person of this `key`, without a name; raises Malformed."""
        adapter, workspace, id_ = _split(key, 3)
        return cls(adapter, workspace, id_)

    def is_same_person(self, other: "Author") -> bool:
        return self.key == other.key


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; `address` is opaque to core: what the adapter needs to fetch it."""

    id: str
    name: str
    media_type: str
    size: int | None = None
    address: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One thing said in a conversation; `role` is system, user, assistant or tool, `name` the speaker where known."""

    role: str
    text: str
    name: str = ""


class ReplyId(str):
    """Our own id of an answer: 32 hexadecimal digits, an HMAC of the dedupe key of the event it answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PartId:
    """A platform's id of one message that carries an answer, or a piece of one."""

    adapter: str
    workspace: str
    channel: str
    id: str

    def __str__(self) -> str:
        return _join(self.adapter, self.workspace, self.channel, self.id)

    @classmethod
    def parse(cls, text: str) -> "PartId":
        """The inverse of `str()`; raises Malformed."""
        return cls(*_split(text, 4))


@dataclass(frozen=True, slots=True)
class LastReplyTo:
    """The newest answer given to this person in this thread: for platforms that do not say which one they mean."""

    author: Author
    thread: ThreadId


Target = ReplyId | PartId | LastReplyTo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What all events have.

    `id` is the dedupe key, unique within the adapter: two deliveries of one thing carry the same id. `return_address`
    is opaque to core: what the adapter needs to answer later, also after a restart. Both are plain JSON values.
    """

    id: str
    thread: ThreadId
    author: Author
    sent_at: datetime
    visibility: Visibility = Visibility.PRIVATE
    return_address: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(_Event):
    """Something a person said. `text` is plain Markdown with the bot's own mention stripped."""

    lane: ClassVar[str] = "turn"
    text: str
    is_mention: bool = False
    attachments: tuple[Attachment, ...] = ()


class CommandName(StrEnum):
    HELP = "help"
    RESET = "reset"
    CODE = "code"
    CHAT = "chat"
    STOP = "stop"
    REGENERATE = "regenerate"
    CONFIRM = "confirm"
    APPEAL = "appeal"
    FORGET = "forget-me"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(_Event):
    """An order to the assistant: a slash command, a button, or a stop word. `args` is the rest of the line.

    `regenerate` takes a ReplyId (empty: the newest answer of the thread), `confirm` the id of an Ask (empty: the newest
    one in the thread), `appeal` what a person says to their newest refusal in the thread, `forget-me` the word
    that says yes to it.
    """

    name: CommandName
    args: str = ""

    @property
    def lane(self) -> str:
        return "control" if self.name is CommandName.STOP else "turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(_Event):
    """A message was changed by its author. `message_id` is the Message's id."""

    lane: ClassVar[str] = "control"
    message_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(_Event):
    """A message was deleted. `message_id` is the Message's id."""

    lane: ClassVar[str] = "control"
    message_id: str


class Origin(StrEnum):
    """How a vote was cast."""

    BUTTON = "button"
    REACTION = "reaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A vote on an answer: `score` 1 to 5, a thumb is 5 or 1, None takes it back. A comment adds, it never erases.

    `reaction` is the platform's own name of the emoji, "" where it is none; each is a vote of its own. Votes are kept
    by (reply, author, origin, part, reaction); what counts is the person's latest live vote. `return_address` is what
    the adapter needs to ask who they are, and is not kept with the vote.
    """

    lane: ClassVar[str] = "control"
    id: str
    target: Target
    author: Author
    origin: Origin
    score: int | None
    sent_at: datetime
    reason: str = ""
    comment: str = ""
    reaction: str = ""
    return_address: Mapping[str, Any] = field(default_factory=dict)


Event = Message | Command | Edited | Deleted | Feedback


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer."""

    text: str
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The next piece of what the model thought before it answers: no part of the answer, shown on request alone."""

    text: str
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True)
class Replace:
    """All that was said and thought so far is taken back for this, with the pictures, sources and questions in it.

    One of the engine takes back what the engine said: the pictures and sources that others gave stay.
    """

    text: str
    source: Source = Source.MODERATION


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that belongs to the answer; `data` are the encoded bytes."""

    data: bytes
    media_type: str
    alt: str
    source: Source = Source.PLUGIN


@dataclass(frozen=True, slots=True)
class Citation:
    """One place a statement was taken from."""

    title: str
    url: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answer was taken from, numbered from 1 in the order given."""

    items: tuple[Citation, ...]
    source: Source = Source.PLUGIN


class StatusKind(StrEnum):
    QUEUED = "queued"
    THINKING = "thinking"
    WORKING = "working"


@dataclass(frozen=True, slots=True)
class Status:
    """What is going on before there is text: `position` is the place in the engine's queue, first is 1."""

    kind: StatusKind
    position: int | None = None
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True)
class Ask:
    """A confirmation the person must give: the turn ends in state `asked`, the click is a Command("confirm", id).

    `id` is the id of the reply that asks: it asks for one thing, at its end.
    """

    id: str
    text: str
    source: Source = Source.PLUGIN


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is the JSON it wrote, not yet validated.

    It goes no further than the stage that offered the tool.
    """

    id: str
    name: str
    arguments: str
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Written:
    """Says who wrote the text and how it ended; `finish` is stop, length, timeout or error. The last one counts."""

    model: str
    finish: str = "stop"
    seed: int | None = None
    usage: Usage = NO_USAGE
    is_fallback: bool = False
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True)
class Screened:
    """What moderation decided, with the categories that were hit. The last one counts."""

    verdict: Verdict
    categories: tuple[str, ...] = ()
    source: Source = Source.MODERATION


Chunk = Text | Reasoning | Replace | Image | Sources | Status | Ask | ToolCall | Written | Screened


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `parts` are all the platform messages that carry it, `replaces` the answer it was regenerated from."""

    id: ReplyId
    thread: ThreadId
    asker: Author
    in_reply_to: str
    text: str = ""
    source: Source = Source.ENGINE
    model: str = ""
    verdict: Verdict = Verdict.UNSCREENED
    parts: tuple[PartId, ...] = ()
    replaces: ReplyId | None = None
