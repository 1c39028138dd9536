"""reactions.*: emoji that the app puts under a message."""

import re

from bench.platforms.slack import payloads
from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, required
from bench.platforms.slack.workspace import Bot

_NAME = re.compile(r"[a-z0-9_+'-]+(?:::skin-tone-[2-6])?")


def add(slack: State, bot: Bot, args: Payload) -> Payload:
    return _change(slack, bot, args, is_removed=False)


def remove(slack: State, bot: Bot, args: Payload) -> Payload:
    return _change(slack, bot, args, is_removed=True)


def get(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "channel", "timestamp")
    channel = slack.conversations.joined_by(bot, args["channel"])
    message = channel.get(str(args["timestamp"]))
    return {"type": "message", "channel": channel.id, "message": message.body()}


def put(slack: State, channel: Channel, message: Message, user: str, name: str, *, is_removed: bool) -> Payload:
    """The event of it; ApiError `already_reacted` or `no_reaction`."""
    who = message.reactions.setdefault(name, [])
    if (user in who) != is_removed:
        raise ApiError("no_reaction" if is_removed else "already_reacted")
    if is_removed:
        who.remove(user)
    else:
        who.append(user)
    if not who:
        del message.reactions[name]
    ts = slack.clock.ts()
    return payloads.reaction(
        name,
        ts=message.ts,
        user=user,
        item_user=message.user,
        channel=channel.id,
        event_ts=ts,
        is_removed=is_removed,
    )


def _change(slack: State, bot: Bot, args: Payload, *, is_removed: bool) -> Payload:
    required(args, "channel", "timestamp", "name")
    channel = slack.conversations.joined_by(bot, args["channel"])
    message = channel.get(str(args["timestamp"]))
    if not _NAME.fullmatch(str(args["name"])):
        raise ApiError("invalid_name")
    event = put(slack, channel, message, bot.user, str(args["name"]), is_removed=is_removed)
    slack.emit(bot, event, channel)
    return {}
