"""The same question in other clothes has one form; another question, however alike, has another."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cache.canonical import canonical

NEAR_MISSES = [
    json.loads(line) for line in Path("tests/data/near_misses.jsonl").read_text(encoding="utf-8").splitlines()
]
QUESTIONS = (
    ("What is Docker?", "什么是 Docker？"),
    ("How do I revert a commit in Git?", "如何在 Git 里撤销一次提交？"),
    ("Explain the difference between TCP and UDP", "解释一下 TCP 和 UDP 的区别"),
    ("Which port does HTTPS use?", "HTTPS 用哪个端口？"),
)
MARKS = " \t\u200b?!.。？！"
CLOTHES_EN = (
    "{}",
    "  {}\n",
    "{}??",
    "Hi, {}",
    "Hello there! {}",
    "hey Parley, {}",
    "@Parley {}",
    "@parley: {}",
    "Good morning! {}",
    "please {}",
    "{} please",
    "{}, thanks!",
    "{} Thank you in advance.",
    "Hi. {} Thanks!",
    "“{}”",
    "\u200b{}\ufe0f",
)
CLOTHES_ZH = (
    "{}",
    " {}\n",
    "{}？？",
    "你好，{}",
    "您好！{}",
    "@助手 {}",
    "请问{}",
    "请问一下，{}",
    "{}谢谢",
    "{} 谢谢！",
    "“{}”",
    "早上好！{}多谢",
)


def dressed() -> list[tuple[str, str]]:
    english = [(clothes.format(question), question) for question, _ in QUESTIONS for clothes in CLOTHES_EN]
    return english + [(clothes.format(question), question) for _, question in QUESTIONS for clothes in CLOTHES_ZH]


def wide(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


@pytest.mark.parametrize(("text", "question"), dressed())
def test_clothes_make_no_other_question(text, question):
    assert canonical(text) == canonical(question)


@pytest.mark.parametrize("question", [question for pair in QUESTIONS for question in pair])
def test_case_width_and_spaces_make_no_other_question(question):
    forms = question.upper(), question.lower(), question.replace(" ", "  "), wide(question), question.rstrip("?？")
    assert {canonical(form) for form in forms} == {canonical(question)}


@pytest.mark.parametrize(("one", "other"), [(pair["a"], pair["b"]) for pair in NEAR_MISSES], ids=lambda text: text[:24])
def test_no_near_miss_is_the_same_question(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is C++", "what is C#"),
        ("what is x²", "what is x2"),
        ("what does grep -R do", "what does grep -r do"),
        ("convert 5 mW to W", "convert 5 MW to W"),
        ("is 100 Mb much", "is 100 MB much"),
        ("no, stop the server", "no stop the server"),
        ("what does WHO do", "what does who do"),
        ("how do you say thanks", "how do you say"),
        ("how do I spell please", "how do I spell"),
        ("hello world in python", "world in python"),
        ("what is 5!", "what is 5"),
        ("what is `a b`", "what is `a  b`"),
        ("what is .NET", "what is net"),
        ("(1, 2]", "[1, 2)"),
        ("what is '1' + '2'", "what is 1 + 2"),
        ("什么是 1 2", "什么是 12"),
        ("不，要删除", "不要删除"),
        ("用英语怎么说谢谢", "用英语怎么说"),
        ("请假流程", "假流程"),
    ],
)
def test_what_looks_like_clothes_and_is_none_stays(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "Hi!", "Hello?", "Hello there.", "你好！", "在吗？", "谢谢", "@Parley", "???", "\u200b"],
)
def test_a_greeting_asks_nothing(text):
    assert canonical(text) == ""


@given(st.text(max_size=200))
def test_no_text_breaks_it_and_its_ends_are_bare(text):
    form = canonical(text)
    assert form == form.strip()


@given(
    st.sampled_from([question for pair in QUESTIONS for question in pair]), st.text(" \t\u200b?!.。？！", max_size=9)
)
def test_marks_at_the_end_say_nothing(question, marks):
    assert canonical(question + marks) == canonical(question)
