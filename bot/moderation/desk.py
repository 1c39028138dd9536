"""What the operator asks of moderation: what it found, and what it would say of a text."""

from collections.abc import Iterator

from bot.app import Progress
from bot.config import Config
from bot.moderation import make_rulebook
from bot.people import opened_store, operator
from bot.texts import say
from core.moderation import screened
from core.ports import Kept


async def hits(config: Config, progress: Progress, *, appealed: bool, limit: int) -> list[str]:
    """The newest hits, a line or two each. Raises NotStored or Misconfigured.

    Before they are given to anybody, each person whose words are in them has a line in the audit log, as on the page.
    """
    async with opened_store(config, progress) as store:
        async with store.unit() as unit:
            found = await unit.incidents.newest(limit=limit, appealed=appealed)
        for person in {kept.asker.key: kept.asker for kept in found}.values():
            await store.audit.record("hits-opened", by=operator(), person=person, hits=len(found))
    return [line for kept in found for line in _lines(kept)] or [say("moderation_no_hits")]


def _lines(kept: Kept) -> Iterator[str]:
    incident, asker = kept.incident, kept.asker
    yield (
        f"{kept.at:%Y-%m-%d %H:%M} {incident.action:<6} {incident.severity} {incident.category} ({incident.where}) "
        f"{asker.adapter} {asker.name or asker.id}: {incident.excerpt or '…'}"
    )
    yield f"    {'; '.join(incident.rules)}"
    if kept.appeal:
        yield say("moderation_appeal", at=f"{kept.appeal.at:%Y-%m-%d %H:%M}", comment=kept.appeal.comment or "–")


def judged(config: Config, text: str) -> list[str]:
    """What the rules say of a text: every hit, and the text as it would be shown. Raises Misconfigured."""
    screening = screened(text, make_rulebook(config.settings.moderation, config.file).rules)
    lines = [
        f"{hit.rule.action:<6} {hit.rule.severity} {text[hit.start : hit.end]!r}  {hit.rule.name}"
        for hit in screening.hits
    ]
    if not lines:
        return [say("moderation_clean")]
    return lines if screening.refusal else [*lines, screening.text]
