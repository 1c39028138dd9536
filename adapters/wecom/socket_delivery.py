"""How an answer goes out through the long connection: streamed as it grows, pushed where it is long or late."""

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from adapters.wecom.cards import confirm
from adapters.wecom.errors import Unsure, WecomRefused
from adapters.wecom.pacing import Pacer
from adapters.wecom.render import sources
from adapters.wecom.socket_writer import Writer
from adapters.wecom.tempo import Tempo
from adapters.wecom.texts import say
from adapters.wecom.upload import Sends, is_takable, upload
from adapters.wecom.waiting import Opening
from core.errors import ChannelError, RateLimited, Undeliverable
from core.growing import Growing
from core.language import language_of
from core.message import Chunk, Image, Source, StatusKind
from core.ports import Delivery, Ledger, Metrics

log = logging.getLogger(__name__)

_STATUS = {StatusKind.THINKING: "status_thinking", StatusKind.WORKING: "status_working"}
_MAX_ALT = 200  # characters
_TEMPO = Tempo()


class SocketDelivery:
    """Shows one answer. A stream that an earlier try left open is brought up to date as a whole."""

    def __init__(
        self,
        connection: Sends,
        delivery: Delivery,
        ledger: Ledger,
        metrics: Metrics,
        pacer: Pacer,
        tempo: Tempo = _TEMPO,
        opening: Opening | None = None,
    ) -> None:
        """`pacer` is shared by all that this process says in WeCom; `opening` is a stream that is there already."""
        self._connection = connection
        self._delivery = delivery
        self._opening = opening
        self._tempo = tempo
        self._locale = delivery.reply.asker.locale
        self._writer = Writer(connection, delivery, ledger, metrics, pacer, language_of("", self._locale))
        self._asked_at = _asked_at(delivery.return_address)
        self._shown: tuple[str, str] | None = None  # the text, and what was going on
        now = monotonic()
        self._shown_at = float("-inf")
        self._next = now  # when the growing answer may be written again
        self._next_push = now + tempo.push_every
        self._next_sign = now + tempo.push_sign_after

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        """Returns once WeCom has confirmed the whole answer.

        Raises DoorLost, RateLimited, Undeliverable or ChannelError; what is said already is not said again then.
        """
        if self._opening is not None:
            await self._writer.adopt(self._opening)
        async with Growing(chunks) as growing:
            await growing.change(self._tempo.first_after)
            await growing.completion(self._tempo.at_once)
            while not growing.is_complete:
                await self._show_what_there_is(growing)
                await growing.completion(self._until_next())
                await growing.change(self._until_sign())
            await self._finish(growing)

    # --------------------------------------------------------------------------------------------------- while it grows

    async def _show_what_there_is(self, growing: Growing) -> None:
        """What WeCom does not take now comes with the next writing."""
        self._writer.language = language_of(growing.text, self._locale)
        try:
            if not self._writer.is_streaming:
                await self._push(growing)
            elif self._writer.age >= self._tempo.stream_lasts:
                await self._writer.end_stream(growing.text, is_rated=_is_rated(growing))
                self._has_pushed()
            else:
                await self._stream(growing)
        except ChannelError as error:
            self._postpone(error)

    async def _stream(self, growing: Growing) -> None:
        """A frame with what is new, or with a sign of life."""
        text = growing.text
        shown = (text, "" if text.strip() else growing.manuscript.status)
        is_new = shown != self._shown
        if not is_new and monotonic() - self._shown_at < self._tempo.sign_every:
            return
        note = "" if text.strip() and is_new else self._note(growing)
        if await self._writer.grow(text, note, is_rated=_is_rated(growing)):
            self._shown, self._shown_at = shown, monotonic()

    async def _push(self, growing: Growing) -> None:
        """What is full, what was gathered for a while, or a sign of life."""
        may_cut = monotonic() >= self._next_push
        if await self._writer.push_on(growing.text, may_cut=may_cut) or await self._push_sign(growing):
            self._has_pushed()

    async def _push_sign(self, growing: Growing) -> bool:
        return monotonic() >= self._next_sign and await self._writer.push_sign(self._note(growing))

    def _has_pushed(self) -> None:
        now = monotonic()
        self._next_push, self._next_sign = now + self._tempo.push_every, now + self._tempo.push_sign_every

    def _note(self, growing: Growing) -> str:
        position = growing.status.position if growing.status else None
        seconds = max(0, round((datetime.now(UTC) - self._asked_at).total_seconds()))
        return say(_status(growing), self._writer.language, position=position, seconds=seconds)

    def _until_next(self) -> float:
        """Seconds until the answer may be written again, or its stream has to end."""
        least = max(0.0, self._next - monotonic())
        wait = max(least, self._writer.interim_wait)
        if self._writer.is_streaming:
            return min(wait, max(least, self._tempo.stream_lasts - self._writer.age))
        return wait

    def _until_sign(self) -> float:
        """Seconds until something is to be done though nothing has changed."""
        now = monotonic()
        if not self._writer.is_streaming:
            moment = min(self._next_push, self._next_sign)
            return max(self._tempo.sign_every / 10, moment - now)
        sign = self._shown_at + self._tempo.sign_every - now
        return max(0.0, min(sign, self._tempo.stream_lasts - self._writer.age))

    def _postpone(self, error: ChannelError) -> None:
        log.info("%s The answer is shown later", error)
        wait = error.retry_after.total_seconds() if isinstance(error, RateLimited) else 0.0
        self._next = monotonic() + max(wait, self._tempo.retry_least)

    # ------------------------------------------------------------------------------------------------------- at the end

    async def _finish(self, growing: Growing) -> None:
        language = self._writer.language = language_of(growing.text, self._locale)
        foot = sources(growing.sources, language)
        await self._writer.finish(growing.text, foot, is_rated=_is_rated(growing))
        for number, image in enumerate(growing.images, 1):
            await self._picture(f"picture{number}", image)
        if growing.ask is not None:
            card = confirm(growing.ask.id, language)
            await self._writer.add("card", {"msgtype": "template_card", "template_card": card}, may_repeat=True)

    async def _picture(self, name: str, image: Image) -> None:
        """A picture, or what it shows where WeCom does not take it."""
        if self._writer.has_added(name):
            return
        try:
            if is_takable(image):
                media_id = await upload(self._connection, image)
                await self._writer.add(name, {"msgtype": "image", "image": {"media_id": media_id}})
                return
        except (WecomRefused, Undeliverable, Unsure) as error:
            log.warning("a picture could not be uploaded to WeCom: %s", error)
        await self._writer.add_words(name, say("picture", self._writer.language, alt=image.alt.strip()[:_MAX_ALT]))


def _status(growing: Growing) -> str:
    """The name of the text that says what is going on."""
    status = growing.status
    if status is None:
        return "status_thinking"
    if status.kind is StatusKind.QUEUED:
        return "status_queued" if status.position is not None else "status_working"
    return _STATUS[status.kind]


def _is_rated(growing: Growing) -> bool:
    """What the house says by itself is not up for rating."""
    return growing.manuscript.source is not Source.HOUSE


def _asked_at(address: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(str(address.get("at")))
    except ValueError:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
