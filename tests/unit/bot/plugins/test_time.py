"""The plugin `time`: what is asked for in plain words, which places it knows, and what it says."""

import time as stopwatch
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.plugins._time import clock
from bot.plugins._time.asking import asked_for
from bot.plugins._time.places import SeveralZones, UnknownPlace, find
from bot.plugins.time import time
from tests.fakes.asked import NOW, asked

HERE: dict[str, str] = {}
ASKED: tuple[tuple[str, dict[str, str]], ...] = (
    ("what time is it?", HERE),
    ("What's the time", HERE),
    ("time now", HERE),
    ("tell me the time, please", HERE),
    ("do you have the time?", HERE),
    ("what day is it today", HERE),
    ("What's today's date?", HERE),
    ("what's the current date and time", HERE),
    ("What time is it in Tokyo?", {"place": "Tokyo"}),
    ("what time is it now in New York", {"place": "New York"}),
    ("time in New York", {"place": "New York"}),
    ("current time in London please", {"place": "London"}),
    ("Could you tell me what time it is in Sydney?", {"place": "Sydney"}),
    ("Hi! Do you know what time it is in Rome?", {"place": "Rome"}),
    ("what's the time in São Paulo right now?", {"place": "São Paulo"}),
    ("What is the local time in Mumbai?", {"place": "Mumbai"}),
    ("Can you tell me the time in Dubai?", {"place": "Dubai"}),
    ("Tokyo time please", {"place": "Tokyo"}),
    ("what's Berlin time now", {"place": "Berlin"}),
    ("eastern time now", {"place": "eastern time"}),
    ("what is the date in Auckland", {"place": "Auckland"}),
    ("what time is it in the US", {"place": "the US"}),
    ("what time is it in UTC+8", {"place": "UTC+8"}),
    ("what time is it in Washington, D.C.?", {"place": "Washington, D.C"}),
    ("what is 3pm Berlin time in Tokyo?", {"place": "Berlin", "at": "3pm", "other": "Tokyo"}),
    ("convert 3pm Berlin time to Tokyo", {"place": "Berlin", "at": "3pm", "other": "Tokyo"}),
    (
        "2:30 am on March 29 2026 Berlin in London",
        {"place": "Berlin", "at": "2:30 am on March 29 2026", "other": "London"},
    ),
    ("what is 3pm on 1st May Berlin time in Tokyo", {"place": "Berlin", "at": "3pm on 1st May", "other": "Tokyo"}),
    ("15:00 UTC in Beijing", {"place": "UTC", "at": "15:00", "other": "Beijing"}),
    ("3pm EST to CET", {"place": "EST", "at": "3pm", "other": "CET"}),
    ("what is 9am tomorrow in London in Sydney", {"place": "London", "at": "9am tomorrow", "other": "Sydney"}),
    ("what time is it in Tokyo when it's 9am in London", {"place": "London", "at": "9am", "other": "Tokyo"}),
    ("If it is noon in Paris, what time is it in Lima?", {"place": "Paris", "at": "noon", "other": "Lima"}),
    ("convert 25:61 Berlin time to Tokyo", {"place": "Berlin", "at": "25:61", "other": "Tokyo"}),
    ("time difference between London and Sydney", {"place": "London", "other": "Sydney"}),
    ("What's the time difference between New York and Shanghai?", {"place": "New York", "other": "Shanghai"}),
    ("London to Tokyo time difference", {"place": "London", "other": "Tokyo"}),
    ("how many hours ahead is Tokyo of Berlin", {"place": "Tokyo", "other": "Berlin"}),
    ("time difference between here and Tokyo", {"place": "here", "other": "Tokyo"}),
    ("what's today's date in Tokyo?", {"place": "Tokyo"}),
    ("what time is 6pm Pacific time in London", {"place": "Pacific time", "at": "6pm", "other": "London"}),
    ("Convert 18:00 CET to EST", {"place": "CET", "at": "18:00", "other": "EST"}),
    ("现在几点", HERE),
    ("今天是几月几号", HERE),
    ("北京时间现在几点", {"place": "北京"}),
    ("帮我查一下纽约的时间", {"place": "纽约"}),
    ("如果北京是早上八点，那么纽约是几点", {"place": "北京", "at": "早上八点", "other": "纽约"}),
    ("中国与英国的时差是几小时", {"place": "中国", "other": "英国"}),
    ("北京到巴黎的时差是多少", {"place": "北京", "other": "巴黎"}),
    ("请问现在几点了？", HERE),
    ("几点了", HERE),
    ("今天几号", HERE),
    ("今天星期几？", HERE),
    ("现在是什么时间", HERE),
    ("东京现在几点", {"place": "东京"}),
    ("现在东京几点了", {"place": "东京"}),
    ("東京現在幾點", {"place": "東京"}),
    ("纽约时间", {"place": "纽约"}),
    ("请问纽约现在是几点？", {"place": "纽约"}),
    ("伦敦当地时间", {"place": "伦敦"}),
    ("旧金山现在的时间是多少", {"place": "旧金山"}),
    ("印度现在几点", {"place": "印度"}),
    ("美国现在几点", {"place": "美国"}),
    ("东八区现在几点", {"place": "东八区"}),
    ("你能告诉我东京现在几点吗", {"place": "东京"}),
    ("你好，请问 New York 现在几点了呢？", {"place": "New York"}),
    ("悉尼今天星期几", {"place": "悉尼"}),
    ("北京时间下午三点是伦敦几点", {"place": "北京", "at": "下午三点", "other": "伦敦"}),
    ("凌晨两点东京是巴黎几点", {"place": "东京", "at": "凌晨两点", "other": "巴黎"}),
    ("明天下午三点北京是纽约几点？", {"place": "北京", "at": "明天下午三点", "other": "纽约"}),
    ("北京下午3点伦敦几点", {"place": "北京", "at": "下午3点", "other": "伦敦"}),
    ("把北京时间下午三点半换算成纽约时间", {"place": "北京", "at": "下午三点半", "other": "纽约"}),
    ("明天北京时间上午9点是纽约几点", {"place": "北京", "at": "明天上午9点", "other": "纽约"}),
    ("当北京是下午三点时，伦敦是几点？", {"place": "北京", "at": "下午三点", "other": "伦敦"}),
    ("北京时间15:00对应纽约时间几点", {"place": "北京", "at": "15:00", "other": "纽约"}),
    ("北京和纽约时差多少", {"place": "北京", "other": "纽约"}),
    ("北京和伦敦的时差是多少？", {"place": "北京", "other": "伦敦"}),
    ("北京纽约时差", {"place": "北京", "other": "纽约"}),
    ("东京比柏林早几个小时", {"place": "东京", "other": "柏林"}),
    ("上海与慕尼黑有几个小时的时差", {"place": "上海", "other": "慕尼黑"}),
)
NOT_ASKED = (
    "why is 2+2=4 interesting?",
    "how do I parse time zones in Python?",
    "explain why the weather in Berlin is so bad",
    "what is time?",
    "What is the time complexity of quicksort?",
    "what time is the meeting in Tokyo?",
    "what time is sunset in Tokyo",
    "best time to visit Tokyo",
    "time in Tokyo was great",
    "What time is it in Python?",
    "what time is it in Hamlet when the ghost appears?",
    "how do I get the current time in Python",
    "Christmas time",
    "nice time",
    "cat time",
    "eat time",
    "time zone",
    "day in Paris",
    "write a poem about Tokyo time",
    "3pm in Berlin is nice",
    "how long is a flight between London and Tokyo",
    "London is ahead of New York",
    'what does "what time is it" mean',
    "what day is it on 2027-05-01",
    "convert 3pm to a timestamp in Java",
    "what time does the train to Berlin leave?",
    "When does daylight saving time end in Berlin?",
    "How do I convert UTC to Tokyo time in JavaScript?",
    'How do you say "现在几点" in English?',
    "the time difference between London and Sydney makes me tired",
    "Meeting at 3pm Berlin time in Tokyo office",
    "first time in Tokyo",
    "Paris time capsule",
    "如何在 Java 中把 UTC 转换成北京时间",
    "纽约时报今天说了什么",
    "下午三点去北京还是伦敦",
    "当前时间戳",
    "北京现在几度",
    "东京几点日出",
    "北京时间是怎么定义的",
    "为什么北京和纽约有时差",
    "时差怎么倒",
    "几点开会",
    "明天几点起床",
    "北京时间下午三点开会，帮我写个通知",
    "东京的时间概念",
    "现在时间紧张怎么办",
    "今天星期几的英文怎么说",
    "",
    "what time is it in Tokyo? " * 20,
)
ZONES = (
    ("Tokyo", "Asia/Tokyo"),
    ("東京", "Asia/Tokyo"),
    ("東京時間", "Asia/Tokyo"),
    ("beijing", "Asia/Shanghai"),
    ("北京市", "Asia/Shanghai"),
    ("深圳", "Asia/Shanghai"),
    ("San Francisco", "America/Los_Angeles"),
    ("旧金山", "America/Los_Angeles"),
    ("Munich", "Europe/Berlin"),
    ("MÜNCHEN", "Europe/Berlin"),
    ("慕尼黑", "Europe/Berlin"),
    ("Zürich", "Europe/Zurich"),
    ("sao paulo", "America/Sao_Paulo"),
    ("St. Louis", "America/Chicago"),
    ("Hanoi", "Asia/Ho_Chi_Minh"),
    ("Calcutta", "Asia/Kolkata"),
    ("日本", "Asia/Tokyo"),
    ("Japan", "Asia/Tokyo"),
    ("印度", "Asia/Kolkata"),
    ("the UK", "Europe/London"),
    ("中国", "Asia/Shanghai"),
    ("Germany", "Europe/Berlin"),
    ("Samoa", "Pacific/Apia"),
    ("加州", "America/Los_Angeles"),
    ("asia/tokyo", "Asia/Tokyo"),
    ("Eastern Time", "America/New_York"),
    ("美东时间", "America/New_York"),
    ("Paris, France", "Europe/Paris"),
    ("法国巴黎", "Europe/Paris"),
    ("Paris, Texas", "America/Chicago"),
    ("Portland, ME", "America/New_York"),
    ("Portland, OR", "America/Los_Angeles"),
    ("Austin, Texas, USA", "America/Chicago"),
    ("New York, USA", "America/New_York"),
    ("Georgia", "Asia/Tbilisi"),
    ("Georgia, USA", "America/New_York"),
)
OFFSETS = (
    ("UTC", 0),
    ("Etc/UTC", 0),
    ("格林尼治时间", 0),
    ("UTC+8", 480),
    ("gmt -3:30", -210),
    ("UTC−5", -300),
    ("+05:30", 330),
    ("东八区", 480),
    ("西五区", -300),
    ("CET", 60),
    ("est", -300),
    ("IST", 330),
)
UNKNOWN = (
    "Xyzzy", "", "in", "me", "Christmas", "UTC+25", "UTC+8:75", "东十五区", "the moon", "../../etc/passwd",
    "/etc/localtime", "Asia/Nowhere", "Tokyo, Paris, Rome", "x" * 10_000, "\x00", "Paris, Atlantis",
)  # fmt: skip


