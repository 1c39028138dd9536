"""A weather server on this machine that speaks as Open-Meteo documents it.

Search: open-meteo.com/en/docs/geocoding-api (fields that are empty are not sent, not even an empty list of results; one
character finds nothing, a comma goes before a region). Forecast: open-meteo.com/en/docs (`current`, `daily`, their
units; an error is a status of 400 with `{"error": true, "reason": "..."}`).
"""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_UNITS = {
    "time": "iso8601",
    "interval": "seconds",
    "temperature_2m": "°C",
    "relative_humidity_2m": "%",
    "weather_code": "wmo code",
    "wind_speed_10m": "km/h",
    "temperature_2m_max": "°C",
    "temperature_2m_min": "°C",
    "precipitation_sum": "mm",
    "precipitation_probability_max": "%",
}
_NOW = {"temperature_2m": 17.6, "relative_humidity_2m": 62, "weather_code": 2, "wind_speed_10m": 12.4}
_DAYS: Mapping[str, list[Any]] = {
    "weather_code": [61, 0],
    "temperature_2m_max": [21.4, 23.0],
    "temperature_2m_min": [11.7, -0.3],
    "precipitation_sum": [2.4, 0.0],
    "precipitation_probability_max": [80, 0],
}


def place(name: str, spot: tuple[float, float], **fields: Any) -> dict[str, Any]:
    """A result, as the search gives it: what is empty is left out."""
    known = {"name": name, "latitude": spot[0], "longitude": spot[1], "elevation": 30.0, "timezone": "Etc/UTC"}
    return {"id": hash((name, spot)) & 0xFFFF} | known | {key: value for key, value in fields.items() if value}


BERLIN = place("Berlin", (52.52437, 13.41053), country="Germany", admin1="State of Berlin", population=3426354)
PLACES: Mapping[str, list[dict[str, Any]]] = {
    "en": [
        BERLIN | {"feature_code": "PPLC", "country_code": "DE"},
        place("Berlin", (44.46867, -71.18508), country="United States", admin1="New Hampshire", population=9367),
        place("Beijing", (39.9075, 116.39723), country="China", admin1="Beijing", population=18960744),
        place("Paris", (33.66094, -95.55551), country="United States", admin1="Texas", population=24782),
        place("Paris", (48.85341, 2.3488), country="France", admin1="Île-de-France Region", population=2138551),
        place("Bath", (51.3751, -2.36172), country="United Kingdom", admin1="England", population=94782),
        place("Bathinda", (30.20747, 74.93893), country="India", admin1="Punjab", population=285813),
        place("New York", (43.00035, -75.4999), country="United States", admin1="New York", population=19274244)
        | {"feature_code": "ADM1"},
        place("New York", (40.71427, -74.00597), country="United States", admin1="New York", population=8804190)
        | {"feature_code": "PPL"},
        place("São Paulo", (-23.5475, -46.63611), country="Brazil", population=12400232),
        place("Nowhere *Bold*", (1.0, 2.0), country="[x](https://evil.test)"),
    ],
    "zh": [
        place("柏林", (52.52437, 13.41053), country="德国", admin1="柏林州", population=3426354),
        place("北京", (30.72608, 108.67483), country="中国", admin1="重庆市"),  # a village
        place("北京市", (39.9075, 116.39723), country="中国", population=18960744),
        place("巴黎", (48.85341, 2.3488), country="法国", admin1="法兰西岛大区", population=2138551),
    ],
}


@dataclass
class Weather:
    """`asked` are the queries that came, by endpoint. With a `status` it fails so; with `is_silent` it says nothing.

    `spoils` are fields of a forecast with what is sent in their stead.
    """

    url: str = ""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    status: int = 200
    is_silent: bool = False
    body: str = ""
    spoils: Mapping[str, Any] = field(default_factory=dict)

    def count(self, endpoint: str) -> int:
        return sum(asked == endpoint for asked, _ in self.asked)

    async def search(self, request: web.Request) -> web.Response:
        self.asked.append(("search", dict(request.query)))
        await self._wait()
        if self.status != 200 or self.body:
            return self._failed()
        name, _, region = request.query["name"].partition(",")
        known = PLACES.get(request.query.get("language", "en"), PLACES["en"])
        found = [entry for entry in known if _is_in(entry, region.strip()) and _begins(entry, name.strip())]
        results = found[: int(request.query.get("count", "10"))] if len(name) > 1 else []
        return web.json_response(({"results": results} if results else {}) | {"generationtime_ms": 0.7})

    async def forecast(self, request: web.Request) -> web.Response:
        self.asked.append(("forecast", dict(request.query)))
        await self._wait()
        if self.status != 200 or self.body:
            return self._failed()
        query = request.query
        if "daily" in query and "timezone" not in query:
            return web.json_response({"error": True, "reason": "Timezone is required"}, status=400)
        days = int(query.get("forecast_days", "7"))
        now = {name: _NOW[name] for name in query["current"].split(",")}
        daily = {name: (_DAYS[name] * days)[:days] for name in query["daily"].split(",")}
        answer = {
            "latitude": float(query["latitude"]),
            "longitude": float(query["longitude"]),
            "generationtime_ms": 0.05,
            "utc_offset_seconds": 7200,
            "timezone": "Europe/Berlin",
            "timezone_abbreviation": "GMT+2",
            "elevation": 38.0,
            "current_units": {name: _UNITS[name] for name in ("time", "interval", *now)},
            "current": {"time": "2026-05-21T14:15", "interval": 900} | now,
            "daily_units": {name: _UNITS[name] for name in ("time", *daily)},
            "daily": {"time": ["2026-05-21", "2026-05-22"][:days]} | daily,
        }
        return web.json_response({**answer, **self.spoils})

    async def _wait(self) -> None:
        if self.is_silent:
            await asyncio.Event().wait()

    def _failed(self) -> web.Response:
        if self.body:
            return web.Response(text=self.body, content_type="application/json")
        return web.json_response({"error": True, "reason": "the reason"}, status=self.status)


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _begins(entry: Mapping[str, Any], name: str) -> bool:
    """Two characters find what is called so alone, three and more also what begins so."""
    own, wanted = _folded(entry["name"]), _folded(name)
    return own == wanted or (len(name) > 2 and own.startswith(wanted))


def _is_in(entry: Mapping[str, Any], region: str) -> bool:
    return not region or region in (entry.get("admin1"), entry.get("country"))


@asynccontextmanager
async def running(server: Weather) -> AsyncIterator[Weather]:
    app = web.Application()
    app.add_routes([web.get("/v1/search", server.search), web.get("/v1/forecast", server.forecast)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
