"""What an operator does with the limits of the day: sees who used how much, lifts them for a person, restores them."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import reduce

from bot.app import Progress
from bot.config import Config
from bot.people import opened_store, operator
from bot.texts import say
from core.errors import Misconfigured
from core.limits import Limits, Quota
from core.message import Author
from core.ports import Consumer, Consumption


async def shown(config: Config, progress: Progress, *, limit: int, person: Author | None) -> list[str]:
    """The limits, then who has used how much today: one person, or those who asked most. Raises NotStored."""
    async with opened_store(config, progress) as store:
        if person:
            return [said(config.settings.within()), _consumer(await store.quotas.of(person))]
        persons, workspaces = await store.quotas.persons(limit=limit), await store.quotas.workspaces(limit=limit)
        lifted = await store.quotas.lifted(limit=limit)
    return [
        said(config.settings.within()),
        say("limits_persons" if persons else "limits_nobody"),
        *(_consumer(one) for one in persons),
        *([say("limits_workspaces")] if workspaces else []),
        *(
            _line(one.name or say("limits_unknown"), one.used, say("limits_crowd", count=one.persons))
            for one in workspaces
        ),
        *([say("limits_lifted")] if lifted else []),
        *(f"  {_named(one.person)}  {say('limits_until', until=_date(one.until))}" for one in lifted),
    ]


def said(limits: Limits) -> str:
    """The limits in a line: what `parley check` says too."""
    parts = [*_parts(limits.everywhere)]
    if limits.concurrency is not None:
        parts.append(say("limits_concurrency", count=limits.concurrency))
    if limits.workspaces:
        parts.append(say("limits_otherwise", names=", ".join(":".join(name) for name in limits.workspaces)))
    if not parts:
        return say("limits_none")
    return say("limits_are", limits=reduce(lambda some, more: say("limits_and", some=some, more=more), parts))


def _parts(quota: Quota) -> Iterator[str]:
    for whose, allowed in (("person", quota.person), ("workspace", quota.workspace)):
        for what in ("messages", "tokens"):
            if (count := getattr(allowed, what)) is not None:
                yield say(f"limits_{whose}_{what}", count=f"{count:,}")


def _consumer(one: Consumer) -> str:
    until = say("limits_until", until=_date(one.lifted_until)) if one.lifted_until else ""
    return _line(_named(one.person), one.used, until)


def _line(name: str, used: Consumption, more: str) -> str:
    counts = say("limits_used", messages=f"{used.messages:,}", tokens=f"{used.tokens:,}")
    return f"  {name}  {counts}  {more}".rstrip()


def _named(person: Author | None) -> str:
    """As they have to be named on the command line, with what they are called, where that is known."""
    if person is None:
        return say("limits_unknown")
    return f"{person.key} ({person.name})" if person.name else person.key


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def moment(text: str) -> datetime:
    """The end of that day, or that moment; of UTC where no other zone is named. Raises Misconfigured."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(say("limits_moment", text=text)) from None
    if len(text) == len("2026-12-31"):
        at = datetime.combine(at.date(), time.max)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at <= datetime.now(UTC):
        raise Misconfigured(say("limits_past", text=text))
    return at


async def lift(config: Config, progress: Progress, whom: Author, until: datetime | None) -> str:
    async with opened_store(config, progress) as store:
        asked = (await store.quotas.of(whom)).used
        end = await store.quotas.lift(whom, until=until, by=operator())
    done = say("limits_lift_done", person=whom.key, until=_date(end))
    return done if asked.messages else f"{done}\n{say('limits_lift_stranger', person=whom.key)}"


async def restore(config: Config, progress: Progress, whom: Author) -> str:
    async with opened_store(config, progress) as store:
        was_lifted = await store.quotas.restore(whom, by=operator())
    return say("limits_restored" if was_lifted else "limits_held", person=whom.key)
