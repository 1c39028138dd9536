"""Who is answered in Slack, and how: a whole house, and the stand-in for Slack in front of it."""

import asyncio
import json
from copy import deepcopy
from typing import Any

import pytest

from bench.platforms.slack import Message, payloads
from core.message import PartId
from core.ports import Delta
from tests.fakes.engine import ScriptedEngine, say
from tests.slack import ANNA, BEN, DIRECT, TOWN, WAYS, Town, town_with
from tests.slack_moves import (
    HaltingEngine,
    again,
    answer,
    asked_for,
    at_rest,
    buttons,
    is_finished,
    prompt,
    reply_of,
    sentence,
    shown,
    stored,
    until_scores,
    votes,
)

pytestmark = pytest.mark.timeout(60)

CARO, GUEST, STRANGER = "U0CARO001", "U0GUEST01", "U0ELSE001"
GROUP, SHARED = "G0GROUP01", "C0SHARED1"
LET_IN = json.dumps({"slack": {"admins": [CARO]}})


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Opens a town with this engine behind it."""

    def opened(engine: ScriptedEngine, **settings: str) -> Any:
        return town_with(engine, tmp_path, monkeypatch, **settings)

    return opened


@pytest.fixture
def quick(monkeypatch):
    """Answers grow in small steps, and nothing is waited for that is made for people's eyes."""
    monkeypatch.setattr("adapters.slack.writer._STREAM_EVERY", 0.05)
    monkeypatch.setattr("adapters.slack.writer._STREAM_TIER", 6000)
    monkeypatch.setattr("adapters.slack.delivery._STATUS_EVERY", 0.1)