async def said(language: str = "en", *, zone: str = "", **arguments: str) -> str:
    answer = await time.run(asked(language, **({"zone": zone} if zone else {})), **arguments)
    assert isinstance(answer, str)
    return answer


@pytest.mark.parametrize(("text", "arguments"), ASKED)
def test_it_is_asked_for_a_time(text: str, arguments: dict[str, str]) -> None:
    assert asked_for(text) == arguments


@pytest.mark.parametrize("text", NOT_ASKED)
def test_it_is_not_asked_for_a_time(text: str) -> None:
    assert asked_for(text) is None


@pytest.mark.parametrize(("name", "zone"), ZONES)
def test_a_place_has_its_zone(name: str, zone: str) -> None:
    assert NOW.astimezone(find(name).zone).tzinfo == find(zone).zone


@pytest.mark.parametrize(("name", "minutes"), OFFSETS)
def test_an_offset_is_a_place_too(name: str, minutes: int) -> None:
    assert NOW.astimezone(find(name).zone).utcoffset() == timedelta(minutes=minutes)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_place_that_nobody_knows_is_unknown(name: str) -> None:
    with pytest.raises(UnknownPlace):
        find(name)


@pytest.mark.parametrize("name", ["US", "the United States", "美国", "Russia", "加拿大", "Brazil"])
def test_a_country_of_several_times_has_none(name: str) -> None:
    with pytest.raises(SeveralZones):
        find(name)


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = asked_for(text)

    assert found is None or set(found) <= {"place", "at", "other"}


