"""Our door in front of a Teams that somebody else wrote: npm's Agents Playground, for what that covers."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import expect

from bench.until import until
from core.message import ReplyId
from core.ports import Vote
from core.store import Keys, PostgresStore
from tests.browser import chromium, needs_chromium
from tests.fakes.engine import ScriptedEngine, say
from tests.house import house_with
from tests.playground import Playground, Shown, playground

pytestmark = [pytest.mark.peers, pytest.mark.timeout(90)]

CAPITAL = "The capital of **Freedonia** is Fredville, a small town by the sea with a harbour and a market."
RIVER = "It lies on the Fred."


@dataclass(frozen=True, slots=True)
class Town:
    """The client, with our house behind it."""

    client: Playground
    store: PostgresStore

    async def votes(self, reply: ReplyId) -> tuple[Vote, ...]:
        async with self.store.unit() as unit:
            return await unit.ratings.votes(reply)

    async def until_voted(self, reply: ReplyId, score: int, comment: str = "") -> None:
        """Returns once this is what the one person's vote comes to."""
        person = self.client.person["aadObjectId"]

        async def has_come() -> bool:
            found = [(vote.author.id, vote.score, vote.comment) for vote in await self.votes(reply)]
            return found == [(person, score, comment)]

        await until(has_come, timeout=20, every=0.1)

    async def reply(self, chat: str, number: int = 1) -> ReplyId:
        """The answer that the chat's newest card names, once there are so many cards."""
        await self.client.until(lambda: len(self.client.cards(chat)) >= number)
        card = self.client.cards(chat)[-1].card
        assert card is not None
        return ReplyId(card["actions"][0]["data"]["id"])


@asynccontextmanager
async def town_of(engine: ScriptedEngine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Town, None]:
    monkeypatch.setenv("PARLEY_TEAMS__ENABLED", "true")
    monkeypatch.setenv("PARLEY_TEAMS__DEV", "true")
    async with (
        house_with(engine, folder, monkeypatch) as house,
        playground(f"{house}/channels/teams", folder / "playground") as client,
        kept() as store,
    ):
        yield Town(client, store)


@asynccontextmanager
async def kept() -> AsyncGenerator[PostgresStore, None]:
    """A look into the same database, with the same keys."""
    store = PostgresStore(os.environ["DATABASE_URL"], Keys.parse(os.environ["PARLEY_KEYS"]), pool_size=2)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def turns(engine: ScriptedEngine) -> list[str]:
    return [turn.text for turn in engine.asked[-1].conversation.turns[-3:]]


def is_labelled(answer: Shown) -> bool:
    """Shown as an AI's."""
    return (answer.now.get("aiEntity") or {}).get("additionalType") == ["AIGeneratedContent"]


def has_thumbs(answer: Shown) -> bool:
    return answer.now.get("feedbackLoopEnabled") is True


async def test_whoever_adds_the_bot_is_greeted_once_though_teams_tells_it_twice(tmp_path, monkeypatch):
    engine = ScriptedEngine(say("Here I am."))
    async with town_of(engine, tmp_path, monkeypatch) as town:
        await town.client.install(town.client.personal)
        await town.client.until(lambda: bool(town.client.answers(town.client.personal)))
        await town.client.say(town.client.personal, "Are you there?")
        await town.client.answer(town.client.personal, "Here I am.")
        await town.reply(town.client.personal)
        greeting, _ = town.client.answers(town.client.personal)
    assert "/reset" in greeting.text
    assert not has_thumbs(greeting)


async def test_a_personal_chat_is_streamed_a_follow_up_knows_the_context_and_ratings_are_kept(tmp_path, monkeypatch):
    engine = ScriptedEngine(scripts=[say(CAPITAL), say(RIVER)], delay=0.15)
    async with town_of(engine, tmp_path, monkeypatch) as town:
        client, chat = town.client, town.client.personal
        await client.say(chat, "What is the capital of Freedonia?")
        first = await client.answer(chat, CAPITAL)
        capital = await town.reply(chat)
        it_was_streamed(first)
        assert is_labelled(first)
        assert has_thumbs(first)

        engine.delay = 0
        await client.say(chat, "And on which river?")
        second = await client.answer(chat, RIVER)
        river = await town.reply(chat, 2)
        assert turns(engine) == ["What is the capital of Freedonia?", CAPITAL, "And on which river?"]
        assert is_labelled(second)
        assert has_thumbs(second)

        # Its vote names no message, so it is about the last answer; its words are bare text.
        assert await client.rate(chat, "dislike", "The Fred is a lake.") == {}
        await town.until_voted(river, 1, "The Fred is a lake.")
        await client.react(first, "personal", "like")
        await town.until_voted(capital, 5)
        (vote,) = await town.votes(river)
    assert (vote.score, vote.model) == (1, "scripted@1")


