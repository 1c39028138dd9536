"""From Slack's payloads to the words of the house: pure; what is not for us gives no event."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from adapters.slack.payload import Payload, part_of, text_of
from adapters.slack.words import begins_with_another, clean, decoded, mentions
from core.commands import command_of, understood
from core.message import (
    Attachment,
    Author,
    Command,
    CommandName,
    Deleted,
    Edited,
    Event,
    Feedback,
    Message,
    Origin,
    PartId,
    ReplyId,
    ThreadId,
    Visibility,
)

# What a thumbs-down may give as its reason.
REASONS = ("incorrect", "incomplete", "unclear", "off_topic", "unsafe")
MAX_COMMENT = 3000

_SAID = frozenset({"", "file_share", "thread_broadcast"})
_VISIBILITIES = {"im": Visibility.DIRECT, "channel": Visibility.PUBLIC}
_ID = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_REPLY = re.compile(r"[0-9a-f]{32}")
_SKIN_TONE = re.compile(r"::skin-tone-[2-6]\Z")
_NOBODY = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload was received: the workspace, the bot's user there, and what each emoji is worth."""

    workspace: str
    bot_user: str
    received_at: datetime
    enterprise: str = ""
    scores: Mapping[str, int] = field(default_factory=dict)


def parse(payload: Payload, place: Place) -> tuple[Event, ...]:
    """The events a payload stands for; none where it is not for us.

    Authors have only what the payload says of them. One post that arrives as `app_mention` and as `message` gives the
    same event twice, with one id.
    """
    match text_of(payload, "type"):
        case "event_callback":
            # Redeliveries have been seen with other event ids, so one counts only where there is no time.
            event = part_of(payload, "event")
            return _happened({"event_ts": text_of(payload, "event_id"), **event}, place)
        case "block_actions":
            return _clicked(payload, place)
        case "view_submission":
            return _submitted(payload, place)
        case "" if text_of(payload, "command"):
            return _ordered(payload, place)
        case _:
            return ()


def is_for_us(event: Event, payload: Payload, place: Place) -> bool:
    """Whether an event concerns the bot by itself; what does not counts only in a thread the bot is part of."""
    if text_of(payload, "type") != "event_callback" or isinstance(event, Feedback):
        return True
    happened = part_of(payload, "event")
    is_direct = event.visibility is Visibility.DIRECT
    if isinstance(event, Edited | Deleted):  # of a mention: the message itself may be still to come
        return is_direct or _is_mention(part_of(happened, "previous_message"), place)
    return is_direct or _is_mention(happened, place)


# ------------------------------------------------------------------------------------------------------------- events


def _happened(event: Payload, place: Place) -> tuple[Event, ...]:
    match text_of(event, "type"), text_of(event, "subtype"):
        case "app_mention" | "message", subtype if subtype in _SAID:
            return _said(event, place)
        case "message", "message_changed":
            return _changed(event, place)
        case "message", "message_deleted":
            return _deleted(event, text_of(event, "deleted_ts"), place)
        case ("reaction_added" | "reaction_removed") as kind, _:
            return _reacted(event, place, is_added=kind == "reaction_added")
        case _:
            return ()


def _said(event: Payload, place: Place) -> tuple[Event, ...]:
    channel, ts = _id(event, "channel"), _id(event, "ts")
    if not (channel and ts and _is_person(event, place)) or "edited" in event:
        return ()  # an edit that adds a mention is announced as a new one, and never starts a turn
    text, files = text_of(event, "text"), _files(event, place)
    if _turns_to_another(event, event, place):
        return ()
    message = Message(
        id=_message_id(place, channel, ts),
        thread=_thread(place, channel, _id(event, "thread_ts") or ts),
        author=_author(event, place),
        text=decoded(clean(text), place.bot_user),
        sent_at=_time(ts, place),
        visibility=_visibility(event),
        is_mention=_is_mention(event, place) or _visibility(event) is Visibility.DIRECT,
        attachments=files,
        return_address=_address(place, event, ts),
    )
    return (_aside(understood(message)),)


