"""From Teams' activities to the words of the house: pure; what is not for us gives no event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.teams.envelope import Envelope, bot_of, opened
from adapters.teams.invoke import clicked, reacted, submitted
from adapters.teams.mentions import said
from adapters.teams.payload import Payload, clean, id_of, known, part_of, parts_of, text_of
from adapters.teams.settings import DOWN, UP
from core.commands import understood
from core.message import Attachment, Author, Command, Deleted, Edited, Event, Feedback, Message, ThreadId, Visibility

_CHANNEL = "msteams"
_FILE = "application/vnd.microsoft.teams.file.download.info"
_CARDS = "application/vnd.microsoft.card."
_EDITS = ("editMessage", "undeleteMessage")
_MAX_URL = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The bot was added somewhere, which is no event: nobody has said anything yet.

    Teams tells it twice, as an installation and as a new member: `id` names the place, and is the same for both.
    """

    id: str
    thread: ThreadId
    author: Author
    sent_at: datetime
    visibility: Visibility
    return_address: Mapping[str, Any]


def parse(
    activity: Payload,
    *,
    now: datetime,
    up: frozenset[str] = UP,
    down: frozenset[str] = DOWN,
    tenant: str = "",
) -> tuple[Event, ...]:
    """The events an activity stands for; none where it is not for us. Raises Malformed.

    `up` and `down` are the reactions that are a vote. `tenant` is ours, "" where everybody is at home in their own.
    What was said in a thread of a channel without mentioning us is given too: see `is_for_us`.
    """
    if not _is_of_teams(activity, "message", "messageUpdate", "messageDelete", "messageReaction", "invoke"):
        return ()
    envelope = opened(activity, now=now, tenant=tenant)
    if envelope.author.is_bot:
        return ()
    match text_of(activity, "type"):
        case "message":
            return _said(activity, envelope)
        case "messageUpdate":
            return _changed(activity, envelope)
        case "messageDelete":
            return _deleted(activity, envelope)
        case "messageReaction":
            return reacted(activity, envelope, up=up, down=down)
        case _:
            return clicked(activity, envelope)


def is_for_us(event: Event, activity: Payload) -> bool:
    """Whether an event concerns the bot by itself; what does not counts only in a thread the bot is part of."""
    if isinstance(event, Feedback | Deleted) or event.visibility is Visibility.DIRECT:
        return True  # a deletion does not say whether it mentioned us, and the message itself may be still to come
    return _is_click(activity) or said(activity).is_mention


def may_be_ours(event: Event) -> bool:
    """Whether the thread may be one the bot is part of: nobody can have asked us in one that a message only begins."""
    if isinstance(event, Feedback):
        return False
    return not (isinstance(event, Message | Command) and event.id.endswith(f":{event.thread.thread}"))


def welcome_of(activity: Payload, *, now: datetime, tenant: str = "") -> Welcome | None:
    """Whom to greet where, None where nobody is to be. Raises Malformed.

    The bot was installed, or is a new member (learn.microsoft.com, "Conversation events in your Teams bot").
    """
    if not _is_of_teams(activity, "installationUpdate", "conversationUpdate") or not _was_added(activity):
        return None
    envelope = opened(activity, now=now, tenant=tenant)
    return Welcome(
        id=f"welcome:{envelope.channel}",
        thread=ThreadId("teams", envelope.author.workspace, envelope.channel, ""),
        author=envelope.author,
        sent_at=envelope.sent_at,
        visibility=envelope.visibility,
        return_address={**envelope.address, "conversation": envelope.channel},  # a post of its own, in no thread
    )


def _is_of_teams(activity: Payload, *kinds: str) -> bool:
    """Other channels of Azure's, as Web Chat, let people say who they are as they like."""
    kind = known(text_of(activity, "type", 64), "type")
    return kind in kinds and known(text_of(activity, "channelId", 64), "channelId") == _CHANNEL


def _was_added(activity: Payload) -> bool:
    if text_of(activity, "type") == "installationUpdate":
        return text_of(activity, "action", 64) == "add"
    return bot_of(activity) in [id_of(member, "id") for member in parts_of(activity, "membersAdded")]


# ----------------------------------------------------------------------------------------------------------- messages


def _said(activity: Payload, envelope: Envelope) -> tuple[Event, ...]:
    if _is_click(activity):
        return submitted(activity, envelope)
    words = said(activity)
    is_direct = envelope.visibility is Visibility.DIRECT
    is_overheard = not (words.is_mention or is_direct)
    if is_overheard and (envelope.kind != "channel" or words.begins_with_another):
        return ()
    message = Message(
        id=envelope.message_id,
        text=words.text,
        is_mention=not is_overheard,
        attachments=_files(activity),
        **envelope.fields,
    )
    return (understood(message),)


def _is_click(activity: Payload) -> bool:
    """A pressed button comes with a value and without a word."""
    kind = activity.get("type")
    return kind == "invoke" or (kind == "message" and not text_of(activity, "text") and bool(activity.get("value")))


def _changed(activity: Payload, envelope: Envelope) -> tuple[Event, ...]:
    if text_of(part_of(activity, "channelData"), "eventType", 64) not in _EDITS:
        return ()
    edited = Edited(
        id=f"edit:{envelope.message_id}:{envelope.occasion}",
        message_id=envelope.message_id,
        text=said(activity).text,
        **envelope.fields,
    )
    return (edited,)


def _deleted(activity: Payload, envelope: Envelope) -> tuple[Event, ...]:
    if text_of(part_of(activity, "channelData"), "eventType", 64) != "softDeleteMessage":
        return ()
    # With its time: what was deleted can be brought back, and deleted again.
    deleted = Deleted(
        id=f"delete:{envelope.message_id}:{envelope.occasion}", message_id=envelope.message_id, **envelope.fields
    )
    return (deleted,)


# -------------------------------------------------------------------------------------------------------------- files


def _files(activity: Payload) -> tuple[Attachment, ...]:
    """Files and pictures; the message's own HTML and cards are no files."""
    attachments = enumerate(parts_of(activity, "attachments"))
    files = (_file(each, f"{id_of(activity, 'id')}:{place}") for place, each in attachments)
    return tuple(file for file in files if file is not None)


def _file(attachment: Payload, usual_id: str) -> Attachment | None:
    """A file by its address, None where it has none.

    A file of a personal chat has an address that is good for minutes and needs no token; a picture's needs ours
    (learn.microsoft.com, "Send and receive files using the bot").
    """
    kind = text_of(attachment, "contentType", 400).strip().lower()
    is_file = kind == _FILE
    content = part_of(attachment, "content") if is_file else {}
    url = text_of(content, "downloadUrl") if is_file else text_of(attachment, "contentUrl")
    if kind == "text/html" or kind.startswith(_CARDS) or not _is_address(url):
        return None
    return Attachment(
        id=id_of(content, "uniqueId") or usual_id,
        name=clean(text_of(attachment, "name")).strip()[:255],
        media_type="" if is_file else kind,
        address={"url": url, "needs_token": not is_file},
    )


def _is_address(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= _MAX_URL and url.isascii() and url.isprintable()
