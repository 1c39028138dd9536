"""What a sum comes to, in decimal arithmetic: 0.1 + 0.2 is 0.3."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from functools import partial, reduce

from bot.plugins._calculation.faults import Fault
from bot.plugins._calculation.functions import (
    FUNCTIONS,
    REACH,
    divided,
    floor_divided,
    modulo,
    power,
)
from bot.plugins._calculation.nodes import (
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
from bot.plugins._calculation.trigonometry import PI, E, of_angle
from bot.plugins._calculation.units import DEGREE, PRECISION, Unit, converted

_CONTEXT = Context(
    prec=PRECISION,
    rounding=ROUND_HALF_UP,
    Emax=100 * REACH,
    Emin=-100 * REACH,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
_OPERATIONS = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divided,
    "//": floor_divided,
    "mod": modulo,
    "^": power,
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """So many of a unit."""

    number: Decimal
    unit: Unit


Value = Decimal | Quantity


def value_of(node: Node) -> Value:
    """Raises Fault where it has no value, or one out of bounds; a Share comes to hundredths."""
    try:
        with localcontext(_CONTEXT):
            return _value(node)
    except DivisionByZero:
        raise Fault("zero") from None
    except (InvalidOperation, Overflow):
        raise Fault("bounds", limit=REACH) from None


def _value(node: Node) -> Value:
    match node:
        case Number(number):
            return _bounded(number)
        case Constant(name):
            return PI if name == "pi" else E
        case Negative(operand):
            return _negated(_value(operand))
        case Percent(operand):
            return _bounded(_plain(operand) / 100)
        case Fraction(numerator, denominator):
            return _bounded(divided(numerator.value, denominator.value))
        case Binary():
            return _combined(node)
        case Call(name, arguments):
            return _bounded(_called(name, arguments))
        case Measure(number, unit):
            return Quantity(_plain(number), unit)
        case Compound(amounts):
            return reduce(partial(_measured, "+"), map(_value, amounts))
        case Conversion(amount, unit):
            return _in_unit(_value(amount), unit)
        case Share(part, whole):
            return _bounded(_ratio(_value(part), _value(whole)) * 100)


def _bounded(number: Decimal) -> Decimal:
    if number and abs(number.adjusted()) > REACH:
        raise Fault("bounds", limit=REACH)
    return number


def _plain(node: Node) -> Decimal:
    value = _value(node)
    if isinstance(value, Quantity):
        raise Fault("unit_sum")
    return value


def _negated(value: Value) -> Value:
    return Quantity(-value.number, value.unit) if isinstance(value, Quantity) else -value


def _combined(node: Binary) -> Value:
    left, right = _value(node.left), _value(node.right)
    if node.operator in {"+", "-"} and isinstance(node.right, Percent) and not isinstance(node.left, Percent):
        right = _times(left, _number(right))
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _measured(node.operator, left, right)
    return _bounded(_OPERATIONS[node.operator](left, right))


def _number(value: Value) -> Decimal:
    if isinstance(value, Quantity):
        raise Fault("unit_sum")
    return value


def _times(value: Value, factor: Decimal) -> Value:
    return _measured("*", value, factor) if isinstance(value, Quantity) else value * factor


def _measured(operator: str, left: Value, right: Value) -> Value:
    """Amounts of one kind can be added, subtracted and divided; an amount can be multiplied by a number."""
    if any(isinstance(value, Quantity) and value.unit.kind == "temperature" for value in (left, right)):
        raise Fault("temperature")
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return _both_measured(operator, left, right)
    amount, number = (left, right) if isinstance(left, Quantity) else (right, left)
    is_plain = operator == "*" or (operator == "/" and isinstance(left, Quantity))
    if not (is_plain and isinstance(amount, Quantity) and isinstance(number, Decimal)):
        raise Fault("unit_sum")
    return Quantity(_bounded(_OPERATIONS[operator](amount.number, number)), amount.unit)


def _both_measured(operator: str, left: Quantity, right: Quantity) -> Value:
    if operator not in {"+", "-", "/"}:
        raise Fault("unit_sum")
    number = _bounded(_OPERATIONS[operator](left.number, _in_unit(right, left.unit).number))
    return number if operator == "/" else Quantity(number, left.unit)


def _in_unit(value: Value, target: Unit) -> Quantity:
    if not isinstance(value, Quantity):
        raise Fault("no_unit")
    if value.unit.kind != target.kind:
        raise Fault("incompatible", one=_shown(value.unit), other=_shown(target))
    return Quantity(_bounded(converted(value.number, value.unit, target)), target)


def _shown(unit: Unit) -> tuple[str, str]:
    return unit.english, unit.chinese


def _ratio(part: Value, whole: Value) -> Decimal:
    if isinstance(part, Quantity) and isinstance(whole, Quantity):
        return _number(_measured("/", part, whole))
    return divided(_number(part), _number(whole))


def _called(name: str, arguments: tuple[Node, ...]) -> Decimal:
    if name in FUNCTIONS:
        return FUNCTIONS[name].compute(*(_plain(argument) for argument in arguments))
    angle = _value(arguments[0])
    if isinstance(angle, Quantity):
        return of_angle(name, _in_unit(angle, DEGREE).number, is_degrees=True)
    return of_angle(name, angle, is_degrees=False)
