"""What a benchmark says: figures with their goals, on which machine, and how far it has come."""

import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `goal` says in words what it should be, "" where it is only told; `ok` whether it is."""

    name: str
    value: float
    unit: str
    goal: str = ""
    ok: bool = True


def at_most(name: str, value: float, unit: str, goal: float) -> Figure:
    return Figure(name, _rounded(value), unit, f"<= {goal:g}", value <= goal)


def at_least(name: str, value: float, unit: str, goal: float) -> Figure:
    return Figure(name, _rounded(value), unit, f">= {goal:g}", value >= goal)


def none_of(name: str, count: int) -> Figure:
    """Something that must not have happened."""
    return Figure(name, count, "count", "0", count == 0)


def told(name: str, value: float, unit: str) -> Figure:
    """A number without a goal."""
    return Figure(name, _rounded(value), unit)


def report(bench: str, figures: Sequence[Figure], *, postgres: str = "") -> dict[str, Any]:
    """The one object that `parley bench` prints."""
    return {"bench": bench, "machine": machine(postgres), "figures": [asdict(figure) for figure in figures]}


def machine(postgres: str = "") -> dict[str, Any]:
    """What the figures depend on; `postgres` is the server's own version text."""
    facts = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        # Figures of a machine that was busy with something else are pessimistic.
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }
    return facts | ({"postgres": postgres} if postgres else {})


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed; NaN where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Progress:
    """Lines on standard error, each with the seconds since the start."""

    def __init__(self, bench: str) -> None:
        self._bench = bench
        self._began = monotonic()

    def __call__(self, line: str) -> None:
        print(f"[{self._bench} {monotonic() - self._began:6.1f} s] {line}", file=sys.stderr, flush=True)


def _rounded(value: float) -> float:
    return round(value, 3) if abs(value) < 10 else round(value, 1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
