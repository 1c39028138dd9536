"""A form fits the whole of a message, however politely it is put, and finds its parameters in it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from core.plugins.forms import Form

WEATHER = Form("weather in {place}")
WEATHER_ZH = Form("{place}的天气")

FITS = (
    (WEATHER, "weather in Berlin", "Berlin"),
    (WEATHER, "Weather  in   New York", "New York"),
    (WEATHER, "WEATHER IN ÎLE-DE-FRANCE", "ÎLE-DE-FRANCE"),
    (WEATHER, "weather in Berlin?", "Berlin"),
    (WEATHER, "weather in Berlin, please!", "Berlin"),
    (WEATHER, "Please weather in Berlin thanks", "Berlin"),
    (WEATHER, "hello, weather in Berlin", "Berlin"),
    (WEATHER, "weather in 东京", "东京"),
    (WEATHER, "weather in东京", "东京"),
    (WEATHER, "ｗｅａｔｈｅｒ ｉｎ Berlin", "Berlin"),
    (WEATHER, "weather in St. John's", "St. John's"),
    (WEATHER_ZH, "北京的天气", "北京"),
    (WEATHER_ZH, "北京的天气？", "北京"),
    (WEATHER_ZH, "请问北京的天气", "北京"),
    (WEATHER_ZH, "麻烦您，北京的天气，谢谢", "北京"),
    (WEATHER_ZH, "你好，北京的天气呢", "北京"),
    (WEATHER_ZH, "New York 的 天气", "New York"),
    (Form("what's the weather in {place} like"), "What’s the weather in Oslo like?", "Oslo"),
)
MISFITS = (
    (WEATHER, "explain why the weather in Berlin is so bad"),
    (WEATHER, "weather in"),
    (WEATHER, "weather in ?"),
    (WEATHER, "weather inside"),
    (WEATHER, "the weather in Berlin"),
    (WEATHER, "weather in Berlin? And what shall I wear"),
    (WEATHER, "weather in Berlin. Tell me a joke"),
    (WEATHER, ""),
    (WEATHER_ZH, "的天气"),
    (WEATHER_ZH, "为什么北京的天气"),
    (WEATHER_ZH, "北京的天气不好"),
    (Form("{place} weather"), "why is the weather"),
    (Form("{place} weather"), "how does one forecast weather"),
)


@pytest.mark.parametrize(("form", "text", "place"), FITS)
def test_a_form_finds_its_parameter_as_it_was_written(form: Form, text: str, place: str) -> None:
    assert form.match(text) == {"place": place}


@pytest.mark.parametrize(("form", "text"), MISFITS)
def test_a_message_that_says_more_or_less_has_not_this_form(form: Form, text: str) -> None:
    assert form.match(text) is None


def test_parameters_between_words_take_as_little_as_can_be() -> None:
    form = Form("from {start} to {end} by {means}")

    assert form.parameters == {"start", "end", "means"}
    assert form.match("from Paris to Rome to Bari by train") == {
        "start": "Paris",
        "end": "Rome to Bari",
        "means": "train",
    }
    assert form.match("from Toronto to Tobago by boat") == {"start": "Toronto", "end": "Tobago", "means": "boat"}
    assert form.match("from to to to by by by") == {"start": "to", "end": "to", "means": "by by"}
    assert form.match("from Paris to Rome") is None


def test_a_form_without_parameters_is_a_whole_message() -> None:
    form = Form("what can you do")

    assert form.match("What can you do?") == {}
    assert form.match("Hey Parley, could you please tell me, what can you do") is None
    assert form.match("what can you do about rust") is None
    assert Form("你能做什么").match("请问你能做什么呢？") == {}


def test_polite_words_count_where_a_form_holds_them() -> None:
    assert Form("你好吗").match("你好吗？") == {}
    assert Form("please hold {what}").match("please hold the line") == {"what": "the line"}
    assert Form("say {what}").match("say please") == {"what": "please"}


def test_a_form_that_fixes_more_is_heavier() -> None:
    assert Form("weather in {place} today").weight > WEATHER.weight > WEATHER_ZH.weight


@pytest.mark.parametrize(
    "text", ["", "   ", "{place}", "{a}{b} x", "{a} {b}", "x {a} {a}", "x {", "x } y", "x {a b}", "x {1}"]
)
def test_a_malformed_form_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        Form(text)

    assert repr(text) in str(refusal.value)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = Form("from {start} to {end}").match(text)

    assert found is None or all(found.values())


@given(place=st.from_regex(r"[A-Za-z]{1,12}( [A-Za-z]{1,12})?", fullmatch=True))
def test_what_was_put_in_comes_out(place: str) -> None:
    assert Form("measure #{place}#").match(f"measure #{place}#") == {"place": place}


def test_a_hundred_times_the_text_takes_no_thousand_times_as_long() -> None:
    form = Form("a {x} b {y} c {z} d")

    def spent(text: str) -> float:
        start = time.thread_time()
        assert form.match(text) is None
        return time.thread_time() - start

    for pattern in ("a b ", "a , ", "b c ", "   ", "，谢谢", "a? "):
        short = min(spent(pattern * size) for size in (200, 201, 202))
        assert spent(pattern * 10_000) < 1000 * short + 1
