"""Sums that are said as a whole sentence: "what percent of 80 is 20", "3、4、5的平均数", "10 km in miles"."""

import re
from collections.abc import Callable
from decimal import localcontext

from bot.plugins._calculation.faults import Fault, quoted
from bot.plugins._calculation.grammar import parsed
from bot.plugins._calculation.nodes import (
    ONE,
    Binary,
    Call,
    Conversion,
    Measure,
    Negative,
    Node,
    Number,
    Percent,
    Share,
    every,
)
from bot.plugins._calculation.units import (
    CELSIUS,
    DEGREE,
    FAHRENHEIT,
    FLUID_OUNCE,
    OUNCE,
    PRECISION,
    Unit,
    currency_in,
    unit_named,
)

LENGTH = 200

_Build = Callable[[re.Match[str]], Node]

_LISTS = {
    "sum": "sum",
    "total": "sum",
    "product": "product",
    "average": "mean",
    "mean": "mean",
    "median": "median",
    "maximum": "max",
    "max": "max",
    "largest": "max",
    "minimum": "min",
    "min": "min",
    "smallest": "min",
    "gcd": "gcd",
    "greatest common divisor": "gcd",
    "greatest common factor": "gcd",
    "lcm": "lcm",
    "least common multiple": "lcm",
    "lowest common multiple": "lcm",
    "difference": "-",
    "quotient": "/",
    "和": "sum",
    "总和": "sum",
    "积": "product",
    "乘积": "product",
    "平均": "mean",
    "平均数": "mean",
    "平均值": "mean",
    "中位数": "median",
    "最大值": "max",
    "最小值": "min",
    "最大公约数": "gcd",
    "最大公因数": "gcd",
    "最小公倍数": "lcm",
    "差": "-",
    "商": "/",
}
_BY_LENGTH = sorted(_LISTS, key=len, reverse=True)
_BETWEEN = re.compile(r"\s*(?:、|,(?!\d{3}(?!\d))\s*(?:and\b)?|\band\b|和|与|跟|及)\s*", re.IGNORECASE)
_PERCENTAGE = r"(?:percent(?:age)?|per\s?cent|%)"
_GROWN = r"增加|提高|上涨|上升|涨价|涨|减少|降低|下降|降价|降"


def understood(text: str) -> Node:
    """What a sum in normal form says; raises Fault where it is none, or longer than LENGTH."""
    if len(text) > LENGTH:
        raise Fault("long", limit=LENGTH)
    with localcontext(prec=2 * PRECISION):  # what is read is never rounded
        return _read(text)


def _read(text: str) -> Node:
    for pattern, build in _PHRASES:
        if found := pattern.match(text):
            try:
                return build(found)
            except Fault as fault:
                if fault.key in {"unit", "currency", "no_unit"}:
                    raise
    return parsed(text)


def _converted(amount: str, target: str) -> Node:
    target = target.strip()
    unit = unit_named(target)
    if unit is None:
        if currency := currency_in(target):
            raise Fault("currency", text=quoted(currency))
        raise _unknown(amount, target)
    node = parsed(re.sub(r"^an?\s+", "1 ", amount.strip(), flags=re.IGNORECASE))
    if not any(isinstance(part, Measure) for part in every(node)):
        raise Fault("no_unit")
    kinds = {part.unit.kind for part in every(node) if isinstance(part, Measure)}
    return Conversion(_meant(node, unit), FLUID_OUNCE if unit == OUNCE and kinds == {"volume"} else unit)


def _meant(node: Node, target: Unit) -> Node:
    """Degrees that are to become °F are °C, and the other way round; ounces in litres are fluid ones."""
    if isinstance(node, Negative):
        return Negative(_meant(node.operand, target))
    if not isinstance(node, Measure):
        return node
    if node.unit == DEGREE and target in {CELSIUS, FAHRENHEIT}:
        return Measure(node.number, CELSIUS if target == FAHRENHEIT else FAHRENHEIT)
    return Measure(node.number, FLUID_OUNCE) if node.unit == OUNCE and target.kind == "volume" else node


def _unknown(amount: str, target: str) -> Fault:
    """A wrong unit, where there was an amount of another one to convert."""
    is_amount = any(isinstance(part, Measure) for part in every(parsed(amount)))
    return Fault("unit" if is_amount else "unexpected", text=quoted(target))


def _listed(name: str, text: str) -> Node:
    numbers = tuple(parsed(part) for part in _BETWEEN.split(text) if part)
    if len(numbers) < 2:
        raise Fault("unfinished")
    operation = _LISTS[" ".join(name.lower().split())]
    if operation in {"-", "/"}:
        if len(numbers) != 2:
            raise Fault("unexpected", text=quoted(text))
        return Binary(operation, *numbers)
    return Call(operation, numbers)


def _reduced(whole: str, written: str) -> Node:
    """打八折 leaves eight tenths, 打八五折 eighty-five hundredths."""
    number = parsed(written)
    if not isinstance(number, Number) or not 0 < number.value < 100:
        raise Fault("unexpected", text=quoted(written))
    share = number.value * 10 if number.value < 10 else number.value
    return Binary("*", parsed(whole), Percent(Number(share)))


def _changed(whole: str, word: str, change: str) -> Node:
    is_less = word.lower()[0] in "减降dlr"
    return Binary("-" if is_less else "+", parsed(whole), parsed(change))


def _share(part: str, whole: str) -> Node:
    return Share(parsed(part), parsed(whole))


