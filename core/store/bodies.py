"""What is sealed, as bytes and back. Every text survives as it was, NUL and lone surrogates included."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from core.errors import Malformed
from core.message import Author, ThreadId, Visibility

_AUTHOR = frozenset(field.name for field in fields(Author))


@dataclass(frozen=True, slots=True)
class About:
    """The circumstances of a reply: where, for whom, to what, and how it finds its way."""

    thread: ThreadId
    asker: Author
    in_reply_to: str
    return_address: Mapping[str, Any]
    visibility: Visibility


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def load(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise Malformed from None


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def dump_about(about: About) -> bytes:
    return dump(
        {
            "thread": str(about.thread),
            "asker": asdict(about.asker),
            "in_reply_to": about.in_reply_to,
            "return_address": dict(about.return_address),
            "visibility": about.visibility,
        }
    )


def load_about(data: bytes) -> About:
    value = load(data)
    return About(
        ThreadId.parse(value["thread"]),
        author(value["asker"]),
        value["in_reply_to"],
        value["return_address"],
        Visibility(value["visibility"]),
    )


def author(value: Mapping[str, Any]) -> Author:
    """What a later release may have added is skipped."""
    return Author(**{name: item for name, item in value.items() if name in _AUTHOR})
