"""Who is answered in WeCom, and how, by each of its three ways: a whole house, and the stand-in in front of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import partial
from io import BytesIO
from time import monotonic
from typing import Any

import aiohttp
import pytest

from adapters.wecom import CallbackBot, adapter, tokens
from adapters.wecom import errors as refusals
from adapters.wecom.pacing import Pacer
from adapters.wecom.socket_delivery import SocketDelivery
from adapters.wecom.tempo import CallbackTempo, Tempo
from adapters.wecom.waiting import Waiting
from bench.database import Server
from bench.platforms.wecom import APP_SECRET, BOT_SECRET, Message, contents
from bench.platforms.wecom.app import App
from bench.platforms.wecom.errors import ApiError
from bench.process import free_port
from bench.until import until
from bot import config, wecom
from bot.app import open_house
from core.access import Access
from core.message import Ask, Author, Citation, Image, Source, Sources, Text, ThreadId
from core.ports import Delta
from tests.fakes.engine import ScriptedEngine, say
from tests.postgres import start_embedded
from tests.slack_moves import HaltingEngine, prompt
from tests.wecom import ANNA, BO, GROUP, WAYS, Town, town_with
from tests.wecom_moves import answer, at_rest, reply_of, sentence, stored, until_scores, votes

pytestmark = pytest.mark.timeout(60)

BOTS = ("socket", "callback")
QUICK = Tempo(waiting_after=0.2, at_once=0.02, first_after=0.02, sign_every=0.3, push_every=0.3, retry_least=0.1)
MAY_NOT = "我不能在这里回答"
NOT_STORED = "暂时无法保存，请稍后再发送一次。"
_UNSEEN = "\u200b\u200c\u200d"
OWNED = "SELECT owner FROM secrets WHERE owner IS NOT NULL"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Opens a town with this engine behind the door `way`; what it says is neither held back nor remembered."""
    plain = {"PARLEY_MODERATION__ENABLED": "false", "PARLEY_CACHE__ENABLED": "false"}

    def opened(engine: ScriptedEngine, way: str, **settings: str) -> Any:
        return town_with(engine, tmp_path, monkeypatch, way=way, **plain, **settings)

    return opened


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Answers grow in small steps, and what WeCom has us wait for is soon over."""
    monkeypatch.setattr(adapter, "SocketDelivery", partial(SocketDelivery, tempo=QUICK))
    monkeypatch.setattr(adapter, "Waiting", partial(Waiting, tempo=QUICK))
    monkeypatch.setattr(adapter, "Pacer", partial(Pacer, first_gap=0.05))
    monkeypatch.setattr(wecom, "CallbackBot", partial(CallbackBot, tempo=CallbackTempo(patience=0.05)))
    monkeypatch.setattr("core.delivery._BACKOFF", 0.1)
    for name in ("_LIMIT_WAIT", "_BUSY_WAIT", "_SETTINGS_WAIT"):
        monkeypatch.setattr(refusals, name, timedelta(seconds=0.3))


@pytest.fixture
def left_out(monkeypatch) -> set[str]:
    """Who may no longer ask, by their ids."""
    people: set[str] = set()
    allows = Access.allows

    def may(access: Access, author: Author, thread: ThreadId | None = None) -> bool:
        return author.id not in people and allows(access, author, thread)

    monkeypatch.setattr(Access, "allows", may)
    return people


@asynccontextmanager
async def another_house(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a second process over the same database."""
    port = free_port()
    monkeypatch.setenv("PARLEY_SERVER__PORT", str(port))
    async with open_house(config.load(), lambda step: None, engine=engine):
        yield f"http://127.0.0.1:{port}"


def called(town: Town, chat: str, words: str) -> str:
    """The words as the bot hears them in a group."""
    return f"{town.mention} {words}" if chat == GROUP else words


async def growing(town: Town, chat: str, words: str) -> Message:
    """The message in which these words of an answer that is not finished are shown."""

    def found() -> Message | None:
        return next((each for each in town.wecom.answers(chat) if each.is_streaming and words in each.text), None)

    return await town.wecom.until(found)


def texts(town: Town, chat: str) -> list[str]:
    """What people read; the app's messages end with marks that nobody sees."""
    return [each.text.rstrip(_UNSEEN) for each in town.wecom.answers(chat)]


