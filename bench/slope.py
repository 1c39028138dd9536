"""How fast something grows, told from what it was at many moments, whatever jumps there are in between."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

BLOCKS = 24
_NORMAL = 1.96  # standard deviations either side hold 95 %

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Slope:
    """The value's change in one unit of time, and the bounds that hold it with 95 %."""

    value: float
    low: float
    high: float


def slope(points: Points, blocks: int = BLOCKS) -> Slope:
    """Theil and Sen's median of all slopes between two blocks' least values, with Sen's interval.

    `points` are (time, value) in order of time. The least value of a block is what stays between the peaks of the
    load; neighbours lie far enough apart to be looked at as independent of each other. All is NaN below four points.
    """
    lowest = envelope(points, blocks)
    if len(lowest) < 4:
        return Slope(math.nan, math.nan, math.nan)
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(lowest)
        for later in lowest[index + 1 :]
    )
    count = len(lowest)
    spread = _NORMAL * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low, high = (len(slopes) - spread) / 2, (len(slopes) + spread) / 2
    return Slope(median(slopes), slopes[max(0, math.floor(low))], slopes[min(len(slopes) - 1, math.ceil(high))])


def envelope(points: Points, blocks: int) -> list[tuple[float, float]]:
    """The point of the least value of each of so many stretches of equal length; none of an empty one."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    lowest: dict[int, tuple[float, float]] = {}
    for moment, value in points:
        block = min(blocks - 1, int(blocks * (moment - first) / ((last - first) or 1)))
        if block not in lowest or value < lowest[block][1]:
            lowest[block] = (moment, value)
    return [lowest[block] for block in sorted(lowest)]
