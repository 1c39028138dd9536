"""WeCom's cards with buttons, as `template_card`, and what they become once one was pressed. Pure.

The keys of their buttons are read in buttons.py. A card's task id may be used once in an app, and consists of digits,
letters and "_-@" (developer.work.weixin.qq.com, document 90236).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from adapters.wecom.buttons import REPLY
from adapters.wecom.heard import Card
from adapters.wecom.texts import say

_STRONG, _PALE = 1, 4  # styles of a button
_TASK = re.compile(r"(.*-(en|zh))(?:-([0-9]{1,6}))?")
_NO_TASK = re.compile(r"[^0-9A-Za-z_@-]")

_Button = tuple[str, str, int]  # its text, key and style


def rating(reply_id: str, language: str, *, round: int = 0) -> dict[str, Any]:
    """The card under an answer of a self-built app: 👍, 👎 and "answer again". `round` counts the times it is sent."""
    buttons = [*_thumbs(reply_id), _again(reply_id, language)]
    return _card(_task(reply_id, round, language), say("rate_title", language), say("rate_desc", language), buttons)


def confirm(ask_id: str, language: str, *, round: int = 0) -> dict[str, Any]:
    """The card under a question of the house: its button sends "ask:ID"."""
    button = (say("ask", language), f"ask:{ask_id}", _STRONG)
    return _card(_task(f"ask-{ask_id}", round, language), say("ask_title", language), "", [button])


def pressed_card(card: Card, *, language: str, note: str = "") -> dict[str, Any]:
    """What an AI bot answers the press of a button with, within five seconds: a new card for whoever pressed it.

    Its task id has to stay that of the card (documents 101031 and 101463). `note` names a text that is said besides.
    """
    language = _language_of(card, language)
    changed = _changed(card, language, card.task_id)
    if note:
        changed["main_title"]["desc"] = say(note, language)
    return _update(card, changed)


def unsaved_card(card: Card, *, language: str) -> dict[str, Any]:
    """What an AI bot answers the press of a button with that could not be stored: it is to be pressed again."""
    language = _language_of(card, language)
    again = (say("ask", language), card.event_key, _STRONG)
    return _update(card, _card(card.task_id, say("not_stored_card", language), "", [again]))


def refused_card(card: Card, *, language: str) -> dict[str, Any]:
    """What an AI bot answers somebody with who pressed the button of another person's question."""
    language = _language_of(card, language)
    dead = (say("ask", language), "done", _PALE)
    return _update(card, _card(card.task_id, say("not_yours", language), "", [dead]))


def pressed_xml(card: Card, *, corp_id: str = "", created: int = 0) -> bytes:
    """What a self-built app answers the press of a button with, within five seconds and encrypted (document 90241).

    The new card goes to whoever pressed the button, and can be pressed again: a vote may be changed.
    """
    changed = _changed(card, _language_of(card, "zh"), _next_task(card.task_id))
    fields = {
        "ToUserName": card.user,
        "FromUserName": corp_id,
        "CreateTime": created,
        "MsgType": "update_template_card",
        "TemplateCard": {
            "CardType": changed["card_type"],
            "MainTitle": {"Title": changed["main_title"]["title"], "Desc": changed["main_title"].get("desc", "")},
            "TaskId": changed["task_id"],
            "ButtonList": [
                {"Text": button["text"], "Style": button["style"], "Key": button["key"]}
                for button in changed["button_list"]
            ],
        },
    }
    return _xml("xml", fields).encode()


# -------------------------------------------------------------------------------------------------------------- inside


def _update(card: Card, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Another card in the place of the one that was pressed, for whoever did it."""
    return {"response_type": "update_template_card", "userids": [card.user], "template_card": changed}


def _changed(card: Card, language: str, task_id: str) -> dict[str, Any]:
    action, _, about = card.event_key.rpartition(":")
    is_reply = REPLY.fullmatch(about) is not None
    match action:
        case "fb:up" | "fb:down" if is_reply:
            title = say("rated_up" if action == "fb:up" else "rated_down", language)
            buttons = [*_thumbs(about, chosen=card.event_key), _again(about, language)]
            return _card(task_id, title, say("rated_desc", language), buttons)
        case "again" if is_reply:
            return _card(task_id, say("again_title", language), "", _thumbs(about))
        case _:
            return _card(task_id, say("ask_done", language), "", [(say("ask_done", language), "done", _PALE)])


def _thumbs(reply_id: str, chosen: str = "") -> list[_Button]:
    keys = {"👍": f"fb:up:{reply_id}", "👎": f"fb:down:{reply_id}"}
    return [(sign, key, _STRONG if chosen in ("", key) else _PALE) for sign, key in keys.items()]


def _again(reply_id: str, language: str) -> _Button:
    return say("again", language), f"again:{reply_id}", _PALE


def _card(task_id: str, title: str, desc: str, buttons: Sequence[_Button]) -> dict[str, Any]:
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title, "desc": desc} if desc else {"title": title},
        "task_id": task_id,
        "button_list": [{"text": text, "style": style, "key": key} for text, key, style in buttons],
    }


def _task(id: str, round: int, language: str) -> str:
    """It says in which language the card speaks: a press tells nothing but this id."""
    return f"{_NO_TASK.sub('_', id)[:100]}-{round}-{language}"


def _next_task(task_id: str) -> str:
    found = _TASK.fullmatch(task_id)
    return f"{found[1]}-{int(found[3] or 0) + 1}" if found else task_id


def _language_of(card: Card, default: str) -> str:
    found = _TASK.fullmatch(card.task_id)
    return found[2] if found else default


def _xml(name: str, value: object) -> str:
    """A Mapping becomes an element of elements, a list elements of one name."""
    if isinstance(value, list):
        return "".join(_xml(name, each) for each in value)
    inner = "".join(_xml(*each) for each in value.items()) if isinstance(value, Mapping) else escape(str(value))
    return f"<{name}>{inner}</{name}>"
