"""How long what was said is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long what was said is kept, None for ever: everywhere, and otherwise in some workspaces.

    A workspace is named by its adapter and the platform's own id of it.
    """

    everywhere: timedelta | None = None
    workspaces: Mapping[tuple[str, str], timedelta | None] = field(default_factory=dict)

    @property
    def shortest(self) -> timedelta | None:
        ages = [age for age in (self.everywhere, *self.workspaces.values()) if age is not None]
        return min(ages, default=None)
