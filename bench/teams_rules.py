"""What an activity has to be for anything to come of it: said a second time, so that the door is not its own judge."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

from bench.teams_posts import service_url

_ARRIVALS = ("installationUpdate", "conversationUpdate")
_NAMED = ("message", "messageUpdate", "messageDelete")  # what is about a message says about which
_TYPES = frozenset({*_ARRIVALS, *_NAMED, "messageReaction", "invoke"})
_SPOKEN = {"message": ("text",), "messageUpdate": ("text",), "invoke": ("name",)}
_ID = re.compile(r"[\x21-\x7e]{1,400}")
_BYTES, _TEXT, _DEPTH = 1024 * 1024, 100_000, 64


def type_of(body: bytes) -> str:
    """The type that a body says, "" where it says none."""
    document = _read(body)
    kind = document.get("type") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else ""


def is_sound(body: bytes) -> bool:
    """Whether something may be stored of an activity: whose it is, where and what it says can be told.

    A sound one may still be none of ours.
    """
    document = _read(body)
    return isinstance(document, dict) and _depth(document) <= _DEPTH and all(_verdicts(document))


def _verdicts(told: dict[str, Any]) -> Iterator[bool]:
    """Each is only asked where those before it are true."""
    kind, person, bot, place = (
        told.get("type"),
        _part(told, "from"),
        _part(told, "recipient"),
        _part(told, "conversation"),
    )
    yield isinstance(kind, str) and kind in _TYPES
    yield told.get("channelId") == "msteams"
    yield told.get("serviceUrl") == service_url()
    yield all(_is_id(part.get("id")) for part in (person, bot, place))
    yield _is_id(place.get("tenantId")) or _is_id(_part(_part(told, "channelData"), "tenant").get("id"))
    is_click = kind == "message" and not told.get("text") and bool(told.get("value"))
    yield _is_id(told.get("id")) or ((is_click or kind not in _NAMED) and told.get("id") in (None, ""))
    yield _is_moment(told.get("timestamp"))
    yield all(_is_text(told.get(name)) for name in ("locale", *_SPOKEN.get(str(kind), ())))
    # That the bot is there, it may be told in its own name; what it said itself it need not hear.
    yield kind in _ARRIVALS or (person["id"] != bot["id"] and not person["id"].startswith("28:"))


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    return value if isinstance(value, dict) else {}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= _TEXT)


def _is_moment(value: object) -> bool:
    told = value.replace("\0", "") if isinstance(value, str) else value  # which is read as if it were not there
    if told is None or told == "":
        return True
    try:
        return isinstance(told, str) and 2000 <= datetime.fromisoformat(told).year < 2201
    except ValueError:
        return False


def _depth(value: Any) -> int:
    layer, depth = [value], 0
    while layer and depth <= _DEPTH:
        layer = [inner for each in layer for inner in (each.values() if isinstance(each, dict) else each)]
        layer, depth = [inner for inner in layer if isinstance(inner, dict | list)], depth + 1
    return depth


def _read(body: bytes) -> Any:
    if len(body) > _BYTES:
        return None
    try:
        return json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
