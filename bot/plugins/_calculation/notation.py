"""Sums and results as people write them: 15% × 240 = 36."""

from decimal import ROUND_HALF_UP, Context, Decimal

from bot.plugins._calculation.evaluate import Quantity, Value
from bot.plugins._calculation.nodes import (
    ONE,
    Binary,
    Call,
    Compound,
    Constant,
    Conversion,
    Fraction,
    Measure,
    Negative,
    Node,
    Number,
    Percent,
    Share,
)
from bot.plugins._calculation.units import DEGREE, Unit

_SHOWN = 15  # significant digits
_SHOWN_OF_UNITS = 10  # no scale or ruler tells more
_WHOLE = 40  # digits of a whole number that are shown all
_EXACT = Decimal("1e-40")  # what differs by less was rounded on the way, such as 1 ÷ 3 × 3
_WIDE = Context(prec=60, Emax=999999, Emin=-999999)

_SIGNS = {"*": "×", "/": "÷"}
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "mod": 2, "^": 4}
_SIGNED, _TIGHT = 3, 5


def formula(node: Node, language: str) -> str:
    """The sum as it was understood, with as few brackets as it needs."""
    match node:
        case Number(number):
            return digits(number, language)
        case Constant(name):
            return name
        case Negative(operand):
            return "-" + _within(operand, _SIGNED, language)
        case Percent(operand):
            return _within(operand, _TIGHT, language) + "%"
        case Fraction(numerator, denominator):
            return f"{digits(numerator.value, language)}/{digits(denominator.value, language)}"
        case Binary(operator, left, right):
            return _binary(operator, left, right, language)
        case Call(name, arguments):
            return f"{name}({', '.join(_argument(argument, language) for argument in arguments)})"
        case Measure(number, unit):
            return _measured(_within(number, _SIGNED, language), unit, language)
        case Compound(amounts):
            return " ".join(formula(amount, language) for amount in amounts)
        case Conversion(amount, _):
            return formula(amount, language)
        case Share(part, whole):
            return formula(part, language) if whole == ONE else _binary("/", part, whole, language)


def _argument(node: Node, language: str) -> str:
    # A comma stands between arguments, so none stands in a number.
    return formula(node, language).replace(",", "") if isinstance(node, Number | Negative) else formula(node, language)


def _binary(operator: str, left: Node, right: Node, language: str) -> str:
    binds = _BINDS[operator]
    is_power = operator == "^"
    first = _within(left, binds + is_power, language)
    second = _within(right, binds + (not is_power), language)
    return f"{first}^{second}" if is_power else f"{first} {_SIGNS.get(operator, operator)} {second}"


def _within(node: Node, binds: int, language: str) -> str:
    shown = formula(node, language)
    return f"({shown})" if _strength(node) < binds else shown


def _strength(node: Node) -> int:
    match node:
        case Binary(operator):
            return _BINDS[operator]
        case Fraction():
            return _SIGNED
        case Negative():
            return _SIGNED
        case Number(number) if number < 0:
            return _SIGNED
        case Conversion(amount):
            return _strength(amount)
        case Share():
            return _BINDS["/"]
    return _TIGHT


def result(value: Value, node: Node, language: str) -> tuple[str, bool]:
    """The value as it is shown, and whether that is all of it."""
    limit = _SHOWN_OF_UNITS if isinstance(value, Quantity) else _SHOWN
    number = value.number if isinstance(value, Quantity) else value
    kept = _kept(number, limit)
    shown = digits(kept, language)
    if isinstance(value, Quantity):
        shown = _measured(shown, value.unit, language)
    elif isinstance(node, Share):
        shown += "%"
    return shown, _is_near(number, kept)


def _kept(number: Decimal, limit: int) -> Decimal:
    whole = number.to_integral_value()
    if whole.adjusted() < _WHOLE and _is_near(number, whole):
        return whole
    return Context(prec=limit, rounding=ROUND_HALF_UP, Emax=999999, Emin=-999999).plus(number)


def _is_near(number: Decimal, other: Decimal) -> bool:
    return _WIDE.subtract(number, other).copy_abs() <= _WIDE.multiply(number.copy_abs(), _EXACT)


def digits(number: Decimal, language: str) -> str:
    """Plain digits in groups of three, in Chinese from ten thousand on; very large and small ones by powers of ten."""
    if number == 0:
        return "0"
    sign, adjusted = "-" if number < 0 else "", number.adjusted()
    if adjusted >= _WHOLE or adjusted < -9:
        head = f"{number.copy_abs().scaleb(-adjusted, _WIDE):f}"
        return f"{sign}{_trimmed(head)} × 10^{adjusted}"
    whole, _, broken = _trimmed(f"{number.copy_abs():f}").partition(".")
    if len(whole) > (4 if language == "zh" else 3):
        whole = f"{int(whole):,}"
    return sign + whole + ("." + broken if broken else "")


def _trimmed(plain: str) -> str:
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _measured(shown: str, unit: Unit, language: str) -> str:
    symbol = unit.shown(language, is_one=shown == "1")
    return f"{shown}{'' if unit == DEGREE else ' '}{symbol}"