async def lost(town: Town) -> float:
    """How many events were lost, as the operator's metrics have it."""
    async with aiohttp.ClientSession() as http, http.get(f"{town.house}/metrics") as response:
        lines = (await response.text()).splitlines()
    found = [line for line in lines if line.startswith("parley_events_total") and 'outcome="lost"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


# ------------------------------------------------------------------------------------------------------- who is greeted


class TestGreeting:
    @pytest.mark.parametrize("way", BOTS)
    async def test_whoever_opens_the_chat_is_greeted_and_nothing_is_stored(self, house, way):
        async with house(ScriptedEngine(), way) as town:
            await town.wecom.enter(ANNA, ANNA)
            await sentence(town, "您好，我是 Parley", ANNA)
            assert (stored(town), len(town.wecom.answers(ANNA))) == (0, 1)

    async def test_whoever_gets_the_app_is_helped_once(self, house):
        async with house(ScriptedEngine(), "app") as town:
            chat = town.direct()
            told = await town.wecom.event(chat, ANNA, "subscribe", {"EventKey": ""})
            await town.wecom.repeat(told)
            await sentence(town, "请直接用自己的话提问", chat)
            await town.wecom.enter(chat, ANNA)
            await at_rest(town)
            assert (len(town.wecom.answers(chat)), town.wecom.cards(chat)) == (1, [])


# ------------------------------------------------------------------------------------------------------------- stopping


class TestStopping:
    @pytest.fixture
    def engine(self):
        return HaltingEngine(say("An answer that goes on and on."), before=5)

    @pytest.mark.parametrize("chat", [ANNA, GROUP])
    @pytest.mark.parametrize("way", BOTS)
    async def test_the_word_of_the_asker_ends_the_stream_with_what_was_said(self, house, engine, way, chat):
        async with house(engine, way) as town:
            await town.wecom.say(chat, ANNA, called(town, chat, "a question"))
            shown = await growing(town, chat, "An answer")
            await town.wecom.say(chat, ANNA, called(town, chat, "停止" if chat == GROUP else "stop"))
            await at_rest(town)
            assert ([shown], shown.text.rstrip()) == (town.wecom.answers(chat), "An answer that")
            assert (engine.asked[0].is_closed, engine.asked[0].is_finished) == (True, False)

    async def test_the_word_of_the_asker_stops_the_answer_of_the_app(self, house, engine):
        async with house(engine, "app") as town:
            await town.wecom.say(town.direct(), ANNA, "a question")
            await engine.halted()
            await town.wecom.say(town.direct(), ANNA, "停止")
            await sentence(town, "An answer that", town.direct())
            await at_rest(town)
            assert len(town.wecom.answers(town.direct())) == 1
            assert (engine.asked[0].is_closed, engine.asked[0].is_finished) == (True, False)

    @pytest.mark.parametrize("way", WAYS)
    async def test_who_has_nothing_to_stop_is_told_so(self, house, way):
        async with house(ScriptedEngine(), way) as town:
            await town.wecom.say(town.direct(), ANNA, "停止")
            await sentence(town, "没有正在回答的您的问题", town.direct())
            await at_rest(town)
            assert len(town.wecom.answers(town.direct())) == 1

    @pytest.mark.parametrize("way", BOTS)
    async def test_the_word_of_another_person_stops_nothing(self, house, engine, way):
        async with house(engine, way) as town:
            await town.wecom.say(GROUP, ANNA, called(town, GROUP, "a question"))
            await growing(town, GROUP, "An answer")
            await town.wecom.say(GROUP, BO, called(town, GROUP, "停止"))
            await sentence(town, "没有正在回答的您的问题", GROUP)
            engine.go.set()
            await answer(town, GROUP, "An answer that goes on and on.")


# -------------------------------------------------------------------------------------------------------- what is asked


class TestOrders:
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_reset_forgets_what_was_said_and_help_helps(self, house, way):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine, way) as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "a question")
            await sentence(town, "One.", chat)
            await town.wecom.say(chat, ANNA, "/reset")
            await sentence(town, "之前的内容我不再使用", chat)
            await town.wecom.say(chat, ANNA, "/help")
            await sentence(town, "请直接用自己的话提问", chat)
            await town.wecom.say(chat, ANNA, "/code another question")
            await sentence(town, "Two.", chat)
            await at_rest(town)
        users = [turn.text for turn in engine.asked[1].conversation.turns if turn.role == "user"]
        assert users == ["another question"]

    async def test_an_answer_of_the_app_is_written_again_by_its_card(self, house):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine, "app") as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "a question")
            await sentence(town, "One.", chat)
            await at_rest(town)
            (card,) = town.wecom.cards(chat)
            for _ in range(2):
                told = await town.wecom.click(chat, card, ANNA, f"again:{reply_of(card)}")
                assert (told.is_accepted, told.problem) == (True, "")
                assert card.card_for(ANNA)["main_title"]["title"] in ("Answering again…", "正在重新回答……")
                if len(engine.asked) == 1:
                    await sentence(town, "Two.", chat)
                    with pytest.raises(LookupError):
                        await town.wecom.click(chat, card, ANNA, f"again:{reply_of(card)}")
                    break
            await at_rest(town)
            assert (len(engine.asked), prompt(engine), len(town.wecom.cards(chat))) == (2, "a question", 2)


