"""Numbers over time, drawn: one small picture below the other, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _GAP = 640, 110, 46
_LEFT, _TOP = 70, 30
_MOST = 1200  # points of a curve; more would not be seen
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#555}.t{font-weight:600;fill:#222}"
    ".a{stroke:#ccc;fill:none}.c{stroke:#2563eb;fill:none;stroke-width:1.2}.r{fill:#dc2626}"
    "@media(prefers-color-scheme:dark){text{fill:#aaa}.t{fill:#eee}.a{stroke:#444}.c{stroke:#60a5fa}}"
)

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` are (minutes, value); `dots` are those at rest."""

    title: str
    unit: str
    points: Points
    dots: Points = ()


def drawn(curves: Sequence[Curve]) -> str:
    height = _TOP + len(curves) * (_HEIGHT + _GAP)
    pictures = "".join(_picture(curve, _TOP + index * (_HEIGHT + _GAP)) for index, curve in enumerate(curves))
    size = f'viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" width="{_LEFT + _WIDTH + 20}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>{pictures}</svg>\n'


def _picture(curve: Curve, top: int) -> str:
    every = (*curve.points, *curve.dots)
    if not every:
        return ""
    last = max(at for at, _ in every) or 1
    low, high = min(value for _, value in every), max(value for _, value in every)
    # What hardly moves is not blown up to look as if it did.
    room = max(high - low, abs(high) * 0.05, 1) * 0.05
    low, high = max(0.0, low - room), high + room

    def place(at: float, value: float) -> tuple[float, float]:
        return _LEFT + _WIDTH * at / last, top + _HEIGHT * (high - value) / (high - low)

    thinned = curve.points[:: max(1, len(curve.points) // _MOST)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in thinned))
    dots = "".join(
        f'<circle class="r" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in (place(*dot) for dot in curve.dots)
    )
    title = escape(f"{curve.title}, {curve.unit}" if curve.unit else curve.title)
    return (
        f'<text class="t" x="{_LEFT}" y="{top - 8}">{title}</text>'
        f'<rect class="a" x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{_short(high)}</text>'
        f'<text x="{_LEFT - 6}" y="{top + _HEIGHT}" text-anchor="end">{_short(low)}</text>'
        f'<text x="{_LEFT + _WIDTH}" y="{top + _HEIGHT + 14}" text-anchor="end">{last:.0f} min</text>'
        f'<polyline class="c" points="{line}"/>{dots}'
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
