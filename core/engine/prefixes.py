"""What was read before and need not be read again: a thread's conversation, and the head that all threads share."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Sequence as Tokens
from dataclasses import dataclass
from time import monotonic

from torch import Tensor

from core.engine.cache import SlotCache
from core.engine.sequence import Sequence
from core.engine.shortage import is_short_of_memory

log = logging.getLogger(__name__)

Key = str | tuple[int, ...]
"""A thread, or the tokens of a head."""

LEAST = 16
"""Fewer tokens than these are read as fast as they are copied."""


@dataclass(slots=True)
class Prefix:
    """The keys and values of `tokens`, each layer's; `used_at` on the clock of `time.monotonic`."""

    tokens: list[int]
    layers: tuple[Tensor, ...]
    used_at: float

    @property
    def size(self) -> int:
        return sum(tensor.nbytes for tensor in self.layers)


def common(one: Tokens[int], other: Tokens[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))


class Prefixes:
    """Prefixes up to `limit` bytes, the least recently used given up first. Belongs to the scheduler's thread.

    A thread's prefix serves that thread alone, so that nobody can tell by the speed of an answer what others asked;
    only the head (the system prompt, as the template puts it) serves all.
    """

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._kept: OrderedDict[Key, Prefix] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def restore(self, sequence: Sequence, cache: SlotCache, row: int) -> int:
        """Fills the empty row with what is known of the sequence's tokens; how many these are, never all of them."""
        keys: tuple[Key, Key] = (sequence.thread, tuple(sequence.prompt[: sequence.head]))
        found = [(common(self._kept[key].tokens, sequence.tokens), key) for key in keys if key in self._kept]
        length, key = max(found, key=lambda pair: pair[0], default=(0, ""))
        # The last token is read again: what comes after it is what is asked.
        length = min(length, len(sequence.tokens) - 1)
        if length < LEAST:
            return 0
        cache.paste(row, self._kept[key].layers, length)
        self._kept.move_to_end(key)
        self._kept[key].used_at = self._clock()
        return length

    def keep_head(self, sequence: Sequence, cache: SlotCache, row: int) -> None:
        """Called once the prompt was read."""
        head = tuple(sequence.prompt[: sequence.head])
        if len(head) >= LEAST and head not in self._kept:
            self._keep(head, list(head), cache, row)

    def keep(self, sequence: Sequence, cache: SlotCache, row: int) -> None:
        """Called when the sequence leaves its row: what it has read is what its thread will ask about next."""
        self.expire()
        if sequence.thread and (length := cache.lengths[row]) >= LEAST:
            self._keep(sequence.thread, sequence.tokens[:length], cache, row)

    def drop(self) -> bool:
        """Gives all of it up; whether there was any."""
        had, self.size = bool(self._kept), 0
        self._kept.clear()
        return had

    def expire(self) -> None:
        """Gives up what nobody came back to."""
        oldest = self._clock() - self._seconds
        for key in [key for key, prefix in self._kept.items() if prefix.used_at < oldest]:
            self._give_up(key)

    def _keep(self, key: Key, tokens: list[int], cache: SlotCache, row: int) -> None:
        if key in self._kept:
            self._give_up(key)
        size = cache.bytes_per_token * len(tokens)
        if size > self._limit:
            return
        while self.size + size > self._limit:
            self._give_up(next(iter(self._kept)))
        try:
            layers = cache.copied(row, len(tokens))
        except Exception as error:
            if not is_short_of_memory(error):
                raise
            log.warning("There was no memory to keep what was read; what was kept before is given up.")
            self.drop()
            return
        self._kept[key] = Prefix(tokens, layers, self._clock())
        self.size += size

    def _give_up(self, key: Key) -> None:
        self.size -= self._kept.pop(key).size