class TestRatings:
    @pytest.mark.parametrize("way", BOTS)
    async def test_everybody_in_a_group_has_a_vote_and_may_change_it(self, house, way):
        async with house(ScriptedEngine(say("An answer.")), way) as town:
            await town.wecom.say(GROUP, ANNA, called(town, GROUP, "a question"))
            said = await answer(town, GROUP, "An answer.")
            await at_rest(town)
            told = await town.wecom.rate(GROUP, said, ANNA, 1)
            assert (told.is_accepted, told.answer, told.problem) == (True, {}, "")
            await town.wecom.rate(GROUP, said, BO, 2, "It is a lake.", [3])
            await until_scores(town, reply_of(said), {ANNA: 5, BO: 1})
            await town.wecom.rate(GROUP, said, BO, 3)
            await town.wecom.rate(GROUP, said, ANNA, 2, "So it is.", [1, 4])
            await until_scores(town, reply_of(said), {ANNA: 1})
            await at_rest(town)
            reasons = {vote.author.id: vote.reason for vote in await votes(town, reply_of(said)) if vote.score}
            assert reasons == {ANNA: "off_topic, data_analysis"}
            assert len(town.wecom.answers(GROUP)) == 1

    async def test_a_vote_by_card_is_changed_by_the_next_one(self, house):
        async with house(ScriptedEngine(say("An answer.")), "app") as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "a question")
            await sentence(town, "An answer.", chat)
            await at_rest(town)
            (card,) = town.wecom.cards(chat)
            for button, score in (("👍", 5), ("👎", 1), ("👍", 5)):
                told = await town.wecom.click(chat, card, ANNA, button)
                assert (told.is_accepted, told.problem) == (True, "")
                await until_scores(town, reply_of(card), {ANNA: score})

    @pytest.mark.parametrize("way", BOTS)
    async def test_who_may_no_longer_ask_has_no_vote(self, house, left_out, way):
        async with house(ScriptedEngine(say("An answer.")), way) as town:
            await town.wecom.say(GROUP, ANNA, called(town, GROUP, "a question"))
            said = await answer(town, GROUP, "An answer.")
            await at_rest(town)
            left_out.add(BO)
            told = await town.wecom.rate(GROUP, said, BO, 1)
            assert (told.is_accepted, told.answer, told.problem) == (True, {}, "")
            await town.wecom.rate(GROUP, said, ANNA, 1)
            await until_scores(town, reply_of(said), {ANNA: 5})
            await at_rest(town)
            assert len(await votes(town, reply_of(said))) == 1


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        ("way", "chat"),
        [("socket", ANNA), ("socket", GROUP), ("callback", ANNA), ("callback", GROUP), ("app", "app:anna")],
    )
    async def test_whoever_is_not_let_in_reads_the_sentence(self, house, way, chat):
        access = {"wecom-app": {"workspaces": ["ww0000000000000000"]}, "wecom": {"channels": ["wrOTHER"]}}
        engine = ScriptedEngine()
        async with house(engine, way, PARLEY_ACCESS=json.dumps(access)) as town:
            for words in ("一个问题", "停止", "/reset"):
                told = len(town.wecom.answers(chat))
                await town.wecom.say(chat, ANNA, called(town, chat, words))
                await town.wecom.until(lambda count=told: len(town.wecom.answers(chat)) > count)
                await at_rest(town)
            assert [MAY_NOT in text for text in texts(town, chat)] == [True] * 3
            assert (engine.asked, town.wecom.cards(chat)) == ([], [])
            assert all(each.is_accepted for each in town.wecom.deliveries)

    async def test_who_may_no_longer_ask_does_not_read_on(self, house, left_out):
        text = "".join(f"Line {number} of a long answer, which goes on and on.\n" for number in range(1000))
        async with house(ScriptedEngine([Delta(text)]), "callback") as town:
            await town.wecom.say(ANNA, ANNA, "all of it")
            await sentence(town, "Send “continue”", ANNA)
            await at_rest(town)
            left_out.add(ANNA)
            await town.wecom.say(ANNA, ANNA, "继续")
            await sentence(town, MAY_NOT, ANNA)
            await at_rest(town)
            assert not any("Line 900 " in said for said in texts(town, ANNA))
            left_out.clear()
            await town.wecom.say(ANNA, ANNA, "continue")
            await town.wecom.settle()
            assert "Line 900 " in texts(town, ANNA)[-1]


# -------------------------------------------------------------------------------------------------- who is forgotten


