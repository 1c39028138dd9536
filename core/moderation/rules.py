"""What is looked for, and what is done about it: rules, hits, and the tables that a screen searches with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.moderation.patterns import Pattern
from core.moderation.views import View


class Action(StrEnum):
    """What a hit leads to: no answer, a mask in its place, or a note for the operator alone."""

    REFUSE = "refuse"
    MASK = "mask"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for. `name` says where it stands; `names` is what people read of its category.

    `severity` is 1 to 5. A rule that `is_exception` makes whatever lies within it harmless.
    """

    name: str
    category: str
    action: Action
    severity: int = 3
    names: Mapping[str, str] = field(default_factory=dict, compare=False)
    is_exception: bool = False

    def called(self, language: str) -> str:
        """The category as people read it."""
        return self.names.get(language) or self.names.get("en") or self.category


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that was hit, and where: `start` and `end` count the characters of the text as it was written.

    `words` are what was written there, "" where they are masked: what is masked is kept nowhere.
    """

    start: int
    end: int
    rule: Rule
    words: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a screen searches with, compiled. Shared by all screens: each keeps its own place."""

    views: Sequence[View[Rule]] = ()
    patterns: Sequence[Pattern[Rule]] = ()
    version: str = ""
    on_slow: Callable[[Rule], None] | None = None
    count: int = 0
