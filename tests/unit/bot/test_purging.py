"""What the house forgets by itself, once an hour."""

import asyncio
from datetime import timedelta

import pytest

from bot.app import _purging
from core.errors import NotStored
from core.retention import Retention


class Failing:
    """A store that can't purge, for one reason or another."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        self.has_expired = asyncio.Event()

    async def purge(self, older_than: timedelta) -> int:
        raise self.problem

    async def expire(self, retention: Retention) -> int:
        self.has_expired.set()
        return 3


@pytest.mark.parametrize(
    ("problem", "said"),
    [(NotStored("finished events (QueryCanceled, 57014)"), "finished events (Query"), (KeyError(), "KeyError")],
)
async def test_where_one_half_of_the_work_fails_the_other_is_done(
    problem: Exception, said: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    store = Failing(problem)
    async with _purging(store, Retention()), asyncio.timeout(5):  # type: ignore[arg-type]
        await store.has_expired.wait()
        await asyncio.sleep(0)
    assert said in caplog.text
    assert "3 messages and answers" in caplog.text