@pytest.mark.parametrize(("way", "lines"), [("callback", 1000), ("app", 3)])
async def test_what_a_door_has_noted_of_a_person_goes_with_them(house, way, lines):
    text = "".join(f"Line {number} of an answer, which goes on and on.\n" for number in range(lines))
    async with house(ScriptedEngine([Delta(text)]), way) as town:
        for user in (ANNA, BO):
            await town.wecom.say(town.direct(user), user, "all of it")
            await sentence(town, "Line 2 ", town.direct(user))
        await at_rest(town)
        door = "wecom-app" if way == "app" else "wecom"
        async with town.store() as store:
            anna, bo = (store._vault.person(Author(door, town.workspace, user)) for user in (ANNA, BO))
            assert {owner for (owner,) in town.rows(OWNED)} == {anna, bo}
            await store.people.forget(Author(door, town.workspace, ANNA))
            assert {owner for (owner,) in town.rows(OWNED)} == {bo}
            for id_, body in town.rows("SELECT id, body FROM secrets WHERE owner IS NULL"):
                plain = await store._vault.open("secrets", "body", store._vault.house, id_, body)
                assert not [word for word in (ANNA, "Line", "all of it") if word.encode() in plain]


# ---------------------------------------------------------------------------------------------------- what people send


class TestWhatIsSent:
    """Of each kind of message something reaches the model, or the person reads why it does not."""

    @pytest.mark.parametrize("way", BOTS)
    async def test_a_quotation_comes_before_the_question(self, house, way):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, way) as town:
            quote = {"msgtype": "text", "text": {"content": "The sea is green."}}
            await town.wecom.say(GROUP, BO, called(town, GROUP, "is it?"), quote=quote)
            await sentence(town, "An answer.", GROUP)
        assert prompt(engine) == "> The sea is green.\n\nis it?"

    @pytest.mark.parametrize("way", BOTS)
    async def test_a_voice_message_is_asked_as_it_was_written_down(self, house, way):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, way) as town:
            await town.wecom.send(ANNA, ANNA, "voice", words="潮水什么时候来？")
            await sentence(town, "An answer.", ANNA)
        assert prompt(engine) == "潮水什么时候来？"

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_text_file_is_read(self, house, way):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, way) as town:
            chat = town.direct()
            if way == "app":  # whose files come with their names
                stored = town.wecom.media.keep("file", "notes.txt", "第 1 条：港口。".encode())
                await town.wecom.tell(chat, ANNA, "file", {"MediaId": stored.id, "FileName": "notes.txt"})
            else:
                await town.wecom.send(chat, ANNA, "file", "第 1 条：港口。".encode(), "notes.txt")
            await sentence(town, "An answer.", chat)
        assert "第 1 条：港口。" in prompt(engine)

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(
        ("kind", "name"), [("image", "图片"), ("video", "视频"), ("voice", "语音"), ("file", "文件")]
    )
    async def test_what_cannot_be_read_is_told_of(self, house, way, kind, name):
        engine = ScriptedEngine()
        async with house(engine, way) as town:
            await town.wecom.send(town.direct(), ANNA, kind, PNG)
            told = await sentence(town, f"我无法读取“{name}”", town.direct())
            await at_rest(town)
            assert (engine.asked, town.wecom.answers(town.direct())) == ([], [told])

    @pytest.mark.parametrize("way", BOTS)
    async def test_a_file_that_is_gone_is_told_of(self, house, way):
        async with house(ScriptedEngine(), way) as town:
            await town.wecom.tell(ANNA, ANNA, "file", {"url": f"{town.wecom.file_url}/file/none", "aeskey": "A" * 43})
            await sentence(town, "我没能找到“文件”", ANNA)

    @pytest.mark.parametrize("way", BOTS)
    async def test_of_a_text_with_a_picture_the_text_is_answered(self, house, way):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, way) as town:
            await town.wecom.mix(GROUP, ANNA, [called(town, GROUP, "what is this?"), PNG])
            told = await sentence(town, "An answer.", GROUP)
            assert "I could not read “" in told.text
        assert prompt(engine).endswith("what is this?")

    @pytest.mark.parametrize(
        ("kind", "content", "expected"),
        [
            (
                "location",
                {"Location_X": "23.1", "Location_Y": "113.3", "Scale": "15", "Label": "The harbour"},
                "harbour",
            ),
            ("link", {"Title": "A map", "Description": "of it", "Url": "https://example.com/map"}, "example.com/map"),
        ],
    )
    async def test_a_place_and_a_link_are_read_by_the_app(self, house, kind, content, expected):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, "app") as town:
            await town.wecom.tell(town.direct(), ANNA, kind, content)
            await sentence(town, "An answer.", town.direct())
        assert expected in prompt(engine)

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_kind_of_message_that_nobody_knows_is_told_of(self, house, way):
        engine = ScriptedEngine()
        async with house(engine, way) as town:
            chat = town.direct()
            told = await town.wecom.tell(chat, ANNA, "hologram", {"depth": "3"})
            assert told.is_accepted
            await sentence(town, "hologram", chat)
            event = await town.wecom.event(chat, ANNA, "moon_event", {"EventKey": "full"} if way == "app" else {"a": 1})
            assert (event.is_accepted, event.answer) == (True, {})
            await at_rest(town)
            assert (len(town.wecom.answers(chat)), engine.asked) == (1, [])


