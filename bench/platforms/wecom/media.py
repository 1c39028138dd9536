"""Pictures and files: what the bot and the app uploaded, and what people sent."""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from bench.platforms.wecom.contents import MEDIA
from bench.platforms.wecom.crypto import encrypted
from bench.platforms.wecom.errors import ApiError, invalid
from bench.platforms.wecom.journal import Payload
from bench.platforms.wecom.limits import MEDIA_URL_SECONDS

# In bytes, documents 90253 and 101463.
MOST = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
_CHUNKS, _CHUNK_BYTES = 100, 512 * 1024
_UPLOAD_SECONDS, _KEPT_SECONDS = 30 * 60.0, 3 * 24 * 3600.0
_LEAST = 5


@dataclass(slots=True)
class Stored:
    """A media_id's content; `kind` is image, voice, video or file."""

    id: str
    kind: str
    name: str
    content: bytes
    at: float


@dataclass(slots=True)
class Sent:
    """What a person sent to the bot: encrypted, under an address of its own, for five minutes."""

    name: str
    content: bytes
    at: float


@dataclass(slots=True)
class Upload:
    kind: str
    name: str
    size: int
    count: int
    md5: str
    at: float
    chunks: dict[int, bytes] = field(default_factory=dict)


class Media:
    """`clock` is what everything gets old by."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.stored: dict[str, Stored] = {}
        self.sent: dict[str, Sent] = {}
        self._uploads: dict[str, Upload] = {}
        self._clock = clock

    def find(self, id: str, kind: str) -> bytes | None:
        stored = self.get(id)
        return stored.content if stored is not None and stored.kind == kind else None

    def get(self, id: str) -> Stored | None:
        stored = self.stored.get(id)
        return stored if stored is not None and self._clock() - stored.at <= _KEPT_SECONDS else None

    def keep(self, kind: str, name: str, content: bytes) -> Stored:
        """Raises ApiError where it is too large, or hardly anything."""
        if kind not in MEDIA or not _LEAST < len(content) <= MOST[kind]:
            raise invalid("media")
        stored = Stored(f"media-{uuid4().hex}", kind, name, content, self._clock())
        self.stored[stored.id] = stored
        return stored

    def send(self, name: str, content: bytes, key: bytes = b"") -> tuple[str, str]:
        """A person's file: its id in the address, and the resource's own key; with `key` sealed by that one."""
        own = key or os.urandom(32)
        id = uuid4().hex
        self.sent[id] = Sent(name, encrypted(content, own), self._clock())
        return id, "" if key else base64.b64encode(own).decode()

    def fetch(self, id: str) -> Sent | None:
        sent = self.sent.get(id)
        return sent if sent is not None and self._clock() - sent.at <= MEDIA_URL_SECONDS else None

    # Through the long connection (document 101463).

    def begin(self, body: Payload) -> Payload:
        kind, size, count = body.get("type"), body.get("total_size"), body.get("total_chunks")
        if kind not in MEDIA or not isinstance(body.get("filename"), str) or not isinstance(body.get("md5"), str):
            raise invalid("type, filename or md5")
        if type(size) is not int or type(count) is not int or not 0 < count <= _CHUNKS or size > MOST[kind]:
            raise invalid("total_size or total_chunks")
        id = uuid4().hex
        self._uploads[id] = Upload(kind, body["filename"], size, count, body["md5"], self._clock())
        return {"upload_id": id}

    def add(self, body: Payload) -> Payload:
        """Whether chunks are counted from 0 or from 1 is told in two ways; both are taken."""
        upload, index = self._upload(body), body.get("chunk_index")
        if type(index) is not int or not 0 <= index <= upload.count:
            raise invalid("chunk_index")
        try:
            content = base64.b64decode(str(body.get("base64_data")), validate=True)
        except ValueError:
            raise invalid("base64_data") from None
        if not 0 < len(content) <= _CHUNK_BYTES:
            raise invalid("base64_data")
        upload.chunks[index] = content
        return {}

    def finish(self, body: Payload) -> Payload:
        upload = self._upload(body)
        content = b"".join(upload.chunks[index] for index in sorted(upload.chunks))
        whole = len(upload.chunks) == upload.count and len(content) == upload.size
        if not whole or hashlib.md5(content).hexdigest() != upload.md5:  # noqa: S324 - WeCom's choice
            raise invalid("the chunks are not the file")
        stored = self.keep(upload.kind, upload.name, content)
        del self._uploads[str(body["upload_id"])]
        return {"type": stored.kind, "media_id": stored.id, "created_at": str(int(stored.at))}

    def _upload(self, body: Payload) -> Upload:
        upload = self._uploads.get(str(body.get("upload_id")))
        if upload is None or self._clock() - upload.at > _UPLOAD_SECONDS:
            raise ApiError(40058, "upload_id")
        return upload
