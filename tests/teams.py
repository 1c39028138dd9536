"""A whole house with its Teams door open, and a stand-in for Teams in front of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.platforms.teams import APP_ID, APP_PASSWORD, TENANT, Message, Platform
from core.ports import Engine
from core.store import Keys, PostgresStore
from core.store.database import conninfo
from tests.house import house_with

ANNA, BEN = "29:anna", "29:ben"
DIRECT, GROUP, TOWN = "a:anna", "19:group@thread.v2", "19:town@thread.tacv2"


@dataclass(frozen=True, slots=True)
class Town:
    """Teams with Anna (English) and Ben (Chinese) in a group and a channel, Anna's personal chat, and our house."""

    teams: Platform
    house: str
    database: str

    @property
    def mention(self) -> str:
        return self.teams.bot.mention

    async def answered(self, chat: str, thread: str | None = None, *, count: int = 1, timeout: float = 15) -> Message:
        """The newest answer in a chat, once there are `count` and none is streamed any more."""

        def found() -> Message | None:
            told = self.teams.answers(chat, thread)
            return told[-1] if len(told) >= count and not any(message.is_streaming for message in told) else None

        return await self.teams.until(found, timeout)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        with psycopg.connect(conninfo(self.database)) as connection:
            return connection.execute(statement.encode()).fetchall()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[PostgresStore]:
        """A look into the same database, with the same keys."""
        store = PostgresStore(self.database, Keys.parse(os.environ["PARLEY_KEYS"]), pool_size=2)
        await store.start()
        yield store
        await store.stop()


def settle_in(teams: Platform) -> None:
    """Anna and Ben, and where they talk."""
    teams.add_user(ANNA, "Anna Example")
    teams.add_user(BEN, "Ben Example", locale="zh-CN")
    teams.add_chat(DIRECT, "personal", [ANNA])
    teams.add_chat(GROUP, "groupChat", [ANNA, BEN])
    teams.add_chat(TOWN, "channel", [ANNA, BEN])


def told_of(teams: Platform) -> dict[str, str]:
    """The environment of a house whose Teams is this one."""
    return {
        "PARLEY_TEAMS__ENABLED": "true",
        "PARLEY_TEAMS__APP_ID": APP_ID,
        "PARLEY_TEAMS__TENANT_ID": TENANT,
        "PARLEY_TEAMS__LOGIN_URL": teams.login_url,
        "PARLEY_TEAMS__KEYS_URL": teams.keys_url,
        "PARLEY_TEAMS__DEV": "true",  # answers may go to this machine
        "PARLEY_TEAMS_APP_PASSWORD": APP_PASSWORD,
    }


@asynccontextmanager
async def town_with(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[Town]:
    """`settings` are more environment variables."""
    async with Platform() as teams:
        settle_in(teams)
        for name, value in (told_of(teams) | settings).items():
            monkeypatch.setenv(name, value)
        async with house_with(engine, folder, monkeypatch) as house:
            teams.endpoint = f"{house}/channels/teams"
            yield Town(teams, house, os.environ["DATABASE_URL"])
