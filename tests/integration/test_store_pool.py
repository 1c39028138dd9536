"""How the use of a pool of connections is told."""

import asyncio

import pytest

from core.store import database
from core.store.database import Database
from tests.postgres import database as made


async def test_a_pool_tells_who_has_its_connections_and_who_waited(monkeypatch):
    monkeypatch.setattr(database, "POOL_TIMEOUT", 0.2)
    with made() as url:
        pool = Database(url, pool_size=2)
        try:
            assert pool.usage("main") == ("main", 2, 0, 0, 0, 0.0, 0)
            one, two = await pool.take(), await pool.take()
            assert pool.usage("main")[:5] == ("main", 2, 2, 0, 0)
            with pytest.raises(TimeoutError):
                await pool.take()
            waiting = asyncio.create_task(pool.take())
            await asyncio.sleep(0)
            await pool.give_back(one, is_clean=True)
            three = await waiting
            usage = pool.usage("main")
            assert (usage.lent, usage.free, usage.waits, usage.gave_up) == (2, 0, 2, 1)
            assert 0.2 <= usage.waited_seconds < 10
            await pool.give_back(two, is_clean=True)
            await pool.give_back(three, is_clean=False)
            assert pool.usage("main")[2:4] == (0, 1)
        finally:
            await pool.close()


async def test_a_connection_that_cannot_be_made_is_lent_to_nobody():
    pool = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", pool_size=1)
    for _ in range(2):
        with pytest.raises(Exception, match="onnect"):
            await pool.take()
    assert pool.usage("main")[2:5] == (0, 0, 0)
    await pool.close()
