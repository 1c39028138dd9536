"""Keeping the growing answer readable for other processes: first words at once, then a revision at intervals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from core.errors import NotStored
from core.manuscript import Manuscript
from core.message import ReplyId
from core.ports import Draft, Drafts, State

log = logging.getLogger(__name__)

# Revisions of a later try of the same turn are newer than all of an earlier one's.
_REVISIONS_PER_ATTEMPT = 1_000_000
_MOST_ATTEMPTS = 2_000  # that are told apart: revisions have 31 bits. One that waits for a key is tried for days.
_AT_ONCE = 0.03  # seconds, which nobody sees


class Drafter:
    """Saves the manuscript of one reply whenever it has grown, at most once per interval."""

    def __init__(
        self,
        drafts: Drafts,
        reply_id: ReplyId,
        manuscript: Manuscript,
        *,
        attempt: int,
        interval: float,
        on_first_text: Callable[[], Awaitable[None]],
    ) -> None:
        self._drafts = drafts
        self._reply_id = reply_id
        self._manuscript = manuscript
        self._revision = min(attempt, _MOST_ATTEMPTS) * _REVISIONS_PER_ATTEMPT
        self._interval = interval
        self._on_first_text = on_first_text
        self._saved: tuple[str, str] = ("", "")
        self._has_text = False
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def touch(self) -> None:
        """The manuscript has changed; what nobody would see of it is not saved."""
        if self._has_grown and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._save_while_growing(), name=f"draft {self._reply_id}")

    async def close(self) -> None:
        """Returns once nothing is being saved any more; what was not saved yet is left to the finished reply."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _save_while_growing(self) -> None:
        if self._revision % _REVISIONS_PER_ATTEMPT == 0:
            # An answer that is there at once (a sentence, a cached one) needs no draft.
            await self._pause(_AT_ONCE)
        while not self._closing.is_set() and self._has_grown:
            await self._save()
            await self._pause(self._interval)

    @property
    def _has_grown(self) -> bool:
        return self._saved != (self._manuscript.text, self._manuscript.status)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _save(self) -> None:
        text, status = self._manuscript.text, self._manuscript.status
        written = self._manuscript.written
        self._revision += 1
        draft = Draft(
            self._reply_id,
            self._revision,
            text,
            State.ANSWERING,
            "" if text else status,
            written.model if written else "",
            self._manuscript.source or "",
        )
        try:
            await self._drafts.save(draft)
            if text and not self._has_text:
                await self._on_first_text()
        except NotStored:
            # The answer goes on: the text is kept here, and the next revision or the finished reply carries it.
            log.warning("a draft could not be stored; the next one will carry its text")
            return
        self._has_text = self._has_text or bool(text)
        self._saved = (text, status)
