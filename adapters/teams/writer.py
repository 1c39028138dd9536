"""An answer in a chat of Teams: streamed or edited while it grows, split where long, replaced where it is wrong."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from adapters.teams.errors import NotSent, StreamEnded, TeamsRefused, TooLarge, Unsure
from adapters.teams.render import LABEL, LIMIT, PLAIN, Foot, final, message
from adapters.teams.stream import PATIENCE, Activity, Posts, Stream, Tempo, composed
from adapters.teams.texts import say
from core.errors import ChannelError, RateLimited, Undeliverable
from core.message import PartId
from core.ports import Delivery, Ledger, Metrics
from core.splitting import Pager

log = logging.getLogger(__name__)

_LEAST = 1_000  # characters of a piece: what Teams finds too large then is so for another reason


@dataclass(slots=True, eq=False)
class Part:
    """One message of the answer; `shown` is the text it was given, None where that is not known, over `foot`.

    `mark` stands above the text of a message that may be there twice, `stopped` is what it said when the person
    stopped it.
    """

    id: str
    shown: str | None = None
    foot: Foot = PLAIN
    mark: str = ""
    stream: Stream | None = None
    stopped: str | None = None


class Writer:
    """Writes one answer. What is sent is written down before the next call goes out.

    Kept with the delivery: `streams`, whether a stream was begun; `sending`, the number of the message that is on its
    way for the first time; `marked` and `gone`, messages sent with a mark and given up; `beside`, pictures and the card
    by name.
    """

    def __init__(
        self, client: Posts, delivery: Delivery, ledger: Ledger, metrics: Metrics, tempo: Tempo, language: str
    ) -> None:
        self.state: dict[str, Any] = dict(delivery.state)
        self.is_again = bool(delivery.parts or self.state.get("streams")) or self.state.get("sending") is not None
        self.is_canceled = False
        self._client = client
        self._delivery = delivery
        self._address = delivery.return_address
        self._ledger = ledger
        self._metrics = metrics
        self._tempo = tempo
        self._mark = say("sent_again", language)
        self._limit = LIMIT
        self._pager = Pager(LIMIT)
        self._next = monotonic() + tempo.edit_every
        self._patience = 0.0
        self.parts = self._left()

    def _left(self) -> list[Part]:
        """What an earlier try left standing."""
        marked, gone = self.state.get("marked", ()), {*self.state.get("gone", ()), *self._beside.values()}
        ids = [part.id for part in self._delivery.parts]
        parts = [Part(id, mark=self._mark if id in marked else "") for id in ids if id not in gone]
        if self.state.get("streams") and parts and parts[0].id == ids[0]:
            parts[0].stream = Stream(self._client, self._address, self._tempo, ids[0])
        return parts

    @property
    def is_streaming(self) -> bool:
        return any(part.stream is not None for part in self.parts)

    @property
    def wait(self) -> float:
        """Seconds until the growing answer may be written again."""
        return max(0.0, self._next - monotonic())

    async def keep(self, **facts: Any) -> None:
        """Writes down what is about to happen."""
        self.state |= facts
        await self._ledger.state(self.state)

    # --------------------------------------------------------------------------------------------------- while it grows

    async def begin(self, text: str) -> None:
        """Begins a stream that says what is going on. Where there is none to be had the answer goes out without."""
        await self.keep(streams=True)
        stream = Stream(self._client, self._address, self._tempo)
        try:
            id = await stream.tell(text)
        except (RateLimited, NotSent, TeamsRefused, Unsure) as error:
            log.info("%s There is no stream", error)
            return
        if id:
            self.parts.append(Part(id, "", stream=stream))
            await self._ledger.part(self._part_id(id))
            self._next = monotonic() + self._tempo.request_every

    async def tell(self, text: str) -> None:
        """Says what is going on, as long as there is no text."""
        for part in self.parts:
            if part.stream is None or not part.stream.may_grow:
                continue
            try:
                await part.stream.tell(text)
            except TeamsRefused as refused:
                self._over(part, refused)
            except (RateLimited, NotSent, Unsure) as error:
                self._postpone(error)

    async def grow(self, text: str, *, is_answer: bool = True) -> None:
        """Shows what there is so far; what Teams does not take now comes with the next writing."""
        self._patience = 0.0
        try:
            await self._write(text, LABEL if is_answer else PLAIN, is_final=False)
        except (RateLimited, NotSent, TeamsRefused, Unsure) as error:
            self._postpone(error)
        else:
            self._next = monotonic() + self._every

    @property
    def _every(self) -> float:
        return self._tempo.stream_every if self.is_streaming else self._tempo.edit_every

    def _postpone(self, error: ChannelError) -> None:
        log.info("%s The answer is shown later", error)
        wait = self._every
        if isinstance(error, RateLimited):
            wait = max(wait, error.retry_after.total_seconds())
        elif isinstance(error, TeamsRefused):
            wait = float("inf")
        self._next = monotonic() + wait

    # ------------------------------------------------------------------------------------------------- once it is whole

    async def finish(self, text: str, foot: Foot) -> None:
        """The whole answer, with what stands under its last message."""
        self._patience = PATIENCE
        count = await self._write(text, foot, is_final=True)
        for part in self.parts[count:]:
            await self.remove(part.id)

    async def add(self, name: str, activity: Activity) -> None:
        """A message beside the answer, once: a picture, a card. One that Teams refuses is no reason to fail."""
        if name in self._beside:
            return
        try:
            id = await self._client.send(self._address, activity)
        except (TeamsRefused, Undeliverable, Unsure) as error:
            log.warning("the %s of an answer is not shown: %s", name, error)
            return
        if id:
            await self.keep(beside=self._beside | {name: id})
            await self._ledger.part(self._part_id(id))

    @property
    def _beside(self) -> dict[str, str]:
        return dict(self.state.get("beside", {}))

    async def remove(self, id: str) -> None:
        """Deletes a message of ours; the answer is no worse where it is gone already, or where we may not."""
        try:
            await self._client.delete(self._address, id)
        except ChannelError as error:
            log.info("a message was left standing: %s", error)

    # -------------------------------------------------------------------------------------------------------- the parts

    async def _write(self, text: str, foot: Foot, *, is_final: bool) -> int:
        """Brings all messages up to date, in smaller ones where Teams finds them too large; how many there are."""
        while True:
            pieces = self._pager.feed(text, is_final=is_final) or (["…"] if is_final else [])
            try:
                await self._bring_all(pieces, foot, is_final=is_final)
            except TooLarge as error:
                if self._limit // 2 < _LEAST:
                    raise
                self._limit //= 2
                self._pager = Pager(self._limit)
                log.info("%s It is split at %d characters", error, self._limit)
            else:
                return len(pieces)

    async def _bring_all(self, pieces: Sequence[str], foot: Foot, *, is_final: bool) -> None:
        index = 0
        while index < len(pieces):
            is_last = index == len(pieces) - 1
            under = foot if is_last else foot.above
            if await self._bring(index, pieces[index], under, is_done=is_final or not is_last):
                index += 1

    async def _bring(self, index: int, text: str, foot: Foot, *, is_done: bool) -> bool:
        """Makes message `index` say `text`; False where that message had to be given up."""
        if index == len(self.parts):
            await self._open(text, foot)
            return True
        part = self.parts[index]
        if not part.id:  # Teams took it and named it to nobody: it is said once more, with the mark, when it is whole
            if is_done:
                self.parts.remove(part)
            return not is_done
        if part.stream is not None and await self._continue(part, part.stream, text, foot, is_done=is_done):
            return True
        if (part.shown, part.foot) == (text, foot):
            return True
        if self.is_canceled and not is_done:  # what was stopped does not grow any more
            return True
        return await self._edit(part, text, foot)

    # ---- a stream

    async def _continue(self, part: Part, stream: Stream, text: str, foot: Foot, *, is_done: bool) -> bool:
        """Whether the stream shows all that is to be shown now. Where it has ended the message can be edited."""
        if stream.is_over:
            part.stream = None
            return False
        if not (is_done or stream.is_left) and text.startswith(stream.text):
            return await self._grow(part, stream, text)
        last = await composed(text, lambda: final(stream.id, text, foot))
        if not stream.takes(last):  # a stream only grows: what is taken back is replaced after its end
            last = await composed(stream.text, lambda: final(stream.id, stream.text, foot.above))
            await self._end(part, stream, last)
            return False
        has_ended = await self._end(part, stream, last)
        if has_ended:
            part.shown, part.foot = text, foot
        return has_ended and is_done

    async def _grow(self, part: Part, stream: Stream, text: str) -> bool:
        try:
            if stream.may_grow:
                await stream.grow(text)
        except StreamEnded as ended:
            self._over(part, ended)
            return False
        part.shown = None
        return True

    async def _end(self, part: Part, stream: Stream, last: Activity) -> bool:
        """Ends a stream with its final activity; whether Teams took it."""
        try:
            await stream.end(last, self._patience)
        except StreamEnded as ended:
            self._over(part, ended)
            return False
        except TeamsRefused as refused:
            await stream.break_off(self._patience)  # a message can be edited once its stream has ended
            self._over(part, refused)
            return False
        part.stream = part.shown = None
        return True

    def _over(self, part: Part, refused: TeamsRefused) -> None:
        log.info("%s The answer goes on by editing its message", refused)
        if isinstance(refused, StreamEnded) and refused.why == "canceled" and part.stream is not None:
            self.is_canceled, part.stopped = True, part.stream.text
        part.stream = part.shown = None

    # ---- a message

    async def _edit(self, part: Part, text: str, foot: Foot) -> bool:
        part.shown = None
        try:
            activity = await composed(text, lambda: message(part.mark + text, foot))
            await self._client.update(self._address, part.id, activity, patience=self._patience)
        except TooLarge:
            raise
        except (TeamsRefused, Undeliverable) as refused:
            if not part.stopped or not text.startswith(part.stopped):
                await self._give_up(part, refused)
                return False
            log.info("%s It stays as it was when the person stopped it", refused)
        part.shown, part.foot = text, foot
        return True

    async def _give_up(self, part: Part, refused: ChannelError) -> None:
        """Nobody can change this message any more; what it said moves to the next one, or to a new one."""
        log.info("%s Another message takes its place", refused)
        self.parts.remove(part)
        await self.keep(gone=[*self.state.get("gone", ()), part.id], sending=None)
        await self.remove(part.id)

    async def _open(self, text: str, foot: Foot) -> None:
        """A new message. Where one like it may be there already it says so: Teams has no way to find out."""
        await self._remove_card()
        number = len(self.parts)
        mark = self._mark if self.state.get("sending") == number else ""
        if mark:
            self._metrics.count("deliveries_repeated", channel="teams")
        else:
            await self.keep(sending=number)
        try:
            activity = await composed(text, lambda: message(mark + text, foot))
            id = await self._client.send(self._address, activity, patience=self._patience)
        except (RateLimited, NotSent, TeamsRefused, Undeliverable):
            if not mark:
                await self.keep(sending=None)
            raise
        self.parts.append(Part(id, text, foot, mark))
        if id:
            await self._ledger.part(self._part_id(id))
        if id and mark:
            await self.keep(marked=[*self.state.get("marked", ()), id])

    async def _remove_card(self) -> None:
        """It stands below the last message."""
        if card := self._beside.get("card"):
            rest = {name: id for name, id in self._beside.items() if id != card}
            await self.keep(beside=rest, gone=[*self.state.get("gone", ()), card])
            await self.remove(card)

    def _part_id(self, id: str) -> PartId:
        thread = self._delivery.reply.thread
        return PartId(thread.adapter, thread.workspace, thread.channel, id)
