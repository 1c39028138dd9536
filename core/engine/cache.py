"""The memory of the model: one row of keys and values per sequence, joined and left at any step."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

PAGE = 64


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


@dataclass(frozen=True, slots=True)
class Window:
    """What one forward pass writes and reads.

    `span` are the neighbouring rows it is about; `rows` [n, 1] and `positions` [n, width] say where its tokens go;
    the first `length` positions are read.
    """

    span: slice
    rows: Tensor
    positions: Tensor
    length: int

    def mask(self) -> Tensor:
        """True where a token may look: at itself and before, bool [n, 1, width, length]."""
        return torch.arange(self.length, device=self.positions.device) <= self.positions[:, None, :, None]

    def bias(self, dtype: torch.dtype) -> Tensor:
        """The same as numbers to add to the scores: 0 where a token may look, −∞ elsewhere."""
        mask = self.mask()
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, -torch.inf)


class SlotCache(Cache):
    """Keys and values as `[rows, heads, length, dim]` per layer, grown as needed up to `slots` × `context`.

    Rows in use are neighbours, so that a step reads views of them and gathers nothing. All that lies beyond a row's
    length is finite: a masked position takes part with weight 0, and 0 × NaN would still be NaN. With `has_spare` there
    is one row more, which nobody reads, for what must be written somewhere. `generation` changes whenever the tensors
    have moved.
    """

    def __init__(self, slots: int, context: int, device: torch.device, *, has_spare: bool = False) -> None:
        super().__init__(layers=[])
        self.slots, self.context, self.device = slots, context, device
        self._spares = int(has_spare)
        self.generation = 0
        self._window: Window
        self.reset()

    def reset(self) -> None:
        """Forgets everything and gives the memory back."""
        self.forget()
        self.generation += 1
        self._capacity = (0, 0)
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def forget(self) -> None:
        """Every row is empty."""
        self.lengths = [0] * self.slots

    @property
    def capacity(self) -> int:
        """How many positions a row has for now."""
        return self._capacity[1]

    @property
    def spare(self) -> int:
        """The row that nobody reads."""
        return self._capacity[0]

    def turn_to(self, window: Window) -> None:
        """The next forward pass is about this window, for which there must be room."""
        self._window = window

    def open(self, first: int, count: int, width: int) -> Window:
        """Makes room for `width` more tokens in each of `count` rows from `first` on, and turns to them."""
        starts = self.lengths[first : first + count]
        length = max(starts) + width
        if length > self.context:
            raise ValueError(f"{length} tokens do not fit into a row of {self.context}")
        self.reserve(first + count, length)
        rows = torch.arange(first, first + count, device=self.device)[:, None]
        positions = torch.tensor(starts, device=self.device)[:, None] + torch.arange(width, device=self.device)
        length = min(_rounded(length, PAGE), self._capacity[1])
        self.turn_to(Window(slice(first, first + count), rows, positions, length))
        return self._window

    def close(self, first: int, count: int, width: int) -> None:
        """The tokens of the last window are written."""
        for row in range(first, first + count):
            self.lengths[row] += width

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Called by each layer with `[n, heads, width, dim]`; gives back `[n, heads, length, dim]`, views."""
        if layer_idx == len(self._keys):
            keys, values = (self._room(states, self._capacity) for states in (key_states, value_states))
            self._keys.append(keys)
            self._values.append(values)
        return self._write(self._keys[layer_idx], key_states), self._write(self._values[layer_idx], value_states)

    def move(self, source: int, target: int) -> None:
        """Row `source` becomes row `target`."""
        length = self.lengths[source]
        for tensor in (*self._keys, *self._values) if length else ():  # a row nobody wrote to may not exist yet
            tensor[target, :, :length] = tensor[source, :, :length]
        self.lengths[target] = length
        self.clear(source)

    @property
    def bytes_per_token(self) -> int:
        """What one position of one row takes, over all layers; 0 before anything was read."""
        return sum(tensor.shape[1] * tensor.shape[3] * tensor.itemsize for tensor in (*self._keys, *self._values))

    def copied(self, row: int, length: int) -> tuple[Tensor, ...]:
        """The first `length` positions of a row as copies `[heads, length, dim]`, all layers' keys, then values."""
        return tuple(tensor[row, :, :length].clone() for tensor in (*self._keys, *self._values))

    def paste(self, row: int, layers: tuple[Tensor, ...], length: int) -> None:
        """Fills an empty row with the first `length` positions of what was copied before."""
        self.reserve(row + 1, length)
        if not self._keys:
            half = len(layers) // 2
            self._keys = [self._room(layer[None], self._capacity) for layer in layers[:half]]
            self._values = [self._room(layer[None], self._capacity) for layer in layers[half:]]
        for tensor, layer in zip((*self._keys, *self._values), layers, strict=True):
            tensor[row, :, :length] = layer[:, :length]
        self.lengths[row] = length

    def clear(self, row: int) -> None:
        """Nothing is left of what stood in it."""
        for tensor in (*self._keys, *self._values) if self.lengths[row] else ():
            tensor[row, :, : self.lengths[row]] = 0
        self.lengths[row] = 0

    def wipe(self, row: int) -> None:
        """Clears a row that was left in the middle of being written."""
        for tensor in (*self._keys, *self._values):
            tensor[row : row + 1] = 0
        self.lengths[row] = 0

    def _write(self, tensor: Tensor, states: Tensor) -> Tensor:
        # With a device map each layer's rows lie where the layer does; elsewhere `to` does nothing.
        rows, positions = self._window.rows.to(tensor.device), self._window.positions.to(tensor.device)
        tensor[rows, :, positions] = states.transpose(1, 2)
        return tensor[self._window.span, :, : self._window.length]

    def _room(self, states: Tensor, capacity: tuple[int, int]) -> Tensor:
        rows, length = capacity
        return states.new_zeros((rows + self._spares, states.shape[1], length, states.shape[3]))

    def reserve(self, rows: int, length: int) -> None:
        """Grows by doubling, so that few conversations, or short ones, never pay for many long ones."""
        had_rows, had_length = self._capacity
        if rows <= had_rows and length <= had_length:
            return
        rows = min(self.slots, max(rows, 2 * had_rows)) if rows > had_rows else had_rows
        if length > had_length:
            length = min(_rounded(self.context, PAGE), max(_rounded(length, 4 * PAGE), 2 * had_length))
        capacity = (rows, max(length, had_length))
        keys, values = [[self._grown(tensor, capacity) for tensor in each] for each in (self._keys, self._values)]
        # Only now: where there was no memory for it, all is as it was.
        self._capacity, self._keys, self._values = capacity, keys, values
        self.generation += 1

    def _grown(self, tensor: Tensor, capacity: tuple[int, int]) -> Tensor:
        grown = self._room(tensor, capacity)
        grown[: tensor.shape[0], :, : tensor.shape[2]] = tensor
        return grown
