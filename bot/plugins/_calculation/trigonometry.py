"""Sine, cosine and tangent to fifty digits."""

from decimal import Decimal, localcontext

from bot.plugins._calculation.faults import Fault
from bot.plugins._calculation.units import PRECISION

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
E = Decimal("2.71828182845904523536028747135266249775724709369995957496696762772407663035354759457138217852516642743")

_GREATEST = 15  # powers of ten: beyond, so many digits of pi do not tell where in a turn one is
_NOTHING = Decimal("1e-45")


def of_angle(name: str, angle: Decimal, is_degrees: bool) -> Decimal:
    """`name` is sin, cos or tan; raises Fault where the angle is too large, or the tangent has no value."""
    if abs(angle) >= Decimal(10) ** _GREATEST:
        raise Fault("angle", limit=_GREATEST)
    sine, cosine = _sine_and_cosine(angle, is_degrees)
    if name == "tan":
        if cosine == 0:
            raise Fault("tangent")
        return sine / cosine
    return +(sine if name == "sin" else cosine)


def _sine_and_cosine(angle: Decimal, is_degrees: bool) -> tuple[Decimal, Decimal]:
    with localcontext(prec=PRECISION + 30):
        radians = (angle % 360) * PI / 180 if is_degrees else angle % (2 * PI)
        return _cleared(_sine(radians)), _cleared(_sine(radians + PI / 2))


def _cleared(number: Decimal) -> Decimal:
    return Decimal(0) if abs(number) < _NOTHING else number


def _sine(radians: Decimal) -> Decimal:
    turned = radians.remainder_near(2 * PI)
    term = total = turned
    factor = 1
    while abs(term) > Decimal("1e-70"):
        factor += 2
        term *= -turned * turned / (factor * (factor - 1))
        total += term
    return total
