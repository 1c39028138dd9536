"""Data keys go from one encryption key to another while everybody reads and writes."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from uuid import UUID

from core.errors import NotStored
from core.store.database import Database
from core.store.keys import Keys
from core.store.room import Params
from core.store.vault import INDEX_SCOPE

Rewrapped = Callable[[int, int], None]
"""Hears how many data keys are rewrapped, and how many there are to rewrap."""

_BATCH = 1000
_SHARE = 250
_MANY = 10_000
_PROCESSES = 4

_COUNT = "SELECT substr(wrapped, 2, 4), count(*) FROM {table} GROUP BY 1"
_PAGE = """
    SELECT id, scope, wrapped FROM keys WHERE id > %(after)s AND substr(wrapped, 2, 4) <> %(primary)s
    ORDER BY id LIMIT %(limit)s
"""
# Only what is still as it was read: a key that was shredded meanwhile does not come back.
_REWRAP = """
    UPDATE keys SET wrapped = fresh.wrapped
    FROM unnest(%(ids)s::bigint[], %(old)s::bytea[], %(fresh)s::bytea[]) AS fresh (id, old, wrapped)
    WHERE keys.id = fresh.id AND keys.wrapped = fresh.old RETURNING 1
"""
_HOUSE = "SELECT name, wrapped FROM house WHERE substr(wrapped, 2, 4) <> %(primary)s"
_REWRAP_HOUSE = "UPDATE house SET wrapped = %(fresh)s WHERE name = %(name)s AND wrapped = %(old)s"
# Dead rows keep the old wrapping until they are swept. Where somebody else is at it, they do it.
_SWEEP = "VACUUM (SKIP_LOCKED) keys"


def quiet(done: int, total: int) -> None: ...


class Rotation:
    """Walks over the data keys once, in the order of their ids: what is made meanwhile comes at the end."""

    def __init__(self, keys: Keys, database: Database) -> None:
        self._keys = keys
        self._database = database

    async def wrapped(self) -> Mapping[int, int]:
        counts: dict[int, int] = {}
        for table in ("keys", "house"):
            for kid, count in await self._database.fetch(_COUNT.format(table=table)):
                counts[int.from_bytes(kid)] = counts.get(int.from_bytes(kid), 0) + count
        return counts

    async def rewrap(self, progress: Rewrapped) -> int:
        counts = await self.wrapped()
        done, after = 0, 0
        total = sum(count for kid, count in counts.items() if kid != self._keys.primary)
        params: Params = {"primary": self._keys.primary.to_bytes(4), "limit": _BATCH}
        for name, wrapped in await self._database.fetch(_HOUSE, params):
            fresh = self._fresh(INDEX_SCOPE, wrapped)
            await self._database.fetch(_REWRAP_HOUSE, {"name": name, "fresh": fresh, "old": wrapped})
            done += 1
        with _workers(total) as workers:
            while page := await self._database.fetch(_PAGE, params | {"after": after}):
                ids, scopes, old = zip(*page, strict=True)
                change = {"ids": list(ids), "old": list(old), "fresh": await self._all_fresh(workers, scopes, old)}
                done, after = done + len(await self._database.fetch(_REWRAP, change)), ids[-1]
                progress(done, max(done, total))
        with suppress(NotStored):
            await self._database.fetch(_SWEEP)
        return done

    async def _all_fresh(self, workers: Executor, scopes: Sequence[UUID], wrapped: Sequence[bytes]) -> list[bytes]:
        pairs = [(scope.bytes, old) for scope, old in zip(scopes, wrapped, strict=True)]
        loop, ring = asyncio.get_running_loop(), self._keys.dump()
        shares = (pairs[start : start + _SHARE] for start in range(0, len(pairs), _SHARE))
        made = await asyncio.gather(*(loop.run_in_executor(workers, _rewrapped, ring, share) for share in shares))
        return [fresh for share in made for fresh in share]

    def _fresh(self, scope: bytes, wrapped: bytes) -> bytes:
        return self._keys.wrap(scope, self._keys.unwrap(scope, wrapped))


def _workers(total: int) -> Executor:
    """A third of a millisecond for each key is nothing where there are few; processes take a second to start."""
    if total < _MANY:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(min(_PROCESSES, os.cpu_count() or 1), multiprocessing.get_context("spawn"))


def _rewrapped(ring: str, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    keys = Keys.parse(ring)
    return [keys.wrap(scope, keys.unwrap(scope, old)) for scope, old in pairs]
