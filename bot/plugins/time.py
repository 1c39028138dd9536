"""The plugin `time`: what time it is somewhere, a time of one place in another, and how far two are apart."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from bot.plugins._time import clock, places, sentences
from bot.plugins._time.asking import asked_for, is_here
from bot.plugins._time.places import Place, SeveralZones, UnknownPlace
from core.plugin import Asked, plugin

_WEEKS = 52


class _Misconfigured(LookupError):
    """The settings name a zone that is none."""


@plugin(
    name="time",
    slash="time",
    reads=asked_for,
    about={
        "en": "the time in a place, or between two places: `/time Tokyo`, `/time 3pm Berlin in Tokyo`",
        "zh": "查询某地时间、换算两地时间：`/time 东京`，`/time 北京下午三点是伦敦几点`",
    },
    timeout=5,
)
async def time(
    asked: Asked,
    place: Annotated[
        str, Field(description="A city, country, time zone or UTC offset; empty for where the assistant is.")
    ] = "",
    at: Annotated[
        str, Field(description="A time of day in `place`, such as 15:00, 3pm or 2026-03-29 14:00; empty for now.")
    ] = "",
    other: Annotated[
        str, Field(description="A second place: to convert `at` to, or, without `at`, to compare `place` with.")
    ] = "",
) -> str:
    """Tells the current time and date in a place, converts a time from one place to another, or compares two places."""
    place, at, other = _sorted_out(place.strip(), at.strip(), other.strip())
    try:
        if at and is_here(place) and is_here(other):
            return sentences.say("where", asked.language)
        if at:
            return _converted(asked, at, _place(place, asked), _place(other, asked))
        if other:
            return _compared(asked, _place(place, asked), _place(other, asked))
        return _now(asked, _place(place, asked), is_here=is_here(place))
    except SeveralZones as several:
        return sentences.several(several, asked.language)
    except UnknownPlace as unknown:
        if not (at or other) and _is_time(place):
            return sentences.say("half", asked.language, time=place)
        return sentences.unknown(str(unknown), asked.language)
    except _Misconfigured:
        return sentences.say("misconfigured", asked.language)
    except clock.UnclearTime:
        return sentences.unclear(at, asked.language)


def _sorted_out(place: str, at: str, other: str) -> tuple[str, str, str]:
    """The arguments, where one of them holds what belongs in the others: a whole question, or "15:00 UTC"."""
    if place and not at and not other and not is_here(place) and not _is_place(place):
        found = asked_for(place) or {}
        return found.get("place", place), found.get("at", ""), found.get("other", "")
    first, _, last = at.rpartition(" ")
    if first and not place and not _is_time(at) and _is_place(last):
        return last, first, other
    return place, at, other


def _is_place(name: str) -> bool:
    try:
        places.find(name)
    except SeveralZones:
        return True
    except UnknownPlace:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        clock.read(text)
    except clock.UnclearTime:
        return False
    return True


def _place(name: str, asked: Asked) -> Place:
    if not is_here(name):
        try:
            return places.find(name)
        except UnknownPlace:
            raise UnknownPlace(name) from None
    zone = str(asked.settings.get("zone") or "UTC")
    try:
        return places.find(zone)
    except LookupError:
        raise _Misconfigured from None


def _now(asked: Asked, place: Place, *, is_here: bool) -> str:
    key = "here" if is_here else "now"
    line = sentences.say(key, asked.language, **sentences.shown(place, asked.now, asked.language))
    is_nowhere = is_here and not asked.settings.get("zone")
    return f"{line}\n\n{sentences.say('where', asked.language)}" if is_nowhere else line


def _converted(asked: Asked, at: str, place: Place, other: Place) -> str:
    written = clock.read(at)
    moment, oddity = clock.moment(written, place.zone, asked.now)
    try:
        there = sentences.shown(place, moment, asked.language) | sentences.shown(other, moment, asked.language, "other")
    except OverflowError:  # the last day there is
        raise clock.UnclearTime from None
    wall = f"{written.hour:02}:{written.minute:02}"
    lines = (
        sentences.say("then", asked.language, **there),
        sentences.odd(oddity, wall, place, moment, asked.language),
    )
    return "\n\n".join(line for line in lines if line)


def _compared(asked: Asked, place: Place, other: Place) -> str:
    language, gap = asked.language, _gap(place, other, asked.now)
    first, second = (other, place) if gap < timedelta() else (place, other)
    names = {"first": first.name(language), "second": second.name(language)}
    key = "ahead" if gap else "same"
    both = sentences.shown(place, asked.now, language) | sentences.shown(other, asked.now, language, "other")
    lines = [sentences.say(key, language, hours=sentences.hours(gap, language), **names)]
    lines.append(sentences.say("both", language, **both))
    if seasons := _other_gaps(place, other, asked.now):
        others = sentences.listed([sentences.hours(season, language) for season in seasons], language)
        lines.append(sentences.say("seasons", language, others=others))
    return "\n\n".join(lines)


def _gap(place: Place, other: Place, moment: datetime) -> timedelta:
    """How far `place` is ahead of `other`."""
    return places.offset_at(place, moment) - places.offset_at(other, moment)


def _other_gaps(place: Place, other: Place, now: datetime) -> list[timedelta]:
    """The differences that come within a year, without today's."""
    gaps = {_gap(place, other, now + timedelta(weeks=week)) for week in range(_WEEKS)}
    return sorted(gaps - {_gap(place, other, now)})
