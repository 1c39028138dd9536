"""What the process that delivers an answer and the one that WeCom polls tell each other about its stream."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.wecom.tempo import CALLBACK_TEMPO
from core.errors import NotStored
from core.message import Author, ReplyId
from core.ports import Notes

_LOOK_EVERY = 0.5  # seconds
_STREAM_LASTS = timedelta(hours=1)  # and what is noted of it; it is over after minutes, and its notes go then
_ASK_LASTS = timedelta(days=1)  # longer than anything waits for a yes
_URL_LASTS = timedelta(minutes=50)  # of the hour that it does (developer.work.weixin.qq.com, document 101138)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the next poll ends the stream: with the `is_whole` answer, or with what there is of it by then.

    With the whole answer come its `foot` in Markdown, its pictures as `items` of `msg_item`, and a `card`. Where it
    `is_elsewhere` nothing is shown here, for all of it was sent another way. What is left comes by itself if it
    `can_follow`, else when the person says so.
    """

    is_whole: bool
    is_elsewhere: bool = False
    can_follow: bool = True
    foot: str = ""
    items: tuple[Mapping[str, Any], ...] = ()
    card: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a poll was told with the end of the stream: the first `length` characters of the text, by their digest.

    `is_page`: more than fits was there, and it was the first page; the digest is the page's. `has_extras`: the pictures
    and the card were there too.
    """

    length: int
    digest: str
    is_page: bool = False
    has_extras: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is to confirm something (an Author's key), and the response_url of their question of the moment `at`."""

    asker: str
    url: str
    at: str

    def address(self, now: datetime) -> str:
        """The response_url while it takes a message, else "": for an hour, and a little is left for the answer."""
        return self.url if now - datetime.fromisoformat(self.at) < _URL_LASTS else ""


class Board:
    """Notes by reply, which belong to its asker, gone soon after the answer is delivered."""

    def __init__(self, notes: Notes, linger: float = CALLBACK_TEMPO.linger) -> None:
        self._notes = notes
        self._linger = linger
        self._waiting: dict[ReplyId, asyncio.Event] = {}
        self._clearing: set[asyncio.Task[None]] = set()

    async def open(self, reply: ReplyId, at: datetime, asker: Author) -> datetime:
        """Since when the stream is open; `at` where it was not yet."""
        if (since := await self.opened(reply)) is not None:
            return since
        await self._notes.put(_open(reply), at.isoformat().encode(), about=asker, lifetime=_STREAM_LASTS)
        return at

    async def opened(self, reply: ReplyId) -> datetime | None:
        """Since when the stream is open; None where it is not, or is over."""
        note = await self._notes.get(_open(reply))
        return datetime.fromisoformat(note.decode()) if note else None

    async def end(self, reply: ReplyId, ending: Ending) -> None:
        """The next poll ends the stream so."""
        await self._notes.put(_end(reply), json.dumps(asdict(ending)).encode(), about=reply, lifetime=_STREAM_LASTS)

    async def ending(self, reply: ReplyId) -> Ending | None:
        """How it is to end; None where it is not to end yet."""
        note = await self._notes.get(_end(reply))
        if note is None:
            return None
        fields = json.loads(note)
        return Ending(**{**fields, "items": tuple(fields["items"])})

    async def show(self, reply: ReplyId, shown: Shown) -> None:
        """The stream was ended with this."""
        await self._notes.put(_shown(reply), json.dumps(asdict(shown)).encode(), about=reply, lifetime=_STREAM_LASTS)
        if waiting := self._waiting.get(reply):
            waiting.set()

    async def shown(self, reply: ReplyId, within: float) -> Shown | None:
        """What the stream was ended with; None where no poll came within so many seconds."""
        self._waiting[reply] = event = asyncio.Event()
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        try:
            while True:
                if (shown := await self.shown_by_now(reply)) is not None:
                    return shown
                if (left := until - loop.time()) <= 0:
                    return None
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_EVERY)):
                        await event.wait()
        finally:
            self._waiting.pop(reply, None)

    async def shown_by_now(self, reply: ReplyId) -> Shown | None:
        note = await self._notes.get(_shown(reply))
        return Shown(**json.loads(note)) if note else None

    async def ask(self, id: str, asked: Asked, reply: ReplyId) -> None:
        """What the person confirms by a click is answered at the address of their question: the click has none."""
        await self._notes.put(_ask(id), json.dumps(asdict(asked)).encode(), about=reply, lifetime=_ASK_LASTS)

    async def asked(self, id: str) -> Asked | None:
        """None where it was confirmed already."""
        note = await self._notes.get(_ask(id))
        return Asked(**json.loads(note)) if note is not None else None

    async def confirmed(self, id: str) -> None:
        """An address is good for one message."""
        await self._notes.delete(_ask(id))

    def clear_soon(self, reply: ReplyId) -> None:
        """The answer is delivered, or given up. A poll whose answer got lost comes again within a moment."""
        task = asyncio.create_task(self._clear(reply), name="wecom notes")
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def close(self) -> None:
        """Nobody lingers any more."""
        for task in self._clearing:
            task.cancel()
        await asyncio.gather(*self._clearing, return_exceptions=True)

    async def _clear(self, reply: ReplyId) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(self._linger)
        with suppress(NotStored):
            for name in (_open(reply), _end(reply), _shown(reply)):
                await self._notes.delete(name)


def _open(reply: ReplyId) -> str:
    return f"wecom/stream/{reply}/open"


def _end(reply: ReplyId) -> str:
    return f"wecom/stream/{reply}/end"


def _shown(reply: ReplyId) -> str:
    return f"wecom/stream/{reply}/shown"


def _ask(id: str) -> str:
    return f"wecom/ask/{id}"
