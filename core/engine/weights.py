"""How many numbers the files of a checkpoint hold, and how much memory they take once loaded."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

SMALL = 2**30
"""Up to this many bytes in float32 a model on a processor is not worth rounding."""

_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_SIZES = _FLOATS | {"I64": 8, "I32": 4, "I16": 2}
_SAVED = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}

_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a number: half of one, a scale of one byte for every 64, and one of 4 bytes for every 256 of those."""

# Two-dimensional weights that are not rounded: embeddings, and experts, which transformers joins into one block.
_KEPT = re.compile(r"embed|lm_head|\.experts\.|\.mlp\.gate\.")
# What stands beside a weight that was saved rounded.
_SCALE = re.compile(r"\.weight\.|\.SCB$")


@dataclass(frozen=True, slots=True)
class Weights:
    """Numbers of the linear layers, which can be quantised, in so many `rows`, and numbers of all the rest, which can
    not; `saved` are bytes that stay as they were saved."""

    linear: int = 0
    rows: int = 0
    rest: int = 0
    saved: int = 0

    def size(self, itemsize: int, quantisation: str = "none") -> int:
        """Bytes in memory, where the model computes with numbers of `itemsize` bytes."""
        linear = {"nf4": self.linear * _NF4, "int8": self.linear + 4 * self.rows}
        return round(linear.get(quantisation, self.linear * itemsize)) + self.rest * itemsize + self.saved

    def __add__(self, other: "Weights") -> "Weights":
        linear, rows = self.linear + other.linear, self.rows + other.rows
        return Weights(linear, rows, self.rest + other.rest, self.saved + other.saved)


def count(folder: Path, config: Mapping[str, Any]) -> Weights | None:
    """Reads what the files say of themselves, exactly for safetensors; None where there are no weights.

    `config` is what config.json says of the text model. Raises ValueError or OSError for a file that was cut.
    """
    if files := sorted(folder.glob("*.safetensors")):
        return sum((_counted(*tensor, config) for file in files for tensor in _tensors(file)), Weights())
    size = sum(path.stat().st_size for path in folder.glob("pytorch_model*.bin"))
    return _estimated(size, config) if size else None


def _tensors(file: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Name, dtype and shape of each tensor: the header is JSON, after its length in 8 bytes, the lowest first."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length <= file.stat().st_size:
            raise ValueError(f"{file.name} is not a whole safetensors file")
        header: dict[str, Any] = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    yield from ((name, tensor["dtype"], tensor["shape"]) for name, tensor in header.items())


def _counted(name: str, dtype: str, shape: list[int], config: Mapping[str, Any]) -> Weights:
    numbers = prod(shape)
    if dtype not in _FLOATS or _SCALE.search(name):
        return Weights(saved=numbers * _SIZES.get(dtype, 1))
    if name.startswith("lm_head") and config.get("tie_word_embeddings"):
        return Weights()
    if len(shape) == 2 and not _KEPT.search(name):
        return Weights(linear=numbers, rows=shape[0])
    return Weights(rest=numbers)


def _estimated(size: int, config: Mapping[str, Any]) -> Weights:
    """From files that do not say what they hold: all but the embeddings is taken for linear layers."""
    saved = str(config.get("dtype") or config.get("torch_dtype") or "float16").removeprefix("torch.")
    numbers = size // _SAVED.get(saved, 2)
    copies = 1 if config.get("tie_word_embeddings") else 2
    rest = min(numbers, copies * config["vocab_size"] * config["hidden_size"])
    return Weights(linear=numbers - rest, rows=(numbers - rest) // config["hidden_size"], rest=rest)