# ---------------------------------------------------------------------------------------------------- how it is shown


PICTURE = Image(PNG, "image/png", "a harbour")
ODD = Image(b"<svg/>", "image/svg+xml", "a lighthouse")
PAGE = Sources((Citation("The sea", "https://example.com/sea"),))


@pytest.fixture
def line(monkeypatch):
    """Sets what the house answers with, whatever is asked: chunks, or a function that gives them."""

    def answers(*chunks: Any) -> None:
        async def middleware(turn: Any, call_next: Any) -> AsyncIterator[Any]:
            for chunk in chunks:
                yield chunk

        monkeypatch.setattr("bot.app._route", lambda engine, terms: [middleware])

    return answers


class TestHowItIsShown:
    @pytest.mark.parametrize("way", WAYS)
    async def test_sources_and_pictures_stand_under_the_answer(self, house, line, way):
        line(Text("好的。", Source.PLUGIN), PICTURE, ODD, PAGE)
        async with house(ScriptedEngine(), way) as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "一个问题")
            await sentence(town, "来源：", chat)
            await at_rest(town)
            answers = town.wecom.answers(chat)
            said = "\n".join(texts(town, chat)).strip()
            assert said.startswith("好的。")
            for words in ("来源：", "The sea", "https://example.com/sea", "a lighthouse"):
                assert said.count(words) == 1, words
            assert [each.media for each in answers if each.media] + [
                image for each in answers for image in each.images
            ] == [PNG]

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_question_back_is_confirmed_by_a_click(self, house, line, way):
        line(Text("这是草稿。", Source.PLUGIN), Ask("ask-1", "要发送吗？"))
        async with house(ScriptedEngine(), way) as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "请发送")
            await sentence(town, "要发送吗？", chat)
            await at_rest(town)
            (card,) = town.wecom.cards(chat)
            told = await town.wecom.click(chat, card, ANNA, "确认执行")
            assert (told.is_accepted, told.problem) == (True, "")
            await sentence(town, "没有等待您确认的内容", chat)  # nothing in the house asks yet
            await at_rest(town)
            assert "已收到" in str(card.card_for(ANNA))

    async def test_nobody_confirms_what_another_person_was_asked(self, house, line):
        line(Text("这是草稿。", Source.PLUGIN), Ask("ask-1", "要发送吗？"))
        async with house(ScriptedEngine(), "callback") as town:
            await town.wecom.say(GROUP, ANNA, called(town, GROUP, "请发送"))
            await at_rest(town)
            (card,) = town.wecom.cards(GROUP)
            heard = stored(town)
            await town.wecom.click(GROUP, card, BO, "确认执行")
            await at_rest(town)
            assert (stored(town), "只有提问者可以确认" in str(card.card_for(BO))) == (heard, True)
            await town.wecom.click(GROUP, card, ANNA, "确认执行")
            await sentence(town, "没有等待您确认的内容", GROUP)

    @pytest.mark.parametrize("way", WAYS)
    async def test_an_engine_that_fails_is_told_of_in_a_sentence(self, house, way):
        async with house(ScriptedEngine([Delta("An "), RuntimeError("broken")]), way) as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "a question")
            told = await sentence(town, "Something went wrong", chat)
            await at_rest(town)
            assert ("broken" in told.text, town.wecom.answers(chat), town.wecom.cards(chat)) == (False, [told], [])

    @pytest.mark.parametrize("way", WAYS)
    async def test_another_model_that_begins_anew_leaves_nothing_of_the_first_one(self, house, way):
        long = [Delta("A first try. " * 100) for _ in range(4)]
        engine = ScriptedEngine([*long, Delta("", is_anew=True), *say("A second one.")], delay=0.2)
        async with house(engine, way) as town:
            chat = town.direct()
            await town.wecom.say(chat, ANNA, "a question")
            await town.wecom.until(lambda: "A first try." in "".join(texts(town, chat)))
            await sentence(town, "A second one.", chat)
            await at_rest(town)
            assert texts(town, chat) == ["A second one."]

    @pytest.mark.parametrize("way", WAYS)
    async def test_two_equal_answers_are_two_answers(self, house, way):
        async with house(ScriptedEngine(say("Yes.")), way) as town:
            chat = town.direct()
            for count in (1, 2):
                await town.wecom.say(chat, ANNA, "is it?")
                await town.answered(chat, count=count)
                await at_rest(town)
            assert texts(town, chat) == ["Yes.", "Yes."]


# ------------------------------------------------------------------------------------------ two questions in one chat