def it_was_streamed(answer: Shown) -> None:
    """An informative line, then the words as they come, then the whole, all in one message."""
    assert answer.kinds == ["informative", *["streaming"] * (len(answer.kinds) - 2), "final"]
    assert len(answer.kinds) > 2
    said = answer.texts[1:]
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    assert said[0] != CAPITAL


async def test_a_reaction_that_is_taken_back_counts_no_more(tmp_path, monkeypatch):
    async with town_of(ScriptedEngine(say(RIVER)), tmp_path, monkeypatch) as town:
        client, chat = town.client, town.client.personal
        await client.say(chat, "On which river?")
        answer = await client.answer(chat, RIVER)
        river = await town.reply(chat)
        await client.react(answer, "personal", "sad")
        await town.until_voted(river, 1)
        await client.react(answer, "personal", "sad", is_removal=True)

        async def has_gone() -> bool:
            return not any(vote.score for vote in await town.votes(river))

        await until(has_gone, timeout=20, every=0.1)


async def test_a_mention_in_a_channel_is_answered_in_its_post_and_a_follow_up_there_too(tmp_path, monkeypatch):
    engine = ScriptedEngine(scripts=[say(CAPITAL), say(RIVER)])
    async with town_of(engine, tmp_path, monkeypatch) as town:
        client = town.client
        await client.say(client.channel, "Lunch, anybody?")
        _, post = await client.say(client.channel, "What is the capital of Freedonia?", is_mention=True)
        first = await client.answer(post, CAPITAL)
        assert is_labelled(first)
        assert has_thumbs(first)
        await town.reply(post)
        await client.say(post, "And on which river?", is_mention=True)
        second = await client.answer(post, RIVER)
        river = await town.reply(post, 2)
        assert turns(engine) == ["What is the capital of Freedonia?", CAPITAL, "And on which river?"]
        assert len(engine.asked) == 2

        await client.react(second, "channel", "heart")
        await town.until_voted(river, 5)
    assert {each.chat for each in client.shown.values()} == {post}


async def test_a_mention_in_a_group_chat_is_answered_by_edits_and_never_by_a_stream(tmp_path, monkeypatch):
    engine = ScriptedEngine(say(CAPITAL), delay=0.2)
    async with town_of(engine, tmp_path, monkeypatch) as town:
        client, chat = town.client, town.client.group
        await client.say(chat, "What is the capital of Freedonia?", is_mention=True)
        answer = await client.answer(chat, CAPITAL)
        await town.reply(chat)
    # The Playground drops the thumbs of what was edited, the label it keeps.
    assert is_labelled(answer)
    assert set(answer.kinds) == {""}
    assert len(answer.texts) > 1
    assert turns(engine)[-1] == "What is the capital of Freedonia?"


async def test_a_card_under_an_answer_has_it_written_again(tmp_path, monkeypatch):
    engine = ScriptedEngine(scripts=[say(CAPITAL), say(RIVER)])
    async with town_of(engine, tmp_path, monkeypatch) as town:
        client, chat = town.client, town.client.personal
        await client.say(chat, "Where is it?")
        await client.answer(chat, CAPITAL)
        await town.reply(chat)
        card = client.cards(chat)[0]
        assert card.card is not None
        pressed = await client.press(card, card.card["actions"][0])
        assert pressed["type"] == "application/vnd.microsoft.activity.message"
        assert pressed["value"]
        await client.answer(chat, RIVER)
        await town.reply(chat, 2)
    assert len(engine.asked) == 2
    assert turns(engine)[-1] == "Where is it?"


@pytest.mark.browser
@needs_chromium()
async def test_in_a_browser_a_question_is_answered_and_its_thumb_and_words_are_kept(tmp_path, monkeypatch):
    engine = ScriptedEngine(scripts=[say(CAPITAL), say(RIVER)], delay=0.15)
    async with town_of(engine, tmp_path, monkeypatch) as town, chromium() as browser:
        page = await browser.new_page()
        await page.goto(town.client.url)
        await expect(page.get_by_role("paragraph").filter(has_text="Ask me anything")).to_be_visible()
        await page.locator("[contenteditable=true]").first.click()
        await page.keyboard.type("What is the capital of Freedonia?")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Dislike").click()
        await expect(page.get_by_text("AI generated", exact=True)).to_be_attached()
        await page.get_by_role("dialog").locator("textarea").fill("Too long.")
        await page.get_by_role("button", name="Submit").click()
        await expect(page.get_by_text("We appreciate your feedback.")).to_be_visible()
        await town.until_voted(await town.reply(town.client.personal), 1, "Too long.")
        await page.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Answer again").click()
        await town.client.answer(town.client.personal, RIVER)
        await town.reply(town.client.personal, 2)
        await page.screenshot(path=Path(os.environ.get("PARLEY_SCREENSHOTS", tmp_path)) / "playground.png")


async def test_the_client_is_reached_from_this_machine_alone(tmp_path, monkeypatch):
    async with town_of(ScriptedEngine(), tmp_path, monkeypatch) as town:
        port = int(town.client.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", port)
