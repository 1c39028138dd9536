"""What a person wrote, read from Teams' own way of writing it: mentions in tags, and characters of HTML. Pure.

Teams writes `<at>name</at>` into the text and adds an entity for each mention, whose `text` repeats the tag
(learn.microsoft.com, "Channel and group conversations with a bot").
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape

from adapters.teams.payload import Payload, id_of, part_of, parts_of, text_of

_TAG = re.compile(r"<at(?:\s[^<>]{0,200})?>(?P<name>[^<>]{0,200})</at>")
_FIRST_TAG = re.compile(rf"\s*{_TAG.pattern}")
# With its semicolon alone: `?a=1&copy=2` is an address, and no sign of copyright.
_CHARACTER = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_COMMAS = (",", ":", "，", "：")

_SEARCHES = 20  # entities whose text is no tag, which Teams never writes, are looked for in all of the text

Place = tuple[int, int]
Spans = list[tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody is named: by which id, under what name, and how the text says so."""

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """The text of an activity as Markdown, without the bot's own mention, and whom it turns to."""

    text: str
    is_mention: bool = False
    begins_with_another: bool = False


def said(activity: Payload) -> Said:
    """What an activity says to its recipient, the bot. Raises Malformed."""
    bot, text = part_of(activity, "recipient"), text_of(activity, "text")
    mentions, bot_id = mentions_in(activity), id_of(bot, "id")
    ours = [mention for mention in mentions if mention.id == bot_id]
    # Only where Teams names nobody is the bare name believed: somebody else may have the bot's.
    tags = ours if mentions else [Mention(bot_id, name, f"<at>{name}</at>") for name in _names(bot)]
    places = _Places(text)
    own = places.found(tags, lambda _: "")
    others = [mention for mention in mentions if mention.id != bot_id]
    spans = own + places.found(others, lambda mention: f"@{mention.name.lstrip('@')}")
    first = _FIRST_TAG.match(text)
    return Said(
        text=_decoded(_rewritten(text, spans)),
        is_mention=bool(own or ours),
        begins_with_another=first is not None and not any(start < first.end() for start, _, _ in own),
    )


def mentions_in(activity: Payload) -> tuple[Mention, ...]:
    """Who is named, as Teams says it beside the text. Raises Malformed."""
    entities = (entity for entity in parts_of(activity, "entities") if entity.get("type") == "mention")
    return tuple(_mention(entity) for entity in entities)


def _mention(entity: Payload) -> Mention:
    mentioned = part_of(entity, "mentioned")
    name = text_of(mentioned, "name", 400)
    return Mention(id_of(mentioned, "id"), name, text_of(entity, "text", 1000) or f"<at>{name}</at>")


def _names(bot: Payload) -> tuple[str, ...]:
    name = text_of(bot, "name", 400)
    return (name,) if name else ()


class _Places:
    """Where mentions stand in a text, each place for one of them: as its entity says, else in a tag with its name.

    Every place is looked at once for all the mentions that may stand there, so it costs as much as the text is long.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._taken: set[int] = set()
        self._tags: dict[str, list[Place]] = {}
        self._names: dict[str, list[Place]] = {}
        for tag in _TAG.finditer(text):
            self._tags.setdefault(tag[0], []).append(tag.span())
            self._names.setdefault(unescape(tag["name"]), []).append(tag.span())
        self._left: dict[tuple[str, str], Iterator[Place]] = {}
        self._searches = _SEARCHES

    def found(self, mentions: Sequence[Mention], instead: Callable[[Mention], str]) -> Spans:
        """The place of each mention that has one, and what is to stand there."""
        spans: Spans = []
        for mention in mentions:
            if place := self._take("text", mention.text) or self._take("name", mention.name):
                spans.append((*place, instead(mention)))
        return spans

    def _take(self, kind: str, wanted: str) -> Place | None:
        """The next place that is nobody's yet."""
        key = kind, wanted
        if key not in self._left:
            self._left[key] = iter(self._names.get(wanted, ())) if kind == "name" else self._with_text(wanted)
        place = next((place for place in self._left[key] if place[0] not in self._taken), None)
        if place is not None:
            self._taken.add(place[0])
        return place

    def _with_text(self, wanted: str) -> Iterator[Place]:
        if wanted in self._tags:
            return iter(self._tags[wanted])
        if _TAG.fullmatch(wanted) or not self._searches:
            return iter(())
        self._searches -= 1
        return _occurrences(self._text, wanted)


def _occurrences(text: str, wanted: str) -> Iterator[Place]:
    at = text.find(wanted)
    while at >= 0:
        yield at, at + len(wanted)
        at = text.find(wanted, at + len(wanted))


def _rewritten(text: str, spans: Spans) -> str:
    """The text with something else in these places; of two that overlap the first counts."""
    pieces, done = [], 0
    for start, end, instead in sorted(spans):
        if start < done:
            continue
        pieces.append(_with_names(text[done:start]))
        if not instead:  # a mention taken out takes its space and its comma along
            pieces[-1] = pieces[-1].removesuffix(" ")
            end += text[end : end + 1] in _COMMAS
        pieces.append(instead)
        done = end
    return "".join([*pieces, _with_names(text[done:])])


def _with_names(text: str) -> str:
    return _TAG.sub(lambda tag: f"@{tag['name'].lstrip('@')}", text)


def _decoded(text: str) -> str:
    plain = _CHARACTER.sub(lambda character: unescape(character[0]), text)
    return plain.replace("\xa0", " ").replace("\r\n", "\n").replace("\0", "").strip()
