"""Who and what is there: auth.test, users.info, bots.info and conversations.*."""

from collections.abc import Iterable
from itertools import islice

from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, is_true, required
from bench.platforms.slack.workspace import FAMILIES, Bot

_MOST = 1000


def auth_test(slack: State, bot: Bot, args: Payload) -> Payload:
    told: Payload = {"url": "https://parley-test.example.com/", "team": bot.team_name, "user": bot.name}
    told |= {"team_id": bot.team, "user_id": bot.user, "bot_id": bot.id, "is_enterprise_install": bot.is_org_wide}
    return told | ({"enterprise_id": bot.enterprise} if bot.enterprise else {})


def users_info(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "user")
    user = slack.user(args["user"])
    return {"user": user.body(bot.team, with_locale=is_true(args.get("include_locale")))}


def bots_info(slack: State, bot: Bot, args: Payload) -> Payload:
    if args.get("bot") != bot.id:
        raise ApiError("bot_not_found")
    told = {"id": bot.id, "deleted": False, "name": bot.name, "app_id": bot.app, "user_id": bot.user}
    return {"bot": told | {"updated": 1700000000, "icons": {}}}


def info(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "channel")
    channel = slack.conversations.seen_by(bot, args["channel"])
    bot.require(f"{FAMILIES[channel.kind]}:read")
    return {"channel": channel.body(bot)}


def open_direct(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "conversations.open": here for one person, or for a channel that is there."""
    if id := args.get("channel"):
        return {"channel": {"id": slack.conversations.joined_by(bot, id).id}, "no_op": True, "already_open": True}
    required(args, "users")
    people = [slack.user(user) for user in str(args["users"]).split(",")]
    if len(people) > 1:
        raise ApiError("method_not_supported_for_channel_type")
    return {"channel": {"id": slack.conversations.direct(bot, people[0].id).id}}


def history(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "conversations.history": the newest first, without the replies of threads."""
    required(args, "channel")
    channel = slack.conversations.read_by(bot, args["channel"])
    found = [m for m in channel.standing() if not m.thread_ts or m.is_broadcast]
    return _page(channel, reversed(found), args, 100)


def replies(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "conversations.replies": the root, then its replies, the oldest first."""
    required(args, "channel", "ts")
    channel = slack.conversations.read_by(bot, args["channel"])
    message = channel.messages.get(str(args["ts"]))
    if message is None or message.is_deleted:
        raise ApiError("thread_not_found")
    return _page(channel, [message, *channel.thread(message.ts)], args, _MOST, always=message.ts)


def _page(channel: Channel, found: Iterable[Message], args: Payload, most: int, always: str = "") -> Payload:
    limit, start = _number(args.get("limit"), most), _number(args.get("cursor"), 0)
    kept = (message for message in found if message.ts == always or _is_within(message.ts, args))
    page = list(islice(kept, start, start + limit + 1))
    has_more, with_metadata = len(page) > limit, is_true(args.get("include_all_metadata"))
    messages = [m.body(channel.thread(m.ts), with_metadata=with_metadata) for m in page[:limit]]
    cursor = {"next_cursor": str(start + limit) if has_more else ""}
    return {"messages": messages, "has_more": has_more, "response_metadata": cursor}


def _is_within(ts: str, args: Payload) -> bool:
    oldest, latest = str(args.get("oldest") or ""), str(args.get("latest") or "")
    if is_true(args.get("inclusive")) and ts in (oldest, latest):
        return True
    return not ((oldest and _seconds(ts) <= _seconds(oldest)) or (latest and _seconds(ts) >= _seconds(latest)))


def _seconds(ts: str) -> tuple[int, int]:
    seconds, _, rest = ts.partition(".")
    try:
        return int(seconds), int(rest.ljust(6, "0") or 0)
    except ValueError:
        raise ApiError("invalid_ts_oldest") from None


def _number(value: object, otherwise: int) -> int:
    if value in (None, ""):
        return otherwise
    try:
        number = int(str(value))
    except ValueError:
        raise ApiError("invalid_cursor") from None
    if not 0 <= number <= _MOST * _MOST:
        raise ApiError("invalid_limit")
    return number
