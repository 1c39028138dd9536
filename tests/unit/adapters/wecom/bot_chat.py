"""A chat with the AI bot in memory: it takes what goes through the long connection, and writes down in which order."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from adapters.wecom.errors import StreamOver, WecomRefused
from core.message import PartId
from core.splitting import utf8_bytes


@dataclass(slots=True)
class Shown:
    """One message as people see it. A stream is open until its last frame; `kind` is stream or the msgtype."""

    kind: str
    text: str = ""
    is_open: bool = False
    feedback: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """`kind` is frame, last, markdown, image, template_card, or what follows aibot_upload_media_."""

    kind: str
    req_id: str
    body: Mapping[str, Any]
    at: float

    @property
    def text(self) -> str:
        return str(self.body.get("stream", self.body.get("markdown", {})).get("content", ""))


@dataclass
class BotChat:
    """Connection and ledger in one. `fails` holds what the next calls of a kind end with, before they do anything.

    What stands under `lost` happens, and its answer is lost. `stands` are the messages, oldest first.
    """

    journal: list[Any] = field(default_factory=list)
    stands: list[Shown] = field(default_factory=list)
    fails: dict[str, list[Exception]] = field(default_factory=dict)
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    parts: list[PartId] = field(default_factory=list)
    state_kept: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Call], Awaitable[None]] | None = None
    first_chunk: int = 0
    uploads: list[bytes] = field(default_factory=list)
    _streams: dict[tuple[str, str], Shown] = field(default_factory=dict)
    _chunks: dict[int, bytes] = field(default_factory=dict)
    _happened: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def calls(self) -> list[Call]:
        return [entry for entry in self.journal if isinstance(entry, Call)]

    @property
    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]

    @property
    def texts(self) -> list[str]:
        """Of the messages with words, as they stand now."""
        return [shown.text for shown in self.stands if shown.text]

    def of(self, kind: str) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]

    async def until(self, kind: str, count: int = 1) -> Call:
        """Waits until there were `count` calls of this kind; the last of them."""
        await self.until_true(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def until_true(self, predicate: Callable[[], Any]) -> None:
        """Waits until something that happens makes this true."""
        async with asyncio.timeout(5), self._happened:
            await self._happened.wait_for(predicate)

    # -------------------------------------------------------------------------------------------------- the connection

    async def send(self, cmd: str, body: Mapping[str, Any], *, req_id: str = "") -> Mapping[str, Any]:
        call = Call(_kind(cmd, body), req_id, deepcopy(dict(body)), asyncio.get_running_loop().time())
        self.journal.append(call)
        if self.before is not None:
            await self.before(call)
        if errors := self.fails.get(call.kind):
            raise errors.pop(0)
        told = self._done(cmd, call)
        await self._tell()
        if errors := self.lost.get(call.kind):
            raise errors.pop(0)
        return told

    def _done(self, cmd: str, call: Call) -> Mapping[str, Any]:
        assert utf8_bytes(call.text) <= 20_480, "WeCom takes no more"
        match cmd:
            case "aibot_respond_msg":
                self._grow(call)
            case "aibot_send_msg":
                assert not call.req_id, "a push has a req_id of its own"
                assert call.kind != "markdown" or call.text, "a message says something"
                self.stands.append(Shown(call.kind, call.text, body=call.body))
            case _:
                return self._uploaded(call)
        return {}

    def _grow(self, call: Call) -> None:
        stream = call.body["stream"]
        key = (call.req_id, stream["id"])
        if key not in self._streams:
            self._streams[key] = Shown("stream", is_open=True, feedback=stream.get("feedback", {}).get("id", ""))
            self.stands.append(self._streams[key])
        shown = self._streams[key]
        if not shown.is_open:
            raise StreamOver(846608)
        shown.text, shown.is_open = stream["content"], not stream["finish"]

    def end_streams(self) -> None:
        """As WeCom does it after six minutes."""
        for shown in self._streams.values():
            shown.is_open = False

    def _uploaded(self, call: Call) -> Mapping[str, Any]:
        match call.kind:
            case "init":
                self._chunks.clear()
                return {"upload_id": "upload-1"}
            case "chunk":
                if not self.first_chunk <= call.body["chunk_index"]:
                    raise WecomRefused(40000)
                self._chunks[call.body["chunk_index"]] = base64.b64decode(call.body["base64_data"])
                return {}
        self.uploads.append(b"".join(chunk for _, chunk in sorted(self._chunks.items())))
        return {"type": "image", "media_id": f"media-{len(self.uploads)}", "created_at": 1}

    # ------------------------------------------------------------------------------------------------------ the ledger

    async def part(self, part: PartId) -> None:
        self.journal.append(part)
        self.parts.append(part)

    async def state(self, state: Mapping[str, Any]) -> None:
        self.journal.append(dict(state))
        self.state_kept = deepcopy(dict(state))
        await self._tell()

    async def _tell(self) -> None:
        async with self._happened:
            self._happened.notify_all()

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        return frozenset(parts) & frozenset(self.parts)


def _kind(cmd: str, body: Mapping[str, Any]) -> str:
    if cmd.startswith("aibot_upload_media_"):
        return cmd.removeprefix("aibot_upload_media_")
    if cmd == "aibot_respond_msg":
        return "last" if body["stream"]["finish"] else "frame"
    return str(body["msgtype"])
