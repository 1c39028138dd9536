"""Whether a payload has the form that Slack's have: Bolt takes it for granted, and fails without it."""

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.request.async_request import AsyncBoltRequest

_ID = re.compile(r"[A-Z0-9]{1,80}")

# By which field Bolt tells apart what people do outside of messages and modals.
_NAMED = {"block_suggestion": "action_id", "shortcut": "callback_id", "message_action": "callback_id"}
# What Slack has retired, and what no manifest of ours asks for.
_RETIRED = frozenset(
    {"dialog_cancellation", "dialog_submission", "dialog_suggestion", "interactive_message", "workflow_step_edit"}
)


def is_sound(request: AsyncBoltRequest) -> bool:
    """Whether Bolt can find its way through it: what it looks up is there, and text where it looks for text."""
    body: Any = request.body
    if not isinstance(body, Mapping):
        return False
    ids = (request.context.team_id, request.context.enterprise_id)
    return all(id is None or _is_id(id) for id in ids) and _has_its_parts(body)


def _has_its_parts(body: Mapping[str, Any]) -> bool:
    parts = (body.get("event", {}), body.get("view", {}))
    if not isinstance(body.get("command", ""), str) or not all(isinstance(part, Mapping) for part in parts):
        return False
    match body.get("type"):
        case "event_callback":
            return _says(body.get("event"), "type")
        case "block_actions":
            actions = body.get("actions")
            return isinstance(actions, list) and bool(actions) and _says(actions[0], "action_id")
        case "view_submission" | "view_closed":
            return _says(body.get("view"), "callback_id") and body["view"].get("type") == "modal"
        case str() as kind if kind in _NAMED:
            return _says(body, _NAMED[kind])
        case str() as kind:
            return kind not in _RETIRED
        case kind:
            return kind is None


def _is_id(id: Any) -> bool:
    return isinstance(id, str) and _ID.fullmatch(id) is not None


def _says(part: Any, name: str) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get(name), str)
