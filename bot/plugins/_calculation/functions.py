"""The functions a sum may use; each checks its bounds before it computes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import reduce

from bot.plugins._calculation.faults import Fault
from bot.plugins._calculation.units import PRECISION

REACH = 1000  # a result lies between 10^-REACH and 10^REACH
FACTORIAL = 170
_WHOLE_DIGITS = 40
_PLACES = 40


@dataclass(frozen=True, slots=True)
class Function:
    """What it makes of so many numbers; `most` is None where any number of them will do."""

    compute: Callable[..., Decimal]
    example: str
    least: int = 1
    most: int | None = 1

    def checked(self, name: str, count: int) -> None:
        """Raises Fault where it does not take so many numbers."""
        if count < self.least or (self.most is not None and count > self.most):
            raise Fault("arguments", text=f"`{name}`", wanted=self._wanted(), example=self.example)

    def _wanted(self) -> tuple[str, str]:
        if self.most is None:
            return f"{self.least} or more numbers", f" {self.least} 个或更多的数"
        if self.most == self.least:
            return f"{self.least} number{'s' * (self.least > 1)}", f" {self.least} 个数"
        return f"{self.least} or {self.most} numbers", f" {self.least} 或 {self.most} 个数"


def is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def power(base: Decimal, exponent: Decimal) -> Decimal:
    """`base ** exponent`, where it stays within REACH."""
    if base == 0:
        if exponent < 0:
            raise Fault("zero")
        return Decimal(int(exponent == 0))
    if base < 0 and not is_whole(exponent):
        raise Fault("negative_power")
    if abs(base) == 1:
        return Decimal(1) if base == 1 or exponent % 2 == 0 else Decimal(-1)
    if abs(abs(base).log10() * exponent) > REACH:
        raise Fault("bounds", limit=REACH)
    return base**exponent


def divided(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise Fault("zero")
    return left / right


def floor_divided(left: Decimal, right: Decimal) -> Decimal:
    """The greatest whole number that is not above the quotient."""
    _exact_quotient(left, right)
    return (left - modulo(left, right)) / right


def modulo(left: Decimal, right: Decimal) -> Decimal:
    """The remainder, with the sign of the divisor: -7 mod 3 is 2."""
    _exact_quotient(left, right)
    rest = left % right
    return rest + right if rest and (rest < 0) != (right < 0) else rest


def _exact_quotient(left: Decimal, right: Decimal) -> None:
    if right == 0:
        raise Fault("zero")
    if left and left.adjusted() - right.adjusted() >= PRECISION - 2:
        raise Fault("precision", limit=PRECISION - 2)


def root(number: Decimal, degree: Decimal) -> Decimal:
    """The real root; an odd one of a negative number too."""
    if degree == 0:
        raise Fault("zero")
    if number < 0:
        if not is_whole(degree) or degree % 2 == 0:
            raise Fault("root")
        return -root(-number, degree)
    if degree == 2:
        return number.sqrt()
    return _tidied(power(number, 1 / degree), number, degree)


def _tidied(found: Decimal, number: Decimal, degree: Decimal) -> Decimal:
    """The whole root where there is one: the cube root of 27 is 3, not 2.999…"""
    whole = found.to_integral_value()
    is_near = (
        abs(found - whole) < Decimal("1e-30") and is_whole(degree) and 0 < degree < REACH and whole.adjusted() < 20
    )
    return whole if is_near and whole**degree == number else found


def factorial(number: Decimal) -> Decimal:
    if not (is_whole(number) and 0 <= number <= FACTORIAL):
        raise Fault("factorial", limit=FACTORIAL)
    return +Decimal(math.factorial(int(number)))


def logarithm(number: Decimal, base: Decimal = Decimal(10)) -> Decimal:
    if number <= 0 or base <= 0 or base == 1:
        raise Fault("logarithm")
    return number.log10() if base == 10 else number.ln() / base.ln()


def natural(number: Decimal) -> Decimal:
    if number <= 0:
        raise Fault("logarithm")
    return number.ln()


def exponential(number: Decimal) -> Decimal:
    if abs(number) > Decimal("2.3") * REACH:
        raise Fault("bounds", limit=REACH)
    return number.exp()


def rounded(number: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    """Halves go away from zero, as people round."""
    if not (is_whole(places) and abs(places) <= _PLACES):
        raise Fault("places", limit=_PLACES)
    if number.adjusted() + int(places) >= PRECISION - 1:
        return number  # it has no such place
    step = Decimal(1).scaleb(-int(places))
    return (number / step).to_integral_value(ROUND_HALF_UP) * step


def _wholes(name: str, numbers: tuple[Decimal, ...]) -> list[int]:
    if not all(is_whole(number) and number.adjusted() < _WHOLE_DIGITS for number in numbers):
        raise Fault("whole", text=f"`{name}`", limit=_WHOLE_DIGITS, example=f"{name}(12, 18)")
    return [int(number) for number in numbers]


def _gcd(*numbers: Decimal) -> Decimal:
    return +Decimal(math.gcd(*_wholes("gcd", numbers)))


def _lcm(*numbers: Decimal) -> Decimal:
    return +Decimal(math.lcm(*_wholes("lcm", numbers)))


def _sum(*numbers: Decimal) -> Decimal:
    return sum(numbers, Decimal(0))


def _product(*numbers: Decimal) -> Decimal:
    return reduce(lambda left, right: left * right, numbers, Decimal(1))


def _mean(*numbers: Decimal) -> Decimal:
    return _sum(*numbers) / len(numbers)


def _median(*numbers: Decimal) -> Decimal:
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(numbers) % 2 else (ordered[half - 1] + ordered[half]) / 2


FUNCTIONS: dict[str, Function] = {
    "sqrt": Function(lambda number: root(number, Decimal(2)), "sqrt(16)"),
    "cbrt": Function(lambda number: root(number, Decimal(3)), "cbrt(27)"),
    "root": Function(root, "root(81, 4)", 2, 2),
    "pow": Function(power, "pow(2, 10)", 2, 2),
    "abs": Function(abs, "abs(-3)"),
    "round": Function(rounded, "round(3.14159, 2)", 1, 2),
    "floor": Function(lambda number: number.to_integral_value(ROUND_FLOOR), "floor(2.7)"),
    "ceil": Function(lambda number: number.to_integral_value(ROUND_CEILING), "ceil(2.1)"),
    "min": Function(lambda *numbers: min(numbers), "min(3, 5)", 1, None),
    "max": Function(lambda *numbers: max(numbers), "max(3, 5)", 1, None),
    "sum": Function(_sum, "sum(1, 2, 3)", 1, None),
    "product": Function(_product, "product(2, 3)", 1, None),
    "mean": Function(_mean, "mean(3, 4, 5)", 1, None),
    "median": Function(_median, "median(3, 4, 9)", 1, None),
    "ln": Function(natural, "ln(2)"),
    "log": Function(logarithm, "log(8, 2)", 1, 2),
    "log10": Function(logarithm, "log10(100)"),
    "log2": Function(lambda number: logarithm(number, Decimal(2)), "log2(8)"),
    "exp": Function(exponential, "exp(2)"),
    "factorial": Function(factorial, "factorial(5)"),
    "gcd": Function(_gcd, "gcd(12, 18)", 1, None),
    "lcm": Function(_lcm, "lcm(4, 6)", 1, None),
    "mod": Function(modulo, "mod(17, 5)", 2, 2),
}
ANGLES = ("sin", "cos", "tan")
"""Functions of an angle: degrees where they are written, else radians."""

ALIASES = {
    "average": "mean",
    "avg": "mean",
    "ceiling": "ceil",
    "maximum": "max",
    "minimum": "min",
    "total": "sum",
    "lg": "log10",
    "power": "pow",
    "fact": "factorial",
    "hcf": "gcd",
}
