"""The plugin `weather`, on a stand-in for Open-Meteo that is really asked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.plugins import weather as room
from bot.plugins._weather import server as asking
from bot.plugins._weather.asking import asked_for
from bot.plugins._weather.sky import words
from core.plugin import Plugin, Setup
from core.plugins.http import GuardedHttp
from core.plugins.signature import Signature
from tests.fakes.asked import NOW, NoHttp, asked
from tests.fakes.weather import Weather, running

KEY = "k-77-for-the-weather"


@pytest.fixture
async def server() -> AsyncIterator[Weather]:
    async with running(Weather()) as weather:
        yield weather


class Asker:
    """Asks the plugin, over the real way out."""

    def __init__(self, plugin: Plugin, http: GuardedHttp) -> None:
        self.plugin = plugin
        self.http = http.for_plugin(plugin.hosts)

    async def __call__(self, place: str, language: str = "en", after: timedelta = timedelta()) -> str:
        handed = replace(asked(language), http=self.http, now=NOW + after)
        result = await self.plugin.run(place=place, asked=handed)
        assert isinstance(result, str)
        return result


@pytest.fixture
async def ask(server: Weather) -> AsyncIterator[Asker]:
    async with AsyncExitStack() as stack:
        http = GuardedHttp(private_hosts=["127.0.0.1"])
        stack.push_async_callback(http.close)
        yield Asker(await opened(stack, server.url, secrets={"key": KEY}), http)


async def opened(stack: AsyncExitStack, url: str, **given: object) -> Plugin:
    setup = Setup(http=NoHttp(), settings={"url": url, "geocoding_url": url}, **given)  # type: ignore[arg-type]
    (plugin,) = await stack.enter_async_context(room.weather.open(setup))
    return plugin


LICENCE = {
    "en": "*Weather data by [Open-Meteo.com](https://open-meteo.com/), CC BY 4.0, shortened and rounded.*",
    "zh": "*天气数据来自 [Open-Meteo.com](https://open-meteo.com/)（CC BY 4.0），经过节选和取整。*",
}


# ------------------------------------------------------------------------------------------------------- the answer


async def test_the_weather_now_today_and_tomorrow(ask):
    assert await ask("Berlin") == (
        "**Berlin, State of Berlin, Germany**, 14:15 local time: 18 °C, partly cloudy, humidity 62 %, wind 12 km/h\n"
        "\n"
        "- Today: 12 to 21 °C, light rain, 2.4 mm of rain or snow, 80 % chance of it\n"
        "- Tomorrow: 0 to 23 °C, clear sky, no rain or snow\n"
        "\n"
        "There are others of that name. For another one, add its region or country: `/weather Berlin, New Hampshire`.\n"
        f"\n{LICENCE['en']}"
    )


async def test_the_weather_in_chinese(ask):
    assert await ask("柏林", "zh") == (
        "**柏林，柏林州，德国**，当地时间 14:15：18 °C，多云，湿度 62%，风速 12 km/h\n"
        "\n"
        "- 今天：12 至 21 °C，小雨，降水 2.4 mm，降水概率 80%\n"
        "- 明天：0 至 23 °C，晴，无降水\n"
        f"\n{LICENCE['zh']}"
    )


async def test_what_the_server_is_asked(ask, server):
    await ask("Berlin")
    (_, search), (_, forecast) = server.asked
    assert (search["name"], search["language"], search["apikey"]) == ("Berlin", "en", KEY)
    assert (forecast["latitude"], forecast["longitude"], forecast["apikey"]) == ("52.52", "13.41", KEY)
    assert (forecast["timezone"], forecast["forecast_days"]) == ("auto", "2")
    assert not {name for name in forecast if name.endswith("_unit")}  # metric


async def test_without_a_key_none_is_sent(server):
    async with AsyncExitStack() as stack:
        http = GuardedHttp(private_hosts=["127.0.0.1"])
        stack.push_async_callback(http.close)
        await Asker(await opened(stack, server.url), http)("Berlin")
    assert not [query for _, query in server.asked if "apikey" in query]


async def test_a_day_of_which_nothing_is_known_is_left_out(ask, server):
    fields = ("temperature_2m_max", "temperature_2m_min", "weather_code", "precipitation_sum")
    server.spoils = {"daily": {"time": ["2026-05-21"]} | {name: [None] for name in fields}}
    answer = await ask("Berlin")
    assert "18 °C" in answer
    assert "Today" not in answer


async def test_a_code_that_is_new_is_passed_over(ask, server):
    server.spoils = {"current": {"time": "2026-05-21T14:15", "temperature_2m": -0.4, "weather_code": 1234}}
    assert "14:15 local time: 0 °C\n" in await ask("Berlin")


@pytest.mark.parametrize("code", [0, 1, 2, 3, 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67, 71, 73, 75, 77])
def test_every_code_of_the_documentation_has_words_in_both_languages(code):
    assert words(code, "en").isascii()
    assert words(code, "zh")
    assert not words(code, "zh").isascii()


@pytest.mark.parametrize("code", [80, 81, 82, 85, 86, 95, 96, 99])
def test_every_shower_and_storm_has_words_in_both_languages(code):
    assert words(code, "en").isascii()
    assert not words(code, "zh").isascii()


# -------------------------------------------------------------------------------------------------------- the place


async def test_of_several_places_it_is_the_one_where_most_people_live(ask):
    answer = await ask("Paris")
    assert answer.startswith("**Paris, Île-de-France Region, France**")
    assert "`/weather Paris, Texas`" in answer


async def test_a_region_behind_a_comma_says_which_one(ask):
    answer = await ask("paris, Texas")
    assert answer.startswith("**Paris, Texas, United States**")
    assert "others" not in answer


async def test_a_place_of_that_name_goes_before_a_larger_one_that_begins_so(ask):
    assert (await ask("bath")).startswith("**Bath, England")


async def test_a_city_goes_before_the_state_of_its_name(ask, server):
    answer = await ask("New York")
    assert server.asked[-1][1]["latitude"] == "40.71"
    assert "others" not in answer  # "New York, New York" would not find the state


async def test_accents_need_not_be_written(ask):
    assert (await ask("sao paulo")).startswith("**São Paulo, Brazil**")


async def test_a_chinese_city_goes_before_a_village_of_its_name(ask, server):
    assert (await ask("北京", "zh")).startswith("**北京市，中国**")
    assert [query["name"] for name, query in server.asked if name == "search"] == ["北京", "北京市"]


async def test_a_chinese_name_is_found_by_who_reads_english(ask, server):
    assert (await ask("柏林", "en")).startswith("**柏林, 柏林州, 德国**, 14:15 local time")
    assert server.asked[0][1]["language"] == "zh"


async def test_an_english_name_is_found_by_who_reads_chinese(ask):
    assert (await ask("Bath", "zh")).startswith("**Bath，England，United Kingdom**，当地时间")


@pytest.mark.parametrize(
    ("language", "start"), [("en", "I found no place called “Atlantis”"), ("zh", "没有找到名为“Atlantis”")]
)
async def test_a_place_that_is_none_is_said_to_be_none(ask, server, language, start):
    assert (await ask("Atlantis", language)).startswith(start)
    assert not server.count("forecast")


@pytest.mark.parametrize("place", ["", "   ", ",", "***"])
async def test_without_a_place_it_asks_for_one(ask, server, place):
    assert await ask(place) == "Which place? For example: `/weather Berlin`."
    assert not server.asked


async def test_a_name_is_no_markup(ask):
    assert (await ask("Nowhere")).startswith("**Nowhere Bold, x https://evil.test**, ")
    assert "[" not in await ask("[x](https://evil.test)")


async def test_a_long_name_is_cut(ask, server):
    answer = await ask("x" * 5000)
    assert len(server.asked[0][1]["name"]) == 80
    assert len(answer) < 300


# ------------------------------------------------------------------------------------------------------ the memory


async def test_the_same_place_is_not_asked_again_within_ten_minutes(ask, server):
    first = await ask("Berlin")
    assert await ask("berlin ", after=timedelta(minutes=9)) == first
    assert len(server.asked) == 2
    await ask("Berlin", after=timedelta(minutes=10))
    assert len(server.asked) == 4


async def test_places_beside_each_other_share_a_forecast(ask, server):
    await ask("Berlin")
    assert "柏林" in await ask("柏林", "zh")
    assert (server.count("search"), server.count("forecast")) == (2, 1)


async def test_a_failure_is_not_remembered(ask, server):
    server.status = 500
    await ask("Berlin")
    server.status = 200
    assert "18 °C" in await ask("Berlin")


async def test_the_memory_is_bounded():
    kept = asking.Kept()

    async def make() -> asking.Found:
        return asking.Found()

    for number in range(1000):
        await kept.get(number, NOW, make)
    assert len(kept._kept) == 256
    assert 999 in kept._kept


# ------------------------------------------------------------------------------------------------ what may go wrong


AWAY = "The weather service does not answer right now. Please ask again in a few minutes."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
async def test_a_server_that_fails_is_said_to_be_away(ask, server, caplog, status):
    server.status = status
    assert await ask("Berlin") == AWAY
    assert f"status {status}" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"results": 3}', '{"results": [{"name": "Berlin"}]}', "[" * 100_000, '"\\ud800"']
)
async def test_an_answer_that_makes_no_sense_is_none(ask, server, body):
    server.body = body or " "
    assert await ask("Berlin") == AWAY


@pytest.mark.parametrize(
    "spoilt", [{"current": None}, {"daily": {}}, {"current": {"time": "x", "temperature_2m": "warm"}}]
)
async def test_a_forecast_that_makes_no_sense_is_none(ask, server, spoilt):
    server.spoils = spoilt
    assert await ask("Berlin") == AWAY


async def test_a_server_that_is_gone_is_said_to_be_away(caplog):
    async with running(Weather()) as server:
        url = server.url
    async with AsyncExitStack() as stack:
        http = GuardedHttp(private_hosts=["127.0.0.1"])
        stack.push_async_callback(http.close)
        ask = Asker(await opened(stack, url, secrets={"key": KEY}), http)
        assert await ask("Berlin") == AWAY
        assert await ask("柏林", "zh") == "天气服务目前没有响应。请几分钟后再问。"
    assert "127.0.0.1 cannot be reached" in caplog.text
    assert not {KEY, "柏林"} & set(caplog.text.split("'"))
    assert KEY not in caplog.text


async def test_a_server_that_says_nothing_is_given_up(ask, server, monkeypatch, caplog):
    monkeypatch.setattr(room, "SECONDS", 0.2)
    server.is_silent = True
    with caplog.at_level(logging.WARNING):
        assert await asyncio.wait_for(ask("Berlin"), 5) == AWAY
    assert "within 0.2 s" in caplog.text


# ---------------------------------------------------------------------------------------------------- how it is set


@pytest.mark.parametrize(
    "settings",
    [{}, {"url": ""}, {"url": "https://api.example.org"}, {"geocoding_url": "https://api.example.org"}],
)
async def test_it_is_off_until_both_addresses_are_set(settings):
    async with room.weather.open(Setup(http=NoHttp(), settings=settings)) as plugins:
        assert plugins == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.org", "https://api.example.org/v1/forecast"),
        ("https://api.example.org/", "https://api.example.org/v1/forecast"),
        ("http://weather.corp:8080/meteo", "http://weather.corp:8080/meteo/v1/forecast"),
        ("https://api.example.org/v1/forecast", "https://api.example.org/v1/forecast"),
    ],
)
def test_a_servers_address_is_enough(url, expected):
    assert room._endpoint(url, "forecast") == expected


@pytest.mark.parametrize(
    "url", ["api.example.org", "ftp://api.example.org", "https://", f"https://a:{KEY}@example.org"]
)
async def test_an_address_that_is_none_is_named_without_what_is_in_it(url):
    with pytest.raises(ValueError, match="not that of a server") as caught:
        async with room.weather.open(Setup(http=NoHttp(), settings={"url": url, "geocoding_url": url})):
            pass
    assert KEY not in str(caught.value)


async def test_what_the_plugin_declares(ask, server):
    plugin = ask.plugin
    assert (plugin.name, plugin.slash, plugin.outward, plugin.confirm) == ("weather", "weather", True, False)
    assert plugin.hosts == (server.url.removeprefix("http://"),)
    assert plugin.timeout > asking.SECONDS
    assert KEY not in repr(plugin)


async def test_a_model_is_told_what_to_say(ask):
    signature = Signature(ask.plugin)
    assert signature.parameters["required"] == ["place"]
    assert signature.checked({"place": "Berlin"}) == {"place": "Berlin"}


# ------------------------------------------------------------------------------------------------- what sets it off


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("weather in Berlin", "Berlin"),
        ("What's the weather in New York?", "New York"),
        ("what’s the weather like in São Paulo today", "São Paulo"),
        ("How's the weather in Paris right now?", "Paris"),
        ("What's the weather in Berlin like?", "Berlin"),
        ("please tell me the weather in rome", "rome"),
        ("What will the weather be like in Vienna tomorrow?", "Vienna"),
        ("weather forecast for Tokyo tomorrow", "Tokyo"),
        ("weather in paris, texas", "paris, texas"),
        ("weather in St. John's", "St. John's"),
        ("weather in the Hague", "the Hague"),
        ("Berlin weather", "Berlin"),
        ("London weather tomorrow", "London"),
        ("weather Berlin", "Berlin"),
        ("will it rain in London tomorrow?", "London"),
        ("Will it rain tomorrow in London?", "London"),
        ("Is it raining in Seattle?", "Seattle"),
        ("is it cold in Oslo today", "Oslo"),
        ("how hot is it in Dubai", "Dubai"),
        ("Do I need an umbrella in Hamburg today?", "Hamburg"),
        ("temperature in Madrid", "Madrid"),
        ("weather in 北京", "北京"),
        ("柏林天气", "柏林"),
        ("北京今天天气怎么样", "北京"),
        ("今天北京天气怎么样？", "北京"),
        ("上海明天的天气", "上海"),
        ("请问广州今天的天气如何？", "广州"),
        ("查一下深圳天气", "深圳"),
        ("西安天气预报", "西安"),
        ("杭州的气温是多少", "杭州"),
        ("明天伦敦会下雨吗", "伦敦"),
        ("北京今天下不下雨", "北京"),
        ("纽约明天下雨吗", "纽约"),
        ("东京现在几度", "东京"),
        ("哈尔滨今天冷吗", "哈尔滨"),
        ("香港天氣", "香港"),
        ("聊城天气", "聊城"),
        ("Paris今天天气怎么样", "Paris"),
        ("New York 天气", "New York"),
    ],
)
def test_a_message_that_asks_for_the_weather_of_a_place(text, place):
    assert asked_for(text) == {"place": place}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "why is the weather in Berlin so bad?",
        "write a poem about the weather",
        "what is a weather front?",
        "the weather in Berlin is nice",
        "what was the weather in Berlin yesterday",
        "weather in Berlin next week",
        "weather in Berlin and Paris",
        "weather in winter",
        "weather in general",
        "weather in my city",
        "weather in Python",
        "import weather in python",
        "how does the weather in Berlin affect people",
        "How do I say weather in German",
        "what is weather in Chinese",
        "What's the weather like on Mars?",
        "what's the weather like?",
        "how cold is it in space",
        "is it cold in the fridge",
        "temperature in Kelvin",
        "What's the temperature of the sun?",
        "Weather Report",
        "Nice weather",
        "weather app",
        "Will it rain in Spain? And why does it rain at all?",
        "天气",
        "今天天气怎么样",
        "今天天气不错",
        "为什么柏林天气这么差",
        "写一首关于柏林天气的诗",
        "什么是天气预报",
        "如何看天气预报",
        "聊聊天气",
        "极端天气",
        "手机天气",
        "北京下雨了",
        "水的沸点是多少度",
        "我喜欢北京的天气",
        "北京天气好的原因",
        "翻译：柏林天气",
        "北京今天天气怎么样，适合跑步吗",
    ],
)
def test_a_message_that_asks_for_something_else(text):
    assert asked_for(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("weather in " + "a" * 149, "A' " * 53, "Aa, " * 40, "please " * 22, " ," * 80, "?!." * 53, "北" * 160),
        *(
            "weather in " + "a-" * 60,
            "天气" * 80,
            "今天" * 80,
            "请" * 160,
            "weather in a " + "like " * 29,
            "x" * 1_000_000,
        ),
    ],
)
def test_no_message_takes_long_to_read(text):
    begun = time.thread_time()
    asked_for(text)
    assert time.thread_time() - begun < 0.1
