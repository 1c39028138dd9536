"""What Slack sends, as Slack writes it: pure functions from plain values to payloads, and the signature over them.

Shapes are those of docs.slack.dev (pages "Events API", "Event reference", "Handling user interaction", "Slash
commands" and "Verifying requests from Slack"). Every name, id and token in here is invented.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlencode

Payload: TypeAlias = dict[str, Any]

TEAM = "T0PARLEY1"
APP = "A0PARLEY1"
BOT = "B0PARLEY1"
BOT_USER = "U0PARLEY1"
USER = "U0ANNA001"
CHANNEL = "C0GENERAL"
DM = "D0ANNA001"
TS = "1700000000.000100"
ENTERPRISE = "E0PARLEY1"
VERIFICATION_TOKEN = "verification-token"  # noqa: S105 - Slack's retired way of signing; it proves nothing

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

# What an event of a conversation is called there; the key of `message.*` subscriptions has an "s" for two of them.
CHANNEL_TYPES = ("channel", "group", "im", "mpim")

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


def sign(body: bytes, secret: str, timestamp: int | str) -> str:
    """The value of X-Slack-Signature for a request of these bytes at this Unix time."""
    signed = b"v0:" + str(timestamp).encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def headers(body: bytes, secret: str, timestamp: int, content_type: str = JSON) -> dict[str, str]:
    """All that Slack puts above a body; a redelivery adds X-Slack-Retry-Num and X-Slack-Retry-Reason."""
    return {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": str(timestamp),
        "X-Slack-Signature": sign(body, secret, timestamp),
    }


def encode(payload: Payload) -> tuple[bytes, str]:
    """The body of a request that carries `payload`, and its content type.

    Events are JSON; interactions are a form with JSON in its field `payload`; a slash command is a plain form.
    """
    if "command" in payload:
        return urlencode({key: value for key, value in payload.items() if value is not None}).encode(), FORM
    if payload.get("type") in ("event_callback", "url_verification", "app_rate_limited"):
        return json.dumps(payload).encode(), JSON
    return urlencode({"payload": json.dumps(payload)}).encode(), FORM


# Messages: first as they stand in a conversation, then as the events that tell of them.


def said(
    text: str,
    *,
    user: str = USER,
    ts: str = TS,
    team: str = TEAM,
    thread_ts: str = "",
    files: Sequence[Payload] = (),
    **more: Any,
) -> Payload:
    """A person's message, as history has it: `text` is already escaped, mentions are `<@U…>`."""
    body: Payload = {"type": "message", "client_msg_id": _uuid(ts), "user": user, "text": text, "ts": ts, "team": team}
    body["blocks"] = [rich_text(text)] if text else []
    if thread_ts:
        body["thread_ts"] = thread_ts
    if files:
        body |= {"subtype": "file_share", "files": list(files), "upload": False, "display_as_bot": False}
    return body | more


def said_by_bot(
    text: str, *, user: str = BOT_USER, bot: str = BOT, app: str = APP, ts: str = TS, team: str = TEAM, **more: Any
) -> Payload:
    """An app's message. One that was written through a bot token has a user and a `bot_id`, and no subtype."""
    profile = {"id": bot, "app_id": app, "user_id": user, "name": "parley", "deleted": False, "team_id": team}
    body = {"type": "message", "user": user, "bot_id": bot, "app_id": app, "text": text, "ts": ts, "team": team}
    return body | {"bot_profile": profile} | more


def said_by_integration(text: str, *, bot: str = "B0ELSE001", ts: str = TS, **more: Any) -> Payload:
    """A message of an incoming webhook or a classic app: subtype `bot_message`, and nobody's user."""
    body = {"type": "message", "subtype": "bot_message", "bot_id": bot, "username": "deploys", "text": text, "ts": ts}
    return body | more


def tombstone(body: Payload) -> Payload:
    """What stays of a deleted message that had replies."""
    kept = {key: body[key] for key in ("ts", "thread_ts", "reply_count", "reply_users") if key in body}
    gone = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "hidden": True}
    return gone | {"text": "This message was deleted.", "thread_ts": body["ts"]} | kept


def rich_text(text: str) -> Payload:
    """The block that Slack's own composer writes next to the text."""
    elements: list[Payload] = []
    for index, piece in enumerate(_MENTION.split(text)):
        if index % 2:
            elements.append({"type": "user", "user_id": piece})
        elif piece:
            elements.append({"type": "text", "text": unescape(piece)})
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": "rt001", "elements": [section]}


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def file(
    id: str = "F0NOTES01",
    *,
    name: str = "notes.txt",
    mimetype: str = "text/plain",
    size: int = 12,
    user: str = USER,
    url: str = "https://files.example.com/F0NOTES01/notes.txt",
    **more: Any,
) -> Payload:
    kind = name.rpartition(".")[2]
    body: Payload = {"id": id, "created": 1700000000, "timestamp": 1700000000, "name": name, "title": name}
    body |= {"mimetype": mimetype, "filetype": kind, "pretty_type": kind.upper(), "user": user, "size": size}
    body |= {"mode": "hosted", "is_external": False, "file_access": "visible"}
    return body | {"url_private": url, "url_private_download": url} | more


