"""What a tool of an MCP server is as a plugin: its name, its description, and a schema that can be trusted."""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from jsonschema import SchemaError, ValidationError
from jsonschema.validators import Draft202012Validator, validator_for
from mcp.types import Tool
from referencing import Registry

from bot.plugins._mcp.settings import ServerSettings
from bot.plugins._mcp.texts import say
from bot.plugins._mcp.words import clean, line, plain
from core.plugin import Asked, Plugin, Result

log = logging.getLogger(__name__)

Call = Callable[[str, Mapping[str, Any], str], Awaitable[Result]]
"""Calls a tool by the server's own name for it, with arguments, for somebody who reads this language."""

_ASKED = "parley_asked"  # what `run` is handed besides the tool's own arguments
_LONGEST_NAME = 64
_LONGEST_SLASH = 32
_LONGEST_DESCRIPTION = 1000
_LONGEST_LINE = 160
_LARGEST_SCHEMA = 32 * 1024  # bytes
_NAMES = {
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "properties",
}  # their keys are names, their values schemas
_REFERENCES = {"$dynamicRef", "$recursiveRef", "$ref"}
_DATA = {"const", "default", "enum", "examples", "required"}


class _Unfit(Exception):
    """The schema cannot be used; the message says why."""


def plugins_of(server: str, settings: ServerSettings, tools: Iterable[Tool], call: Call) -> tuple[Plugin, ...]:
    """The tools that are allowed; one that cannot be offered is left out alone, and named in the log."""
    found: dict[str, Plugin] = {}
    listed = set()
    for tool in tools:
        listed.add(tool.name)
        if not settings.allows(tool.name):
            continue
        try:
            plugin = _plugin(server, settings, tool, call)
            if plugin.name in found:
                raise _Unfit(f"another one is called {plugin.name} as well")
            found[plugin.name] = plugin
        except _Unfit as error:
            log.warning("the tool %s of the MCP server %s is left out: %s", line(tool.name, 80), server, error)
    for name in sorted(settings.named - listed):
        log.warning("the MCP server %s has no tool %s, which app.yaml names", server, name)
    return tuple(found.values())


def _plugin(server: str, settings: ServerSettings, tool: Tool, call: Call) -> Plugin:
    parameters = _parameters(tool.input_schema)

    async def run(parley_asked: Asked, **arguments: Any) -> Result:
        return await call(tool.name, arguments, parley_asked.language)

    name = plugin_name(server, tool.name)
    return Plugin(
        name=name,
        run=run,
        description=_description(server, tool),
        about={language: _about(server, tool, language) for language in ("en", "zh")},
        slash=_slash(name),
        timeout=settings.timeout,
        confirm=settings.confirms(tool.name),
        outward=True,
        parameters=parameters,
    )


# ------------------------------------------------------------------------------------------------- names and words


def plugin_name(server: str, tool: str) -> str:
    """Such as "files_read_text"; a name that loses what tells it from others gets a mark of its own."""
    own = re.sub(r"[^a-z0-9_-]+", "_", tool.lower()).strip("_-")
    name = f"{server}_{own}"
    if own and len(name) <= _LONGEST_NAME:
        return name
    mark = sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9].rstrip('_-')}_{mark}"


def _slash(name: str) -> str:
    slash = re.sub(r"[_-]+", "-", name)
    return slash if len(slash) <= _LONGEST_SLASH else ""


def _description(server: str, tool: Tool) -> str:
    words = clean((tool.description or tool.title or "")[: 2 * _LONGEST_DESCRIPTION]).strip()
    head = f'Tool "{line(tool.name, 80)}" of the MCP server "{server}".'
    if not words:
        return head
    cut = words if len(words) <= _LONGEST_DESCRIPTION else f"{words[: _LONGEST_DESCRIPTION - 1]}…"
    return f'{head} The server\'s own words for it: "{cut}"'


def _about(server: str, tool: Tool, language: str) -> str:
    about = say("about", language, tool=plain(tool.name, 80), server=server)
    first = (tool.description or "").strip().partition("\n")[0]
    words = plain(tool.title or first, _LONGEST_LINE)
    return (
        say("about_more", language, about=about, words=words)
        if words
        else f"{about}{'。' if language == 'zh' else '.'}"
    )


# ---------------------------------------------------------------------------------------------------------- schemas


def _parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as arguments are checked by it; raises _Unfit."""
    try:
        if len(json.dumps(schema, ensure_ascii=False).encode()) > _LARGEST_SCHEMA:
            raise _Unfit(f"its schema is longer than {_LARGEST_SCHEMA // 1024} KB")
        if schema.get("type") != "object":
            raise _Unfit("its schema is not one of an object")
        checked: dict[str, Any] = _safe(schema)
        kind = validator_for(checked, default=Draft202012Validator)
        kind.check_schema(checked)
        if _ASKED in checked.get("properties", {}):
            raise _Unfit(f"it has a parameter {_ASKED}, which is the house's own")
        _try_out(kind(checked, registry=Registry()))
    except (SchemaError, UnicodeEncodeError):
        raise _Unfit("its schema is not a valid one") from None
    except RecursionError:
        raise _Unfit("its schema is too deep") from None
    return checked


def _try_out(validator: Any) -> None:
    """A schema that refers to what is not there, or to itself for ever, says so at its first use."""
    try:
        validator.validate({})
    except ValidationError:
        pass
    except RecursionError:
        raise
    except Exception:
        raise _Unfit("its schema refers to what is not in it") from None


def _safe(schema: Any) -> Any:
    """The same, with its words made clean; raises _Unfit where it reaches out to the network, or may take for ever.

    A `pattern` is for the model to read and for the server to check: nobody else looks for it.
    """
    if isinstance(schema, list):
        return [_safe(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    safe: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "patternProperties":
            raise _Unfit("its schema has parameters without names")
        if key in _REFERENCES and not str(value).startswith("#"):
            raise _Unfit("its schema refers to another place")
        if key in {"$id", "id"}:  # what "#" refers to is this very schema
            continue
        if key in _NAMES and isinstance(value, Mapping):
            safe[key] = {name: _safe(item) for name, item in value.items()}
        elif key in {"description", "title"} and isinstance(value, str):
            safe[key] = clean(value)
        else:
            safe[key] = value if key in _DATA else _safe(value)
    return safe
