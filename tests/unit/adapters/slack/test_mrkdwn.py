"""Markdown where Slack reads mrkdwn, and where it reads words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.mrkdwn import fallback, mrkdwn


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**bold** *italic* _italic_ ~~gone~~ `a_b*c`", "*bold* _italic_ _italic_ ~gone~ `a_b*c`"),
        ("***both*** and **one *in* other**", "_*both*_ and *one _in_ other*"),
        ("# Title\n\n## A **bold** one & more", "*Title*\n\n*A bold one &amp; more*"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("a\nb  \nc\n\nd", "a\nb\nc\n\nd"),
        ("- a\n- b\n  - c\n    - d\n- [ ] e", "• a\n• b\n    • c\n        • d\n• [ ] e"),
        ("1. a\n2. b\n\n   more\n3. c", "1. a\n2. b\nmore\n3. c"),
        ("7) x\n8) y", "7. x\n8. y"),
        ("[the docs](https://example.com/a)", "<https://example.com/a|the docs>"),
        ("[a **b** & c](https://example.com/?x=1&y=2)", "<https://example.com/?x=1&amp;y=2|a b &amp; c>"),
        ("<https://example.com> and [](https://example.com)", "<https://example.com> and <https://example.com>"),
        ("![a chart](https://example.com/a.png)", "<https://example.com/a.png|a chart>"),
        ("[x](javascript:alert) [y](/path)", "[x](javascript:alert) [y](/path)"),
        ("> a\n> **b**\n>\n> c", "> a\n> *b*\n> \n> c"),
        ("```py\nif a < b:\n    **c**\n```", "```\nif a &lt; b:\n    **c**\n```"),
        ("    indented **code**", "```\nindented **code**\n```"),
        ("a\n\n---\n\nb", "a\n\n──────────\n\nb"),
        ("1 < 2 & <b>x</b>", "1 &lt; 2 &amp; &lt;b&gt;x&lt;/b&gt;"),
        ("&lt;!here&gt; &amp;", "&lt;!here&gt; &amp;"),
        ("[a\nb](https://example.com)", "<https://example.com|a b>"),
        ("#\n\nx", "x"),
        ("", ""),
    ],
)
def test_markdown_becomes_mrkdwn(markdown, expected):
    assert mrkdwn(markdown) == expected


def test_a_mark_next_to_a_letter_gets_an_edge_nobody_sees():
    assert mrkdwn("请**注意**这里, **x**, (**y**)") == "请\u200b*注意*\u200b这里, *x*, (*y*)"


def test_a_table_becomes_columns_of_code():
    table = "| Name | 数量 |\n|:--|--:|\n| `a` | 1 |\n| **苹果汁** | 12 < 13 |\n| | |"
    assert mrkdwn(table) == ("```\nName   | 数量\n-------+--------\na      | 1\n苹果汁 | 12 &lt; 13\n       |\n```")


def test_what_takes_no_width_takes_no_column():
    assert mrkdwn("| cafe\u0301 | b |\n|-|-|\n| x | y |").splitlines()[2] == "-----+--"


def test_code_that_holds_fences_stays_one_block():
    text = mrkdwn("````\n```\nx\n```\n``````x\n````\nand ``a`b``")
    assert text.count("```") == 4  # two blocks, each opened and closed
    assert text.replace("\u2060", "") == "```\n```\nx\n```\n``````x\n```\n\nand ```\na`b\n```"


markdown = st.text(alphabet="<>!@&|*_~`[]()#-+. \n\t1aU:/htps好", max_size=60)
pieces = st.sampled_from(
    ["<!channel>", "<@U0ANNA001>", "[x](https://e.co/<!here>)", "<https://e.co/<!here>>", "![<!here>](https://e.co)"]
)


@given(st.lists(markdown | pieces).map("".join))
def test_no_text_mentions_anybody_or_leaves_a_bracket_open(text):
    for shown in (mrkdwn(text), fallback(text)):
        assert (
            re.sub(r"<(?:https?://|mailto:)[^<>|\s]*(?:\|[^<>\n]*)?>", "", shown, flags=re.IGNORECASE).count("<") == 0
        )
        assert not re.search(r"&(?!(?:lt|gt|amp);)", shown)


@given(st.text())
def test_plain_words_stay_whole(text):
    words = re.findall(r"[a-z]+", text)
    assert re.findall(r"[a-z]+", re.sub(r"&\w+;", "", mrkdwn(" ".join(words)))) == words


@pytest.mark.parametrize("mark", ["*", "**", "_", "> ", "- ", "[", "![", "*a **b "])
@pytest.mark.parametrize("around", ["{}", "![{}](https://example.com)"])
def test_no_depth_is_too_deep(mark, around):
    text = around.format(mark * 2000 + "word" + mark[::-1] * 2000)
    assert mrkdwn(text) is not None
    assert fallback(text)


# ------------------------------------------------------------------------------------------------------ notifications


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# Title\n\nSome **bold** [link](https://example.com) & `code`", "Title\nSome bold link &amp; code"),
        ("- a\n  - b\n1. c\n\n   d", "• a\n• b\n1. c\nd"),
        ("```py\nx < 1\n```\n\n> said", "x &lt; 1\nsaid"),
        ("|a|b|\n|-|-|\n|**1**|2|", "a | b\n1 | 2"),
        ("<!channel> <@U0ANNA001>", "&lt;!channel&gt; &lt;@U0ANNA001&gt;"),
        ("![chart](https://example.com/a.png)", "chart"),
        ("![](https://example.com/a.png)\n\nx", "x"),
        ("", "…"),
        ("---", "…"),
        (" \n ", "…"),
    ],
)
def test_a_notification_says_the_words(markdown, expected):
    assert fallback(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "last"),
    [
        ("words, " * 900, "words,…"),
        ("字" * 9000, "字…"),
        ("<" * 9000, "&lt;…"),
        ("a&b" * 3000, "…"),
        ("x\n\n" * 9000, "x…"),
    ],
)
def test_a_long_notification_ends_with_a_word_and_a_sign_that_there_is_more(markdown, last):
    text = fallback(markdown)
    assert 2900 < len(text) <= 3000
    assert text.endswith(last)
    assert not re.search(r"&(?!(?:lt|gt|amp);)", text)


def test_what_was_never_read_is_said_to_be_missing():
    assert fallback("Words.\n\n[a]: https://example.com/" + "y" * 20_000 + "\n\nMore.") == "Words.…"


@given(st.text(alphabet="ab<&* \n", max_size=50), st.integers(0, 400))
def test_a_notification_is_never_too_long_and_never_empty(text, count):
    assert 0 < len(fallback(text * count)) <= 3000
