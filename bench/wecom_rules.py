"""What a callback has to say for anything to come of it: said a second time, so that the door is not its own judge."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from bench.platforms.wecom.courier import tree
from bench.platforms.wecom.platform import AGENT, BOT_ID, CORP

_ID = re.compile(r"[\x21-\x7e]{1,256}")


def is_sound(way: str, message: bytes) -> bool:
    """Whether something may be stored of it: whose it is, for whom and which can be told.

    A sound one may still be none of ours.
    """
    told = _json(message) if way == "wecom" else _xml(message)
    return bool(told) and all(_of_bot(told) if way == "wecom" else _of_app(told))


def _of_bot(told: Mapping[str, Any]) -> Iterator[bool]:
    person, kind = told.get("from"), told.get("chattype")
    yield told.get("aibotid", BOT_ID) == BOT_ID
    yield _is_id(told.get("msgid"))
    yield isinstance(person, Mapping) and _is_id(person.get("userid"))
    yield kind != "group" or _is_id(told.get("chatid"))
    yield isinstance(told.get("msgtype"), str) and told["msgtype"] not in ("", "stream")


def _of_app(told: Mapping[str, Any]) -> Iterator[bool]:
    yield told.get("ToUserName") == CORP
    yield told.get("AgentID") == str(AGENT)
    yield _is_id(told.get("FromUserName"))
    yield _is_id(told.get("CreateTime"))
    is_event = told.get("MsgType") == "event"
    yield told.get("Event") in ("subscribe", "template_card_event") if is_event else _is_id(told.get("MsgId"))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _json(message: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(message.decode())
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _xml(message: bytes) -> Mapping[str, Any]:
    try:
        return tree(message)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return {}
