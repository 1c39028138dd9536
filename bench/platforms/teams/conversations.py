"""Who and what there is: people, conversations and the messages in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from bench.platforms.teams.errors import gone, no_activity, no_conversation
from bench.platforms.teams.journal import Payload

KINDS: Final = ("personal", "groupChat", "channel")
AI: Final = "https://schema.org/Message"
CARD: Final = "application/vnd.microsoft.card.adaptive"


@dataclass(slots=True)
class Person:
    """`id` is `29:…`, `aad` the object id in their tenant; `role` is user or guest."""

    id: str
    name: str
    aad: str
    tenant: str
    locale: str = "en-US"
    role: str = "user"

    def account(self) -> Payload:
        return {"id": self.id, "name": self.name, "aadObjectId": self.aad}

    def member(self) -> Payload:
        """As the roster tells of them ("Get Teams specific context", Fetch the roster)."""
        first, _, last = self.name.partition(" ")
        mail = f"{first.lower()}@example.com"
        told = {"id": self.id, "objectId": self.aad, "aadObjectId": self.aad, "name": self.name, "givenName": first}
        told |= {"surname": last, "email": mail, "userPrincipalName": mail, "tenantId": self.tenant}
        return told | {"userRole": self.role}


@dataclass(slots=True)
class Stream:
    """A message that grows. `state` is open, completed, canceled, expired or failed; `began` is the clock's."""

    began: float
    sequence: int = 0
    text: str = ""
    informative: str = ""
    state: str = "open"


@dataclass(slots=True)
class Message:
    """One message as it stands now. `author` is a person's id or the bot's; `root` the thread's first, "" for none.

    `at` is a monotonic moment; `shown` is every text of the bot that people saw, and from when on. `cards` are what
    people see in the place of its card since they pressed a button.
    """

    id: str
    author: str
    text: str = ""
    root: str = ""
    is_bot: bool = False
    attachments: list[Payload] = field(default_factory=list)
    entities: list[Payload] = field(default_factory=list)
    channel_data: Payload = field(default_factory=dict)
    suggested: list[Payload] = field(default_factory=list)
    reply_to: str = ""
    edits: int = 0
    is_deleted: bool = False
    stream: Stream | None = None
    reactions: set[tuple[str, str]] = field(default_factory=set)
    cards: dict[str, Payload] = field(default_factory=dict)
    shown: list[tuple[float, str]] = field(default_factory=list)
    at: float = field(default_factory=monotonic)

    def show(self, text: str) -> None:
        self.text = text
        self.shown.append((monotonic(), text))

    @property
    def thread(self) -> str:
        """The first message of its thread, which may be itself."""
        return self.root or self.id

    @property
    def is_streaming(self) -> bool:
        return self.stream is not None and self.stream.state == "open"

    @property
    def was_streamed(self) -> bool:
        return self.stream is not None

    @property
    def informative(self) -> str:
        """What stands in the blue bar of a stream that has no text yet."""
        return self.stream.informative if self.stream and self.is_streaming and not self.text else ""

    @property
    def is_labelled(self) -> bool:
        """Whether people see "AI generated"."""
        return any("AIGeneratedContent" in entity.get("additionalType", ()) for entity in self._ai())

    @property
    def citations(self) -> list[Payload]:
        """Those that people see: the ones that the text refers to, as `[1]`."""
        claims = [claim for entity in self._ai() for claim in entity.get("citation", ())]
        return [claim for claim in claims if f"[{claim['position']}]" in self.text]

    @property
    def has_feedback(self) -> bool:
        """Whether it has the two thumbs under it."""
        return bool(self.channel_data.get("feedbackLoop") or self.channel_data.get("feedbackLoopEnabled"))

    def card(self, person: str = "") -> Payload | None:
        """The adaptive card in it; of a person who pressed a button, what came in its place."""
        if person in self.cards:
            return self.cards[person]
        for attachment in self.attachments:
            if attachment.get("contentType") == CARD:
                content: Payload = attachment["content"]
                return content
        return None

    def _ai(self) -> Iterator[Payload]:
        return (entity for entity in self.entities if entity.get("type") == AI)


@dataclass(slots=True)
class Conversation:
    """`kind` is personal, groupChat or channel; `id` is without `;messageid=`. `members` are people.

    With `hears_all` the bot gets every message of it, as with the permission ChannelMessage.Read.Group; else those of a
    personal chat and those that name it. `has_bot` and `is_blocked` say whether the bot may write there.
    """

    id: str
    kind: str
    tenant: str
    members: set[str]
    name: str = ""
    team: str = ""
    hears_all: bool = False
    has_bot: bool = True
    is_blocked: bool = False
    messages: dict[str, Message] = field(default_factory=dict)

    def add(self, message: Message) -> Message:
        self.messages[message.id] = message
        return message

    def get(self, id: str) -> Message:
        """Raises ServiceError where there is no such message, or no more."""
        if id not in self.messages:
            raise no_activity()
        if self.messages[id].is_deleted:
            raise gone()
        return self.messages[id]

    def standing(self) -> Iterator[Message]:
        return (message for message in self.messages.values() if not message.is_deleted)

    def streaming(self) -> Message | None:
        return next((message for message in self.messages.values() if message.is_streaming), None)


def split(id: str) -> tuple[str, str]:
    """A conversation's id in an address, and the thread that it names, "" for none."""
    base, _, root = id.partition(";messageid=")
    return base, root


@dataclass(slots=True)
class Conversations:
    people: dict[str, Person] = field(default_factory=dict)
    all: dict[str, Conversation] = field(default_factory=dict)

    def add(self, conversation: Conversation) -> Conversation:
        self.all[conversation.id] = conversation
        return conversation

    def find(self, id: str) -> tuple[Conversation, str]:
        """The conversation and the thread's root. Raises ServiceError."""
        base, root = split(id)
        if base not in self.all:
            raise no_conversation()
        return self.all[base], root

    def personal(self, person: str) -> Conversation | None:
        found = (c for c in self.all.values() if c.kind == "personal" and person in c.members)
        return next(found, None)

    def roster(self, conversation: Conversation) -> list[Person]:
        return [self.people[id] for id in sorted(conversation.members)]


def objects(value: Any) -> list[Payload]:
    """The objects of a list, whatever was given."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
