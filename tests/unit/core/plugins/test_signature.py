"""What a plugin is called with: the schema a model reads, and the arguments it writes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field

from core.errors import Malformed, Misconfigured
from core.plugin import Asked, Plugin, plugin
from core.plugins.signature import Signature, Unfit

ASKED: Any = object()  # is handed on, and not looked into


def of(function: Any, parameters: Mapping[str, Any] | None = None) -> Signature:
    return Signature(Plugin(name="one", run=function, description="", about={}, parameters=parameters))


@plugin()
async def book(
    room: Annotated[str, Field(description="Its name")],
    people: Annotated[int, Field(ge=1, le=6)],
    kind: Literal["call", "lunch"] = "call",
    price: Decimal = Decimal(0),
    guests: list[str] | None = None,
) -> str:
    """Books a room."""
    return f"{room} {people} {kind} {price + 1} {guests}"


def test_parameters_are_a_plain_schema():
    assert Signature(book).parameters == {
        "type": "object",
        "properties": {
            "room": {"type": "string", "description": "Its name"},
            "people": {"type": "integer", "minimum": 1, "maximum": 6},
            "kind": {"type": "string", "enum": ["call", "lunch"], "default": "call"},
            "price": {"type": "number", "default": 0.0},
            "guests": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
        },
        "required": ["room", "people"],
        "additionalProperties": False,
    }


def test_a_function_without_parameters_takes_an_object_without_any():
    async def nothing(asked: Asked) -> str:
        return ""

    assert of(nothing).parameters == {"type": "object", "properties": {}, "additionalProperties": False}


async def test_arguments_arrive_as_the_function_wants_them():
    given = {"room": "Oak", "people": "3", "price": 0.1}
    checked = Signature(book).checked(given)
    assert checked == {"room": "Oak", "people": 3, "kind": "call", "price": Decimal("0.1"), "guests": None}
    assert await Signature(book).call(given, ASKED) == "Oak 3 call 1.1 None"
    assert await Signature(book).call(checked, ASKED) == "Oak 3 call 1.1 None"


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        ({"people": 2}, "`room` is missing.", "缺少 `room`。"),
        ({"room": "Oak", "people": 2, "beds": 1}, "`beds` is not known here.", "这里没有 `beds` 这个参数。"),
        (
            {"room": "Oak", "people": 9},
            "`people` has to be a whole number from 1 to 6.",
            "`people` 必须是整数（1 到 6）。",
        ),
        ({"room": 7, "people": 2}, "`room` has to be a text.", "`room` 必须是文字。"),
        (
            {"room": "Oak", "people": 2, "kind": "nap"},
            "`kind` has to be one of call, lunch.",
            "`kind` 必须是以下之一：call, lunch。",
        ),
        ({"room": "Oak", "people": 2, "guests": "all"}, "`guests` has to be a list.", "`guests` 必须是列表。"),
    ],
)
async def test_what_does_not_fit_is_named_in_both_languages(arguments, english, chinese):
    with pytest.raises(Unfit) as caught:
        await Signature(book).call(arguments, ASKED)
    assert (caught.value.said("en"), caught.value.said("zh")) == (english, chinese)
    assert english in str(caught.value)


async def test_what_was_asked_is_handed_in_and_is_nobody_elses_to_give():
    async def who(asked: Asked, name: str = "x") -> Any:
        return asked, name

    assert await of(who).call({"name": "y"}, ASKED) == (ASKED, "y")
    with pytest.raises(Malformed, match="asked"):
        of(who).checked({"asked": 1})


async def test_types_written_as_text_are_understood():
    names: dict[str, Any] = {}
    exec(  # a file of its own, as `from __future__` counts for a whole one
        "from __future__ import annotations\n"
        "from datetime import date\n"
        "from core.plugin import Asked\n"
        "async def on(day: date, asked: Asked): return day, asked\n",
        names,
    )
    assert await of(names["on"]).call({"day": "2026-05-17"}, ASKED) == (date(2026, 5, 17), ASKED)


async def test_parameters_may_have_the_names_of_a_models_methods():
    async def odd(json: int, copy: str, model_config: datetime, schema: bool = True) -> Any:
        return json, copy, model_config, schema

    given = {"json": 1, "copy": "a", "model_config": "2026-05-17T09:30Z"}
    answer: Any = await of(odd).call(given, ASKED)
    assert answer == (1, "a", datetime(2026, 5, 17, 9, 30, tzinfo=UTC), True)


def test_a_default_that_is_no_json_is_kept_and_not_told():
    async def odd(sides: Any = ASKED) -> None: ...

    assert of(odd).parameters["properties"] == {"sides": {}}
    assert of(odd).checked({}) == {"sides": ASKED}


class Strange:
    """Nothing that pydantic knows."""


async def _rest(*args: str) -> None: ...


async def _all(**kwargs: str) -> None: ...


async def _placed(text: str, /) -> None: ...


async def _bare(text) -> None: ...


async def _strange(text: Strange) -> None: ...


async def _untold(text: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821


def _blocking(text: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_rest, "args"),
        (_all, "kwargs"),
        (_placed, "text"),
        (_bare, "text needs a type"),
        (_strange, "no JSON schema"),
        (_untold, "Nowhere"),
        (_blocking, "async def"),
    ],
)
def test_a_function_that_cannot_be_told_to_a_model_says_why(function, why):
    with pytest.raises(Misconfigured, match=why):
        of(function)


def test_a_validator_that_fails_by_itself_is_no_failure_of_the_house():
    def look_up(value: str) -> str:
        return {"a": "b"}[value]

    async def odd(text: Annotated[str, AfterValidator(look_up)]) -> None: ...

    assert of(odd).checked({"text": "a"}) == {"text": "b"}
    with pytest.raises(Malformed, match="KeyError"):
        of(odd).checked({"text": "secret"})


# ------------------------------------------------------------------------------------------------- declared schemas

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "depth": {"type": "integer", "minimum": 0}},
    "required": ["path"],
}


async def declared(asked: Asked, **arguments: Any) -> Any:
    return asked, arguments


async def test_a_declared_schema_is_kept_and_arguments_go_on_as_they_came():
    signature = of(declared, SCHEMA)
    assert signature.parameters == SCHEMA
    assert await signature.call({"path": "a", "depth": 2}, ASKED) == (ASKED, {"path": "a", "depth": 2})
    assert await of(partial(declared), SCHEMA).call({"path": "a"}, ASKED) == (ASKED, {"path": "a"})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "`path` is missing"),
        ({"path": 1}, "`path` has to be a text"),
        ({"path": "a", "depth": "2"}, "`depth` has to be a whole number of at least 0"),
        ({"path": "a", "width": 2}, "`width` is not known"),
    ],
)
def test_a_declared_schema_is_held_to(arguments, why):
    with pytest.raises(Unfit, match=why):
        of(declared, SCHEMA).checked(arguments)


def test_a_declared_schema_may_take_whatever_comes():
    given = {"path": "a", "width": 2}
    assert of(declared, {**SCHEMA, "additionalProperties": True}).checked(given) == given


@pytest.mark.parametrize("schema", [{"type": "text"}, {"type": "array"}, {}, {"type": "object", "required": 1}])
def test_what_is_no_schema_of_an_object_is_refused(schema):
    with pytest.raises(Misconfigured):
        of(declared, schema)


@pytest.mark.parametrize("name", ["asked", "other"])
def test_a_declared_property_needs_a_parameter_of_its_own(name):
    async def narrow(asked: Asked, path: str) -> None: ...

    with pytest.raises(Misconfigured, match=name):
        of(narrow, {"type": "object", "properties": {name: {}}})


def test_a_number_that_is_too_large_to_be_divided_does_not_fit():
    signature = of(declared, {"type": "object", "properties": {"path": {"type": "number", "multipleOf": 0.1}}})
    with pytest.raises(Malformed, match="OverflowError"):
        signature.checked({"path": 10**400})


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/schema.json", "#/$defs/nothing", "#"])
def test_a_schema_that_leads_elsewhere_is_not_followed(target, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("it was fetched"))
    signature = of(declared, {"type": "object", "properties": {"path": {}}, "allOf": [{"$ref": target}]})
    with pytest.raises(Malformed, match="leads nowhere"):
        signature.checked({"path": "a"})


def test_a_pattern_that_takes_for_ever_is_left_to_whoever_wrote_it():
    schema = {"type": "object", "properties": {"path": {"type": "string", "pattern": "^(a+)+$"}}}
    assert of(declared, schema).checked({"path": "a" * 60 + "!"})


def test_a_plugin_may_be_changed_and_its_signature_stays():
    assert Signature(replace(book, confirm=True)).parameters == Signature(book).parameters
