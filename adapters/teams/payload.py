"""What Teams sends, looked into without trust: a field may be missing or null, but never of another kind."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import Malformed

Payload = Mapping[str, Any]

# A message of Teams has at most 100 KB in UTF-16 (learn.microsoft.com, "Limits and specifications for Microsoft
# Teams"): whatever is longer is none of its.
MAX_TEXT = 100_000
MAX_PARTS = 200

_ID = re.compile(r"[!-~]{1,400}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_YEARS = range(2000, 2200)


def text_of(payload: Payload, name: str, most: int = MAX_TEXT) -> str:
    """The text in this field, "" where there is none, without what no database takes: NUL and lone surrogates."""
    value = payload.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise Malformed(f"the field {name} is no text, or far too long")
    return clean(value)


def id_of(payload: Payload, name: str) -> str:
    """The id in this field, "" where there is none."""
    value = payload.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Malformed(f"the field {name} is no id")
    return value


def known(id: str, name: str) -> str:
    """The id itself, where there is one."""
    if not id:
        raise Malformed(f"the field {name} is missing")
    return id


def part_of(payload: Payload, name: str) -> Payload:
    """The object in this field, an empty one where there is none."""
    value = payload.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Malformed(f"the field {name} is no object")
    return value


def parts_of(payload: Payload, name: str) -> tuple[Payload, ...]:
    """The objects in this field, none where it is missing."""
    value = payload.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_PARTS or not all(isinstance(each, Mapping) for each in value):
        raise Malformed(f"the field {name} is no list of objects, or far too long")
    return tuple(value)


def moment_of(stamp: str) -> datetime:
    """The moment an ISO 8601 timestamp names; without an offset it is UTC's. Raises Malformed."""
    if not _STAMP.fullmatch(stamp):
        raise Malformed("the field timestamp is no time")
    try:
        moment = datetime.fromisoformat(stamp)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("the field timestamp is no time") from None
    if moment.year not in _YEARS:
        raise Malformed("the field timestamp is no time of Teams")
    return moment


def clean(text: str) -> str:
    """Without what no database and no tokenizer takes: NUL and lone surrogates."""
    return text.replace("\0", "").encode(errors="replace").decode()
