"""Events and readings as JSON and back; unknown fields are skipped so that two releases can share one database."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from core.errors import Malformed
from core.message import Command, Deleted, Edited, Event, Feedback, LastReplyTo, Message, PartId, ReplyId
from core.reading import Reading

_TAGGED: dict[str, type] = {
    kind.__name__: kind for kind in (Message, Command, Edited, Deleted, Feedback, ReplyId, PartId, LastReplyTo)
}


def dumps(value: Event | Reading) -> bytes:
    """One event or reading as UTF-8 JSON; times as ISO 8601."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def loads(data: bytes) -> Event:
    """The event that `dumps` was given; raises Malformed where it is none."""
    try:
        return cast(Event, _tagged(json.loads(data)))
    except (ValueError, TypeError, KeyError) as error:
        raise Malformed(f"not an event: {type(error).__name__}") from error


def loads_reading(data: bytes) -> Reading:
    """The reading that `dumps` was given; raises Malformed where it is none."""
    try:
        return cast(Reading, _build(Reading, dict(json.loads(data))))
    except (ValueError, TypeError, KeyError) as error:
        raise Malformed(f"not a reading: {type(error).__name__}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, ReplyId):
        return {"$": "ReplyId", "value": str(value)}
    if is_dataclass(value):
        kind = type(value).__name__
        tag = {"$": kind} if kind in _TAGGED else {}
        return tag | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _tagged(value: dict[str, Any]) -> Any:
    kind = _TAGGED[value["$"]]
    return ReplyId(value["value"]) if kind is ReplyId else _build(kind, value)


@cache
def _shape(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name], f.default is MISSING and f.default_factory is MISSING) for f in fields(kind))


def _build(kind: type, value: dict[str, Any]) -> Any:
    known = {
        name: _typed(hint, value[name]) for name, hint, is_required in _shape(kind) if is_required or name in value
    }
    return kind(**known)


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(value, dict) and "$" in value:
        return _tagged(value)
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(_typed(get_args(hint)[0], item) for item in value)
    if origin in (Union, types.UnionType):
        return value if value is None else _typed(get_args(hint)[0], value)
    if not isinstance(hint, type):
        return value
    if hint is datetime:
        return datetime.fromisoformat(value)
    if issubclass(hint, StrEnum):
        return hint(value)
    return _build(hint, value) if is_dataclass(hint) else value
