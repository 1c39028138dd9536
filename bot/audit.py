"""What an operator asks of the audit log: what was done, and whether the log is whole."""

import json
from datetime import UTC

from bot.app import Progress
from bot.config import Config
from bot.people import opened_store
from bot.texts import say
from core.errors import Misconfigured
from core.message import Author
from core.ports import Recorded


async def listed(config: Config, progress: Progress, *, limit: int, person: Author | None) -> list[str]:
    """The newest lines, the newest first. Raises NotStored or Misconfigured."""
    async with opened_store(config, progress) as store:
        lines = await store.audit.newest(limit=limit, person=person)
    return [_line(line) for line in lines] or [say("audit_empty")]


def _line(line: Recorded) -> str:
    details = json.dumps(dict(line.details), ensure_ascii=False) if line.details else ""
    by = line.by or say("audit_somebody" if line.action == "sign-in-failed" else "audit_themselves")
    at = line.at.astimezone(UTC)
    return f"{line.number:>6}  {at:%Y-%m-%d %H:%M:%SZ}  {line.action:<19}  {by}  {details}".rstrip()


def link(text: str) -> dict[int, str]:
    """`NUMBER:LINK` as `verify` has printed it; nothing of "". Raises Misconfigured."""
    number, _, digest = text.partition(":")
    if not text:
        return {}
    if not (number.isascii() and number.isdigit() and len(digest) == 64):
        raise Misconfigured(say("audit_link", text=text))
    return {int(number): digest.lower()}


async def verify(config: Config, progress: Progress, expected: str) -> tuple[bool, str]:
    """Whether every line is as it was written, and a sentence on it. Raises NotStored or Misconfigured."""
    wanted = link(expected)
    async with opened_store(config, progress) as store:
        verdict = await store.audit.verify(wanted)
    if verdict.broken is not None:
        return False, say(f"audit_{verdict.why}", number=verdict.broken, lines=verdict.lines)
    return True, say("audit_whole", lines=verdict.lines, link=f"{verdict.lines}:{verdict.link}")