class TestWhoIsAnswered:
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_mention_is_answered_in_its_thread_once_however_often_it_is_told(self, house, way):
        engine = ScriptedEngine(say("Hello Anna."))
        async with house(engine, way=way) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} hello?")
            told = [each.payload for each in town.slack.deliveries if each.kind in ("message", "app_mention")]
            assert len(told) == 2
            for payload in told:
                assert (await town.slack.deliver(again(payload))).status == 200
            reply = await answer(town, asked, "Hello Anna.")
            await at_rest(town)
            assert (len(engine.asked), town.slack.answers(TOWN, asked)) == (1, [reply])
            assert (prompt(engine), reply.thread_ts) == ("hello?", asked)
            assert town.slack.answers(TOWN) == [reply]

    @pytest.mark.parametrize("way", WAYS)
    async def test_direct_messages_are_answered_each_root_in_a_thread_of_its_own(self, house, way):
        engine = ScriptedEngine(scripts=[say("One."), say("Two."), say("Three.")])
        async with house(engine, way=way) as town:
            first = await town.slack.say(DIRECT, ANNA, "a first question")
            await answer(town, first, "One.", channel=DIRECT)
            await town.slack.say(DIRECT, ANNA, "and more of it", thread_ts=first)
            await answer(town, first, "Two.", channel=DIRECT)
            other = await town.slack.say(DIRECT, ANNA, f"<@{BEN}> is who I mean")
            await answer(town, other, "Three.", channel=DIRECT)
        said = [[turn.text for turn in asked.conversation.turns if turn.role != "system"] for asked in engine.asked]
        assert said == [
            ["a first question"],
            ["a first question", "One.", "and more of it"],
            [f"@{BEN} is who I mean"],
        ]

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_follow_up_needs_no_mention_and_one_for_somebody_else_is_left_alone(self, house, way):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine, way=way) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked, "One.")
            heard = stored(town)
            await town.slack.say(TOWN, BEN, f"<@{ANNA}> what do you make of this?", thread_ts=asked)
            assert stored(town) == heard
            await town.slack.say(TOWN, BEN, "and what about Ben?", thread_ts=asked)
            await answer(town, asked, "Two.")
        assert prompt(engine) == "and what about Ben?"

    async def test_what_is_not_meant_for_us_is_not_even_written_down(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            slack = town.slack
            slack.add_channel(GROUP, "mpim", members=[ANNA, BEN])
            root = await slack.say(TOWN, ANNA, "Lunch, anybody?")
            await slack.say(TOWN, BEN, "Yes!", thread_ts=root)
            await slack.say(GROUP, ANNA, "Just between us")
            await slack.join(TOWN, BEN)
            await slack.edit(TOWN, root, "Lunch, anybody at all?")
            await slack.react(TOWN, root, BEN, "+1")
            await slack.delete(TOWN, root)
            for body in (
                payloads.said_by_integration(f"{town.mention} deployed", ts="1700000001.000001"),
                payloads.said_by_bot("Hello", user="U0OTHERB1", bot="B0OTHER01", ts="1700000001.000002"),
                payloads.said_by_bot("Our own", ts="1700000001.000003"),
            ):
                event = payloads.message_event(body, channel=TOWN)
                assert (await slack.deliver(payloads.event_callback(event))).status == 200
                assert (await slack.deliver(payloads.event_callback(payloads.mention_event(body, channel=TOWN)))).status
            assert all(delivery.status == 200 for delivery in slack.deliveries)
            assert (stored(town), engine.asked, slack.answers(TOWN)) == (0, [], [])

    async def test_a_follow_up_for_the_whole_channel_is_one(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked, "One.")
            await town.slack.say(TOWN, ANNA, "and for all of you?", thread_ts=asked, is_broadcast=True)
            await answer(town, asked, "Two.")
            await at_rest(town)
        assert [prompt(engine, 0), prompt(engine)] == ["a question", "and for all of you?"]

    async def test_in_a_group_a_mention_is_needed_once(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            town.slack.add_channel(GROUP, "mpim", members=[ANNA, BEN])
            asked = await town.slack.say(GROUP, ANNA, f"{town.mention} hello?")
            await answer(town, asked, "One.", channel=GROUP)
            await town.slack.say(GROUP, BEN, "me too", thread_ts=asked)
            await answer(town, asked, "Two.", channel=GROUP)

    async def test_a_mention_with_nothing_beside_it_is_helped(self, house):
        async with house(ScriptedEngine()) as town:
            asked = await town.slack.say(TOWN, ANNA, town.mention)
            await sentence(town, asked, "Ask me anything")
            other = await town.slack.say(TOWN, BEN, town.mention)
            await sentence(town, other, "请直接用自己的话提问")

    async def test_a_sentence_of_the_house_is_not_up_for_rating(self, house):
        async with house(ScriptedEngine()) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} /help")
            assert buttons(await sentence(town, asked, "Ask me anything")) == []

    async def test_people_are_told_once_that_they_may_not_ask_and_not_at_all_where_they_did_not(self, house):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine) as town:
            slack = town.slack
            slack.add_user(GUEST, "Gus", is_guest=True)
            slack.add_user(STRANGER, "Sam", team="T0ELSE001")
            slack.add_channel(SHARED, members=[ANNA, GUEST, STRANGER], shared_with=["T0ELSE001"])
            asked = await slack.say(SHARED, ANNA, f"{town.mention} a question")
            await answer(town, asked, "Yes.", channel=SHARED)
            heard = stored(town)
            for other in (GUEST, STRANGER):
                await slack.say(SHARED, other, "and what about me?", thread_ts=asked)
            assert stored(town) == heard
            for other in (GUEST, STRANGER):
                turned_away = await slack.say(SHARED, other, f"{town.mention} and me?")
                refused = await sentence(town, turned_away, "I may not answer here", channel=SHARED)
                await at_rest(town)
                assert slack.answers(SHARED, turned_away) == [refused]
        assert len(engine.asked) == 1

    async def test_who_may_not_ask_brings_nobody_into_a_thread_of_others(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            slack = town.slack
            slack.add_user(GUEST, "Gus", is_guest=True)
            slack.add_channel(SHARED, members=[ANNA, BEN, GUEST])
            lunch = await slack.say(SHARED, ANNA, "Where do we have lunch?")
            await slack.say(SHARED, GUEST, f"{town.mention} where?", thread_ts=lunch)
            await sentence(town, lunch, "I may not answer here", channel=SHARED)
            await at_rest(town)
            await slack.say(SHARED, BEN, "I vote for pizza.", thread_ts=lunch)
            assert town.rows("SELECT count(*) FROM messages") == [(1,)]
        assert engine.asked == []

    async def test_guests_and_strangers_are_answered_where_they_are_let_in(self, house, quick):
        access = json.dumps({"slack": {"guests": True, "externals": True}})
        engine = ScriptedEngine(say("You are very welcome here with us."), delay=0.03)
        async with house(engine, PARLEY_ACCESS=access) as town:
            slack = town.slack
            slack.add_user(GUEST, "Gus", is_guest=True)
            slack.add_user(STRANGER, "Sam", team="T0ELSE001")
            slack.add_channel(SHARED, members=[GUEST, STRANGER], shared_with=["T0ELSE001"])
            for other in (GUEST, STRANGER):
                asked = await slack.say(SHARED, other, f"{town.mention} may I?")
                reply = await answer(town, asked, channel=SHARED)
                await slack.click(SHARED, reply.ts, other, "regenerate")
                second = await answer(town, asked, channel=SHARED, count=2)
                assert (reply.was_streamed, second.was_streamed) == (True, True)
            assert all(call.is_ok for call in slack.called("chat.startStream"))

    async def test_an_app_that_is_removed_answers_nobody_any_more(self, house, caplog):
        engine = ScriptedEngine(say("Hello."))
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} hello?")
            await answer(town, asked)
            late = again(next(each.payload for each in town.slack.deliveries if each.kind == "app_mention"))
            late["event"] |= {"ts": "1900000000.000100", "event_ts": "1900000000.000100", "text": "still there?"}
            await town.slack.uninstall()
            assert caplog.text.count("the app was removed from T0PARLEY1; nobody there") == 1
            assert [each.status for each in town.slack.deliveries[-2:]] == [200, 200]
            await town.slack.deliver(late)
            await at_rest(town)
            assert len(engine.asked) == 1


