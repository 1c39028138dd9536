"""What happened, in order: calls of the bot, deliveries to it, and whoever waits for either."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Payload: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One request of the bot. `kind` is one of bench.platforms.teams.faults.KINDS.

    `at` and `ended` are monotonic moments, `status` is HTTP's (0 while it runs, or where no answer came), `code` is
    the error's. `conversation` is as it stood in the address, `activity` the id in it; `args` is the body.
    """

    kind: str
    args: Payload = field(default_factory=dict)
    conversation: str = ""
    activity: str = ""
    at: float = field(default_factory=monotonic)
    ended: float = 0.0
    status: int = 0
    code: str = ""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300 and not self.code


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver. `status` is None where no answer came; `reason` is "", http_error, timeout or connection."""

    status: int | None
    reason: str
    at: float
    seconds: float


@dataclass(slots=True)
class Delivery:
    """An activity that was sent to the bot. `kind` is its type, of an invoke its name."""

    kind: str
    activity: Payload
    at: float = field(default_factory=monotonic)
    attempts: list[Attempt] = field(default_factory=list)
    answer: bytes = b""

    @property
    def status(self) -> int | None:
        """Of the last attempt."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def body(self) -> Any:
        """The last answer as JSON, None where it is empty or something else."""
        try:
            return json.loads(self.answer)
        except ValueError:
            return None

    @property
    def problem(self) -> str:
        """What the person reads because of the answer to an invoke, "" where all is well.

        Feedback has to be answered with 200 and an empty object, else the client shows an error; a card's action with
        200 and a body that itself says 200 (learn.microsoft.com, "Universal Actions for Adaptive Cards").
        """
        if not self.is_accepted:
            return f"Something went wrong. Please try again. ({self.status})"
        if self.kind == "message/submitAction" and (self.status, self.body) != (200, {}):
            return "Unable to submit feedback. (400)"
        if self.kind == "adaptiveCard/action":
            told = self.body
            if not isinstance(told, dict) or told.get("statusCode") != 200:
                return "Unable to reach app. Please try again."
        return ""


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
