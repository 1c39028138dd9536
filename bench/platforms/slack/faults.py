"""What goes wrong on request: each fault is for one method and for a number of calls."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answered with `ok: false`."""

    error: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Answered with 429 and Retry-After."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Broken:
    """Answered with this status and a page of HTML, before anything was done."""

    status: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ends without an answer: after all was done, or before."""

    is_done: bool


Fault: TypeAlias = Refusal | Wait | Broken | Lost


class Faults:
    """What awaits the next calls. A method may also be slow, until it is made quick again."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._seconds: dict[str, float] = {}

    def add(self, method: str, fault: Fault, times: int) -> None:
        self._next[method].extend([fault] * times)

    def slow(self, method: str, seconds: float) -> None:
        self._seconds[method] = seconds

    def clear(self) -> None:
        self._next.clear()
        self._seconds.clear()

    def take(self, method: str) -> Fault | None:
        waiting = self._next.get(method)
        return waiting.popleft() if waiting else None

    def seconds(self, method: str) -> float:
        return self._seconds.get(method, 0)

    def pending(self, method: str) -> int:
        return len(self._next.get(method, ()))
