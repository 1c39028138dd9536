"""The long connection against a stand-in for WeCom: who holds it, when it is opened again, and what goes through it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest

from adapters.wecom.connection import Connection
from adapters.wecom.errors import NotLetIn, NotSent, StreamOver, Unsure, WecomRefused
from adapters.wecom.pacing import Pacer
from adapters.wecom.settings import BotSettings
from adapters.wecom.socket_delivery import SocketDelivery
from adapters.wecom.tempo import Tempo
from adapters.wecom.texts import say, say_to_operator
from bench.platforms.wecom import BOT_ID, BOT_SECRET, Message, Platform
from core.delivery import Feed
from core.errors import DoorLost, RateLimited
from core.message import Ask, Author, Image, PartId, Reply, ReplyId, Text, ThreadId
from core.ports import Delivery, Leader
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.wecom import ANNA, GROUP, settle_in

REPLY = "0" * 31 + "1"
QUICK = Tempo(
    dial_within=2.0,
    ack_within=0.3,
    late_within=0.3,
    ping_every=0.1,
    retry_least=0.02,
    retry_most=0.1,
    slow_retry=0.5,
    lock_settles=0.05,
    at_once=0.01,
    first_after=0.01,
)
PATIENT = replace(QUICK, ping_every=60.0, slow_retry=60.0)
LINES = "".join(f"Line {number} of a long answer, which goes on and on.\n" for number in range(1300))  # 60 KB and more


class Lead:
    """A leader's name that a test takes away."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.holds = 0

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator["Lead", None]:
        self.holds += 1
        self.taken.clear()
        yield self

    async def lost(self) -> None:
        await self.taken.wait()


