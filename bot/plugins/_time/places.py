"""Where people say that something is, and the time zone that is kept there."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global

from bot.plugins._time import table

LONGEST_NAME = 80  # characters

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_OFFSET = re.compile(r"(?:utc|gmt)? ?([+-]) ?(\d{1,2})(?::?(\d{2}))?")
_CHINESE_OFFSET = re.compile(r"([东西])([零一二三四五六七八九十]{1,2}|\d{1,2})(?:时?区)")
_DIGITS = {"零": 0, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_WEST, _EAST = -12 * 60, 14 * 60
_SUFFIX = re.compile(
    r" (?:local )?time(?: ?zone)?$|(?:当地|本地|當地)?的?(?:标准|標準)?[时時][间間]$|"
    r"(?:那边|那里|当地|本地)$|(?<=[\u4e00-\u9fff]{2})[市州]$"
)
_AMERICA = frozenset({"us", "usa", "united states", "united states of america"})
_PREFIX = re.compile(r"^(?:the |in |在|于)")


@dataclass(frozen=True, slots=True)
class Place:
    """A place with one time: its name in English and Chinese, and its zone."""

    names: tuple[str, str]
    zone: tzinfo

    def name(self, language: str) -> str:
        return self.names[language == "zh"]


class UnknownPlace(LookupError):
    """No place of this name is known."""


class SeveralZones(LookupError):
    """A country with several times; `names` are its names, `examples` are cities there that have one each."""

    def __init__(self, names: tuple[str, str], examples: tuple[Place, ...]) -> None:
        self.names, self.examples = names, examples
        super().__init__(names[0])


def find(name: str) -> Place:
    """The place of this name: a city, a country with one time, a zone by name, abbreviation or offset from UTC.

    Raises UnknownPlace, or SeveralZones for a country that has more than one.
    """
    if len(name) > LONGEST_NAME:
        raise UnknownPlace
    key = folded(name)
    for wording in _wordings(key):
        place = _PLACES.get(wording) or _offset(wording)
        if isinstance(place, SeveralZones):
            raise SeveralZones(place.names, place.examples)
        if place:
            return place
    return _within(name)


def folded(name: str) -> str:
    """A name as it is looked up: without case, accents, full stops, and spaces beside Chinese."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(character for character in plain if not unicodedata.combining(character))
    bare = re.sub(r"[.'’‘`\"*?!。()]+", "", bare).translate(str.maketrans("−,;_", "-   "))
    words = " ".join(bare.split())
    return re.sub(rf"(?<=[{_HAN}]) | (?=[{_HAN}])", "", words)


def _wordings(key: str) -> Iterator[str]:
    """A key as it is, without "the" or "time", and without hyphens."""
    bare = _PREFIX.sub("", key)
    for wording in dict.fromkeys((key, bare, _SUFFIX.sub("", bare), _SUFFIX.sub("", _SUFFIX.sub("", bare)))):
        yield wording
        if "-" in wording:
            yield wording.replace("-", " ")


def _within(name: str) -> Place:
    """A place that is named with what it lies in, "Paris, France" or "法国巴黎": never one that lies elsewhere."""
    parts = [folded(part) for part in re.split("[,，]", name)]
    city, *regions = parts[:-1] if len(parts) > 2 and parts[-1] in _AMERICA else parts
    if not regions:
        halves = ((_PLACES.get(city[at:]), _PLACES.get(city[:at])) for at in range(2, min(len(city) - 1, 9)))
        inside = (inner for inner, outer in halves if isinstance(inner, Place) and _is_within(inner, outer))
        if place := next(inside, None):
            return place
    if len(regions) != 1:
        raise UnknownPlace
    inner, outer = _PLACES.get(city), _STATES.get(regions[0]) or _PLACES.get(regions[0])
    if isinstance(inner, Place) and _is_within(inner, outer):
        return inner
    if isinstance(outer, Place):
        return outer
    raise UnknownPlace


def _is_within(inner: Place, outer: "Place | SeveralZones | None") -> bool:
    if isinstance(outer, SeveralZones):
        return _country(inner) == outer.names
    return outer is not None and inner.zone == outer.zone


def _country(place: Place) -> tuple[str, str] | None:
    code = _territories().get(getattr(place.zone, "key", ""))
    return _country_names(code) if code else None


def _offset(key: str) -> Place | None:
    """The place of an offset: "utc+8", "gmt-3:30", "东八区"."""
    if match := _OFFSET.fullmatch(key):
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        return _fixed(minutes if match[1] == "+" else -minutes) if int(match[3] or 0) < 60 else None
    if match := _CHINESE_OFFSET.fullmatch(key):
        hours = int(match[2]) if match[2].isdigit() else sum(_DIGITS[digit] for digit in match[2])
        return _fixed(hours * 60 if match[1] == "东" else -hours * 60) if hours <= 12 else None
    return None


def _fixed(minutes: int, name: str = "") -> Place | None:
    if not _WEST <= minutes <= _EAST:
        return None
    zone = timezone(timedelta(minutes=minutes))
    name = name or offset_name(timedelta(minutes=minutes))
    return Place((name, name), zone)


def offset_name(offset: timedelta) -> str:
    """Such as "UTC+5:30"; "UTC" for none."""
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "−" if minutes < 0 else ""
    return f"UTC{sign}{hours if minutes else ''}{f':{rest:02}' if rest else ''}"


# ------------------------------------------------------------------------------------------- what is known, made once

_EN, _ZH, _HANT = Locale.parse("en"), Locale.parse("zh"), Locale.parse("zh_Hant")
_ZONES = frozenset(available_timezones())


