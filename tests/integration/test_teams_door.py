"""Who is answered in Teams, and how: a whole house, and the stand-in for Teams in front of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from adapters.teams.delivery import TeamsDelivery
from adapters.teams.render import LIMIT
from adapters.teams.stream import Tempo
from bench.database import Server
from bench.platforms.teams import APP_PASSWORD, Delivery
from bench.platforms.teams.issuer import FORGERIES
from bench.until import until
from core.ports import Delta
from tests.fakes.engine import ScriptedEngine, say
from tests.postgres import start_embedded
from tests.slack_moves import HaltingEngine, asked_for, prompt
from tests.teams import ANNA, BEN, DIRECT, GROUP, TOWN, Town, town_with
from tests.teams_moves import (
    answer,
    at_rest,
    cards,
    kept,
    part,
    reply_of,
    sentence,
    stored,
    texts,
    until_scores,
    votes,
)

pytestmark = pytest.mark.timeout(60)

GUEST, STRANGER, BENS = "29:guest", "29:stranger", "a:ben"
ELSEWHERE = "99999999-9999-4999-8999-999999999999"
QUICK = Tempo(
    at_once=0.02,
    status_after=0.02,
    status_every=0.05,
    request_every=0.02,
    stream_every=0.05,
    edit_every=0.1,
    typing_every=0.5,
)
MAY_NOT = "I may not answer here"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Opens a town with this engine behind it."""

    def opened(engine: ScriptedEngine, **settings: str) -> Any:
        return town_with(engine, tmp_path, monkeypatch, **settings)

    return opened


@pytest.fixture
def quick(monkeypatch):
    """Answers grow in small steps, and nothing is waited for that is made for people's eyes."""
    monkeypatch.setattr("adapters.teams.adapter.TeamsDelivery", partial(TeamsDelivery, tempo=QUICK))


def settle_strangers(town: Town) -> None:
    """A guest of our tenant and somebody of another one, in the channel."""
    town.teams.add_user(GUEST, "Gus Example", role="guest")
    town.teams.add_user(STRANGER, "Sam Example", tenant=ELSEWHERE)
    town.teams.conversations.all[TOWN].members |= {GUEST, STRANGER}


def words_kept(town: Town) -> int:
    """How many messages stand in the database with what they say."""
    return int(town.rows("SELECT count(*) FROM messages WHERE NOT is_erased")[0][0])


async def growing(town: Town, chat: str = DIRECT, words: str = "An answer") -> None:
    """Returns once these words of an answer that is not finished are shown."""
    await town.teams.until(lambda: any(words in each.text and not each.has_feedback for each in texts(town, chat)))


