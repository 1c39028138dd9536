"""Every sentence of the console exists in both languages, and the right one is chosen."""

import re
from pathlib import Path
from string import Formatter

import pytest

from adapters.console import texts
from adapters.console.parse import REASONS
from adapters.console.texts import SCRIPT_TEXTS, TEXTS, language_of, say

ROOM = Path(texts.__file__).parent


def fields(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_values(name):
    english, chinese = TEXTS[name]
    assert english
    assert chinese
    assert fields(english) == fields(chinese)


def test_every_text_the_room_asks_for_exists():
    sources = {path: path.read_text(encoding="utf-8") for path in [*ROOM.glob("*.py"), *ROOM.glob("templates/*.html")]}
    named = {
        name for text in sources.values() for name in re.findall(r"\b(?:t|say)\(['\"]([a-z_0-9]+)['\"](?! [+~])", text)
    }
    named |= {name for text in sources.values() for name in re.findall(r"Problem\(\d+, \"([a-z_0-9]+)\"", text)}
    named |= set(re.findall(r"texts\.([a-z_]+)", sources_of_script())) | {f"reason_{reason}" for reason in REASONS}
    assert named <= TEXTS.keys()
    assert len(named) > 60


def sources_of_script() -> str:
    return (ROOM / "static/app.js").read_text(encoding="utf-8")


def test_the_script_is_given_what_it_says():
    assert set(re.findall(r"texts\.([a-z_]+)", sources_of_script())) <= set(SCRIPT_TEXTS)


def test_values_are_filled_in():
    assert "7" in say("too_long", "zh", field="prompt", length=7, limit=5)


@pytest.mark.parametrize(
    ("header", "choices", "language"),
    [
        ("", (), "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", (), "zh"),
        ("en-GB,en;q=0.9,zh;q=0.1", (), "en"),
        ("fr-FR, zh-TW;q=0.5", (), "zh"),
        ("de;q=x, zh;q=nan, en;q=2, *", (), "en"),
        ("zh;q=0", (), "en"),
        ("en", ("", "zh"), "zh"),
        ("zh", ("xx", "en"), "en"),
        ("\udcff;;;q=,,", (), "en"),
    ],
)
def test_the_readers_language_is_chosen(header, choices, language):
    assert language_of(header, *choices) == language
