"""What this room says of plugins and of what they are called with, in English and Chinese."""

from collections.abc import Mapping
from typing import Any

_TEXTS: dict[str, tuple[str, str]] = {
    # Why a plugin is left out.
    "failed": ("it could not be loaded: {error}", "无法加载：{error}"),
    "hung": ("it was not ready within {seconds:g} s", "在 {seconds:g} 秒内没有准备好"),
    "empty": (
        "it holds no plugin: a function made one with `@plugin` or `@provider`",
        "其中没有插件：请用 `@plugin` 或 `@provider` 声明一个函数",
    ),
    "misdeclared": ("{detail}", "声明有误：{detail}"),
    "field": ("`@plugin` takes no `{name}`; it takes {names}", "`@plugin` 没有 `{name}`；可用的有 {names}"),
    "brackets": (
        "`@plugin` needs its brackets, also where they are empty: `@plugin()`",
        "`@plugin` 后面必须有括号，即使是空的：`@plugin()`",
    ),
    "name": (
        "its name has to be a small letter, then up to 63 small letters, digits, `-` and `_`",
        "名称必须以小写字母开头，后面最多 63 个小写字母、数字、`-` 或 `_`",
    ),
    "slash": (
        "its command has to be a small letter, then up to 31 small letters, digits and `-`",
        "命令必须以小写字母开头，后面最多 31 个小写字母、数字或 `-`",
    ),
    "house_slash": ("`/{slash}` is a command of the house", "`/{slash}` 是系统自己的命令"),
    "taken_name": ("{other} has a plugin of this name already", "{other} 中已有同名插件"),
    "taken_slash": ("`/{slash}` belongs to the plugin {other} already", "`/{slash}` 已属于插件 {other}"),
    "about": ("it needs a line about it in English and in Chinese", "缺少中英文的一行说明"),
    "description": ("it needs a description for the model", "缺少给模型看的说明"),
    "timeout": ("its timeout has to be above 0 and at most {most:g} s", "超时必须大于 0 且不超过 {most:g} 秒"),
    "form": (
        "the form {form} has a parameter that the function has not: {names}",
        "句式 {form} 含有函数没有的参数：{names}",
    ),
    "off": ("{why}", "已停用：{why}"),
    # Why arguments do not fit.
    "missing": ("`{parameter}` is missing.", "缺少 `{parameter}`。"),
    "unknown": ("`{parameter}` is not known here.", "这里没有 `{parameter}` 这个参数。"),
    "unfit": ("`{parameter}` has to be {expected}.", "`{parameter}` 必须是{expected}。"),
    # What a person is asked before a plugin acts.
    "more": ("… ({count} more characters)", "……（还有 {count} 个字符）"),
    # What a parameter expects.
    "any": ("something else", "其他内容"),
    "string": ("a text", "文字"),
    "integer": ("a whole number", "整数"),
    "number": ("a number", "数字"),
    "boolean": ("true or false", "true 或 false"),
    "array": ("a list", "列表"),
    "object": ("a JSON object", "JSON 对象"),
    "date": ("a date such as 2026-05-17", "日期，例如 2026-05-17"),
    "time": ("a time such as 09:30", "时间，例如 09:30"),
    "date-time": ("a date and time such as 2026-05-17T09:30", "日期和时间，例如 2026-05-17T09:30"),
    "one_of": ("one of {values}", "以下之一：{values}"),
    "or": (" or ", "或"),
    "minimum": ("{kind} of at least {minimum}", "{kind}（不小于 {minimum}）"),
    "maximum": ("{kind} of at most {maximum}", "{kind}（不大于 {maximum}）"),
    "range": ("{kind} from {minimum} to {maximum}", "{kind}（{minimum} 到 {maximum}）"),
    "shaped": ("a text of another form or length", "其他格式或长度的文字"),
}


def say(name: str, language: str, /, **facts: object) -> str:
    """The sentence `name` in "en" or "zh"; any other language reads English."""
    english, chinese = _TEXTS[name]
    return (chinese if language == "zh" else english).format(**facts)


def expected(schema: Any, language: str) -> str:
    """What a JSON schema wants, as far as a few words say it."""
    if not isinstance(schema, Mapping):
        return say("any", language)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        wanted = [expected(choice, language) for choice in choices if choice != {"type": "null"}]
        return say("or", language).join(dict.fromkeys(wanted)) or say("any", language)
    values = schema.get("enum") or [schema[key] for key in ("const",) if key in schema]
    if values:
        return say("one_of", language, values=", ".join(map(str, values)))
    kind = schema.get("format") if schema.get("format") in ("date", "time", "date-time") else schema.get("type")
    return _bounded(say(kind if isinstance(kind, str) and kind in _TEXTS else "any", language), schema, language)


def _bounded(kind: str, schema: Mapping[str, Any], language: str) -> str:
    if schema.keys() & {"minLength", "maxLength", "pattern"}:
        return say("shaped", language)
    bounds = {name: schema[name] for name in ("minimum", "maximum") if name in schema}
    name = "range" if len(bounds) == 2 else next(iter(bounds), "")
    return say(name, language, kind=kind, **bounds) if name else kind
