"""The plugin `weather`: the weather now, today and tomorrow, from an Open-Meteo server of the operator's choice.

Off until both addresses are set: the public servers are free for non-commercial use alone, and what is asked of them
leaves the house (open-meteo.com/en/terms). Their data is CC BY 4.0, which asks to be named (open-meteo.com/en/license).
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from bot.plugins._weather.asking import asked_for
from bot.plugins._weather.server import SECONDS, Away, Forecast, Place, Server, is_of_name
from bot.plugins._weather.sky import words
from core.plugin import Asked, Plugin, Result, Setup, plugin, provider

_log = logging.getLogger(__name__)

_LONGEST = 80  # characters of a place's name
_MARKUP = re.compile(r"[\\`*_~\[\]()<>|#@!&]")
_TEXTS = {
    "about": (
        "the weather in a place, now, today and tomorrow: `/weather Berlin`",
        "查询某地现在、今天和明天的天气：`/weather 北京`",
    ),
    "away": (
        "The weather service does not answer right now. Please ask again in a few minutes.",
        "天气服务目前没有响应。请几分钟后再问。",
    ),
    "unknown": (
        "I found no place called “{place}”. Please check how it is written, or ask for a larger place nearby.",
        "没有找到名为“{place}”的地方。请检查写法，或者换一个附近更大的地方。",
    ),
    "empty": ("Which place? For example: `/weather Berlin`.", "请问是哪个地方？例如：`/weather 北京`。"),
    "others": (
        "There are others of that name. For another one, add its region or country: `/weather {name}, {region}`.",
        "还有其他同名的地方。如要查询，请加上地区或国家：`/weather {name}, {region}`。",
    ),
    "now": ("**{where}**, {time} local time: {values}", "**{where}**，当地时间 {time}：{values}"),
    "today": ("- Today: {values}", "- 今天：{values}"),
    "tomorrow": ("- Tomorrow: {values}", "- 明天：{values}"),
    "humidity": ("humidity {value} %", "湿度 {value}%"),
    "wind": ("wind {value} km/h", "风速 {value} km/h"),
    "range": ("{low} to {high} °C", "{low} 至 {high} °C"),
    "dry": ("no rain or snow", "无降水"),
    "wet": ("{value} mm of rain or snow", "降水 {value} mm"),
    "chance": ("{value} % chance of it", "降水概率 {value}%"),
    "licence": (
        "*Weather data by [Open-Meteo.com](https://open-meteo.com/), CC BY 4.0, shortened and rounded.*",
        "*天气数据来自 [Open-Meteo.com](https://open-meteo.com/)（CC BY 4.0），经过节选和取整。*",
    ),
}


def _say(key: str, language: str, **values: object) -> str:
    english, chinese = _TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)


@provider
@asynccontextmanager
async def weather(setup: Setup) -> AsyncIterator[Sequence[Plugin]]:
    """Yields the plugin where both addresses are set. Raises ValueError for one that is none."""
    url, geocoding_url = (str(setup.settings.get(name) or "") for name in ("url", "geocoding_url"))
    if not url or not geocoding_url:
        yield ()
        return
    server = Server(_endpoint(url, "forecast"), _endpoint(geocoding_url, "search"), setup.secrets.get("key", ""))
    yield (_plugin(server),)


def _plugin(server: Server) -> Plugin:
    @plugin(
        slash="weather",
        reads=asked_for,
        about={"en": _say("about", "en"), "zh": _say("about", "zh")},
        timeout=SECONDS + 2,
        outward=True,
        hosts=sorted({_host(server.forecast_url), _host(server.geocoding_url)}),
    )
    async def weather(
        place: Annotated[
            str, Field(description='A town or city, with its region or country where that is said: "Paris, Texas".')
        ],
        asked: Asked,
    ) -> Result:
        """Tells the weather in a place: now, today and tomorrow."""
        # As it may be shown: a name from a message or a model is no markup.
        name = _plain(place)[:_LONGEST].strip(" ,.")
        if not name:
            return _say("empty", asked.language)
        try:
            async with asyncio.timeout(SECONDS):
                return await _told(server, name, asked)
        except Away as error:
            _log.warning("the weather server gave no answer: %s", error)
        except TimeoutError:
            _log.warning("the weather server gave no answer within %g s", SECONDS)
        return _say("away", asked.language)

    return weather


async def _told(server: Server, name: str, asked: Asked) -> Result:
    places = await server.find(asked.http, name, asked.language, asked.now)
    if not places:
        return _say("unknown", asked.language, place=name)
    forecast = await server.forecast(asked.http, places[0], asked.now)
    lines = (*_lines(places[0], forecast, asked.language), *_others(name, places, asked.language))
    # Among the words, for not every door shows sources.
    return "\n".join((*lines, "", _say("licence", asked.language)))


def _lines(place: Place, forecast: Forecast, language: str) -> Iterator[str]:
    where = _listed(map(_plain, (place.name, *place.region)), language)
    time = _plain(forecast.current.time.partition("T")[2])[:5]
    yield _say("now", language, where=where, time=time, values=_listed(_now(forecast, language), language))
    yield ""
    for day, key in enumerate(("today", "tomorrow")):
        if values := _listed(_day(forecast, day, language), language):
            yield _say(key, language, values=values)


def _now(forecast: Forecast, language: str) -> Iterator[str]:
    now = forecast.current
    yield f"{_whole(now.temperature_2m)} °C"
    yield words(now.weather_code, language)
    if now.relative_humidity_2m is not None:
        yield _say("humidity", language, value=_whole(now.relative_humidity_2m))
    if now.wind_speed_10m is not None:
        yield _say("wind", language, value=_whole(now.wind_speed_10m))


def _day(forecast: Forecast, day: int, language: str) -> Iterator[str]:
    daily = forecast.daily
    low, high = _at(daily.temperature_2m_min, day), _at(daily.temperature_2m_max, day)
    if low is not None and high is not None:
        yield _say("range", language, low=_whole(low), high=_whole(high))
    yield words(code if (code := _at(daily.weather_code, day)) is None else int(code), language)
    amount, chance = _at(daily.precipitation_sum, day), _at(daily.precipitation_probability_max, day)
    if amount is not None:
        yield _say("wet", language, value=f"{amount:.1f}") if amount >= 0.05 else _say("dry", language)
    if chance:
        yield _say("chance", language, value=_whole(chance))


def _others(name: str, places: Sequence[Place], language: str) -> Iterator[str]:
    """How to ask for another place of that name, where people live in one elsewhere."""
    meant = places[0]
    others = (place for place in places if place.population and is_of_name(place, name) and place.region)
    for other in others:
        # "New York, New York" is no way to ask for the state.
        if other.region != meant.region and (other.admin1 or other.country) != meant.name:
            region = _plain(other.admin1 or other.country)
            yield ""
            yield _say("others", language, name=_plain(other.name), region=region)
            return


def _at(values: Sequence[float | None], day: int) -> float | None:
    return values[day] if day < len(values) else None


def _whole(value: float) -> str:
    return str(round(value))


def _listed(values: Iterable[str], language: str) -> str:
    return ("，" if language == "zh" else ", ").join(filter(None, values))


def _plain(text: str) -> str:
    """Without what a page or a chat service would take for markup."""
    return " ".join(_MARKUP.sub(" ", text).split())


def _endpoint(url: str, name: str) -> str:
    """A server's address, or that of its endpoint, as that of the endpoint; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        raise ValueError(f"the address for the {name} is not that of a server")
    path = parts.path.rstrip("/")
    return parts._replace(path=path if path.endswith(f"/{name}") else f"{path}/v1/{name}", fragment="").geturl()


def _host(url: str) -> str:
    """As it is allowed: the port with it where it names one."""
    return urlsplit(url).netloc
