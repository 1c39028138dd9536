"""What a platform does: each thread's messages one after the other, again and again until somebody takes them."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from bench.channel import Channel
from bench.database import fetch
from bench.faults import out_of_order
from bench.until import until

_AGAIN = 0.1
_WAITING = "SELECT FROM inbox WHERE status IN (0, 1) UNION ALL SELECT FROM outbox"
_LEFT = """
    SELECT 'turn', status, owner IS NOT NULL, count(*) FROM inbox WHERE status <> 2 GROUP BY 2, 3
    UNION ALL SELECT 'answer', status, owner IS NOT NULL, count(*) FROM outbox GROUP BY 2, 3
"""


@dataclass(slots=True)
class Traffic:
    """`urls` are asked by chance; `acknowledged` are texts by reply; `taken` counts them by who took them."""

    urls: Sequence[str]
    prefix: str = "thread"
    acknowledged: dict[str, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, *, threads: int, each: int, words: int = 6, pause: float = 0.0) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4)) as http, asyncio.TaskGroup() as group:
            for number in range(threads):
                group.create_task(self._thread(http, f"{self.prefix} {number}", each, words, pause))

    async def _thread(self, http: aiohttp.ClientSession, thread: str, each: int, words: int, pause: float) -> None:
        for number in range(each):
            if self.is_over.is_set():
                return
            text = f"{number} " + " ".join(f"word{word}" for word in range(words))
            event = {"id": f"{thread}/{number}", "thread": thread, "author": f"person of {thread}", "text": text}
            self.acknowledged[await self._deliver(http, event)] = text
            await asyncio.sleep(pause)

    async def _deliver(self, http: aiohttp.ClientSession, event: dict[str, str]) -> str:
        while True:
            url = random.choice(self.urls)
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with http.post(f"{url}/channels/bench", json={"events": [event]}) as response:
                    if response.status == 200:
                        self.taken[url] = self.taken.get(url, 0) + 1
                        return str((await response.json())["replies"][0])
            self.refused += 1
            await asyncio.sleep(_AGAIN)

    async def all_answered(self, database: str, heard: Channel, *, timeout: float = 60) -> None:
        """Each once, whole and in its order; raises AssertionError or TimeoutError."""

        async def is_drained() -> bool:
            return not await fetch(database, _WAITING)

        try:
            await until(is_drained, timeout=timeout, every=0.1)
        except TimeoutError:
            left = await fetch(database, _LEFT)
            raise AssertionError(f"after {timeout:.0f} s there is still: {left}") from None
        said = [message.reply for message in heard.posted]
        finished = {reply: message.text for reply, message in heard.finished().items()}
        assert {reply: finished.get(reply) for reply in self.acknowledged} == self.acknowledged, "something was lost"
        assert len(said) == len(set(said)), "something was said twice"
        assert set(said) == set(self.acknowledged)
        assert out_of_order(heard) == 0
