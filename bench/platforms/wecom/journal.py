"""What happened, in order: calls of the bot and the app, deliveries to them, and whoever waits for either."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Payload: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One frame of the long connection, or one request over HTTP. `kind` is one of bench.platforms.wecom.faults.KINDS.

    `args` is the body (of a request its query, too), `told` what was answered. `at` and `ended` are monotonic moments,
    `code` is the errcode, None while nothing was answered. `link` is the number of the connection, 0 over HTTP.
    """

    kind: str
    args: Payload = field(default_factory=dict)
    req_id: str = ""
    link: int = 0
    at: float = field(default_factory=monotonic)
    ended: float = 0.0
    code: int | None = None
    told: Payload = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver. `status` is None where no answer came.

    `reason` is "" where it was taken, else http_error, timeout, connection, or forged: an answer that nobody can read.
    """

    status: int | None
    reason: str
    at: float
    seconds: float


@dataclass(slots=True)
class Delivery:
    """Something that was sent to the bot or the app.

    `way` is socket, callback or app; `kind` is the msgtype, of an event its name; `body` what was sent, of an app the
    fields of the XML; `req_id` that of the frame. `answer` is what came back, opened: {} for an empty packet. `problem`
    says what WeCom would not have liked about it, and `reason` why it was not sent at all.
    """

    way: str
    kind: str
    body: Payload
    chat: str = ""
    req_id: str = ""
    at: float = field(default_factory=monotonic)
    attempts: list[Attempt] = field(default_factory=list)
    answer: Payload = field(default_factory=dict)
    problem: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        return str(self.body.get("msgid") or self.body.get("MsgId") or "")

    @property
    def status(self) -> int | None:
        """HTTP's, of the last attempt."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def is_accepted(self) -> bool:
        """Whether it got there; through a socket, whether it was sent."""
        return bool(self.attempts) and not self.attempts[-1].reason


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
