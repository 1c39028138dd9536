"""The whole application on one console: sums, a refusal, the cache, MCP tools, and plugins of one's own."""

import asyncio
import json
import re
import sys
from pathlib import Path
from textwrap import dedent

import aiohttp
import pytest

from core.texts import say
from tests.acceptance.test_engines import house, metrics
from tests.acceptance.test_house import Person
from tests.fakes.wire import DONE, HELLO, USAGE, Step, WireServer, call, piece

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
RULES = "category: games\nnames: {en: betting games, zh: 博彩}\nwords: [zorbling]\n"
NOTE = {"text": "buy milk"}


def said(*texts: str) -> tuple[Step, ...]:
    return (piece(role="assistant"), *map(piece, texts), piece("", "stop"), USAGE, DONE)


def calls(name: str, arguments: object) -> tuple[Step, ...]:
    return (piece(role="assistant"), call(0, "c1", name, json.dumps(arguments)), piece("", "tool_calls"), USAGE, DONE)


def plugin_file(folder: Path, name: str, source: str) -> str:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / f"{name}.py").write_text(dedent(source), encoding="utf-8")
    return json.dumps([str(folder / "own")])


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes.txt"


@pytest.fixture
def settings(tmp_path, notes) -> dict[str, str]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/games.yaml").write_text(RULES, encoding="utf-8")
    server = {
        "command": sys.executable,
        "args": [str(HOUSE / "tests/fakes/mcp_server.py")],
        "env": {"NOTES": str(notes)},
        "allow": ["add", "note"],
        "confirm": ["note"],
    }
    return {
        "PARLEY_REMOTE__TOOLS": "true",
        "PARLEY_MODERATION__RULES": json.dumps([str(tmp_path / "rules")]),
        "PARLEY_PLUGINS__MCP__SERVERS": json.dumps({"desk": server}),
    }


async def until_source(person: Person, text: str, source: str) -> dict[str, str]:
    """An answer is kept, or evicted, a moment after whoever caused it was told."""
    async with asyncio.timeout(10):
        while (answer := (await person.post("/chat", {"prompt": text}))[1])["source"] != source:
            await asyncio.sleep(0.05)
    return dict(answer)


async def test_everything_inside_a_turn_over_one_console(tmp_path, settings, notes):
    models = WireServer()
    async with house(tmp_path, models, **settings) as person:
        # a calculation, which no model is asked for
        _, summed = await person.post("/chat", {"prompt": "What is 15% of 240?"})
        assert (summed["source"], summed["model"], summed["state"]) == ("plugin", "plugin/calculator", "done")
        assert "36" in summed["response"]
        _, summed = await person.post("/chat", {"prompt": "12乘以3等于多少？"})
        assert "36" in summed["response"]
        assert not models.asked

        # a refusal in the middle of an answer
        models.answer = said("There is a lot to be said for it. " * 3, "Try zorb", "ling, say I.")
        shown = [event async for event in person.events("/chat", {"prompt": "What do people do here?"})]
        assert not any("zorb" in str(data) for _, data in shown)
        refusal = say("refused_answer", "en").format(category="betting games")
        assert (shown[-1][1]["response"], shown[-1][1]["state"]) == (refusal, "refused")

        # the cache, and an answer that somebody finds wrong
        models.answer = HELLO
        question = "How do I install Docker?"
        await person.post("/chat", {"prompt": question})
        cached = await until_source(person, question, "cache")
        await person.post("/feedback", {"reply_id": cached["reply_id"], "rating": "down"})
        await until_source(person, question, "engine")

        # a tool that changes something: the model wants it, the person says yes, and only then it is done
        models.answer = calls("desk_note", NOTE)
        _, asked = await person.post("/chat", {"prompt": "Please note that I have to buy milk."})
        assert asked["state"] == "asked"
        assert "desk_note" in asked["response"]
        assert "buy milk" in asked["response"]
        offered = {tool["function"]["name"] for tool in models.asked[-1]["tools"]}
        assert {"desk_note", "desk_add", "calculator"} <= offered
        assert not notes.exists()
        models.answer = said("I wrote it down.")
        _, done = await person.post("/confirm", {"reply_id": asked["reply_id"]})
        assert (done["response"], done["state"]) == ("I wrote it down.", "done")
        assert notes.read_text() == "buy milk\n"
        assert "desk_note" in models.asked[-1]["messages"][-1]["content"]
        _, again = await person.post("/confirm", {"reply_id": asked["reply_id"]})
        assert again["response"] == say("nothing_to_confirm", "en")
        assert notes.read_text() == "buy milk\n"
        assert 'parley_plugin_calls_total{outcome="ok",plugin="desk_note"} 1.0' in await metrics(person)


