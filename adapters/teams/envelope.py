"""What all activities of Teams have in common: who, where, when, and how to answer. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.teams.payload import Payload, id_of, known, moment_of, part_of, parts_of, text_of
from core.errors import Malformed
from core.message import Author, LastReplyTo, PartId, ThreadId, Visibility

_ROOT = ";messageid="
_POST = re.compile(r"[0-9A-Za-z_.-]{1,80}")  # the id of a post; nothing that could name another conversation
_KINDS = ("personal", "groupChat", "channel")
_URL = re.compile(r"https?://[!-~]{1,1024}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")
_GUESTS = ("guest", "anonymous")
_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An activity without what it says.

    `channel` is the conversation without the root of a thread, `root` that root, "" where the whole conversation is one
    thread; see `_root` for where Teams does not say it. `occasion` tells two clicks apart, and is the same when one of
    them comes again.
    """

    id: str
    replies_to: str
    occasion: str
    kind: str
    channel: str
    root: str
    author: Author
    sent_at: datetime
    visibility: Visibility
    address: Mapping[str, Any]

    @property
    def thread(self) -> ThreadId:
        return ThreadId("teams", self.author.workspace, self.channel, self.root)

    @property
    def message_id(self) -> str:
        """Names a message in all deliveries of it: Teams sends what was not acknowledged in time again, as it was."""
        return f"{self.channel}:{known(self.id, 'id')}"

    @property
    def target(self) -> PartId | LastReplyTo:
        """The answer that a vote is about; after a stream Teams may not say which."""
        if not self.replies_to:
            return LastReplyTo(self.author, self.thread)
        return PartId("teams", self.author.workspace, self.channel, self.replies_to)

    @property
    def fields(self) -> dict[str, Any]:
        """What every event of core but Feedback takes from here, beside its id."""
        return {
            "thread": self.thread,
            "author": self.author,
            "sent_at": self.sent_at,
            "visibility": self.visibility,
            "return_address": self.address,
        }


def opened(activity: Payload, *, now: datetime, tenant: str = "") -> Envelope:
    """Reads what all activities have. Raises Malformed.

    `tenant` is ours; people of another are externals. Where it is "", everybody is at home in their own.
    """
    conversation, stamp = part_of(activity, "conversation"), text_of(activity, "timestamp", 64)
    id, replies_to, kind = id_of(activity, "id"), id_of(activity, "replyToId"), _kind(conversation)
    channel, _, root = known(id_of(conversation, "id"), "conversation.id").partition(_ROOT)
    root = (root or _root(activity, replies_to, id)) if kind == "channel" else ""
    author = _author(activity, tenant)
    return Envelope(
        id=id,
        replies_to=replies_to,
        occasion=known(f"{id}@{stamp}".strip("@"), "id"),
        kind=kind,
        channel=known(channel, "conversation.id"),
        root=root,
        author=author,
        sent_at=moment_of(stamp) if stamp else now,
        visibility=_visibility(kind),
        address={
            "service_url": _service_url(activity),
            "conversation": f"{channel}{_ROOT}{root}" if root else channel,
            "conversation_type": kind,
            "tenant": author.workspace,
            "bot": {"id": bot_of(activity), "name": _name(part_of(activity, "recipient"))},
            "user": _user(part_of(activity, "from")),
            "activity": id,
            "locale": author.locale,
        },
    )


def _root(activity: Payload, replies_to: str, id: str) -> str:
    """The root of a channel's thread where the conversation's id has no `;messageid=`.

    A button of ours brings the root along; its card, which `replyToId` names, is in the thread and not its beginning.
    A post that begins a thread may come without its root, which it is itself, and a reply with what it replies to. Of a
    thumb, a reaction, or a button of another card the root cannot be known; what stands for it then names no thread of
    ours. A vote needs none, for it finds its answer by the message it names; one that names no message either finds
    none, and is dropped.
    """
    return _carried(activity) or replies_to or id


