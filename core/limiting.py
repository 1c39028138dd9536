"""Whether somebody may ask once more today, and what to tell them where they may not."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from core.hall import Hall
from core.limits import Allowance
from core.message import Author, ThreadId
from core.ports import Claim, Consumption, Standing, Unit
from core.texts import say

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Over:
    """A limit that is reached: `kind` is whose, and of what; it holds for so long yet."""

    kind: str
    limit: int
    frees_in: timedelta

    @property
    def sentence(self) -> str:
        return f"limited_{self.kind}"

    def values(self, language: str) -> dict[str, str]:
        """What its sentence is filled with."""
        return {"limit": f"{self.limit:,}", "when": when(self.frees_in, language)}


async def over_limit(hall: Hall, unit: Unit, claim: Claim, person: Author, thread: ThreadId) -> Over | None:
    """The limit that keeps this question from being answered; None where none does, or its turn was begun before."""
    quota = hall.terms.limits.quota(thread)
    if quota.is_none:
        return None
    has_workspace = quota.workspace != Allowance()
    standing = await unit.meter.standing(claim, person, thread, workspace=has_workspace)
    if standing.is_lifted or standing.is_counted:
        return None
    return _reached("person", quota.person, standing.person, standing) or _reached(
        "workspace", quota.workspace, standing.workspace, standing
    )


def _reached(whose: str, allowed: Allowance, used: Consumption, standing: Standing) -> Over | None:
    if allowed.messages is not None and used.messages >= allowed.messages:
        return Over(f"{whose}_messages", allowed.messages, standing.frees_in)
    if allowed.tokens is not None and used.tokens >= allowed.tokens:
        return Over(f"{whose}_tokens", allowed.tokens, standing.frees_in)
    return None


def when(wait: timedelta, language: str) -> str:
    """So long from now, in words: whoever is told lives in some time zone, and it need not be known which."""
    if wait > 55 * _MINUTE:
        hours = max(1, ceil(wait / _HOUR - 0.1))
        return say("in_an_hour" if hours == 1 else "in_hours", language).format(count=hours)
    minutes = max(1, ceil(wait / _MINUTE))
    return say("in_a_minute" if minutes == 1 else "in_minutes", language).format(count=minutes)
