"""The plugin `help`: asked what it can do, the assistant says so."""

import pytest

from bot.plugins.help import helping, reads
from tests.fakes.asked import asked

ASKED = (
    "what can you do?",
    "What can you do for me?",
    "Hi, what can you do?",
    "hello! What can you help me with?",
    "Help!",
    "help please",
    "How can you help me?",
    "what are your capabilities?",
    "which commands do you have?",
    "Please show me what you can do.",
    "你能做什么",
    "你能做什么？",
    "你好，你能做什么呢？",
    "请问你会做什么",
    "你有哪些功能？",
    "你可以帮我做什么？",
    "帮助",
    "你能帮我做些什么啊",
    "有哪些命令",
)
NOT_ASKED = (
    "what can you do about rust on a bike?",
    "what can you do in Paris on a Sunday?",
    "help me write a letter",
    "can you help me with my homework",
    "what can you do with a degree in history",
    "what do you think",
    "how do I use git rebase",
    "explain what a chatbot can do",
    "你能做什么菜",
    "你能帮我写一封信吗",
    "人工智能能做什么",
    "这个函数有什么功能",
    "帮助我理解递归",
    "",
)


@pytest.mark.parametrize("text", ASKED)
def test_it_is_asked_what_it_can_do(text: str) -> None:
    assert reads(text) == {}


@pytest.mark.parametrize("text", NOT_ASKED)
def test_it_is_asked_something_else(text: str) -> None:
    assert reads(text) is None


async def test_it_says_what_the_house_says() -> None:
    assert await helping.run(asked("zh", help_text="我能……")) == "我能……"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_it_is_never_silent(language: str) -> None:
    assert "/help" in str(await helping.run(asked(language)))


def test_the_command_help_stays_the_houses_own() -> None:
    assert (helping.name, helping.slash) == ("help", "")