def _aside(event: Message | Command) -> Message | Command:
    """A stop word that comes to nothing is answered for whoever wrote it: the others are reading an answer."""
    is_stop = isinstance(event, Command) and event.name is CommandName.STOP
    if not is_stop or event.visibility is Visibility.DIRECT:
        return event
    return replace(event, return_address={**event.return_address, "whisper": True})


def _changed(event: Payload, place: Place) -> tuple[Event, ...]:
    now, before, channel = part_of(event, "message"), part_of(event, "previous_message"), _id(event, "channel")
    ts = _id(now, "ts")
    if text_of(now, "subtype") == "tombstone":  # a root whose replies stay: this is how Slack says it was deleted
        return _deleted(event, ts, place)
    if not (channel and ts and _is_person(now, place)) or text_of(now, "text") == text_of(before, "text"):
        return ()
    if _turns_to_another(before, event, place):
        return ()  # what it was before was no question
    edited_at = _id(part_of(now, "edited"), "ts") or _id(event, "event_ts") or ts
    edited = Edited(
        id=f"edit:{_message_id(place, channel, ts)}:{edited_at}",
        thread=_thread(place, channel, _id(now, "thread_ts") or ts),
        author=_author(now, place),
        sent_at=_time(edited_at, place),
        visibility=_visibility(event),
        message_id=_message_id(place, channel, ts),
        text=decoded(clean(text_of(now, "text")), place.bot_user),
    )
    return (edited,)


def _deleted(event: Payload, ts: str, place: Place) -> tuple[Event, ...]:
    before, channel = part_of(event, "previous_message"), _id(event, "channel")
    if not (channel and _ID.fullmatch(ts) and _is_person(before, place)):
        return ()
    deleted = Deleted(
        id=f"delete:{_message_id(place, channel, ts)}",
        thread=_thread(place, channel, _id(before, "thread_ts") or ts),
        author=_author(before, place),
        sent_at=_time(_id(event, "event_ts"), place),
        visibility=_visibility(event),
        message_id=_message_id(place, channel, ts),
    )
    return (deleted,)


def _reacted(event: Payload, place: Place, *, is_added: bool) -> tuple[Event, ...]:
    item, user = part_of(event, "item"), _id(event, "user")
    channel, ts = _id(item, "channel"), _id(item, "ts")
    emoji = text_of(event, "reaction")
    score = place.scores.get(_SKIN_TONE.sub("", emoji))
    is_ours = text_of(event, "item_user") in ("", place.bot_user)
    if not (user and channel and ts and score is not None and is_ours) or user == place.bot_user:
        return ()
    happened_at = _id(event, "event_ts")
    kind = "added" if is_added else "removed"
    feedback = Feedback(
        # Redeliveries have been seen with other event ids: what happened, and when, is what names it.
        id=f"reaction:{kind}:{_message_id(place, channel, ts)}:{user}:{emoji}:{happened_at}",
        target=PartId("slack", place.workspace, channel, ts),
        author=Author("slack", place.workspace, user),
        origin=Origin.REACTION,
        score=score if is_added else None,
        sent_at=_time(happened_at, place),
        reaction=emoji,  # with its skin tone: in Slack the same thumb in two of them is two reactions
    )
    return (feedback,)


# ------------------------------------------------------------------------------------------ buttons, modals, commands


def _clicked(payload: Payload, place: Place) -> tuple[Event, ...]:
    action = _action(payload)
    value, user = text_of(action, "value"), _id(part_of(payload, "user"), "id")
    thread, clicked_at = _clicked_thread(payload, place), _clicked_at(payload)
    if not (user and thread and clicked_at):
        return ()
    envelope = {
        "id": f"click:{place.workspace}:{user}:{text_of(action, 'action_id')}:{value}:{clicked_at}",
        "author": _clicker(payload, place, user),
        "sent_at": _time(clicked_at, place),
    }
    match text_of(action, "action_id"):
        case "feedback":
            return _voted(value, envelope)
        case ("regenerate" | "stop") as name if _REPLY.fullmatch(value):
            return (_command(CommandName(name), value, payload, thread, envelope),)
        case "confirm" if _ID.fullmatch(value):
            return (_command(CommandName.CONFIRM, value, payload, thread, envelope),)
        case _:
            return ()


