"""The pages as HTML: Jinja templates, and how moments, numbers and spans are written in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, NewType

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bot.admin.assets import assets
from bot.admin.texts import Texts, say

Html = NewType("Html", str)
Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Look:
    """How a reader wants their pages: language "en" or "zh"; theme "light", "dark" or "" for the system's."""

    language: str
    theme: str = ""


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A line of the menu."""

    path: str
    label: str
    is_here: bool = False


def render(template: str, look: Look, texts: Texts | None = None, **values: Any) -> Html:
    """A whole page, or a fragment where the template is one."""
    t = partial(say, language=look.language, texts=texts or {})
    spans = {"ago": partial(ago, t=t), "span": partial(span, t=t)}
    return Html(_environment().get_template(template).render(t=t, look=look, assets=assets(), **spans, **values))


def moment(at: datetime | None) -> str:
    """`2026-03-01 12:30:05 UTC`, in an element that says it to machines too."""
    if at is None:
        return "–"
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}<span class="zone"> UTC</span></time>').format(
        utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d %H:%M:%S}"
    )


def number(value: float | None, digits: int = 0) -> str:
    """`1,234`, or with digits after the point; a dash where it isn't known."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """`12.5 %` of 0.125."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def size(count: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def span(length: timedelta | float | None, *, t: Say) -> str:
    """How long, in the largest two units: `3 d 4 h`, `12 min`, `1.4 s`, `35 ms`."""
    if length is None:
        return "–"
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 1:
        return t("milliseconds", n=f"{seconds * 1000:.0f}")
    if seconds < 60:
        return t("seconds", n=f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}")
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if not hours:
        return t("minutes", n=minutes)
    if not days:
        return _joined(t("hours", n=hours), minutes % 60 and t("minutes", n=minutes % 60))
    return _joined(t("days", n=days), hours % 24 and t("hours", n=hours % 24))


def _joined(*parts: Any) -> str:
    return " ".join(part for part in parts if part)


def ago(at: datetime | None, *, t: Say) -> str:
    """How long ago that was."""
    return "–" if at is None else t("ago", span=span(max(datetime.now(UTC) - at, timedelta(0)), t=t))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bot.admin", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {"moment": moment, "number": number, "percent": percent, "size": size}
    environment.filters.update(filters)
    return environment
