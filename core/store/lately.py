"""What was looked up a moment ago: whoever asks again meanwhile is told the same, and whoever asks at once waits."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from time import monotonic
from typing import Any, NamedTuple, TypeVar

Value = TypeVar("Value")


class _Look(NamedTuple):
    until: float
    task: asyncio.Task[Any]


class Lately:
    """However many pages are open, each figure is looked up once in `age`. What fails is not kept."""

    def __init__(self, age: timedelta) -> None:
        self._age = age.total_seconds()
        self._looks: dict[Hashable, _Look] = {}

    async def get(self, key: Hashable, look: Callable[[], Awaitable[Value]], *, times: int = 1) -> Value:
        """Kept `times` as long as others. Whoever leaves meanwhile stops nobody else from being told."""
        self._drop_old()
        found = self._looks.get(key)
        if found is None:
            task = asyncio.ensure_future(self._run(key, look))
            found = self._looks[key] = _Look(monotonic() + times * self._age, task)
        value: Value = await asyncio.shield(found.task)
        return value

    async def _run(self, key: Hashable, look: Callable[[], Awaitable[Value]]) -> Value:
        try:
            return await look()
        except BaseException:
            self._looks.pop(key, None)
            raise

    def _drop_old(self) -> None:
        now = monotonic()
        self._looks = {key: look for key, look in self._looks.items() if look.until > now or not look.task.done()}
