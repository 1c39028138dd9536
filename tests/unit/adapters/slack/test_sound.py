"""Whatever Slack sends is sound; what Bolt would stumble over is not."""

import json
from typing import Any

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

from adapters.slack.sound import is_sound
from bench.platforms.slack import payloads
from bench.platforms.slack.shapes import shapes

EVENT = payloads.event_callback(payloads.mention_event(payloads.said("Hello")))
ACTION = {"type": "button", "action_id": "stop", "block_id": "b"}
MODAL = payloads.view_submission(payloads.modal(), {})


def request(payload: object) -> AsyncBoltRequest:
    return AsyncBoltRequest(body=json.dumps(payload), headers={"content-type": "application/json"})


@pytest.mark.parametrize("name", shapes())
def test_everything_that_slack_sends_is_sound(name):
    body, content_type = payloads.encode(shapes()[name])
    assert is_sound(AsyncBoltRequest(body=body.decode(), headers={"content-type": content_type}))


NO_EVENTS: list[Any] = [None, 7, "app_mention", [], {}, {"type": None}, {"type": ["message"]}]
NO_TYPES: list[Any] = [7, {}, ["event_callback"]]
NO_ACTIONS: list[Any] = [None, {}, [], [None], [{}], "stop", [7], [ACTION | {"action_id": 7}]]
NO_VIEWS: list[Any] = [None, [], "modal", {}, {"callback_id": 7, "type": "modal"}, {"callback_id": "feedback"}]
NO_TEAMS: list[Any] = [7, ["T0PARLEY1"], {"id": 1}, "T0 \n", "t" * 9]
UNSOUND: list[dict[str, Any]] = [
    *(EVENT | {"event": event} for event in NO_EVENTS),
    *(EVENT | {"type": kind} for kind in NO_TYPES),
    {"type": "weather", "event": None},
    {"type": "weather", "view": "modal"},
    {"type": "block_actions"},
    *({"type": "block_actions", "actions": actions} for actions in NO_ACTIONS),
    *(MODAL | {"view": view} for view in NO_VIEWS),
    MODAL | {"view": {"callback_id": "feedback", "type": "workflow_step"}},
    {"type": "shortcut", "callback_id": 7},
    {"type": "message_action"},
    {"type": "block_suggestion", "action_id": None},
    {"type": "dialog_submission", "callback_id": "any"},
    {"type": "workflow_step_edit", "callback_id": "any"},
    {"command": ["/parley"]},
    *(EVENT | {"authorizations": [{"team_id": team}]} for team in NO_TEAMS),
    EVENT | {"authorizations": [{"team_id": "T0PARLEY1", "enterprise_id": "a word\nof somebody"}]},
]


@pytest.mark.parametrize("payload", UNSOUND)
def test_what_bolt_takes_for_granted_is_looked_for(payload):
    assert not is_sound(request(payload))


@pytest.mark.parametrize("body", ["[]", "7", "null", '"a word"', "[[]]"])
def test_what_is_no_object_is_not_sound(body):
    try:
        made = AsyncBoltRequest(body=body, headers={"content-type": "application/json"})
    except AttributeError:
        return  # Bolt refuses it itself
    assert not is_sound(made)