def id_only_file(id: str = "F0NOTES01") -> Payload:
    """A file of a Slack Connect channel: the app has to ask `files.info` for all else ("file object")."""
    return {"id": id, "mode": "file_access", "file_access": "check_file_info", "created": 0, "timestamp": 0, "user": ""}


def message_event(body: Payload, *, channel: str = CHANNEL, channel_type: str = "channel") -> Payload:
    return body | {"channel": channel, "channel_type": channel_type, "event_ts": body["ts"]}


def mention_event(body: Payload, *, channel: str = CHANNEL) -> Payload:
    """The second event of a message that names the bot: it has neither channel_type nor subtype."""
    kept = {key: value for key, value in body.items() if key != "subtype"}
    return kept | {"type": "app_mention", "channel": channel, "event_ts": body["ts"]}


def changed(
    body: Payload, previous: Payload, *, ts: str, channel: str = CHANNEL, channel_type: str = "channel"
) -> Payload:
    """An edit, an unfurled link or a tombstone; `ts` is the moment of the change, the message's own is inside."""
    event = {"type": "message", "subtype": "message_changed", "message": body, "previous_message": previous}
    return event | {"channel": channel, "channel_type": channel_type, "hidden": True, "ts": ts, "event_ts": ts}


def deleted(previous: Payload, *, ts: str, channel: str = CHANNEL, channel_type: str = "channel") -> Payload:
    event = {"type": "message", "subtype": "message_deleted", "previous_message": previous, "hidden": True}
    event |= {"deleted_ts": previous["ts"], "channel": channel, "channel_type": channel_type}
    return event | {"ts": ts, "event_ts": ts}


def edited(body: Payload, text: str, *, at: str, by: str = USER) -> Payload:
    """The message after its author's edit."""
    return body | {"text": text, "blocks": [rich_text(text)], "edited": {"user": by, "ts": at}}


def unfurled(body: Payload, url: str = "https://example.com/") -> Payload:
    """The message once Slack has looked behind its link: a `message_changed` that nobody edited."""
    return body | {"attachments": [{"id": 1, "from_url": url, "fallback": "Example", "title": "Example"}]}


def joined(*, user: str = USER, ts: str = TS, channel_type: str = "channel") -> Payload:
    subtype = "channel_join" if channel_type == "channel" else "group_join"
    text = f"<@{user}> has joined the {channel_type}"
    return {"type": "message", "subtype": subtype, "user": user, "text": text, "ts": ts}


# Other events.


def reaction(
    name: str,
    *,
    ts: str,
    user: str = USER,
    item_user: str = BOT_USER,
    channel: str = CHANNEL,
    event_ts: str = TS,
    is_removed: bool = False,
) -> Payload:
    """A reaction to the message at `ts`; a skin tone follows the name: `+1::skin-tone-2`."""
    item = {"type": "message", "channel": channel, "ts": ts}
    kind = "reaction_removed" if is_removed else "reaction_added"
    event = {"type": kind, "user": user, "reaction": name, "item": item, "event_ts": event_ts}
    return event | ({"item_user": item_user} if item_user else {})


def home_opened(*, user: str = USER, channel: str = DM, tab: str = "messages", event_ts: str = TS) -> Payload:
    return {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab, "event_ts": event_ts}


