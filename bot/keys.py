"""What an operator does with the encryption keys: sees which are in use, and goes over to another one."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress as Bar

from bot.app import Progress, load_keys
from bot.config import Config
from bot.people import must_exist, opened_store, operator
from bot.texts import say
from core.store import Keys


async def listed(config: Config, progress: Progress) -> list[str]:
    """A line for each encryption key that is configured or needed. Raises NotStored or Misconfigured."""
    must_exist(config)
    keys = load_keys(config)
    async with opened_store(config, progress, keys) as store:
        return lines(keys, await store.wrapped())


def lines(keys: Keys, wrapped: Mapping[int, int]) -> list[str]:
    return [
        say(_outcome(keys, kid, wrapped.get(kid, 0)), kid=kid, count=wrapped.get(kid, 0))
        for kid in sorted({*keys.ring, *wrapped}, key=lambda kid: (kid != keys.primary, kid))
    ]


def _outcome(keys: Keys, kid: int, count: int) -> str:
    if kid not in keys.ring:
        return "keys_missing"
    if kid == keys.primary:
        return "keys_primary"
    return "keys_wraps" if count else "keys_idle"


async def rotate(config: Config, screen: Console) -> list[str]:
    """Shows how far it has come, and says what came of it. Raises NotStored, Unreadable or Misconfigured."""
    must_exist(config)
    keys = load_keys(config)
    primary = keys.primary
    async with opened_store(config, screen.print, keys) as store:
        with Bar(console=screen, disable=not screen.is_terminal) as bar:
            task = bar.add_task(say("keys_rotating", kid=primary), total=None)
            await store.audit.record("rotate", by=operator(), key=primary)
            count = await store.rewrap(lambda done, total: bar.update(task, completed=done, total=total))
        left = sum(number for kid, number in (await store.wrapped()).items() if kid != primary)
    rest = [say("keys_still", count=left)] if left else []
    return [say("keys_rotated", count=count, kid=primary), *rest]
