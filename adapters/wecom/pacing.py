"""How often a conversation may be written to: 30 times a minute and 1,000 times an hour, whatever it is."""

import json
from asyncio import Lock, sleep
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic, time
from weakref import WeakValueDictionary

from core.errors import RateLimited
from core.message import Author
from core.ports import Notes

_SWEEP = 1024  # conversations, after which those long silent are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `calls` within `seconds`, of which `interim` ones leave room for those that matter."""

    calls: int
    interim: int
    seconds: float


# A little less than WeCom allows, in a little more time: what was long under way arrives in the next window
# (developer.work.weixin.qq.com, documents 101463 and 90236). Whether each frame of a stream counts is not said.
WINDOWS = (Window(calls=28, interim=20, seconds=61.0), Window(calls=960, interim=800, seconds=3630.0))

_FIRST_GAP = 0.7  # seconds between two interim frames, at first;
_SLOWER = 1.14  # each one of the last minute makes the next wait so much longer: some 14 a minute, never a long silence


class Pacer:
    """Gives every call its place. WeCom drops what is too much.

    `conversation` is whatever WeCom counts by: a chat of a bot, a member of an app. It is this process's own count,
    which will do where one process at a time speaks. `clock` gives seconds that never run backwards.
    """

    def __init__(
        self,
        windows: tuple[Window, ...] = WINDOWS,
        *,
        patience: float = 90.0,
        first_gap: float = _FIRST_GAP,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._windows = windows
        self._patience = patience
        self._first_gap = first_gap
        self._clock = clock
        self._longest = max(window.seconds for window in windows)
        self._shortest = min(window.seconds for window in windows)
        self._taken: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self._next_sweep = _SWEEP

    async def place(self, conversation: str, *, is_interim: bool = False) -> bool:
        """Waits for the moment of a call that matters, which is always True; raises RateLimited where that is far away.

        An interim one, whose words the next one repeats, never waits: False where it is to be left out.
        """
        wait = self._reserve(conversation, is_interim=is_interim)
        if wait is None:
            return False
        await sleep(wait)
        return True

    def interim_wait(self, conversation: str) -> float:
        """Seconds until an interim call gets its place; 0 where it does now."""
        now = self._clock()
        taken = self._past(conversation, now)
        recent = sum(1 for at in taken if at > now - self._shortest)
        gap = self._first_gap * _SLOWER**recent
        moments = [self._until.get(conversation, 0.0), *([taken[-1] + gap] if taken else [])]
        for window in self._windows:
            moments += [taken[-window.interim] + window.seconds] if len(taken) >= window.interim else []
        return max(0.0, max(moments) - now)

    def hold(self, conversation: str, seconds: float) -> None:
        """WeCom asked to wait."""
        self._until[conversation] = max(self._until.get(conversation, 0.0), self._clock() + seconds)

    def _reserve(self, conversation: str, *, is_interim: bool) -> float | None:
        """Seconds until the moment that is now the caller's; None where there is none for an interim call."""
        now = self._clock()
        if is_interim and self.interim_wait(conversation) > 0:
            return None
        moment = now if is_interim else self._moment(conversation, now)
        if moment - now > self._patience:
            raise RateLimited(timedelta(seconds=moment - now), "this conversation has had its share of messages")
        self._sweep()
        insort(self._taken.setdefault(conversation, deque()), moment)
        return moment - now

    def _moment(self, conversation: str, now: float) -> float:
        """The first one at which every window has room, after all that were given before."""
        taken = self._past(conversation, now)
        full = (taken[-window.calls] + window.seconds for window in self._windows if len(taken) >= window.calls)
        return max(now, self._until.get(conversation, 0.0), *full)

    def _past(self, conversation: str, now: float) -> deque[float]:
        """The calls that may still count, oldest first; those that wait for their moment are among them."""
        taken = self._taken.get(conversation, deque())
        while taken and taken[0] <= now - self._longest:
            taken.popleft()
        return taken

    def _sweep(self) -> None:
        if len(self._taken) + len(self._until) < self._next_sweep:
            return
        now = self._clock()
        self._taken = {key: taken for key, taken in self._taken.items() if taken and now - taken[-1] < self._longest}
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._next_sweep = max(_SWEEP, 2 * (len(self._taken) + len(self._until)))


class SharedPacer(Pacer):
    """One count for all our processes: what a self-built app sends too much is dropped without a word.

    It is kept in `notes` by conversation, `scope` being the app, and belongs to `whose` it is. Two processes that send
    to one person within the same few milliseconds may count one call too few, which is what the windows' margin is for.
    """

    def __init__(
        self,
        notes: Notes,
        scope: str,
        windows: tuple[Window, ...] = WINDOWS,
        *,
        whose: Callable[[str], Author],
        patience: float = 90.0,
        first_gap: float = _FIRST_GAP,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        """`wall` gives seconds since 1970, which all machines agree on."""
        super().__init__(windows, patience=patience, first_gap=first_gap, clock=clock)
        self._notes = notes
        self._scope = scope
        self._whose = whose
        self._lasts = timedelta(seconds=self._longest + patience)
        self._wall = wall
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    async def place(self, conversation: str, *, is_interim: bool = False) -> bool:
        """As a Pacer's. Raises NotStored besides."""
        lock = self._locks.setdefault(conversation, Lock())
        async with lock:
            await self._recall(conversation)
            wait = self._reserve(conversation, is_interim=is_interim)
            if wait is None:
                return False
            await self._keep(conversation)
        await sleep(wait)
        return True

    async def _recall(self, conversation: str) -> None:
        """All that was taken is written down: what stands there is the whole count."""
        note = await self._notes.get(self._name(conversation))
        if note is None and conversation not in self._taken:
            note = await self._take_over(conversation)
        if note:
            self._taken[conversation] = deque(at - self._ahead for at in _moments(note))

    async def _take_over(self, conversation: str) -> bytes | None:
        """What the release before has counted. It can't read a note that is a person's, and may be gone back to."""
        old = f"wecom/pace/{self._scope}/{conversation}"
        if note := await self._notes.get(old):
            await self._notes.delete(old)
        return note

    async def _keep(self, conversation: str) -> None:
        moments = [round(at + self._ahead, 3) for at in self._past(conversation, self._clock())]
        name, about = self._name(conversation), self._whose(conversation)
        await self._notes.put(name, json.dumps(moments).encode(), about=about, lifetime=self._lasts)

    @property
    def _ahead(self) -> float:
        """By how much the time of day is ahead of the clock that never runs backwards."""
        return self._wall() - self._clock()

    def _name(self, conversation: str) -> str:
        return f"wecom/paced/{self._scope}/{conversation}"


def _moments(note: bytes) -> Iterable[float]:
    return sorted(float(at) for at in json.loads(note))
