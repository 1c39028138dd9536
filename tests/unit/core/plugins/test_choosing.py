"""A message goes to the plugin that it is for: by command, by what the whole of it asks, else to none."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.plugin import Permission, Plugin
from core.plugins import choosing
from core.plugins.choosing import choose
from core.plugins.forms import Form
from core.plugins.signature import Unfit


@dataclass(frozen=True)
class Shape:
    """A signature of text parameters; `fits` says which of its arguments check out."""

    names: tuple[str, ...]
    fits: Callable[[Mapping[str, Any]], bool]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"} for name in self.names}}

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if not set(arguments) <= set(self.names) or not self.fits(arguments):
            raise Unfit("unfit", "place", {"enum": ["Rome"]})
        return dict(arguments)


@dataclass(frozen=True)
class Found:
    """A plugin as it was loaded."""

    plugin: Plugin
    signature: Shape
    forms: tuple[Form, ...]


@dataclass(eq=False)
class Shelf:
    """The plugins there are."""

    plugins: Sequence[Found] = field(default_factory=tuple)

    def by_slash(self, name: str) -> Found | None:
        return next((found for found in self.plugins if found.plugin.slash == name), None)


def found(
    name: str,
    *words: str,
    parameters: tuple[str, ...] = ("place",),
    fits: Callable[[Mapping[str, Any]], bool] = lambda arguments: True,
    **others: Any,
) -> Found:
    async def run() -> str:
        return name

    declared: dict[str, Any] = {"description": name, "about": {}, "slash": name, **others}
    made = Plugin(name=name, run=run, words=words, **declared)
    return Found(made, Shape(parameters, fits), tuple(Form(text) for text in words))


WEATHER = found("weather", "weather in {place}", "{place}的天气")


def chosen(
    text: str, *plugins: Found, is_admin: bool = False, language: str = ""
) -> tuple[str, Mapping[str, Any], str] | None:
    """The name of the plugin that is chosen, with its arguments and by what."""
    choice = choose(text, Shelf(plugins), is_admin, language)  # type: ignore[arg-type]
    return (choice.loaded.plugin.name, choice.arguments, choice.problem or choice.by) if choice else None


# ------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    "text", ["/weather Berlin", " /Weather   Berlin \n", "／ＷＥＡＴＨＥＲ Berlin", "/weather place=Berlin"]
)
def test_a_command_is_chosen_with_the_rest_of_its_line(text: str) -> None:
    assert chosen(text, WEATHER) == ("weather", {"place": "Berlin"}, "slash")


def test_a_command_needs_nothing_behind_it() -> None:
    assert chosen("/weather", WEATHER) == ("weather", {}, "slash")


def test_a_command_may_be_long_and_of_many_lines() -> None:
    rest = "a\n" * 1000
    assert chosen(f"/weather\n{rest}", WEATHER) == ("weather", {"place": rest.strip()}, "slash")


@pytest.mark.parametrize(
    "text",
    ["/unknown Berlin", "/", "/ weather Berlin", "/weatherBerlin", "/usr/bin/weather", "//weather", "/weather/x"],
)
def test_an_unknown_command_is_no_plugins(text: str) -> None:
    greedy = found("greedy", reads=lambda text: {"place": text})
    assert chosen(text, WEATHER, greedy) is None


def test_a_command_within_a_message_is_none() -> None:
    assert chosen("try /weather Berlin", WEATHER) is None


def test_arguments_that_do_not_fit_are_a_problem_in_the_persons_language() -> None:
    fussy = found("fussy", fits=lambda arguments: arguments.get("place") == "Rome", about={"en": "some fuss."})

    english, chinese = chosen("/fussy Oslo", fussy, language="en"), chosen("/fussy Oslo", fussy, language="zh")
    assert english is not None
    assert english[:2] == ("fussy", {})
    assert english[2] == "`/fussy` cannot take this. `place` has to be one of Rome. What it is for: some fuss."
    assert chinese is not None
    assert chinese[2] == "`/fussy` 无法处理这样的输入。`place` 必须是以下之一：Rome。用途：fussy"
    told = chosen("/fussy 奥斯陆", fussy)
    assert told is not None
    assert "无法处理" in told[2]


def test_a_problem_says_how_several_parameters_are_written() -> None:
    fussy = found("add", fits=lambda arguments: False, parameters=("place", "day"), about={"en": "adds."})
    english, chinese = chosen("/add 1 2", fussy, language="en"), chosen("/add 1 2", fussy, language="zh")
    assert english is not None
    assert "Write it like `/add [place=…] [day=…]`. What it is for: adds." in english[2]
    assert chinese is not None
    assert "请写成 `/add [place=…] [day=…]`。用途：" in chinese[2]


def test_a_command_that_takes_nothing_says_so() -> None:
    choice = chosen("/ping everybody", found("ping", parameters=()))

    assert choice is not None
    assert "Nothing may stand behind this command." in choice[2]


# -------------------------------------------------------------------------------------------------------- intents

FORECAST = found("forecast", reads=lambda text: {"place": "Rome"} if "rome" in text.lower() else None)


def test_a_form_is_chosen_with_what_it_finds() -> None:
    assert chosen("Weather in Berlin, please?", WEATHER) == ("weather", {"place": "Berlin"}, "intent")
    assert chosen("请问北京的天气？", WEATHER) == ("weather", {"place": "北京"}, "intent")


def test_what_a_plugin_reads_is_chosen() -> None:
    assert chosen("is it warm in Rome?", WEATHER, FORECAST) == ("forecast", {"place": "Rome"}, "intent")


def test_a_plugin_whose_arguments_do_not_check_out_is_not_chosen() -> None:
    fussy = found("fussy", "weather in {place}", fits=lambda arguments: arguments["place"] == "Rome")

    assert chosen("weather in Oslo", fussy) is None
    assert chosen("weather in Oslo", fussy, WEATHER) == ("weather", {"place": "Oslo"}, "intent")
    assert chosen("weather in Rome", fussy, WEATHER) == ("fussy", {"place": "Rome"}, "intent")
    assert chosen("is it warm in Rome?", found("strange", reads=lambda text: {"unheard": "of"}), FORECAST) == (
        "forecast",
        {"place": "Rome"},
        "intent",
    )


@pytest.mark.parametrize(
    "text",
    [
        "weather in Berlin\nand in Rome",
        "weather in " + "B" * 300,
        "",
        "   ",
        "weather in Berlin\rand",
        "weather in Berlin\u2028and",
    ],
)
def test_a_long_message_or_one_of_many_lines_is_for_the_model(text: str) -> None:
    assert chosen(text, WEATHER) is None


def test_the_form_that_fixes_most_is_chosen_then_the_first() -> None:
    other = found("other", "weather in {place}")
    precise = found("precise", "weather in {place} today")
    reads = found("reads", reads=lambda text: {"place": "anywhere"})

    assert chosen("weather in Berlin today", WEATHER, precise) == ("precise", {"place": "Berlin"}, "intent")
    assert chosen("weather in Berlin", other, WEATHER) == ("other", {"place": "Berlin"}, "intent")
    assert chosen("weather in Berlin", WEATHER, other) == ("weather", {"place": "Berlin"}, "intent")
    assert chosen("weather in Berlin", reads, WEATHER) == ("weather", {"place": "Berlin"}, "intent")
    assert chosen("rome", FORECAST, reads) == ("forecast", {"place": "Rome"}, "intent")


@pytest.mark.parametrize(
    "text",
    [
        "why is 2+2=4 interesting in Rome?",
        "Why Rome?",
        "explain Rome",
        "Please explain why the weather in Rome is so bad",
        "how do I parse time zones in Rome?",
        "how to get to Rome",
        "为什么 Rome 这么热",
        "请解释一下 Rome",
        "如何去 Rome",
        "怎么去 Rome",
        "Rome 是什么意思？",
    ],
)
def test_who_asks_about_a_thing_does_not_ask_for_it(text: str) -> None:
    assert chosen(text, FORECAST) is None


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("how do I use you for Rome?", True),
        ("how can you help in Rome", True),
        ("please explain what you know about Rome", True),
        ("怎么用你查 Rome", True),
        ("如何使用这个机器人查 Rome", True),
        ("how do you get to Rome", False),
        ("how would you describe Rome?", False),
        ("why do you like Rome", False),
        ("为什么你喜欢 Rome", False),
    ],
)
def test_who_asks_how_the_assistant_is_used_may_be_read(text: str, is_read: bool) -> None:
    assert (chosen(text, FORECAST) is not None) is is_read


def test_how_something_is_may_be_read() -> None:
    assert chosen("how is the weather in Rome", FORECAST) is not None
    assert chosen("Rome 怎么样", FORECAST) is not None
    assert chosen("how much is a room in Rome", FORECAST) is not None


# -------------------------------------------------------------------------------------------------------- admins

SECRET = found("secret", "tell the secret of {place}", permission=Permission.ADMINS, reads=lambda text: {"place": text})


def test_an_admins_command_is_told_to_be_one() -> None:
    choice = chosen("/secret Rome", SECRET, language="en")
    assert choice is not None
    assert choice[2] == "`/secret` is for administrators alone. Please ask one of them."
    assert chosen("/secret Rome", SECRET, is_admin=True) == ("secret", {"place": "Rome"}, "slash")


def test_an_admins_intent_is_for_the_model_where_somebody_else_has_it() -> None:
    assert chosen("tell the secret of Rome", SECRET) is None
    assert chosen("tell the secret of Rome", SECRET, is_admin=True) == ("secret", {"place": "Rome"}, "intent")


# ------------------------------------------------------------------------------------------------ plugins that fail


def test_a_plugin_that_fails_to_read_harms_no_other_and_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    def fails(text: str) -> Mapping[str, Any]:
        raise RuntimeError("private words")

    shelf = Shelf((found("broken", reads=fails), found("odd", reads=lambda text: 7), FORECAST))
    with caplog.at_level(logging.WARNING):
        choices = [choose("is it warm in Rome?", shelf, False) for _ in range(3)]  # type: ignore[arg-type]

    assert [choice and choice.loaded.plugin.name for choice in choices] == ["forecast"] * 3
    assert [record.getMessage().split()[2] for record in caplog.records] == ["broken", "odd"]
    assert "private" not in caplog.text


def test_a_plugin_that_reads_slowly_is_not_asked_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def slow(text: str) -> None:
        asked.append(text)
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass

    monkeypatch.setattr(choosing, "SLOW", 0.005)
    shelf = Shelf((found("slow", "slowly", reads=slow),))
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            assert choose("rome", shelf, False) is None  # type: ignore[arg-type]

    assert len(asked) == 3
    assert [record.getMessage().split()[2] for record in caplog.records] == ["slow"]
    assert choose("slowly", shelf, False) is not None  # type: ignore[arg-type]
