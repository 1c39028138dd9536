"""A chat of Teams in memory: it takes what a TeamsClient sends, and writes down in which order that happened."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from adapters.teams.errors import StreamEnded, TeamsRefused
from core.errors import Undeliverable
from core.message import PartId


@dataclass(slots=True)
class Shown:
    """One message as people see it. A stream is open until its final activity; `sequence` is its last number."""

    activity: dict[str, Any]
    is_open: bool = False
    sequence: int = 0

    @property
    def text(self) -> str:
        return str(self.activity.get("text", ""))


@dataclass(frozen=True, slots=True)
class Call:
    """`kind` is typing, informative, streaming, final, message, picture, card, update or delete."""

    kind: str
    id: str
    activity: Mapping[str, Any]
    patience: float

    @property
    def text(self) -> str:
        return str(self.activity.get("text", ""))


@dataclass
class Chat:
    """Client and ledger in one. `fails` holds what the next calls of a kind end with, before they do anything.

    What stands under `lost` happens, and its answer is lost. `stands` are the messages by id, oldest first. As Teams
    does, it takes no edit of a message whose stream is open.
    """

    journal: list[Any] = field(default_factory=list)
    stands: dict[str, Shown] = field(default_factory=dict)
    fails: dict[str, list[Exception]] = field(default_factory=dict)
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    parts: list[PartId] = field(default_factory=list)
    state_kept: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Call], Awaitable[None]] | None = None
    times: list[float] = field(default_factory=list)
    _count: int = 0
    _happened: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def calls(self) -> list[Call]:
        return [entry for entry in self.journal if isinstance(entry, Call) and entry.kind != "typing"]

    @property
    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]

    @property
    def texts(self) -> list[str]:
        """Of the messages with words, as they stand now."""
        return [shown.text for shown in self.stands.values() if shown.text]

    def of(self, kind: str) -> list[Call]:
        return [entry for entry in self.journal if isinstance(entry, Call) and entry.kind == kind]

    def time_of(self, call: Call) -> float:
        """When this call came, on the loop's clock."""
        calls = [entry for entry in self.journal if isinstance(entry, Call)]
        return next(time for entry, time in zip(calls, self.times, strict=True) if entry is call)

    async def until(self, kind: str, count: int = 1) -> Call:
        """Waits until there were `count` calls of this kind; the last of them."""
        async with asyncio.timeout(5), self._happened:
            await self._happened.wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    # ------------------------------------------------------------------------------------------------------ the client

    async def send(self, address: Mapping[str, Any], activity: Mapping[str, Any], *, patience: float = 60.0) -> str:
        kind, info = kind_of(activity), stream_of(activity)
        call = Call(kind, str(info.get("streamId", "")), deepcopy(dict(activity)), patience)
        await self._do(call)
        if kind == "typing":
            return ""
        if kind in ("informative", "streaming", "final") and call.id:
            self._grow(call, info)
            id = ""
        else:
            id = self._new(call, info)
        self._lose(kind)
        return id

    async def update(
        self, address: Mapping[str, Any], activity_id: str, activity: Mapping[str, Any], *, patience: float = 60.0
    ) -> None:
        await self._do(Call("update", activity_id, deepcopy(dict(activity)), patience))
        if activity_id not in self.stands:
            raise Undeliverable("it is gone")
        assert not stream_of(activity), "an update bears no streaminfo"
        if self.stands[activity_id].is_open:
            raise TeamsRefused(400, "BadArgument")
        self.stands[activity_id].activity = deepcopy(dict(activity))
        self._lose("update")

    async def delete(self, address: Mapping[str, Any], activity_id: str, *, patience: float = 60.0) -> None:
        await self._do(Call("delete", activity_id, {}, patience))
        if self.stands.pop(activity_id, None) is None:
            raise Undeliverable("it is gone")

    async def _do(self, call: Call) -> None:
        async with self._happened:
            self.journal.append(call)
            self.times.append(asyncio.get_running_loop().time())
            self._happened.notify_all()
        if self.before is not None:
            await self.before(call)
        if errors := self.fails.get(call.kind):
            raise self._ended(call.id, errors.pop(0))

    def _ended(self, id: str, error: Exception) -> Exception:
        """Every end of a stream is one for good."""
        if isinstance(error, StreamEnded) and id in self.stands:
            self.stands[id].is_open = False
        return error

    def _lose(self, kind: str) -> None:
        if errors := self.lost.get(kind):
            raise errors.pop(0)

    def _new(self, call: Call, info: Mapping[str, Any]) -> str:
        if info:
            assert info["streamSequence"] == 1, "a stream begins with 1"
            if any(shown.is_open for shown in self.stands.values()):
                raise StreamEnded("not_allowed")
        self._count += 1
        id = f"1700000000{self._count:03}"
        self.stands[id] = Shown({} if info else dict(call.activity), is_open=bool(info), sequence=1)
        return id

    def _grow(self, call: Call, info: Mapping[str, Any]) -> None:
        shown = self.stands.get(call.id)
        if shown is None or not shown.is_open:
            raise StreamEnded("completed")
        if call.kind == "final":
            assert "streamSequence" not in info, "the final activity bears no sequence"
            if not call.text.startswith(shown.text):
                raise TeamsRefused(400, "BadRequest")
            shown.activity, shown.is_open = dict(call.activity), False
            return
        assert info["streamSequence"] > shown.sequence, "the sequence rises strictly"
        shown.sequence = info["streamSequence"]
        if call.kind == "streaming":
            if not call.text.startswith(shown.text):
                raise self._ended(call.id, StreamEnded("rewritten"))
            shown.activity = dict(call.activity)

    # ------------------------------------------------------------------------------------------------------ the ledger

    async def part(self, part: PartId) -> None:
        self.journal.append(part)
        self.parts.append(part)

    async def state(self, state: Mapping[str, Any]) -> None:
        self.journal.append(dict(state))
        self.state_kept = deepcopy(dict(state))

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        return frozenset(parts) & frozenset(self.parts)


@dataclass(slots=True)
class Counts:
    """Metrics that can be read."""

    counted: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted[name] = self.counted.get(name, 0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...


def stream_of(activity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its streaminfo, {} where it bears none."""
    return next((entity for entity in activity.get("entities", ()) if entity["type"] == "streaminfo"), {})


def kind_of(activity: Mapping[str, Any]) -> str:
    if info := stream_of(activity):
        return str(info["streamType"])
    if activity["type"] == "typing":
        return "typing"
    if activity.get("text"):
        return "message"
    return "picture" if activity["attachments"][0]["contentType"].startswith("image/") else "card"
