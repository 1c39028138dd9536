"""Waiting for what tells nobody when it happens."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(has_come: Callable[[], Awaitable[bool]], *, timeout: float = 60, every: float = 0.02) -> None:
    """Returns once it has; raises TimeoutError after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not await has_come():  # noqa: ASYNC110 - a database and another process set no event of ours
            await asyncio.sleep(every)
