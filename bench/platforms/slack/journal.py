"""What happened, in order: calls of the app, deliveries to it, and whoever waits for either."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from bench.platforms.slack.payloads import Payload

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One call of the Web API. `status` is HTTP's, 0 while it runs or where no answer came; `error` is Slack's."""

    method: str
    args: Payload
    team: str = ""
    at: float = field(default_factory=monotonic)
    status: int = 0
    error: str = ""

    @property
    def is_ok(self) -> bool:
        return self.status == 200 and not self.error


@dataclass(slots=True)
class Attempt:
    """One try to deliver. `status` is None where no answer came; `reason` is Slack's word for why it failed."""

    status: int | None
    reason: str
    seconds: float


@dataclass(slots=True)
class Delivery:
    """Something that was sent to the app. `kind` is the event's type (with its subtype), or the interaction's.

    `answer` is the body of the last answer; of a socket, the payload of the acknowledgement.
    """

    kind: str
    payload: Payload
    at: float = field(default_factory=monotonic)
    attempts: list[Attempt] = field(default_factory=list)
    answer: bytes = b""

    @property
    def status(self) -> int | None:
        """Of the last attempt; an acknowledged envelope counts as 200."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def retries(self) -> int:
        return max(0, len(self.attempts) - 1)


class Journal:
    """Lists that grow, and a way to wait for what they will hold."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.deliveries: list[Delivery] = []
        self._changed: asyncio.Event = asyncio.Event()

    def tell(self) -> None:
        """Wakes everybody who waits; called after each change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, predicate: Callable[[], T | None], timeout: float) -> T:
        """What `predicate` returns, once that is true; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not (found := predicate()):
                await self._changed.wait()
            return found
