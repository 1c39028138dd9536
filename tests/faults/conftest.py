"""People, and a real database, for everything that may go wrong."""

from collections.abc import AsyncGenerator, Callable

import aiohttp
import pytest

from tests.faults.person import Person
from tests.postgres import database_url

__all__ = ["database_url"]


@pytest.fixture
async def somebody() -> AsyncGenerator[Callable[[], Person], None]:
    """Makes persons, each with cookies of their own."""
    sessions: list[aiohttp.ClientSession] = []

    def make() -> Person:
        jar = aiohttp.CookieJar(unsafe=True)
        sessions.append(aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=60)))
        return Person(sessions[-1])

    yield make
    for session in sessions:
        await session.close()
