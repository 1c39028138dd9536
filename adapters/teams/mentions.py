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

Spans = list[tuple[int, int, str]]
Tags = dict[str, list[tuple[int, int]]]
"""Where the tags of each name stand."""


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
    own = _found(text, tags, lambda _: "")
    others = [mention for mention in mentions if mention.id != bot_id]
    spans = own + _found(text, others, lambda mention: f"@{mention.name.lstrip('@')}")
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


def _found(text: str, mentions: Sequence[Mention], instead: Callable[[Mention], str]) -> Spans:
    """Where each mention stands in the text, once each, and what is to stand there."""
    spans: Spans = []
    taken: set[int] = set()
    tags: Tags = {}
    for tag in _TAG.finditer(text):
        tags.setdefault(unescape(tag["name"]), []).append(tag.span())
    for mention in mentions:
        place = next((place for place in _places(text, mention, tags) if place[0] not in taken), None)
        if place is not None:
            taken.add(place[0])
            spans.append((*place, instead(mention)))
    return spans


def _places(text: str, mention: Mention, tags: Tags) -> Iterator[tuple[int, int]]:
    """Where a mention may stand: as its entity says, else in a tag with the name, written in whatever way."""
    at = text.find(mention.text)
    while at >= 0:
        yield at, at + len(mention.text)
        at = text.find(mention.text, at + len(mention.text))
    yield from tags.get(mention.name, ())


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
