"""What stands behind a slash command, as arguments: JSON, key=value pairs, or all of it as the first parameter."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Protocol

from core.errors import Malformed

LONGEST_PAIRS = 4000  # characters; more is given as JSON


class TakesNothing(Malformed):
    """Nothing may stand behind this command."""


class Parameters(Protocol):
    """What is known of a function: its parameters as a JSON schema."""

    @property
    def parameters(self) -> Mapping[str, Any]: ...


def arguments(text: str, signature: Parameters) -> Mapping[str, Any]:
    """The arguments in a line, not yet checked; raises TakesNothing where there are some and no parameters.

    A JSON object is taken as it is. Pairs count only where all of the line is pairs, and one of them a known
    parameter's, so that `x=3` can be the text of a parameter; where none may be text, any are. Numbers and the like are
    read as the schema wants them.
    """
    line = text.strip()
    if not line:
        return {}
    properties = signature.parameters.get("properties") or {}
    if not properties:
        raise TakesNothing
    whole = _object(line)
    if whole is not None:
        return whole
    first = _first(signature.parameters)
    pairs = _pairs(line, properties, is_text=_is_text(properties.get(first))) or {first: line}
    return {name: _typed(value, properties.get(name)) for name, value in pairs.items()}


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    value = _json(line)
    return value if isinstance(value, dict) else None


def _json(text: str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pairs(line: str, properties: Mapping[str, Any], *, is_text: bool) -> dict[str, str] | None:
    """Those of unknown parameters are left in: whoever checks them says which these are."""
    if len(line) > LONGEST_PAIRS or not _is_name(line.partition("=")[0], properties):  # shlex takes its time
        return None
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that is not closed: "what's new"
        return None
    pairs = [word.partition("=") for word in words]
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names) or not all(mark and _is_name(name, properties) for name, mark, _ in pairs):
        return None
    if is_text and properties.keys().isdisjoint(names):
        return None
    return {name: value for name, _, value in pairs}


def _is_name(text: str, properties: Mapping[str, Any]) -> bool:
    return text in properties or text.isidentifier()


def _first(schema: Mapping[str, Any]) -> str:
    """The parameter that a line without names is for: the first one that must be given, else the first."""
    properties = schema["properties"]
    first: str = next((name for name in schema.get("required", ()) if name in properties), next(iter(properties)))
    return first


def _typed(value: str, schema: Any) -> Any:
    if _is_text(schema):
        return value
    read = _json(value.lower() if "boolean" in _types(schema) else value)
    return value if read is None else read


def _is_text(schema: Any) -> bool:
    """Whether any text will do."""
    types = _types(schema)
    return not types or "string" in types


def _types(schema: Any) -> set[str]:
    """The JSON types a schema names, none where it does not say: then text is as good as anything."""
    if not isinstance(schema, Mapping):
        return set()
    named = schema.get("type", ())
    types = {named} if isinstance(named, str) else set(named)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        types |= _types(choice)
    return types
