"""A day in WeCom, by each of its three ways: asked, answered, asked again, rated, and kept in Postgres."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest

from adapters.wecom import CallbackBot, adapter, pacing
from adapters.wecom.pacing import Pacer, SharedPacer, Window
from adapters.wecom.socket_delivery import SocketDelivery
from adapters.wecom.tempo import CallbackTempo, Tempo
from bench.platforms.wecom import Message, Platform
from bench.process import ParleyServe
from bench.process import running as processes
from bench.until import until
from bot import wecom
from core.message import ReplyId
from core.ports import Delta, State
from core.splitting import utf8_bytes
from core.store import Keys
from tests.fakes.engine import ScriptedEngine
from tests.fakes.wire import DONE, WireServer, piece, running
from tests.postgres import database
from tests.wecom import ANNA, BO, GROUP, WAYS, Town, call_back, settle_in, told_of, town_with
from tests.wecom_moves import at_rest, kept, reply_of, sentence, stored, until_scores, votes, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_CAPITAL = "弗里多尼亚的首都是**弗雷德维尔**，一座有港口、集市和旧灯塔的海边小城，夏天很热闹，冬天很安静。"
_RIVER = "它在弗雷德河边。"
_ASKED = "弗里多尼亚的首都是哪里？"


def say(text: str, size: int = 4) -> tuple[Delta, ...]:
    """A script that says `text` by so many characters at a time."""
    return tuple(Delta(text[place : place + size]) for place in range(0, len(text), size))


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(scripts=[say(_CAPITAL), say(_RIVER)], delay=0.15)


# ------------------------------------------------------------------------------------------------------ an ordinary day


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_comes_a_follow_up_knows_it_and_ratings_are_kept(engine, tmp_path, monkeypatch, way):
    async with town_with(engine, tmp_path, monkeypatch, way=way) as town:
        chat = town.direct()
        await town.wecom.say(chat, ANNA, _ASKED)
        first = await sentence(town, "弗雷德维尔", chat)
        await at_rest(town)
        _it_grew(town, first)
        capital = _reply(town, chat)

        engine.delay = 0
        await town.wecom.say(chat, ANNA, "在哪条河边？")
        await sentence(town, _RIVER, chat)
        await at_rest(town)
        assert [turn.text for turn in engine.asked[1].conversation.turns[-3:]] == [_ASKED, _CAPITAL, "在哪条河边？"]
        await _anna_rates(town, chat, first, capital)
        await _the_database_says(town, {capital: _CAPITAL, _reply(town, chat): _RIVER})


def _it_grew(town: Town, message: Message) -> None:
    """Streamed, each text going on from the one before; an app's message cannot grow, and is whole when it comes."""
    if town.way == "app":
        assert message.text.startswith(_CAPITAL)
        return
    said = [text for text in message.texts if text and text in _CAPITAL]
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    assert len(said) >= 2
    assert (message.was_streamed, message.text) == (True, _CAPITAL)


def _reply(town: Town, chat: str) -> ReplyId:
    """The newest answer's."""
    said = town.wecom.cards(chat) if town.way == "app" else town.wecom.answers(chat)
    return reply_of(said[-1])


async def _anna_rates(town: Town, chat: str, message: Message, reply: ReplyId) -> None:
    if town.way == "app":
        (card, _) = town.wecom.cards(chat)
        await town.wecom.click(chat, card, ANNA, "👍")
        await until_scores(town, reply, {ANNA: 5})
        assert card.card_for(ANNA) != card.card, "the card says that the vote was heard"
        await town.wecom.click(chat, card, ANNA, "👎")
        await until_scores(town, reply, {ANNA: 1})
        return
    await town.wecom.rate(chat, message, ANNA, 1)
    await until_scores(town, reply, {ANNA: 5})
    await town.wecom.rate(chat, message, ANNA, 3)
    await until_scores(town, reply, {})
    await town.wecom.rate(chat, message, ANNA, 2, "那是一个湖。", [2, 3])
    await until_scores(town, reply, {ANNA: 1})
    (vote,) = await votes(town, reply)
    assert (vote.comment, vote.reason, vote.model) == ("那是一个湖。", "incomplete, incorrect", "scripted@1")


