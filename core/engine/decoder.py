"""The decode step on a GPU: recorded once as a CUDA graph for each shape, then only replayed."""

import logging
from typing import Any, cast

import torch
from torch import Tensor

from core.engine.cache import SlotCache, Window
from core.errors import trace

log = logging.getLogger(__name__)

Shape = tuple[int, int]
"""How many rows speak and how many positions are read, both rounded up, so that there are few graphs."""

READY = (256, 512, 1024)
"""Lengths for which graphs are recorded before anybody asks; those of longer conversations when they are needed."""


class Decoder:
    """Generates one token for each of the rows 0 to n−1, from buffers that never move.

    What a row lacks to its shape is made up for by rows that write into the cache's spare row, and are not looked at.
    On a processor nothing is recorded: then a step is a plain call.
    """

    def __init__(self, network: Any, cache: SlotCache) -> None:
        self._network, self._cache = network, cache
        self._records = cache.device.type == "cuda"
        inputs = torch.zeros((3, cache.slots), dtype=torch.long)
        self._host = inputs.pin_memory() if self._records else inputs
        self._inputs = inputs.to(cache.device, copy=True)
        self._graphs: dict[Shape, tuple[Any, Tensor]] = {}
        self._pool: Any = None
        self._generation = cache.generation

    def warm_up(self) -> None:
        """Records the graphs that are needed first; the cache must be empty."""
        lengths = [length for length in READY if length <= self._cache.context]
        for rows in sorted({rounded_rows(count, self._cache.slots) for count in range(1, self._cache.slots + 1)}):
            for length in lengths:
                self._cache.lengths[:rows] = [length - 1] * rows
                self.decode([0] * rows)
        self._cache.forget()

    def decode(self, tokens: list[int]) -> Tensor:
        """The logits `[n, vocabulary]` of what comes after these tokens; they are overwritten by the next step."""
        cache, count = self._cache, len(tokens)
        starts = cache.lengths[:count]
        rows, length = rounded_rows(count, cache.slots), max(starts) + 1
        cache.reserve(rows, length)
        length = min(rounded_length(length), cache.capacity)
        spare = rows - count
        self._host[:, :rows] = torch.tensor(
            [tokens + [0] * spare, starts + [0] * spare, [*range(count)] + [cache.spare] * spare]
        )
        self._inputs.copy_(self._host, non_blocking=True)
        logits = self._logits((rows, length))
        cache.close(0, count, 1)
        return logits[:count]

    def forget(self) -> None:
        """What was recorded, with the memory that it has of its own."""
        self._graphs.clear()
        self._pool = None

    def _logits(self, shape: Shape) -> Tensor:
        if self._generation != self._cache.generation:  # the cache has moved, and what was recorded reads the old one
            self.forget()
            self._generation = self._cache.generation
        if shape not in self._graphs and self._records:
            self._record(shape)
        if found := self._graphs.get(shape):
            graph, logits = found
            graph.replay()
            return logits
        return self._step(shape)

    def _step(self, shape: Shape) -> Tensor:
        rows, length = shape
        tokens, positions, places = self._inputs[:, :rows, None]
        window = Window(slice(0, rows), places, positions, length)
        self._cache.turn_to(window)
        output = self._network(
            input_ids=tokens,
            attention_mask=window.bias(self._network.dtype),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return cast(Tensor, output.logits)[:, -1]

    def _record(self, shape: Shape) -> None:
        """The step runs before it is recorded, so that all it needs is set up; it writes the same both times."""
        make: Any = torch.cuda.Stream
        stream = make()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(shape)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                logits = self._step(shape)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            log.warning("The decode step cannot be recorded as a CUDA graph, and runs without: %s", trace(error))
            self._records = False
            return
        self._graphs[shape] = graph, logits


def rounded_rows(count: int, slots: int) -> int:
    """1, 2, 4, then the eights."""
    rounded = next((few for few in (1, 2, 4) if few >= count), -(-count // 8) * 8)
    return min(rounded, slots)


def rounded_length(length: int) -> int:
    """256, 512, 768, 1,024, then what is at most half as much again: 1,536, 2,048, 3,072, 4,096 …"""
    if length <= 1024:
        return -(-length // 256) * 256
    power: int = 1 << (length - 1).bit_length()
    return power // 4 * 3 if length <= power // 4 * 3 else power