@given(st.text(alphabet="0123456789:apm点半分时下午晚上明天月日号 -T/十", max_size=30))
def test_any_time_is_read_or_unclear(text: str) -> None:
    try:
        moment, _ = clock.moment(clock.read(text), find("Berlin").zone, NOW)
    except clock.UnclearTime:
        return
    assert moment.tzinfo


@pytest.mark.parametrize("piece", ["和", "北京", "time difference ", "a to b ", "1:00 ", "现在的", "in ", ", "])
def test_no_message_takes_long_to_read(piece: str) -> None:
    start = stopwatch.thread_time()
    asked_for((piece * 300)[:300])

    assert stopwatch.thread_time() - start < 1


TIMES = (
    ("3pm", "15:00"),
    ("3:30 p.m.", "15:30"),
    ("12am", "00:00"),
    ("12pm", "12:00"),
    ("noon", "12:00"),
    ("15", "15:00"),
    ("15:20", "15:20"),
    ("8 o'clock in the evening", "20:00"),
    ("9 at night", "21:00"),
    ("下午三点半", "15:30"),
    ("下午3点", "15:00"),
    ("十五点一刻", "15:15"),
    ("三点零五分", "03:05"),
    ("二十三点", "23:00"),
    ("凌晨12点", "00:00"),
    ("中午1点", "13:00"),
    ("晚上八点", "20:00"),
    ("下午３：３０", "15:30"),
)


