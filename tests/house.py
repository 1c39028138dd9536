"""A whole house in this process, on a real database, with an engine that says what it was told to."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.process import free_port
from bot import config
from bot.app import open_house
from core.ports import Engine
from core.store import Keys
from tests.postgres import database


@asynccontextmanager
async def house_with(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Its address, on the loopback interface.

    Nothing is screened or answered from the cache, unless a test says so: growing answers arrive as they are written.
    """
    port = free_port()
    monkeypatch.chdir(folder)
    for name in ("PARLEY_MODERATION__ENABLED", "PARLEY_CACHE__ENABLED"):
        monkeypatch.setenv(name, os.environ.get(name, "false"))
    monkeypatch.setenv("PARLEY_SERVER__PORT", str(port))
    monkeypatch.setenv("PARLEY_KEYS", Keys.generate().dump())
    with database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        async with open_house(config.load(), lambda step: None, engine=engine):
            yield f"http://127.0.0.1:{port}"
