"""Numbers drawn as SVG on the server: lines over time, and bars. Pure functions from values to markup.

A plot is a figure with a title, a key where it shows several series, and the drawing twice: one for wide screens, one
for narrow ones. Colours and dashes come from style.css by class, so that both themes and the CSP are content. Whoever
hears the page is told the title, the range and the last value of each series; a mouse finds each point's value.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from markupsafe import Markup, escape

COLOURS = 6
_STEPS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3),
          timedelta(hours=6), timedelta(hours=12), timedelta(days=1), timedelta(days=2), timedelta(days=7),
          timedelta(days=14), timedelta(days=30), timedelta(days=90), timedelta(days=365))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """Values at moments, oldest first; None leaves a gap. A time without zone is not understood."""

    name: str
    points: Sequence[tuple[datetime, float | None]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; with several `values`, one upon the other, in the order of the series' names."""

    label: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things are drawn, in the drawing's own units."""

    width: int
    height: int
    left: int
    ticks: int
    top: int = 22
    right: int = 12
    bottom: int = 40

    @property
    def inner(self) -> float:
        return self.width - self.left - self.right

    @property
    def base(self) -> float:
        return self.height - self.bottom

    def y(self, value: float, top: float) -> float:
        return self.base - (self.base - self.top) * (value / top if top else 0)


def lines(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    none: str,
    mark: tuple[float, str] | None = None,
    show: Callable[[float], str] = lambda value: f"{value:g}",
) -> Markup:
    """Values over time. `y_label` names the unit; `mark` is a level worth seeing with its name, drawn across.

    `none` is said where there is nothing to draw; `show` writes a value with its unit.
    """
    known = [value for each in series for _, value in each.points if value is not None]
    moments = [at for each in series for at, _ in each.points]
    if not known:
        return _figure(title, series, Markup('<p class="none">{}</p>').format(none), "")
    top = _nice(max(*known, mark[0] if mark else 0, 0.0))
    begin, end = min(moments), max(moments)
    said = "; ".join(_summary(each, show) for each in series if any(value is not None for _, value in each.points))
    drawings = []
    for name, frame in _frames(top):
        inside = [_axes(frame, top, x_label, y_label), *_moments(frame, begin, end)]
        inside += [_level(frame, top, *mark)] if mark else []
        inside += [_curve(frame, each, number, begin, end, top) for number, each in enumerate(series)]
        inside += _hits(frame, series, begin, end, show)
        drawings.append(_drawing(name, frame, title, said, inside))
    return _figure(title, series, Markup().join(drawings), "line")


def bars(
    values: Sequence[Bar],
    *,
    title: str,
    x_label: str,
    y_label: str,
    none: str,
    names: Sequence[str] = (),
    show: Callable[[float], str] = lambda value: f"{value:g}",
) -> Markup:
    """One bar for each label, in the order given; `names` are those of its parts, where it has several."""
    key = [Series(name, ()) for name in names]
    if not any(any(bar.values) for bar in values):
        return _figure(title, key, Markup('<p class="none">{}</p>').format(none), "")
    top = _level_of(max(sum(bar.values) for bar in values))
    said = "; ".join(f"{bar.label}: {' + '.join(show(value) for value in bar.values)}" for bar in values)
    drawings = [
        _drawing(
            name, frame, title, said, [_axes(frame, top, x_label, y_label), *_bars(frame, values, top, names, show)]
        )
        for name, frame in _frames(top)
    ]
    return _figure(title, key, Markup().join(drawings), "bar")


def _frames(top: float) -> Iterator[tuple[str, _Frame]]:
    left = 14 + 7 * max(len(_tick(value)) for value in (top, top / 4, top / 2))
    yield "wide", _Frame(520, 220, left, ticks=6)
    yield "narrow", _Frame(330, 220, left, ticks=3)


def _figure(title: str, series: Sequence[Series], inside: Markup, kind: str) -> Markup:
    key = Markup()
    if len(series) > 1 and kind:
        key = Markup('<ul class="key">{}</ul>').format(
            Markup().join(_key(each.name, number, kind) for number, each in enumerate(series))
        )
    return Markup('<figure class="plot"><figcaption>{}{}</figcaption>{}</figure>').format(title, key, inside)


def _key(name: str, number: int, kind: str) -> Markup:
    colour = number % COLOURS + 1
    line = Markup('<line class="curve s{}" x1="1" y1="6" x2="17" y2="6"/>').format(colour)
    box = Markup('<rect class="f{}" x="3" y="1" width="11" height="10" rx="2"/>').format(colour)
    drawn = line if kind == "line" else box
    return Markup('<li><svg viewBox="0 0 18 12" aria-hidden="true">{}</svg>{}</li>').format(drawn, name)


def _drawing(name: str, frame: _Frame, title: str, said: str, inside: Sequence[Markup]) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        name, frame.width, frame.height, f"{title}. {said}", Markup().join(inside)
    )


def _axes(frame: _Frame, top: float, x_label: str, y_label: str) -> Markup:
    """Four levels with their values, the ground, and what both axes are."""
    right = frame.width - frame.right
    parts = [_text(frame.left, 12, y_label, "start"), _text(right, frame.height - 4, x_label, "end")]
    for quarter in range(5):
        value = top * quarter / 4
        y = frame.y(value, top)
        kind = "axis" if quarter == 0 else "grid"
        parts.append(_line(kind, frame.left, y, right, y))
        parts.append(_text(frame.left - 6, y + 4, _tick(value), "end"))
    return Markup().join(parts)