@pytest.mark.parametrize(("text", "shown"), TIMES)
def test_a_time_of_day_is_read(text: str, shown: str) -> None:
    read = clock.read(text)

    assert (f"{read.hour:02}:{read.minute:02}", read.days, read.day) == (shown, 0, None)


DAYS = (
    ("tomorrow 9am", "2026-11-28 09:00"),
    ("9am tomorrow", "2026-11-28 09:00"),
    ("yesterday at 23:59", "2026-11-26 23:59"),
    ("明晚8点", "2026-11-28 20:00"),
    ("晚上12点", "2026-11-28 00:00"),
    ("midnight", "2026-11-28 00:00"),
    ("24:00", "2026-11-28 00:00"),
    ("2027-01-02T03:04", "2027-01-02 03:04"),
    ("2027年1月2日 3点", "2027-01-02 03:00"),
    ("12月1日下午3点", "2026-12-01 15:00"),
)


@pytest.mark.parametrize(("text", "shown"), DAYS)
def test_a_time_of_another_day_is_read(text: str, shown: str) -> None:
    moment, oddity = clock.moment(clock.read(text), find("Berlin").zone, NOW)

    assert f"{moment:%Y-%m-%d %H:%M}" == shown
    assert oddity is clock.Oddity.NONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25:61",
        "24:01",
        "0am",
        "13am",
        "2月30日 3点",
        "2026-13-01 10:00",
        "九九点",
        "soon",
        "2026-11-28",
        "9" * 10_000,
    ],
)
def test_what_is_no_time_is_unclear(text: str) -> None:
    with pytest.raises(clock.UnclearTime):
        clock.moment(clock.read(text), find("Berlin").zone, NOW)


async def test_the_time_in_a_place_comes_with_weekday_date_and_offset() -> None:
    assert await said(place="Tokyo") == "In Tokyo it is **14:05** on Friday, 27 November 2026 (UTC+9)."
    assert await said("zh", place="Tokyo") == "东京现在是 2026年11月27日 星期五 **14:05**（UTC+9）。"
    assert "**18:05** on Friday" in await said(place="Auckland")
    assert "**10:35**" in await said(place="印度")


async def test_here_is_utc_unless_the_settings_say_where() -> None:
    assert await said() == (
        "It is **05:05** on Friday, 27 November 2026, UTC.\n\n"
        "I do not know where you are. For the time of a place: `/time Tokyo`."
    )
    assert await said(zone="Asia/Shanghai") == "It is **13:05** on Friday, 27 November 2026, Shanghai (UTC+8)."
    assert await said("zh", zone="Asia/Shanghai") == "现在是 2026年11月27日 星期五 **13:05**，上海时间（UTC+8）。"
    assert "`zone`" in await said(zone="Asia/Nowhere")
    assert "14:05" in await said(zone="Asia/Nowhere", place="Tokyo")


async def test_a_time_of_one_place_is_told_in_another() -> None:
    assert await said(place="Berlin", at="3pm", other="Tokyo") == (
        "15:00 on Friday, 27 November 2026 in Berlin (UTC+1) is **23:00** on Friday, 27 November 2026 in Tokyo (UTC+9)."
    )
    assert await said("zh", place="北京", at="下午三点", other="伦敦") == (
        "北京时间 2026年11月27日 星期五 15:00（UTC+8）是伦敦时间 2026年11月27日 星期五 **07:00**（UTC）。"
    )
    assert "Saturday, 28 November 2026 in Sydney" in await said(place="New York", at="5pm", other="Sydney")


async def test_today_is_the_day_it_is_in_the_place_that_is_named() -> None:
    assert "10:00 on Thursday, 26 November 2026 in Honolulu" in await said(place="Honolulu", at="10:00", other="UTC")


