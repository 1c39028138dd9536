"""All that the stand-in remembers, and what its methods share."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from bench.platforms.slack import blocks, text
from bench.platforms.slack.conversations import Channel, Clock, Conversations, Message
from bench.platforms.slack.errors import ApiError, refuse
from bench.platforms.slack.files import File, Upload
from bench.platforms.slack.grants import Grants
from bench.platforms.slack.journal import Journal
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.views import Triggers, View
from bench.platforms.slack.workspace import Bot, User, Workspaces

Emit = Callable[[Bot, Payload, Channel | None], None]


@dataclass(frozen=True, slots=True)
class Ping:
    """A call to people that the app made: `what` is how it stands in its text."""

    channel: str
    ts: str
    what: str


@dataclass(frozen=True, slots=True)
class Status:
    """What `assistant.threads.setStatus` said, "" where it was taken back; `at` is a monotonic moment."""

    channel: str
    thread_ts: str
    status: str
    loading_messages: tuple[str, ...] = ()
    at: float = field(default_factory=monotonic)


@dataclass(slots=True)
class ResponseUrl:
    """Where a press or a command may be answered: five times within half an hour ("Handling user interaction")."""

    bot: Bot
    channel: Channel
    user: str
    origin: Message | None
    thread_ts: str = ""
    uses: int = 0
    at: float = field(default_factory=monotonic)


class State:
    """`emit` is how the app hears of what it did itself; `stream_seconds` is how long a stream lives."""

    def __init__(self, app_token: str) -> None:
        self.app_token = app_token
        self.config_token = "xoxe.xoxp-parley-test"  # noqa: S105 - invented
        self.manifest: Payload = {}
        self.base_url = ""
        self.clock = Clock()
        self.journal = Journal()
        self.workspaces = Workspaces()
        self.conversations = Conversations()
        self.grants = Grants()
        self.triggers = Triggers()
        self.users: dict[str, User] = {}
        self.files: dict[str, File] = {}
        self.uploads: dict[str, Upload] = {}
        self.views: dict[str, View] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.tickets: set[str] = set()
        self.ephemeral: list[Message] = []
        self.pings: list[Ping] = []
        self.statuses: list[Status] = []
        self._standing: dict[tuple[str, str], str] = {}
        self.prompts: list[Payload] = []
        self.stream_seconds = 300.0
        self.emit: Emit = lambda bot, event, channel: None
        self._count = 0

    def number(self) -> int:
        """A new one each time: what ids are made of."""
        self._count += 1
        return self._count

    def user(self, id: object) -> User:
        if isinstance(id, str) and id in self.users:
            return self.users[id]
        raise ApiError("user_not_found")

    def own(self, bot: Bot, channel: Channel, ts: object, error: str) -> Message:
        """A message of the app; `error` where it is somebody else's."""
        message = channel.get(str(ts))
        if message.bot is not bot:
            raise ApiError(error)
        return message

    def ping(self, message: Message, texts: Iterable[str], *, is_parsed: bool = False) -> None:
        found = (what for said in texts for what in text.pings(said, is_parsed=is_parsed))
        self.pings.extend(Ping(message.channel, message.ts, what) for what in found)

    def set_status(self, status: Status) -> None:
        self.statuses.append(status)
        self._standing[status.channel, status.thread_ts] = status.status

    def clear_status(self, channel: str, thread_ts: str) -> None:
        """A message of the app in a thread takes its status away ("assistant.threads.setStatus")."""
        if self.status(channel, thread_ts):
            self.set_status(Status(channel, thread_ts, ""))

    def status(self, channel: str, thread_ts: str) -> str:
        """What stands under the thread now."""
        return self._standing.get((channel, thread_ts), "")


def parsed(value: object, error: str) -> Any:
    """A structure, which a form carries as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ApiError(error) from None


def required(args: Payload, *names: str) -> None:
    """ApiError `invalid_arguments` where one is missing or empty."""
    if missing := [name for name in names if args.get(name) in (None, "")]:
        raise refuse("invalid_arguments", *(f"missing required field: {name}" for name in missing))


def is_true(value: object) -> bool:
    return value in (True, 1, "1", "true", "True")


def given_blocks(args: Payload) -> list[Payload] | None:
    """The blocks of a call; None where it has none, which is not the same as none at all."""
    given = parsed(args.get("blocks"), "invalid_blocks_format")
    return None if given is None else blocks.check(given)


def given_metadata(args: Payload) -> Payload | None:
    given = parsed(args.get("metadata"), "invalid_metadata_format")
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("event_type"), str):
        raise ApiError("invalid_metadata_format")
    if not isinstance(given.get("event_payload"), dict):
        raise ApiError("invalid_metadata_schema")
    return given
