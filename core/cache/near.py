"""Similar questions: close in their vectors, and the same in all that could make them different ones."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from core.cache.guards import are_alike
from core.cache.key import Key
from core.errors import NotStored, Refused, trace
from core.ports import Embedder, Shelved, Store

if TYPE_CHECKING:
    from core.cache.shelves import Shelves

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

COSINE = 0.92
_NEAREST = 3
_EVERY = 1.0  # seconds, at the least, between two looks for what other processes have kept
# A row counts from when its transaction began: one that took longer than this to commit is found at the next start.
_OVERLAP = timedelta(seconds=10)


class Near:
    """An index in memory of what the store keeps, filled from it, and kept in step with it by each look.

    What was evicted elsewhere may still be found here: whoever takes it asks the store, and says `forget`.
    """

    def __init__(self, store: Store, embedder: Embedder, *, lifetime: timedelta, cosine: float = COSINE) -> None:
        self._store, self._embedder, self._lifetime, self._cosine = store, embedder, lifetime, cosine
        self._shelves: Shelves | None = None
        self._newest: datetime | None = None
        self._looked = -math.inf
        self._lock = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._embedder.name

    async def start(self) -> None:
        """Fills the index from the store. Raises ModuleNotFoundError without the extra `cache`."""
        from core.cache.shelves import Shelves  # brings faiss

        self._shelves = Shelves(self._embedder.dimension)
        async with self._lock:
            await self._catch_up(self._shelves)
        log.info("%d answers can be found by similar questions", len(self._shelves))

    async def vector(self, key: Key) -> tuple[float, ...]:
        """Of the question; empty where the embedder cannot read it, or fails."""
        try:
            (vector,) = await self._embedder.embed([key.question])
        except Refused:
            return ()
        except Exception as error:
            log.error("%s could not read a question: %s", self._embedder.name, trace(error))
            return ()
        return tuple(vector)

    async def look(self, key: Key) -> Sequence[Shelved]:
        """Whose answer may be shown for this question, the nearest first."""
        if self._shelves is None or not (vector := await self.vector(key)):
            return ()
        async with self._lock:
            shelves = self._shelves
            if monotonic() - self._looked >= _EVERY:
                await self._catch_up(shelves)
            found = await _in_thread(shelves.search, key.shelf, vector, _NEAREST)
        return [place for cosine, place in found if cosine >= self._cosine and are_alike(place.question, key.question)]

    def expect(self) -> None:
        """Something was kept by this process: the next look finds it."""
        self._looked = -math.inf

    async def forget(self, place: Shelved) -> None:
        """The store keeps it no longer."""
        async with self._lock:
            if self._shelves is not None:
                self._shelves.drop(place.key)

    async def begin_anew(self) -> None:
        """Somebody was forgotten, and it may be their question: the next look fills the index again."""
        async with self._lock:
            if self._shelves is not None:
                self._shelves = type(self._shelves)(self._embedder.dimension)
            self._newest, self._looked = None, -math.inf

    async def _catch_up(self, shelves: "Shelves") -> None:
        self._looked = monotonic()
        since = self._newest - _OVERLAP if self._newest else None
        try:
            async with self._store.unit(autocommit=True) as unit:
                places = await unit.cached.shelved(self._embedder.name, since=since)
        except NotStored:
            log.warning("what other processes have kept could not be read")
            return
        shelves.sweep(datetime.now(UTC) - self._lifetime)
        await _in_thread(shelves.add, places)
        if places:
            self._newest = places[-1].kept_at


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Where it is called off it waits all the same: the index is for one thread at a time, and threads go on."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # which nobody is there to hear of
        raise