def _pair(operator: str, left: str, right: str) -> Node:
    return Binary(operator, parsed(left), parsed(right))


def _phrase(pattern: str, build: _Build) -> tuple[re.Pattern[str], _Build]:
    return re.compile(rf"{pattern}$", re.IGNORECASE), build


_PHRASES = (
    _phrase(rf"(?:what|which) {_PERCENTAGE} of (.+) (?:is|are) (.+)", lambda m: _share(m[2], m[1])),
    _phrase(rf"(?:what|which) {_PERCENTAGE} (?:is|are) (.+) of (.+)", lambda m: _share(m[1], m[2])),
    _phrase(rf"(.+) (?:is|are) what {_PERCENTAGE} of (.+)", lambda m: _share(m[1], m[2])),
    _phrase(rf"(.+) out of (.+) as an? {_PERCENTAGE}", lambda m: _share(m[1], m[2])),
    _phrase(rf"(.+) as an? {_PERCENTAGE}", lambda m: Share(parsed(m[1]), ONE)),
    _phrase(r"(.+(?:%|percent)) (more|less) than (.+)", lambda m: _changed(m[3], m[2], m[1])),
    _phrase(rf"(.+) as an? {_PERCENTAGE} of (.+)", lambda m: _share(m[1], m[2])),
    _phrase(r"(.+?)(?:占|是|为)(.+)的(?:百分之几|百分之多少|百分比|百分比是多少)", lambda m: _share(m[1], m[2])),
    _phrase(r"(.+)的百分之(?:几|多少)(?:是|等于|为)(.+)", lambda m: _share(m[2], m[1])),
    _phrase(rf"(.+?)\s*(?:%|{_PERCENTAGE}) off(?: of)? (.+)", lambda m: _changed(m[2], "d", f"{m[1]}%")),
    _phrase(r"(increase|decrease|reduce) (.+) by (.+(?:%|percent))", lambda m: _changed(m[2], m[1], m[3])),
    _phrase(
        rf"(.+?)(?:元|块钱|块)?({_GROWN})了?(.+%|[百千万]分之.+?)(?:后|以后|之后)?",
        lambda m: _changed(m[1], m[2], m[3]),
    ),
    _phrase(r"(?:原价)?(.+?)\s*(?:元|块钱|块)?\s*打\s*(.+)折(?:后|以后|之后)?", lambda m: _reduced(m[1], m[2])),
    _phrase(rf"(?:the\s+)?({'|'.join(_BY_LENGTH)})\s+(?:of|between)\s+(.+)", lambda m: _listed(m[1], m[2])),
    _phrase(rf"(.+)的({'|'.join(_BY_LENGTH)})", lambda m: _listed(m[2], m[1])),
    _phrase(r"(.+(?:%|percent)) (?:tip|tax|discount|interest) (?:on|of|for) (.+)", lambda m: _pair("*", m[1], m[2])),
    _phrase(r"add (.+) (?:and|to) (.+)", lambda m: _pair("+", m[1], m[2])),
    _phrase(r"subtract (.+) from (.+)", lambda m: _pair("-", m[2], m[1])),
    _phrase(r"multiply (.+) (?:by|and|with) (.+)", lambda m: _pair("*", m[1], m[2])),
    _phrase(r"divide (.+) by (.+)", lambda m: _pair("/", m[1], m[2])),
    _phrase(r"(?:the\s+)?remainder (?:of|when) (.+?) (?:is )?divided by (.+)", lambda m: _pair("mod", m[1], m[2])),
    _phrase(r"(.+)除以(.+?)的?(?:余数|取余|余)(?:几|多少)?", lambda m: _pair("mod", m[1], m[2])),
    _phrase(r"(.+)对(.+)(?:取余|取模|求余)", lambda m: _pair("mod", m[1], m[2])),
    _phrase(r"(?:the\s+)?log(?:arithm)?,? base (.+?),? of (.+)", lambda m: Call("log", (parsed(m[2]), parsed(m[1])))),
    _phrase(
        r"how (?:many|much) (.+?) (?:are there in|is there in|are in|is in|is|are|in|equals?|make|makes) (.+)",
        lambda m: _converted(m[2], m[1]),
    ),
    _phrase(r"(.+?)\s*(?:=|\b(?:is|are|equals?))\s*how (?:many|much) (.+)", lambda m: _converted(m[1], m[2])),
    _phrase(r"(?:convert |change |turn )?(.+?)\s*(?:->|=>|→)\s*(.+)", lambda m: _converted(m[1], m[2])),
    _phrase(r"(?:convert |change |turn )?(.+) (?:in|to|into|as) (.+)", lambda m: _converted(m[1], m[2])),
    _phrase(r"(.+?)\s*=\s*\?\s*(.+)", lambda m: _converted(m[1], m[2])),
    _phrase(r"(?:多少|几)个?(.+?)(?:是|等于|合)(.+)", lambda m: _converted(m[2], m[1])),
    _phrase(
        r"(?:把|将)?(.+?)(?:换算|转换|折合|折算|转化|换|转|变|合|相当于)?(?:成|为|到)?\s*(?:大约|大概|约)?(?:等于|是|有|=)?"
        r"\s*(?:多少|几)\s*个?\s*(.+)",
        lambda m: _converted(m[1], m[2]),
    ),
    _phrase(
        r"(?:把|将)?(.+?)(?:用|以)?(?:换算|转换|折合|折算|转化|换|转|变|化|表示)(?:成|为|到)?\s*(.+)",
        lambda m: _converted(m[1], m[2]),
    ),
)