class TestContext:
    async def test_the_talk_before_the_first_mention_is_read_once_with_its_names(self, house):
        engine = ScriptedEngine(scripts=[say("They like Tuesday."), say("Ben said so.")])
        async with house(engine) as town:
            slack = town.slack
            root = await slack.say(TOWN, ANNA, "When do we meet & where?")
            await slack.say(TOWN, BEN, "Tuesday, at the harbour.", thread_ts=root)
            await slack.say(TOWN, ANNA, f"{town.mention} summarise this thread", thread_ts=root)
            await answer(town, root, "They like Tuesday.")
            asked = prompt(engine)
            for words in ("Anna: When do we meet & where?", "Ben: Tuesday, at the harbour.", "summarise this thread"):
                assert words in asked
            await slack.say(TOWN, BEN, "Who said so?", thread_ts=root)
            await answer(town, root, "Ben said so.")
            assert prompt(engine) == "Who said so?"
            assert "Tuesday, at the harbour." in engine.asked[1].conversation.turns[-3].text
            assert len(slack.called("conversations.replies")) == 1

    async def test_a_thread_that_cannot_be_read_is_answered_all_the_same_and_read_at_the_next_question(
        self, house, caplog
    ):
        engine = ScriptedEngine(scripts=[say("No idea."), say("Tuesday.")])
        async with house(engine) as town:
            root = await town.slack.say(TOWN, BEN, "When do we meet?")
            town.slack.fail("conversations.replies", error="missing_scope", needed="channels:history")
            await town.slack.say(TOWN, ANNA, f"{town.mention} summarise this", thread_ts=root)
            told = "*I could not read what was said in this thread before. Ask me again here, and I try once more.*"
            await answer(town, root, f"No idea.\n\n{told}")
            assert prompt(engine).endswith("\nsummarise this")
            assert "conversations.replies needs the scope channels:history" in caplog.text
            await town.slack.say(TOWN, ANNA, "and now?", thread_ts=root)
            await answer(town, root, "Tuesday.")
        assert "Ben: When do we meet?" in prompt(engine)
        assert prompt(engine).endswith("\nand now?")

    async def test_a_text_file_is_read_and_another_kind_is_told_of(self, house):
        engine = ScriptedEngine(say("Read."))
        async with house(engine) as town:
            notes = town.slack.add_file(ANNA, "notes.txt", b"The harbour closes at nine.", "text/plain")
            paper = town.slack.add_file(ANNA, "paper.pdf", b"%PDF-1.7 ...", "application/pdf")
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} when?", files=[notes, paper])
            reply = await answer(town, asked)
            assert "The harbour closes at nine." in prompt(engine)
            assert "PDF-1.7" not in prompt(engine)
            assert reply.markdown == "Read.\n\n*I could not read “paper.pdf”: I read text files only, in UTF-8.*"

    async def test_a_file_is_fetched_by_its_id_and_up_to_its_size(self, house):
        engine = ScriptedEngine(say("Read."))
        async with house(engine) as town:
            shared = town.slack.add_file(ANNA, "shared.txt", b"By its id alone.", "text/plain", is_id_only=True)
            large = town.slack.add_file(ANNA, "large.txt", b"x" * (64 * 1024 + 1), "text/plain")
            edge = town.slack.add_file(ANNA, "edge.txt", b"y" * (64 * 1024), "text/plain")
            asked = await town.slack.say(DIRECT, ANNA, "look", files=[shared, large, edge])
            reply = await answer(town, asked, channel=DIRECT)
            assert "y" * (64 * 1024) in prompt(engine)
            assert "“large.txt”: I read text files up to 64 KB." in reply.markdown

    async def test_files_that_nobody_can_read_and_no_words_are_told_of_at_once(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            paper = town.slack.add_file(ANNA, "paper.pdf", b"%PDF-1.7 ...", "application/pdf")
            asked = await town.slack.say(DIRECT, ANNA, "", files=[paper])
            await sentence(town, asked, "I could not read “paper.pdf”", channel=DIRECT)
        assert engine.asked == []


class TestSecondThoughts:
    async def test_a_question_edited_too_soon_is_answered_as_it_is_now(self, house, quick, monkeypatch):
        monkeypatch.setattr("adapters.slack.delivery._STOP_AFTER", 0.1)
        engine = HaltingEngine(scripts=[say("An old answer."), say("A new answer.")], before=3)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} the old question")
            await town.slack.until(lambda: any("stop" in buttons(each) for each in town.slack.answers(TOWN, asked)))
            await town.slack.edit(TOWN, asked, f"{town.mention} the new question")
            await asked_for(engine, 2)
            engine.go.set()
            reply = await answer(town, asked, "A new answer.")
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [reply]
            assert prompt(engine) == "the new question"

    @pytest.mark.parametrize(("channel", "name"), [(TOWN, True), (DIRECT, False)])
    async def test_a_question_that_comes_after_its_edit_is_answered_as_it_is_now(self, house, channel, name):
        """It was not taken at first, as where the database is away, and Slack sends it again a while later."""
        engine = ScriptedEngine(say("A new answer."))
        async with house(engine) as town:
            slack, called = town.slack, f"{town.mention} " if name else ""
            lost = await self._lost(town, channel, f"{called}the old question")
            await slack.edit(channel, lost[0]["event"]["ts"], f"{called}a newer question")
            await slack.edit(channel, lost[0]["event"]["ts"], f"{called}the new question")
            await at_rest(town)
            assert (engine.asked, slack.answers(channel)) == ([], [])
            for payload in lost:
                assert (await slack.deliver(payload)).status == 200
            reply = await answer(town, lost[0]["event"]["ts"], "A new answer.", channel=channel)
            await at_rest(town)
            assert (slack.answers(channel), len(engine.asked), prompt(engine)) == ([reply], 1, "the new question")

    async def test_a_question_that_comes_after_its_deletion_is_not_answered(self, house):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine) as town:
            lost = await self._lost(town, TOWN, f"{town.mention} a question")
            await town.slack.delete(TOWN, lost[0]["event"]["ts"])
            await at_rest(town)
            for payload in lost:
                assert (await town.slack.deliver(payload)).status == 200
            await at_rest(town)
            assert (engine.asked, town.slack.answers(TOWN)) == ([], [])

    async def _lost(self, town: Town, channel: str, text: str) -> list[Any]:
        """Anna says something that Slack can't tell us of; the payloads, to be delivered later."""
        slack, heard = town.slack, len(town.slack.deliveries)
        address, delays = slack.events_url, slack.courier.retry_delays
        slack.events_url, slack.courier.retry_delays = f"{town.house}/nowhere", ()
        await slack.say(channel, ANNA, text)
        slack.events_url, slack.courier.retry_delays = address, delays
        assert not any(each.is_accepted for each in slack.deliveries[heard:])
        return [each.payload for each in slack.deliveries[heard:]]

    async def test_whatever_happens_to_a_question_later_starts_no_new_turn(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            slack = town.slack
            asked = await slack.say(TOWN, ANNA, f"{town.mention} see https://example.com/")
            first = await answer(town, asked, "One.")
            await slack.unfurl(TOWN, asked)
            await slack.edit(TOWN, asked, f"{town.mention} see https://example.com/ again")
            plain = await slack.say(TOWN, ANNA, "Just talking")
            await slack.edit(TOWN, plain, f"{town.mention} what do you think?")
            await at_rest(town)
            assert (len(engine.asked), slack.answers(TOWN)) == (1, [first])
            await slack.say(TOWN, ANNA, "and so?", thread_ts=asked)
            await answer(town, asked, "Two.")
        assert engine.asked[1].conversation.turns[-3].text == "see https://example.com/ again"

    async def test_a_question_that_is_deleted_is_no_longer_answered_nor_kept(self, house, quick):
        """Its answer was there already, so Slack leaves a tombstone."""
        engine = HaltingEngine(say("An answer that is not finished."), before=3)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await town.slack.until(lambda: town.slack.answers(TOWN, asked))
            await town.slack.delete(TOWN, asked)
            await at_rest(town)
            (reply,) = town.slack.state.conversations.channels[TOWN].thread(asked)
            assert (reply.is_streaming, shown(reply)) == (
                False,
                "The question was deleted, so I stopped answering it.",
            )
            assert not engine.asked[0].is_finished
            assert town.rows("SELECT is_erased, length(body) FROM messages")[0][0] is True

    async def test_a_follow_up_that_is_deleted_is_forgotten(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two."), say("Three.")])
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked, "One.")
            secret = await town.slack.say(TOWN, ANNA, "a secret", thread_ts=asked)
            await answer(town, asked, "Two.")
            await town.slack.delete(TOWN, secret)
            await at_rest(town)
            assert town.rows("SELECT count(*) FROM messages WHERE is_erased") == [(1,)]
            await town.slack.say(TOWN, ANNA, "and now?", thread_ts=asked)
            await answer(town, asked, "Three.")
        assert "a secret" not in str(engine.asked[2].conversation.turns)

    async def test_an_answer_is_written_again_beside_the_old_one(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            first = await answer(town, asked, "One.")
            town.slack.add_user(CARO, "Caro")
            town.slack.state.conversations.channels[TOWN].members.add(CARO)
            await town.slack.click(TOWN, first.ts, CARO, "regenerate")
            await town.slack.until(lambda: town.slack.ephemeral)
            assert len(engine.asked) == 1, "it is hers"
            await town.slack.click(TOWN, first.ts, ANNA, "regenerate")
            second = await answer(town, asked, "Two.")
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [first, second]
            assert prompt(engine) == "a question"
            (told,) = town.slack.ephemeral
            assert told.ephemeral_to == CARO
            assert shown(told).startswith("Only the person who asked, or an admin")

    @pytest.mark.parametrize("way", WAYS)
    async def test_clicks_on_a_button_that_is_at_work_are_one(self, house, way):
        engine = HaltingEngine(scripts=[say("One."), say("Two and more."), say("Three.")], before=100)
        async with house(engine, way=way) as town:
            slack = town.slack
            asked = await slack.say(TOWN, ANNA, f"{town.mention} a question")
            first = await answer(town, asked, "One.")
            engine.before = 0
            for who in (ANNA, ANNA, BEN):
                await slack.click(TOWN, first.ts, who, "regenerate")
            await asked_for(engine, 2)
            click = next(each.payload for each in slack.deliveries if each.kind == "block_actions")
            await slack.deliver(deepcopy(click) | {"trigger_id": "9.9.again"})
            await slack.click(TOWN, first.ts, ANNA, "regenerate")
            engine.go.set()
            second = await answer(town, asked, "Two and more.")
            await at_rest(town)
            assert (len(engine.asked), slack.ephemeral) == (2, [])
            assert slack.answers(TOWN, asked) == [first, second]
            await slack.click(TOWN, first.ts, ANNA, "regenerate")
            third = await answer(town, asked, "Three.")
            await at_rest(town)
            assert slack.answers(TOWN, asked) == [first, second, third]


class TestStopping:
    @pytest.fixture
    def engine(self):
        return HaltingEngine(say("An answer that goes on and on."), before=5)

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch, quick):
        monkeypatch.setattr("adapters.slack.delivery._STOP_AFTER", 0.1)

    @pytest.mark.parametrize("way", WAYS)
    async def test_the_word_of_the_asker_stops_the_answer(self, house, way):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine, way=way) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await self._until_growing(town, asked)
            await town.slack.say(TOWN, ANNA, "stop", thread_ts=asked)
            reply = await answer(town, asked)
            await at_rest(town)
            assert reply.markdown.rstrip() == "An answer that"
            assert (town.slack.answers(TOWN, asked), engine.asked[0].is_finished) == ([reply], False)

    async def test_the_word_of_another_person_does_not(self, house, engine):
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await self._until_growing(town, asked)
            await town.slack.say(TOWN, BEN, "停止", thread_ts=asked)
            (told,) = await town.slack.until(lambda: town.slack.ephemeral)
            assert (told.ephemeral_to, told.thread_ts) == (BEN, asked)
            assert "没有正在回答的您的问题" in shown(told)
            engine.go.set()
            reply = await answer(town, asked, "An answer that goes on and on.")
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), reply.was_streamed) == ([reply], True)

    async def test_whose_answer_is_whole_already_is_told_so_alone(self, house, engine):
        engine.go.set()
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await at_rest(town)
            await town.slack.say(TOWN, ANNA, "stop", thread_ts=asked)
            (told,) = await town.slack.until(lambda: town.slack.ephemeral)
            await at_rest(town)
            assert (told.ephemeral_to, town.slack.answers(TOWN, asked)) == (ANNA, [reply])

    async def test_a_button_is_offered_after_a_while_and_removed_at_the_end(self, house, engine):
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            button = await self._button(town, asked)
            assert shown(button) == "Writing the answer…"
            engine.go.set()
            reply = await answer(town, asked, "An answer that goes on and on.")
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [reply]

    async def test_no_button_is_offered_for_a_quick_answer(self, house, engine, monkeypatch):
        monkeypatch.setattr("adapters.slack.delivery._STOP_AFTER", 2.0)
        engine.go.set()
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked)
            await at_rest(town)
            posted = town.slack.called("chat.postMessage")
            assert not [call for call in posted if "Stop" in str(call.args)]

    @pytest.mark.parametrize("who", [ANNA, CARO])
    async def test_the_asker_and_an_admin_stop_with_the_button(self, house, engine, who):
        async with house(engine, PARLEY_ACCESS=LET_IN) as town:
            town.slack.add_user(CARO, "Caro")
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            button = await self._button(town, asked)
            await town.slack.click(TOWN, button.ts, who, "stop")
            reply = await answer(town, asked)
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), town.slack.ephemeral) == ([reply], [])
            assert not engine.asked[0].is_finished

    async def test_a_direct_answer_grows_and_is_stopped_as_well(self, house, engine):
        async with house(engine) as town:
            asked = await town.slack.say(DIRECT, ANNA, "a question")
            button = await self._button(town, asked, DIRECT)
            await town.slack.click(DIRECT, button.ts, ANNA, "stop")
            reply = await answer(town, asked, channel=DIRECT)
            await at_rest(town)
            assert town.slack.answers(DIRECT, asked) == [reply]
            assert reply.was_streamed
            assert reply.markdown.rstrip() == "An answer that"

    async def test_a_bystander_does_not_stop_it_and_alone_is_told_so(self, house, engine):
        async with house(engine, PARLEY_ACCESS=LET_IN) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            button = await self._button(town, asked)
            await town.slack.click(TOWN, button.ts, BEN, "stop")
            (told,) = await town.slack.until(lambda: town.slack.ephemeral)
            assert (told.ephemeral_to, shown(told)) == (BEN, "现在这里没有正在回答的您的问题，所以没有需要停止的内容。")
            assert any(each.is_streaming for each in town.slack.answers(TOWN, asked)), "nothing is waited for"
            engine.go.set()
            reply = await answer(town, asked, "An answer that goes on and on.")
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), reply.was_streamed, reply.edits) == ([reply], True, 0)

    async def _until_growing(self, town: Town, asked: str) -> None:
        def has_begun() -> bool:
            return any("An answer" in shown(each) for each in town.slack.answers(TOWN, asked))

        await town.slack.until(has_begun)

    async def _button(self, town: Town, asked: str, channel: str = TOWN) -> Message:
        def found() -> Message | None:
            return next((each for each in town.slack.answers(channel, asked) if "stop" in buttons(each)), None)

        return await town.slack.until(found)


