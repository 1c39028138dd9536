"""Somebody asks over the console until they have asked enough for today; somebody else goes on."""

import pytest

from core.texts import say
from tests.acceptance.test_answer_cache import ask, engine, people, until_kept
from tests.house import house_with

__all__ = ["engine"]
pytestmark = pytest.mark.slow

QUESTION = "How do I install Docker?"
TOO_MUCH = say("limited_person_messages", "en").partition("{when}")[0].format(limit=3)


async def test_whoever_has_asked_enough_is_told_so_and_others_go_on(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("PARLEY_CACHE__ENABLED", "true")
    monkeypatch.setenv("PARLEY_LIMITS__PERSON__MESSAGES", "3")
    async with house_with(engine, tmp_path, monkeypatch) as url, people(url, 2) as (ann, bob):
        assert (await ask(ann, QUESTION))["source"] == "engine"
        await until_kept(ann)
        assert (await ask(ann, QUESTION))["source"] == "cache"  # which is a question too
        assert (await ask(ann, "What is Kubernetes?"))["source"] == "engine"

        refused = await ask(ann, "And Podman?")
        assert refused["source"] == "house"
        assert refused["response"].startswith(TOO_MUCH)
        assert (await ask(ann, "/help"))["response"].startswith(say("help", "en")[:40])

        assert (await ask(bob, "What is Kubernetes?"))["source"] in ("engine", "cache")
