"""How Teams reaches the bot: signed, over HTTP, and again where nobody answered."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from bench.platforms.teams.journal import Attempt, Delivery, Journal, Payload

TEAMS_ACK_SECONDS = 15.0


class Courier:
    """Delivers to `url`.

    What nobody answered within `ack_seconds` is sent again, the same activity, `redeliveries` times; then it is given
    up (msteams-docs#6084: after 10 to 15 seconds, once). With `retries_errors` an answer of 5xx and a connection that
    was refused count as no answer, too: whether Teams does so is not documented. Invokes are sent once.
    """

    def __init__(self, journal: Journal, sign: Callable[[], str]) -> None:
        self.url = ""
        self.sign = sign
        self.ack_seconds = TEAMS_ACK_SECONDS
        self.redeliveries = 1
        self.retry_delay = 0.05
        self.retries_errors = False
        self._journal = journal
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self) -> None:
        # A benchmark asks many things at once; whatever certificate the bot has is good here.
        connector = aiohttp.TCPConnector(limit=0, ssl=False)
        self._session = aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, name="a delivery")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Returns once nothing is on its way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def send(self, activity: Payload, header: str | None = None) -> Delivery:
        """Sends an activity as it is; returns once it is answered or given up. `header` in the place of a good one."""
        delivery = Delivery(kind_of(activity), activity)
        self._journal.deliveries.append(delivery)
        self._journal.tell()
        tries = 1 if activity.get("type") == "invoke" else self.redeliveries + 1
        for number in range(tries):
            if number:
                await asyncio.sleep(self.retry_delay)
            attempt = await self.post(delivery, json.dumps(activity).encode(), header)
            delivery.attempts.append(attempt)
            self._journal.tell()
            if not self._is_lost(attempt):
                break
        return delivery

    async def post(self, delivery: Delivery, body: bytes, header: str | None) -> Attempt:
        """One try with any bytes; what is answered goes into `delivery`."""
        if self._session is None or not self.url:
            raise RuntimeError("the platform is not started, or has no endpoint")
        authorization = f"Bearer {self.sign()}" if header is None else header
        headers = {"Content-Type": "application/json; charset=utf-8"}
        headers |= {"Authorization": authorization} if authorization else {}
        began, timeout = time.monotonic(), aiohttp.ClientTimeout(total=self.ack_seconds)
        try:
            async with self._session.post(
                self.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                delivery.answer, status = await response.read(), response.status
        except TimeoutError:
            return Attempt(None, "timeout", began, time.monotonic() - began)
        except aiohttp.ClientError:
            return Attempt(None, "connection", began, time.monotonic() - began)
        reason = "" if 200 <= status < 300 else "http_error"
        return Attempt(status, reason, began, time.monotonic() - began)

    def _is_lost(self, attempt: Attempt) -> bool:
        is_broken = attempt.reason == "connection" or (attempt.status or 0) >= 500
        return attempt.reason == "timeout" or (self.retries_errors and is_broken)


def kind_of(activity: Payload) -> str:
    """`message`, `messageReaction`, …; of an invoke its name."""
    kind = str(activity.get("type", ""))
    return str(activity.get("name", "")) if kind == "invoke" else kind
