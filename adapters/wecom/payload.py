"""What WeCom sends, looked into without trust: a field of another kind than expected is as good as missing."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from core.errors import Malformed

Payload = Mapping[str, Any]

_ID = re.compile(r"[!-~]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,10}")
_URL = re.compile(r"https?://[!-~]{1,8192}")


def object_of(data: bytes | str) -> Payload:
    """A JSON object; raises Malformed."""
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, nested without end, or a number of thousands of digits
        raise Malformed("this is no JSON of WeCom's") from None
    if not isinstance(value, dict):
        raise Malformed("this is no JSON object")
    return value


def text_of(payload: Payload, name: str) -> str:
    """The text in this field, "" where there is none, without what no database takes: NUL and lone surrogates."""
    value = payload.get(name)
    return clean(value) if isinstance(value, str) else ""


def id_of(payload: Payload, name: str) -> str:
    """The id in this field, "" where there is none."""
    value = payload.get(name)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def known(payload: Payload, name: str) -> str:
    """The id in this field. Raises Malformed."""
    id = id_of(payload, name)
    if not id:
        raise Malformed(f"the field {name} is missing")
    return id


def url_of(payload: Payload, name: str) -> str:
    """The web address in this field, "" where there is none."""
    value = text_of(payload, name)
    return value if _URL.fullmatch(value) else ""


def part_of(payload: Payload, name: str) -> Payload:
    """The object in this field, an empty one where there is none."""
    value = payload.get(name)
    return value if isinstance(value, Mapping) else {}


def parts_of(payload: Payload, name: str) -> tuple[Payload, ...]:
    """The objects in the list of this field."""
    value = payload.get(name)
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def moment_of(seconds: object, now: datetime) -> datetime:
    """The moment of a Unix time, a number or its digits; `now` where it is none."""
    text = str(seconds) if isinstance(seconds, int | str) and not isinstance(seconds, bool) else ""
    return datetime.fromtimestamp(int(text), UTC) if _SECONDS.fullmatch(text) else now


def clean(text: str) -> str:
    """Without what no database and no tokenizer takes: NUL and lone surrogates."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
