"""Markdown as a model writes it, made of what Teams shows."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.teams.markdown import rendered, settled

# What the strictest reader there is makes of it, one that reads HTML and tables too.
READER = MarkdownIt("commonmark", {"html": True, "maxNesting": 200}).enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** *it* _it_ ~~gone~~ `a_b*c`", "**bold** *it* _it_ ~~gone~~ `a_b*c`"),
        ("# Title\n\n## A **bold** `**x**` one", "**Title**\n\n**A bold `**x**` one**"),
        ("# **All**\ntext", "**All**\n\ntext"),
        ("#\n\nx", "x"),
        ("# ends with \\", "**ends with \\\\**"),
        ("a\nb  \nc\\\nd\n\ne", "a\nb  \nc\\\nd\n\ne"),
        ("a\n\n---\n\nb\n***\nc", "a\n\n──────────\n\nb\n\n──────────\n\nc"),
        ("Title\n===\nTitle\n---", "Title\n\\===\nTitle\n\n──────────"),
        ("![a chart](https://e.co/a.png)", "[a chart](https://e.co/a.png)"),
        ("![](https://e.co/a_b.png)", "[https://e.co/a\\_b.png](https://e.co/a_b.png)"),
        ('[the *docs*](https://e.co/a "Title")', "[the *docs*](https://e.co/a)"),
        ("[a](<https://e.co/a b>)", "[a](https://e.co/a%20b)"),
        ("[a](https://e.co/x_(y))", "[a](https://e.co/x_%28y%29)"),
        ("[![badge](https://e.co/b.svg)](https://e.co)", "[badge](https://e.co)"),
        ("[mail](mailto:anna@example.com)", "[mail](mailto:anna@example.com)"),
        ("<https://e.co/a_b>", "[https://e.co/a\\_b](https://e.co/a_b)"),
        ("https://e.co/a_b", "https://e.co/a_b"),
        ("[x](javascript:alert) [y](/path)", "\\[x](javascript:alert) \\[y](/path)"),
        ("[x](&#106;avascript:alert)", "\\[x](&#106;avascript:alert)"),
        ("[1] and [a[0]](x) wow![1]", "[1] and \\[a[0]](x) wow\\![1]"),
        ("[a]: https://e.co\n\n[a]", "\\[a]: https://e.co\n\n[a]"),
        ("!<https://e.co>", "\\![https://e.co](https://e.co)"),
        ("Really!! Yes!", "Really!! Yes!"),
        ("> a\n> **b**\n>\n> c", "> a\n> **b**\n>\n> c"),
        ("```py\nif a < b:\n    **c**\n\n```\nx", "```py\nif a < b:\n    **c**\n\n```\n\nx"),
        ("~~~\n```\n~~~", "```\n`\u2060``\n```"),
        ("````md\n```\n````", "````md\n```\n````"),
        ("```\nopen", "```\nopen\n```"),
        ("```\n```", "```\n```"),
        ('```"onload=x\na\n```', "```\na\n```"),
        ("a\n\n    code *x*\n\n    more", "a\n\n```\ncode *x*\n\nmore\n```"),
        ("a\n      - b\n      1. c", "a\n\\- b\n1\\. c"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_markdown_becomes_what_teams_shows(markdown, shown):
    assert rendered(markdown) == shown


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Text:\n- a\n- b\n  - c\n    - d\n- [ ] e", "Text:\n\n- a\n- b\n    - c\n        - d\n- [ ] e"),
        ("1. a\n2. b\n\n   more\n3. c", "1. a\n2. b\n\n    more\n3. c"),
        ("* a\n\n* b", "- a\n\n- b"),
        ("7) x\n8) y", "7) x\n8) y"),
        ("1. a\n   - b\n   ```\n   c\n\n   d\n   ```", "1. a\n    - b\n\n    ```\n    c\n\n    d\n    ```"),
        ("- a\n  ```\n  c\n  ```", "- a\n    ```\n    c\n    ```"),
        ("- a\n  # b\n  c", "- a\n\n    **b**\n\n    c"),
        ("10000. a\n\n       b", "10000. a\n\n       b"),
        ("- a\n-\n- b", "- a\n- b"),
        ("> - a\n>   b\n> 1. c", "> - a\n>     b\n>\n> 1. c"),
    ],
)
def test_lists_keep_their_order_their_depth_and_what_is_in_them(markdown, shown):
    assert rendered(markdown) == shown


@pytest.mark.parametrize(
    "latex",
    [r"$$\frac{a}{b} \\ x_1$$", r"\(a_1 + b^2\)", r"\[\sum_{i=1}^n x_i\]", "$a*b*c$", r"\begin{a} x & y \\ z \end{a}"],
)
def test_latex_is_left_alone(latex):
    assert rendered(latex) == latex


# -------------------------------------------------------------------------------------------------------------- tables


def test_a_table_becomes_columns_of_code():
    table = "| Name | 数量 |\n|:--|--:|\n| `a` | 1 |\n| **苹果汁** | 12 < 13 |\n| cafe\u0301 | |"
    assert rendered(table) == (
        "```\nName   | 数量\n-------+--------\na      | 1\n苹果汁 | 12 < 13\ncafe\u0301   |\n```"
    )


def test_a_table_with_links_becomes_a_list_that_keeps_them():
    table = "Look:\n| Name | Page | |\n|-|-|-|\n| *A* | [a](https://e.co/a) | new |\n| B | | ![b](https://e.co/b) |"
    assert rendered(table) == (
        "Look:\n\n- *A*\n    - Page: [a](https://e.co/a)\n    - new\n- B\n    - [b](https://e.co/b)"
    )


def test_a_table_that_is_too_wide_for_columns_becomes_a_list():
    words = "many words that go on and on until there is no screen that is wide enough"
    assert rendered(f"| A | B_b |\n|-|-|\n| x | {words} |\n| | *{words}* |") == (
        f"- x\n    - B\\_b: {words}\n- …\n    - B\\_b: *{words}*"
    )


def test_a_table_in_a_list_stays_in_it():
    assert rendered("- a\n\n  | b |\n  |---|\n  | c |\n- d") == ("- a\n\n    ```\n    b\n    -\n    c\n    ```\n- d")


def test_code_in_a_table_cannot_end_its_block():
    assert rendered("| ~~~ |\n|-|\n| \\`\\`\\` |").count("\n```") == 1


# ---------------------------------------------------------------------------------------------------------------- HTML


@pytest.mark.parametrize(
    "html", ["<b>x</b>", "<script>alert(1)</script>", "<!-- x -->", "<img src=x>", "<a\nb>", "a<b"]
)
def test_html_is_shown_and_not_read(html):
    assert rendered(html) == html.replace("<", "&lt;")
    assert rendered(f"```\n{html}\n```") == f"```\n{html}\n```"


@pytest.mark.parametrize("tag", ["<at>Anna</at>", "<AT>Anna</AT>", '<at id="0">Anna</at>'])
@pytest.mark.parametrize("around", ["{}", "`{}`", "**{}**", "```\n{}\n```", "    {}", "# {}", "| a |\n|-|\n| {} |"])
def test_nobody_is_mentioned(tag, around):
    assert not re.search(r"</?at\b", rendered(around.format(tag)), re.IGNORECASE)
    assert "Anna" in rendered(around.format(tag))


def test_code_that_mentions_nobody_is_not_touched():
    code = "```cpp\nstd::map<atom, int> m; // a<b, </attr>\n```"
    assert rendered(code) == code


# ------------------------------------------------------------------------------------------------------- all documents

BITS = [
    "# ", "- ", "* ", "+ ", "1. ", "2) ", "10. ", "> ", "```", "~~~", "````", "```py\n", "\n", "\n", "\n", "\n\n", "  ",
    "    ", "   ", "\t", "|", "|a|b|\n", "|-|-|\n", "---", "***", "===", "a", "b c", "*", "**", "_", "`", "``", "<",
    "<b>", "</b>", "<at>x</at>", "<!--", "<https://e.co/(x)>", "[", "]", "(", ")", "![", "](https://e.co)",
    "](javascript:x)", "[x]: https://e.co", "\\", "!", "5", "12", "1.", "好", "。", "$", "&lt;", "&", "\r\n", "\r",
    '"', "word ", "<script>", '[a](https://e.co "t")', "![i](https://e.co/i)", ":", ":-",
]  # fmt: skip
documents = st.lists(st.sampled_from(BITS), max_size=14).map("".join)


@example("[```py\n5> b c## Head]```")
@example("``![\n*     **<!--<https://e.co/(x)>**|-|-||&")
@example("- ```\n  a\n- b\n\n      code\n*     *")
@example("| a |\n| - |\n| b |\n\nc | d\n-|-\n")
@settings(max_examples=300)
@given(documents)
def test_what_is_settled_of_a_growing_text_is_the_beginning_of_all_that_follows(text):
    before = ""
    for end in range(len(text) + 1):
        now = settled(text[:end])
        assert now.startswith(before)
        before = now
    assert rendered(text).startswith(before)


@example("``b c\\\n- \r\n<b>``***12")
@example("12```py\n<!--1.10. a```")
@settings(max_examples=500)
@given(documents)
def test_nothing_is_left_that_teams_does_not_show_or_should_not_read(text):
    for token in all_tokens(READER.parse(rendered(text))):
        assert token.type not in ("html_block", "html_inline", "heading_open", "hr", "table_open", "image")
        assert token.type != "link_open" or re.match(r"https?://|mailto:", str(token.attrs["href"]))
        assert not re.search(r"</?at\b", token.content) or token.type == "text"


def all_tokens(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *(token.children or ()))]


@given(st.lists(st.sampled_from(["word", "好", "two", "\n", "**", "1", "- "]), max_size=20).map(" ".join))
def test_words_stay_whole_and_in_order(text):
    words = re.findall(r"word|two|好", text)
    assert re.findall(r"word|two|好", rendered(text)) == words


ANSWER = (
    "# Title\n\nA first sentence with `code`.\nAnd **more** of it, see [this](https://e.co).\n\n1. One\n   - sub\n"
    "2. Two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx = [1]\nprint(x)\n```\n\n> Quoted.\n\nThe end"
)


def test_a_growing_answer_is_shown_while_it_is_written():
    for end in range(len(ANSWER)):
        held = len(rendered(ANSWER[:end]).rstrip("`\n ")) - len(settled(ANSWER[:end]))
        assert held <= len("[this](https://e.co)") + 16, ANSWER[:end]
    assert settled(ANSWER) == rendered(ANSWER)


def test_code_is_shown_line_by_line_and_letter_by_letter():
    assert settled("```py\nx = [1]\npri") == "```py\nx = [1]\npri"
    assert settled("```py\nx = [1]\n``") == "```py\nx = [1]"
    assert settled("```py\nx <a") == "```py\nx "
    assert settled("- a\n  ```\n  x = 1") == "- a\n    ```\n    x = 1"


@pytest.mark.parametrize(
    "held", ["#", "# Titl", "- ", "1", "1.", "12", "**", "---", "| a | b |\n", "[a", "`a", "!", "``", ">"]
)
def test_a_beginning_that_may_become_anything_is_held_back(held):
    assert settled(held) == ""
    assert settled(f"Text.\n\n{held}") == "Text."


@pytest.mark.parametrize("shown", ["T", "Text", "好", "**b", "1.5", "2024 was", "-5", "*a", "(", "#tag"])
def test_words_are_shown_at_once(shown):
    assert settled(f"Text.\n{shown}") == f"Text.\n{shown}"


@pytest.mark.parametrize(
    "mark", ["*", "**", "_", "> ", "- ", "[", "![", "*a **b ", "`", "<", "|", "\n", "[](", "\\", "`a``b "]
)
def test_no_depth_and_no_length_is_too_much(mark):
    text = mark * (20_000 // len(mark))
    assert rendered(text).startswith(settled(text))
