"""Figures are looked up once, however many ask."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import NotStored
from core.store.lately import Lately

LONG = timedelta(hours=1)


class Looks:
    """Counts, and waits to be let through."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        await self.may_end.wait()
        if self.error:
            raise self.error
        return self.count


async def test_who_asks_at_once_and_who_asks_soon_is_told_the_same():
    lately, look = Lately(LONG), Looks()
    asking = [asyncio.create_task(lately.get("load", look)) for _ in range(20)]
    look.may_end.set()
    assert await asyncio.gather(*asking) == [1] * 20
    assert await lately.get("load", look) == 1
    assert await lately.get("another", look) == 2


async def test_what_is_old_is_looked_up_again():
    lately, look = Lately(timedelta(0)), Looks()
    look.may_end.set()
    assert [await lately.get("load", look) for _ in range(3)] == [1, 2, 3]


async def test_what_may_be_older_is_kept_longer(monkeypatch):
    times = iter([0.0, 0.0, 5.0, 10.5, 10.5])
    monkeypatch.setattr("core.store.lately.monotonic", lambda: next(times))
    lately, look = Lately(timedelta(seconds=1)), Looks()
    look.may_end.set()
    assert [await lately.get("load", look, times=10) for _ in range(3)] == [1, 1, 2]


async def test_whoever_leaves_takes_nothing_from_the_others():
    lately, look = Lately(LONG), Looks()
    leaving, staying = (asyncio.create_task(lately.get("load", look)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    look.may_end.set()
    assert await staying == 1


async def test_what_failed_is_not_kept():
    lately, look = Lately(LONG), Looks()
    look.may_end.set()
    look.error = NotStored()
    for _ in range(2):
        with pytest.raises(NotStored):
            await lately.get("load", look)
    look.error = None
    assert await lately.get("load", look) == 3


async def test_what_nobody_asks_for_any_more_is_let_go():
    lately, look = Lately(timedelta(0)), Looks()
    look.may_end.set()
    for number in range(100):
        await lately.get(number, look)
    assert len(lately._looks) <= 1
