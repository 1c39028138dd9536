"""What goes wrong on request: each fault is for one kind of call and for a number of them."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TypeAlias

from bench.platforms.teams.errors import ServiceError

ANY = "*"
CONNECTOR = ("send", "stream", "typing", "update", "delete", "create", "members", "member")
KINDS = (*CONNECTOR, "token", "openid", "keys")


@dataclass(frozen=True, slots=True)
class Refused:
    """Answered with this error, before anything was done."""

    error: ServiceError


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ends without an answer: after all was done, or before."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class Hung:
    """No answer until the faults are healed: after all was done, or before."""

    is_done: bool


Fault: TypeAlias = Refused | Lost | Hung


class Faults:
    """What awaits the next calls. A kind may also be slow until it is made quick again; "*" is the whole connector."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._seconds: dict[str, float] = {}
        self._healed = asyncio.Event()

    def add(self, kind: str, fault: Fault, times: int) -> None:
        self._next[known(kind)].extend([fault] * times)

    def slow(self, kind: str, seconds: float) -> None:
        self._seconds[known(kind)] = seconds

    def clear(self) -> None:
        self._next.clear()
        self._seconds.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    def take(self, kind: str) -> Fault | None:
        for name in (kind, ANY) if kind in CONNECTOR else (kind,):
            if waiting := self._next.get(name):
                return waiting.popleft()
        return None

    def seconds(self, kind: str) -> float:
        return self._seconds.get(kind, self._seconds.get(ANY, 0) if kind in CONNECTOR else 0)

    def pending(self, kind: str) -> int:
        return len(self._next.get(known(kind), ()))

    async def healed(self) -> None:
        await self._healed.wait()


def known(kind: str) -> str:
    if kind not in (*KINDS, ANY):
        raise ValueError(f"no such kind of call: {kind}")
    return kind
