"""A member of a corporation in memory, who reads what an app sends: Api, Pacer and ledger in one, in their order."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from adapters.wecom.api import Sent
from adapters.wecom.errors import WecomRefused
from adapters.wecom.render import LIMIT
from core.message import Image, PartId

INVISIBLE = "\u200b\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Call:
    """`kind` is text, markdown, image, template_card, recall or upload."""

    kind: str
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What a person reads."""
        content = self.body.get(self.kind, {})
        return str(content.get("content", "") if isinstance(content, Mapping) else "").rstrip(INVISIBLE)


@dataclass
class Member:
    """`fails` holds what the next calls of a kind end with before they do anything; those of `lost` are done.

    As WeCom does, it drops what is the same as something sent before, and gives each message an id.
    """

    journal: list[Any] = field(default_factory=list)
    stands: dict[str, Call] = field(default_factory=dict)
    fails: dict[str, list[Exception]] = field(default_factory=dict)
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    parts: list[PartId] = field(default_factory=list)
    state_kept: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Call], Awaitable[None]] | None = None
    gives_ids: bool = True
    has_room: bool = True
    places: list[tuple[str, bool]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _count: int = 0
    _happened: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def calls(self) -> list[Call]:
        return [entry for entry in self.journal if isinstance(entry, Call)]

    @property
    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]

    @property
    def texts(self) -> list[str]:
        """Of the messages with words, as they stand in the chat now."""
        return [call.text for call in self.stands.values() if call.kind in ("text", "markdown")]

    @property
    def cards(self) -> list[Mapping[str, Any]]:
        return [call.body["template_card"] for call in self.stands.values() if call.kind == "template_card"]

    def of(self, kind: str) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]

    async def until(self, kind: str, count: int = 1) -> Call:
        """Waits until there were `count` calls of this kind; the last of them."""
        async with asyncio.timeout(5), self._happened:
            await self._happened.wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    # --------------------------------------------------------------------------------------------------------- the Api

    async def send(self, message: Mapping[str, Any]) -> Sent:
        call = Call(str(message["msgtype"]), deepcopy(dict(message)))
        await self._do(call)
        assert message["touser"] == "anna"
        if call.kind in ("text", "markdown"):
            assert len(message[call.kind]["content"].encode()) <= LIMIT
        key = json.dumps(message)
        if key not in self._seen:
            self._seen.add(key)
            self._count += 1
            self.stands[f"m{self._count}"] = call
        self._lose(call.kind)
        return Sent(f"m{self._count}" if self.gives_ids else "")

    async def recall(self, msgid: str) -> None:
        call = Call("recall", {"msgid": msgid})
        await self._do(call)
        if self.stands.pop(msgid, None) is None:
            raise WecomRefused(40001, "there is no such message")
        self._lose("recall")

    async def upload(self, image: Image) -> str:
        await self._do(Call("upload", {"type": image.media_type}))
        return f"media-{len(self.of('upload'))}"

    async def _do(self, call: Call) -> None:
        async with self._happened:
            self.journal.append(call)
            self._happened.notify_all()
        if self.before is not None:
            await self.before(call)
        if errors := self.fails.get(call.kind):
            raise errors.pop(0)

    def _lose(self, kind: str) -> None:
        if errors := self.lost.get(kind):
            raise errors.pop(0)

    # ------------------------------------------------------------------------------------------------------- the Pacer

    async def place(self, conversation: str, *, is_interim: bool = False) -> bool:
        self.places.append((conversation, is_interim))
        return self.has_room or not is_interim

    # ------------------------------------------------------------------------------------------------------ the ledger

    async def part(self, part: PartId) -> None:
        self.journal.append(part)
        self.parts.append(part)

    async def state(self, state: Mapping[str, Any]) -> None:
        self.journal.append(dict(state))
        self.state_kept = json.loads(json.dumps(dict(state)))

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        return frozenset(parts) & frozenset(self.parts)
