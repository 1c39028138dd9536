"""A message that grows: learn.microsoft.com, "Stream bot messages".

A request is looked at in this order: is it sound, is the stream still alive, is it in sequence, does it go on where the
one before ended. Not documented, and therefore strict here: a second stream in a chat that has one is "not allowed"; a
stream that ended with any 403 is over; an open stream's message cannot be edited (`edits_open_streams` allows it).
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.platforms.teams import checks
from bench.platforms.teams.conversations import Conversation, Message, Stream, objects
from bench.platforms.teams.errors import STREAM, ServiceError, bad_stream, no_activity, no_stream
from bench.platforms.teams.journal import Payload

NOT_ALLOWED = "Content stream is not allowed"
COMPLETED = "Content stream is not allowed on an already completed streamed message"
EXPIRED = "Content stream finished due to exceeded streaming time."
TOO_LARGE = "Message size too large"
CANCELED = "Content stream was canceled by user."
REWRITTEN = "Streamed content should contain the previously streamed content"
OUT_OF_ORDER = "ContentStreamSequenceOrderPreConditionFailed"
STREAM_SECONDS = 120.0
INFORMATIVE = 1000

_ENDED = {"completed": COMPLETED, "failed": COMPLETED, "canceled": CANCELED, "expired": EXPIRED}
_DROPPED = "PreCondition failed exception when processing streaming activity."
_FINAL_ONLY = ("attachments", "suggestedActions")


@dataclass(slots=True)
class Rules:
    """`seconds` is how long a stream lives by `clock`; without `is_allowed` the bot may not stream at all."""

    clock: Callable[[], float]
    seconds: float = STREAM_SECONDS
    max_bytes: int = 0
    is_allowed: bool = True
    edits_open_streams: bool = False


def info(activity: Payload) -> Payload | None:
    """The entity that makes an activity a part of a stream."""
    return next((e for e in objects(activity.get("entities")) if e.get("type") == "streaminfo"), None)


def take(
    rules: Rules, conversation: Conversation, activity: Payload, new: Callable[[], Message]
) -> tuple[int, Payload]:
    """Status and body of the answer: 201 with the stream's id at first, then 202 and nothing. Raises ServiceError."""
    entity = info(activity) or {}
    if conversation.kind != "personal":
        raise ServiceError(405, "MethodNotAllowed", "Streaming is supported in one-on-one chats only")
    kind = entity.get("streamType", "streaming")
    _sound(activity, kind)
    if not entity.get("streamId"):
        message = _begin(rules, conversation, activity, entity, new)
        _grow(rules, message, activity, entity, kind)
        conversation.add(message)
        return 201, {"id": message.id}
    message = conversation.messages.get(str(entity["streamId"])) or _nobody()
    stream = _alive(rules, message)
    if kind == "final":
        _finish(rules, message, stream, activity, entity)
    elif not _rises(stream, entity):
        return 202, {"error": {"code": OUT_OF_ORDER, "message": _DROPPED}}
    else:
        _grow(rules, message, activity, entity, kind)
    return 202, {}


def expire(rules: Rules, conversation: Conversation) -> None:
    """Ends the stream of a chat whose time is over; what it had said stays."""
    message = conversation.streaming()
    if message is not None and message.stream is not None:
        _age(rules, message.stream)


def _begin(
    rules: Rules, conversation: Conversation, activity: Payload, entity: Payload, new: Callable[[], Message]
) -> Message:
    expire(rules, conversation)
    if entity.get("streamType") == "final":
        raise bad_stream("End streaming activities should include streamId")
    if entity.get("streamSequence") != 1:
        raise bad_stream("Start streaming activities should have streamSequence 1")
    if not rules.is_allowed or conversation.streaming() is not None:
        raise no_stream(NOT_ALLOWED)
    message = new()
    message.stream = Stream(rules.clock())
    return message


def _alive(rules: Rules, message: Message) -> Stream:
    stream = message.stream
    if stream is None:
        raise no_stream(COMPLETED)
    _age(rules, stream)
    if stream.state != "open":
        raise no_stream(_ENDED[stream.state])
    return stream


def _age(rules: Rules, stream: Stream) -> None:
    if stream.state == "open" and rules.clock() - stream.began > rules.seconds:
        stream.state = "expired"


def _sound(activity: Payload, kind: object) -> None:
    if kind not in ("informative", "streaming", "final"):
        raise bad_stream("streamType should be informative, streaming or final")
    wanted = "message" if kind == "final" else "typing"
    if activity.get("type") != wanted:
        raise bad_stream(f"The type of a {kind} activity should be {wanted}")
    text = activity.get("text")
    if kind != "final":
        if not isinstance(text, str) or not text:
            raise bad_stream("Start streaming activities should include text")
        if kind == "informative" and len(text) > INFORMATIVE:
            raise bad_stream(f"An informative text should have up to {INFORMATIVE} characters")
        data = activity.get("channelData") or {}
        if any(activity.get(name) for name in _FINAL_ONLY) or "feedbackLoop" in data or _is_labelled(activity):
            raise bad_stream("Attachments, feedback and the AI label are only for the final message")
    checks.entities(activity)


def _rises(stream: Stream, entity: Payload) -> bool:
    sequence = entity.get("streamSequence")
    if type(sequence) is not int:
        raise bad_stream("Continue streaming activities should include streamSequence")
    return sequence > stream.sequence


def _grow(rules: Rules, message: Message, activity: Payload, entity: Payload, kind: object) -> None:
    stream, text = message.stream, str(activity["text"])
    if stream is None:
        raise no_stream(COMPLETED)
    if kind == "streaming" and stream.text not in text:
        raise _failed(stream, REWRITTEN)
    if checks.size(activity) > rules.max_bytes:
        raise _failed(stream, TOO_LARGE)
    stream.sequence = int(entity["streamSequence"])
    if kind == "informative":
        stream.informative = text
    else:
        stream.text = text
        message.show(text)


def _finish(rules: Rules, message: Message, stream: Stream, activity: Payload, entity: Payload) -> None:
    if "streamSequence" in entity:
        raise bad_stream("End streaming activities should not include streamSequence")
    checks.message(activity, "personal")
    if stream.text not in str(activity.get("text") or ""):
        raise bad_stream("The final text should contain the previously streamed content")
    if checks.size(activity) > rules.max_bytes:
        raise _failed(stream, TOO_LARGE)
    stream.state = "completed"


def _failed(stream: Stream, message: str) -> ServiceError:
    stream.state = "failed"
    return ServiceError(403, STREAM, message)


def _is_labelled(activity: Payload) -> bool:
    return any(entity.get("additionalType") for entity in objects(activity.get("entities")))


def _nobody() -> Message:
    raise no_activity()