async def test_a_time_that_the_clocks_skip_is_said_to_be_none() -> None:
    answer = await said(place="Berlin", at="2026-03-29 02:30", other="UTC")

    assert "03:30 on Sunday, 29 March 2026 in Berlin (UTC+2) is **01:30**" in answer
    assert "02:30 does not exist in Berlin" in answer
    assert "不存在" in await said("zh", place="Berlin", at="2026-03-29 02:30", other="UTC")


async def test_of_a_time_that_comes_twice_the_first_is_taken() -> None:
    answer = await said(place="Berlin", at="2026-10-25 02:30", other="UTC")

    assert "(UTC+2) is **00:30**" in answer
    assert "comes twice in Berlin" in answer
    assert "两次" in await said("zh", place="Berlin", at="2026-10-25 02:30", other="UTC")


async def test_the_difference_of_two_places_is_told_with_what_daylight_saving_time_makes_of_it() -> None:
    answer = await said(place="London", other="Sydney")

    assert answer.startswith("Sydney is **11 hours** ahead of London.")
    assert "10 hours or 9 hours" in answer
    assert (await said("zh", place="北京", other="纽约")).startswith("北京比纽约早 **13 小时**。")
    assert "**15 minutes**" in await said(place="Kathmandu", other="Delhi")
    assert "daylight" not in await said(place="Tokyo", other="Delhi")
    assert (await said(place="London", other="Lisbon")).startswith("London and Lisbon have the same time.")


async def test_an_unknown_place_is_answered_with_what_to_write() -> None:
    assert 'no place called "Xyzzy".' in await said(place="Xyzzy")
    assert "`UTC+8`" in await said(place="Xyzzy")
    assert (await said("zh", place="火星")).startswith("我不认识“火星”这个地点。")
    assert (await said("zh", place="火" * 100)).startswith("我不认识这个地点。")
    assert "no place." in await said(place="x" * 10_000)
    assert "*" not in await said(place="**a**")
    assert "New York or Los Angeles" in await said(place="the US")


async def test_a_time_without_places_is_answered_with_what_to_write() -> None:
    assert await said(place="3pm") == "`3pm` where, and in which place? Write both: `/time 3pm Berlin in Tokyo`."
    assert "`/time 北京下午三点是伦敦几点`" in await said("zh", place="下午三点")


async def test_a_date_with_the_name_of_its_month_is_read() -> None:
    answer = await said(place="2:30 am on March 29 2026 Berlin in London")
    assert "29 March 2026" in answer
    assert "**02:30**" in answer
    assert "02:30 does not exist in Berlin" in answer
    assert answer == await said(place="Berlin", at="29th of March, 2026 at 2:30 am", other="London")
    assert "1 December 2026" in await said(place="Berlin", at="3pm on Dec. 1", other="London")


async def test_a_name_in_latin_letters_stands_apart_from_chinese() -> None:
    assert "UTC 时间" in await said("zh", place="UTC", at="15:00", other="北京")
    assert (await said("zh", place="UTC")).startswith("UTC 现在是")
    assert (await said("zh", place="北京", other="UTC")).startswith("北京比 UTC 早")


async def test_urumqi_keeps_the_time_of_beijing() -> None:
    assert "UTC+8" in await said("zh", place="乌鲁木齐")
    assert "UTC+6" in await said("zh", place="新疆时间")


@pytest.mark.parametrize("text", ["31 February 2026 3pm", "3pm on Feb 30", "March 29 2026"])
def test_a_day_that_is_none_and_a_day_alone_are_no_time(text) -> None:
    with pytest.raises(clock.UnclearTime):
        clock.read(text).on(NOW.date())


async def test_a_time_that_is_none_is_answered_with_what_to_write() -> None:
    assert '"25:61"' in await said(place="Berlin", at="25:61", other="Tokyo")
    assert "`15:00`" in await said(place="Berlin", at="9" * 10_000, other="Tokyo")
    assert "15:00" in await said(place="Tokyo", at="0001-01-01 00:00", other="Honolulu")
    assert "15:00" in await said(place="Honolulu", at="9999-12-31 23:59", other="Tokyo")


async def test_a_whole_question_behind_the_command_is_understood() -> None:
    assert "**23:00**" in await said(place="3pm Berlin in Tokyo")
    assert "**14:05**" in await said(place="what time is it in Tokyo?")
    assert "**13 小时**" in await said("zh", place="北京和纽约时差")
    assert "**23:00**" in await said(at="15:00 UTC", other="Shanghai")
    assert "`/time Tokyo`" in await said(at="15:00")


def test_its_parameters_are_told_to_the_model() -> None:
    assert (time.name, time.slash) == ("time", "time")
    assert set(time.about) == {"en", "zh"}
    assert "time" in time.description