class Process:
    """One of our processes: what it hears, and its task."""

    def __init__(
        self, url: str, leader: Callable[[str], Leader], tempo: Tempo = QUICK, secret: str = BOT_SECRET
    ) -> None:
        settings = BotSettings(bot_id=BOT_ID, secret=secret, url=url)
        self.metrics = Numbers()
        self.connection = Connection(settings, leader=leader, metrics=self.metrics, tempo=tempo)
        self.heard: list[Mapping[str, Any]] = []
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self.connection.hold(self._take))

    def _take(self, frame: Mapping[str, Any]) -> None:
        self.heard.append(frame)
        self._came.set()
        if "poison" in (words := frame["body"].get("text", {}).get("content", "")):
            raise LookupError(words)

    async def connected(self, within: float = 5.0) -> None:
        await until(lambda: self.connection.is_connected, within)

    async def hears(self) -> Mapping[str, Any]:
        """The newest callback, once there is one."""
        async with asyncio.timeout(5):
            await self._came.wait()
        self._came.clear()
        return self.heard[-1]

    async def asked(self, wecom: Platform, chat: str = ANNA, text: str = "When does the boat leave?") -> str:
        """Somebody asks; the req_id."""
        await wecom.say(chat, ANNA, text)
        return str((await self.hears())["headers"]["req_id"])

    async def dies(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def until(predicate: Callable[[], object], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not predicate():
            await asyncio.sleep(0.005)


@pytest.fixture
async def wecom() -> AsyncIterator[Platform]:
    async with Platform() as platform:
        settle_in(platform)
        yield platform


@pytest.fixture
async def started() -> AsyncIterator[Callable[..., Process]]:
    """Starts processes, all with one store unless told otherwise, and ends them."""
    store, processes = MemoryStore(), []

    def start(url: str, leader: Callable[[str], Leader] = store.leader, **more: Any) -> Process:
        processes.append(Process(url, leader, **more))
        return processes[-1]

    yield start
    for process in processes:
        await process.dies()


@pytest.fixture
async def process(wecom, started) -> Process:
    process: Process = started(wecom.ws_url, tempo=PATIENT)
    await process.connected()
    return process


def subscribed(wecom: Platform) -> int:
    return len(wecom.called("aibot_subscribe"))


def stream(content: str, *, finish: bool = False, id: str = REPLY) -> dict[str, Any]:
    return {"msgtype": "stream", "stream": {"id": id, "finish": finish, "content": content}}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# ------------------------------------------------------------------------------------------------------ what is said


async def test_what_is_asked_is_heard_and_answered(wecom, process):
    req_id = await process.asked(wecom)
    assert process.heard[0]["body"]["text"]["content"] == "When does the boat leave?"
    await process.connection.send("aibot_respond_msg", stream("At nine.", finish=True), req_id=req_id)
    assert [message.text for message in wecom.answers(ANNA)] == ["At nine."]


async def test_frames_of_one_request_wait_for_each_other(wecom, process):
    wecom.delay("aibot_respond_msg", 0.01)
    req_id = await process.asked(wecom)
    sent = [process.connection.send("aibot_respond_msg", stream(f"{n}"), req_id=req_id) for n in range(10)]
    await asyncio.gather(*sent)
    assert wecom.answers(ANNA)[0].texts == [str(number) for number in range(10)]


async def test_frames_of_different_requests_do_not(wecom, process):
    wecom.delay("aibot_send_msg", 0.1)
    await process.asked(wecom)
    body = {"chatid": ANNA, "chat_type": 1, "msgtype": "markdown", "markdown": {"content": "…"}}
    began = monotonic()
    await asyncio.gather(*(process.connection.send("aibot_send_msg", body) for _ in range(20)))
    assert len(wecom.answers(ANNA)) == 20
    assert monotonic() - began < 1.0


async def test_what_is_refused_is_an_error_that_says_why(wecom, process):
    with pytest.raises(StreamOver):
        await process.connection.send("aibot_respond_msg", stream("…"), req_id="unknown")
    wecom.fail("aibot_send_msg", 45009)
    with pytest.raises(RateLimited):
        await process.connection.send("aibot_send_msg", {})


async def test_an_answer_that_does_not_come_is_not_taken_for_the_next_one(wecom, process):
    req_id = await process.asked(wecom)
    wecom.delay("aibot_respond_msg", 0.4)
    with pytest.raises(Unsure):
        await process.connection.send("aibot_respond_msg", stream("first"), req_id=req_id)
    wecom.delay("aibot_respond_msg", 0)
    wecom.fail("aibot_respond_msg", 846608)  # the first one, by now
    await process.connection.send("aibot_respond_msg", stream("second"), req_id=req_id)
    assert [call.code for call in wecom.called("aibot_respond_msg")] == [846608, 0]
    assert [message.text for message in wecom.answers(ANNA)] == ["second"]


async def test_an_answer_that_never_comes_does_not_stop_the_next_one(wecom, process):
    req_id = await process.asked(wecom)
    wecom.swallow("aibot_respond_msg")
    with pytest.raises(Unsure):
        await process.connection.send("aibot_respond_msg", stream("first"), req_id=req_id)
    await process.connection.send("aibot_respond_msg", stream("second"), req_id=req_id)
    assert wecom.answers(ANNA)[0].text == "second"


async def test_what_was_on_its_way_when_the_connection_broke_may_have_arrived(wecom, process):
    wecom.delay("aibot_respond_msg", 5.0)
    req_id = await process.asked(wecom)
    sending = asyncio.create_task(process.connection.send("aibot_respond_msg", stream("…"), req_id=req_id))
    await wecom.until(lambda: wecom.called("aibot_respond_msg"))
    wecom.cut_sockets()
    with pytest.raises(Unsure):
        await sending


async def test_nothing_is_sent_where_there_is_no_connection(wecom):
    connection = Connection(
        BotSettings(bot_id=BOT_ID, secret=BOT_SECRET, url=wecom.ws_url), leader=MemoryStore().leader, metrics=Numbers()
    )
    with pytest.raises(DoorLost):
        await connection.send("aibot_send_msg", {})
    assert not connection.is_connected


async def test_one_frame_that_is_not_understood_harms_no_other(wecom, process, caplog):
    await process.asked(wecom, text="the words are poison")
    await wecom.sockets.live.socket.send_str("no JSON")
    await wecom.sockets.live.socket.send_str("[]")
    await wecom.sockets.live.socket.send_str('{"headers": 7, "errcode": 0}')
    await process.asked(wecom, text="the next question")
    assert process.heard[-1]["body"]["text"]["content"] == "the next question"
    assert process.connection.is_connected
    assert len(errors(caplog)) == 3
    assert "the words are" not in caplog.text


# ------------------------------------------------------------------------------------------------------- who holds it


async def test_one_of_our_processes_holds_it_and_another_takes_over(wecom, started):
    first, second = started(wecom.ws_url), started(wecom.ws_url)
    await first.connected()
    await asyncio.sleep(0.1)
    assert not second.connection.is_connected
    assert subscribed(wecom) == 1
    await first.dies()
    await second.connected()
    assert not first.connection.is_connected
    await second.asked(wecom)


async def test_a_process_that_no_longer_holds_the_name_closes_at_once(wecom, started):
    lead = Lead()
    process = started(wecom.ws_url, lambda name: lead, tempo=PATIENT)
    await process.connected()
    wecom.delay("aibot_subscribe", 0.2)
    lead.taken.set()
    await until(lambda: not process.connection.is_connected, 0.5)
    await wecom.until(lambda: wecom.sockets.live is None, 1.0)
    await process.connected()
    assert lead.holds == 2


async def test_a_process_that_does_not_get_through_lets_another_one_try(wecom, started):
    stuck = started("ws://127.0.0.1:1", tempo=replace(QUICK, retry_least=0.05, retry_most=0.4))
    await asyncio.sleep(0.01)
    other = started(wecom.ws_url)
    await other.connected()
    assert not stuck.connection.is_connected


async def test_whoever_was_kicked_by_another_program_says_so_and_waits(wecom, started, caplog):
    process = started(wecom.ws_url)
    await process.connected()
    for _ in range(2):
        await wecom.kick()
        await until(lambda: not process.connection.is_connected)
        began = monotonic()
        await process.connected()
        assert monotonic() - began > 0.4
    assert [line.partition(": ")[2] for line in errors(caplog)] == [say_to_operator("kicked")] * 2
    assert subscribed(wecom) == 3


async def test_the_name_is_given_back_by_whoever_was_kicked(wecom, started):
    lead = Lead()
    process = started(wecom.ws_url, lambda name: lead)
    await process.connected()
    await wecom.kick()
    await until(lambda: lead.holds == 2)
    await process.connected()


async def test_whoever_was_kicked_by_one_of_our_own_complains_of_nobody(wecom, started, caplog):
    lead = Lead()
    process = started(wecom.ws_url, lambda name: lead, tempo=replace(PATIENT, lock_settles=5.0))
    await process.connected()
    await wecom.kick()
    await until(lambda: not process.connection.is_connected)
    await asyncio.sleep(0.05)  # which the database may take
    lead.taken.set()
    await until(lambda: lead.holds == 2)
    await process.connected()
    assert not errors(caplog)


# ---------------------------------------------------------------------------------------------- when it is opened again


async def test_a_broken_connection_is_opened_again(wecom, started, caplog):
    process = started(wecom.ws_url)
    await process.connected()
    for count in (2, 3):
        wecom.cut_sockets()
        await wecom.until(lambda count=count: subscribed(wecom) == count)
        await process.connected()
        await process.asked(wecom)
    assert not errors(caplog)
    assert process.metrics.counts["channel_retries", "wecom"] == 2


async def test_a_connection_that_is_silent_for_two_pings_is_dead(wecom, started):
    process = started(wecom.ws_url, tempo=replace(QUICK, ack_within=0.1))
    await process.connected()
    await wecom.until(lambda: len(wecom.called("ping")) >= 2)
    wecom.mute_sockets()
    await until(lambda: subscribed(wecom) == 2 and process.connection.is_connected)
    await process.asked(wecom)


async def test_one_ping_that_is_lost_now_and_then_is_nothing(wecom, started):
    process = started(wecom.ws_url, tempo=replace(QUICK, ack_within=0.15))
    await process.connected()
    for pings in (4, 8):
        wecom.drop("ping")
        await wecom.until(lambda pings=pings: len(wecom.called("ping")) >= pings)
    assert subscribed(wecom) == 1


async def test_whoever_answers_a_ping_with_a_wish_to_wait_is_there(wecom, started):
    process = started(wecom.ws_url)
    await process.connected()
    wecom.fail("ping", 45009)
    wecom.fail("ping", -1)
    await wecom.until(lambda: len(wecom.called("ping")) >= 4)
    assert subscribed(wecom) == 1
    wecom.fail("ping", 853000)
    await until(lambda: subscribed(wecom) == 2)


async def test_where_wecom_is_away_it_is_asked_again_until_it_is_back(started, caplog):
    wecom = Platform()
    await wecom.start()
    url, port = wecom.ws_url, int(wecom.api_url.rpartition(":")[2])
    await wecom.stop()
    process = started(url)
    await asyncio.sleep(0.3)
    assert not process.connection.is_connected
    assert len([record for record in caplog.records if "out of reach" in record.getMessage()]) == 1
    back = Platform()
    await back.start(port)
    try:
        await process.connected()
    finally:
        await process.dies()
        await back.stop()


async def test_where_wecom_stays_away_it_is_asked_ever_less_often(wecom, started):
    tempo = replace(QUICK, retry_least=0.01, retry_most=60.0, ack_within=0.02)
    wecom.drop("aibot_subscribe", times=100)
    started(wecom.ws_url, tempo=tempo)
    await wecom.until(lambda: subscribed(wecom) >= 7, 15)
    began = [call.at for call in wecom.called("aibot_subscribe")]
    assert began[6] - began[5] >= 0.01 * 2**5, "as long as after the first failures in a row"


async def test_a_wrong_secret_is_said_once_and_does_no_harm(wecom, started, caplog):
    process = started(wecom.ws_url, secret="wrong")
    await wecom.until(lambda: subscribed(wecom) == 2)
    assert not process.connection.is_connected
    assert [line for line in errors(caplog) if say_to_operator("wrong_bot") in line] == errors(caplog)
    assert len(errors(caplog)) == 1
    assert "wrong" not in caplog.text.replace("The bot id or its secret is wrong", "")


async def test_a_secret_that_is_wrong_for_a_while_is_right_in_the_end(wecom, started):
    wecom.fail("aibot_subscribe", 853000, times=2)
    process = started(wecom.ws_url)
    began = monotonic()
    await process.connected()
    assert monotonic() - began > 0.9
    assert subscribed(wecom) == 3


async def test_a_subscription_that_is_not_answered_is_tried_again(wecom, started):
    wecom.drop("aibot_subscribe")
    process = started(wecom.ws_url)
    await process.connected()
    assert subscribed(wecom) == 2


# ------------------------------------------------------------------------------------------------------------- a check


def checking(url: str, secret: str = BOT_SECRET) -> Connection:
    settings = BotSettings(bot_id=BOT_ID, secret=secret, url=url)
    return Connection(settings, leader=MemoryStore().leader, metrics=Numbers(), tempo=QUICK)


async def test_a_check_subscribes_and_leaves(wecom):
    await checking(wecom.ws_url).check()
    await wecom.until(lambda: not wecom.sockets.links)
    assert subscribed(wecom) == 1


async def test_a_check_tells_what_is_wrong(wecom):
    with pytest.raises(NotLetIn):
        await checking(wecom.ws_url, "wrong").check()
    with pytest.raises(NotSent):
        await checking("ws://127.0.0.1:1").check()
    wecom.drop("aibot_subscribe")
    with pytest.raises(Unsure):
        await checking(wecom.ws_url).check()


# --------------------------------------------------------------------------------------------------------- an answer


class Notes:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.parts: list[PartId] = []
        self.kept: dict[str, Any] = {}

    async def part(self, part: PartId) -> None:
        self.parts.append(part)

    async def state(self, state: Mapping[str, Any]) -> None:
        self.kept = dict(state)

    async def known(self, parts: Any) -> frozenset[PartId]:
        return frozenset(parts) & frozenset(self.parts)


class Answer:
    """An answer to the question with this req_id, written by a test."""

    def __init__(
        self, process: Process, req_id: str, chat: str = ANNA, *, tempo: Tempo = PATIENT, **known: Any
    ) -> None:
        self.notes: Notes = known.pop("notes", None) or Notes()
        kind = "group" if chat == GROUP else "single"
        reply = Reply(
            id=ReplyId(REPLY),
            thread=ThreadId("wecom", BOT_ID, chat, kind),
            asker=Author("wecom", BOT_ID, ANNA, locale="zh-CN"),
            in_reply_to=f"socket:{BOT_ID}:m1",
            parts=tuple(self.notes.parts),
        )
        address = {
            "mode": "socket",
            "req_id": req_id,
            "chat": chat,
            "chat_type": 2 if chat == GROUP else 1,
            "at": datetime.now(UTC).isoformat(),
        }
        delivery = Delivery(reply=reply, return_address=address, state=self.notes.kept, is_head=True)
        pacer = known.pop("pacer", None) or Pacer(first_gap=0.05)
        self._feed = Feed()
        showing = SocketDelivery(process.connection, delivery, self.notes, process.metrics, pacer, tempo)
        self._task = asyncio.create_task(showing.show(self._feed.chunks()))

    def says(self, *chunks: Any) -> None:
        for chunk in chunks:
            self._feed.put(Text(chunk) if isinstance(chunk, str) else chunk)

    async def ends(self, *chunks: Any) -> None:
        self.says(*chunks)
        self._feed.close()
        async with asyncio.timeout(20):
            await self._task


def standing(wecom: Platform, chat: str = ANNA) -> list[Message]:
    return [message for message in wecom.messages(chat) if message.is_bot]


async def test_an_answer_grows_and_can_be_rated(wecom, process):
    answer = Answer(process, await process.asked(wecom, GROUP, "@Parley When does the boat leave?"), GROUP)
    for word in ("The boat ", "leaves ", "at nine."):
        answer.says(word)
        await wecom.until(lambda word=word: standing(wecom, GROUP) and word.strip() in standing(wecom, GROUP)[0].text)
    await answer.ends()
    [message] = standing(wecom, GROUP)
    assert (message.text, message.is_streaming, message.feedback) == ("The boat leaves at nine.", False, REPLY)
    await wecom.rate(GROUP, message, ANNA, 1)
    await until(lambda: len(process.heard) == 2)
    assert process.heard[1]["body"]["event"]["feedback_event"]["id"] == REPLY


async def test_sixty_kilobytes_arrive_whole_within_what_wecom_takes(wecom, process):
    wecom.has_limits = True
    answer = Answer(process, await process.asked(wecom), pacer=Pacer())
    for start in range(0, len(LINES), 500):
        answer.says(LINES[start : start + 500])
        await asyncio.sleep(0.01)
    await answer.ends()
    texts = [message.text.replace(say("rest_follows", "en"), "").strip("\n") + "\n" for message in standing(wecom)]
    assert "".join(texts) == LINES
    assert {call.code for call in wecom.calls} == {0}


async def test_six_minutes_are_enough_for_an_answer_of_any_length(wecom, process):
    wecom.bot.stream_seconds = 1.5
    tempo = replace(PATIENT, stream_lasts=0.5, push_every=0.4, sign_every=0.1)
    answer = Answer(process, await process.asked(wecom), tempo=tempo)
    lines = [f"Line {number}.\n" for number in range(40)]
    for line in lines:
        answer.says(line)
        await asyncio.sleep(0.05)
    await answer.ends("The end.")
    messages = standing(wecom)
    assert messages[0].text.endswith(say("rest_follows", "en"))
    assert len(messages) > 3
    texts = [message.text.replace(say("rest_follows", "en"), "").strip("\n") + "\n" for message in messages]
    assert "".join(texts) == "".join(lines) + "The end.\n"
    assert {call.code for call in wecom.calls} == {0}


async def test_a_stream_that_wecom_has_ended_is_followed_by_the_whole_answer(wecom, process):
    answer = Answer(process, await process.asked(wecom))
    answer.says("The boat")
    await wecom.until(lambda: standing(wecom) and standing(wecom)[0].text == "The boat")
    assert wecom.expire_streams() == 1
    await answer.ends(" leaves at nine.")
    instead = say("replaces_above", "en")
    assert [message.text for message in standing(wecom)] == ["The boat", f"{instead}\n\nThe boat leaves at nine."]


async def test_an_answer_survives_a_connection_that_breaks_and_comes_back(wecom, started):
    process = started(wecom.ws_url, tempo=replace(QUICK, ping_every=60.0))
    await process.connected()
    answer = Answer(process, await process.asked(wecom), tempo=QUICK)
    answer.says("The boat")
    await wecom.until(lambda: standing(wecom) and standing(wecom)[0].text == "The boat")
    wecom.cut_sockets()
    answer.says(" leaves")
    await wecom.until(lambda: standing(wecom)[0].text == "The boat leaves")
    await answer.ends(" at nine.")
    assert [message.text for message in standing(wecom)] == ["The boat leaves at nine."]


async def test_another_process_finishes_what_one_has_begun(wecom, started):
    first, second = started(wecom.ws_url), started(wecom.ws_url)
    await first.connected()
    req_id = await first.asked(wecom)
    answer = Answer(first, req_id, tempo=QUICK)
    answer.says("The boat")
    await wecom.until(lambda: standing(wecom) and standing(wecom)[0].text == "The boat")
    await first.dies()
    with pytest.raises(DoorLost):
        await answer.ends(" leaves at nine.")
    await second.connected()
    await Answer(second, req_id, notes=answer.notes).ends("The boat leaves at nine.")
    assert [message.text for message in standing(wecom)] == ["The boat leaves at nine."]


async def test_a_conversation_that_was_limited_is_written_to_later(wecom, process):
    wecom.fail("aibot_respond_msg", 45009)
    req_id = await process.asked(wecom)
    answer = Answer(process, req_id)
    with pytest.raises(RateLimited) as limited:
        await answer.ends("The boat leaves at nine.")
    assert limited.value.retry_after.total_seconds() == 60.0
    await Answer(process, req_id, notes=answer.notes).ends("The boat leaves at nine.")
    assert [message.text for message in standing(wecom)] == ["The boat leaves at nine."]


async def test_a_picture_and_a_question_with_a_button_follow_the_answer(wecom, process):
    boat = Image(b"\x89PNG" + bytes(300_000), "image/png", "a boat")
    await Answer(process, await process.asked(wecom)).ends("Here it is.", boat, Ask("ask1", " Shall I send it?"))
    words, picture, card = standing(wecom)
    assert words.text == "Here it is. Shall I send it?"
    assert picture.media == boat.data
    await wecom.click(ANNA, card, ANNA, "ask:ask1")
    await until(lambda: len(process.heard) == 2)
    assert process.heard[1]["body"]["event"]["template_card_event"]["event_key"] == "ask:ask1"


async def test_a_push_that_wecom_does_not_take_is_an_error(wecom, process):
    wecom.fail("aibot_send_msg", 40058)
    with pytest.raises(WecomRefused):
        await Answer(process, await process.asked(wecom)).ends(LINES)
