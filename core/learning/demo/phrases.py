"""The pattern language of the corpus: `(a|b|)` chooses, `<name>` takes a word from a named list."""

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"[()|]|<\w+>|[^()|<]+|<")


@dataclass(frozen=True)
class Literal:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True)
class Slot:
    """A word taken from the list called `name`."""

    name: str


@dataclass(frozen=True)
class Choice:
    """One of several sequences, each as likely as the others."""

    options: tuple["Pattern", ...]


Pattern = tuple["Literal | Slot | Choice", ...]


def parse(pattern: str) -> Pattern:
    """Read one pattern. Raises ValueError where a parenthesis has no partner."""
    tokens = _TOKEN.findall(pattern)
    options, rest = _options(tokens)
    if rest:
        raise ValueError(f"a closing parenthesis too many in {pattern!r}")
    if tokens.count("(") != tokens.count(")"):
        raise ValueError(f"an open parenthesis in {pattern!r}")
    return options[0] if len(options) == 1 else (Choice(tuple(options)),)


def _options(tokens: Sequence[str]) -> tuple[list[Pattern], Sequence[str]]:
    """Read alternatives up to a closing parenthesis; returns them and what is left, parenthesis included."""
    options: list[Pattern] = []
    parts: list[Literal | Slot | Choice] = []
    while tokens and tokens[0] != ")":
        head, tokens = tokens[0], tokens[1:]
        if head == "(":
            inner, tokens = _options(tokens)
            tokens = tokens[1:]
            parts.append(Choice(tuple(inner)))
        elif head == "|":
            options.append(tuple(parts))
            parts = []
        elif head.startswith("<") and head.endswith(">"):
            parts.append(Slot(head[1:-1]))
        else:
            parts.append(Literal(head))
    return [*options, tuple(parts)], tokens


def expand(pattern: Pattern, words: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """One phrase of the pattern, chosen by `rng`. Raises KeyError for an unknown word list."""
    return " ".join("".join(_pieces(pattern, words, rng)).split())


def _pieces(pattern: Pattern, words: Mapping[str, Sequence[str]], rng: random.Random) -> list[str]:
    pieces: list[str] = []
    for part in pattern:
        match part:
            case Literal(text):
                pieces.append(text)
            case Slot(name):
                pieces.append(rng.choice(words[name]))
            case Choice(options):
                pieces.extend(_pieces(rng.choice(options), words, rng))
    return pieces


def spelled(pattern: Pattern, words: Mapping[str, Sequence[str]], squeeze: Callable[[str], str]) -> str:
    """A regular expression for every phrase of the pattern, each piece passed through `squeeze` first."""
    return "".join(_spelled(part, words, squeeze) for part in pattern)


def _spelled(part: "Literal | Slot | Choice", words: Mapping[str, Sequence[str]], squeeze: Callable[[str], str]) -> str:
    match part:
        case Literal(text):
            return re.escape(squeeze(text))
        case Slot(name):
            return _any(re.escape(squeeze(word)) for word in words[name])
        case Choice(options):
            return _any(spelled(option, words, squeeze) for option in options)


def _any(options: Iterable[str]) -> str:
    return f"(?:{'|'.join(options)})"