class TestHowItIsShown:
    async def test_a_long_answer_comes_in_parts_that_stand_by_themselves_and_are_one_answer(self, house):
        code = "".join(f"line_{number} = {number}\n" for number in range(1200))
        text = f"Here it is.\n\n```python\n{code}```\n\nAnd so on. {'More of it. ' * 1100}\n\nThe end."
        assert len(text) > 30_000
        pieces = [text[start : start + 7000] for start in range(0, len(text), 7000)]
        async with house(ScriptedEngine([Delta(piece) for piece in pieces], delay=0.2)) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} write it all")
            last = await answer(town, asked)
            await at_rest(town)
            parts = town.slack.answers(TOWN, asked)
            assert len(parts) >= 3
            assert parts[-1] is last
            assert all(len(part.markdown) <= 12_000 for part in parts)
            assert all(part.markdown.count("```") % 2 == 0 for part in parts)
            for number in range(1200):
                assert sum(f"line_{number} = {number}\n" in part.markdown for part in parts) == 1
            assert [buttons(part) for part in parts[:-1]] == [[]] * (len(parts) - 1)
            async with town.store() as store, store.unit() as unit:
                reply = await unit.replies.get(reply_of(last))
            assert reply is not None
            assert reply.parts == tuple(PartId("slack", town.slack.bot.team, TOWN, part.ts) for part in parts)
            await town.slack.react(TOWN, parts[0].ts, BEN, "-1")
            await until_scores(town, reply_of(last), {BEN: 1})

    async def test_a_table_arrives_as_it_is(self, house):
        table = "| Town | People |\n|---|---|\n| Fredville | 1,200 |\n| Annaburg | 3 |"
        async with house(ScriptedEngine([Delta(table)])) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} as a table")
            reply = await answer(town, asked, table)
            assert reply.blocks[0] == {"type": "markdown", "text": table} or reply.was_streamed

    async def test_nobody_is_called_by_what_the_model_writes(self, house, quick):
        words = "Hi ", "<", "!cha", "nnel>", " and <!he", "re", ">, <", "@U0", "BEN0001> and `<!every", "one>` & <@"
        engine = ScriptedEngine([Delta(word) for word in words], delay=0.07)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} call everybody")
            reply = await answer(town, asked)
            assert (reply.was_streamed, reply.edits) == (True, 0)
            assert reply.markdown.replace("\u2060", "") == "".join(words)
            assert town.slack.pings == []

    async def test_nor_by_what_is_posted_at_once_or_replaced_later(self, house, monkeypatch):
        monkeypatch.setattr("adapters.slack.writer._EDIT_EVERY", 0.05)
        monkeypatch.setattr("adapters.slack.writer._EDIT_TIER", 6000)
        text = f"<!channel> <@{BEN}> <!subteam^S0TEAM001|team>"
        engine = ScriptedEngine(scripts=[[Delta(text)], say(text)])
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} call everybody")
            await answer(town, asked)
            town.slack.fail("chat.startStream", error="unknown_method")
            engine.delay = 0.1
            await town.slack.say(TOWN, ANNA, "again", thread_ts=asked)
            await answer(town, asked, count=2)
            assert town.slack.called("chat.update")
            assert town.slack.pings == []

    async def test_what_goes_on_is_told_until_there_are_words(self, house, monkeypatch, quick):
        monkeypatch.setattr("adapters.slack.delivery._STATUS_AFTER", 0.01)
        thinking = Delta(reasoning="Let me see.")
        script = [Delta(position=2), thinking, Delta("There "), Delta("it is.")]
        engine = ScriptedEngine(script, delay=0.3)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked, "There it is.")
            said = [status.status for status in town.slack.statuses if status.status]
            assert said == ["is thinking…", "is waiting: place 2 in the queue…", "is thinking…"]
            assert town.slack.status(TOWN, asked) == ""
            assert {status.thread_ts for status in town.slack.statuses} == {asked}

    async def test_a_chinese_person_reads_chinese(self, house, monkeypatch, quick):
        monkeypatch.setattr("adapters.slack.delivery._STATUS_AFTER", 0.01)
        monkeypatch.setattr("adapters.slack.delivery._STOP_AFTER", 0.1)
        engine = HaltingEngine(say("弗雷德尼亚 的 首都 是 弗雷德维尔 。"), before=5, delay=0.1)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, BEN, f"{town.mention} 首都是哪里？")
            await town.slack.until(lambda: "正在回答……" in map(shown, town.slack.answers(TOWN, asked)))
            engine.go.set()
            reply = await answer(town, asked)
            await town.slack.click(TOWN, reply.ts, BEN, "feedback", is_positive=False)
            (view,) = await town.slack.until(lambda: town.slack.open_views(BEN))
            assert {status.status for status in town.slack.statuses} == {"正在思考……", ""}
            for words in ("有帮助", "没有帮助", "重新回答"):
                assert words in str(reply.blocks)
            assert "哪里不好？" in str(view.body)

    async def test_prompts_are_offered_where_the_app_is_opened(self, house):
        async with house(ScriptedEngine()) as town:
            await town.slack.open_home(ANNA)
            (offered,) = await town.slack.until(lambda: town.slack.prompts)
            assert (offered["channel_id"], len(offered["prompts"])) == (DIRECT, 4)
            assert offered["prompts"][0]["message"] == "What can you do?"
            await town.slack.open_home(ANNA, tab="home")
            await town.slack.open_home(BEN)
            await town.slack.until(lambda: len(town.slack.prompts) == 2)
            assert town.slack.prompts[1]["prompts"][0]["message"] == "你能做什么？"

    async def test_another_model_that_begins_anew_leaves_nothing_of_the_first_one(self, house, quick):
        long = [Delta("A first try. " * 500) for _ in range(4)]
        engine = ScriptedEngine([*long, Delta("", is_anew=True), *say("A second one.")], delay=0.2)
        async with house(engine) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await town.slack.until(lambda: len(town.slack.answers(TOWN, asked)) > 1)
            reply = await answer(town, asked, "A second one.")
            await at_rest(town)
            assert town.slack.answers(TOWN, asked) == [reply]


