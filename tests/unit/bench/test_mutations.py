"""What becomes of a document that is spoiled: something else each time, and the same for the same chance."""

import copy
import json
from random import Random

import pytest

from bench.mutations import any_value, damaged, encoded, spoiled

DOCUMENT = {"type": "event", "event": {"text": "hello", "users": ["U1", "U2"], "count": 3}, "none": None}
SEEDS = range(2_000)


def changes() -> list[str]:
    return [encoded(spoiled(DOCUMENT, Random(seed)), Random(seed)).decode(errors="replace") for seed in SEEDS]


def test_the_document_itself_stays_as_it_is():
    before = copy.deepcopy(DOCUMENT)
    changes()
    assert before == DOCUMENT


def test_the_same_chance_spoils_in_the_same_way():
    assert changes() == changes()


def test_most_changes_are_made_once():
    assert len(set(changes())) > len(SEEDS) / 2


def test_every_place_is_reached():
    made = [spoiled(DOCUMENT, Random(seed)) for seed in SEEDS]
    documents = [each for each in made if isinstance(each, dict)]
    assert len(documents) < len(made), "the document as a whole was never replaced"
    for key in DOCUMENT:
        assert any(key not in each for each in documents), f"{key} was never taken away"
    events = [each["event"] for each in documents if isinstance(each.get("event"), dict)]
    assert any(not isinstance(event.get("users"), list) for event in events)
    assert any(isinstance(event.get("users"), list) and event["users"][:1] != ["U1"] for event in events)
    assert any(event.get("text") != "hello" for event in events)


@pytest.mark.parametrize(
    "sign",
    [
        "\\u0000",
        "\\ud800",
        "[" * 2_000,
        '{"a":' * 2_000,
        "9" * 5_000,
        '{"id": "one", "id":',
        "Infinity",
        "NaN",
        "1e99999",
    ],
)
def test_what_no_encoder_would_write_is_among_it(sign):
    assert any(sign in text for text in changes())


def test_some_of_it_is_no_utf_8():
    strange = [encoded(spoiled(DOCUMENT, Random(seed)), Random(seed)) for seed in SEEDS]
    assert any("�" in each.decode(errors="replace") for each in strange)


def test_any_value_is_something_that_json_writes():
    values = [any_value(Random(seed)) for seed in range(500)]
    assert {type(value) for value in values} == {type(None), bool, int, float, str, list, dict}
    assert all(json.dumps(value) for value in values)


@pytest.mark.parametrize("data", [b"", b"x", b'{"type": "event"}' * 20])
def test_damaged_bytes_are_other_bytes(data):
    made = {damaged(data, Random(seed)) for seed in range(200)}
    assert data not in made
    assert made == {damaged(data, Random(seed)) for seed in range(200)}
