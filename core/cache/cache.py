"""A question that was answered before, word for word as far as it matters, is answered at once."""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from core.cache.key import Key, key_of
from core.cache.near import Near
from core.cache.offer import is_fit
from core.errors import NotStored, trace
from core.message import Chunk, ReplyId, Source, Text, Written
from core.ports import CachedAnswer, Finished, Metrics, SignalKind, Store
from core.texts import say
from core.turn import Answer, Chunks, Turn

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=24)
_WAITING = 10_000  # answers under way whose key is remembered; a turn that came to nothing leaves its own behind
# What could begin or end something in Markdown.
_MARKUP = re.compile(r"[\\`*_\[\]<>~|]")
_SOURCES = (Source.ENGINE, Source.HOUSE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer that is being written may be kept, and the version of the model that has to write it."""

    key: Key
    version: str


class AnswerCache:
    """A stage of the turn, and a keeper of what comes of it (`ports.Keeper`).

    `version_of` gives the version of the model that answers on a route. `near` looks for similar questions where there
    is no such one; without it nothing but the exact key is served. Whoever closes the store closes this first.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        version_of: Callable[[str], str],
        *,
        lifetime: timedelta = LIFETIME,
        is_screened: bool = True,
        near: Near | None = None,
    ) -> None:
        self._store, self._metrics, self._version_of = store, metrics, version_of
        self._lifetime, self._is_screened, self._near = lifetime, is_screened, near
        self._places: OrderedDict[ReplyId, Place] = OrderedDict()
        self._keeping: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Ends what is being kept."""
        while self._keeping:
            await asyncio.gather(*self._keeping, return_exceptions=True)

    async def heed(self) -> None:
        """Holds nothing in memory of somebody who is forgotten. Runs until cancelled."""
        async with aclosing(self._store.signals()) as signals:
            async for signal in signals:
                if signal.kind is SignalKind.FORGET:
                    self._places.clear()
                    if self._near:
                        await self._near.begin_anew()

    def __call__(self, turn: Turn, call_next: Answer) -> Chunks:
        key = key_of(turn, self._version_of)
        if key is None:
            self._metrics.count("cache", outcome="unfit")
            return call_next(turn)
        return self._answer(turn, key, call_next)

    async def _answer(self, turn: Turn, key: Key, call_next: Answer) -> Chunks:
        found = await self._find(turn, key)
        if found:
            for chunk in found:
                yield chunk
            return
        self._note(turn.reply_id, Place(key, self._version_of(turn.model)))
        async with aclosing(call_next(turn)) as chunks:
            async for chunk in chunks:
                if chunk.source not in _SOURCES:  # a tool had its say, and may say something else next time
                    self._places.pop(turn.reply_id, None)
                yield chunk

    def _note(self, reply_id: ReplyId, place: Place) -> None:
        self._places[reply_id] = place
        if len(self._places) > _WAITING:
            self._places.popitem(last=False)

    async def _find(self, turn: Turn, key: Key) -> tuple[Chunk, ...]:
        """What was kept, as chunks; nothing where nothing fits, and where it cannot be looked for."""
        try:
            kept = await self._take(str(key), turn.reply_id)
            outcome, words = ("hit", kept.text) if kept else ("miss", "")
            if kept is None and self._near and (kept := await self._similar(self._near, turn, key)):
                outcome, words = "near", labelled(kept, turn.language)
        except NotStored:
            log.warning("the answer cache could not be read")
            return ()
        self._metrics.count("cache", outcome=outcome)
        return (Text(words, Source.CACHE), Written(kept.model, source=Source.CACHE)) if kept else ()

    async def _take(self, key: str, reply_id: ReplyId) -> CachedAnswer | None:
        async with self._store.unit(autocommit=True) as unit:
            return await unit.cached.find(key, reply_id)

    async def _similar(self, near: Near, turn: Turn, key: Key) -> CachedAnswer | None:
        """The database has the last word: what it no longer keeps is forgotten here too."""
        for place in await near.look(key):
            if kept := await self._take(place.key, turn.reply_id):
                return kept
            await near.forget(place)
        return None

    def offer(self, finished: Finished) -> None:
        """Keeps the answer in the background where it is fit to be given to others."""
        place = self._places.pop(finished.reply.id, None)
        if place is None or not is_fit(finished, place.version, is_screened=self._is_screened):
            return
        task = asyncio.create_task(self._keep(place, finished), name=f"keep {finished.reply.id}")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, place: Place, finished: Finished) -> None:
        key, reply = place.key, finished.reply
        kept = CachedAnswer(key.question, reply.text, reply.model)
        try:
            vector = await self._near.vector(key) if self._near else ()
            async with self._store.unit() as unit:
                is_kept = await unit.cached.keep(
                    str(key),
                    key.shelf,
                    kept,
                    reply,
                    lifetime=self._lifetime,
                    vector=vector,
                    embedder=self._near.name if self._near and vector else "",
                )
            if is_kept and vector and self._near:
                self._near.expect()
            self._metrics.count("cache", outcome="kept" if is_kept else "not_kept")
        except Exception as error:  # what is not kept is answered again
            log.warning("an answer was not kept: %s", trace(error))


def labelled(kept: CachedAnswer, language: str) -> str:
    """The answer to a similar question says so, and how to get one's own answered."""
    asked = say("similar", language).format(question=_MARKUP.sub(r"\\\g<0>", kept.question))
    return f"*{asked}*\n\n{kept.text}\n\n*{say('ask_again', language)}*"
