"""How often a bot may call, and how large an activity may be."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Windows = Sequence[tuple[int, float]]

# Calls and seconds, "Optimize your bot with rate limiting in Teams": of one bot in one conversation; a roster may be
# read twice as often; and of one app in one tenant.
THREAD: Windows = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))
ROSTER: Windows = ((14, 1.0), (16, 2.0), (120, 30.0), (3600, 3600.0))
TENANT: Windows = ((50, 1.0),)
MAX_BYTES = 100 * 1024  # of UTF-16, "Format your bot messages"


@dataclass(slots=True)
class Limits:
    """Counts the calls that were let through. `clock` gives seconds; the windows may be changed for a test.

    With `stream_interval` above 0 a request of a stream that follows the one before sooner is refused, too: Teams asks
    for one a second and does not say where it begins to refuse ("Stream bot messages").
    """

    clock: Callable[[], float]
    thread: Windows = THREAD
    roster: Windows = ROSTER
    tenant: Windows = TENANT
    stream_interval: float = 0.0
    _calls: dict[str, deque[float]] = field(default_factory=dict)

    def wait(self, kind: str, conversation: str) -> int:
        """How many whole seconds the caller has to wait, 0 where the call counts."""
        if kind in ("members", "member"):
            asked = {f"roster {conversation}": self.roster}
        else:
            asked = {f"thread {conversation}": self.thread}
        if kind == "stream" and self.stream_interval:
            asked[f"stream {conversation}"] = ((1, self.stream_interval),)
        asked["tenant"] = self.tenant
        now = self.clock()
        if seconds := max(self._missing(key, windows, now) for key, windows in asked.items()):
            return max(1, math.ceil(seconds))
        for key, windows in asked.items():
            self._of(key, windows).append(now)
        return 0

    def _missing(self, key: str, windows: Windows, now: float) -> float:
        calls = self._of(key, windows)
        waits = [calls[-most] + seconds - now for most, seconds in windows if len(calls) >= most]
        return max([0.0, *waits])

    def _of(self, key: str, windows: Windows) -> deque[float]:
        return self._calls.setdefault(key, deque(maxlen=max(most for most, _ in windows)))