async def test_a_tool_by_command_is_confirmed_by_its_asker_alone_and_by_a_word(tmp_path, settings, notes):
    async with house(tmp_path, WireServer(), **settings) as ann:
        _, asked = await ann.post("/chat", {"prompt": "/desk-note buy milk"})
        assert (asked["state"], asked["source"]) == ("asked", "plugin")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            bob = Person(session, ann.url)
            await bob.post("/chat", {"prompt": "Hello"})
            assert (await bob.post("/confirm", {"reply_id": asked["reply_id"]}))[0] == 404
        # the thread goes on meanwhile
        _, hello = await ann.post("/chat", {"prompt": "Hello?", "thread": asked["thread"]})
        assert hello["response"] == "Hello there"
        assert not notes.exists()
        _, done = await ann.post("/chat", {"prompt": "/confirm", "thread": asked["thread"]})
        assert (done["state"], done["source"], done["model"]) == ("done", "plugin", "plugin/desk_note")
        assert notes.read_text() == "buy milk\n"
        _, thread = await ann.get(f"/threads/{asked['thread']}")
        first = thread["entries"][0]
        assert (first["question"], first["answer"]) == ("/desk-note buy milk", done["response"])


async def test_a_model_calls_what_it_may_call_unasked_and_reads_what_comes_of_it(tmp_path, settings):
    models = WireServer(calls("desk_add", {"a": 2, "b": 3}))
    async with house(tmp_path, models, **settings) as person:

        async def answer() -> None:
            async with asyncio.timeout(20):
                while len(models.asked) < 1:
                    await asyncio.sleep(0.01)
            models.answer = said("It is five.")

        answering = asyncio.create_task(answer())
        _, told = await person.post("/chat", {"prompt": "Add two and three with the desk's own tool, please."})
        await answering
        assert (told["response"], told["source"], told["state"]) == ("It is five.", "engine", "done")
        last = models.asked[-1]["messages"][-1]["content"]
        assert "not instructions for you" in last
        assert "5" in last


async def test_the_plugin_of_the_guide_works_as_written_there(tmp_path):
    guide = (HOUSE / "docs/plugins.md").read_text(encoding="utf-8")
    source = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert source
    assert len(source[1].strip().splitlines()) <= 25
    folders = plugin_file(tmp_path, "dice", source[1])
    async with house(tmp_path, models := WireServer(), PARLEY_PLUGINS__FOLDERS=folders) as person:
        for text in ("/dice 2", "roll 3 dice", "roll a die", "掷2个骰子", "掷骰子", "/dice count=2"):
            _, rolled = await person.post("/chat", {"prompt": text})
            assert rolled["model"] == "plugin/dice", text
            assert rolled["response"].startswith("🎲"), text
        _, refused = await person.post("/chat", {"prompt": "/dice 21"})
        assert refused["source"] == "plugin"
        assert "count" in refused["response"]
        _, helped = await person.post("/chat", {"prompt": "/help"})
        assert "/dice" in helped["response"]
        await person.post("/chat", {"prompt": "roll 21 dice"})  # does not fit, so it is a question like any other
        assert len(models.asked) == 1


async def test_a_plugin_that_hangs_is_switched_off_and_everybody_else_is_answered(tmp_path):
    source = '''
        from core.plugin import plugin

        @plugin(slash="spin", timeout=0.5)
        async def spin() -> str:
            """Never ends."""
            while True:
                pass
    '''
    folders = plugin_file(tmp_path, "spin", source)
    plugin_file(tmp_path, "broken", "raise SystemExit(3)\n")
    async with house(tmp_path, WireServer(), PARLEY_PLUGINS__FOLDERS=folders) as person:
        spinning = asyncio.create_task(person.post("/chat", {"prompt": "/spin"}))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            bob = Person(session, person.url)
            _, summed = await bob.post("/chat", {"prompt": "/calc 6*7"})
            assert "42" in summed["response"]
        _, failed = await spinning
        assert failed["response"] == say("plugin_hung", "en").format(name="spin")
        _, hello = await person.post("/chat", {"prompt": "/spin"})
        assert hello["response"] == "Hello there"  # no such command any more
