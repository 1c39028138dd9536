"""The cards of Teams with a button on each: Adaptive Cards 1.5, and the messages that bring them. Pure.

A pressed button comes as an invoke `adaptiveCard/action` with the verb and the data; where a client knows no
`Action.Execute`, as a message whose value is that data (learn.microsoft.com, "Universal Actions for Adaptive Cards").
"""

from collections.abc import Mapping
from typing import Any

from adapters.teams.texts import say

ADAPTIVE = "application/vnd.microsoft.card.adaptive"

Activity = dict[str, Any]


def answer_again(reply_id: str, language: str) -> Activity:
    """The button under a finished answer. Its data: {"action": "regenerate", "id": the reply's}."""
    return _message(_button("regenerate", reply_id, language))


def stop(reply_id: str, language: str) -> Activity:
    """The button beside an answer that grows where Teams has none. Its data: {"action": "stop", "id": the reply's}."""
    return _message(_button("stop", reply_id, language), say("stop_text", language))


def confirm(ask_id: str, language: str) -> Activity:
    """The button under a question of the house. Its data: {"action": "confirm", "id": the Ask's}."""
    return _message(_button("confirm", ask_id, language) | {"style": "positive"})


def _message(button: Mapping[str, Any], text: str = "") -> Activity:
    body = [{"type": "TextBlock", "text": text, "wrap": True, "isSubtle": True}] if text else []
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "body": body,
        "actions": [button],
    }
    return {
        "type": "message",
        "summary": text or button["title"],
        "attachments": [{"contentType": ADAPTIVE, "content": card}],
    }


def _button(action: str, value: str, language: str) -> dict[str, Any]:
    said = {"title": say(action, language), "data": {"action": action, "id": value}}
    return {"type": "Action.Execute", "verb": action, **said, "fallback": {"type": "Action.Submit", **said}}
