"""Pictures for WeCom: uploaded through the long connection in chunks, then named by their media id."""

import asyncio
import base64
from collections.abc import Mapping
from hashlib import md5
from typing import Any, Protocol

from adapters.wecom.errors import Unsure, WecomRefused
from core.errors import RateLimited
from core.message import Image

# WeCom takes up to 100 chunks of 512 KB each (document 101463). Smaller ones are acknowledged in time on a slow wire,
# and leave room between them for the frames of answers.
_CHUNK = 128 * 1024
_MOST = 10 * 1024 * 1024
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg"}
_TRIES = 3
_PAUSE = 0.5  # seconds


class Sends(Protocol):
    """What showing an answer needs of a Connection."""

    async def send(self, cmd: str, body: Mapping[str, Any], *, req_id: str = "") -> Mapping[str, Any]: ...


def is_takable(image: Image) -> bool:
    """Whether WeCom takes this picture: PNG or JPEG, up to 10 MB."""
    return image.media_type in _ENDINGS and 0 < len(image.data) <= _MOST


async def upload(connection: Sends, image: Image, *, pause: float = _PAUSE) -> str:
    """The media id of a picture that WeCom takes, good for three days. Raises what `send` does."""
    chunks = [image.data[start : start + _CHUNK] for start in range(0, len(image.data), _CHUNK)]
    begun = await connection.send(
        "aibot_upload_media_init",
        {
            "type": "image",
            "filename": f"picture.{_ENDINGS[image.media_type]}",
            "total_size": len(image.data),
            "total_chunks": len(chunks),
            "md5": md5(image.data, usedforsecurity=False).hexdigest(),
        },
    )
    upload_id = _named(begun, "upload_id")
    # WeCom's own SDK counts chunks from 0, and WeCom's document from 1.
    base = await _first(connection, upload_id, chunks[0], pause)
    for index, chunk in enumerate(chunks[1:], base + 1):
        await _send(connection, upload_id, index, chunk, pause)
    return _named(await connection.send("aibot_upload_media_finish", {"upload_id": upload_id}), "media_id")


async def _first(connection: Sends, upload_id: str, chunk: bytes, pause: float) -> int:
    try:
        await _send(connection, upload_id, 0, chunk, pause)
    except WecomRefused:
        await _send(connection, upload_id, 1, chunk, pause)
        return 1
    return 0


async def _send(connection: Sends, upload_id: str, index: int, chunk: bytes, pause: float) -> None:
    """A chunk may be sent again: it is told by its number."""
    body = {"upload_id": upload_id, "chunk_index": index, "base64_data": base64.b64encode(chunk).decode()}
    for again in range(1, _TRIES + 1):
        try:
            await connection.send("aibot_upload_media_chunk", body)
            return
        except (Unsure, RateLimited):
            if again == _TRIES:
                raise
        await asyncio.sleep(pause * again)


def _named(body: Mapping[str, Any], name: str) -> str:
    if not (value := body.get(name)):
        raise WecomRefused(0, f"the upload was answered without {name}")
    return str(value)
