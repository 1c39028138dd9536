"""What a process lacks to answer, felt every few seconds: for `/readyz`, for the metrics, and for its own end."""

import asyncio
import logging
from typing import TYPE_CHECKING

from core.engine import is_broken, is_up
from core.errors import NotStored, trace
from core.ports import Store

if TYPE_CHECKING:
    from bot.app import House

log = logging.getLogger(__name__)

_SECONDS = 5.0
_PATIENCE = 2.5  # a database that takes longer stores nothing in time either


async def beat(house: "House") -> None:
    """Feels the house again and again until cancelled."""
    while True:
        try:
            await feel(house)
        except Exception as error:  # one bad round must not be the last one
            log.error("what this process lacks could not be felt: %s", trace(error))
        await asyncio.sleep(_SECONDS)


async def feel(house: "House") -> None:
    """Tells the metrics which parts are there and how long the queue is.

    Gives the house up where its model is lost and nobody stands in for it: after a new start the model has to be there,
    so whoever answers meanwhile must not be lost with it.
    """
    metrics = house.metrics
    metrics.gauge("turns_active", house.manager.active)
    has_engine = is_up(house.engine)
    metrics.gauge("up", has_engine, part="engine")
    if not has_engine and is_broken(house.engine):
        house.give_up("The model in this process is lost for good")
    house.has_database = await _is_there(house.store)
    metrics.gauge("up", house.has_database, part="database")
    if house.has_database:
        await _count_queue(house)


async def _is_there(store: Store) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await store.check()
    except (NotStored, TimeoutError):
        return False
    return True


async def _count_queue(house: "House") -> None:
    try:
        async with house.store.unit() as unit:
            backlog = await unit.inbox.backlog()
    except NotStored:
        log.debug("the queue could not be counted")
        return
    for behind in backlog:
        house.metrics.gauge("inbox_waiting", behind.unfinished, lane=behind.lane)
        house.metrics.gauge("inbox_oldest_seconds", behind.age.total_seconds(), lane=behind.lane)