class TestTwoAtOnce:
    @pytest.mark.parametrize("way", BOTS)
    async def test_there_is_life_for_the_second_while_the_first_is_answered(self, house, way):
        engine = HaltingEngine(scripts=[say("One and more of it."), say("Two and more of it.")], before=2)
        async with house(engine, way) as town:
            await town.wecom.say(ANNA, ANNA, "first")
            await growing(town, ANNA, "One")
            await town.wecom.say(ANNA, ANNA, "second")
            await town.wecom.until(lambda: len([each for each in town.wecom.answers(ANNA) if each.text.strip()]) == 2)
            first, second = town.wecom.answers(ANNA)
            assert (first.is_streaming, second.is_streaming) == (True, True)
            said = second.text
            await town.wecom.until(lambda: second.text != said)  # the seconds go by
            engine.go.set()
            await sentence(town, "Two and more of it.", ANNA, is_whole=True)
            await at_rest(town)
            assert texts(town, ANNA) == ["One and more of it.", "Two and more of it."]
            assert second.feedback == reply_of(second)
            await town.wecom.rate(ANNA, second, ANNA, 1)
            await until_scores(town, reply_of(second), {ANNA: 5})
            opened = [call for call in town.wecom.called("aibot_respond_msg") if "feedback" in call.args["stream"]]
            assert len(opened) == (2 if way == "socket" else 0), "each stream names its feedback id once"
        assert [prompt(engine, 0), prompt(engine)] == ["first", "second"]

    @pytest.mark.parametrize("way", BOTS)
    async def test_the_second_is_stopped_before_it_is_begun(self, house, way):
        engine = HaltingEngine(scripts=[say("One and more of it."), say("Two.")], before=2)
        async with house(engine, way) as town:
            await town.wecom.say(GROUP, ANNA, called(town, GROUP, "first"))
            await growing(town, GROUP, "One")
            await town.wecom.say(GROUP, BO, called(town, GROUP, "第二个问题"))
            await town.wecom.until(lambda: len([each for each in town.wecom.answers(GROUP) if each.text.strip()]) == 2)
            await town.wecom.say(GROUP, BO, called(town, GROUP, "停止"))
            await until(lambda: _is_marked(town), timeout=10)
            engine.go.set()
            await sentence(town, "已按您的要求停止。", GROUP)
            await at_rest(town)
            assert texts(town, GROUP) == ["One and more of it.", "已按您的要求停止。"]
        assert len(engine.asked) == 1


# ------------------------------------------------------------------------------------------------- what WeCom refuses


class TestWhatWecomRefuses:
    """The person has the answer in the end, and the operator reads once what to do."""

    @pytest.mark.parametrize(
        ("way", "kind", "code", "told"),
        [
            ("socket", "aibot_respond_msg", 45009, "rate limit"),
            ("socket", "aibot_respond_msg", 6000, "one command at a time"),
            ("socket", "aibot_respond_msg", -1, "WeCom is busy"),
            ("socket", "aibot_respond_msg", 846605, "no longer knows the request"),
            ("socket", "aibot_respond_msg", 846608, "has ended the stream"),
            ("socket", "aibot_respond_msg", 40058, "longer than WeCom takes"),
            ("socket", "aibot_respond_msg", 40008, ""),
            ("app", "message/send", 45009, "rate limit"),
            ("app", "message/send", 6000, ""),
            ("app", "message/send", -1, ""),
            ("app", "message/send", 40001, ""),
            ("app", "message/send", 40014, ""),
            ("app", "message/send", 42001, ""),
            ("app", "message/send", 60020, "企业可信IP"),
            ("app", "message/send", 40058, "longer than WeCom takes"),
        ],
    )
    async def test_the_answer_arrives_once_all_the_same(self, house, caplog, way, kind, code, told):
        caplog.set_level("INFO", "adapters")
        async with house(ScriptedEngine(say("An answer.")), way) as town:
            chat = town.direct()
            message = "not allow to access from your ip, from ip: 203.0.113.7, hint" if code == 60020 else ""
            town.wecom.fail(kind, code, message, times=1 if code in (40001, 40014, 42001) else 2)
            await town.wecom.say(chat, ANNA, "a question")
            await sentence(town, "An answer.", chat, timeout=20)
            await at_rest(town)
            (said,) = [text for text in texts(town, chat) if text.strip()]
            assert said.endswith("An answer.")
        lines = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
        assert sum(1 for line in lines if told and told in line) <= 2, lines
        assert not told or told in caplog.text
        assert code != 60020 or "203.0.113.7" in caplog.text
        for secret in (APP_SECRET, BOT_SECRET, "token-", "An answer"):
            assert secret not in caplog.text

    @pytest.mark.parametrize("way", ["socket", "app"])
    async def test_what_wecom_never_takes_is_told_of(self, house, caplog, monkeypatch, way):
        def picky(takes: Any, place: int) -> Any:
            def look(*args: Any, **named: Any) -> Any:
                if "bad" in str(args[place]):
                    raise ApiError(40058)
                return takes(*args, **named)

            return look

        monkeypatch.setattr(contents, "read", picky(contents.read, 0))
        monkeypatch.setattr(App, "send", picky(App.send, 1))
        async with house(ScriptedEngine(say("A bad answer.")), way) as town:
            await town.wecom.say(town.direct(), ANNA, "a question")
            await sentence(town, "WeCom did not take this part", town.direct())
            await at_rest(town)
        assert caplog.text.count("a part of an answer was not shown") == 1
        assert "bad answer" not in caplog.text

    async def test_a_token_that_is_over_before_its_time_is_fetched_once(self, house, monkeypatch, caplog):
        monkeypatch.setattr(tokens, "_FRESH", 0.0)
        caplog.set_level("DEBUG", "adapters")
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine, "app") as town:
            for words in ("One.", "Two."):
                await town.wecom.say(town.direct(), ANNA, "a question")
                await sentence(town, words, town.direct())
                await at_rest(town)
                town.wecom.app.revoke()
            assert len(town.wecom.called("gettoken")) == 2
            assert [call.code for call in town.wecom.called("message/send")] == [0, 0, 40014, 0, 0]
        assert APP_SECRET not in caplog.text
        assert "token-" not in caplog.text

    async def test_whoever_is_out_of_reach_is_given_up_and_the_operator_told(self, house, caplog):
        engine = ScriptedEngine(scripts=[say("One."), say("Two.")])
        async with house(engine, "app") as town:
            chat = town.direct()
            town.wecom.chats.people[ANNA].is_visible = False
            await town.wecom.say(chat, ANNA, "a question")
            await until(lambda: _is_logged(caplog, "visible range"), timeout=10)
            await at_rest(town)
            town.wecom.chats.people[ANNA].is_visible = True
            await town.wecom.say(chat, ANNA, "another question")
            await sentence(town, "Two.", chat)
        assert caplog.text.count("visible range") == 1


