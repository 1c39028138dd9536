"""What an answer has besides its words: pictures, sources, questions to be confirmed, each at its place among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.message import Ask, Chunk, Image, Source, Sources, Text

Extra = Image | Sources | Ask

# What is kept with one answer until it is delivered: pictures, their bytes, and the characters of all the rest.
# The database has seconds to take it, and to give it back.
ROOM = (10, 10 * 2**20, 2**20)


@dataclass(frozen=True, slots=True)
class Placed:
    """An extra with the number of characters of the answer's text before it; what an Ask says is part of that text."""

    at: int
    extra: Extra


def with_words(text: str, source: Source, extras: Sequence[Placed]) -> Iterator[Chunk]:
    """A finished answer as chunks, in the order they were said; neighbouring pieces of text are one."""
    said = 0
    for placed in extras:
        if placed.at > said:
            yield Text(text[said : placed.at], source)
        yield placed.extra
        said = placed.at + (len(placed.extra.text) if isinstance(placed.extra, Ask) else 0)
    if said < len(text) or not extras:
        yield Text(text[said:], source)


def within_room(extras: Sequence[Placed]) -> tuple[Placed, ...]:
    """Those there is room for; one that is too much makes way for smaller ones after it."""
    kept: list[Placed] = []
    room: tuple[int, ...] = ROOM
    for placed in extras:
        left = tuple(free - needed for free, needed in zip(room, _needs(placed.extra), strict=True))
        if min(left) >= 0:
            kept.append(placed)
            room = left
    return tuple(kept)


def _needs(extra: Extra) -> tuple[int, int, int]:
    match extra:
        case Image(data, media_type, alt):
            return 1, len(data), len(media_type) + len(alt)
        case Sources(items):
            return 0, 0, sum(1 + len(item.title) + len(item.url) + len(item.excerpt) for item in items)
        case Ask(id_, text):
            return 0, 0, len(id_) + len(text)
