"""Statements that take many rows at once and let everybody else go first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from core.errors import NotStored
from core.store.database import Database, Row, Transaction

# Well below PostgreSQL's deadlock_timeout (1 s by default): in a circle of waits it is always this one that gives way.
_SHORT = "SET LOCAL lock_timeout = '200ms'"
_HELD_BY_OTHERS = "55P03"  # lock_not_available
_TRIES = 25
_PAUSE = 0.02  # seconds

T = TypeVar("T")


def give_way(tx: Transaction) -> None:
    """What this transaction waits for is waited for shortly: for work that is `begun_anew`."""
    tx.later(_SHORT, {})


async def begun_anew(work: Callable[[], Awaitable[T]]) -> T:
    """Work in one transaction that gives way, from its beginning where somebody holds what it needs. Raises NotStored.

    Also where that is somebody who waits for us, in the database or over a second connection.
    """
    for number in range(1, _TRIES):
        try:
            return await work()
        except NotStored as error:
            if _HELD_BY_OTHERS not in str(error):
                raise
        await asyncio.sleep(_PAUSE * number)
    return await work()


async def fetch(database: Database, sql: str, params: Mapping[str, Any]) -> list[Row]:
    """One statement in a transaction of its own, begun anew where somebody holds what it needs. Raises NotStored."""
    return await begun_anew(lambda: _once(database, sql, params))


async def _once(database: Database, sql: str, params: Mapping[str, Any]) -> list[Row]:
    async with database.transaction() as tx:
        give_way(tx)
        return await tx.fetch(sql, params)
