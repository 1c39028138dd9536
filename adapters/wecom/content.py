"""What a person wrote to an AI bot: text, pictures and files, what they quote, and whom they turn to. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.wecom.payload import Payload, part_of, parts_of, text_of, url_of
from adapters.wecom.texts import say
from core.language import language_of
from core.message import Attachment

LOCALE = "zh-CN"

_MEDIA = {"image": "image/*", "voice": "audio/*", "video": "video/*", "file": "application/octet-stream"}
_UNKNOWN = "application/octet-stream"
_MAX_ITEMS, _MAX_NAME = 100, 255
_FIRST_NAME = re.compile(r"@[^\s@,，:：]{1,64}(?:[\s,，:：]+|$)")


@dataclass(frozen=True, slots=True)
class File:
    """Something that is no text: a picture, say. `kind` is WeCom's msgtype."""

    kind: str
    address: Mapping[str, Any]
    name: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    text: str = ""
    files: tuple[File, ...] = ()


def content_of(said: Payload) -> Content:
    """What a message, or a quoted one, says; of a type nobody knows yet at least that it was there.

    `{"msgtype": "X", "X": {…}}` (developer.work.weixin.qq.com, document 100719).
    """
    part = part_of(said, "mixed")
    if text_of(said, "msgtype") != "mixed":
        return _item(said)
    items = [_item(item) for item in parts_of(part, "msg_item")[:_MAX_ITEMS]]
    texts = [item.text for item in items if item.text.strip()]
    return Content("\n".join(texts), tuple(file for item in items for file in item.files))


def _item(said: Payload) -> Content:
    kind = text_of(said, "msgtype")[:64]
    part = part_of(said, kind)
    text = text_of(part, "content")  # of a voice message too, which WeCom has written down
    if text.strip() or kind == "text":
        return Content(text)
    address = {name: value for name in ("url", "aeskey") if (value := text_of(part, name))}
    name = text_of(part, "filename") or text_of(part, "name")
    return Content(files=(File(kind, address if url_of(part, "url") else {}, name),))


def without_mention(text: str, name: str) -> str:
    """A group's text without the "@name" that it begins with; whoever else is named stays in it.

    `name` is the bot's, else it is the first one: WeCom gives the bot what mentions it alone.
    """
    line = text.strip()
    if not name:
        rest = _FIRST_NAME.sub("", line, count=1) if line.startswith("@") else line
        return rest.strip() or line
    mention = f"@{name}"
    rest = line.removeprefix(mention)
    if rest == line or _goes_on(name, rest):
        return line
    return rest.lstrip(",，:： \t\r\n\u2005\u00a0\u3000").rstrip()


def _goes_on(name: str, rest: str) -> bool:
    """Whether the name found is only the beginning of a longer one, as far as Latin letters tell."""
    return name[-1].isascii() and name[-1].isalnum() and rest[:1].isascii() and rest[:1].isalnum()


def quoted(quote: str, text: str) -> str:
    """The text with what it refers to before it, as a quotation in Markdown."""
    lines = "\n".join(f"> {line}".rstrip() for line in quote.strip().splitlines())
    return "\n\n".join(piece for piece in (lines, text) if piece)


def attachments_of(files: Iterable[File], id: str, text: str) -> tuple[Attachment, ...]:
    """The files of message `id`; those that came without a name are called what they are, in the language of `text`."""
    language = language_of(text, LOCALE)
    return tuple(
        Attachment(
            id=f"{id}:{place}",
            name=(file.name or _usual_name(file.kind, language))[:_MAX_NAME],
            media_type=file.media_type or _media_type(file),
            address=file.address,
        )
        for place, file in enumerate(files)
    )


def _media_type(file: File) -> str:
    """An AI bot is told neither name nor type of a file: whether it is text its content tells."""
    return "text/*" if file.kind == "file" and not file.name else _MEDIA.get(file.kind, _UNKNOWN)


def _usual_name(kind: str, language: str) -> str:
    return say(f"named_{kind}", language) if kind in _MEDIA else kind
