"""What a plugin is called with: its function's parameters as a JSON schema, and arguments that fit them."""

import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import jsonschema
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, extend, validator_for
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.errors import Malformed
from core.plugin import Asked, Misdeclared, Plugin, Result
from core.plugins.texts import expected, say

_DATA = frozenset({"const", "default", "enum", "examples"})  # hold values, not schemas
_SHOWN = 64  # characters of a name that somebody made up


class Unfit(Malformed):
    """The arguments do not fit."""

    def __init__(self, text: str, parameter: str, schema: Any = None) -> None:
        self._text, self._parameter, self._schema = text, str(parameter)[:_SHOWN], schema
        super().__init__(self.said("en"))

    def said(self, language: str) -> str:
        """A sentence that names the parameter, and none of what was given for it."""
        return say(self._text, language, parameter=self._parameter, expected=expected(self._schema, language))


class Signature:
    """The parameters of a plugin. Raises Misdeclared where they cannot be told to a model.

    They are what the plugin declares, else what its function does: an async one, each of whose parameters has a type
    that pydantic knows. A parameter annotated with Asked is none of the caller's. Checking runs the function's own
    validators, where it has some.
    """

    def __init__(self, plugin: Plugin) -> None:
        self._run = plugin.run
        given = _parameters(plugin)
        self._asked = [one.name for one in given if one.annotation is Asked]
        own = [one for one in given if one.annotation is not Asked]
        self._arguments = _typed(plugin, own) if plugin.parameters is None else _declared(plugin.parameters, given)
        self.parameters: Mapping[str, Any] = self._arguments.schema
        """A JSON schema of an object."""

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them; raises Malformed, mostly as Unfit: which one does not fit."""
        schema = self.parameters
        properties = schema.get("properties", {})
        for name in arguments:
            if name not in properties and not schema.get("additionalProperties", False):
                raise Unfit("unknown", name)
        for name in schema.get("required", ()):
            if name not in arguments:
                raise Unfit("missing", name)
        return self._arguments.checked(arguments)

    async def call(self, arguments: Mapping[str, Any], asked: Asked) -> Result:
        """Checks the arguments and calls the function with them, and with what was asked where it wants to know."""
        return await self._run(**self.checked(arguments), **dict.fromkeys(self._asked, asked))


def _parameters(plugin: Plugin) -> Sequence[inspect.Parameter]:
    try:
        return tuple(inspect.signature(plugin.run, eval_str=True).parameters.values())
    except Exception as error:  # types that are written as text are run as code
        raise Misdeclared(
            f"the types of its parameters cannot be told: {error}", f"无法得知其参数的类型：{error}"
        ) from None


# ------------------------------------------------------------------------------------------- by the function's types


class _Typed:
    """Arguments that pydantic checks and turns into what the function takes."""

    def __init__(self, model: type[BaseModel], names: Mapping[str, str]) -> None:
        self._model, self._names = model, names
        schema = model.model_json_schema(schema_generator=_Plain)
        self.schema = {"type": "object", "properties": {}, **_plain(schema)}

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            model = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            name = str(error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"][0])
            raise Unfit("unfit", name, self.schema["properties"].get(name)) from None
        except Exception as error:  # from a validator of the plugin's own
            raise Malformed(f"they could not be checked, for a {type(error).__name__}") from None
        return {name: getattr(model, field) for name, field in self._names.items()}


def _typed(plugin: Plugin, own: Sequence[inspect.Parameter]) -> _Typed:
    if not inspect.iscoroutinefunction(plugin.run):
        raise Misdeclared(
            "its function has to begin with `async def`, and to return its answer",
            "函数必须以 `async def` 开头，并返回回答",
        )
    for one in own:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise Misdeclared(f"{one} cannot be passed by its name", f"{one} 不能按名称传递")
        if one.annotation is one.empty:
            raise Misdeclared(f"the parameter {one.name} needs a type", f"参数 {one.name} 需要类型")
    # Fields have names of their own: a parameter may be called `json` or `copy`, as methods of every model are.
    fields: dict[str, Any] = {f"field_{place}": _field(one) for place, one in enumerate(own)}
    config = ConfigDict(extra="forbid", protected_namespaces=())
    try:
        model = create_model("Arguments", __config__=config, **fields)
        return _Typed(model, {one.name: field for one, field in zip(own, fields, strict=True)})
    except PydanticUserError as error:
        raise Misdeclared(
            f"the types of its parameters have no JSON schema: {error.message}",
            f"其参数的类型没有 JSON schema：{error.message}",
        ) from None


def _field(one: inspect.Parameter) -> tuple[Any, Any]:
    return one.annotation, Field(... if one.default is one.empty else one.default, alias=one.name)


class _Plain(GenerateJsonSchema):
    """Schemas that a small model understands: what a pattern or a warning would say of them is left out."""

    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        """A number, and not also every text that is one."""
        number: Any = {name: float(schema[name]) for name in ("ge", "gt", "le", "lt") if name in schema}
        return self.float_schema(number)

    def encode_default(self, dft: Any) -> Any:
        return float(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def _plain(schema: Any) -> Any:
    """Without the titles, which say what the names say already."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in _DATA and not isinstance(value, dict) else _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


# ------------------------------------------------------------------------------------------------ by a declared schema


class _Declared:
    """Arguments that fit a schema of somebody else's, and go on as they came."""

    def __init__(self, schema: Mapping[str, Any], validator: Validator) -> None:
        self.schema, self._validator = schema, validator

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(arguments)
        try:
            error = jsonschema.exceptions.best_match(self._validator.iter_errors(given))
        except (Unresolvable, RecursionError):
            raise Malformed("the schema of the arguments leads nowhere") from None
        except Exception as strange:  # such as a number that is too large to be divided
            raise Malformed(f"they could not be checked, for a {type(strange).__name__}") from None
        if error is not None:
            name = str(next(iter(error.absolute_path), "arguments"))
            raise Unfit("unfit", name, self.schema.get("properties", {}).get(name))
        return given


def _declared(schema: Mapping[str, Any], given: Sequence[inspect.Parameter]) -> _Declared:
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
    except (jsonschema.SchemaError, RecursionError):
        raise Misdeclared("its parameters are no JSON schema", "其参数不是 JSON schema") from None
    if schema.get("type") != "object":
        raise Misdeclared(
            "its parameters have to be a JSON schema of an object", "其参数必须是 object 类型的 JSON schema"
        )
    _check_takes(schema, given)
    # A pattern may take for ever, and whoever wrote it looks for it as well; a schema elsewhere is not fetched.
    bounded = extend(kind, {"pattern": _any})  # type: ignore[no-untyped-call]
    return _Declared(schema, bounded(schema, registry=Registry()))


def _check_takes(schema: Mapping[str, Any], given: Sequence[inspect.Parameter]) -> None:
    """Every property has a parameter that takes it, and none of them takes what is asked as well."""
    takes_all = any(one.kind is one.VAR_KEYWORD for one in given)
    own = {one.name for one in given if one.annotation is not Asked}
    asked = {one.name for one in given if one.annotation is Asked}
    for name in schema.get("properties", {}):
        if name in asked or not (takes_all or name in own):
            raise Misdeclared(f"its function takes no argument {name}", f"其函数没有参数 {name}")


def _any(*_: object) -> None:
    return None
