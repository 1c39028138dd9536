"""A whole house with a WeCom door open, and a stand-in for WeCom in front of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.platforms.wecom import (
    AGENT,
    APP_AES_KEY,
    APP_SECRET,
    APP_TOKEN,
    BOT_AES_KEY,
    BOT_ID,
    BOT_NAME,
    BOT_SECRET,
    BOT_TOKEN,
    CORP,
    Message,
    Platform,
)
from core.ports import Engine
from core.store import Keys, PostgresStore
from core.store.database import conninfo
from tests.house import house_with

WAYS = ("socket", "callback", "app")

ANNA, BO = "anna", "bo"
GROUP = "wrGROUP01"
APP_ANNA, APP_BO = "app:anna", "app:bo"


@dataclass(frozen=True, slots=True)
class Town:
    """WeCom with Anna and Bo in a group, each alone with the bot and with the app, and our house behind one door.

    `way` is socket, callback or app: the door that is open.
    """

    wecom: Platform
    house: str
    database: str
    way: str

    @property
    def mention(self) -> str:
        return f"@{BOT_NAME}"

    def direct(self, user: str = ANNA) -> str:
        """Where a person is alone with what stands behind the open door."""
        return self.wecom.app_chat(user) if self.way == "app" else user

    @property
    def workspace(self) -> str:
        return CORP if self.way == "app" else BOT_ID

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

    async def answered(self, chat: str, *, count: int = 1, timeout: float = 15) -> Message:
        """The newest message of ours in a chat, once there are `count` and none is streamed any more."""

        def found() -> Message | None:
            told = self.wecom.answers(chat)
            return told[-1] if len(told) >= count and not any(message.is_streaming for message in told) else None

        return await self.wecom.until(found, timeout)


def settle_in(wecom: Platform) -> None:
    """Anna and Bo, and where they talk."""
    wecom.add_user(ANNA, "Anna")
    wecom.add_user(BO, "Bo")
    wecom.add_group(GROUP, [ANNA, BO])


def told_of(wecom: Platform, way: str) -> dict[str, str]:
    """The environment of a house whose WeCom is this one, with the door `way` open."""
    bot = {"PARLEY_WECOM__BOT__ENABLED": "true", "PARLEY_WECOM__BOT__ID": BOT_ID, "PARLEY_WECOM__BOT__NAME": BOT_NAME}
    match way:
        case "socket":
            return bot | {"PARLEY_WECOM__BOT__SOCKET_URL": wecom.ws_url, "PARLEY_WECOM_BOT_SECRET": BOT_SECRET}
        case "callback":
            return bot | {"PARLEY_WECOM_BOT_TOKEN": BOT_TOKEN, "PARLEY_WECOM_BOT_AES_KEY": BOT_AES_KEY}
        case _:
            return {
                "PARLEY_WECOM__APP__ENABLED": "true",
                "PARLEY_WECOM__APP__CORP_ID": CORP,
                "PARLEY_WECOM__APP__AGENT_ID": str(AGENT),
                "PARLEY_WECOM__APP__API_URL": wecom.api_url,
                "PARLEY_WECOM_APP_SECRET": APP_SECRET,
                "PARLEY_WECOM_APP_TOKEN": APP_TOKEN,
                "PARLEY_WECOM_APP_AES_KEY": APP_AES_KEY,
            }


def call_back(wecom: Platform, way: str, house: str) -> None:
    """Tells WeCom where the house is, as its console is told."""
    if way == "callback":
        wecom.bot_url = f"{house}/channels/wecom"
    elif way == "app":
        wecom.app_url = f"{house}/channels/wecom-app"


@asynccontextmanager
async def town_with(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, *, way: str = "socket", **settings: str
) -> AsyncIterator[Town]:
    """`way` is socket, callback or app; `settings` are more environment variables."""
    async with Platform() as wecom:
        settle_in(wecom)
        for name, value in (told_of(wecom, way) | settings).items():
            monkeypatch.setenv(name, value)
        async with house_with(engine, folder, monkeypatch) as house:
            call_back(wecom, way, house)
            if way == "socket":
                await wecom.connected()
            yield Town(wecom, house, os.environ["DATABASE_URL"], way)
