"""Leaving an engine alone that does not answer: closed, open, and half-open while one request tries it out."""

from collections.abc import Callable
from enum import IntEnum
from time import monotonic

from core.errors import Unavailable

LONGEST = 60.0
"""Seconds that an engine rests at most."""


class Circuit(IntEnum):
    """Closed lets everybody in, half-open one request, open nobody."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens after `failures` in a row and rests for `rest` seconds; then exactly one request tries the engine out.

    Where that one fails too, it rests twice as long, `longest` seconds at most. `clock` tells seconds.
    What `admit` returns is handed back with the outcome: that of a request from before it opened changes nothing.
    """

    def __init__(
        self, *, failures: int = 3, rest: float = 5.0, longest: float = LONGEST, clock: Callable[[], float] = monotonic
    ) -> None:
        self._limit, self._least, self._longest, self._clock = failures, rest, longest, clock
        self._circuit, self._failures, self._era = Circuit.CLOSED, 0, 0
        self._rest, self._until = rest, 0.0

    @property
    def circuit(self) -> Circuit:
        """Half-open also where it has rested and nobody has tried yet."""
        return Circuit.HALF_OPEN if self.has_rested else self._circuit

    @property
    def has_rested(self) -> bool:
        """Whether the next request would be the one that tries the engine out."""
        return self._circuit is Circuit.OPEN and not self.rests_for

    @property
    def rests_for(self) -> float:
        """Seconds until somebody may try it out: 0 where somebody may, or need not."""
        return max(0.0, self._until - self._clock()) if self._circuit is Circuit.OPEN else 0.0

    def admit(self) -> int:
        """Lets a request through; raises Unavailable while it is open, or another request tries the engine out."""
        if self.has_rested:
            self._circuit = Circuit.HALF_OPEN
        elif self._circuit is not Circuit.CLOSED:
            raise Unavailable("it failed several times in a row and is let alone for a while")
        return self._era

    def speak(self, admitted: int) -> None:
        """The engine lives, as one that begins to answer: others may come again, and one more failure opens it anew."""
        if admitted == self._era and self._circuit is Circuit.HALF_OPEN:
            self._circuit, self._failures = Circuit.CLOSED, self._limit - 1

    def succeed(self, admitted: int) -> None:
        """The answer is whole."""
        if admitted == self._era:
            self._circuit, self._failures, self._rest = Circuit.CLOSED, 0, self._least

    def fail(self, admitted: int) -> None:
        """The engine did not answer, or not to the end."""
        if admitted != self._era:
            return
        self._failures += 1
        if self._circuit is Circuit.HALF_OPEN or self._failures >= self._limit:
            self._circuit, self._until = Circuit.OPEN, self._clock() + self._rest
            self._era += 1
            self._rest = min(self._rest * 2, self._longest)

    def withdraw(self, admitted: int) -> None:
        """The request ended without telling anything of the engine: another may try it out."""
        if admitted == self._era and self._circuit is Circuit.HALF_OPEN:
            self._circuit = Circuit.OPEN