async def _is_marked(town: Town) -> bool:
    return town.rows("SELECT count(*) FROM inbox WHERE mark IS NOT NULL") == [(1,)]


async def _is_logged(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


# ------------------------------------------------------------------------------------------------------ bad callbacks


class TestForgeries:
    @pytest.mark.parametrize("way", ["callback", "app"])
    async def test_what_wecom_did_not_sign_is_refused_and_nothing_is_kept(self, house, way):
        engine = ScriptedEngine(say("Yes."))
        async with house(engine, way) as town:
            courier = town.wecom.courier
            line = courier.bot if way == "callback" else courier.app
            body = {"msgtype": "text"} if way == "callback" else {"MsgType": "text"}
            sealed = line.wire.seal(line.plain(body))
            url, _ = line.signed(sealed)
            bombs = (
                b'<!DOCTYPE x [<!ENTITY a "aaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>',
                b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>',
                b"<xml>" * 100_000,
            )
            forged: list[tuple[str, bytes]] = [
                (url.replace("msg_signature=", "msg_signature=0"), line.body(sealed)),
                (url.partition("?")[0], line.body(sealed)),
                (url, line.body(sealed[:-4] + "AAA=")),
                *((url, bad) for bad in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"<xml>", b"<xml></xml>", *bombs)),
            ]
            for place, bad in forged:
                attempt, _ = await courier.post(place, bad)
                assert attempt.status == 401, (place, bad[:40])
            async with aiohttp.ClientSession() as http, http.post(url, data=BytesIO(bytes(10 << 20))) as response:
                assert response.status == 413
            other = line.wire.seal(line.plain(body), receive_id="ww00000000000000bb")
            attempt, _ = await courier.post(line.signed(other)[0], line.body(other))
            assert attempt.status == 401, "meant for somebody else"
            assert (stored(town), engine.asked, town.wecom.answers(town.direct())) == (0, [], [])
            await town.wecom.say(town.direct(), ANNA, "a question")
            await sentence(town, "Yes.", town.direct())

    @pytest.mark.parametrize("way", ["callback", "app"])
    async def test_what_wecom_signed_and_nobody_understands_is_refused_and_nothing_is_kept(self, house, way):
        async with house(ScriptedEngine(), way) as town:
            courier = town.wecom.courier
            line = courier.bot if way == "callback" else courier.app
            plain: list[bytes] = [b"", b"[]", b"null", b"<xml></xml>", b'{"msgtype": "text"}', b"{}", b"\xff"]
            for bad in plain:
                sealed = line.wire.seal(bad)
                attempt, _ = await courier.post(line.signed(sealed)[0], line.body(sealed))
                assert attempt.status == 400, bad
            assert stored(town) == 0

    @pytest.mark.parametrize("way", ["callback", "app"])
    async def test_the_address_is_checked_by_the_console(self, house, way):
        async with house(ScriptedEngine(), way) as town:
            assert await town.wecom.check_url(way) == ""
            line = town.wecom.courier.bot if way == "callback" else town.wecom.courier.app
            echo = line.wire.seal(b"1234567890")
            async with aiohttp.ClientSession() as http:
                for query in (f"?echostr={echo}", "", "?msg_signature=0&timestamp=1&nonce=2&echostr=3"):
                    async with http.get(f"{line.url}{query}") as response:
                        assert (response.status, await response.read()) == (401, b"")
                async with http.put(line.url) as response:
                    assert response.status == 405


