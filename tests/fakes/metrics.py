"""Metrics that can be read back."""

from collections import defaultdict
from collections.abc import Mapping


class Numbers:
    """The Metrics port over plain dictionaries: a name and the values of its labels."""

    def __init__(self) -> None:
        self.counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self.gauges: dict[tuple[str, ...], float] = {}
        self.observed: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[_key(name, labels)] += amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.observed[_key(name, labels)].append(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[_key(name, labels)] = value


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    return (name, *labels.values())
