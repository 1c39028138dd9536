"""What a person is asked before a plugin acts."""

import json
from collections.abc import Mapping
from typing import Any
from unicodedata import category

from core.plugin import Plugin
from core.plugins.texts import say as say_of_it
from core.reading import fenced
from core.texts import say

_SHOWN = 6000  # characters of arguments that are shown as they are
_LONG = 500  # characters of each text in those that have more
# What is not seen may turn a line around, or end it: all of Unicode's kinds of it, but for what joins emoji.
_UNSEEN, _JOINER = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"}), "\u200d"


def question(plugin: Plugin, arguments: Mapping[str, Any], language: str) -> str:
    """Names the plugin, what it does and with what, and asks; Markdown.

    No argument is left out, whatever the others are: a long text is cut, and says by how much.
    """
    about = plugin.about.get(language) or plugin.about.get("en") or plugin.description.partition("\n")[0]
    shown = _lines(arguments)
    if len(shown) > _SHOWN:
        shown = _lines(_cut(arguments, language))
    asked = say("plugin_ask", language).format(name=plugin.name, about=_without_example(about))
    return f"{asked}\n\n{fenced(shown)}" if shown else asked


def _without_example(about: str) -> str:
    """What it does alone: an example of it could be taken for what is asked."""
    return about.partition("`")[0].rstrip(" :：,，、(（") or about


def _lines(arguments: Mapping[str, Any]) -> str:
    """A line for each; further lines of a text are set in, so that none looks like another argument."""
    return "\n".join(
        f"{_visible(name, keeps='')}: {_visible(_text(value)).replace(chr(10), chr(10) + '  ')}"
        for name, value in arguments.items()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(value: Any, language: str) -> Any:
    """The same, with each long text in it cut."""
    match value:
        case str() if len(value) > _LONG:
            return value[:_LONG] + say_of_it("more", language, count=len(value) - _LONG)
        case Mapping():
            return {name: _cut(item, language) for name, item in value.items()}
        case list() | tuple():
            return [_cut(item, language) for item in value]
    return value


def _visible(text: str, keeps: str = "\n\t") -> str:
    return "".join(sign if sign in keeps + _JOINER or category(sign) not in _UNSEEN else _named(sign) for sign in text)


def _named(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
