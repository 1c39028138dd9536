"""Strong signals: what the form of a text decides by itself, and what only looks as if it did."""

import pytest

from core.routing.asks import asks_for_code, asks_for_prose
from core.routing.reading import HEAD, TAIL, WIDTH, any_of, asking, lines_of
from core.routing.rules import rule

PYTHON_TRACE = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\nKeyError: 1'
JAVA_TRACE = "java.lang.IllegalStateException: closed\n\tat com.acme.Pool.take(Pool.java:12)"
JAVASCRIPT_TRACE = "TypeError: x is not a function\n    at App (/src/App.js:10:5)"
CSHARP_TRACE = "Unhandled exception.\n   at Shop.Cart.Add(Item i) in C:\\shop\\Cart.cs:line 12"
GO_TRACE = "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:"
RUST_TRACE = "thread 'main' panicked at src/main.rs:2:5:\nexplicit panic"
C_ERROR = "main.c:4:5: error: expected ';' before 'return'"
SHELL_ERROR = "bash: kubectl: command not found"

FENCED_CODE = "what is wrong here?\n```python\nx\n```"
FENCED_LETTER = "```\nDear Ms Smith,\nthank you for the flowers.\n```\nmake it warmer"


def test_a_fence_with_a_language_is_code():
    assert rule(FENCED_CODE) == "code"
    assert rule("~~~sql\nid\n~~~") == "code"


def test_a_fence_without_a_language_is_code_by_its_content():
    assert rule("why?\n```\nx = foo(1)\n```") == "code"
    assert rule(FENCED_LETTER) == "chat"


def test_a_fence_that_is_still_open_counts():
    assert rule("```js\nconst a = 1") == "code"


@pytest.mark.parametrize(
    "trace",
    [PYTHON_TRACE, JAVA_TRACE, JAVASCRIPT_TRACE, CSHARP_TRACE, GO_TRACE, RUST_TRACE, C_ERROR, SHELL_ERROR],
)
@pytest.mark.parametrize("ask", ["what is this?", "这是怎么回事"])
def test_a_stack_trace_is_code_in_any_language(trace, ask):
    assert rule(f"{ask}\n{trace}") == "code"


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x",
        "for x in items:\n    print(x)",
        "import numpy as np",
        "const total = items.length",
        "public static int twice(int x) {",
        "#include <stdio.h>",
        "fn main() {",
        "func main() {",
        "git push origin main is rejected, 为什么",
        "SELECT name FROM users WHERE id = 3 慢",
        "FROM python:3.11\nRUN pip install x",
        '{"name": "parley"}',
        "<div class='a'>text</div>",
        "a = foo(1)\nb = bar[2]",
    ],
)
def test_pasted_source_is_code(source):
    assert rule(source) == "code"


@pytest.mark.parametrize(
    "text",
    [
        "If you have time (even ten minutes), here is what I'd like:\nsome cake",
        "I want to go somewhere where it is 25 degrees in January",
        "@anna\ncan you come to lunch?",
        "java island in July, how hot?",
        "go run 5 km with me",
        "panic: my wedding is tomorrow",
        "Caused by: stress. What can I do?",
        "Meet me\nat the station (platform 3, 10:30)\nat noon (12:30)",
        "is $5 = 4 euros today?",
        "[chorus]\nla la la\n[verse]\nla",
        "Roses are red;\nviolets are blue;\nwhat comes next",
        "from paris to rome\nwhere do we stay",
        "my printer shows error C1234, what now",
        "haha\n^^\nfunny",
    ],
)
def test_prose_that_is_set_like_source_is_left_alone(text):
    assert rule(text) is None


def test_a_sentence_that_quotes_code_is_no_paste_of_it():
    assert rule('a mug says "SELECT coffee FROM kitchen WHERE cup = 1", funny?') is None
    assert rule('Translate into French: "TypeError: x is not a function" is what the customer saw') == "chat"


@pytest.mark.parametrize(
    "ask",
    [
        "Write a Python script that renames my files",
        "can you write me a function that counts words?",
        "please give me a regex for dates",
        "explain this code",
        "port it to Rust, please convert the parser to Rust",
        "用 Go 写一个爬虫",
        "帮我写个函数，去掉重复的",
        "写一段代码算工资",
        "解释一下这段代码",
        "正则怎么匹配手机号",
    ],
)
def test_an_ask_for_code_is_heard_in_both_languages(ask):
    assert asks_for_code(lines_of(ask))
    assert rule(ask) == "code"


@pytest.mark.parametrize(
    "ask",
    [
        "Write a poem about a Python script",
        "write me a short farewell e-mail to the backend team",
        "translate to German: the function returns tomorrow",
        "explain recursion to my grandmother",
        "proofread: the servers was restarted",
        "写一首关于程序员的诗",
        "给开发团队写一封感谢信",
        "把“服务器宕机了”翻译成英文",
        "用大白话讲讲什么是递归",
    ],
)
def test_an_ask_for_prose_is_heard_in_both_languages(ask):
    assert asks_for_prose(lines_of(ask))
    assert rule(ask) == "chat"


@pytest.mark.parametrize("text", ["Python", "script", "who needs a function?", "代码", "程序", "JavaScript developer"])
def test_no_keyword_decides_alone(text):
    assert rule(text) is None


def test_beside_machinery_an_ask_for_prose_decides_nothing():
    assert asks_for_prose(lines_of("write a letter about spring"))
    assert not asks_for_prose(lines_of("write a letter with a regex in it about spring"))


def test_what_is_pasted_speaks_before_the_ask():
    assert rule(f"write a poem about this\n{PYTHON_TRACE}") == "code"


def test_only_the_head_and_the_tail_of_a_long_text_are_read():
    assert sum(map(len, lines_of("a b " * 100_000))) <= HEAD + TAIL
    assert rule(f"{'blah ' * 20_000}\n{PYTHON_TRACE}") == "code"
    assert rule(f"{PYTHON_TRACE}\n{'blah ' * 20_000}") == "code"


def test_a_long_line_comes_in_pieces_and_a_long_run_is_cut():
    assert [len(line) for line in lines_of("ab" * WIDTH)] == [WIDTH, WIDTH]
    assert lines_of("-" * 1000) == ("-" * 12,)


def test_an_ask_stands_at_either_end():
    lines = tuple("abcdefgh")
    assert asking(lines) == tuple("abcfgh")
    assert asking(lines[:6]) == lines[:6]


def test_patterns_are_tried_at_the_beginning_or_anywhere():
    has = any_of("^a", "b", ignore_case=True)
    assert [has(line) for line in ("Ac", "cB", "ca", "")] == [True, True, False, False]
    assert not any_of()("anything")