def _action(payload: Payload) -> Payload:
    actions = payload.get("actions")
    return actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], Mapping) else {}


def _clicked_at(payload: Payload) -> str:
    return _id(_action(payload), "action_ts")


def _voted(value: str, envelope: dict[str, Any]) -> tuple[Event, ...]:
    direction, _, reply = value.partition(":")
    score = {"up": 5, "down": 1}.get(direction)
    if score is None or not _REPLY.fullmatch(reply):
        return ()
    return (Feedback(target=ReplyId(reply), origin=Origin.BUTTON, score=score, **envelope),)


def _command(name: CommandName, args: str, payload: Payload, thread: ThreadId, envelope: dict[str, Any]) -> Command:
    user = _id(part_of(payload, "user"), "id")
    team = _team_of(part_of(payload, "user")) or thread.workspace
    address: dict[str, Any] = {"user": user, "team": team, "ts": _clicked_at(payload)}
    if thread.thread.startswith("/"):
        address["response_url"] = clean(text_of(payload, "response_url"))
    else:
        address["whisper"] = True  # a sentence in answer to a click is for whoever clicked
    is_direct = thread.channel.startswith("D") or thread.thread.startswith("/")
    visibility = Visibility.DIRECT if is_direct else Visibility.PRIVATE
    return Command(name=name, args=args, thread=thread, visibility=visibility, return_address=address, **envelope)


def _clicked_thread(payload: Payload, place: Place) -> ThreadId | None:
    """The thread of the message the button stands on; an answer that one person alone sees stands in none."""
    container, message = part_of(payload, "container"), part_of(payload, "message")
    channel = _id(part_of(payload, "channel"), "id") or _id(container, "channel_id")
    root = _id(message, "thread_ts") or _id(container, "thread_ts")
    if container.get("is_ephemeral") is True and not root:
        root = "/" + _id(part_of(payload, "user"), "id")
    root = root or _id(message, "ts") or _id(container, "message_ts")
    return _thread(place, channel, root) if channel and root else None


def _submitted(payload: Payload, place: Place) -> tuple[Event, ...]:
    view, user = part_of(payload, "view"), _id(part_of(payload, "user"), "id")
    reply, view_id = _reply_of_modal(view), _id(view, "id")
    if not (user and view_id and reply) or text_of(view, "callback_id") != "feedback":
        return ()
    reason, comment = _answers(view)
    feedback = Feedback(
        id=f"view:{place.workspace}:{user}:{view_id}",
        target=ReplyId(reply),
        author=_clicker(payload, place, user),
        origin=Origin.BUTTON,
        score=1,
        sent_at=place.received_at,
        reason=reason,
        comment=comment,
    )
    return (feedback,)


def language_of_modal(view: Payload) -> str:
    """The language a modal was opened in."""
    return "zh" if _metadata(view).get("language") == "zh" else "en"


def _reply_of_modal(view: Payload) -> str:
    """The answer a modal is about, "" where it names none."""
    reply = text_of(_metadata(view), "reply")
    return reply if _REPLY.fullmatch(reply) else ""


def _metadata(view: Payload) -> Payload:
    try:
        metadata = json.loads(text_of(view, "private_metadata") or "{}")
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, Mapping) else {}


def _answers(view: Payload) -> tuple[str, str]:
    """Reason and comment of the modal, wherever in it they stand."""
    reason = comment = ""
    for block in part_of(part_of(view, "state"), "values").values():
        for name, element in block.items() if isinstance(block, Mapping) else ():
            answer = element if isinstance(element, Mapping) else {}
            if name == "reason":
                reason = text_of(part_of(answer, "selected_option"), "value")
            elif name == "comment":
                comment = clean(text_of(answer, "value")).strip()[:MAX_COMMENT]
    return reason if reason in REASONS else "", comment


