"""The thread that owns the model: who is read, who speaks and who waits, step by step."""

import logging
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock

import torch

from core.engine.runner import Runner
from core.engine.sampler import sample
from core.engine.sequence import Event, Sequence
from core.errors import Unavailable, trace
from core.ports import Delta

log = logging.getLogger(__name__)

Told = list[tuple[Sequence, Event]]

SILENCE = 30.0
"""After so many seconds without a request the cache's memory is given back."""


class Scheduler:
    """Runs requests side by side: each step reads a part of a prompt and generates one token for everyone who speaks.

    The speaking ones hold the cache's rows 0 to n−1; the one that is being read holds row n. `deliver` is called once
    per step, in the scheduler's thread, with everything that step has to say.
    """

    def __init__(self, runner: Runner, slots: int, deliver: Callable[[Told], None], chunk: int = 256) -> None:
        self._runner, self._slots, self._deliver, self._chunk = runner, slots, deliver, chunk
        self._arrivals: SimpleQueue[Sequence | None] = SimpleQueue()
        self._waiting: deque[Sequence] = deque()
        self._reading: Sequence | None = None
        self._speaking: list[Sequence] = []
        self._told: Told = []
        self._is_closing = False
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

    # ------------------------------------------------------------------------------------ its own thread only

    @property
    def is_idle(self) -> bool:
        return not (self._speaking or self._reading or self._waiting)

    @property
    def slots_in_use(self) -> int:
        return len(self._speaking) + (self._reading is not None)

    def run(self) -> None:
        """Works until closed. A step that fails takes its own requests with it and nobody else's."""
        try:
            while not self._is_closing:
                if self.is_idle:
                    self._take(self._next_arrival())
                try:
                    self.step()
                except Exception as error:
                    log.error("A step of the engine failed: %s", trace(error))
                    self._fail(self._live(), "this step failed; please ask again")
        finally:
            self._shut()

    @torch.inference_mode()
    def step(self) -> None:
        """Takes in who has arrived and frees the places of those who left, then reads, then speaks."""
        while not self._arrivals.empty():
            self._take(self._arrivals.get_nowait())
        self._sweep()
        self._read()
        self._speak()
        self._number()
        self._flush()

    def _next_arrival(self) -> Sequence | None:
        try:
            return self._arrivals.get(timeout=SILENCE)
        except Empty:
            self._runner.cache.reset()
            return self._arrivals.get()

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

    def _read(self) -> None:
        """Reads prompts, first come first served, but never so much that those who speak would falter."""
        budget = self._chunk
        while budget and (sequence := self._reading or self._admit()):
            part = sequence.next_part(budget)
            budget -= len(part)
            try:
                logits = self._runner.forward(len(self._speaking), [part])
                token = sample(logits, [sequence.sampler])[0] if sequence.is_read else None
            except Exception as error:
                self._give_up_reading(sequence, error)
                continue
            if token is not None:
                self._reading = None
                self._speaking.append(sequence)
                self._accept(len(self._speaking) - 1, token)

    def _give_up_reading(self, sequence: Sequence, error: Exception) -> None:
        """A prompt that cannot be read (most often for want of memory) takes nobody else's answer with it."""
        log.error("A prompt could not be read: %s", trace(error))
        self._tell(sequence, Unavailable("it could not be read; please ask again"))
        self._reading = None
        self._runner.cache.wipe(len(self._speaking))

    def _admit(self) -> Sequence | None:
        if self._waiting and len(self._speaking) < self._slots:
            self._reading = self._waiting.popleft()
        return self._reading

    def _speak(self) -> None:
        if not self._speaking:
            return
        logits = self._runner.forward(0, [[sequence.sampler.tokens[-1]] for sequence in self._speaking])
        tokens = sample(logits, [sequence.sampler for sequence in self._speaking])
        # From the last row down, so that whoever fills the place of one who leaves was already served.
        for row in reversed(range(len(tokens))):
            self._accept(row, tokens[row])

    def _accept(self, row: int, token: int) -> None:
        sequence = self._speaking[row]
        if token < 0:
            self._tell(sequence, Unavailable("the model computed no number; please ask again"))
            return self._leave(row)
        try:
            delta = sequence.accept(token)
        except Exception as error:
            log.error("A token could not be decoded: %s", trace(error))
            self._tell(sequence, Unavailable("its text could not be decoded; please ask again"))
            return self._leave(row)
        if delta != Delta():
            self._tell(sequence, delta)
        if delta.finish:
            self._leave(row)

    def _leave(self, row: int) -> None:
        """The last one who speaks takes the empty row, the one being read the row after the last."""
        cache, last = self._runner.cache, len(self._speaking) - 1
        cache.clear(row)
        if row != last:
            cache.move(last, row)
            self._speaking[row] = self._speaking[last]
        self._speaking.pop()
        if self._reading:
            cache.move(last + 1, last)

    def _number(self) -> None:
        """Tells each who waits for a slot their place; who only waits to be read has one."""
        free = self._slots - self.slots_in_use
        for position, sequence in enumerate(self._waiting, start=1 - free):
            if position > 0 and sequence.position != position:
                sequence.position = position
                self._tell(sequence, Delta(position=position))

    def _tell(self, sequence: Sequence, event: Event) -> None:
        self._told.append((sequence, event))

    def _flush(self) -> None:
        if self._told:
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
