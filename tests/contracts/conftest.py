"""The store as its contract sees it: in memory and over PostgreSQL, both held to the same sentences."""

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from core.ports import Store
from core.store import Keys, PostgresStore
from tests.fakes.store import MemoryStore
from tests.postgres import database


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store, None]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with database() as url:
        postgres = PostgresStore(url, Keys.generate(), pool_size=4, fresh_for=timedelta(0))
        await postgres.start()
        try:
            yield postgres
        finally:
            await postgres.stop()