async def _the_database_says(town: Town, answers: dict[ReplyId, str]) -> None:
    await at_rest(town)
    for id, text in answers.items():
        reply = await kept(town, id)
        assert (reply.text, reply.asker.id) == (text, ANNA)
        assert reply.parts
        async with town.store() as store, store.unit() as unit:
            turn = await unit.turns.get(id)
        assert turn is not None
        assert turn.state is State.DONE
    assert town.rows("SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize("way", ["socket", "callback"])
async def test_a_group_is_one_conversation_in_which_the_bot_is_named(engine, tmp_path, monkeypatch, way):
    engine.delay = 0
    async with town_with(engine, tmp_path, monkeypatch, way=way) as town:
        await town.wecom.say(GROUP, ANNA, f"{town.mention} {_ASKED}")
        await sentence(town, "弗雷德维尔", GROUP)
        await at_rest(town)
        await town.wecom.say(GROUP, BO, f"{town.mention} 在哪条河边？")
        await sentence(town, _RIVER, GROUP)
        await at_rest(town)
        assert [turn.text for turn in engine.asked[1].conversation.turns[-3:]] == [_ASKED, _CAPITAL, "在哪条河边？"]
        assert town.wecom.answers(ANNA) == town.wecom.answers(BO) == []


@pytest.mark.parametrize("way", ["callback", "app"])
async def test_a_callback_that_comes_three_times_is_answered_once(engine, tmp_path, monkeypatch, way):
    async with town_with(engine, tmp_path, monkeypatch, way=way) as town:
        delivery = await town.wecom.say(town.direct(), ANNA, _ASKED)
        for _ in range(2):
            await town.wecom.repeat(delivery)
        await sentence(town, "弗雷德维尔", town.direct())
        await at_rest(town)
        assert len(town.wecom.answers(town.direct())) == len(engine.asked) == stored(town) == 1


# ---------------------------------------------------------------------------------------------------- long, and slow


def _lines(size: int) -> str:
    """An answer of at least so many bytes, of which each line is different."""
    lines: list[str] = []
    total = 0
    while total < size:
        lines.append(f"第 {len(lines) + 1} 行：港口的日志，记着每一艘船的名字。\n")
        total += utf8_bytes(lines[-1])
    return "".join(lines)


def _read(text: str) -> list[str]:
    """The lines of it, in the order in which they are read."""
    return re.findall(r"第 \d+ 行：港口的日志，记着每一艘船的名字。", text)


@pytest.mark.parametrize("way", ["socket", "app"])
async def test_an_answer_of_60_kb_arrives_whole(tmp_path, monkeypatch, way):
    text = _lines(60 * 1024)
    scale = 30  # of the minute and the hour, for WeCom and for us
    quick = tuple(Window(calls=w.calls, interim=w.interim, seconds=w.seconds / scale) for w in pacing.WINDOWS)
    monkeypatch.setattr(adapter, "Pacer", partial(Pacer, quick, first_gap=0.05))
    monkeypatch.setattr(adapter, "SharedPacer", partial(SharedPacer, windows=quick, first_gap=0.05))
    async with town_with(ScriptedEngine(scripts=[say(text, 1000)]), tmp_path, monkeypatch, way=way) as town:
        town.wecom.limits.windows = ((30, 60.0 / scale), (1000, 3600.0 / scale))
        town.wecom.has_limits = True
        await town.wecom.say(town.direct(), ANNA, "请把日志全部念给我听。")
        await sentence(town, "第 900 行", town.direct(), timeout=60)
        await at_rest(town, timeout=60)
        assert _read(whole(town, town.direct())) == _read(text)
        chat = town.wecom.chats.all[town.direct()]
        assert chat.dropped == []
        assert not any(message.is_cut for message in town.wecom.answers(town.direct()))


async def test_an_answer_of_40_kb_by_callback_is_read_on_by_a_word(tmp_path, monkeypatch):
    text = _lines(50 * 1024)
    engine = ScriptedEngine(scripts=[say(text, 1000), say(_RIVER)])
    async with town_with(engine, tmp_path, monkeypatch, way="callback") as town:
        await town.wecom.say(ANNA, ANNA, "请把日志全部念给我听。")
        await at_rest(town)
        streamed, pushed = town.wecom.answers(ANNA)
        assert streamed.was_streamed
        assert "发送“继续”" in pushed.text
        assert len(_read(whole(town, ANNA))) < len(_read(text))
        while "发送“继续”" in town.wecom.answers(ANNA)[-1].text:
            await town.wecom.say(ANNA, ANNA, "继续")
            await town.wecom.settle()
        assert _read(whole(town, ANNA)) == _read(text)
        assert (len(engine.asked), stored(town)) == (1, 1)

        await town.wecom.say(ANNA, ANNA, "继续")
        await sentence(town, _RIVER, ANNA)
        assert len(engine.asked) == 2, "where nothing is left it is a question like any other"


@pytest.mark.parametrize("way", WAYS)
async def test_an_engine_slower_than_six_minutes_is_still_heard(tmp_path, monkeypatch, way):
    scale = 40  # six minutes in nine seconds, for WeCom and for us
    tempo = Tempo(stream_lasts=330 / scale, sign_every=0.5, push_every=0.5)
    monkeypatch.setattr(adapter, "SocketDelivery", partial(SocketDelivery, tempo=tempo))
    monkeypatch.setattr(wecom, "CallbackBot", partial(CallbackBot, tempo=CallbackTempo(life=9, safe=330 / scale)))
    engine = ScriptedEngine(scripts=[say(_CAPITAL)], gate=(gate := asyncio.Event()))
    async with _hurried(engine, tmp_path, monkeypatch, way, scale) as town:
        chat = town.direct()
        await town.wecom.say(chat, ANNA, _ASKED)
        asked_at = town.wecom.bot.clock()
        await until(lambda: _is_past(town, asked_at + 400), timeout=20)
        if way != "app":
            assert not any(message.is_streaming for message in town.wecom.answers(chat))
            assert all(message.stream.state == "finished" for message in town.wecom.answers(chat) if message.stream)
        gate.set()
        await sentence(town, "弗雷德维尔", chat)
        await at_rest(town)
        assert whole(town, chat).count("旧灯塔") == 1


async def _is_past(town: Town, moment: float) -> bool:
    return town.wecom.bot.clock() > moment


@asynccontextmanager
async def _hurried(engine, folder, monkeypatch, way, scale) -> AsyncIterator[Town]:
    began = monotonic()
    monkeypatch.setattr("tests.wecom.Platform", partial(Platform, clock=lambda: (monotonic() - began) * scale))
    async with town_with(engine, folder, monkeypatch, way=way) as town:
        yield town


# -------------------------------------------------------------------------------------------------------------- killed


@pytest.mark.faults
@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_is_killed_while_it_answers_leaves_one_complete_answer(tmp_path, way):
    async with _served(tmp_path, way) as (town, (server,), go):
        chat = town.direct()
        await town.wecom.say(chat, ANNA, _ASKED, wait=False)
        await until(lambda: _is_begun(town), timeout=30)
        await server.kill()
        go.set()
        await server.start()
        await sentence(town, "旧灯塔", chat, timeout=40)
        await at_rest(town, timeout=30)
        assert whole(town, chat).count("旧灯塔") == 1
        assert not any(message.is_streaming for message in town.wecom.answers(chat))


@pytest.mark.faults
async def test_another_process_takes_the_long_connection_over_within_ten_seconds(tmp_path):
    async with _served(tmp_path, "socket", count=2) as (town, servers, go):
        holder, _ = servers
        await town.wecom.say(ANNA, ANNA, _ASKED)
        await until(lambda: _is_begun(town), timeout=30)
        held = town.wecom.sockets.live
        await holder.kill()
        await town.wecom.until(lambda: town.wecom.sockets.live not in (None, held), 10)
        go.set()
        await sentence(town, "旧灯塔", ANNA, timeout=30)
        await town.wecom.say(ANNA, ANNA, "还在吗？")
        await town.wecom.until(lambda: len(town.wecom.answers(ANNA)) >= 2, 20)
        await at_rest(town, timeout=30)
        assert stored(town) == 2


async def _is_begun(town: Town) -> bool:
    return town.rows("SELECT count(*) > 0 FROM drafts") == [(True,)]


@asynccontextmanager
async def _served(
    folder: Path, way: str, count: int = 1
) -> AsyncIterator[tuple[Town, list[ParleyServe], asyncio.Event]]:
    """WeCom, and servers of their own processes before a model that halts in the middle of its answer until it may go.

    The first server is the one that holds the long connection.
    """
    go = asyncio.Event()
    model = WireServer([piece(_CAPITAL[:20]), go, piece(_CAPITAL[20:]), piece("", "stop"), DONE])
    async with Platform() as platform, running(model):
        settle_in(platform)
        with database() as url:
            settings = told_of(platform, way) | {
                "DATABASE_URL": url,
                "PARLEY_KEYS": Keys.generate().dump(),
                "PARLEY_TURNS__LEASE_SECONDS": "2",
                "PARLEY_ENGINE__BACKEND": "remote",
                "PARLEY_REMOTE__URLS": f'["{model.url}"]',
            }
            servers = [ParleyServe(folder, settings) for _ in range(count)]
            call_back(platform, way, servers[0].url)
            async with processes(servers[0]):
                if way == "socket":
                    await platform.connected()
                async with processes(*servers[1:]):
                    yield Town(platform, servers[0].url, url, way), servers, go
