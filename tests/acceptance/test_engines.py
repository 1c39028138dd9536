"""The whole application with its models on a server: whom it asks, and what people read while that server is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from core.texts import say
from tests.acceptance.test_house import Person
from tests.fakes.wire import HELLO, Refusal, WireServer, running
from tests.server import Server

pytestmark = pytest.mark.slow

NAMES = ({"id": "talker"}, {"id": "coder"})


@asynccontextmanager
async def house(folder, models: WireServer, **settings: str) -> AsyncIterator[Person]:
    """Parley over this model server, and somebody who asks it."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(models))
        urls = f'["{models.url}"]'
        server = Server(folder, PARLEY_ENGINE__BACKEND="remote", PARLEY_REMOTE__URLS=urls, **settings)
        await asyncio.to_thread(server.start)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        yield Person(await stack.enter_async_context(session), server.url)


async def metrics(person: Person) -> list[str]:
    async with person.session.get(f"{person.url}/metrics") as response:
        text: str = await response.text()
        return text.splitlines()


async def until_told(person: Person, line: str) -> None:
    async with asyncio.timeout(15):
        while line not in await metrics(person):
            await asyncio.sleep(0.1)


async def test_while_the_engine_is_away_people_read_so_in_their_language_and_then_it_answers_again(tmp_path):
    async with house(tmp_path, models := WireServer()) as person:
        _, answer = await person.post("/chat", {"prompt": "Hello?"})
        assert (answer["response"], answer["model"]) == ("Hello there", "a-model")
        models.answer = Refusal(503)
        for question, language in (("Are you there?", "en"), ("你还在吗？", "zh"), ("Hello?", "en"), ("Hello?", "en")):
            _, answer = await person.post("/chat", {"prompt": question})
            assert answer["response"] == say("unavailable", language)
            _, thread = await person.get(f"/threads/{answer['thread']}")
            assert [entry["state"] for entry in thread["entries"]] == ["failed"]
            assert [entry["answer"] for entry in thread["entries"]] == [answer["response"]]
        questions = [asked for asked in models.asked if asked["max_tokens"] > 1]
        assert len(questions) == 1 + 3  # the fourth was told at once
        assert await person.get("/readyz") == (200, {"status": "ready", "waiting_for": "engine"})
        told = await metrics(person)
        assert 'parley_engine_requests_total{engine="remote",outcome="turned_away"} 1.0' in told
        assert 'parley_engine_breaker{engine="remote"} 2.0' in told
        await until_told(person, 'parley_up{part="engine"} 0.0')
        models.answer = HELLO
        async with asyncio.timeout(30):
            while (await person.post("/chat", {"prompt": "And now?"}))[1]["response"] != "Hello there":
                await asyncio.sleep(0.5)
        assert await person.get("/readyz") == (200, {"status": "ready"})
        assert 'parley_engine_breaker{engine="remote"} 0.0' in await metrics(person)
        await until_told(person, 'parley_up{part="engine"} 1.0')


async def test_questions_about_code_go_to_the_coder_and_what_people_ask_for_stays(tmp_path):
    async with house(
        tmp_path, models := WireServer(models=NAMES), PARLEY_REMOTE__MODEL="talker", PARLEY_REMOTE__CODER="coder"
    ) as person:

        async def asked(prompt: str, thread: str = "") -> tuple[str, str]:
            body = {"prompt": prompt} | ({"thread": thread} if thread else {})
            _, answer = await person.post("/chat", body)
            return models.asked[-1]["model"], answer["thread"]

        assert (await asked("What is the capital of France?"))[0] == "talker"
        model, thread = await asked("Write a Python function that reverses a list.")
        assert model == "coder"
        assert (await asked("/chat What is the capital of France?", thread))[0] == "talker"
        assert (await asked("Write a Python function that reverses a list.", thread))[0] == "talker"
        assert (await asked("/code", thread))[0] == "talker"  # nothing was asked
        assert (await asked("What is the capital of France?", thread))[0] == "coder"
        said = await metrics(person)
        assert {f'parley_info{{model="{name}"}} 1.0' for name in ("talker", "coder")} <= set(said)
