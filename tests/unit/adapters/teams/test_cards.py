"""The cards with a button."""

import json

import pytest

from adapters.teams.cards import ADAPTIVE, answer_again, confirm
from adapters.teams.invoke import answered
from adapters.teams.texts import say

REPLY = "0123456789abcdef0123456789abcdef"
CARDS = [
    (answer_again, "regenerate", REPLY),
    (confirm, "confirm", "ask-1"),
]


def card_of(activity):
    [attachment] = activity["attachments"]
    assert attachment["contentType"] == ADAPTIVE
    return attachment["content"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("make", "action", "value"), CARDS)
def test_a_button_tells_what_it_is_for_and_whom_it_means(make, action, value, language):
    [button] = card_of(make(value, language))["actions"]
    assert button["type"] == "Action.Execute"
    assert button["verb"] == action
    assert button["data"] == {"action": action, "id": value}
    assert button["title"] == say(action, language)


@pytest.mark.parametrize(("make", "action", "value"), CARDS)
def test_an_older_client_sends_the_same_data_as_a_message(make, action, value):
    [button] = card_of(make(value, "en"))["actions"]
    assert button["fallback"] == {"type": "Action.Submit", "title": button["title"], "data": button["data"]}


@pytest.mark.parametrize(("make", "action", "value"), CARDS)
def test_a_card_is_a_message_of_its_own_without_text(make, action, value):
    activity = make(value, "en")
    assert (activity["type"], "text" in activity) == ("message", False)
    assert activity["summary"]
    assert card_of(activity)["version"] == "1.5"
    assert len(json.dumps(activity)) < 2_000


@pytest.mark.parametrize(("make", "action", "value"), CARDS)
def test_a_button_in_a_thread_brings_its_root_along_in_both_ways(make, action, value):
    [button] = card_of(make(value, "en", "1700000000000"))["actions"]
    data = {"action": action, "id": value, "root": "1700000000000"}
    assert (button["data"], button["fallback"]["data"]) == (data, data)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("make", "action", "value"), CARDS)
def test_a_button_comes_back_as_the_order_it_stands_for(make, action, value, language):
    [button] = card_of(make(value, language))["actions"]
    invoke = {"name": "adaptiveCard/action", "value": {"action": button}}
    assert json.loads(answered(invoke).body)["value"] == say(f"{action}_pressed", "en")
