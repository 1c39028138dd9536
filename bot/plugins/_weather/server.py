"""Asks a server that speaks as Open-Meteo does: where a place is, and what the weather is there.

Shapes: open-meteo.com/en/docs/geocoding-api and open-meteo.com/en/docs (variables under `current` and `daily`).
"""

import json
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import Refused, Unavailable
from core.plugin import Http

M = TypeVar("M", bound=BaseModel)

SECONDS = 8.0  # for all that one answer needs, below the plugin's own
KEPT = timedelta(minutes=10)
_MOST_KEPT = 256  # of places, and of forecasts
_RESULTS = "20"
_CITY = 100_000  # people: a city is meant before a state that is named as it is, a hamlet is not
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_CURRENT = "temperature_2m,relative_humidity_2m,weather_code,wind_speed_10m"
_DAILY = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,precipitation_probability_max"


class Away(Exception):
    """The weather server gave no answer that could be used; the message says what was wrong, for the log."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Place(_Read):
    """A result of the search. Fields that are empty are not sent, so that all but the first have a default."""

    name: str
    latitude: float
    longitude: float
    country: str = ""
    admin1: str = ""
    population: int = 0
    feature_code: str = ""  # of GeoNames: PPL and what begins with it are settlements

    @property
    def region(self) -> tuple[str, ...]:
        """The part of the country and the country, as far as they say more than the name does."""
        return tuple(dict.fromkeys(part for part in (self.admin1, self.country) if part and part != self.name))


class Found(_Read):
    results: tuple[Place, ...] = ()


class Current(_Read):
    time: str
    temperature_2m: float
    relative_humidity_2m: float | None = None
    weather_code: int | None = None
    wind_speed_10m: float | None = None


class Daily(_Read):
    """A value for each day; today, where the place is, is the first."""

    time: tuple[str, ...]
    weather_code: tuple[int | None, ...]
    temperature_2m_max: tuple[float | None, ...]
    temperature_2m_min: tuple[float | None, ...]
    precipitation_sum: tuple[float | None, ...]
    precipitation_probability_max: tuple[float | None, ...] = ()


class Forecast(_Read):
    """In °C, %, km/h and mm, which is what is sent where nobody asks for other units."""

    current: Current
    daily: Daily


class Kept:
    """What was answered lately; the oldest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[datetime, BaseModel]] = OrderedDict()

    async def get(self, key: object, now: datetime, make: Callable[[], Awaitable[M]]) -> M:
        kept = self._kept.get(key)
        if kept and timedelta() <= now - kept[0] < KEPT:
            return cast(M, kept[1])
        value = await make()
        self._kept[key] = now, value
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return value


@dataclass(frozen=True)
class Server:
    """`forecast_url` and `geocoding_url` are those of the endpoints; a `key` goes along as `apikey`."""

    forecast_url: str
    geocoding_url: str
    key: str = field(default="", repr=False)
    _kept: Kept = field(default_factory=Kept, init=False, repr=False)

    async def find(self, http: Http, name: str, language: str, now: datetime) -> Sequence[Place]:
        """The places of this name, the one that is probably meant first. Raises Away.

        A Chinese name is looked for as one whatever `language` is, and again as a city's where nobody lives in what was
        found: for 北京 a server may know two villages alone (github.com/open-meteo/geocoding-api/issues/20).
        """
        found: list[Place] = []
        for spelling, spoken in _spellings(name, language):
            found += await self._search(http, spelling, spoken, now)
            if any(place.population for place in found):
                break
        return _ordered(found, name)

    async def _search(self, http: Http, name: str, language: str, now: datetime) -> Sequence[Place]:
        params = {"name": name, "count": _RESULTS, "language": language, "format": "json"}

        async def ask() -> Found:
            return await self._ask(http, self.geocoding_url, params, Found)

        return (await self._kept.get((name.casefold(), language), now, ask)).results

    async def forecast(self, http: Http, place: Place, now: datetime) -> Forecast:
        """The weather now, and today's and tomorrow's. Raises Away."""
        spot = (
            f"{place.latitude:.2f}",
            f"{place.longitude:.2f}",
        )  # about a kilometre, less than what a model tells apart
        params = {"latitude": spot[0], "longitude": spot[1], "current": _CURRENT, "daily": _DAILY}
        params |= {"timezone": "auto", "forecast_days": "2"}

        async def ask() -> Forecast:
            return await self._ask(http, self.forecast_url, params, Forecast)

        return await self._kept.get(spot, now, ask)

    async def _ask(self, http: Http, url: str, params: Mapping[str, str], shape: type[M]) -> M:
        try:
            answer = await http.get(url, params={**params, **({"apikey": self.key} if self.key else {})})
        except (Refused, Unavailable) as error:  # which say neither the key nor the place in it
            raise Away(str(error)) from None
        if answer.status != 200:
            raise Away(f"it answered with status {answer.status}")
        try:
            return shape.model_validate(json.loads(answer.body))
        except (ValueError, RecursionError, ValidationError):
            raise Away(f"its {shape.__name__.lower()} was not understood") from None


def _spellings(name: str, language: str) -> tuple[tuple[str, str], ...]:
    if not _HAN.search(name):
        return ((name, language), (name, "en"))[: 1 + (language != "en")]
    return ((name, "zh"), (f"{name}市", "zh"))[: 1 + (not name.endswith("市"))]


def _ordered(found: Sequence[Place], name: str) -> Sequence[Place]:
    """Those of that very name before others, as the search finds what only begins so; then a city before the state that
    is named after it, then the more people the better."""
    wanted = _folded(name.partition(",")[0])

    def rank(place: Place) -> tuple[bool, bool, int]:
        is_named_so = _folded(place.name) == wanted and place.population > 0
        is_city = place.feature_code.startswith("PPL") and place.population >= _CITY
        return is_named_so, is_city, place.population

    return sorted(found, key=rank, reverse=True)


def is_of_name(place: Place, name: str) -> bool:
    """Whether the place is called so, and not just something that begins so."""
    return _folded(place.name) == _folded(name.partition(",")[0])


def _folded(name: str) -> str:
    """Without case, accents and the 市 of a city."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).removesuffix("市")