class TestCommands:
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_command_is_answered_for_one_pair_of_eyes(self, house, way):
        engine = ScriptedEngine(scripts=[say("Fredville."), say("On the Fred."), say("Nothing.")])
        async with house(engine, way=way) as town:
            slack = town.slack
            await slack.command(TOWN, ANNA, "/parley", "which capital?")
            assert shown(slack.ephemeral[0]) == "One moment. Only you will see the answer."
            first = await self._answer(town, "Fredville.")
            assert buttons(first) == ["feedback", "regenerate"]
            await slack.command(TOWN, ANNA, "/parley", "and on which river?")
            await self._answer(town, "On the Fred.")
            said = [turn.text for turn in engine.asked[1].conversation.turns[-3:]]
            assert said == ["which capital?", "Fredville.", "and on which river?"]
            await slack.command(TOWN, ANNA, "/parley", "reset")
            await self._answer(town, "Done: I no longer use what was said in this thread before. Ask away.")
            await slack.command(TOWN, ANNA, "/parley", "what do you remember?")
            await self._answer(town, "Nothing.")
            assert [turn.text for turn in engine.asked[2].conversation.turns if turn.role == "user"] == [
                "what do you remember?"
            ]
            assert (slack.messages(TOWN), {each.ephemeral_to for each in slack.ephemeral}) == ([], {ANNA})
            await slack.click(TOWN, first.ts, ANNA, "feedback")
            await until_scores(town, reply_of(first), {ANNA: 5})

    async def test_a_command_without_words_is_helped(self, house):
        async with house(ScriptedEngine()) as town:
            await town.slack.command(TOWN, ANNA, "/parley")
            (told,) = await town.slack.until(lambda: [each for each in town.slack.ephemeral if "Ask me" in shown(each)])
            assert buttons(told) == []

    async def test_a_command_stops_what_a_command_began(self, house):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            await engine.halted()
            await town.slack.command(TOWN, ANNA, "/parley", "stop")
            await town.slack.until(lambda: [each for each in town.slack.ephemeral if is_finished(each)])
            await at_rest(town)
            assert [shown(each).rstrip() for each in town.slack.ephemeral[1:]] == ["An answer that"]

    async def test_two_people_in_one_channel_have_a_talk_each(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            await self._answer(town, "One.")
            await town.slack.command(TOWN, BEN, "/parley", "问题")
            assert shown(await self._answer(town, "请稍等。回答只有您能看到。", BEN))
            await self._answer(town, "Two.", BEN)
        assert [turn.text for turn in engine.asked[1].conversation.turns if turn.role == "user"] == ["问题"]

    async def test_an_answer_written_again_stays_between_the_two(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            first = await self._answer(town, "One.")
            await town.slack.click(TOWN, first.ts, ANNA, "regenerate")
            await self._answer(town, "Two.")
            assert town.slack.messages(TOWN) == []
        assert prompt(engine) == "a question"

    async def test_an_answer_too_late_for_its_address_comes_as_a_direct_message(self, house):
        engine = HaltingEngine(say("At last."), before=0)
        async with house(engine) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "a question")
            for url in town.slack.state.response_urls.values():
                url.at -= 3600
            engine.go.set()
            direct = await town.slack.until(lambda: town.slack.answers(DIRECT))
            await at_rest(town)
            assert [each.markdown for each in direct] == ["At last."]
            assert (len(town.slack.ephemeral), town.slack.messages(TOWN)) == (1, [])
            await town.slack.react(DIRECT, direct[0].ts, ANNA, "+1")
            await until_scores(town, reply_of(direct[0]), {ANNA: 5})

    @pytest.mark.parametrize("channels", [[], [TOWN]])
    async def test_an_answer_that_came_as_a_direct_message_is_written_again_under_it(self, house, channels):
        engine = HaltingEngine(scripts=[say("At last."), say("Once more."), say("And more.")], before=0)
        async with house(engine, PARLEY_ACCESS=json.dumps({"slack": {"channels": channels}})) as town:
            slack = town.slack
            await slack.command(TOWN, ANNA, "/parley", "a question")
            for url in slack.state.response_urls.values():
                url.at -= 3600
            engine.go.set()
            (first,) = await slack.until(lambda: slack.answers(DIRECT))
            await at_rest(town)
            await slack.click(DIRECT, first.ts, ANNA, "regenerate")
            second = await answer(town, first.ts, "Once more.", channel=DIRECT)
            await at_rest(town)
            await slack.click(DIRECT, second.ts, ANNA, "regenerate")
            third = await answer(town, first.ts, "And more.", channel=DIRECT)
            await at_rest(town)
            assert slack.answers(DIRECT) == [first, second, third]
            assert (len(slack.ephemeral), slack.messages(TOWN)) == (1, [])
            assert [prompt(engine, number) for number in range(3)] == ["a question"] * 3
            await slack.click(DIRECT, first.ts, ANNA, "feedback")
            await slack.click(DIRECT, second.ts, ANNA, "feedback", is_positive=False)
            await slack.react(DIRECT, third.ts, ANNA, "+1")
            for each, score in ((first, 5), (second, 1), (third, 5)):
                await until_scores(town, reply_of(each), {ANNA: score})

    async def test_a_long_answer_goes_on_where_the_address_is_used_up(self, house):
        text = "\n\n".join(f"{number}. " + "words and more words. " * 400 for number in range(1, 7))
        async with house(ScriptedEngine([Delta(text)])) as town:
            await town.slack.command(TOWN, ANNA, "/parley", "all of it")
            await town.slack.until(lambda: [each for each in town.slack.answers(DIRECT) if is_finished(each)])
            await at_rest(town)
            said = [*town.slack.ephemeral[1:], *town.slack.answers(DIRECT)]
            assert len(town.slack.ephemeral) == 5
            assert "".join(each.markdown for each in said).split() == text.split()

    async def test_whoever_may_not_ask_is_told_alone(self, house):
        engine = ScriptedEngine()
        async with house(engine) as town:
            town.slack.add_user(GUEST, "Gus", is_guest=True)
            town.slack.state.conversations.channels[TOWN].members.add(GUEST)
            await town.slack.command(TOWN, GUEST, "/parley", "may I?")
            told = await self._answer(
                town, "I may not answer here. Please ask your administrator to let this channel or account in.", GUEST
            )
            assert (buttons(told), engine.asked, town.slack.messages(TOWN)) == ([], [], [])

    async def _answer(self, town: Town, text: str, user: str = ANNA) -> Message:
        def found() -> Message | None:
            said = (each for each in town.slack.ephemeral if shown(each) == text and each.ephemeral_to == user)
            return next(said, None)

        return await town.slack.until(found)


class TestRatings:
    async def test_what_is_left_of_a_persons_emoji_is_their_vote(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            slack = town.slack
            asked = await slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            rated = reply_of(reply)
            await slack.react(TOWN, reply.ts, BEN, "thumbsup")
            await until_scores(town, rated, {BEN: 5})
            await slack.react(TOWN, reply.ts, BEN, "-1::skin-tone-3")
            await until_scores(town, rated, {BEN: 1})
            await slack.unreact(TOWN, reply.ts, BEN, "-1::skin-tone-3")
            await until_scores(town, rated, {BEN: 5})
            await slack.unreact(TOWN, reply.ts, BEN, "thumbsup")
            await until_scores(town, rated, {})

    async def test_an_emoji_that_is_no_vote_and_a_vote_on_what_others_wrote_are_not_kept(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            slack = town.slack
            asked = await slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await at_rest(town)
            heard = stored(town)
            await slack.react(TOWN, reply.ts, BEN, "tada")
            await slack.react(TOWN, asked, BEN, "-1")
            assert (stored(town), await votes(town, reply_of(reply))) == (heard, ())

    async def test_the_operator_chooses_the_emoji(self, house):
        settings = {"PARLEY_SLACK__UP": '["tada"]', "PARLEY_SLACK__DOWN": '["x"]'}
        async with house(ScriptedEngine(say("An answer.")), **settings) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await town.slack.react(TOWN, reply.ts, BEN, "+1")
            await town.slack.react(TOWN, reply.ts, ANNA, "tada")
            await until_scores(town, reply_of(reply), {ANNA: 5})

    async def test_a_thumb_and_an_emoji_of_one_person_are_one_vote(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await town.slack.click(TOWN, reply.ts, ANNA, "feedback")
            await until_scores(town, reply_of(reply), {ANNA: 5})
            await town.slack.react(TOWN, reply.ts, ANNA, "-1")
            await until_scores(town, reply_of(reply), {ANNA: 1})
            await at_rest(town)
            assert len(await votes(town, reply_of(reply))) == 1

    async def test_a_person_who_was_asked_why_need_not_say(self, house):
        async with house(ScriptedEngine(say("An answer."))) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await town.slack.click(TOWN, reply.ts, ANNA, "feedback", is_positive=False)
            (view,) = await town.slack.until(lambda: town.slack.open_views(ANNA))
            await until_scores(town, reply_of(reply), {ANNA: 1})
            await town.slack.submit(view, ANNA, {})
            await at_rest(town)
            assert town.slack.open_views(ANNA) == []
            (vote,) = await votes(town, reply_of(reply))
            assert (vote.score, vote.reason, vote.comment) == (1, "", "")


async def test_sixty_answers_at_once_are_all_given(house, monkeypatch):
    engine = ScriptedEngine(say("An answer of a few words."), delay=0.01)
    async with house(engine) as town:
        asked = await asyncio.gather(
            *(town.slack.say(TOWN, (ANNA, BEN)[number % 2], f"{town.mention} {number}?") for number in range(60))
        )
        for ts in asked:
            await answer(town, ts, "An answer of a few words.")
        await at_rest(town)
        assert len(town.slack.answers(TOWN)) == 60
