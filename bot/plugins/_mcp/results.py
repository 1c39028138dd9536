"""What a tool answered, as chunks of an answer: words, pictures, sources, each within its bounds."""

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from bot.plugins._mcp.texts import say
from bot.plugins._mcp.words import clean, line
from core.message import Chunk, Citation, Image, Source, Sources, Text
from core.plugin import Result

LONGEST = 16_000  # characters of words
_LONGEST_MISTAKE = 1_000
_LARGEST_PICTURE = 5 * 1024 * 1024  # bytes
_MOST_PICTURES = 8
_MOST_LINKS = 20
_PICTURES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}


def result_of(answer: CallToolResult, tool: str, server: str, language: str) -> Result:
    """Never without words."""
    names = {"tool": line(tool, 80), "server": server}
    if answer.is_error:
        words = line("\n".join(_words(answer.content)), _LONGEST_MISTAKE)
        return say("mistake", language, words=words, **names) if words else say("mistake_unnamed", language, **names)
    pictures, lacking = _pictures(answer.content)
    links = _links(answer.content)
    text = "\n\n".join(filter(None, map(str.strip, _words(answer.content))))
    if not text and answer.structured_content not in (None, {}, []):
        text = _fenced(answer.structured_content, language)
    if not text and (links or pictures):
        text = "\n".join(f"{link.title}: {link.url}" for link in links) or say("pictures", language)
    notes = say("left_out", language, what=", ".join(lacking)) if lacking else ""
    said = "\n\n".join(filter(None, (_bounded(text, language), notes))) or say("empty", language, **names)
    return _chunks(said, pictures, links)


def _chunks(said: str, pictures: Sequence[Image], links: Sequence[Citation]) -> Result:
    if not pictures and not links:
        return said
    chunks: list[Chunk] = [Text(said, Source.PLUGIN), *pictures]
    return [*chunks, Sources(tuple(links))] if links else chunks


def _words(content: Sequence[ContentBlock]) -> list[str]:
    words = []
    for block in content:
        match block:
            case TextContent(text=text):
                words.append(clean(text))
            case EmbeddedResource(resource=TextResourceContents(text=text, uri=uri)):
                words.append(f"{line(str(uri), 300)}\n\n{clean(text)}")
            case ResourceLink(uri=uri) if not _is_web(uri):
                words.append(f"{_title(block)}: {line(uri, 300)}")
    return words


def _links(content: Sequence[ContentBlock]) -> list[Citation]:
    links = [block for block in content if isinstance(block, ResourceLink) and _is_web(block.uri)]
    return [Citation(_title(link), clean(link.uri), line(link.description or "", 300)) for link in links[:_MOST_LINKS]]


def _title(link: ResourceLink) -> str:
    return line(link.title or link.name, 120) or line(link.uri, 120)


def _is_web(uri: str) -> bool:
    return uri.startswith(("https://", "http://")) and len(uri) <= 2_000 and not any(mark.isspace() for mark in uri)


def _pictures(content: Sequence[ContentBlock]) -> tuple[list[Image], list[str]]:
    """The pictures that can be shown, and the kinds of what cannot."""
    pictures: list[Image] = []
    lacking = []
    for block in content:
        match block:
            case ImageContent():
                picture = _picture(block) if len(pictures) < _MOST_PICTURES else None
                if picture:
                    pictures.append(picture)
                else:
                    lacking.append(line(block.mime_type, 60))
            case AudioContent():
                lacking.append(line(block.mime_type, 60))
            case EmbeddedResource(resource=BlobResourceContents(mime_type=kind, uri=uri)):
                lacking.append(line(kind or str(uri), 60))
    return pictures, list(dict.fromkeys(filter(None, lacking)))[:_MOST_PICTURES]


def _picture(block: ImageContent) -> Image | None:
    """None where it is too large, or is not what it says to be."""
    beginnings = _PICTURES.get(block.mime_type)
    if not beginnings or len(block.data) > _LARGEST_PICTURE * 4 // 3 + 4:
        return None
    try:
        data = b64decode(block.data, validate=True)
    except ValueError:
        return None
    is_webp = block.mime_type != "image/webp" or data[8:12] == b"WEBP"
    is_whole = len(data) <= _LARGEST_PICTURE and data.startswith(beginnings) and is_webp
    return Image(data, block.mime_type, alt="") if is_whole else None


def _fenced(content: Any, language: str) -> str:
    """As JSON; no line of it begins with a fence, since every line is one value."""
    try:
        text = clean(json.dumps(content, ensure_ascii=False, indent=2))
    except (TypeError, ValueError, RecursionError):
        return ""
    return f"```json\n{_bounded(text, language, LONGEST - 40)}\n```"


def _bounded(text: str, language: str, limit: int = LONGEST) -> str:
    note = say("cut", language)
    return text if len(text) <= limit else f"{text[: limit - len(note)]}{note}"
