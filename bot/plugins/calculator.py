"""The plugin that calculates: sums, percentages, functions and units, in English and Chinese."""

from collections.abc import Mapping

from bot.plugins._calculation.evaluate import value_of
from bot.plugins._calculation.faults import Fault, quoted
from bot.plugins._calculation.frames import unframed
from bot.plugins._calculation.functions import ANGLES
from bot.plugins._calculation.nodes import Call, Measure, Node, every
from bot.plugins._calculation.notation import formula, result
from bot.plugins._calculation.phrases import LENGTH, understood
from bot.plugins._calculation.script import normalised
from bot.plugins._calculation.sentence import expression_in
from bot.plugins._calculation.units import DEGREE, currency_in
from core.plugin import Asked, plugin

_IN_RADIANS = (
    "The angle is taken in radians; for degrees write for example `sin(30°)`.",
    "角按弧度计算；要用度，请写成例如 `sin(30°)`。",
)


def reads(text: str) -> Mapping[str, str] | None:
    """The sum that a whole message asks for."""
    expression = expression_in(text)
    return None if expression is None else {"expression": expression}


def answer(expression: str, language: str) -> str:
    """The sum as it was understood with its result, or a sentence that says what is wrong; Markdown, by language."""
    try:
        return _worked_out(expression, language)
    except Fault as fault:
        return fault.said(language)


def _worked_out(expression: str, language: str) -> str:
    node = _understood(expression)
    shown, is_all = result(value_of(node), node, language)
    written = formula(node, language)
    sign = "=" if is_all else "≈"
    line = f"`{shown}`" if written == shown else f"`{written} {sign} {shown}`"
    return f"{line}\n\n{_IN_RADIANS[language == 'zh']}" if _has_bare_angle(node) else line


def _understood(expression: str) -> Node:
    if len(expression) > LENGTH:
        raise Fault("long", limit=LENGTH)
    text, _ = unframed(normalised(expression))
    try:
        return understood(text)
    except Fault:
        if currency := currency_in(text):
            raise Fault("currency", text=quoted(currency)) from None
        raise


def _has_bare_angle(node: Node) -> bool:
    calls = [part for part in every(node) if isinstance(part, Call) and part.name in ANGLES]
    return any(not _is_measured(call) for call in calls)


def _is_measured(call: Call) -> bool:
    return any(isinstance(part, Measure) and part.unit.kind == DEGREE.kind for part in every(call))


@plugin(
    name="calculator",
    slash="calc",
    reads=reads,
    about={
        "en": "works out sums, percentages and units: `/calc 15% of 240`, `/calc 10 km in miles`",
        "zh": "计算算式、百分比和单位换算：`/calc 240的15%`、`/calc 5公里是多少英里`",
    },
    timeout=5.0,
)
async def calculator(expression: str, asked: Asked) -> str:
    """Works out one sum exactly, or converts units.

    `expression` is arithmetic such as "3*(4+5)", "15% of 240", "sqrt(2)", "sin(30°)", "12乘以3" or "10 km in miles".
    """
    return answer(expression, asked.language)
