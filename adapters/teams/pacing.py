"""How often a conversation may be written to: Teams counts per bot and conversation, over four windows at once."""

from collections import deque
from collections.abc import Callable
from time import monotonic

# Calls and seconds (learn.microsoft.com, "Optimize your bot with rate limiting in Teams", per bot per thread limit).
TEAMS_WRITES = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))
TEAMS_READS = ((14, 1.0), (16, 2.0), (120, 30.0), (3600, 3600.0))
_MARGIN = 1.05  # calls of an earlier window may be long under way, and arrive in the next one


def _below(limits: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """As many calls in windows a little longer than Teams': to leave out one of seven would be 14 %."""
    return tuple((calls, seconds * _MARGIN) for calls, seconds in limits)


WRITES, READS = _below(TEAMS_WRITES), _below(TEAMS_READS)

_SWEEP = 1024  # conversations, after which those long silent are forgotten


class Paces:
    """When each conversation may be called again. One that asks is given its moment, and whoever asks next a later one.

    `clock` gives seconds that never run backwards.
    """

    def __init__(
        self, limits: tuple[tuple[int, float], ...] = WRITES, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._longest = max(seconds for _, seconds in limits)
        self._most = max(calls for calls, _ in limits)
        self._taken: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self._next_sweep = _SWEEP

    def wait_of(self, conversation: str) -> float:
        """Seconds until this conversation may be called; 0 where it may now."""
        return max(0.0, self._moment(conversation) - self._clock())

    def take(self, conversation: str, patience: float) -> float:
        """Seconds until the moment that is now the caller's. Beyond `patience` seconds none is taken."""
        now, moment = self._clock(), self._moment(conversation)
        if moment - now <= patience:
            self._sweep()
            self._taken.setdefault(conversation, deque(maxlen=self._most)).append(max(moment, now))
        return max(0.0, moment - now)

    def hold(self, conversation: str, seconds: float) -> None:
        """Teams asked to wait."""
        self._until[conversation] = max(self._until.get(conversation, 0.0), self._clock() + seconds)

    def _moment(self, conversation: str) -> float:
        """The first one at which every window has room, after all that were taken before."""
        held = self._until.get(conversation, 0.0)
        taken = self._taken.get(conversation)
        if not taken:
            return held
        full = (taken[-calls] + seconds for calls, seconds in self._limits if len(taken) >= calls)
        return max(held, taken[-1], *full)

    def _sweep(self) -> None:
        if len(self._taken) + len(self._until) < self._next_sweep:
            return
        now = self._clock()
        self._taken = {key: taken for key, taken in self._taken.items() if now - taken[-1] < self._longest}
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._next_sweep = max(_SWEEP, 2 * (len(self._taken) + len(self._until)))
