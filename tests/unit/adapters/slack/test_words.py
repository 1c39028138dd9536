"""Slack's way of writing text, read as Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.words import begins_with_another, clean, decoded, mentions

US = "U0PARLEY1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; is how &lt; is written", "&lt; is how < is written"),
        ("&amp;amp;", "&amp;"),
        ("&quot;&#39;&nbsp;", "&quot;&#39;&nbsp;"),  # Slack escapes three characters; these were typed
    ],
)
def test_escapes_are_taken_back_once(text, expected):
    assert decoded(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask <@U0ANNA001>", "ask @U0ANNA001"),
        ("ask <@U0ANNA001|anna>", "ask @anna"),
        ("in <#C0GENERAL|general>", "in #general"),
        ("in <#C0GENERAL|>", "in #C0GENERAL"),
        ("in <#C0GENERAL>", "in #C0GENERAL"),
        ("<!subteam^S0CREW001|@crew> come", "@crew come"),
        ("<!subteam^S0CREW001> come", "@subteam come"),
        ("<!here> <!channel|channel> <!everyone>", "@here channel @everyone"),
        ("at <!date^1700000000^{date_short} {time}|14 Nov, 22:13>", "at 14 Nov, 22:13"),
    ],
)
def test_people_channels_groups_and_dates_go_by_the_names_they_are_shown_with(text, expected):
    assert decoded(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see <https://example.com/>", "see https://example.com/"),
        ("see <https://example.com/?a=1&amp;b=2>", "see https://example.com/?a=1&b=2"),
        ("see <https://example.com/|the page>", "see [the page](https://example.com/)"),
        ("see <http://example.com|example.com>", "see [example.com](http://example.com)"),
        ("see <https://example.com|https://example.com>", "see https://example.com"),
        ("write to <mailto:anna@example.com|anna@example.com>", "write to anna@example.com"),
        ("call <tel:+4930123|+49 30 123>", "call [+49 30 123](+4930123)"),
        ("open <slack://channel?id=C0GENERAL|it>", "open [it](slack://channel?id=C0GENERAL)"),
    ],
)
def test_links_are_markdown(text, expected):
    assert decoded(text) == expected


@pytest.mark.parametrize("text", ["why <div>?", "#include <stdio.h>", "a <b> c", "std::vector<int>", "<!doctype html>"])
def test_angle_brackets_that_slack_did_not_write_stay(text):
    assert decoded(text) == text


def test_what_a_person_typed_never_becomes_a_mention_or_a_link():
    assert decoded("&lt;@U0ANNA001&gt; &lt;https://example.com|x&gt;") == "<@U0ANNA001> <https://example.com|x>"


@pytest.mark.parametrize(
    "text",
    [
        f"<@{US}> what is this?",
        f"  <@{US}>   what is this?",
        f"<@{US}|parley> what is this?",
        f"<@{US}>: what is this?",
        f"<@{US}>, what is this?",
        f"<@{US}>，what is this?",
        f"<@{US}>：what is this?",
        f"<@{US}>\xa0what is this?",
        f"<@{US}>\nwhat is this?",
        f"<@{US}> <@{US}> what is this?",
        f"what is this? <@{US}>",
        f"what <@{US}> is this?",
    ],
)
def test_our_own_mention_is_taken_out_wherever_it_stands(text):
    assert decoded(text, US) == "what is this?"


def test_nothing_is_left_of_a_mention_alone():
    assert decoded(f" <@{US}> ", US) == ""


def test_another_persons_mention_stays_also_where_its_id_begins_with_ours():
    assert decoded(f"<@{US}> ask <@{US}2>", US) == f"ask @{US}2"


def test_whose_id_is_a_pattern_takes_out_no_more_than_that():
    assert decoded("<@U1> and <@U.>", "U.") == "@U1 and"


def test_a_mention_is_seen_with_and_without_a_name():
    assert mentions(f"you, <@{US}>", US)
    assert mentions(f"you, <@{US}|parley>", US)


@pytest.mark.parametrize("text", ["", US, f"@{US}", f"&lt;@{US}&gt;", "<@U0ANNA001>", f"<@{US}2>", f"<#{US}>"])
def test_what_only_looks_like_our_mention_is_none(text):
    assert not mentions(text, US)


@pytest.mark.parametrize("text", ["<@U0ANNA001> did you see?", "  <@U0ANNA001|anna>, did you?"])
def test_who_is_named_first_is_spoken_to(text):
    assert begins_with_another(text, US)


@pytest.mark.parametrize("text", ["", "Did <@U0ANNA001> see?", f"<@{US}> <@U0ANNA001>", "<#C0GENERAL>", "<!here> look"])
def test_nobody_else_is_spoken_to(text):
    assert not begins_with_another(text, US)


def test_what_no_database_takes_is_taken_out():
    assert clean("a\0b\ud800c\udfff") == "ab?c?"
    assert clean("👩🏽‍💻 你好") == "👩🏽‍💻 你好"


@given(st.text(st.sampled_from("<>|@#!^&;: \nabU0PARLEY1C/.lgtmp?\0\ud800")))
def test_whatever_is_written_can_be_read(text):
    read = decoded(clean(text), US)
    assert "\0" not in read.encode().decode()
