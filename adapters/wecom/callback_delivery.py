"""How an answer goes out by URL callback: in the stream that WeCom polls, and what is left in one message more."""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from adapters.wecom.board import Asked, Board, Ending, Shown
from adapters.wecom.cards import confirm
from adapters.wecom.errors import NotSent, WecomRefused
from adapters.wecom.pages import is_begun_by, left
from adapters.wecom.render import for_bot, sources
from adapters.wecom.response import Responses
from adapters.wecom.rest import Rest, Rests
from adapters.wecom.tempo import CALLBACK_TEMPO, CallbackTempo
from adapters.wecom.texts import say
from core.errors import RateLimited, Undeliverable
from core.growing import Growing
from core.language import language_of
from core.message import Ask, Chunk, Image, PartId, Source
from core.ports import Delivery, Ledger, Metrics

_PICTURES = 10  # in the end of a stream, of 10 MB each (document 101031); the bytes here are for all of them
_PICTURE_BYTES = 5 * 1024 * 1024
_POSTED = "posted"


class CallbackDelivery:
    """Shows one answer. What nobody polled for in time goes to the response_url, at most once."""

    def __init__(
        self,
        board: Board,
        rests: Rests,
        responses: Responses,
        delivery: Delivery,
        ledger: Ledger,
        metrics: Metrics,
        tempo: CallbackTempo = CALLBACK_TEMPO,
    ) -> None:
        self._board = board
        self._rests = rests
        self._responses = responses
        self._delivery = delivery
        self._state: dict[str, Any] = dict(delivery.state)
        self._ledger = ledger
        self._metrics = metrics
        self._tempo = tempo

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        """Returns once WeCom has the answer. Raises Undeliverable or ChannelError."""
        reply = self._delivery.reply
        try:
            async with Growing(chunks) as growing:
                shown = None
                if self._delivery.return_address.get("has_stream", True):
                    await self._be_known()
                    await growing.completion(max(0.0, self._tempo.safe - self._age()))
                    shown = await self._in_stream(growing)
                await growing.completion(float("inf"))
                await self._finish(growing, shown)
        except Undeliverable:
            self._board.clear_soon(reply.id)
            raise
        self._board.clear_soon(reply.id)

    async def _finish(self, growing: Growing, shown: Shown | None) -> None:
        """What the stream did not show."""
        reply = self._delivery.reply
        language = language_of(growing.text, reply.asker.locale)
        has_extras = shown is not None and shown.has_extras
        foot = _foot(growing, language, has_extras=has_extras)
        if growing.ask is not None and not has_extras:
            await self._board.confirmed(growing.ask.id)  # there is no button
        text = for_bot(growing.text) + foot
        if rest := left(text, shown):
            above = "" if is_begun_by(text, shown) else say("replaces_above", language)
            if len(rest) < 2:
                await self._drop_older(growing)
            await self._push(rest, shown, foot, language, above)
        elif not self._state.get(_POSTED):
            await self._drop_older(growing)

    async def _drop_older(self, growing: Growing) -> None:
        """Nothing is left of an older answer; what the house says by itself may come between two pages."""
        if growing.manuscript.source is not Source.HOUSE:
            await self._rests.drop(self._delivery.reply.thread, self._delivery.reply.asker.key)

    async def _be_known(self) -> None:
        """The stream's id is written down before WeCom may name it."""
        thread, reply = self._delivery.reply.thread, self._delivery.reply
        part = PartId(thread.adapter, thread.workspace, thread.channel, reply.id)
        if part not in self._delivery.parts:
            await self._ledger.part(part)

    async def _in_stream(self, growing: Growing) -> Shown | None:
        """What the person saw by the end of the stream; None where nobody asked for it while it lived."""
        if kept := self._state.get("shown"):
            return Shown(**kept)
        reply, within = self._delivery.reply.id, self._tempo.life - self._age()
        if within > 0:
            if growing.is_complete:
                await self._keep_address(growing.ask)  # before anybody can press the button
            await self._board.end(reply, self._ending(growing))
        shown = await self._board.shown(reply, min(max(0.0, within), self._tempo.unasked))
        if shown is None and within > 0:
            # Nobody asks. Whoever does after all must not be told what is sent another way.
            await self._board.end(reply, Ending(is_whole=False, is_elsewhere=True))
            shown = await self._board.shown_by_now(reply)
        if shown is not None:
            await self._keep(shown=asdict(shown))
        return shown

    async def _keep(self, **facts: Any) -> None:
        self._state |= facts
        await self._ledger.state(self._state)

    @property
    def _url(self) -> str:
        return str(self._delivery.return_address.get("response_url", ""))

    def _ending(self, growing: Growing) -> Ending:
        if not growing.is_complete:
            return Ending(is_whole=False, can_follow=bool(self._url))
        language = language_of(growing.text, self._delivery.reply.asker.locale)
        card = confirm(growing.ask.id, language) if growing.ask is not None else None
        foot = _foot(growing, language, has_extras=True)
        items, can_follow = _items(growing.images), bool(self._url)
        return Ending(is_whole=True, can_follow=can_follow, foot=foot, items=items, card=card)

    async def _push(self, rest: list[str], shown: Shown | None, foot: str, language: str, above: str) -> None:
        """The next page to the response_url, and a note of where the person may read on."""
        reply, url = self._delivery.reply, self._url
        note = Rest(reply=reply.id, asker=reply.asker.key, page=1 if url else 0, shown=shown, foot=foot)
        if len(rest) > note.page:
            await self._rests.keep(reply.thread, note)
        if not url:
            raise Undeliverable("the callback named no response_url; the person may send 继续 for the rest")
        if self._state.get(_POSTED):
            # At most once: an earlier try did, or does not know whether it did.
            self._metrics.count("deliveries_unknown", channel="wecom")
            return
        below = say("say_continue", language) if len(rest) > 1 else ""
        content = "\n\n".join(filter(None, (above, rest[0], below)))
        try:
            await self._post(url, content)
        except (WecomRefused, Undeliverable) as refused:
            await self._rests.keep(reply.thread, replace(note, page=0))
            raise Undeliverable(f"{refused.detail}; the person may send 继续 for it".lstrip("; ")) from None

    async def _post(self, url: str, content: str) -> None:
        await self._keep(**{_POSTED: True})
        try:
            await self._responses.post(url, _markdown(content, self._delivery.reply.id))
        except (NotSent, RateLimited):
            await self._keep(**{_POSTED: False})
            raise

    async def _keep_address(self, ask: Ask | None) -> None:
        address = self._delivery.return_address
        if ask is not None:
            reply = self._delivery.reply
            asked = Asked(reply.asker.key, str(address.get("response_url", "")), str(address["at"]))
            await self._board.ask(ask.id, asked, reply.id)

    def _age(self) -> float:
        """Seconds since the question came."""
        at = datetime.fromisoformat(str(self._delivery.return_address["at"]))
        return (datetime.now(UTC) - at).total_seconds()