def _moments(frame: _Frame, begin: datetime, end: datetime) -> Iterator[Markup]:
    """Whole hours, days or weeks, as many as there is room for, in UTC."""
    length = end - begin
    step = next((step for step in _STEPS if length / step <= frame.ticks), _STEPS[-1])
    first = datetime(1970, 1, 1, tzinfo=UTC)
    at = first + -(-(begin - first) // step) * step
    while at <= end:
        x = _x(frame, at, begin, end)
        yield _line("axis", x, frame.base, x, frame.base + 4)
        text = f"{at.astimezone(UTC):%H:%M}" if step < timedelta(days=1) else f"{at.astimezone(UTC):%m-%d}"
        if step < timedelta(days=1) and length > timedelta(days=1) and text == "00:00":
            text = f"{at.astimezone(UTC):%m-%d}"
        yield _text(x, frame.base + 17, text, "middle")
        at += step


def _level(frame: _Frame, top: float, value: float, name: str) -> Markup:
    y = frame.y(value, top)
    right = frame.width - frame.right
    return _line("mark", frame.left, y, right, y) + _text(right, y - 4, name, "end")


def _curve(frame: _Frame, series: Series, number: int, begin: datetime, end: datetime, top: float) -> Markup:
    colour = number % COLOURS + 1
    parts = []
    for is_known, run in groupby(series.points, key=lambda point: point[1] is not None):
        if not is_known:
            continue
        path = [(_x(frame, at, begin, end), frame.y(value or 0, top)) for at, value in run]
        if len(path) == 1:
            x, y = path[0]
            parts.append(Markup('<circle class="dot f{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(colour, x, y))
        else:
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
            parts.append(Markup('<polyline class="curve s{}" points="{}"/>').format(colour, drawn))
    return Markup().join(parts)


def _hits(
    frame: _Frame, series: Sequence[Series], begin: datetime, end: datetime, show: Callable[[float], str]
) -> Iterator[Markup]:
    """A strip for each moment, which says what was then."""
    told: dict[datetime, list[str]] = {}
    if max((len(each.points) for each in series), default=0) > 200:  # nobody aims at so thin a strip
        return
    for each in series:
        for at, value in each.points:
            told.setdefault(at, []).append(f"{each.name}: {'–' if value is None else show(value)}")
    width = frame.inner / max(len(told) - 1, 1)
    for at, said in told.items():
        left = max(_x(frame, at, begin, end) - width / 2, frame.left)
        text = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC\n" + "\n".join(said)
        yield _strip(frame, left, min(width, frame.width - frame.right - left), text)


def _bars(
    frame: _Frame, values: Sequence[Bar], top: float, names: Sequence[str], show: Callable[[float], str]
) -> Iterator[Markup]:
    room = frame.inner / len(values)
    width = min(room * 0.7, 48)
    every = math.ceil(len(values) / (frame.ticks * 2))
    letters = int(room * every / 7) or 1
    for place, bar in enumerate(values):
        middle, below = frame.left + room * (place + 0.5), 0.0
        for number, value in enumerate(bar.values):
            y = frame.y(below + value, top)
            yield Markup('<rect class="f{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                number % COLOURS + 1, middle - width / 2, y, width, max(frame.y(below, top) - y, 0)
            )
            below += value
        if place % every == 0:
            yield _text(middle, frame.base + 17, _cut(bar.label, letters), "middle")
        said = [f"{name}: {show(value)}" for name, value in zip(names, bar.values, strict=False)]
        yield _strip(frame, middle - room / 2, room, "\n".join([bar.label, *(said or map(show, bar.values))]))


def _strip(frame: _Frame, left: float, width: float, text: str) -> Markup:
    # There are hundreds in a plot, and Markup.format takes ten times as long.
    place = f'x="{left:.1f}" y="{frame.top}" width="{max(width, 0):.1f}" height="{frame.base - frame.top}"'
    return Markup(f'<rect class="hit" {place}><title>{escape(text)}</title></rect>')  # noqa: S704


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, escape(text))


def _x(frame: _Frame, at: datetime, begin: datetime, end: datetime) -> float:
    share = (at - begin) / (end - begin) if end > begin else 0.5
    return frame.left + frame.inner * share


def _summary(series: Series, show: Callable[[float], str]) -> str:
    values = [value for _, value in series.points if value is not None]
    return f"{series.name}: {show(min(values))} – {show(max(values))}, {show(values[-1])}"


def _nice(value: float) -> float:
    """The least round number that is not below; four steps up to it are round too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8, 10) if power * step >= value * (1 - 1e-9))


def _level_of(value: float) -> float:
    """The same for bars, which mostly count: a few things have no quarters of a thing beside them."""
    return math.ceil(value / 4) * 4.0 if value < 20 and value == int(value) else _nice(value)


def _tick(value: float) -> str:
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if sign == 'k' else limit):.4g}{sign}"
    return f"{value:.4g}"


def _cut(label: str, letters: int) -> str:
    return label if len(label) <= letters else f"{label[: max(letters - 1, 1)]}…"
