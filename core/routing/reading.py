"""How a text is read by rules: in lines, and never more of it than a rule can afford."""

import re
from collections.abc import Callable, Iterator, Sequence

# What keeps every pattern cheap on any input: only so much is read, in pieces no longer than so much.
HEAD, TAIL, WIDTH = 2000, 1000, 300
ASKING = 3  # lines or pieces at each end

_RUN = re.compile(r"(([^\w\n])\2{11})\2+")  # a ruler of dashes says no more than twelve of them
_NEVER = r"(?!)"
Lines = tuple[str, ...]


def lines_of(text: str) -> Lines:
    """The lines of a text's head and tail, for an ask surrounds its paste; a long line comes in pieces."""
    kept = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
    return tuple(_pieces(_RUN.sub(r"\1", kept)))


def _pieces(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (line[at : at + WIDTH] for at in range(0, len(line), WIDTH))


def asking(lines: Lines) -> Lines:
    """Where an ask stands: before or behind what it is about."""
    return lines if len(lines) <= 2 * ASKING else (*lines[:ASKING], *lines[-ASKING:])


def any_of(*patterns: str, ignore_case: bool = False) -> Callable[[str], bool]:
    """Whether a line has one of the patterns; one with ^ in front is tried at its beginning alone, which is cheap."""
    flags = re.IGNORECASE if ignore_case else 0
    begins = _either([pattern for pattern in patterns if pattern.startswith("^")], flags).match
    within = _either([pattern for pattern in patterns if not pattern.startswith("^")], flags).search
    return lambda line: begins(line) is not None or within(line) is not None


def _either(patterns: Sequence[str], flags: int) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or _NEVER, flags)
