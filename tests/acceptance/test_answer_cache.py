"""The same question over the console again: taken from the cache, and after a thumb down answered anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from core.texts import say
from tests.acceptance.test_house import Person
from tests.fakes.engine import ScriptedEngine
from tests.house import house_with

pytestmark = pytest.mark.slow

QUESTION, AGAIN = "How do I install Docker?", "hi, how do I install docker please"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@asynccontextmanager
async def people(url: str, count: int) -> AsyncIterator[list[Person]]:
    sessions = [aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) for _ in range(count)]
    try:
        yield [Person(session, url) for session in sessions]
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


async def ask(person: Person, text: str) -> dict[str, str]:
    status, answer = await person.post("/chat", {"prompt": text})
    assert status == 200, answer
    return dict(answer)


@pytest.fixture(autouse=True)
def with_all_stages(monkeypatch):
    monkeypatch.setenv("PARLEY_MODERATION__ENABLED", "true")
    monkeypatch.setenv("PARLEY_CACHE__ENABLED", "true")


async def ask_until(person: Person, text: str, source: str) -> dict[str, str]:
    """An answer is kept, or evicted, a moment after whoever caused it was told."""
    async with asyncio.timeout(10):
        while (answer := await ask(person, text))["source"] != source:
            await asyncio.sleep(0.05)
    return answer


async def until_kept(person: Person) -> None:
    async with asyncio.timeout(10):
        while True:
            async with person.session.get(f"{person.url}/metrics") as response:
                if 'parley_cache_total{outcome="kept"} 1.0' in await response.text():
                    return
            await asyncio.sleep(0.05)


async def test_the_same_question_is_served_until_somebody_finds_the_answer_wrong(engine, tmp_path, monkeypatch):
    async with house_with(engine, tmp_path, monkeypatch) as url, people(url, 2) as (ann, bob):
        first = await ask(ann, QUESTION)
        second = await ask_until(ann, AGAIN, "cache")
        assert (second["response"], second["model"]) == (first["response"], first["model"])
        asked = len(engine.asked)
        assert (await ask(bob, QUESTION))["source"] == "engine"  # what was said to us alone stays with its asker
        assert len(engine.asked) == asked + 1
        await ann.post("/feedback", {"reply_id": second["reply_id"], "rating": "down"})
        await ask_until(ann, AGAIN, "engine")
        assert (await ask(ann, QUESTION))["source"] == "engine"


async def test_an_answer_to_a_similar_question_says_so_and_can_be_asked_again(engine, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setenv("PARLEY_CACHE__NEAR", "true")
    async with house_with(engine, tmp_path, monkeypatch) as url, people(url, 1) as (ann,):
        first = await ask(ann, QUESTION)
        await until_kept(ann)
        similar = await ask(ann, "How does one install Docker?")
        assert similar["source"] == "cache"
        assert similar["response"].startswith("*Answer to the similar question")
        assert "how do i install docker" in similar["response"]
        assert first["response"] in similar["response"]
        assert say("ask_again", "en") in similar["response"]
        _, again = await ann.post("/regenerate", {"reply_id": similar["reply_id"]})
        assert (again["source"], again["response"]) == ("engine", first["response"])


async def test_a_cache_that_is_off_asks_every_time(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("PARLEY_CACHE__ENABLED", "false")
    async with house_with(engine, tmp_path, monkeypatch) as url, people(url, 1) as (ann,):
        assert [(await ask(ann, QUESTION))["source"] for _ in range(3)] == ["engine"] * 3
