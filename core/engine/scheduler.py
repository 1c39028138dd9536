"""The thread that owns the model: who is read, who speaks and who waits, step by step."""

import logging
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic

import torch

from core.engine.pace import Pace
from core.engine.prefixes import Prefixes
from core.engine.runner import Runner
from core.engine.sampler import sample
from core.engine.sequence import Event, Sequence
from core.engine.shortage import is_short_of_memory
from core.errors import TooLong, Unavailable, trace
from core.ports import Delta

log = logging.getLogger(__name__)

Told = list[tuple[Sequence, Event]]

SILENCE = 30.0
"""After so many seconds without a request the memory of the rows is given back."""

PATIENCE = 2.0
"""For so many seconds shorter prompts may go first: most then speak at once, and nobody waits for long."""

PERSEVERANCE = 3
"""Steps may fail for everybody so many times in a row, before the thread gives up."""

RECOVERY = 64
"""After so many good steps one more may speak, where a failed step had made it fewer."""


class Scheduler:
    """Runs requests side by side: each step reads parts of prompts and generates one token for everyone who speaks.

    The speaking ones hold the cache's rows 0 to n−1; the one that is being read holds row n. `deliver` is called in the
    scheduler's thread, with everything there is to say: after each part that was read, and after each token. A step
    that fails is tried again with half as many, until the one it fails with is alone: that one is told, the others
    never notice.
    """

    def __init__(
        self,
        runner: Runner,
        slots: int,
        deliver: Callable[[Told], None],
        *,
        prefixes: Prefixes | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._runner, self._slots, self._deliver = runner, slots, deliver
        self._prefixes = Prefixes(0, 0) if prefixes is None else prefixes
        self._pace = pace or Pace()
        self._arrivals: SimpleQueue[Sequence | None] = SimpleQueue()
        self._waiting: deque[Sequence] = deque()
        self._reading: Sequence | None = None
        self._speaking: list[Sequence] = []
        self._told: Told = []
        self._room = slots
        self._good_steps = 0
        self._began_at: float | None = None
        self._is_closing = False
        self._is_abandoned = False
        self._door = Lock()
        self._is_closed = False

    # --------------------------------------------------------------------------------------- from any thread

    def submit(self, sequence: Sequence) -> None:
        """Raises Unavailable once the scheduler has ended."""
        with self._door:
            if self._is_closed:
                raise Unavailable
            self._arrivals.put(sequence)

    def close(self) -> None:
        """Ends `run()` after the step it is in; whoever has no answer yet is told Unavailable."""
        self._arrivals.put(None)

    def abandon(self) -> None:
        """Nothing of it is wanted any more: its thread hangs, and ends by itself should it ever come back."""
        with self._door:
            self._is_abandoned = self._is_closed = True
        self.close()

    @property
    def busy_seconds(self) -> float:
        """How long the present step has been running; 0 between steps."""
        began_at = self._began_at
        return 0.0 if began_at is None else monotonic() - began_at

    # ------------------------------------------------------------------------------------ its own thread only

    @property
    def is_idle(self) -> bool:
        return not (self._speaking or self._reading or self._waiting)

    @property
    def slots(self) -> int:
        """How many may be read and speak at once."""
        return self._slots

    @property
    def slots_in_use(self) -> int:
        return len(self._speaking) + (self._reading is not None)

    def run(self) -> None:
        """Works until closed."""
        failures = 0
        try:
            while not self._is_closing:
                if self.is_idle:
                    self._take(self._next_arrival())
                try:
                    self.step()
                    failures = 0
                except Exception as error:
                    log.error("A step of the engine failed: %s", trace(error))
                    self._fail(self._live(), "this step failed; please ask again")
                    failures += 1
                    if failures > PERSEVERANCE:  # the watchdog knows what to do where the device itself is lost
                        raise
        finally:
            self._shut()

    @torch.inference_mode()
    def step(self) -> None:
        """Takes in who has arrived and frees the places of those who left, then reads, then speaks."""
        self._began_at = monotonic()
        try:
            while not self._arrivals.empty():
                self._take(self._arrivals.get_nowait())
            self._sweep()
            self._read()
            self._speak()
            self._number()
            if not (self._runner.works_ahead and self._speaking):
                self._flush()
        finally:
            self._began_at = None

    def _next_arrival(self) -> Sequence | None:
        while True:
            try:
                return self._arrivals.get(timeout=SILENCE)
            except Empty:
                self._runner.rest()
                self._prefixes.expire()

    def _take(self, arrival: Sequence | None) -> None:
        if arrival is None:
            self._is_closing = True
        else:
            self._waiting.append(arrival)

    def _sweep(self) -> None:
        self._waiting = deque(sequence for sequence in self._waiting if not sequence.is_cancelled)
        if self._reading and self._reading.is_cancelled:
            self._runner.cache.clear(len(self._speaking))
            self._reading = None
        for row in reversed(range(len(self._speaking))):
            if self._speaking[row].is_cancelled:
                self._leave(row)

    # ------------------------------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        """Reads prompts, but never so much that those who speak would falter."""
        left = budget = self._pace.budget(is_heard=bool(self._speaking))
        while left > 0 and (sequence := self._reading or self._admit()):
            try:
                if not (size := self._pace.part(self._unread(sequence), left, budget)):
                    return
                left -= self._pace.cost(size)
                self._read_part(sequence, size)
            except Exception as error:
                self._give_up_reading(sequence, error)
            self._flush()

    def _unread(self, sequence: Sequence) -> int:
        """How many tokens are still to be read, after what is known of them from before."""
        if sequence.read == 0:
            row = len(self._speaking)
            sequence.read = sequence.reused = self._prefixes.restore(sequence, self._runner.cache, row)
        return len(sequence.tokens) - sequence.read

    def _admit(self) -> Sequence | None:
        free = self._room - len(self._speaking)
        if free > 0 and (places := list(self._waiting)[:free]):
            self._reading = self._next(places)
            self._waiting.remove(self._reading)
            self._reading.begin()
        return self._reading

    def _next(self, places: list[Sequence]) -> Sequence:
        """Of those who have a slot the one with the least to read, unless the first has waited long enough."""
        if monotonic() - places[0].asked_at > PATIENCE:
            return places[0]
        return min(places, key=lambda sequence: len(sequence.tokens))

    def _read_part(self, sequence: Sequence, size: int) -> None:
        row, part = len(self._speaking), sequence.next_part(size)
        self._began_at = began = monotonic()
        logits = self._runner.read(row, part)
        self._pace.measured(len(part), monotonic() - began)
        sequence.read += len(part)
        if sequence.is_read:
            self._prefixes.keep_head(sequence, self._runner.cache, row)
            token = sample(logits, [sequence.sampler])[0]
            self._reading = None
            self._speaking.append(sequence)
            self._accept(row, token)

    def _give_up_reading(self, sequence: Sequence, error: Exception) -> None:
        """A prompt that cannot be read takes nobody else's answer with it.

        Where it was for want of memory, it is read again once there is some: without the prefixes that were kept, or
        once somebody else has left.
        """
        row = len(self._speaking)
        self._reading = None
        self._runner.cache.wipe(row)
        if is_short_of_memory(error) and (self._prefixes.drop() or row):
            log.warning("There was no memory for a prompt; it waits until others have left (%d speak).", row)
            self._room = max(1, row)
            self._wait_again(sequence)
            return
        log.error("A prompt could not be read: %s", trace(error), extra={"trail": sequence.trail})
        if is_short_of_memory(error):
            self._tell(sequence, TooLong("there is no memory for so many tokens"))
        else:
            self._tell(sequence, Unavailable("the prompt could not be read; please ask again"))

    def _wait_again(self, sequence: Sequence) -> None:
        """What it has said stays said; all of it is read again before it goes on."""
        sequence.read = 0
        self._waiting.appendleft(sequence)

    # ------------------------------------------------------------------------------------------------------ speaking

    def _speak(self) -> None:
        if not self._speaking:
            return
        self._began_at = monotonic()
        try:
            logits = self._runner.decode([sequence.tokens[-1] for sequence in self._speaking])
            if self._runner.works_ahead:
                self._flush()  # what the last step said goes out while this one is computed
            tokens = sample(logits, [sequence.sampler for sequence in self._speaking])
        except Exception as error:
            return self._falter(error)
        # From the last row down, so that whoever fills the place of one who leaves was already served.
        for row in reversed(range(len(tokens))):
            self._speaking[row].read += 1
            self._accept(row, tokens[row])
        self._recover()

    def _accept(self, row: int, token: int) -> None:
        sequence = self._speaking[row]
        sequence.has_stumbled = False
        if token < 0:
            return self._dismiss(row, "the model computed no number; please ask again")
        try:
            deltas = sequence.accept(token)
        except Exception as error:
            log.error("A token could not be decoded: %s", trace(error), extra={"trail": sequence.trail})
            return self._dismiss(row, "its text could not be decoded; please ask again")
        for delta in deltas:
            self._tell(sequence, delta)
        if deltas and deltas[-1].finish:
            self._leave(row)

    def _falter(self, error: Exception) -> None:
        """A step failed: the later half of the rows waits, to be read again, and the others try without them."""
        rows, self._good_steps = len(self._speaking), 0
        if is_short_of_memory(error) and self._prefixes.drop():
            log.warning("There was no memory for a step; what was kept of other threads is given up.")
        elif rows == 1 and not self._speaking[0].has_stumbled:
            whose = {"trail": self._speaking[0].trail}
            log.warning("A step with one answer failed and is tried again: %s", trace(error), extra=whose)
            self._speaking[0].has_stumbled = True
        elif rows == 1:
            whose = {"trail": self._speaking[0].trail}
            log.error("A step of the engine failed with one answer alone: %s", trace(error), extra=whose)
            self._dismiss(0, "this step failed; please ask again")
            # The one at fault is out; only a want of memory is the others' concern too.
            self._room = 1 if is_short_of_memory(error) else self._slots
        else:
            log.warning("A step with %d answers failed and is tried with half of them: %s", rows, trace(error))
            self._room = max(1, rows // 2)
            for row in reversed(range(self._room, rows)):
                sequence = self._speaking[row]
                self._vacate(row, is_whole=False)
                self._wait_again(sequence)

    def _recover(self) -> None:
        self._good_steps = self._good_steps + 1 if self._room < self._slots else 0
        if self._good_steps >= RECOVERY:
            self._room, self._good_steps = self._room + 1, 0

    def _leave(self, row: int) -> None:
        self._prefixes.keep(self._speaking[row], self._runner.cache, row)
        self._vacate(row)

    def _dismiss(self, row: int, detail: str) -> None:
        """Somebody whose row cannot be trusted, and is not kept."""
        self._tell(self._speaking[row], Unavailable(detail))
        self._vacate(row, is_whole=False)

    def _vacate(self, row: int, *, is_whole: bool = True) -> None:
        """The last one who speaks takes the empty row, the one being read the row after the last."""
        cache, last = self._runner.cache, len(self._speaking) - 1
        (cache.clear if is_whole else cache.wipe)(row)
        if row != last:
            cache.move(last, row)
            self._speaking[row] = self._speaking[last]
        self._speaking.pop()
        if self._reading:
            cache.move(last + 1, last)

    # ------------------------------------------------------------------------------------------------------- telling

    def _number(self) -> None:
        """Tells each who waits for a slot their place; who only waits to be read has one."""
        free = self._room - self.slots_in_use
        for position, sequence in enumerate(self._waiting, start=1 - free):
            if position > 0 and sequence.position != position and not sequence.generated:
                sequence.position = position
                self._tell(sequence, Delta(position=position))

    def _tell(self, sequence: Sequence, event: Event) -> None:
        self._told.append((sequence, event))

    def _flush(self) -> None:
        if self._told and not self._is_abandoned:
            told, self._told = self._told, []
            self._deliver(told)

    def _live(self) -> list[Sequence]:
        return [*self._speaking, *filter(None, [self._reading])]

    def _fail(self, sequences: list[Sequence], detail: str) -> None:
        """Tells them, and starts again with a fresh cache."""
        for sequence in sequences:
            self._tell(sequence, Unavailable(detail))
        self._speaking, self._reading = [], None
        self._runner.cache.reset()
        self._flush()

    def _shut(self) -> None:
        with self._door:
            self._is_closed = True
        while not self._arrivals.empty():
            self._take(self._arrivals.get_nowait())
        self._fail([*self._live(), *self._waiting], "")
        self._waiting.clear()
        self._prefixes.drop()
