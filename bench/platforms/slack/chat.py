"""chat.*: messages that the app posts, changes and takes back."""

from dataclasses import dataclass

from bench.platforms.slack import blocks, payloads
from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.limits import TEXT, UPDATE, markdown
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, given_blocks, given_metadata, is_true, required
from bench.platforms.slack.text import escaped
from bench.platforms.slack.workspace import Bot


@dataclass(frozen=True, slots=True)
class Content:
    """What a call says: `blocks` is None where it says nothing of them, `called` what might call people."""

    text: str | None
    blocks: list[Payload] | None
    called: tuple[str, ...]


def content(args: Payload) -> Content:
    """ApiError `no_text`, `markdown_text_conflict`, or what is wrong with the blocks."""
    text, given = args.get("text"), given_blocks(args)
    if text is not None and not isinstance(text, str):
        raise ApiError("invalid_arguments")
    if args.get("markdown_text") is not None:
        if text or given:
            raise ApiError("markdown_text_conflict")
        return _markdown(markdown(args["markdown_text"]))
    if not text and not given:
        raise ApiError("no_text")
    called = (*([text] if text else []), *blocks.calling_texts(given or []))
    return Content(escaped(text[:TEXT]) if text else None, given, called)


def _markdown(text: str) -> Content:
    if not text:
        raise ApiError("no_text")
    return Content(text, [{"type": "markdown", "text": text}], (text,))


def post_message(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "chat.postMessage"."""
    required(args, "channel")
    channel = addressed(slack, bot, args["channel"])
    said, metadata = content(args), given_metadata(args)
    message = written(slack, bot, channel, thread(channel, args.get("thread_ts")))
    _take(message, said)
    message.metadata = metadata
    message.is_broadcast = is_true(args.get("reply_broadcast"))
    add(slack, bot, channel, message)
    slack.ping(message, said.called, is_parsed=is_parsed(args))
    return {"channel": channel.id, "ts": message.ts, "message": message.body(with_metadata=True)}


def update(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "chat.update". A message whose stream is open is refused: streaming_state_conflict."""
    required(args, "channel", "ts")
    channel = slack.conversations.joined_by(bot, args["channel"])
    message = slack.own(bot, channel, args["ts"], "cant_update_message")
    if message.is_streaming:
        raise ApiError("streaming_state_conflict")
    said, metadata = content(args), given_metadata(args)
    if isinstance(args.get("text"), str) and len(args["text"]) > UPDATE:
        raise ApiError("msg_too_long")
    before = message.body()
    message.streamed = []
    _take(message, said)
    message.metadata = metadata or message.metadata
    message.edits += 1
    if not said.blocks:
        message.edited = {"user": bot.user, "ts": slack.clock.ts()}
    slack.ping(message, said.called, is_parsed=is_parsed(args))
    tell_change(slack, bot, channel, message, before)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": message.body()}


def delete(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "chat.delete"."""
    required(args, "channel", "ts")
    channel = slack.conversations.joined_by(bot, args["channel"])
    message = slack.own(bot, channel, args["ts"], "cant_delete_message")
    if message.is_streaming:
        raise ApiError("cant_delete_message")
    slack.emit(bot, removed(slack, channel, message), channel)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "chat.postEphemeral"."""
    required(args, "channel", "user")
    channel = slack.conversations.joined_by(bot, args["channel"])
    if args["user"] not in channel.members:
        raise ApiError("user_not_in_channel")
    said = content(args)
    message = whisper(slack, bot, channel, args["user"], said, str(args.get("thread_ts") or ""))
    return {"message_ts": message.ts}


def whisper(slack: State, bot: Bot, channel: Channel, user: str, said: Content, thread_ts: str = "") -> Message:
    """A message that one person sees."""
    message = written(slack, bot, channel, thread_ts)
    message.ephemeral_to = user
    _take(message, said)
    slack.ephemeral.append(message)
    slack.ping(message, said.called)
    return message


def change(slack: State, message: Message, said: Content) -> None:
    """Everything in it becomes this, as a response_url does it."""
    message.streamed = []
    _take(message, said)
    message.edits += 1
    slack.ping(message, said.called)


def addressed(slack: State, bot: Bot, id: object) -> Channel:
    """A channel the bot is in; a user's id means the direct conversation with them."""
    if isinstance(id, str) and id in slack.users:
        return slack.conversations.direct(bot, id)
    return slack.conversations.joined_by(bot, id)


def thread(channel: Channel, ts: object) -> str:
    """The root to reply to, "" for none. Slack warns of a reply's ts in its place: refused here."""
    if ts in (None, ""):
        return ""
    root = channel.messages.get(str(ts))
    if root is None or root.thread_ts:
        raise ApiError("invalid_thread_ts")
    return root.ts


def written(slack: State, bot: Bot, channel: Channel, thread_ts: str = "") -> Message:
    """An empty message of the app, not yet in the channel."""
    return Message(channel.id, slack.clock.ts(), bot.user, bot.team, bot=bot, thread_ts=thread_ts)


def add(slack: State, bot: Bot, channel: Channel, message: Message) -> None:
    channel.add(message)
    if message.thread_ts:
        message.more["parent_user_id"] = channel.messages[message.thread_ts].user
    slack.clear_status(channel.id, message.root)
    slack.emit(bot, payloads.message_event(message.body(), channel=channel.id, channel_type=channel.kind), channel)


def tell_change(slack: State, bot: Bot, channel: Channel, message: Message, before: Payload) -> None:
    event = payloads.changed(message.body(), before, ts=slack.clock.ts(), channel=channel.id, channel_type=channel.kind)
    slack.emit(bot, event, channel)


def removed(slack: State, channel: Channel, message: Message) -> Payload:
    """The event of a deletion: of a root with replies a tombstone stays."""
    replies = list(channel.thread(message.ts))
    before = message.body(replies)
    message.is_deleted = True
    where = {"ts": slack.clock.ts(), "channel": channel.id, "channel_type": channel.kind}
    if replies:
        return payloads.changed(payloads.tombstone(before), before, **where)
    return payloads.deleted(before, **where)


def is_parsed(args: Payload) -> bool:
    return args.get("parse") == "full" or is_true(args.get("link_names"))


def _take(message: Message, said: Content) -> None:
    # Without blocks a text takes the place of those that were there; blocks alone leave the text of old.
    message.blocks = said.blocks or []
    if said.text is not None:
        message.text = said.text
