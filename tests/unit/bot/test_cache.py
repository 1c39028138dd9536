"""How the answer cache is opened, and what is said where it cannot be."""

import sys
from contextlib import AsyncExitStack

import pytest

from bot.cache import open_cache
from bot.config import Config, HouseSecrets, Settings
from core.engine import Routed
from core.errors import Misconfigured
from core.routing import Route
from core.turn import compose
from tests.fakes.engine import ScriptedEngine
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.unit.core.cache.test_key import turn


async def opened(tmp_path, engine=None, **settings):
    config = Config(Settings(data_dir=tmp_path, cache=settings), HouseSecrets(), None)
    async with AsyncExitStack() as stack:
        return await open_cache(config, MemoryStore(), engine or ScriptedEngine(), Numbers(), stack, is_screened=False)


async def test_it_is_on_and_can_be_turned_off(tmp_path):
    assert len(await opened(tmp_path)) == 1
    assert await opened(tmp_path, enabled=False) == ()


async def test_near_hits_need_a_package_and_say_which(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.delitem(sys.modules, "core.cache.shelves", raising=False)
    with pytest.raises(Misconfigured, match=r"\[cache\]"):
        await opened(tmp_path, near=True)


async def test_an_embedder_that_is_none_says_so(tmp_path):
    pytest.importorskip("faiss")
    with pytest.raises(Misconfigured, match="embedder"):
        await opened(tmp_path, near=True, embedder=str(tmp_path / "none"))


async def test_each_route_has_the_version_of_its_own_model(tmp_path):
    chat, code = ScriptedEngine(), ScriptedEngine()
    versions = []

    def noting(version):
        versions.append(version)
        return version

    (cache,) = await opened(tmp_path, Routed({"chat": chat, "code": code}, default="chat"))
    ask, cache._version_of = cache._version_of, lambda route: noting(f"{route} {ask(route)}")

    async def engine(asked):
        return
        yield

    answer = compose([Route(), cache], engine)
    for text in ("What is Docker?", "Write a Python function that sorts a list"):
        assert [chunk async for chunk in answer(turn(text))] == []
    assert {version.split()[0] for version in versions} == {"chat", "code"}
