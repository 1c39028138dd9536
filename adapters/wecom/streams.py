"""What WeCom is told when it asks how an answer goes on: all there is of it so far, and its end once it is delivered.

WeCom asks whichever process it reaches, again and again until the stream is finished, for six minutes at most from the
person's message (developer.work.weixin.qq.com, document 101031).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from adapters.wecom.board import Board, Ending
from adapters.wecom.buttons import REPLY
from adapters.wecom.pages import Page, first_page, is_begun_by
from adapters.wecom.render import for_bot
from adapters.wecom.tempo import CALLBACK_TEMPO, CallbackTempo
from adapters.wecom.texts import say
from core.errors import KeyMissing, Malformed, NotStored, Unreadable
from core.message import Author, ReplyId
from core.ports import Draft, Drafts, State

log = logging.getLogger(__name__)

_KNOWN = 10_000
_OPENED_WITHIN, _POLLED_WITHIN = 1.5, 3.0  # seconds; WeCom waits for five, and the question was stored before
# Seconds; somebody who is forgotten meanwhile is not known here, and the words go by themselves.
_HELD_FOR = 30.0
_STATUS = {"queued": "status_queued", "thinking": "status_thinking", "working": "status_working"}


@dataclass(slots=True)
class _Seen:
    """A stream as this process knows it; times by the monotonic clock.

    `told` is what the last poll was told, held for a moment: it is told again while nothing can be read.
    """

    since: float
    language: str = "zh"
    told: str = ""
    whole_since: float | None = None
    fading: asyncio.TimerHandle | None = None

    def hold(self, words: str) -> None:
        """In place of those that were held before; "" for none."""
        if self.fading is not None:
            self.fading.cancel()
        self.told = words
        self.fading = asyncio.get_running_loop().call_later(_HELD_FOR, self._fade) if words else None

    def _fade(self) -> None:
        self.told, self.fading = "", None


class Streams:
    """Answers to polls. A stream's id is that of its reply."""

    def __init__(self, drafts: Drafts, board: Board, tempo: CallbackTempo = CALLBACK_TEMPO) -> None:
        self._drafts = drafts
        self._board = board
        self._tempo = tempo
        self._seen: OrderedDict[ReplyId, _Seen] = OrderedDict()

    async def opened(self, reply: ReplyId, language: str, asker: Author) -> Mapping[str, Any]:
        """The first answer to a callback, and to one that comes again: the same stream, with the same feedback id.

        The question is stored by now: where nothing can be read of its answer, the stream is open all the same.
        """
        try:
            async with asyncio.timeout(_OPENED_WITHIN):
                (await self._of(reply, asker)).language = language
                body = await self._told(reply)
        except (NotStored, TimeoutError, KeyMissing):
            body = _stream(reply, "", finish=False)
        stream = {**body["stream"], "feedback": {"id": reply}}
        return {**body, "stream": stream}

    async def polled(self, reply: ReplyId) -> Mapping[str, Any]:
        """The answer to a poll, which waits for a moment where there is nothing new."""
        if not REPLY.fullmatch(reply):
            return _stream(reply, "", finish=True)  # none of ours
        seen: _Seen | None = None
        try:
            async with asyncio.timeout(_POLLED_WITHIN):
                seen = await self._of(reply)
                told, body = seen.told, await self._told(reply)
                if not body["stream"]["finish"] and body["stream"]["content"] == told:
                    await asyncio.sleep(self._tempo.patience)
                    body = await self._told(reply)
        except (NotStored, TimeoutError, KeyMissing):
            # That WeCom asks again after an error is written nowhere. Next time it may ask a process that has the key.
            return _stream(reply, self._held(seen), finish=False)
        except (Unreadable, Malformed) as error:
            log.error("answer %s cannot be read, and its stream is ended: %s", reply, error)
            return _stream(reply, "", finish=True)
        seen.hold("" if body["stream"]["finish"] else body["stream"]["content"])
        return body

    def _held(self, seen: _Seen | None) -> str:
        """What there is to tell where nothing can be read."""
        return "" if seen is None else seen.told or self._so_far(None, seen)

    async def _told(self, reply: ReplyId) -> Mapping[str, Any]:
        seen = await self._of(reply)
        draft = await self._drafts.latest(reply)
        posted = await self._board.ending(reply)
        ending = posted or self._own_ending(draft, seen)
        if ending is None or (ending.is_whole and (draft is None or not draft.is_final)):
            return _stream(reply, self._so_far(draft, seen), finish=False)
        if ending.is_elsewhere:
            return _stream(reply, say("answer_follows", seen.language), finish=True)
        text = for_bot(draft.text) if draft is not None else ""
        page = await self._page(reply, text + ending.foot, ending)
        if posted is not None or not _is_delivered(draft):
            has_extras = posted is not None and ending.is_whole
            await self._board.show(reply, replace(page.shown, has_extras=has_extras))
        content = _noted(page, ending, seen.language)
        return _stream(reply, content, finish=True, items=ending.items, card=ending.card)

    async def _page(self, reply: ReplyId, text: str, ending: Ending) -> Page:
        """What the stream ends with; what was told once, and may have got lost, is told again as it was."""
        shown = await self._board.shown_by_now(reply)
        if shown is not None and not (ending.is_whole or shown.is_page) and is_begun_by(text, shown):
            text = text[: shown.length]
        return first_page(text, is_final=ending.is_whole)

    def _own_ending(self, draft: Draft | None, seen: _Seen) -> Ending | None:
        """Where nobody ends it: what was delivered already and is asked for once more, or what waits for too long."""
        now = monotonic()
        if draft is None or not draft.is_final:
            # A delivery that has begun ends it at `safe` itself, and knows better.
            is_late = now - seen.since > (self._tempo.safe + self._tempo.life) / 2
            return Ending(is_whole=False) if is_late else None
        if _is_delivered(draft):
            seen.whole_since = seen.whole_since or now - self._tempo.orphaned
        seen.whole_since = seen.whole_since or now
        return Ending(is_whole=True) if now - seen.whole_since > self._tempo.orphaned else None

    def _so_far(self, draft: Draft | None, seen: _Seen) -> str:
        if draft is not None and draft.text.strip():
            return first_page(for_bot(draft.text), is_final=False).content
        kind, _, position = (draft.status if draft is not None else "").partition(":")
        if kind == "queued" and not position.isdigit():
            kind = "working"
        seconds = int(monotonic() - seen.since)
        if seconds < 1:
            return ""
        return say(_STATUS.get(kind, "status_thinking"), seen.language, seconds=seconds, position=position)

    async def _of(self, reply: ReplyId, asker: Author | None = None) -> _Seen:
        """What is known of the stream, which another process may have opened. Raises NotStored."""
        if (seen := self._seen.get(reply)) is None:
            now = datetime.now(UTC)
            opened = await (self._board.open(reply, now, asker) if asker else self._board.opened(reply))
            age = (now - opened).total_seconds() if opened is not None else 0.0
            seen = self._seen.setdefault(reply, _Seen(monotonic() - age))
        self._seen.move_to_end(reply)
        if len(self._seen) > _KNOWN:
            self._seen.popitem(last=False)
        return seen


def _is_delivered(draft: Draft | None) -> bool:
    return draft is not None and draft.state is State.DONE


def _noted(page: Page, ending: Ending, language: str) -> str:
    if not page.has_more and ending.is_whole:
        return page.content
    note = say("rest_follows" if ending.can_follow else "say_continue", language)
    return f"{page.content}\n\n{note}".lstrip()


def _stream(
    reply: str,
    content: str,
    *,
    finish: bool,
    items: tuple[Mapping[str, Any], ...] = (),
    card: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    stream: dict[str, Any] = {"id": reply, "finish": finish, "content": content}
    if items:
        stream["msg_item"] = list(items)
    if card is not None:
        return {"msgtype": "stream_with_template_card", "stream": stream, "template_card": card}
    return {"msgtype": "stream", "stream": stream}
