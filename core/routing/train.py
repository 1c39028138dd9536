"""`python -m core.routing.train`: learn the classifier's weights anew from the room's own corpus, in seconds."""

import random
import sys
from collections.abc import Sequence
from math import sqrt
from pathlib import Path

from core.routing.classifier import WEIGHTS, packed, probability
from core.routing.features import BUCKETS, features
from core.routing.samples import Sample, samples

EPOCHS, RATE, SHRINK = 12, 0.4, 2e-5


def train(path: Path = WEIGHTS) -> int:
    """Writes the weights, the same bytes for the same corpus; returns how many texts they were learned from."""
    texts = list(samples())
    path.write_bytes(packed(learned(texts)))
    return len(texts)


def learned(texts: Sequence[Sample]) -> list[float]:
    """Weights by stochastic gradient descent, each bucket with a rate of its own (Adagrad)."""
    seen = [(features(sample.text), sample.target) for sample in texts]
    weights, squares = [0.0] * BUCKETS, [1e-4] * BUCKETS
    chance = random.Random(2)
    for _ in range(EPOCHS):
        chance.shuffle(seen)
        for values, target in seen:
            _step(weights, squares, values, target)
    return weights


def _step(weights: list[float], squares: list[float], values: dict[int, float], target: float) -> None:
    miss = probability(weights, values) - target
    for bucket, value in values.items():
        slope = miss * value + SHRINK * weights[bucket]
        squares[bucket] += slope * slope
        weights[bucket] -= RATE * slope / sqrt(squares[bucket])


def main() -> int:
    count = train()
    sys.stderr.write(f"{count} texts -> {WEIGHTS.name}, {WEIGHTS.stat().st_size / 1000:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