def _carried(activity: Payload) -> str:
    """The root in the data of a pressed button, "" where it is none that we gave."""
    value = activity.get("value")
    if activity.get("type") == "invoke":
        action = value.get("action") if isinstance(value, Mapping) else None
        value = action.get("data") if isinstance(action, Mapping) else None
    elif activity.get("text"):
        return ""
    root = value.get("root") if isinstance(value, Mapping) else None
    return root if isinstance(root, str) and _POST.fullmatch(root) else ""


def bot_of(activity: Payload) -> str:
    """Our id in the conversation. Raises Malformed."""
    return known(id_of(part_of(activity, "recipient"), "id"), "recipient.id")


def locale_of(activity: Payload) -> str:
    """The language of a person's Teams as a BCP 47 tag: as the activity says, else the client it came from."""
    clients = (entity for entity in parts_of(activity, "entities") if entity.get("type") == "clientInfo")
    locales = (text_of(each, "locale", 64) for each in (activity, *clients))
    return next((locale for locale in locales if _LOCALE.fullmatch(locale)), "")


def introduced(author: Author, member: Payload, *, tenant: str = "") -> Author:
    """The author with what the roster says of them. Raises Malformed.

    An entry has `name`, `tenantId`, `userRole` and `userPrincipalName`; a guest's has #EXT# in it
    (learn.microsoft.com, "Get Teams specific context for your bot").
    """
    role, principal = text_of(member, "userRole").lower(), text_of(member, "userPrincipalName").upper()
    return replace(
        author,
        name=_name(member) or author.name,
        is_guest=author.is_guest or role in _GUESTS or "#EXT#" in principal,
        is_external=author.is_external or _is_foreign(id_of(member, "tenantId"), tenant or author.workspace),
    )


def _kind(conversation: Payload) -> str:
    """Personal, group chat or channel. Where it is not said, the form of the id tells it."""
    kind, id, is_group = (
        text_of(conversation, "conversationType", 64),
        id_of(conversation, "id"),
        conversation.get("isGroup"),
    )
    if not (is_group is None or isinstance(is_group, bool)):
        raise Malformed("the field isGroup is neither true nor false")
    if kind:
        return kind if kind in _KINDS else "groupChat"
    if "@thread.tacv2" in id or "@thread.skype" in id:
        return "channel"
    return "groupChat" if is_group or id.startswith("19:") else "personal"


def _visibility(kind: str) -> Visibility:
    """Teams does not tell whether the team that sees a channel is a closed one, so none counts as public."""
    return Visibility.DIRECT if kind == "personal" else Visibility.PRIVATE


def _author(activity: Payload, tenant: str) -> Author:
    person, conversation = part_of(activity, "from"), part_of(activity, "conversation")
    id, role = known(id_of(person, "id"), "from.id"), text_of(person, "role", 64).lower()
    said = id_of(part_of(part_of(activity, "channelData"), "tenant"), "id")
    workspace = known(id_of(conversation, "tenantId") or said, "conversation.tenantId")
    home = tenant or workspace
    return Author(
        "teams",
        workspace,
        # The id in `from` differs from bot to bot; this one is the person's in their whole directory.
        id_of(person, "aadObjectId") or id,
        name=_name(person),
        locale=locale_of(activity),
        is_bot=role not in ("", "user") or id == bot_of(activity) or id.startswith("28:"),
        is_guest=text_of(person, "userRole", 64).lower() in _GUESTS,
        is_external=any(_is_foreign(each, home) for each in (workspace, said, id_of(person, "tenantId"))),
    )


def _is_foreign(tenant: str, home: str) -> bool:
    return bool(tenant) and tenant.lower() != home.lower()


def _user(person: Payload) -> dict[str, str]:
    object_id = id_of(person, "aadObjectId")
    user = {"id": id_of(person, "id"), "name": _name(person)}
    return user | ({"aadObjectId": object_id} if object_id else {})


def _name(person: Payload) -> str:
    return " ".join(text_of(person, "name").split())[:_NAME]


def _service_url(activity: Payload) -> str:
    url = text_of(activity, "serviceUrl", 2048)
    if not _URL.fullmatch(url):
        raise Malformed("the field serviceUrl is no address")
    return url
