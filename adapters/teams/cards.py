"""The cards of Teams with a button on each: Adaptive Cards 1.5, and the messages that bring them. Pure.

A pressed button comes as an invoke `adaptiveCard/action` with the verb and the data; where a client knows no
`Action.Execute`, as a message whose value is that data (learn.microsoft.com, "Universal Actions for Adaptive Cards").
"""

from collections.abc import Mapping
from typing import Any

from adapters.teams.texts import say

ADAPTIVE = "application/vnd.microsoft.card.adaptive"

Activity = dict[str, Any]


def answer_again(reply_id: str, language: str, root: str = "") -> Activity:
    """The button under a finished answer. Its data: {"action": "regenerate", "id": the reply's}, see `_button`."""
    return _message(_button("regenerate", reply_id, language, root))


def confirm(ask_id: str, language: str, root: str = "") -> Activity:
    """The button under a question of the house. Its data: {"action": "confirm", "id": the Ask's}, see `_button`."""
    return _message(_button("confirm", ask_id, language, root) | {"style": "positive"})


def _message(button: Mapping[str, Any]) -> Activity:
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "body": [],
        "actions": [button],
    }
    return {
        "type": "message",
        "summary": button["title"],
        "attachments": [{"contentType": ADAPTIVE, "content": card}],
    }


def _button(action: str, value: str, language: str, root: str) -> dict[str, Any]:
    """Its data has the "root" of the thread it stands in, where it stands in one: a click may name the card alone."""
    data = {"action": action, "id": value} | ({"root": root} if root else {})
    said = {"title": say(action, language), "data": data}
    return {"type": "Action.Execute", "verb": action, **said, "fallback": {"type": "Action.Submit", **said}}
