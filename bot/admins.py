"""What an operator does at the command line with those who may see the operator's pages."""

from collections.abc import Collection

from bot.admin.password import LEAST, MOST, hashed
from bot.admin.sign_in import MAX_NAME
from bot.app import Progress
from bot.config import Config
from bot.people import opened_store, operator
from bot.texts import say
from core.errors import Misconfigured, NotFound, Refused


def check_name(name: str) -> str:
    """The name as it is kept. Raises Misconfigured."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise Misconfigured(say("admin_name", most=MAX_NAME))
    return name


def check_password(password: str) -> str:
    """Raises Misconfigured for one that is soon guessed, or that nobody would type."""
    if not LEAST <= len(password) <= MOST:
        raise Misconfigured(say("admin_password_length", least=LEAST, most=MOST))
    return password


async def add(config: Config, progress: Progress, name: str, roles: Collection[str], password: str) -> None:
    async with opened_store(config, progress) as store:
        try:
            await store.admins.add(name, roles=roles, password=hashed(password), by=operator())
        except Refused:
            raise Misconfigured(say("admin_taken", name=name)) from None


async def listed(config: Config, progress: Progress) -> list[str]:
    """Those who may sign in with a password, then whoever is signed in."""
    async with opened_store(config, progress) as store:
        admins, sessions = await store.admins.all(), await store.admins.sessions()
    lines = [f"{admin.name}  {', '.join(sorted(admin.roles))}  {admin.made_at:%Y-%m-%d}" for admin in admins]
    signed_in = [
        say(
            "admin_session",
            name=session.name,
            origin=session.origin,
            roles=", ".join(sorted(session.roles)),
            since=f"{session.began_at:%Y-%m-%d %H:%M}",
        )
        for session in sessions
    ]
    return [*(lines or [say("admin_nobody")]), *signed_in]


async def change(
    config: Config, progress: Progress, name: str, *, roles: Collection[str] | None = None, password: str | None = None
) -> int:
    """How many sessions that has ended."""
    async with opened_store(config, progress) as store:
        try:
            kept = None if password is None else hashed(password)
            return await store.admins.change(name, by=operator(), roles=roles, password=kept)
        except NotFound:
            raise Misconfigured(say("admin_unknown", name=name)) from None


async def remove(config: Config, progress: Progress, name: str) -> int:
    """How many sessions that has ended."""
    async with opened_store(config, progress) as store:
        try:
            return await store.admins.remove(name, by=operator())
        except NotFound:
            raise Misconfigured(say("admin_unknown", name=name)) from None


async def sign_out(config: Config, progress: Progress, name: str) -> int:
    """How many sessions that has ended, whoever vouched for them."""
    async with opened_store(config, progress) as store:
        return await store.admins.end_all(name, by=operator())
