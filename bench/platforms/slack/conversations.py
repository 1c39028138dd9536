"""What was said: channels, their messages and threads, as Slack keeps them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bench.platforms.slack import payloads
from bench.platforms.slack.blocks import identified
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.files import File
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.workspace import FAMILIES, Bot


@dataclass(slots=True)
class Message:
    """One message. `user` wrote it, through `bot` where it is an app's; `thread_ts` is its root's where it is a reply.

    `streamed` are the texts of its stream in their order, `blocks` what stands below them; `mode` is what the stream
    takes, `tasks` and `plan` the steps it showed. `edits` counts the updates, `ephemeral_to` is who alone sees it;
    `more` stands in its object besides all that.
    """

    channel: str
    ts: str
    user: str
    team: str
    text: str = ""
    bot: Bot | None = None
    thread_ts: str = ""
    blocks: list[Payload] = field(default_factory=list)
    metadata: Payload | None = None
    files: tuple[File, ...] = ()
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: Payload | None = None
    edits: int = 0
    is_streaming: bool = False
    was_streamed: bool = False
    is_expired: bool = False
    streamed: list[str] = field(default_factory=list)
    tasks: dict[str, Payload] = field(default_factory=dict)
    plan: str = ""
    mode: str = ""
    ephemeral_to: str = ""
    is_deleted: bool = False
    is_broadcast: bool = False
    more: Payload = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)

    @property
    def markdown(self) -> str:
        """All standard Markdown in it: of its stream, then of its markdown blocks."""
        blocks = (str(block["text"]) for block in self.blocks if block["type"] == "markdown")
        return "".join(self.streamed) + "".join(blocks)

    @property
    def _stream_state(self) -> str:
        """As Slack's own types have it (node-slack-sdk#2371, where such a message has the subtype, too)."""
        return "in_progress" if self.is_streaming else "errored" if self.is_expired else "completed"

    @property
    def root(self) -> str:
        """The ts under which its thread is found."""
        return self.thread_ts or self.ts

    def body(self, replies: Iterable["Message"] = (), *, with_metadata: bool = False) -> Payload:
        """The message object; `replies` are those of its thread where it is a root."""
        body = self._bare()
        if self.blocks or self.streamed:
            body["blocks"] = self._shown()
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        if self.reactions:
            named = self.reactions.items()
            body["reactions"] = [{"name": name, "users": who, "count": len(who)} for name, who in named]
        if self.edited:
            body["edited"] = self.edited
        if with_metadata and self.metadata:
            body["metadata"] = self.metadata
        if self.was_streamed:
            body |= {"subtype": "bot_message", "streaming_state": self._stream_state}
        return body | self.more | _threaded(self.ts, replies)

    def _bare(self) -> Payload:
        if self.bot:
            bot = self.bot
            body = payloads.said_by_bot(
                self.text, user=self.user, bot=bot.id, app=bot.app, ts=self.ts, team=self.team, blocks=[]
            )
            files = [file.body() for file in self.files]
            return body | ({"subtype": "file_share", "files": files} if files else {})
        files = [file.body() for file in self.files]
        return payloads.said(self.text, user=self.user, ts=self.ts, team=self.team, files=files)

    def _shown(self) -> list[Payload]:
        if not self.streamed:
            return identified(self.blocks)
        return [{"type": "markdown", "block_id": "streamed", "text": "".join(self.streamed)}, *identified(self.blocks)]


def _threaded(ts: str, replies: Iterable[Message]) -> Payload:
    found = list(replies)
    if not found:
        return {}
    who = list(dict.fromkeys(reply.user for reply in found))
    told = {"thread_ts": ts, "reply_count": len(found), "reply_users": who, "reply_users_count": len(who)}
    return told | {"latest_reply": found[-1].ts, "is_locked": False, "subscribed": True}


@dataclass(slots=True)
class Channel:
    """A conversation. `kind` as in events (channel, group, im, mpim); `shared_with` are other workspaces in it."""

    id: str
    kind: str
    team: str
    name: str
    members: set[str]
    shared_with: frozenset[str] = frozenset()
    messages: dict[str, Message] = field(default_factory=dict)
    replies: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_shared(self) -> bool:
        return bool(self.shared_with)

    def add(self, message: Message) -> None:
        self.messages[message.ts] = message
        if message.thread_ts:
            self.replies.setdefault(message.thread_ts, []).append(message.ts)

    def get(self, ts: str) -> Message:
        """The message; ApiError `message_not_found` where there is none, or no longer."""
        message = self.messages.get(ts)
        if message is None or message.is_deleted:
            raise ApiError("message_not_found")
        return message

    def thread(self, root: str) -> Iterator[Message]:
        """The replies that are still there, in their order; without the root."""
        return (m for ts in self.replies.get(root, ()) if not (m := self.messages[ts]).is_deleted)

    def standing(self) -> Iterator[Message]:
        return (message for message in self.messages.values() if not message.is_deleted)

    def body(self, bot: Bot) -> Payload:
        """The conversation object ("Conversation object")."""
        is_dm = self.kind == "im"
        body: Payload = {"id": self.id, "created": 1700000000, "is_archived": False, "is_im": is_dm}
        body |= {"is_channel": self.kind == "channel", "is_group": self.kind == "group"}
        body |= {"is_mpim": self.kind == "mpim", "is_private": self.kind != "channel"}
        body |= {"is_shared": self.is_shared, "is_ext_shared": self.is_shared, "is_org_shared": False}
        body |= {"context_team_id": self.team, "is_member": bot.user in self.members}
        if is_dm:
            return body | {"user": next(iter(self.members - {bot.user}), "")}
        return body | {"name": self.name, "name_normalized": self.name, "num_members": len(self.members)}


class Clock:
    """Message ids: Slack's are microseconds, and no two are alike."""

    def __init__(self) -> None:
        self._last = 0

    def ts(self) -> str:
        self._last = max(self._last + 1, time.time_ns() // 1000)
        seconds, rest = divmod(self._last, 1_000_000)
        return f"{seconds}.{rest:06d}"


class Conversations:
    """Every channel by its id."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self._direct: dict[tuple[str, str], str] = {}

    def add(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        if channel.kind == "im":
            for member in channel.members:
                self._direct[channel.team, member] = channel.id
        return channel

    def direct(self, bot: Bot, user: str) -> Channel:
        """The conversation of a person with the bot, opened where it is not yet."""
        if found := self._direct.get((bot.team, user)):
            return self.channels[found]
        return self.add(Channel(f"D{user[1:]}", "im", bot.team, "directmessage", {user, bot.user}))

    def seen_by(self, bot: Bot, id: object) -> Channel:
        """A channel the bot may know of; ApiError `channel_not_found` where it is foreign, or private without it."""
        channel = self.channels.get(id) if isinstance(id, str) else None
        if channel is None or bot.team not in {channel.team, *channel.shared_with}:
            raise ApiError("channel_not_found")
        if channel.kind != "channel" and bot.user not in channel.members:
            raise ApiError("channel_not_found")
        return channel

    def read_by(self, bot: Bot, id: object) -> Channel:
        """A channel whose messages the bot may read: it is in it, and has the scope for its kind."""
        channel = self.joined_by(bot, id)
        bot.require(f"{FAMILIES[channel.kind]}:history")
        return channel

    def joined_by(self, bot: Bot, id: object) -> Channel:
        """A channel the bot is in; else ApiError `channel_not_found` or `not_in_channel`."""
        channel = self.seen_by(bot, id)
        if bot.user not in channel.members:
            raise ApiError("not_in_channel")
        return channel
