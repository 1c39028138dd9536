"""What is remembered of an answer that goes out through the long connection: what was said, and where it is cut."""

from collections.abc import Sequence
from hashlib import sha256
from time import time
from typing import Any

from core.message import PartId
from core.ports import Delivery, Ledger


class Record:
    """Kept with the delivery, each fact before the next call to WeCom.

    `began`, when the first frame went out, in seconds since 1970; `ended`, whether the stream takes no more; `said`,
    digests of the pieces said for good, "" for one that is not; `cuts`, after how many characters of text a piece was
    cut; `sending`, number and digest of the piece on its way; `pushed`, how many were; `replaces`, whether the next one
    has to say that it takes the place of what is above; `beside`, what else was sent, by name.
    """

    def __init__(self, delivery: Delivery, ledger: Ledger) -> None:
        self._facts: dict[str, Any] = dict(delivery.state)
        self._reply = delivery.reply
        self._ledger = ledger
        self.has_stream = self._part(self._reply.id) in delivery.parts

    async def keep(self, **facts: Any) -> None:
        self._facts |= facts
        await self._ledger.state(self._facts)

    # ------------------------------------------------------------------------------------------------------- the stream

    @property
    def has_begun(self) -> bool:
        return bool(self._facts.get("began"))

    @property
    def has_ended(self) -> bool:
        return bool(self._facts.get("ended"))

    @property
    def age(self) -> float:
        """Seconds since the first frame, also of a stream that an earlier try began."""
        return max(0.0, time() - self._facts["began"]) if self.has_begun else 0.0

    async def begin(self) -> None:
        """The first frame goes out."""
        if not self.has_begun:
            await self.keep(began=time())

    async def adopt(self, at: float, *, has_ended: bool) -> None:
        """The stream was opened before the answer was begun."""
        if not self.has_begun:
            await self.keep(began=at, ended=has_ended)
            await self.show()

    async def show(self) -> None:
        """WeCom has taken a frame."""
        if not self.has_stream:
            self.has_stream = True
            await self._ledger.part(self._part(self._reply.id))

    async def end(self, piece: str | None) -> None:
        """The stream was ended, with the first piece or with none."""
        await self.keep(ended=True, said=self._with(0, piece) if piece is not None else self.said)

    # ------------------------------------------------------------------------------------------------------- the pieces

    @property
    def said(self) -> list[str]:
        return list(self._facts.get("said", ()))

    @property
    def has_said(self) -> bool:
        """Whether anything was said for good, or may have been."""
        return any(self.said) or bool(self._facts.get("sending"))

    def is_said(self, index: int) -> bool:
        return index < len(self.said) and bool(self.said[index])

    def contradicts(self, pieces: Sequence[str], *, count: int, is_streaming: bool) -> bool:
        """Whether something else was said for good, or may have been, or a piece before the one that comes first.

        `count` messages are to say the pieces and what stands under them.
        """
        said = {index: digest for index, digest in enumerate(self.said) if digest}
        if sending := self._facts.get("sending"):
            said[sending[0]] = sending[1]
        last = max(said, default=-1)
        has_gap = any(index not in said for index in range(is_streaming, last))
        differs = any(said.get(index, digest) != digest for index, digest in enumerate(map(_digest, pieces)))
        return differs or has_gap or last > max(count - 1, len(pieces))  # sources may have a message of their own

    async def start_over(self, *, replaces: bool) -> None:
        """Nothing that was said counts any more, and the stream is over; what is cut stays so."""
        await self.keep(ended=True, said=[], sending=None, replaces=replaces)

    # ------------------------------------------------------------------------------------------------------- the pushes

    @property
    def pushed(self) -> int:
        return int(self._facts.get("pushed", 0))

    @property
    def replaces(self) -> bool:
        return bool(self._facts.get("replaces"))

    def is_sending(self, index: int) -> bool:
        return bool(self._facts.get("sending")) and self._facts["sending"][0] == index

    async def send(self, index: int, piece: str) -> None:
        """This piece goes out; where that came to nothing, it is `withdraw`n."""
        await self.keep(sending=[index, _digest(piece)])

    async def withdraw(self) -> None:
        await self.keep(sending=None)

    async def push(self, index: int, piece: str) -> None:
        """WeCom has taken this piece."""
        await self._ledger.part(self._part(f"{self._reply.id}:{self.pushed + 1}"))
        said = self._with(index, piece)
        await self.keep(said=said, sending=None, pushed=self.pushed + 1, replaces=False)

    def has_added(self, name: str) -> bool:
        return name in self._facts.get("beside", ())

    async def add(self, name: str, *, is_known: bool) -> None:
        """A message beside the answer was sent; whether that `is_known` or only may be so."""
        if is_known:
            await self._ledger.part(self._part(f"{self._reply.id}:{name}"))
        await self.keep(beside=[*self._facts.get("beside", ()), name])

    # --------------------------------------------------------------------------------------------------------- the cuts

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(self._facts.get("cuts", ()))

    def cut(self, length: int) -> None:
        """Written down with what is said next."""
        self._facts["cuts"] = [*self.cuts, length]

    def forget_cuts(self) -> None:
        self._facts["cuts"] = []

    # ---------------------------------------------------------------------------------------------------------- inside

    def _with(self, index: int, piece: str) -> list[str]:
        said = self.said
        said += [""] * (index + 1 - len(said))
        said[index] = _digest(piece)
        return said

    def _part(self, id: str) -> PartId:
        thread = self._reply.thread
        return PartId(thread.adapter, thread.workspace, thread.channel, id)


def _digest(piece: str) -> str:
    return sha256(piece.encode(errors="surrogatepass")).hexdigest()[:16]
