"""What a bot or an app may say: the forms of message bodies, and what WeCom refuses of them."""

import base64
import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from bench.platforms.wecom.errors import BAD_MEDIA, ApiError, invalid
from bench.platforms.wecom.journal import Payload
from bench.platforms.wecom.limits import FEEDBACK_BYTES, STREAM_BYTES

MEDIA: Final = ("image", "voice", "video", "file")
CARDS: Final = ("text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction")
_TASK = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
_BUTTONS, _KEY_BYTES = 6, 1024
_LISTS = {"horizontal_content_list": 6, "jump_list": 3, "select_list": 3}
_IMAGES, _IMAGE_BYTES = 10, 10 * 1024 * 1024

FindMedia = Callable[[str, str], bytes | None]  # by media_id and type


@dataclass(slots=True)
class Content:
    """What one body says. `finish` and `stream` are a stream's; `feedback` is the feedback id."""

    kind: str
    text: str = ""
    stream: str = ""
    finish: bool = True
    feedback: str = ""
    card: Payload | None = None
    media: bytes = b""
    images: list[bytes] = field(default_factory=list)


def read(body: Payload, allowed: Collection[str], media: FindMedia, *, has_images: bool = False) -> Content:
    """What a bot says. Raises ApiError. `has_images`: a stream that ends may carry pictures (by callback alone)."""
    kind = str(body.get("msgtype"))
    if kind not in allowed:
        raise invalid(f"msgtype {kind}")
    given = _object(body, kind)
    match kind:
        case "stream":
            return _stream(given, has_images=has_images)
        case "text" | "markdown":
            return Content(kind, _text(given), feedback=_feedback(given))
        case "template_card":
            return Content(kind, card=card(given), feedback=_feedback(given))
        case _:
            return Content(kind, media=found(given, kind, media))


def found(given: Payload, kind: str, media: FindMedia) -> bytes:
    content = media(str(given.get("media_id")), kind)
    if content is None:
        raise ApiError(BAD_MEDIA)
    return content


def card(given: Payload) -> Payload:
    """Looks at a template card (document 101032) and returns it."""
    kind = given.get("card_type")
    if kind not in CARDS:
        raise invalid("card_type")
    if not ((given.get("main_title") or {}).get("title") or given.get("sub_title_text")):
        raise invalid("main_title")
    buttons = given.get("button_list") or []
    if kind == "button_interaction" and not 0 < len(buttons) <= _BUTTONS:
        raise invalid("button_list")
    task = given.get("task_id")
    if (buttons or kind in CARDS[2:]) and not isinstance(task, str):
        raise invalid("task_id")
    if task is not None and not _TASK.fullmatch(str(task)):
        raise invalid("task_id")
    for button in buttons:
        if not button.get("text") or not 0 < len(str(button.get("key", "")).encode()) <= _KEY_BYTES:
            raise invalid("button_list.key")
    for name, most in _LISTS.items():
        if len(given.get(name) or ()) > most:
            raise invalid(name)
    return given


def _stream(given: Payload, *, has_images: bool) -> Content:
    id, content, finish = given.get("id"), given.get("content", ""), given.get("finish", False)
    if not isinstance(id, str) or not id or not isinstance(content, str) or not isinstance(finish, bool):
        raise invalid("stream")
    if len(content.encode()) > STREAM_BYTES:
        raise invalid(f"content exceeds {STREAM_BYTES} bytes")
    items = given.get("msg_item") or []
    if items and not (has_images and finish):
        raise invalid("msg_item")
    if len(items) > _IMAGES:
        raise invalid("msg_item")
    return Content("stream", content, id, finish, _feedback(given), images=[_image(item) for item in items])


def _image(item: Payload) -> bytes:
    """`{"msgtype": "image", "image": {"base64", "md5"}}`: the sum is that of the picture, before base64."""
    told = _object(item, "image")
    try:
        content = base64.b64decode(str(told.get("base64")), validate=True)
    except ValueError:
        raise invalid("msg_item.image.base64") from None
    if hashlib.md5(content).hexdigest() != told.get("md5"):  # noqa: S324 - WeCom's choice
        raise invalid("msg_item.image.md5")
    if len(content) > _IMAGE_BYTES or not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        raise invalid("msg_item.image")
    return content


def _text(given: Payload) -> str:
    content = given.get("content")
    if not isinstance(content, str) or not content:
        raise invalid("content")
    if len(content.encode()) > STREAM_BYTES:
        raise invalid(f"content exceeds {STREAM_BYTES} bytes")
    return content


def _feedback(given: Payload) -> str:
    told = given.get("feedback")
    if told is None:
        return ""
    id = told.get("id") if isinstance(told, dict) else None
    if not isinstance(id, str) or not 0 < len(id.encode()) <= FEEDBACK_BYTES:
        raise invalid("feedback.id")
    return id


def _object(body: Any, name: str) -> Payload:
    told = body.get(name) if isinstance(body, dict) else None
    if not isinstance(told, dict):
        raise invalid(name)
    return told