@cache
def _territories() -> dict[str, str]:
    """The country of each zone."""
    pairs = get_global("territory_zones").items()
    return {zone: code for code, zones in pairs if len(code) == 2 and code != "ZZ" for zone in zones if zone in _ZONES}


def _city(zone: str, locale: Locale) -> str:
    own = zone.rpartition("/")[2].replace("_", " ")
    return str(locale.time_zones.get(zone, {}).get("city", own))


def _country_names(code: str) -> tuple[str, str]:
    return _EN.territories[code], _ZH.territories[code]


def _known() -> dict[str, Place | SeveralZones]:
    """Every place by each of its folded names; what comes first keeps a name."""
    known: dict[str, Place | SeveralZones] = {}
    for names, place in (*_table(), *_abbreviations(), *_cities(), *_countries(), *_states(), *_former(), *_ids()):
        for name in names:
            known.setdefault(folded(name), place)
    known.pop("", None)
    return known


def _table() -> Iterator[tuple[Iterable[str], Place]]:
    for zone, names in _rows(table.CITIES):
        english, chinese = ([name.strip() for name in half.split(",")] for half in names.split(" / "))
        yield (*english, *chinese), Place((english[0], chinese[0]), ZoneInfo(zone))


def _rows(text: str) -> Iterator[tuple[str, str]]:
    for line in text.strip().splitlines():
        zone, _, rest = line.partition(" | ")
        yield zone, rest


def _states() -> Iterator[tuple[Iterable[str], Place]]:
    for code, place in _STATES.items():
        usual = (name for name, of in table.STATE_NAMES.items() if of.casefold() == code)
        yield (*place.names, *usual), place


def _by_code() -> dict[str, Place]:
    """The states of the USA by their folded codes, which are words of their own elsewhere: IN, OR, ME."""
    states = {}
    for zone, rest in _rows(table.STATES):
        for state in rest.split(", "):
            code, _, names = state.partition(" ")
            english, _, chinese = names.partition("/")
            states[code.casefold()] = Place((english, chinese), ZoneInfo(zone))
    return states


def _abbreviations() -> Iterator[tuple[Iterable[str], Place]]:
    for name, minutes in table.ABBREVIATIONS.items():
        english, chinese = table.MEANINGS.get(name, ("", ""))
        label = f"{name} ({english})" if english else name, f"{name}（{chinese}）" if chinese else name
        yield (name,), Place(label, timezone(timedelta(minutes=minutes)))
    for names in (table.UTC_NAMES, table.GMT_NAMES):
        yield names, Place((names[0], names[0]), timezone.utc)  # noqa: UP017 - a fixed offset like the others


def _cities() -> Iterator[tuple[Iterable[str], Place]]:
    """The city that each zone is called by."""
    for zone in _territories():
        english, chinese = names = _city(zone, _EN), _city(zone, _ZH)
        yield (english, chinese, _city(zone, _HANT)), Place(names, ZoneInfo(zone))


def _former() -> Iterator[tuple[Iterable[str], Place]]:
    """What zones were called before, by the city: Calcutta, Saigon."""
    for alias, zone in get_global("zone_aliases").items():
        if zone in _territories() and alias.partition("/")[0] in ("Africa", "America", "Asia", "Atlantic", "Europe"):
            name = alias.rpartition("/")[2].replace("_", " ")
            yield (name,), Place((name, _city(zone, _ZH)), ZoneInfo(zone))


def _countries() -> Iterator[tuple[Iterable[str], Place | SeveralZones]]:
    zones: dict[str, list[str]] = {}
    for zone, code in _territories().items():
        zones.setdefault(code, []).append(zone)
    for code, own in zones.items():
        english, chinese = _country_names(code)
        others = [name.strip() for name in table.COUNTRIES.get(code, "").split(",")]
        names = (english, chinese, _HANT.territories[code], *others)
        main = table.MAIN_ZONES.get(code) or (own[0] if len(own) == 1 else "")
        yield names, _country_place(english, chinese, main) if main else _several(code, english, chinese)


def _country_place(english: str, chinese: str, zone: str) -> Place:
    """Says whose time it is: Georgia is a state in America, too."""
    city_en, city_zh = _city(zone, _EN), _city(zone, _ZH)
    is_city = folded(city_en) == folded(english) or city_zh == chinese
    names = (english, chinese) if is_city else (f"{english} ({city_en})", f"{chinese}（{city_zh}）")
    return Place(names, ZoneInfo(zone))


def _several(code: str, english: str, chinese: str) -> SeveralZones:
    examples = tuple(
        Place((_city(zone, _EN), _city(zone, _ZH)), ZoneInfo(zone)) for zone in table.EXAMPLES.get(code, ())
    )
    return SeveralZones((english, chinese), examples)


def _ids() -> Iterator[tuple[Iterable[str], Place]]:
    """Zones by their id. Nothing that a person writes is looked for on the disk."""
    for zone in _ZONES:
        if "/" in zone and not zone.startswith("Etc/"):
            today = get_global("zone_aliases").get(zone, zone)
            yield (zone,), Place((_city(zone, _EN), _city(today, _ZH)), ZoneInfo(zone))


_STATES = _by_code()
_PLACES = _known()


def here(zone: str) -> Place:
    """Where the house is: UTC, unless its settings name a zone. Raises UnknownPlace or SeveralZones."""
    return find(zone) if zone else find("UTC")


def offset_at(place: Place, moment: datetime) -> timedelta:
    return moment.astimezone(place.zone).utcoffset() or timedelta()
