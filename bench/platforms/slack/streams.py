"""chat.*Stream: one message that grows.

Besides docs.slack.dev ("chat.startStream" and its two companions) this knows what others met with: a stream lives
about five minutes from its start, then appending and stopping say `message_not_in_streaming_state`
(python-slack-sdk#1859); its first content decides whether it takes `markdown_text` or `chunks`, and the other kind is
then `streaming_mode_mismatch`; while it is open, `chat.update` and `chat.delete` refuse its message.
"""

from collections.abc import Iterable
from time import monotonic

from bench.platforms.slack import blocks
from bench.platforms.slack.chat import add, tell_change, thread, written
from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.errors import ApiError, refuse
from bench.platforms.slack.limits import markdown
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import Ping, State, given_blocks, given_metadata, parsed, required
from bench.platforms.slack.text import pings
from bench.platforms.slack.workspace import Bot

_MODES = ("timeline", "plan")
_TASK_STATES = ("pending", "in_progress", "complete", "error")
_SESSION_STATES = ("active", "processing", "suspended", "closed")
_TITLE = 256
_LONGEST_PING = 64


def start(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "channel", "thread_ts")
    channel = slack.conversations.joined_by(bot, args["channel"])
    _recipient(slack, channel, args)
    if args.get("task_display_mode", "timeline") not in _MODES:
        raise refuse("invalid_arguments", "must be timeline or plan [json-pointer:/task_display_mode]")
    message = written(slack, bot, channel, thread(channel, args["thread_ts"]))
    message.is_streaming = message.was_streamed = True
    _grow(slack, message, args)
    add(slack, bot, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def append(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "channel", "ts")
    channel, message = _open(slack, bot, args)
    if not _grow(slack, message, args):
        raise ApiError("no_text")
    return {"channel": channel.id, "ts": message.ts}


def stop(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "channel", "ts")
    channel, message = _open(slack, bot, args)
    if args.get("session_status", "active") not in _SESSION_STATES:
        raise refuse("invalid_arguments", "unknown status [json-pointer:/session_status]")
    below, metadata = given_blocks(args) or [], given_metadata(args)
    before = message.body()
    _grow(slack, message, args)
    message.blocks += below
    message.metadata = metadata or message.metadata
    message.is_streaming = False
    slack.ping(message, blocks.calling_texts(below))
    slack.clear_status(channel.id, message.root)
    tell_change(slack, bot, channel, message, before)
    return {"channel": channel.id, "ts": message.ts, "message": message.body()}


def expire(message: Message) -> None:
    """Slack ends the stream by itself; what it had said stays."""
    message.is_streaming, message.is_expired = False, True


def _recipient(slack: State, channel: Channel, args: Payload) -> None:
    """Outside a direct conversation a stream is for one person, and both ids are asked for."""
    team, user = args.get("recipient_team_id"), args.get("recipient_user_id")
    if channel.kind != "im":
        for name, value in (("team", team), ("user", user)):
            if not value:
                raise ApiError(f"missing_recipient_{name}_id")
    if user:
        person = slack.user(user)
        if team and team != person.team:
            raise ApiError("team_not_found")


def _open(slack: State, bot: Bot, args: Payload) -> tuple[Channel, Message]:
    channel = slack.conversations.joined_by(bot, args["channel"])
    message = slack.own(bot, channel, args["ts"], "message_not_owned_by_app")
    if message.is_streaming and monotonic() - message.at > slack.stream_seconds:
        expire(message)
    if not message.is_streaming:
        raise ApiError("message_not_in_streaming_state")
    return channel, message


def _grow(slack: State, message: Message, args: Payload) -> bool:
    """Whether the call brought anything."""
    text, chunks = args.get("markdown_text"), parsed(args.get("chunks"), "invalid_chunks")
    if text and chunks:
        raise refuse("invalid_arguments", "markdown_text and chunks exclude each other")
    if text:
        markdown(text)
        _keep_mode(message, "markdown_text")
        _say(slack, message, text)
    elif chunks:
        taken = _checked(chunks)
        _keep_mode(message, "chunks")
        for chunk in taken:
            _take(slack, message, chunk)
    return bool(text or chunks)


def _keep_mode(message: Message, mode: str) -> None:
    if message.mode not in ("", mode):
        raise ApiError("streaming_mode_mismatch")
    message.mode = mode


def _checked(chunks: object) -> list[Payload]:
    """All of them, before one is taken: a call does everything or nothing."""
    if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
        raise ApiError("invalid_chunks")
    for index, chunk in enumerate(chunks):
        _check(chunk, f"/chunks/{index}")
    if sum(len(chunk["blocks"]) for chunk in chunks if chunk["type"] == "blocks") > blocks.MESSAGE_BLOCKS:
        raise refuse("invalid_chunks", "no more than 50 blocks allowed")
    return chunks


def _check(chunk: Payload, at: str) -> None:
    kind = chunk.get("type")
    if kind == "markdown_text":
        markdown(chunk.get("text"))
    elif kind == "task_update":
        _strings(chunk, ("id", "title", "status"), at)
        if chunk["status"] not in _TASK_STATES:
            raise refuse("invalid_chunks", f"unknown status [json-pointer:{at}/status]")
    elif kind == "plan_update":
        _strings(chunk, ("title",), at)
    elif kind == "blocks":
        blocks.check(chunk.get("blocks"))
    else:
        raise refuse("invalid_chunks", f"unsupported type: {kind} [json-pointer:{at}/type]")


def _strings(chunk: Payload, names: Iterable[str], at: str) -> None:
    for name in names:
        value = chunk.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _TITLE:
            raise refuse("invalid_chunks", f"must be 1 to {_TITLE} characters [json-pointer:{at}/{name}]")


def _take(slack: State, message: Message, chunk: Payload) -> None:
    match chunk["type"]:
        case "markdown_text":
            _say(slack, message, chunk["text"])
        case "task_update":
            message.tasks[chunk["id"]] = message.tasks.get(chunk["id"], {}) | chunk
        case "plan_update":
            message.plan = chunk["title"]
        case _:
            message.blocks += chunk["blocks"]
            slack.ping(message, blocks.calling_texts(chunk["blocks"]))


def _say(slack: State, message: Message, text: str) -> None:
    # What calls people may come in two pieces: the end of what is there counts, too.
    tail = message.text[-_LONGEST_PING:]
    found = pings(tail + text)[len(pings(tail)) :]
    slack.pings.extend(Ping(message.channel, message.ts, what) for what in found)
    message.streamed.append(text)
    message.text += text
