"""A logistic regression over what a text looks like: how probably it is a question for the coder."""

import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from math import exp
from pathlib import Path

from core.routing.features import BUCKETS, features

WEIGHTS = Path(__file__).parent / "weights.bin"
STEPS = 2048  # to the unit: a weight is kept as a whole number of steps, 16 bits, little-endian


def code_probability(text: str) -> float:
    """Between 0 (surely chat) and 1 (surely code); 0.5 where the text says neither."""
    return probability(_weights(), features(text))


def probability(weights: Sequence[float], values: Mapping[int, float]) -> float:
    score = sum(weights[bucket] * value for bucket, value in values.items())
    return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


@cache
def _weights() -> Sequence[float]:
    return unpacked(WEIGHTS.read_bytes())


def packed(weights: Sequence[float]) -> bytes:
    """The file's content: one 16-bit number for each bucket."""
    return _little(array("h", (max(-32767, min(32767, round(weight * STEPS))) for weight in weights))).tobytes()


def unpacked(content: bytes) -> list[float]:
    """The inverse of `packed`, to the nearest step; raises ValueError for a file of another length."""
    steps = array("h")
    steps.frombytes(content)
    if len(steps) != BUCKETS:
        raise ValueError(f"{BUCKETS} weights were expected, not {len(steps)}")
    return [step / STEPS for step in _little(steps)]


def _little(steps: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        steps.byteswap()
    return steps
