"""A sum as it was understood."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from bot.plugins._calculation.units import Unit


@dataclass(frozen=True, slots=True)
class Number:
    value: Decimal


ONE = Number(Decimal(1))


@dataclass(frozen=True, slots=True)
class Constant:
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Percent:
    """Hundredths. Added to a number, or taken from it, they are hundredths of that number."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """`operator` is one of + - * / // mod ^."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Fraction:
    """A number said as parts of a whole: two thirds, 三分之二."""

    numerator: Number
    denominator: Number


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of units."""

    number: "Node"
    unit: Unit


@dataclass(frozen=True, slots=True)
class Compound:
    """One amount said in several units: five feet ten inches."""

    amounts: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """The same amount in another unit."""

    amount: "Node"
    unit: Unit


@dataclass(frozen=True, slots=True)
class Share:
    """How many hundredths of the whole a part is."""

    part: "Node"
    whole: "Node"


Node: TypeAlias = (
    Number | Constant | Negative | Percent | Fraction | Binary | Call | Measure | Compound | Conversion | Share
)


def parts(node: Node) -> tuple[Node, ...]:
    """What it is made of, one level down."""
    match node:
        case Negative(operand) | Percent(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case Measure(number, _):
            return (number,)
        case Compound(amounts):
            return amounts
        case Conversion(amount, _):
            return (amount,)
        case Share(part, whole):
            return (part, whole)
    return ()


def every(node: Node) -> list[Node]:
    """The node and all below it."""
    found, waiting = [], [node]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(parts(found[-1]))
    return found
