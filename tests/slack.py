"""A whole house with its Slack door open, and a stand-in for Slack in front of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.platforms.slack import APP_TOKEN, SIGNING_SECRET, Platform
from core.ports import Engine
from core.store import Keys, PostgresStore
from core.store.database import conninfo
from tests.house import house_with

WAYS = ("http", "socket")

ANNA, BEN = "U0ANNA001", "U0BEN0001"
TOWN, DIRECT = "C0TOWN001", "D0ANNA001"


@dataclass(frozen=True, slots=True)
class Town:
    """Slack with Anna (English) and Ben (Chinese) in a channel, Anna's direct messages, and our house behind it."""

    slack: Platform
    house: str
    database: str

    @property
    def mention(self) -> str:
        return f"<@{self.slack.bot.user}>"

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


@asynccontextmanager
async def town_with(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, *, way: str = "http", **settings: str
) -> AsyncIterator[Town]:
    """`way` is http or socket; `settings` are more environment variables."""
    async with Platform() as slack:
        slack.add_user(ANNA, "Anna")
        slack.add_user(BEN, "Ben", locale="zh-CN")
        slack.add_channel(TOWN, members=[ANNA, BEN])
        slack.add_channel(DIRECT, "im", members=[ANNA])
        secret = ("SIGNING_SECRET", SIGNING_SECRET) if way == "http" else ("APP_TOKEN", APP_TOKEN)
        given = {
            "PARLEY_SLACK__ENABLED": "true",
            "PARLEY_SLACK__API_URL": slack.api_url,
            "PARLEY_SLACK_BOT_TOKEN": slack.bot.token,
            f"PARLEY_SLACK_{secret[0]}": secret[1],
            **settings,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        async with house_with(engine, folder, monkeypatch) as house:
            if way == "http":
                slack.events_url = f"{house}/channels/slack"
            else:
                await slack.until(lambda: slack.called("apps.connections.open"), 15)
            yield Town(slack, house, os.environ["DATABASE_URL"])
