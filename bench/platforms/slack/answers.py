"""response_url: how a press or a command is answered without a token."""

from time import monotonic

from bench.platforms.slack import chat
from bench.platforms.slack.conversations import Message
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import ResponseUrl, State, is_true

USES, SECONDS = 5, 1800


def respond(slack: State, id: str, args: Payload) -> None:
    """docs.slack.dev, "Handling user interaction": ApiError `expired_url` or `used_url`, or what is wrong with it.

    What is not said to be `in_channel` is for the person alone; `replace_original` and `delete_original` mean the
    message that was pressed.
    """
    url = slack.response_urls.get(id)
    if url is None or monotonic() - url.at > SECONDS:
        raise ApiError("expired_url")
    if url.uses >= USES:
        raise ApiError("used_url")
    url.uses += 1
    if is_true(args.get("delete_original")):
        _delete(slack, url)
    elif is_true(args.get("replace_original")) and url.origin:
        _replace(slack, url, args)
    else:
        _say(slack, url, args)


def _say(slack: State, url: ResponseUrl, args: Payload) -> None:
    said, thread_ts = chat.content(args), str(args.get("thread_ts") or url.thread_ts)
    if args.get("response_type") != "in_channel":
        chat.whisper(slack, url.bot, url.channel, url.user, said, thread_ts)
        return
    message = chat.written(slack, url.bot, url.channel, thread_ts)
    chat.change(slack, message, said)
    message.edits = 0
    chat.add(slack, url.bot, url.channel, message)


def _replace(slack: State, url: ResponseUrl, args: Payload) -> None:
    message = _origin(url)
    before = message.body()
    chat.change(slack, message, chat.content(args))
    if not message.ephemeral_to:
        chat.tell_change(slack, url.bot, url.channel, message, before)


def _delete(slack: State, url: ResponseUrl) -> None:
    message = _origin(url)
    if message.ephemeral_to:
        message.is_deleted = True
    else:
        slack.emit(url.bot, chat.removed(slack, url.channel, message), url.channel)


def _origin(url: ResponseUrl) -> Message:
    if url.origin is None or url.origin.is_deleted:
        raise ApiError("message_not_found")
    return url.origin