class TestWhoIsAnswered:
    async def test_a_mention_is_answered_in_its_thread_once_however_often_it_is_told(self, house):
        engine = ScriptedEngine(say("Hello Anna."))
        async with house(engine) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} hello?")
            (told,) = town.teams.delivered("message")
            for _ in range(2):
                assert (await town.teams.deliver(told.activity)).status == 202
            reply = await answer(town, TOWN, asked, text="Hello Anna.")
            await at_rest(town)
            assert (await town.teams.deliver(told.activity)).status == 202
            await at_rest(town)
            assert (len(engine.asked), prompt(engine)) == (1, "hello?")
            assert (texts(town, TOWN), reply.root) == ([reply], asked)

    async def test_a_group_chat_is_answered_where_we_are_named_and_left_alone_else(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.teams.say(GROUP, ANNA, "Just between us", is_heard=True)
            assert stored(town) == 0
            await town.teams.say(GROUP, ANNA, f"Now {town.mention} a question")
            first = await answer(town, GROUP, text="One.")
            await at_rest(town)
            heard = stored(town)
            await town.teams.say(GROUP, BEN, "and this is for Anna", is_heard=True)
            assert stored(town) == heard
            await town.teams.say(GROUP, BEN, f"{town.mention}, and what about me?")
            second = await answer(town, GROUP, text="Two.", count=2)
            await at_rest(town)
            assert texts(town, GROUP) == [first, second]
            assert [each.suggested for each in town.teams.answers(GROUP)] == [[]] * 4
            assert not second.was_streamed
        assert [prompt(engine, 0), prompt(engine)] == ["Now a question", "and what about me?"]

    async def test_what_is_not_meant_for_us_is_not_even_written_down(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            teams = town.teams
            root = await teams.say(TOWN, ANNA, "Lunch, anybody?", is_heard=True)
            await teams.say(TOWN, BEN, "Yes!", thread=root, is_heard=True)
            await teams.edit(TOWN, root, "Lunch, anybody at all?")
            await teams.join(TOWN, BEN)
            said = teams.envelope(DIRECT, ANNA).message(teams.new_id(), "Our own")
            await teams.deliver(said | {"from": teams.bot.account()})
            await teams.deliver(said | {"type": "event", "name": "application/vnd.example"})
            assert all(delivery.is_accepted for delivery in teams.deliveries)
            assert (stored(town), engine.asked, teams.answers(TOWN)) == (0, [], [])

    async def test_a_follow_up_needs_no_mention_and_one_for_somebody_else_is_left_alone(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, TOWN, asked, text="One.")
            await at_rest(town)
            heard = stored(town)
            to_anna = {"type": "mention", "mentioned": {"id": ANNA, "name": "Anna"}, "text": "<at>Anna</at>"}
            words = "<at>Anna</at> what do you make of this?"
            await town.teams.say(TOWN, BEN, words, thread=asked, is_heard=True, entities=[to_anna])
            assert stored(town) == heard
            await town.teams.say(TOWN, BEN, "and what about Ben?", thread=asked, is_heard=True)
            await answer(town, TOWN, asked, text="Two.", count=2)
        assert prompt(engine) == "and what about Ben?"

    async def test_a_private_channel_is_answered_as_any_other(self, house):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine) as town:
            place = {"tenant": {"id": town.teams.tenant}, "channel": {"id": TOWN, "type": "private"}}
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question", channelData=place)
            await answer(town, TOWN, asked, text="Yes.")

    async def test_a_mention_with_nothing_beside_it_is_helped_in_the_language_of_the_person(self, house):
        async with house(ScriptedEngine()) as town:
            asked = await town.teams.say(TOWN, ANNA, town.mention)
            told = await sentence(town, "Ask me anything", TOWN, asked)
            other = await town.teams.say(TOWN, BEN, town.mention)
            await sentence(town, "请直接用自己的话提问", TOWN, other)
            await at_rest(town)
            assert (told.has_feedback, told.is_labelled, cards(town, TOWN)) == (False, False, [])

    @pytest.mark.parametrize("who", [GUEST, STRANGER])
    async def test_guests_and_people_of_other_tenants_are_told_once_that_they_may_not_ask(self, house, who):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine) as town:
            settle_strangers(town)
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, TOWN, asked, text="Yes.")
            await at_rest(town)
            said = len(town.teams.answers(TOWN))
            await town.teams.say(TOWN, who, "and what about me?", thread=asked, is_heard=True)
            await at_rest(town)
            assert words_kept(town) == 1, "what was not said to us is not kept"
            heard = stored(town)
            await town.teams.say(TOWN, who, "and now?", thread=asked, is_heard=True)
            assert stored(town) == heard, "it is known by then who they are"
            assert len(town.teams.answers(TOWN)) == said
            turned_away = await town.teams.say(TOWN, who, f"{town.mention} and me?")
            told = await sentence(town, MAY_NOT, TOWN, turned_away)
            await at_rest(town)
            assert town.teams.answers(TOWN, turned_away) == [told]
        assert len(engine.asked) == 1

    async def test_guests_and_people_of_other_tenants_are_answered_where_they_are_let_in(self, house):
        access = json.dumps({"teams": {"guests": True, "externals": True}})
        async with house(ScriptedEngine(say("Welcome.")), PARLEY_ACCESS=access) as town:
            settle_strangers(town)
            for who in (GUEST, STRANGER):
                asked = await town.teams.say(TOWN, who, f"{town.mention} may I?")
                await answer(town, TOWN, asked, text="Welcome.")

    async def test_somebody_whom_the_roster_does_not_know_may_not_ask(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            town.teams.fail("member", 404, "MemberNotFoundInConversation")
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await sentence(town, MAY_NOT, TOWN, asked)
            await at_rest(town)
        assert engine.asked == []

    async def test_a_conversation_of_another_tenant_is_refused(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            town.teams.add_user(STRANGER, "Sam Example", tenant=ELSEWHERE)
            town.teams.add_chat("a:sam", members=[STRANGER]).tenant = ELSEWHERE
            await town.teams.say("a:sam", STRANGER, "a question")
            await sentence(town, MAY_NOT, "a:sam")
            await at_rest(town)
        assert engine.asked == []


class TestGreeting:
    async def test_whoever_adds_the_bot_is_greeted_once_in_their_language(self, house):
        async with house(ScriptedEngine()) as town:
            town.teams.add_chat(BENS, members=[BEN])
            for chat, who, words in ((DIRECT, ANNA, "Ask me anything"), (BENS, BEN, "请直接用自己的话提问")):
                told = await town.teams.install(chat, who)
                assert [each.is_accepted for each in told] == [True, True]
                greeting = await sentence(town, words, chat)
                await at_rest(town)
                assert town.teams.answers(chat) == [greeting]

    async def test_a_channel_is_greeted_with_a_post_of_its_own(self, house):
        async with house(ScriptedEngine()) as town:
            await town.teams.install(TOWN, ANNA)
            greeting = await sentence(town, "Ask me anything", TOWN)
            await at_rest(town)
            assert (town.teams.answers(TOWN), greeting.root) == ([greeting], "")


class TestSecondThoughts:
    @pytest.mark.parametrize("chat", [DIRECT, TOWN])
    async def test_a_question_edited_too_soon_is_answered_as_it_is_now(self, house, quick, chat):
        engine = HaltingEngine(scripts=[say("An old answer."), say("A new answer.")], before=3)
        async with house(engine) as town:
            called = f"{town.mention} " if chat == TOWN else ""
            asked = await town.teams.say(chat, ANNA, f"{called}the old question")
            await engine.halted()
            await town.teams.edit(chat, asked, f"{called}the new question")
            await asked_for(engine, 2)
            engine.go.set()
            reply = await answer(town, chat, text="A new answer.")
            await at_rest(town)
            assert (texts(town, chat), prompt(engine)) == ([reply], "the new question")

    async def test_an_edit_of_what_is_answered_starts_no_new_turn(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            asked = await town.teams.say(DIRECT, ANNA, "the old question")
            first = await answer(town, text="One.")
            await town.teams.edit(DIRECT, asked, "the new question")
            await at_rest(town)
            assert (len(engine.asked), texts(town)) == (1, [first])
            await town.teams.say(DIRECT, ANNA, "and so?")
            await answer(town, text="Two.", count=2)
        assert engine.asked[1].conversation.turns[-3].text == "the new question"

    @pytest.mark.parametrize("chat", [DIRECT, TOWN])
    async def test_a_question_that_is_deleted_is_no_longer_answered_nor_kept(self, house, quick, chat):
        engine = HaltingEngine(say("An answer that is not finished."), before=5)
        async with house(engine) as town:
            asked = await town.teams.say(chat, ANNA, f"{town.mention if chat == TOWN else ''} a question")
            await growing(town, chat)
            await town.teams.delete(chat, asked)
            await at_rest(town)
            assert [each.text for each in texts(town, chat)] == ["The question was deleted, so I stopped answering it."]
            assert (engine.asked[0].is_closed, engine.asked[0].is_finished) == (True, False)
            assert town.rows("SELECT is_erased FROM messages") == [(True,)]

    async def test_a_question_that_is_deleted_later_is_forgotten(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            secret = await town.teams.say(DIRECT, ANNA, "a secret")
            await answer(town, text="One.")
            await town.teams.delete(DIRECT, secret)
            await at_rest(town)
            await town.teams.say(DIRECT, ANNA, "and now?")
            await answer(town, text="Two.", count=2)
        assert "a secret" not in str(engine.asked[1].conversation.turns)

    async def test_a_question_that_comes_after_its_edits_is_answered_as_it_is_now(self, house):
        """It was not taken at first, as where the database is away, and Teams sends it again a while later."""
        engine = ScriptedEngine(say("A new answer."))
        async with house(engine) as town:
            lost = await self._lost(town, DIRECT, "the old question")
            for words in ("a newer question", "the new question"):
                await town.teams.edit(DIRECT, lost["id"], words)
            await at_rest(town)
            assert (engine.asked, town.teams.answers(DIRECT)) == ([], [])
            assert (await town.teams.deliver(lost)).status == 202
            reply = await answer(town, text="A new answer.")
            await at_rest(town)
            assert (texts(town), len(engine.asked), prompt(engine)) == ([reply], 1, "the new question")

    async def test_a_question_that_comes_after_its_deletion_is_not_answered(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            lost = await self._lost(town, DIRECT, "a question")
            await town.teams.delete(DIRECT, lost["id"])
            await at_rest(town)
            assert (await town.teams.deliver(lost)).status == 202
            await at_rest(town)
            assert (engine.asked, town.teams.answers(DIRECT)) == ([], [])

    async def _lost(self, town: Town, chat: str, text: str) -> dict[str, Any]:
        """Anna says something that Teams can't tell us of; the activity, to be delivered later."""
        teams, endpoint = town.teams, town.teams.endpoint
        teams.endpoint = f"{town.house}/nowhere"
        await teams.say(chat, ANNA, text)
        teams.endpoint = endpoint
        assert not teams.deliveries[-1].is_accepted
        return teams.deliveries[-1].activity

    async def test_what_was_not_for_us_does_not_become_a_question_by_an_edit(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            said = await town.teams.say(TOWN, ANNA, "Just talking")
            await town.teams.edit(TOWN, said, f"{town.mention} what do you think?")
            await at_rest(town)
            assert (engine.asked, town.teams.answers(TOWN)) == ([], [])

    async def test_an_answer_is_written_again_for_its_asker_alone(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            first = await answer(town, TOWN, asked, text="One.")
            await at_rest(town)
            (card,) = cards(town, TOWN, asked)
            told = await town.teams.click(TOWN, card.id, BEN, "regenerate")
            assert told.problem == ""
            await at_rest(town)
            assert len(engine.asked) == 1, "it is hers"
            told = await town.teams.click(TOWN, card.id, ANNA, "regenerate")
            assert (told.problem, told.body["value"]) == ("", "Answering again…")
            second = await answer(town, TOWN, asked, text="Two.")
            await at_rest(town)
            assert {first.id, second.id} <= {each.id for each in texts(town, TOWN, asked)}
            assert prompt(engine) == "a question"

    async def test_two_clicks_on_answer_again_are_one(self, house, quick):
        engine = HaltingEngine(scripts=[say("One."), say("Two and more."), say("Three.")], before=100)
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One.")
            await at_rest(town)
            engine.before = 0
            (card,) = cards(town)
            for _ in range(2):
                assert (await town.teams.click(DIRECT, card.id, ANNA, "regenerate")).problem == ""
            await asked_for(engine, 2)
            engine.go.set()
            await answer(town, text="Two and more.")
            await at_rest(town)
            assert (len(engine.asked), prompt(engine)) == (2, "a question")


class TestStopping:
    @pytest.fixture
    def engine(self):
        return HaltingEngine(say("An answer that goes on and on."), before=5)

    @pytest.mark.parametrize("chat", [DIRECT, TOWN])
    async def test_the_word_of_the_asker_stops_the_answer(self, house, engine, quick, chat):
        async with house(engine) as town:
            asked = await town.teams.say(chat, ANNA, f"{town.mention} a question")
            await growing(town, chat)
            await town.teams.say(chat, ANNA, "stop", thread=asked if chat == TOWN else "", is_heard=True)
            reply = await answer(town, chat)
            await at_rest(town)
            assert ([reply], reply.text.rstrip()) == (texts(town, chat), "An answer that")
            assert (engine.asked[0].is_closed, engine.asked[0].is_finished) == (True, False)

    async def test_who_has_nothing_to_stop_is_told_so(self, house):
        async with house(ScriptedEngine()) as town:
            await town.teams.say(DIRECT, ANNA, "stop")
            await sentence(town, "nothing to stop")
            await at_rest(town)
            assert len(texts(town)) == 1

    async def test_the_word_of_another_person_does_not(self, house, engine, quick):
        async with house(engine) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await growing(town, TOWN)
            await town.teams.say(TOWN, BEN, "停止", thread=asked, is_heard=True)
            await sentence(town, "没有正在回答的您的问题", TOWN, asked)
            engine.go.set()
            await answer(town, TOWN, asked, text="An answer that goes on and on.")

    async def test_an_admin_stops_the_answer_of_another_person(self, house, engine, quick):
        ben = str(uuid5(NAMESPACE_URL, BEN))
        async with house(engine, PARLEY_ACCESS=json.dumps({"teams": {"admins": [ben]}})) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await growing(town, TOWN)
            await town.teams.say(TOWN, BEN, "停止", thread=asked, is_heard=True)
            reply = await answer(town, TOWN, asked)
            await at_rest(town)
            assert reply.text.rstrip() == "An answer that"

    async def test_the_stop_of_teams_itself_ends_the_engine_and_leaves_what_was_said(self, house, quick):
        engine = ScriptedEngine(say("An answer " + "that goes on and on " * 100), delay=0.02)
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await growing(town)
            stopped = town.teams.stop_stream(DIRECT)

            async def is_over() -> bool:
                return engine.asked[0].is_closed

            await until(is_over, timeout=10)
            await at_rest(town)
            assert (engine.asked[0].is_finished, texts(town)) == (False, [stopped])
            assert stopped.text.startswith("An answer")
            engine.script = say("Another answer.")
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Another answer.")


class TestHowItIsShown:
    async def test_a_long_answer_comes_in_parts_that_stand_by_themselves_and_are_one_answer(self, house):
        code = "".join(f"line_{number} = {number}\n" for number in range(2600))
        text = f"Here it is.\n\n```python\n{code}```\n\nThe end."
        assert len(text) > 2 * LIMIT
        async with house(ScriptedEngine([Delta(text)])) as town:
            await town.teams.say(DIRECT, ANNA, "write it all")
            last = await answer(town)
            await at_rest(town)
            parts = texts(town)
            assert len(parts) >= 3
            assert parts[-1] is last
            assert [each.has_feedback for each in parts[:-1]] == [False] * (len(parts) - 1)
            assert all(each.is_labelled for each in parts)
            for number in range(2600):
                assert sum(f"line_{number} = {number}\n" in each.text for each in parts) == 1
            reply = await kept(town, reply_of(town, DIRECT))
            assert {part(DIRECT, each.id) for each in parts} <= set(reply.parts)
            await town.teams.react(DIRECT, parts[0].id, ANNA, "sad")
            await until_scores(town, reply.id, {ANNA: 1})

    async def test_a_chinese_person_reads_chinese(self, house, quick):
        engine = HaltingEngine(say("弗雷德尼亚 的 首都 是 弗雷德维尔 。"), before=0)
        async with house(engine) as town:
            town.teams.add_chat(BENS, members=[BEN])
            await town.teams.say(BENS, BEN, "首都是哪里？")
            await town.teams.until(lambda: town.teams.answers(BENS)[0].informative if town.teams.answers(BENS) else "")
            assert town.teams.answers(BENS)[0].informative == "正在思考……"
            engine.go.set()
            await answer(town, BENS)
            await at_rest(town)
            assert "说得更通俗一些" in [each["title"] for each in cards(town, BENS)[0].suggested]
            assert "重新回答" in str(cards(town, BENS)[0].card())

    async def test_a_suggestion_under_the_last_message_is_asked_in_the_persons_own_name(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One.")
            await at_rest(town)
            await town.teams.choose(DIRECT, town.teams.messages(DIRECT)[-1].id, ANNA, "Make it shorter")
            await answer(town, text="Two.", count=2)
        assert prompt(engine) == "Make it shorter"

    async def test_in_a_channel_somebody_is_seen_typing_and_one_message_grows(self, house, quick):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await growing(town, TOWN)
            assert town.teams.called("typing")
            engine.go.set()
            reply = await answer(town, TOWN, asked, text="An answer that goes on and on.")
            await at_rest(town)
            assert (texts(town, TOWN), reply.was_streamed) == ([reply], False)
            assert town.teams.called("stream") == []

    async def test_a_stream_that_teams_ends_for_its_age_goes_on_in_the_same_message(self, house, quick):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await growing(town)
            assert town.teams.expire_streams() == 1
            engine.go.set()
            reply = await answer(town, text="An answer that goes on and on.")
            await at_rest(town)
            assert (texts(town), reply.was_streamed, reply.edits > 0) == ([reply], True, True)

    @pytest.mark.parametrize("chat", [DIRECT, TOWN])
    async def test_an_answer_that_teams_does_not_take_at_once_is_given_once(self, house, chat):
        async with house(ScriptedEngine(say("An answer."))) as town:
            town.teams.rate_limit("send", seconds=1)
            town.teams.fail("send", 502)
            await town.teams.say(chat, ANNA, f"{town.mention} a question")
            reply = await answer(town, chat, text="An answer.")
            await at_rest(town)
            assert texts(town, chat) == [reply]

    @pytest.mark.parametrize("chat", [DIRECT, GROUP])
    async def test_another_model_that_begins_anew_leaves_nothing_of_the_first_one(self, house, quick, chat):
        long = [Delta("A first try. " * 700) for _ in range(4)]
        engine = ScriptedEngine([*long, Delta("", is_anew=True), *say("A second one.")], delay=0.2)
        async with house(engine) as town:
            await town.teams.say(chat, ANNA, f"{town.mention} a question")
            await town.teams.until(lambda: len(texts(town, chat)) > 1)
            await answer(town, chat, text="A second one.")
            await at_rest(town)
            assert [each.text for each in texts(town, chat)] == ["A second one."]

    async def test_what_is_streamed_is_never_taken_back_however_it_is_marked_up(self, house, quick):
        text = (
            "# Towns\n\nThere are **two**, see [the map](https://example.com/map):\n\n"
            "| Town | People |\n|---|---|\n| Fredville | 1,200 |\n| Annaburg | 3 |\n\n"
            "1. One\n2. Two\n   - inside\n\n```python\nprint('*not* bold')\n```\n\nAnd <at>Ben</at> & `so on`."
        )
        pieces = [Delta(text[start : start + 5]) for start in range(0, len(text), 5)]
        async with house(ScriptedEngine(pieces, delay=0.02)) as town:
            await town.teams.say(DIRECT, ANNA, "tell me")
            reply = await answer(town)
            await at_rest(town)
            assert (texts(town), reply.was_streamed, reply.edits) == ([reply], True, 0)
            calls = town.teams.called("stream")
            assert len(calls) > 5
            assert all(call.is_ok for call in calls)
            for words in ("Towns", "Fredville", "1,200", "print('*not* bold')", "https://example.com/map"):
                assert words in reply.text
            assert "|---|" not in reply.text

    async def test_a_stream_that_outgrows_its_message_goes_on_in_the_next_one(self, house, quick):
        text = "".join(f"This is sentence number {number}. " for number in range(1500)).rstrip()
        assert len(text) > 2 * LIMIT
        pieces = [Delta(text[start : start + 2000]) for start in range(0, len(text), 2000)]
        async with house(ScriptedEngine(pieces, delay=0.1)) as town:
            await town.teams.say(DIRECT, ANNA, "tell me all")
            await answer(town)
            await at_rest(town)
            parts = texts(town)
            assert parts[0].was_streamed
            assert " ".join(each.text for each in parts).split() == text.split()
            assert [each.has_feedback for each in parts] == [False] * (len(parts) - 1) + [True]

    @pytest.mark.parametrize("kind", ["swallow", "drop"])
    async def test_a_stream_that_may_not_have_begun_is_done_without(self, house, quick, kind):
        engine = ScriptedEngine(scripts=[say("One and a bit more of it."), say("Two.")], delay=0.05)
        async with house(engine) as town:
            getattr(town.teams, kind)("stream")
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One and a bit more of it.")
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.", count=2)
            await at_rest(town)
            assert [each.text for each in texts(town)] == ["One and a bit more of it.", "Two."]

    @pytest.mark.parametrize("fault", ["rate_limit", "swallow", "drop"])
    async def test_a_stream_that_is_disturbed_in_its_middle_is_whole_in_the_end(self, house, quick, fault):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await growing(town)
            getattr(town.teams, fault)("stream")
            engine.go.set()
            reply = await answer(town, text="An answer that goes on and on.")
            await at_rest(town)
            assert texts(town) == [reply]

    async def test_many_answers_in_one_channel_are_all_given_within_the_limits_of_teams(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            town.teams.has_limits = True
            asked = await asyncio.gather(
                *(town.teams.say(TOWN, (ANNA, BEN)[number % 2], f"{town.mention} {number}?") for number in range(8))
            )
            for root in asked:
                await answer(town, TOWN, root, text="An answer.")
            await at_rest(town)
            assert len(texts(town, TOWN)) == len(cards(town, TOWN)) == 8
            assert len([call for call in town.teams.calls if call.status == 429]) < 4

    async def test_an_answer_that_is_too_large_for_teams_comes_in_smaller_parts(self, house):
        text = "\n\n".join(f"{number}. " + "words and more words. " * 60 for number in range(1, 11))
        async with house(ScriptedEngine([Delta(text)])) as town:
            town.teams.max_bytes = 12_000
            await town.teams.say(DIRECT, ANNA, "all of it")
            last = await answer(town)
            await at_rest(town)
            parts = texts(town)
            assert len(parts) > 2
            assert parts[-1] is last
            assert sum(each.text.count("words and more words.") for each in parts) == 600

    async def test_questions_asked_at_once_are_answered_one_after_the_other(self, house, quick):
        engine = ScriptedEngine(scripts=[say("One and more of it."), say("Two and more of it.")], delay=0.05)
        async with house(engine) as town:
            for words in ("first", "second"):
                await town.teams.say(DIRECT, ANNA, words)
            await answer(town, text="Two and more of it.", count=2)
            await at_rest(town)
            assert [each.text for each in texts(town)] == ["One and more of it.", "Two and more of it."]
        assert [prompt(engine, 0), prompt(engine)] == ["first", "second"]

    async def test_an_answer_to_somebody_who_blocked_the_bot_meanwhile_is_given_up(self, house):
        engine = HaltingEngine(scripts=[say("One."), say("Two.")], before=0)
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await engine.halted()
            town.teams.block(DIRECT)
            engine.go.set()
            await at_rest(town)
            assert [each for each in texts(town) if not each.was_streamed] == []
            town.teams.block(DIRECT, is_blocked=False)
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.")

    async def test_an_engine_that_fails_is_told_of_in_a_sentence(self, house):
        async with house(ScriptedEngine([Delta("An "), RuntimeError("broken")])) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            told = await sentence(town, "Something went wrong")
            await at_rest(town)
            assert (texts(town), told.has_feedback, told.is_labelled) == ([told], False, False)
            assert "broken" not in told.text

    async def test_a_file_that_cannot_be_read_is_told_of(self, house):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine) as town:
            content = {"downloadUrl": "https://files.example.com/1", "uniqueId": "1", "fileType": "pdf"}
            kind = "application/vnd.microsoft.teams.file.download.info"
            paper = {"contentType": kind, "name": "paper.pdf", "content": content}
            await town.teams.say(DIRECT, ANNA, "what is in it?", attachments=[paper])
            await sentence(town, "paper.pdf")
            await at_rest(town)

    async def test_a_forgotten_conversation_is_begun_anew(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One.")
            await town.teams.say(DIRECT, ANNA, "/reset")
            await sentence(town, "I no longer use what was said")
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.", count=2)
        assert [turn.text for turn in engine.asked[1].conversation.turns if turn.role == "user"] == ["another question"]

    async def test_an_answer_whose_fate_is_unknown_is_sent_again_with_a_mark(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            town.teams.swallow("send")
            await town.teams.say(DIRECT, ANNA, "a question")
            marked = await sentence(town, "Sent again, because Teams did not confirm it")
            await at_rest(town)
            first, second = texts(town)
            assert (first.text, second) == ("An answer.", marked)
            assert marked.text.endswith("An answer.")


class TestRatings:
    async def test_a_thumb_without_its_target_is_for_the_persons_last_answer(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            first = await answer(town, text="One.")
            await at_rest(town)
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.", count=2)
            await at_rest(town)
            told = await town.teams.feedback(DIRECT, first.id, ANNA, "dislike", "bad", with_target=False)
            assert told.problem == ""
            await until_scores(town, reply_of(town, DIRECT), {ANNA: 1})
            assert await votes(town, reply_of(town, DIRECT, number=0)) == ()

    async def test_a_thumb_that_names_a_message_nobody_knows_is_for_the_persons_last_answer(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town)
            await at_rest(town)
            value = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": "well done"}}
            told = await town.teams.invoke(DIRECT, ANNA, "message/submitAction", value, reply_to="1700000000000")
            assert told.problem == ""
            await until_scores(town, reply_of(town, DIRECT), {ANNA: 5})
            (vote,) = await votes(town, reply_of(town, DIRECT))
            assert vote.comment == "well done"

    async def test_a_reaction_that_is_no_vote_and_one_on_what_others_wrote_are_no_ratings(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, TOWN, asked)
            await at_rest(town)
            await town.teams.react(TOWN, reply.id, BEN, "surprised")
            await town.teams.react(TOWN, asked, BEN, "sad")
            assert await votes(town, reply_of(town, TOWN, asked)) == ()

    async def test_who_may_not_ask_has_no_vote(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            settle_strangers(town)
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, TOWN, asked)
            await at_rest(town)
            for who in (GUEST, STRANGER):
                await town.teams.react(TOWN, reply.id, who, "sad")
                assert (await town.teams.feedback(TOWN, reply.id, who, "dislike")).problem == ""
            await town.teams.react(TOWN, reply.id, BEN, "like")
            await until_scores(town, reply_of(town, TOWN, asked), {BEN: 5})
            await at_rest(town)
            assert len(await votes(town, reply_of(town, TOWN, asked))) == 1

    async def test_of_two_reactions_one_is_taken_back_and_the_other_stays(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, TOWN, asked)
            await at_rest(town)
            await town.teams.react(TOWN, reply.id, BEN, "like")
            await town.teams.react(TOWN, reply.id, BEN, "sad")
            await until_scores(town, reply_of(town, TOWN, asked), {BEN: 1})
            await town.teams.unreact(TOWN, reply.id, BEN, "sad")
            await until_scores(town, reply_of(town, TOWN, asked), {BEN: 5})
            await town.teams.unreact(TOWN, reply.id, BEN, "like")
            await until_scores(town, reply_of(town, TOWN, asked), {})

    async def test_answer_again_stays_in_its_thread_where_the_click_does_not_name_it(self, house):
        async with house(ScriptedEngine(scripts=[say("One."), say("Two.")])) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, TOWN, asked, text="One.")
            await at_rest(town)
            (card,) = cards(town, TOWN, asked)
            (button,) = (card.card() or {})["actions"]
            await town.teams.invoke(TOWN, ANNA, "adaptiveCard/action", {"action": button}, reply_to=card.id)
            await answer(town, TOWN, asked, text="Two.")

    async def test_each_of_two_answers_to_a_question_has_its_own_votes(self, house):
        async with house(ScriptedEngine(scripts=[say("One."), say("Two.")])) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            first = await answer(town, TOWN, asked, text="One.")
            await at_rest(town)
            (card,) = cards(town, TOWN, asked)
            await town.teams.click(TOWN, card.id, ANNA, "regenerate")
            second = await answer(town, TOWN, asked, text="Two.")
            await at_rest(town)
            await town.teams.react(TOWN, first.id, BEN, "sad")
            await town.teams.react(TOWN, second.id, BEN, "like")
            await until_scores(town, reply_of(town, TOWN, asked, number=0), {BEN: 1})
            await until_scores(town, reply_of(town, TOWN, asked), {BEN: 5})

    async def test_an_invoke_that_nobody_knows_is_answered_so(self, house):
        async with house(ScriptedEngine()) as town:
            told = await town.teams.invoke(DIRECT, ANNA, "composeExtension/query", {"commandId": "search"})
            assert (told.status, stored(town)) == (400, 0)


class TestKeysAndTokens:
    async def test_new_keys_of_teams_are_believed_and_a_token_of_ours_that_is_over_is_renewed(
        self, house, caplog, monkeypatch
    ):
        monkeypatch.setattr("adapters.teams.keys.PAUSE", 0.0)  # the house may have looked for the first one already
        monkeypatch.setattr("adapters.teams.credentials._FRESH", 0.0)
        caplog.set_level("DEBUG", "adapters")
        engine = ScriptedEngine(scripts=[say("One."), say("Two."), say("Three.")])
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One.")
            await at_rest(town)
            town.teams.login.expire()
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.", count=2)
            await at_rest(town)
            town.teams.issuer.rotate(keeps_old=False)
            await town.teams.say(DIRECT, ANNA, "a third question")
            await answer(town, text="Three.", count=3)
            await at_rest(town)
        for secret in (APP_PASSWORD, "token-", "eyJ", "a third question"):
            assert secret not in caplog.text


class TestBadInput:
    async def test_a_token_that_is_not_of_teams_is_refused_and_nothing_is_kept(self, house):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine) as town:
            teams = town.teams
            for name in FORGERIES:
                said = teams.envelope(DIRECT, ANNA).message(teams.new_id(), "let me in")
                told = await teams.deliver(said, teams.issuer.forged(name))
                assert (name, told.status) == (name, 401)
            said = teams.envelope(DIRECT, ANNA).message(teams.new_id(), "let me in")
            assert (await teams.deliver(said | {"channelId": "webchat"})).status == 401
            assert (await teams.deliver(said | {"serviceUrl": "https://service.example.com/"})).status == 401
            assert (stored(town), engine.asked, teams.answers(DIRECT)) == (0, [], [])
            await teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="Yes.")

    async def test_a_malformed_activity_is_refused_and_nothing_is_kept(self, house):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine) as town:
            teams = town.teams
            sound = teams.envelope(DIRECT, ANNA).message(teams.new_id(), "a question")
            for name, value in (
                ("type", None),
                ("type", 5),
                ("id", ["x"]),
                ("conversation", None),
                ("conversation", {"id": ""}),
                ("conversation", "a:anna"),
                ("from", {}),
                ("recipient", {}),
                ("text", {"no": "text"}),
                ("entities", "none"),
                ("timestamp", "yesterday"),
            ):
                told = await teams.deliver(deepcopy(sound) | {name: value})
                assert (name, value, told.status) == (name, value, 400)
            for body in (b"", b"{", b"[]", b"null", b'"activity"', b"\xff\xfe"):
                attempt = await teams.courier.post(Delivery("message", {}), body, None)
                assert (body, attempt.status) == (body, 400)
            assert (stored(town), engine.asked) == (0, [])
            await teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="Yes.")


@pytest.fixture(scope="module")
def postgres() -> Generator[Server, None, None]:
    """A database server that belongs to these tests alone, so that they may break it off."""
    embedded = start_embedded()
    server = Server(embedded.url, embedded.data)
    yield server
    server.close()
    embedded.stop()


@pytest.fixture
async def database(postgres: Server, monkeypatch) -> AsyncGenerator[Server, None]:
    """Where the next house keeps everything."""
    async with postgres.new() as url:
        monkeypatch.setattr("tests.house.database", lambda: nullcontext(url))
        yield postgres


@asynccontextmanager
async def away(database: Server) -> AsyncIterator[None]:
    """Breaks the database off, and starts it again."""
    await asyncio.to_thread(database.break_off)
    try:
        yield
    finally:
        await asyncio.to_thread(database.start_again)


class TestWhoAsks:
    """Teams says so only when it is asked, once what they said is stored and acknowledged."""

    async def test_it_is_stored_and_acknowledged_before_and_answered_after_teams_says_who_asks(self, house):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine) as town:
            town.teams.hang("member", times=100)
            await town.teams.say(DIRECT, ANNA, "a question")
            (told,) = town.teams.delivered("message")
            assert [attempt.status for attempt in told.attempts] == [202]
            assert town.rows("SELECT lane FROM inbox WHERE status < 2") == [("turn",)]
            await town.teams.until(lambda: town.teams.called("member"))
            assert (engine.asked, texts(town)) == ([], [])
            town.teams.heal()
            await answer(town, text="An answer.")
            await at_rest(town)
            assert (len(engine.asked), len(town.teams.called("member"))) == (1, 1)

    async def test_a_guest_is_refused_once_teams_says_that_they_are_one(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            settle_strangers(town)
            town.teams.hang("member", times=100)
            asked = await town.teams.say(TOWN, GUEST, f"{town.mention} a question")
            await town.teams.until(lambda: town.teams.called("member"))
            assert town.teams.answers(TOWN, asked) == []
            town.teams.heal()
            await sentence(town, MAY_NOT, TOWN, asked)
            await at_rest(town)
        assert engine.asked == []

    async def test_where_teams_does_not_say_it_is_asked_again_until_it_does(self, house):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine) as town:
            town.teams.fail("member", 400, "ServiceError", times=2)
            await town.teams.say(DIRECT, ANNA, "a question")
            (told,) = town.teams.delivered("message")
            assert [attempt.status for attempt in told.attempts] == [202]
            reply = await answer(town)
            await at_rest(town)
            assert (len(engine.asked), texts(town), len(town.teams.called("member"))) == (1, [reply], 3)

    async def test_others_are_answered_while_teams_does_not_say_who_somebody_is(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two."), say("Three.")])
        async with house(engine) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            await answer(town, text="One.")
            town.teams.hang("member", times=100)
            asked = await town.teams.say(TOWN, BEN, f"{town.mention} and what about Ben?")
            await town.teams.until(lambda: len(town.teams.called("member")) == 2)
            await town.teams.say(DIRECT, ANNA, "another question")
            await answer(town, text="Two.", count=2)
            assert town.teams.answers(TOWN, asked) == []
            town.teams.heal()
            await answer(town, TOWN, asked, text="Three.")

    async def test_a_vote_counts_once_teams_says_who_cast_it(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            asked = await town.teams.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, TOWN, asked)
            await at_rest(town)
            town.teams.hang("member", times=100)
            told = await town.teams.feedback(TOWN, reply.id, BEN, "dislike", "bad")
            assert (told.status, told.problem) == (200, "")
            await town.teams.until(lambda: len(town.teams.called("member")) == 2)
            assert await votes(town, reply_of(town, TOWN, asked)) == ()
            town.teams.heal()
            await until_scores(town, reply_of(town, TOWN, asked), {BEN: 1})


class TestWhatIsNotKept:
    async def test_is_not_acknowledged_and_answered_once_it_is_told_again(self, house, database):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine) as town:
            courier = town.teams.courier
            courier.retries_errors, courier.redeliveries, courier.retry_delay = True, 50, 0.2
            async with away(database):
                asking = asyncio.create_task(town.teams.say(DIRECT, ANNA, "a question"))
                refused = await town.teams.until(lambda: [each for each in town.teams.deliveries if each.attempts])
                assert {attempt.status for attempt in refused[0].attempts} == {503}
            await asking
            assert refused[0].is_accepted
            reply = await answer(town, text="An answer.")
            await at_rest(town)
            assert (texts(town), len(engine.asked)) == ([reply], 1)

    async def test_a_vote_is_told_to_the_person_as_one(self, house, database):
        async with house(ScriptedEngine(say("An answer."))) as town:
            await town.teams.say(DIRECT, ANNA, "a question")
            reply = await answer(town)
            await at_rest(town)
            async with away(database):
                told = await town.teams.feedback(DIRECT, reply.id, ANNA, "dislike", "bad")
                assert (told.status, told.problem) == (503, "Something went wrong. Please try again. (503)")
            assert (await town.teams.feedback(DIRECT, reply.id, ANNA, "dislike", "bad")).problem == ""
            await until_scores(town, reply_of(town, DIRECT), {ANNA: 1})
