"""The built-in plugins `time` and `help` as the house loads them: each is chosen for what it is asked, and runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import pytest

from core.plugin import Setup
from core.plugins.choosing import choose
from core.plugins.files import Kind, Origin
from core.plugins.registry import Registry
from tests.fakes.asked import NoHttp, asked

NAMES = ("help", "time")


def origin(name: str) -> Origin:
    return Origin(Kind.BUILTIN, name, lambda: import_module(f"bot.plugins.{name}"))


@asynccontextmanager
async def opened() -> AsyncIterator[Registry]:
    registry = await Registry.open(map(origin, NAMES), lambda name: Setup(http=NoHttp()), seconds=30)
    try:
        yield registry
    finally:
        await registry.close()


CHOSEN = (
    ("/time Tokyo", "time"),
    ("/time 北京时间下午三点是伦敦几点", "time"),
    ("/time place=Berlin at=3pm other=Tokyo", "time"),
    ("What time is it in Tokyo?", "time"),
    ("北京和纽约时差多少", "time"),
    ("What can you do?", "help"),
    ("你好，你能做什么？", "help"),
    ("How do I use this bot?", "help"),
    ("How can you help me?", "help"),
    ("怎么使用你？", "help"),
    ("What time zone is Nepal in?", "time"),
    ("悉尼现在是早上吗", "time"),
)


async def test_both_load_and_say_what_they_are() -> None:
    async with opened() as registry:
        assert registry.problems == ()
        assert [loaded.plugin.name for loaded in registry.plugins] == ["help", "time"]
        tools = {tool.name: tool.parameters for tool in registry.tools(is_admin=False)}
        assert set(tools["time"]["properties"]) == {"place", "at", "other"}
        assert all(parameter["type"] == "string" for parameter in tools["time"]["properties"].values())
        assert not tools["time"].get("required")
        assert not tools["help"]["properties"]
        assert "/time" in registry.guide("en")
        assert "/time" in registry.guide("zh")


async def test_each_is_chosen_for_its_own_questions_and_answers_them() -> None:
    async with opened() as registry:
        for text, name in CHOSEN:
            choice = choose(text, registry, False)
            assert choice is not None, text
            assert (choice.loaded.plugin.name, choice.problem) == (name, ""), text
            answer = await choice.loaded.call(choice.arguments, asked(help_text="what I can do"))
            assert ("what I can do" in str(answer)) is (name == "help"), text


@pytest.mark.parametrize(
    "text",
    [
        "why is 2+2=4 interesting?",
        "how do I parse time zones in Python?",
        "explain why the weather in Berlin is so bad",
        "what can you do about the time in Tokyo?",
        "Explain what time it is in Tokyo",
        "为什么北京和纽约有时差",
        "东京现在几点了是什么意思",
        "你能做什么菜",
    ],
)
async def test_what_is_for_the_model_is_for_neither(text: str) -> None:
    async with opened() as registry:
        assert choose(text, registry, False) is None


async def test_a_strange_argument_is_a_problem_in_a_sentence() -> None:
    async with opened() as registry:
        choice = choose('/time {"where": "Tokyo"}', registry, False, "zh")
        assert choice is not None
        assert choice.problem.startswith("`/time` 无法处理这样的输入。这里没有 `where` 这个参数。")