# ------------------------------------------------------------------------------------------------------ two processes


async def test_a_poll_is_answered_by_the_process_that_does_not_answer_the_question(house, monkeypatch):
    engine = HaltingEngine(say("An answer that goes on and on."), before=5)
    async with house(engine, "callback") as town:
        await town.wecom.say(ANNA, ANNA, "a question")
        await growing(town, ANNA, "An answer")
        idle = ScriptedEngine()
        async with another_house(idle, monkeypatch) as other:
            town.wecom.bot_url = f"{other}/channels/wecom"
            engine.go.set()
            await answer(town, ANNA, "An answer that goes on and on.")
            await at_rest(town)
            (said,) = town.wecom.answers(ANNA)
            polls = [each for each in town.wecom.delivered("stream") if each.answer]
            assert (said.was_streamed, polls[-1].answer["stream"]["finish"]) == (True, True)
            assert not any(each.problem for each in town.wecom.deliveries)
        assert idle.asked == []


# ------------------------------------------------------------------------------------------------ the database is away


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


class TestWhatIsNotKept:
    @pytest.mark.parametrize("way", BOTS)
    async def test_the_person_is_told_to_send_it_again_and_it_is_counted(self, house, database, line, way):
        line(Text("这是草稿。", Source.PLUGIN), Ask("ask-1", "要发送吗？"))
        async with house(ScriptedEngine(), way) as town:
            await town.wecom.say(ANNA, ANNA, "请发送")
            said = await sentence(town, "要发送吗？", ANNA)
            await at_rest(town)
            (card,) = town.wecom.cards(ANNA)
            async with away(database):
                for words, reads in (
                    ("一个问题", NOT_STORED),
                    ("a question", "could not be saved"),
                    ("继续", NOT_STORED),
                ):
                    count, began = len(town.wecom.answers(ANNA)), monotonic()
                    await town.wecom.say(ANNA, ANNA, words)
                    told = await town.answered(ANNA, count=count + 1)
                    assert (reads in told.text, monotonic() - began < 3) == (True, True), (words, told.text)
                await town.wecom.say(ANNA, ANNA, "停止")
                await town.answered(ANNA, count=5)
                assert town.wecom.answers(ANNA)[-1].text == NOT_STORED
                await town.wecom.click(ANNA, card, ANNA, "确认执行")
                await town.wecom.until(lambda: "未能保存" in str(card.card_for(ANNA)))
                await town.wecom.rate(ANNA, said, ANNA, 1)
                if way == "socket":
                    await sentence(town, "您的评价暂时无法保存", ANNA)
                assert await lost(town) == (6 if way == "socket" else 5)
            if way == "socket":
                await town.wecom.connected()
            await town.wecom.click(ANNA, card, ANNA, "确认执行")
            await sentence(town, "没有等待您确认的内容", ANNA)
            await at_rest(town)
            assert stored(town) == 2

    async def test_a_question_to_the_app_is_sent_again_by_wecom_and_answered_once(self, house, database):
        engine = ScriptedEngine(say("An answer."))
        async with house(engine, "app") as town:
            chat, courier = town.direct(), town.wecom.courier
            courier.redeliveries, courier.retry_delay = 50, 0.2
            async with away(database):
                asking = asyncio.create_task(town.wecom.say(chat, ANNA, "a question"))
                (told,) = await town.wecom.until(lambda: [each for each in town.wecom.deliveries if each.attempts])
                assert {attempt.status for attempt in told.attempts} == {503}
            await asking
            assert told.is_accepted
            await sentence(town, "An answer.", chat)
            await at_rest(town)
            assert (texts(town, chat), len(engine.asked)) == (["An answer."], 1)

    async def test_a_stream_goes_on_once_the_database_is_back(self, house, database):
        engine = HaltingEngine(say("An answer that goes on and on."), before=5)
        async with house(engine, "callback") as town:
            await town.wecom.say(ANNA, ANNA, "a question")
            shown = await growing(town, ANNA, "An answer")
            async with away(database):
                asked = len(town.wecom.deliveries)
                await town.wecom.until(lambda: len(town.wecom.deliveries) > asked + 5)
                assert all(each.status == 200 for each in town.wecom.deliveries if each.attempts)
                assert shown.text.startswith("An answer")
            engine.go.set()
            await answer(town, ANNA, "An answer that goes on and on.")
            await at_rest(town)
            assert town.wecom.answers(ANNA) == [shown]
