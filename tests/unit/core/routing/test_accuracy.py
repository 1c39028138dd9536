"""How often questions find their model, on prompts that neither the rules nor the classifier were tuned on."""

import pytest

from bench.routing import ACCURACY, PROMPTS, known, right, shares
from core.routing.samples import CORPUS, normalised, read

# Whoever tunes the rules does not get to see a prompt, not even in a failing test's message: assert on numbers alone.
HELD_OUT = read(PROMPTS)
SIZE = len(HELD_OUT)


def test_nineteen_questions_of_twenty_find_their_model():
    share = right(HELD_OUT)
    assert share >= ACCURACY


def test_no_language_and_no_route_pays_for_another():
    low = {name for name, share in shares(HELD_OUT) if share < 0.9}
    assert not low


@pytest.mark.parametrize(("field", "value", "least"), [("language", "zh", 1 / 2), ("kind", "tricky", 1 / 3)])
def test_half_of_the_prompts_are_chinese_and_a_third_are_meant_to_mislead(field, value, least):
    assert sum(getattr(prompt, field) == value for prompt in HELD_OUT) >= least * SIZE


def test_there_are_enough_prompts_and_none_twice():
    distinct = len({normalised(prompt.text) for prompt in HELD_OUT})
    assert distinct == SIZE >= 120


@pytest.mark.parametrize("route", ["chat", "code"])
def test_each_route_has_its_share_in_each_language(route):
    for language in ("en", "zh"):
        assert sum(prompt.route == route and prompt.language == language for prompt in HELD_OUT) >= 30


def test_no_prompt_was_learned_from_nor_tuned_on():
    tuned_on = {normalised(line.text) for line in read(CORPUS / "dev.jsonl")}
    learned = known(HELD_OUT)
    tuned = sum(normalised(prompt.text) in tuned_on for prompt in HELD_OUT)
    assert (learned, tuned) == (0, 0)


def test_what_the_rules_were_tuned_on_was_not_learned_from():
    assert known(read(CORPUS / "dev.jsonl")) == 0