def _ordered(payload: Payload, place: Place) -> tuple[Event, ...]:
    """A slash command: a conversation between this person and the bot that nobody else in the channel sees."""
    user, channel, trigger = (_id(payload, name) for name in ("user_id", "channel_id", "trigger_id"))
    if not (user and channel and trigger):
        return ()
    text = decoded(clean(text_of(payload, "text")), place.bot_user) or "help"
    order = f"/{text.lower()}"
    named = command_of(order)
    is_order = named is not None and (len(text.split()) == 1 or named[0] is CommandName.FORGET)
    message = Message(
        id=f"command:{place.workspace}:{trigger}",
        thread=_thread(place, channel, f"/{user}"),
        author=Author("slack", place.workspace, user),
        text=order if is_order else text,
        sent_at=place.received_at,
        visibility=Visibility.DIRECT,
        is_mention=True,
        return_address={"user": user, "response_url": clean(text_of(payload, "response_url"))},
    )
    return (understood(message),)


# -------------------------------------------------------------------------------------------------------------- parts


def _is_person(event: Payload, place: Place) -> bool:
    """Bots are not answered, we ourselves least of all."""
    user = _id(event, "user")
    return bool(user) and user not in (place.bot_user, _NOBODY) and not event.get("bot_id")


def _turns_to_another(said: Payload, event: Payload, place: Place) -> bool:
    """Whether words that several can read are for somebody else, whom they name at their beginning."""
    is_for_another = begins_with_another(text_of(said, "text"), place.bot_user) and not _is_mention(said, place)
    return is_for_another and _visibility(event) is not Visibility.DIRECT


def _is_mention(event: Payload, place: Place) -> bool:
    return text_of(event, "type") == "app_mention" or mentions(text_of(event, "text"), place.bot_user)


def _author(event: Payload, place: Place) -> Author:
    team = text_of(event, "user_team") or text_of(event, "team")
    return Author("slack", place.workspace, _id(event, "user"), is_external=_is_foreign(team, place))


def _clicker(payload: Payload, place: Place, user: str) -> Author:
    team = _team_of(part_of(payload, "user"))
    return Author("slack", place.workspace, user, is_external=_is_foreign(team, place))


def _is_foreign(team: str, place: Place) -> bool:
    """Whether somebody comes from elsewhere; of an organisation's workspaces only `users.info` knows them all."""
    return bool(team) and not place.enterprise and team != place.workspace


def _team_of(user: Payload) -> str:
    return _id(user, "team_id")


def _address(place: Place, event: Payload, ts: str) -> dict[str, Any]:
    """What is needed to answer: the stream's recipient by user and team, and where in the thread the question is."""
    team = _id(event, "user_team") or _id(event, "team") or place.workspace
    return {"user": _id(event, "user"), "team": team, "ts": ts}


def _files(event: Payload, place: Place) -> tuple[Attachment, ...]:
    files = event.get("files")
    found = (file for file in files if isinstance(file, Mapping)) if isinstance(files, list) else ()
    return tuple(attachment_of(file, place.workspace) for file in found if _id(file, "id"))


def attachment_of(file: Payload, workspace: str) -> Attachment:
    """A file object as an attachment; where Slack sent the id alone, its address has no `url`."""
    size = file.get("size")
    return Attachment(
        id=_id(file, "id"),
        name=clean(text_of(file, "name"))[:255],
        media_type=clean(text_of(file, "mimetype")),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        address={
            "workspace": workspace,
            "url": clean(text_of(file, "url_private_download") or text_of(file, "url_private")),
        },
    )


def _visibility(event: Payload) -> Visibility:
    if _id(event, "channel").startswith("D"):
        return Visibility.DIRECT
    return _VISIBILITIES.get(text_of(event, "channel_type"), Visibility.PRIVATE)


def _message_id(place: Place, channel: str, ts: str) -> str:
    return f"{place.workspace}:{channel}:{ts}"


def _thread(place: Place, channel: str, root: str) -> ThreadId:
    return ThreadId("slack", place.workspace, channel, root)


def _time(ts: str, place: Place) -> datetime:
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError):
        return place.received_at


def _id(payload: Payload, name: str) -> str:
    value = text_of(payload, name)
    return value if _ID.fullmatch(value) else ""
