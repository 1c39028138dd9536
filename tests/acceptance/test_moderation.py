"""The whole application, with a model on a server that says what may not be said."""

import asyncio

import pytest

from core.texts import say
from tests.acceptance.test_engines import house, metrics
from tests.fakes.wire import DONE, USAGE, Step, WireServer, piece

pytestmark = pytest.mark.slow

RULES = "category: games\nnames: {en: betting games, zh: 博彩}\nwords: [zorbling, 赌博]\n"
BEGINNING = "There is a lot to be said for it, and it takes a while to say. " * 2
REFUSED = say("refused_answer", "en").format(category="betting games")


def answer(*texts: str) -> tuple[Step, ...]:
    return (piece(role="assistant"), *map(piece, texts), piece("", "stop"), USAGE, DONE)


@pytest.fixture
def settings(tmp_path) -> dict[str, str]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/games.yaml").write_text(RULES, encoding="utf-8")
    return {"PARLEY_MODERATION__RULES": f'["{tmp_path / "rules"}"]'}


async def test_an_answer_is_taken_back_in_the_middle_and_its_asker_can_say_that_this_was_wrong(tmp_path, settings):
    seen, never = asyncio.Event(), asyncio.Event()
    rest = ("Try ", "zorb", "ling", ", say I, ", "for that is what everybody does here.")
    models = WireServer((*(piece(f"{word} ") for word in BEGINNING.split()), seen, *map(piece, rest), never))
    async with house(tmp_path, models, **settings) as person:
        shown: list[str] = []
        final: dict[str, str] = {}
        async for name, event in person.events("/chat", {"prompt": "What do people do here?"}):
            shown.append(str(event))
            if "There" in str(event):
                seen.set()
            final = event if name == "done" else final
        assert not any("zorb" in text for text in shown)
        assert seen.is_set()
        await asyncio.wait_for(models.left.wait(), 5)  # what was being generated has ended with it
        _, thread = await person.get(f"/threads/{final['thread']}")
        (entry,) = thread["entries"]
        assert (entry["answer"], entry["state"]) == (REFUSED, "refused")
        vote = {"reply_id": final["reply_id"], "rating": "down", "comment": "it is a sport"}
        assert (await person.post("/feedback", vote))[0] == 200
        async with asyncio.timeout(5):
            while 'parley_moderation_appeals_total{channel="console"} 1.0' not in await metrics(person):
                await asyncio.sleep(0.05)
        hit = 'parley_moderation_hits_total{action="refuse",category="games",where="answer"} 1.0'
        assert hit in await metrics(person)


async def test_a_question_that_may_not_be_asked_reaches_no_model(tmp_path, settings):
    models = WireServer()
    async with house(tmp_path, models, **settings) as person:
        _, refused = await person.post("/chat", {"prompt": "哪里可以賭*博？"})
        assert refused["response"] == say("refused_question", "zh").format(category="博彩")
        _, appealed = await person.post("/chat", {"prompt": "/appeal 只是问问", "thread": refused["thread"]})
        assert appealed["response"] == say("appealed", "en")
        assert not models.asked


async def test_personal_data_is_masked_in_what_is_asked_shown_and_kept(tmp_path, settings):
    models = WireServer()
    models.answer = answer("Then call 138", "0013", "8000, soon")
    async with house(tmp_path, models, **settings) as person:
        _, said = await person.post("/chat", {"prompt": "My number is 13800138000, whose is it?"})
        assert said["response"] == "Then call [phone number], soon"
        _, thread = await person.get(f"/threads/{said['thread']}")
        assert thread["entries"][0]["question"] == "My number is [phone number], whose is it?"
        assert "13800138000" not in str(models.asked)
