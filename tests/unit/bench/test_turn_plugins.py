"""The labelled messages that plugins are measured on, and the figures, which need no database."""

import re
import unicodedata
from collections import Counter

import pytest

from bench import turn_plugins
from bench.report import Progress
from bench.turn_plugins import HELD_OUT, PLUGINS, TUNING, is_right, labelled
from core.plugins.choosing import choose

HALVES = pytest.mark.parametrize("path", [TUNING, HELD_OUT], ids=["tuning", "held out"])


def canonical(text):
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text).casefold()).rstrip("?!.。")


def kinds(rows):
    return Counter((row.language, row.plugin, row.is_trap) for row in rows)


@HALVES
def test_a_half_is_long_enough_and_half_chinese(path):
    rows = labelled(path)
    assert len(rows) >= 160
    assert 2 * sum(row.language == "zh" for row in rows) == len(rows)
    assert not [row for row in rows if row.language == "en" and is_chinese(row.text)]
    signs = [row for row in rows if row.language == "zh" and not is_chinese(row.text)]
    assert len(signs) < len(rows) / 20  # a sum in digits, a date, a line of code


def is_chinese(text):
    return re.search(r"[\u4e00-\u9fff]", text) is not None


@HALVES
def test_a_third_of_a_half_are_traps_and_a_third_at_most_plain_questions(path):
    rows = labelled(path)
    for language in ("en", "zh"):
        of_it = [row for row in rows if row.language == language]
        traps = [row for row in of_it if row.is_trap]
        plain = [row for row in of_it if row.plugin is None and not row.is_trap]
        assert 3 * len(traps) >= len(of_it)
        assert 0 < 3 * len(plain) <= len(of_it)
        assert {row.plugin for row in of_it} == {*PLUGINS, None}
        assert not [row for row in traps if row.plugin]


@HALVES
def test_every_sum_has_an_answer_and_nothing_else_has(path):
    assert all(bool(row.answer) == (row.plugin == "calculator") for row in labelled(path))


def test_both_halves_have_as_many_of_each_kind():
    assert kinds(labelled(TUNING)) == kinds(labelled(HELD_OUT))


def test_no_message_is_there_twice():
    texts = [canonical(row.text) for path in (TUNING, HELD_OUT) for row in labelled(path)]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("said", "answer", "expected"),
    [
        ("12*3 = **36**", "36", True),
        ("12*3 = **37**", "36", False),
        ("5 km ≈ **3.106856 miles**", "3.10686", True),
        ("36 × 1 = **35**", "36", False),
        ("**7,649.5**", "7649.5", True),
        ("7 − 12 = **−5**", "-5", True),
        ("100 / 7 ≈ 14.28", "14.285714", False),
        ("", "0", False),
    ],
)
def test_what_a_sum_makes_is_read_from_what_is_said(said, answer, expected):
    assert is_right(said, answer) is expected


async def figures():
    return {figure.name: figure for figure in await turn_plugins.figures(Progress("turn"), None, True)}


async def test_a_quick_run_gives_the_figures():
    found = await figures()
    assert found["plugins: messages"].value == len(labelled(HELD_OUT))
    assert found["plugins: intents right"].goal == ">= 0.95"
    assert found["plugins: intents right"].value > 0.9  # the goal is the benchmark's; this much is never lost
    assert (found["plugins: false triggers"].goal, found["plugins: false triggers"].ok) == ("<= 0.01", True)
    assert found["plugins: sums right, held out"].value > 0.9
    assert found["plugins: nasty sums without an answer"].value == 0
    assert found["plugins: slowest nasty sum"].goal == "<= 100"
    assert found["plugins: choosing for 200 characters, p99"].value > 0


async def test_where_nothing_is_chosen_every_message_for_tuning_is_named_and_none_that_is_held_out(monkeypatch, capsys):
    monkeypatch.setattr(turn_plugins, "choose", lambda text, registry, is_admin: None)
    found, named = await figures(), capsys.readouterr().err
    assert found["plugins: intents right"].value < 0.6
    assert not found["plugins: intents right"].ok
    assert found["plugins: false triggers"].value == 0
    assert found["plugins: sums right, held out"].value == 0
    assert all(f"for {row.text!r}" in named for row in labelled(TUNING) if row.plugin)
    assert not [row for row in labelled(HELD_OUT) if f"for {row.text!r}" in named]


async def test_where_everything_is_chosen_every_message_for_the_model_is_a_false_trigger(monkeypatch):
    monkeypatch.setattr(turn_plugins, "choose", lambda text, registry, is_admin: choose("1 + 1", registry, is_admin))
    found = await figures()
    assert (found["plugins: false triggers"].value, found["plugins: false triggers"].ok) == (1, False)
    assert found["plugins: sums right, held out"].value < 0.1
