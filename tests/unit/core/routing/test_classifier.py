"""The classifier: what it reads, how its weights are kept, and that they are those its corpus teaches."""

import json
from random import Random

import pytest

from core.routing.classifier import STEPS, WEIGHTS, code_probability, packed, probability, unpacked
from core.routing.features import BUCKETS, HEAD, TAIL, features
from core.routing.lexicon import kind_of, topics
from core.routing.samples import CORPUS, FILES, Sample, filled, made_of, normalised, read, samples
from core.routing.train import learned


def test_code_and_chat_lie_on_either_side():
    assert code_probability("how do I reverse a linked list in place") > 0.9
    assert code_probability("what should I cook for six guests") < 0.1


def test_features_are_the_same_in_every_run_and_bounded_for_any_text():
    assert list(features("hello there").items()) == list(features("hello there").items())
    assert len(features("ab cd ef " * 100_000)) < 20 * (HEAD + TAIL)
    assert features("") != {}


def test_case_and_the_width_of_letters_make_no_other_words():
    assert features("ｈｏｗ do you do") == features("how do you do")


def test_a_lone_surrogate_is_a_character_like_any_other():
    assert 0 <= code_probability("\ud800 a\udfffb") <= 1


def test_topics_are_counted_by_their_words():
    found = topics("merge two columns of a table, 合并两列")
    assert found["data"] >= 2
    assert found["procedure"] >= 2
    assert topics("") == {}


def test_what_is_asked_about_one_language_may_be_asked_about_any_other():
    assert kind_of("python") == kind_of("rust") != "rust"
    assert kind_of("umbrella") == "umbrella"


def test_weights_survive_their_packing_to_the_nearest_step():
    weights = [0.0] * BUCKETS
    weights[:4] = [1.5, -2.25, 1 / STEPS, 0.6 / STEPS]
    assert unpacked(packed(weights))[:5] == [1.5, -2.25, 1 / STEPS, 1 / STEPS, 0.0]


def test_a_weight_out_of_bounds_is_kept_at_the_bound():
    assert unpacked(packed([100.0, -100.0] + [0.0] * (BUCKETS - 2)))[:2] == [32767 / STEPS, -32767 / STEPS]


def test_a_file_of_another_length_is_refused():
    with pytest.raises(ValueError, match=f"{BUCKETS} weights were expected, not 2"):
        unpacked(bytes(4))


def test_it_learns_what_it_is_shown():
    texts = [Sample("red apples", 0.0), Sample("green pears", 1.0)] * 20
    weights = learned(texts)
    assert probability(weights, features("red apples")) < 0.1
    assert probability(weights, features("green pears")) > 0.9


def test_the_weights_are_those_that_the_corpus_teaches():
    # Within a step: the last digit of an exponential is the platform's own.
    taught = unpacked(packed(learned(list(samples()))))
    kept = unpacked(WEIGHTS.read_bytes())
    assert max(abs(one - other) for one, other in zip(taught, kept, strict=True)) <= 1 / STEPS


def test_the_corpus_is_labelled_in_full_and_says_nothing_twice():
    lines = [line for name in FILES for line in read(CORPUS / name)]
    assert {line.language for line in lines} == {"en", "zh"}
    assert {line.route for line in lines} == {"chat", "code", ""}
    texts = [normalised(line.text) for line in lines if line.route]
    assert len(texts) == len(set(texts))


def test_every_slot_of_the_corpus_can_be_filled():
    slots = json.loads((CORPUS / "slots.json").read_text(encoding="utf-8"))
    lines = [line for name in FILES for line in read(CORPUS / name)]
    named = {(line.language, name) for line in lines for name in slots[line.language] if f"<{name}>" in line.text}
    assert not {(language, name) for language in slots for name in slots[language]} - named
    assert not [sample.text for sample in made_of(lines) if any(f"<{name}>" in sample.text for _, name in named)]


def test_a_pattern_becomes_several_texts_and_a_text_itself():
    assert filled("hello", {}, Random(1)) == ("hello",)
    made = filled("is <lang> hard", {"lang": ["Go", "Lua"]}, Random(1))
    assert set(made) == {"is Go hard", "is Lua hard"}