def tokens_revoked(*, bots: Sequence[str] = (BOT_USER,), event_ts: str = TS) -> Payload:
    return {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": list(bots)}, "event_ts": event_ts}


def app_uninstalled(*, event_ts: str = TS) -> Payload:
    return {"type": "app_uninstalled", "event_ts": event_ts}


def event_callback(
    event: Payload,
    *,
    team: str = TEAM,
    event_id: str = "Ev0PARLEY1",
    event_time: int = 1700000000,
    bot_user: str = BOT_USER,
    app: str = APP,
    enterprise: str = "",
    is_org_wide: bool = False,
    is_shared: bool = False,
) -> Payload:
    """The envelope of an event. `is_org_wide`: installed for a whole enterprise; `is_shared`: Slack Connect."""
    authorization = {
        "enterprise_id": enterprise or None,
        "team_id": None if is_org_wide else team,
        "user_id": bot_user,
        "is_bot": True,
        "is_enterprise_install": is_org_wide,
    }
    payload: Payload = {
        "token": VERIFICATION_TOKEN,
        "team_id": team,
        "context_team_id": team,
        "context_enterprise_id": enterprise or None,
        "api_app_id": app,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": event_time,
        "authorizations": [authorization],
        "is_ext_shared_channel": is_shared,
        "event_context": f"4-{event_id}",
    }
    return payload | ({"enterprise_id": enterprise} if enterprise else {})


def url_verification(challenge: str = "challenge-of-slack") -> Payload:
    return {"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}


# What people do in the app's own surfaces.


def person(user: str = USER, *, name: str = "anna", team: str = TEAM) -> Payload:
    return {"id": user, "username": name, "name": name, "team_id": team}


def action(element: Payload, block_id: str, *, ts: str = TS, is_positive: bool = True) -> Payload:
    """What one press of this element tells; a pair of feedback buttons tells which of its two it was."""
    pressed = element
    if element["type"] == "feedback_buttons":
        pressed = element["positive_button" if is_positive else "negative_button"]
    told = {"type": element["type"], "action_id": element["action_id"], "block_id": block_id, "action_ts": ts}
    return told | {key: pressed[key] for key in ("text", "value", "style", "icon") if key in pressed}


def block_actions(
    actions: Sequence[Payload],
    message: Payload,
    *,
    channel: str = CHANNEL,
    channel_name: str = "general",
    user: str = USER,
    user_name: str = "anna",
    user_team: str = "",
    team: str = TEAM,
    app: str = APP,
    enterprise: str = "",
    trigger_id: str = "1.2.trigger",
    response_url: str = "https://hooks.example.com/actions/1",
    is_ephemeral: bool = False,
) -> Payload:
    """A press in a message. Of an ephemeral message Slack tells the container alone, not the message."""
    container = {"type": "message", "message_ts": message["ts"], "channel_id": channel, "is_ephemeral": is_ephemeral}
    if "thread_ts" in message:
        container["thread_ts"] = message["thread_ts"]
    payload = _interaction("block_actions", person(user, name=user_name, team=user_team or team), team, app, enterprise)
    payload |= {"container": container, "trigger_id": trigger_id, "response_url": response_url}
    payload |= {"channel": {"id": channel, "name": channel_name}, "state": {"values": {}}, "actions": list(actions)}
    return payload | ({} if is_ephemeral else {"message": message})


def view_submission(
    view: Payload,
    values: Mapping[str, Mapping[str, Any]],
    *,
    user: str = USER,
    user_name: str = "anna",
    team: str = TEAM,
    app: str = APP,
    enterprise: str = "",
    trigger_id: str = "1.2.trigger",
) -> Payload:
    """A modal that was sent; `values` are by block and action, each text or, of a choice, its whole state."""
    payload = _interaction("view_submission", person(user, name=user_name, team=team), team, app, enterprise)
    filled = view | {"state": {"values": {block: _states(states) for block, states in values.items()}}}
    return payload | {"trigger_id": trigger_id, "view": filled, "response_urls": []}


def _states(states: Mapping[str, Any]) -> Payload:
    texts = {key: {"type": "plain_text_input", "value": value} for key, value in states.items()}
    return {key: value if isinstance(value, dict) else texts[key] for key, value in states.items()}


def choice(value: str, text: str = "") -> Payload:
    """The state of a radio group or a menu in which this was chosen."""
    option = {"text": {"type": "plain_text", "text": text or value, "emoji": True}, "value": value}
    return {"type": "radio_buttons", "selected_option": option}


def modal(
    callback_id: str = "feedback", *, id: str = "V0PARLEY1", private_metadata: str = "", blocks: Iterable[Payload] = ()
) -> Payload:
    """A modal as Slack keeps it once it was opened."""
    view: Payload = {"id": id, "team_id": TEAM, "type": "modal", "callback_id": callback_id, "hash": "1700000000.hash"}
    view |= {"private_metadata": private_metadata, "blocks": list(blocks), "state": {"values": {}}}
    view |= {"title": {"type": "plain_text", "text": "Feedback"}, "app_id": APP, "bot_id": BOT}
    return view | {"root_view_id": id, "previous_view_id": None, "external_id": "", "app_installed_team_id": TEAM}


def slash_command(
    text: str,
    *,
    command: str = "/parley",
    user: str = USER,
    user_name: str = "anna",
    channel: str = CHANNEL,
    channel_name: str = "general",
    team: str = TEAM,
    app: str = APP,
    enterprise: str = "",
    trigger_id: str = "1.2.trigger",
    response_url: str = "https://hooks.example.com/commands/1",
) -> Payload:
    """The fields of a slash command; it never says in which thread it was written."""
    fields = {"token": VERIFICATION_TOKEN, "team_id": team, "team_domain": "parley-test"}
    if enterprise:
        fields |= {"enterprise_id": enterprise, "enterprise_name": "Parley Test"}
    fields |= {"channel_id": channel, "channel_name": channel_name, "user_id": user, "user_name": user_name}
    fields |= {"command": command, "text": text, "api_app_id": app, "is_enterprise_install": "false"}
    return fields | {"response_url": response_url, "trigger_id": trigger_id}


def _interaction(kind: str, user: Payload, team: str, app: str, enterprise: str) -> Payload:
    payload: Payload = {"type": kind, "user": user, "api_app_id": app, "token": VERIFICATION_TOKEN}
    payload["team"] = {"id": team, "domain": "parley-test"}
    payload["enterprise"] = {"id": enterprise, "name": "Parley Test"} if enterprise else None
    return payload | {"is_enterprise_install": False}


def _uuid(ts: str) -> str:
    digits = ts.replace(".", "").rjust(32, "0")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