def _foot(growing: Growing, language: str, *, has_extras: bool) -> str:
    """What stands under an answer. Pictures and a card come with the end of a stream alone, which `has_extras`."""
    shown = _showable(growing.images) if has_extras else []
    left_out = [image for image in growing.images if image not in shown]
    lines = [say("picture", language, alt=for_bot(image.alt.strip()[:200])) for image in left_out]
    if growing.sources:
        lines.append(sources(growing.sources, language))
    if growing.ask is not None and not has_extras:
        lines.append(say("no_button", language))
    return "".join(f"\n\n{line}" for line in lines)


def _showable(images: list[Image]) -> list[Image]:
    """Those that WeCom takes: JPG and PNG, so many and no larger together than a poll may be answered with."""
    room = _PICTURE_BYTES
    showable: list[Image] = []
    for image in images:
        if image.media_type in ("image/png", "image/jpeg") and len(image.data) <= room and len(showable) < _PICTURES:
            room -= len(image.data)
            showable.append(image)
    return showable


def _items(images: list[Image]) -> tuple[Mapping[str, Any], ...]:
    """Pictures as `msg_item`: base64 and MD5."""
    items: list[Mapping[str, Any]] = []
    for image in _showable(images):
        encoded = base64.b64encode(image.data).decode()
        digest = md5(image.data, usedforsecurity=False).hexdigest()
        items.append({"msgtype": "image", "image": {"base64": encoded, "md5": digest}})
    return tuple(items)


def _markdown(content: str, feedback: str) -> Mapping[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": content, "feedback": {"id": feedback}}}
