"""Whether a whole message asks for a sum, and which; what merely contains one is left alone."""

import re

from bot.plugins._calculation.faults import Fault
from bot.plugins._calculation.frames import Asking, unframed
from bot.plugins._calculation.nodes import Binary, Call, Conversion, Measure, Node, Percent, Share, every
from bot.plugins._calculation.phrases import understood
from bot.plugins._calculation.script import normalised
from bot.plugins._calculation.shapes import is_something_else

LENGTH = 300

_NUMBER = re.compile(
    r"[\d零〇一二两三四五六七八九十百千半]|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|half|third|quarter|pi|an?)\b",
    re.IGNORECASE,
)
_ARITHMETIC = re.compile(r"[\d\s.,+\-*/%^()!]*\d\s*[+\-*/%^]+\s*[\d(][\d\s.,+\-*/%^()!]*")


def expression_in(text: str) -> str | None:
    """The sum that the whole message asks for, in normal form, or None where it asks for none."""
    if len(text) > LENGTH or "\n" in text.strip():
        return None
    core, asking = unframed(normalised(text))
    if "÷" in text:
        asking = max(asking, Asking.ASKED)  # no date is written so
    if not _NUMBER.search(core) or is_something_else(core, asking):
        return None
    try:
        return core if _is_sum(understood(core)) else None
    except Fault as fault:
        # Too long or too deep to be read, yet plainly a sum: its sentence says so.
        return core if fault.is_bound and _ARITHMETIC.fullmatch(core) else None


def _is_sum(node: Node) -> bool:
    """A number, a percentage or an amount alone is none; nor is one in which numbers and amounts do not go together."""
    if isinstance(node, Conversion | Share):
        return True
    inner = every(node)
    kinds = {part.unit.kind for part in inner if isinstance(part, Measure)}
    is_worked_out = any(isinstance(part, Binary | Call) for part in inner)
    return is_worked_out and len(kinds) <= 1 and all(_goes_together(part) for part in inner)


def _goes_together(node: Node) -> bool:
    if not isinstance(node, Binary) or isinstance(node.right, Percent):
        return True
    left, right = (any(isinstance(part, Measure) for part in every(side)) for side in (node.left, node.right))
    return left == right if node.operator in {"+", "-"} else not (left and right) or node.operator == "/"
