"""How much may be asked in a day, by one person and in one workspace, and how much of one person's at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.message import ThreadId


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of one day (of UTC): so many questions, and so many tokens read and written for them; None is no limit."""

    messages: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What each person may use, and all persons of a workspace together."""

    person: Allowance = Allowance()
    workspace: Allowance = Allowance()

    @property
    def is_none(self) -> bool:
        return self == Quota()


@dataclass(frozen=True, slots=True)
class Limits:
    """The quota everywhere, and otherwise in some workspaces, which their adapter and the platform's id name.

    `concurrency` is how many turns of one person are worked on at once, in all processes; None is no limit.
    """

    everywhere: Quota = Quota()
    workspaces: Mapping[tuple[str, str], Quota] = field(default_factory=dict)
    concurrency: int | None = None

    def quota(self, thread: ThreadId) -> Quota:
        return self.workspaces.get((thread.adapter, thread.workspace), self.everywhere)
