"""Somebody asks over the console to be forgotten; somebody else goes on."""

import pytest

from core.texts import say
from tests.acceptance.test_answer_cache import ask, engine, people, until_kept
from tests.house import house_with

__all__ = ["engine"]
pytestmark = pytest.mark.slow

QUESTION = "How do I install Docker?"


async def test_whoever_wants_to_be_forgotten_is_and_nobody_else(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("PARLEY_CACHE__ENABLED", "true")
    async with house_with(engine, tmp_path, monkeypatch) as url, people(url, 2) as (ann, bob):
        first = await ask(ann, QUESTION)
        await until_kept(ann)
        assert (await ask(bob, "What is Kubernetes?"))["source"] == "engine"

        assert (await ask(ann, "/forget-me"))["response"] == say("forget_me", "en")
        assert len((await ann.get("/threads"))[1]["threads"]) == 1
        done = await ask(ann, "/forget-me yes")
        assert done["response"] == say("forgotten", "en")

        assert (await ann.get("/threads"))[1]["threads"] == []
        status, _ = await ann.get(f"/threads/{first['thread']}")
        assert status == 404
        assert len((await bob.get("/threads"))[1]["threads"]) == 1
        assert (await ask(bob, QUESTION))["source"] == "engine"  # nothing was kept of her for others
        assert (await ask(ann, "And now?"))["source"] == "engine"
        assert [thread["title"] for thread in (await ann.get("/threads"))[1]["threads"]] == ["And now?"]
