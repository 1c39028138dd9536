"""What stands behind a slash command becomes arguments."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from core.plugins.line import TakesNothing, arguments


@dataclass(frozen=True)
class Shape:
    """The parameters of a function, as far as a line needs them."""

    parameters: dict[str, Any] = field(default_factory=dict)


def shape(*required: str, **types: Any) -> Shape:
    properties = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in types.items()}
    return Shape({"type": "object", "properties": properties, "required": list(required)})


PLACE = shape(place="string", days="integer", is_brief="boolean")


def test_nothing_behind_it_is_no_argument() -> None:
    assert arguments("", PLACE) == {}
    assert arguments("  \n", Shape()) == {}


def test_all_of_the_line_is_the_first_parameter() -> None:
    assert arguments(" New York, please ", PLACE) == {"place": "New York, please"}
    assert arguments("what's new\nin Rome", PLACE) == {"place": "what's new\nin Rome"}
    assert arguments("1+1=2", PLACE) == {"place": "1+1=2"}


def test_a_json_object_is_taken_as_it_is() -> None:
    assert arguments('{"place": "Rome", "days": 3, "other": [1]}', PLACE) == {"place": "Rome", "days": 3, "other": [1]}


def test_what_only_looks_like_json_is_text() -> None:
    assert arguments("{1 + 2} * 3", PLACE) == {"place": "{1 + 2} * 3"}
    deep = '{"a":' * 100_000
    assert arguments(deep, PLACE) == {"place": deep}


def test_pairs_are_read_with_their_quotes_and_types() -> None:
    assert arguments('place="New York" days=3 is_brief=True', PLACE) == {
        "place": "New York",
        "days": 3,
        "is_brief": True,
    }
    assert arguments("place='' days=many", PLACE) == {"place": "", "days": "many"}


def test_pairs_of_unknown_names_or_with_other_words_are_text() -> None:
    assert arguments("x=3", PLACE) == {"place": "x=3"}
    assert arguments("x=3 y=4", PLACE) == {"place": "x=3 y=4"}
    assert arguments("Rome days=3", PLACE) == {"place": "Rome days=3"}
    assert arguments("days=3 days=4", PLACE) == {"place": "days=3 days=4"}
    assert arguments('days="3', PLACE) == {"place": 'days="3'}


def test_a_pair_of_an_unknown_name_is_kept_where_the_others_are_meant_as_pairs() -> None:
    assert arguments("days=4 sides=6", PLACE) == {"days": 4, "sides": "6"}
    assert arguments("sides=6 days=4", PLACE) == {"days": 4, "sides": "6"}
    assert arguments("sides=6", shape(count="integer")) == {"sides": "6"}


def test_a_line_that_is_too_long_for_pairs_is_text() -> None:
    line = "place=" + "x" * 4000
    assert arguments(line, PLACE) == {"place": line}


def test_the_first_parameter_is_one_that_must_be_given() -> None:
    assert arguments("Rome", shape("place", days="integer", place="string")) == {"place": "Rome"}


def test_a_number_is_read_where_the_schema_wants_one() -> None:
    optional = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert arguments("6", shape(sides="integer")) == {"sides": 6}
    assert arguments("6", shape(sides=optional)) == {"sides": 6}
    assert arguments("[1, 2]", shape(values="array")) == {"values": [1, 2]}
    assert arguments("6", shape(sides="string")) == {"sides": "6"}
    assert arguments("6", shape(sides={"type": ["string", "integer"]})) == {"sides": "6"}
    assert arguments("6", shape(sides={})) == {"sides": "6"}
    assert arguments("six", shape(sides="integer")) == {"sides": "six"}


def test_a_command_that_takes_nothing_says_so() -> None:
    with pytest.raises(TakesNothing):
        arguments("Rome", Shape())
