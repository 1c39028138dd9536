"""Who and what there is: people, chats and the messages in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from bench.platforms.wecom.journal import Payload

APP: Final = "app:"


@dataclass(slots=True)
class Person:
    """`is_visible`: in the app's visible range."""

    id: str
    name: str = ""
    is_visible: bool = True


@dataclass(slots=True)
class Stream:
    """A message that grows. `state` is open, finished or expired; `began` is the clock's."""

    id: str
    began: float
    state: str = "open"


@dataclass(eq=False, slots=True)
class Message:
    """One message as it stands now. `author` is a userid, the bot's id or the app's agent id.

    `kind` is the msgtype: text, markdown, stream, template_card, image, …; `media` are the bytes of an image or a file,
    `images` those in a stream (msg_item). `at` is a monotonic moment; `shown` is every text that people saw, and from
    when on. `feedback` is the feedback id; `votes` are the type that each person chose. `cards` are what single people
    see in the place of the card since somebody clicked. A text that WeCom cut is_cut; what it dropped in silence is in
    the list `dropped` of its chat alone.
    """

    id: str
    author: str
    text: str = ""
    kind: str = "text"
    is_bot: bool = False
    req_id: str = ""
    stream: Stream | None = None
    card: Payload | None = None
    cards: dict[str, Payload] = field(default_factory=dict)
    media: bytes = b""
    images: list[bytes] = field(default_factory=list)
    feedback: str = ""
    votes: dict[str, int] = field(default_factory=dict)
    is_cut: bool = False
    is_recalled: bool = False
    at: float = field(default_factory=monotonic)
    shown: list[tuple[float, str]] = field(default_factory=list)

    def show(self, text: str) -> None:
        self.text = text
        self.shown.append((monotonic(), text))

    @property
    def texts(self) -> list[str]:
        """Every text it ever showed, oldest first."""
        return [text for _, text in self.shown]

    @property
    def is_streaming(self) -> bool:
        return self.stream is not None and self.stream.state == "open"

    @property
    def was_streamed(self) -> bool:
        return self.stream is not None

    def card_for(self, person: str) -> Payload | None:
        return self.cards.get(person, self.card)

    @property
    def tasks(self) -> set[str]:
        """The task_ids of its card and of those in its place."""
        return {str(card["task_id"]) for card in (self.card, *self.cards.values()) if card and card.get("task_id")}


@dataclass(slots=True)
class Chat:
    """`kind` is single or group, both with the bot, or app; the id of a single one is the person's, with `app:` for it.

    The bot may write there on its own accord once somebody `has_written`.
    """

    id: str
    kind: str
    members: set[str]
    has_written: bool = False
    messages: list[Message] = field(default_factory=list)
    dropped: list[Message] = field(default_factory=list)

    def add(self, message: Message) -> Message:
        self.messages.append(message)
        return message

    def standing(self) -> Iterator[Message]:
        return (message for message in self.messages if not message.is_recalled)


@dataclass(slots=True)
class Chats:
    """Single chats, with the bot and with the app, are there for everybody."""

    people: dict[str, Person] = field(default_factory=dict)
    all: dict[str, Chat] = field(default_factory=dict)

    def add_person(self, person: Person) -> Person:
        self.people[person.id] = person
        self.all[person.id] = Chat(person.id, "single", {person.id})
        self.all[APP + person.id] = Chat(APP + person.id, "app", {person.id})
        return person

    def add_group(self, id: str, members: set[str]) -> Chat:
        self.all[id] = Chat(id, "group", members)
        return self.all[id]

    def messages(self) -> Iterator[tuple[Chat, Message]]:
        return ((chat, message) for chat in self.all.values() for message in chat.messages)

    def by_task(self, task: str, *, of_app: bool) -> Message | None:
        """The message whose card has this task_id: unique among those of the bot, and among those of the app."""
        found = (m for chat, m in self.messages() if (chat.kind == "app") is of_app and task in m.tasks)
        return next(found, None)
