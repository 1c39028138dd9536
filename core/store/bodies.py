"""What is sealed, as bytes and back. Every text survives as it was, NUL and lone surrogates included."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from core.errors import Malformed
from core.extras import Extra, Placed
from core.message import Ask, Author, Citation, Image, Source, Sources, ThreadId, Visibility

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


def dump_extras(extras: Sequence[Placed]) -> bytes:
    """A head that says what there is, its length before it, then the bytes of the pictures as they are."""
    head = dump([_described(placed) for placed in extras])
    pictures = (placed.extra.data for placed in extras if isinstance(placed.extra, Image))
    return b"".join((len(head).to_bytes(4), head, *pictures))


def load_extras(data: bytes) -> tuple[Placed, ...]:
    """The inverse of `dump_extras`; a kind that a later release may have added is skipped. Raises Malformed."""
    start = 4 + int.from_bytes(data[:4])
    extras = []
    try:
        for item in load(data[4:start]):
            end = start + item.get("size", 0)
            if extra := _extra(item, data[start:end]):
                extras.append(Placed(item["at"], extra))
            start = end
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Malformed from None
    return tuple(extras)


def _described(placed: Placed) -> dict[str, Any]:
    extra = placed.extra
    common = {"kind": type(extra).__name__, "at": placed.at, "source": extra.source}
    match extra:
        case Image(data, media_type, alt):
            return common | {"media_type": media_type, "alt": alt, "size": len(data)}
        case Sources(items):
            return common | {"items": [[item.title, item.url, item.excerpt] for item in items]}
        case Ask(id_, text):
            return common | {"id": id_, "text": text}


def _extra(item: Mapping[str, Any], data: bytes) -> Extra | None:
    match item["kind"]:
        case "Image":
            return Image(data, item["media_type"], item["alt"], Source(item["source"]))
        case "Sources":
            return Sources(tuple(Citation(*citation[:3]) for citation in item["items"]), Source(item["source"]))
        case "Ask":
            return Ask(item["id"], item["text"], Source(item["source"]))
        case _:
            return None
