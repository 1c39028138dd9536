"""Real databases for the tests of this folder."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from core.store import Keys, PostgresStore
from tests.postgres import database_url

__all__ = ["database_url"]

OpenStore = Callable[..., Awaitable[PostgresStore]]


@pytest.fixture
async def open_store(database_url: str) -> AsyncGenerator[OpenStore, None]:
    """Opens stores on one database, each as another process would, with the same key unless told otherwise."""
    shared = Keys.generate()
    async with AsyncExitStack() as stack:

        async def opened(keys: Keys = shared, url: str = database_url, pool_size: int = 4) -> PostgresStore:
            store = PostgresStore(url, keys, pool_size=pool_size)
            await store.start()
            stack.push_async_callback(store.stop)
            return store

        yield opened
