"""Questions that wait for their turn: the stream that is opened for them, and who goes on with it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import time

import pytest

from adapters.wecom.errors import StreamOver, Unsure
from adapters.wecom.pacing import Pacer
from adapters.wecom.tempo import Tempo
from adapters.wecom.waiting import Waiting
from core.errors import DoorLost, RateLimited
from core.message import Author, Message, ThreadId, Visibility
from tests.unit.adapters.wecom.bot_chat import BotChat

REPLY = "0" * 31 + "1"
TEMPO = Tempo(waiting_after=0.02, sign_every=0.03)
ASKED = Message(
    id="socket:aibTESTbot:m1",
    thread=ThreadId("wecom", "aibTESTbot", "anna", "single"),
    author=Author("wecom", "aibTESTbot", "anna", locale="zh-CN"),
    sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    visibility=Visibility.DIRECT,
    return_address={"mode": "socket", "req_id": "R1", "chat": "anna", "chat_type": 1},
    text="第二个问题",
)


@pytest.fixture
def chat() -> BotChat:
    return BotChat()


def waiting(chat: BotChat, tempo: Tempo = TEMPO) -> Waiting:
    return Waiting(chat, Pacer(first_gap=0.0), tempo)


async def test_whoever_waits_is_shown_so_and_the_answer_goes_on_in_that_stream(chat):
    waits = waiting(chat)
    waits.expect(REPLY, ASKED)
    await chat.until("frame", 3)
    opening = await waits.begin(REPLY)
    assert opening is not None
    assert (abs(time() - opening.at) < 5, opening.has_ended) == (True, False)
    count = len(chat.calls)
    await asyncio.sleep(0.1)
    assert len(chat.calls) == count, "the answer itself is shown from now on"
    (shown,) = chat.stands
    assert (shown.text.startswith("已收到，正在先回答前面的问题"), shown.feedback) == (True, REPLY)
    assert ["feedback" in call.body["stream"] for call in chat.calls[:3]] == [True, False, False]
    assert {call.req_id for call in chat.calls} == {"R1"}


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_answer_that_is_begun_soon_needs_no_such_stream(chat, is_first):
    waits = waiting(chat)
    if is_first:  # it may be begun before we learn that its question is stored
        assert await waits.begin(REPLY) is None
    waits.expect(REPLY, ASKED)
    assert await waits.begin(REPLY) is None
    await asyncio.sleep(0.06)
    assert chat.calls == []


async def test_an_english_question_waits_in_english(chat):
    waits = waiting(chat)
    waits.expect(REPLY, replace(ASKED, text="and what about me?"))
    await chat.until("frame")
    assert chat.texts[0].startswith("Received. What was asked before is answered first")
    await waits.close()


async def test_a_stream_that_gets_too_old_is_ended_and_says_what_follows(chat):
    waits = waiting(chat, replace(TEMPO, stream_lasts=0.05))
    waits.expect(REPLY, ASKED)
    await chat.until("last")
    assert chat.texts == ["需要较长时间，回答将以新消息发送。"]
    opening = await waits.begin(REPLY)
    assert opening is not None
    assert opening.has_ended


async def test_whoever_waits_is_told_so_again_once_the_connection_is_back(chat):
    chat.fails["frame"] = [DoorLost()]
    waits = waiting(chat)
    waits.expect(REPLY, ASKED)
    await chat.until("frame", 2)
    assert await waits.begin(REPLY) is not None


async def test_where_no_stream_can_be_opened_the_answer_opens_its_own(chat):
    chat.fails["frame"] = [StreamOver(846608)]
    waits = waiting(chat)
    waits.expect(REPLY, ASKED)
    await asyncio.sleep(0.1)
    assert (len(chat.calls), await waits.begin(REPLY)) == (1, None)


async def test_a_stream_that_may_be_open_counts_as_open(chat):
    chat.lost["frame"] = [Unsure()]
    waits = waiting(chat)
    waits.expect(REPLY, ASKED)
    await chat.until("frame", 2)
    assert await waits.begin(REPLY) is not None


async def test_a_sign_that_wecom_has_no_room_for_comes_later(chat):
    chat.fails["frame"] = [RateLimited(timedelta(seconds=0.02))]
    waits = waiting(chat)
    waits.expect(REPLY, ASKED)
    await chat.until("frame", 2)
    assert chat.stands[0].feedback == REPLY
    assert await waits.begin(REPLY) is not None
