"""What every plugin keeps to, one suite for all: those that come with the house, and a small one."""

from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema
import pytest
from pydantic import Field

import bot.plugins
from core.errors import Malformed
from core.language import LANGUAGES
from core.message import CommandName
from core.plugin import Asked, Plugin, plugin
from core.plugins import Kind, Origin, Registry, Signature, found
from core.plugins.forms import Form


@plugin(slash="dice", words=["throw a die with {sides} sides", "掷{sides}面骰子"], about={"en": "Dice", "zh": "骰子"})
async def dice(asked: Asked, sides: Annotated[int, Field(ge=2)] = 6) -> str:
    """Throws a die."""
    return f"{sides}"


def plugins() -> Iterator[Plugin]:
    """Those of a provider are none before it is configured."""
    yield dice
    for origin in found([bot.plugins]):
        yield from (value for value in vars(origin.load()).values() if isinstance(value, Plugin))


@pytest.fixture(params=plugins(), ids=lambda one: one.name)
def one(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_house_has_some():
    assert {"calculator", "help", "time"} <= {one.name for one in plugins()}


async def test_the_house_takes_it(one):
    registry = await Registry.open([Origin(Kind.BUILTIN, one.name, lambda: one)], lambda name: pytest.fail(name))
    assert registry.problems == ()
    assert [loaded.plugin for loaded in registry.plugins] == [one]
    await registry.close()


def test_its_command_is_none_of_the_house(one):
    assert one.slash not in list(CommandName)


def test_people_read_a_line_about_it_in_their_language(one):
    lines = [one.about[language] for language in LANGUAGES]
    assert all(line.strip() == line and line and "\n" not in line for line in lines)
    assert len(set(lines)) == len(LANGUAGES)


def test_a_model_reads_what_it_does(one):
    assert one.description.strip()


def test_its_parameters_are_a_json_schema_of_an_object(one):
    schema = Signature(one).parameters
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"


def test_what_its_forms_find_are_parameters(one):
    properties = Signature(one).parameters["properties"]
    assert all(Form(words).parameters <= properties.keys() for words in one.words)


def test_wrong_arguments_are_malformed(one):
    signature = Signature(one)
    with pytest.raises(Malformed, match="no_such_thing"):
        signature.checked({"no_such_thing": 1})
    for name in signature.parameters.get("required", ()):
        with pytest.raises(Malformed, match=name):
            signature.checked({other: "x" for other in signature.parameters["properties"] if other != name})
    for name, schema in signature.parameters["properties"].items():
        if "type" in schema:
            with pytest.raises(Malformed):
                signature.checked({name: object()})
