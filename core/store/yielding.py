"""Statements that take many rows at once and let everybody else go first."""

import asyncio
from collections.abc import Mapping
from typing import Any

from core.errors import NotStored
from core.store.database import Database, Row

# Well below PostgreSQL's deadlock_timeout (1 s by default): in a circle of waits it is always this one that gives way.
_SHORT = "SET LOCAL lock_timeout = '200ms'"
_HELD_BY_OTHERS = "55P03"  # lock_not_available
_TRIES = 25
_PAUSE = 0.02  # seconds


async def fetch(database: Database, sql: str, params: Mapping[str, Any]) -> list[Row]:
    """One statement in a transaction of its own, begun anew where somebody holds what it needs. Raises NotStored."""
    for number in range(1, _TRIES):
        try:
            return await _once(database, sql, params)
        except NotStored as error:
            if _HELD_BY_OTHERS not in str(error):
                raise
        await asyncio.sleep(_PAUSE * number)
    return await _once(database, sql, params)


async def _once(database: Database, sql: str, params: Mapping[str, Any]) -> list[Row]:
    async with database.transaction() as tx:
        tx.later(_SHORT, {})
        return await tx.fetch(sql, params)
