"""How an answer goes out by URL callback: in the polled stream, and what is left to the response_url, at most once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.wecom.board import Board
from adapters.wecom.callback_delivery import CallbackDelivery
from adapters.wecom.errors import NotSent, Unsure, WecomRefused
from adapters.wecom.pages import LIMIT, pages
from adapters.wecom.rest import Rest, Rests
from adapters.wecom.streams import Streams
from adapters.wecom.tempo import CallbackTempo
from core.delivery import Feed
from core.errors import Undeliverable
from core.message import (
    Ask,
    Author,
    Chunk,
    Citation,
    Image,
    Message,
    PartId,
    Replace,
    Reply,
    ReplyId,
    Source,
    Sources,
    Text,
    ThreadId,
)
from core.ports import Delivery, Draft, State
from core.splitting import utf8_bytes
from tests.unit.adapters.wecom.notes import Notes

REPLY = ReplyId("0" * 31 + "1")
THREAD = ThreadId("wecom", "aibTESTbot", "anna", "single")
ANNA = Author("wecom", "aibTESTbot", "anna", locale="zh-CN")
URL = "http://127.0.0.1:1/response"
LONG = "".join(f"第 {number} 行：港口的日志。\n" for number in range(2500))
EVER = CallbackTempo(life=30, safe=20, patience=0)
OVER = CallbackTempo(life=-1, safe=-1, patience=0)


class Wecom:
    """WeCom for one question: polls the stream when it is told to, and takes what is posted. The ledger besides."""

    def __init__(self, tempo: CallbackTempo = EVER) -> None:
        self.notes = Notes()
        self.board, self.rests = Board(self.notes), Rests(self.notes, self)  # type: ignore[arg-type]
        self.streams = Streams(self, self.board, tempo)  # type: ignore[arg-type]
        self.tempo = tempo
        self.draft = Draft(REPLY, 0)
        self.posted: list[Mapping[str, Any]] = []
        self.parts: list[PartId] = []
        self.kept: Mapping[str, Any] = {}
        self.counted: list[str] = []
        self.fault: Exception | None = None

    async def latest(self, _: ReplyId) -> Draft | None:
        return self.draft

    async def post(self, url: str, message: Mapping[str, Any]) -> None:
        assert url == URL
        if self.fault is not None:
            raise self.fault
        self.posted.append(message)

    async def part(self, part: PartId) -> None:
        self.parts.append(part)

    async def state(self, state: Mapping[str, Any]) -> None:
        self.kept = state

    async def known(self, parts: object) -> frozenset[PartId]:
        return frozenset()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append(name)

    @property
    def pushed(self) -> list[str]:
        return [message["markdown"]["content"] for message in self.posted]

    def delivery(self, **address: Any) -> Delivery:
        reply = Reply(id=REPLY, thread=THREAD, asker=ANNA, in_reply_to="m1", parts=tuple(self.parts))
        at = datetime.now(UTC)
        told = {"mode": "callback", "chat": "anna", "response_url": URL, "at": at.isoformat()} | address
        return Delivery(reply=reply, return_address=told, state=self.kept, is_head=True)

    def shows(self, feed: Feed, **address: Any) -> "asyncio.Task[None]":
        showing = CallbackDelivery(
            self.board,
            self.rests,
            self,  # type: ignore[arg-type]
            self.delivery(**address),
            self,
            self,  # type: ignore[arg-type]
            self.tempo,
        )
        return asyncio.create_task(showing.show(feed.chunks()))

    def writes(self, feed: Feed, *chunks: Chunk, state: State = State.DONE) -> None:
        """The whole answer, stored and said."""
        text = ""
        for chunk in chunks:
            feed.put(chunk)
            text = chunk.text if isinstance(chunk, Replace) else text + getattr(chunk, "text", "")
        self.draft = Draft(REPLY, 9, text, state)
        feed.close()

    async def polls(self) -> Mapping[str, Any]:
        """Polls until the stream is finished."""
        async with asyncio.timeout(5):
            while not (body := await self.streams.polled(REPLY))["stream"]["finish"]:
                await asyncio.sleep(0.01)
            return body


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
async def wecom() -> AsyncIterator[Wecom]:
    wecom = Wecom()
    yield wecom
    await wecom.board.close()


async def ended(task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(5):
        await task


async def test_an_answer_that_is_polled_is_not_pushed_besides(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    told = await wecom.polls()
    assert told["stream"]["content"] == "好的。"
    await ended(task)
    assert wecom.posted == []
    assert wecom.parts == [PartId("wecom", "aibTESTbot", "anna", REPLY)]
    assert await wecom.polls() == told, "a poll whose answer got lost is told the same"
    await wecom.board.close()
    assert await wecom.board.ending(REPLY) is None, "the notes are gone"


async def test_sources_and_pictures_come_with_the_end_of_the_stream(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    picture = Image(b"\x89PNG", "image/png", "a harbour")
    wecom.writes(feed, Text("好的。"), Sources((Citation("港口", "https://example.org/a"),)), picture)
    stream = (await wecom.polls())["stream"]
    await ended(task)
    assert "[港口](https://example.org/a)" in stream["content"]
    assert [item["msgtype"] for item in stream["msg_item"]] == ["image"]


async def test_a_confirmation_is_a_card_and_its_click_is_answered_where_the_question_was(
    wecom: Wecom, feed: Feed
) -> None:
    task = wecom.shows(feed)
    wecom.writes(feed, Ask("ask-1", "要发送吗？"), state=State.ASKED)
    body = await wecom.polls()
    await ended(task)
    assert body["template_card"]["button_list"][0]["key"] == "ask:ask-1"
    asked = await wecom.board.asked("ask-1")
    assert asked is not None
    assert (asked.asker, asked.url) == (ANNA.key, URL)
    at = datetime.fromisoformat(asked.at)
    assert [asked.address(at + timedelta(minutes=minutes)) for minutes in (49, 51)] == [URL, ""]
    await wecom.board.confirmed("ask-1")
    assert await wecom.board.asked("ask-1") is None, "it is good once"


async def test_what_nobody_polled_for_is_pushed(feed: Feed) -> None:
    wecom = Wecom(OVER)
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    await ended(task)
    assert wecom.pushed == ["好的。"]
    assert wecom.posted[0]["markdown"]["feedback"] == {"id": REPLY}


async def test_a_stream_that_ends_too_early_is_followed_by_the_rest(feed: Feed) -> None:
    wecom = Wecom(CallbackTempo(life=30, safe=0.05, patience=0))
    task = wecom.shows(feed)
    feed.put(Text("一二三，"))
    wecom.draft = Draft(REPLY, 1, "一二三，")
    shown = (await wecom.polls())["stream"]["content"]
    assert shown.startswith("一二三，\n\n")
    feed.put(Text("四五六。"))
    feed.close()
    await ended(task)
    assert wecom.pushed == ["四五六。"]


async def test_what_was_taken_back_after_the_stream_is_pushed_whole(feed: Feed) -> None:
    wecom = Wecom(CallbackTempo(life=30, safe=0.05, patience=0))
    task = wecom.shows(feed)
    feed.put(Text("一二三，"))
    wecom.draft = Draft(REPLY, 1, "一二三，")
    await wecom.polls()
    feed.put(Replace("这个问题不能回答。"))
    feed.close()
    await ended(task)
    assert wecom.pushed == ["（以下内容取代上文。）\n\n这个问题不能回答。"]


async def test_a_long_answer_is_streamed_pushed_and_kept_for_the_word(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    wecom.writes(feed, Text(LONG))
    streamed = (await wecom.polls())["stream"]["content"]
    await ended(task)
    (pushed,) = wecom.pushed
    assert utf8_bytes(streamed) <= LIMIT
    assert utf8_bytes(pushed) <= LIMIT
    assert pushed.startswith(pages(LONG)[1])
    asked = Message(id="m2", thread=THREAD, author=ANNA, sent_at=datetime.now(UTC), text="继续")
    page = await wecom.rests.page(asked, "zh")
    assert page is not None
    assert page["stream"]["content"].startswith(pages(LONG)[2])


async def test_what_was_not_sent_is_sent_by_the_next_try(feed: Feed) -> None:
    wecom = Wecom(OVER)
    wecom.fault = NotSent()
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    with pytest.raises(NotSent):
        await ended(task)
    wecom.fault = None
    await ended(wecom.shows(feed))
    assert wecom.pushed == ["好的。"]


async def test_what_may_have_been_sent_is_not_sent_again_and_counted(feed: Feed) -> None:
    wecom = Wecom(OVER)
    wecom.fault = Unsure()
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    with pytest.raises(Unsure):
        await ended(task)
    wecom.fault = None
    await ended(wecom.shows(feed))
    assert wecom.posted == []
    assert wecom.counted == ["deliveries_unknown"]


async def test_an_answer_to_an_order_that_opened_no_stream_is_pushed_at_once(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed, has_stream=False)
    wecom.writes(feed, Text("现在没有正在回答的问题。"))
    await ended(task)
    assert wecom.pushed == ["现在没有正在回答的问题。"]
    assert wecom.parts == []


async def test_without_an_address_the_operator_is_told_and_the_person_may_ask_for_it(feed: Feed) -> None:
    wecom = Wecom(OVER)
    task = wecom.shows(feed, response_url="")
    wecom.writes(feed, Text("好的。"))
    with pytest.raises(Undeliverable):
        await ended(task)
    asked = Message(id="m2", thread=THREAD, author=ANNA, sent_at=datetime.now(UTC), text="继续")
    page = await wecom.rests.page(asked, "zh")
    assert page is not None
    assert page["stream"]["content"] == "好的。"


async def test_a_question_of_long_ago_is_not_waited_for(wecom: Wecom, feed: Feed) -> None:
    old = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    task = wecom.shows(feed, at=old)
    wecom.writes(feed, Text("好的。"))
    await ended(task)
    assert wecom.pushed == ["好的。"]


async def test_what_wecom_refuses_may_be_asked_for(feed: Feed) -> None:
    wecom = Wecom(OVER)
    wecom.fault = WecomRefused(40058)
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    with pytest.raises(Undeliverable):
        await ended(task)
    asked = Message(id="m2", thread=THREAD, author=ANNA, sent_at=datetime.now(UTC), text="继续")
    page = await wecom.rests.page(asked, "zh")
    assert page is not None
    assert page["stream"]["content"] == "好的。"


async def test_a_sentence_of_the_house_leaves_the_rest_of_a_long_answer_as_it_is(wecom: Wecom, feed: Feed) -> None:
    await wecom.rests.keep(THREAD, Rest(reply=REPLY, asker=ANNA.key, page=1))
    task = wecom.shows(feed)
    wecom.writes(feed, Text("我不能在这里回答。", Source.HOUSE))
    await wecom.polls()
    await ended(task)
    wecom.draft = Draft(REPLY, 9, LONG, State.DONE)
    asked = Message(id="m2", thread=THREAD, author=ANNA, sent_at=datetime.now(UTC), text="继续")
    assert await wecom.rests.page(asked, "zh") is not None


async def test_pictures_that_wecom_does_not_take_are_said_in_words(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    pictures = (Image(b"<svg/>", "image/svg+xml", "a harbour"), Image(b"\x89PNG", "image/png", "a boat"))
    wecom.writes(feed, Text("好的。"), *pictures)
    stream = (await wecom.polls())["stream"]
    await ended(task)
    assert ("a harbour" in stream["content"], "a boat" in stream["content"], len(stream["msg_item"])) == (
        True,
        False,
        1,
    )


async def test_what_cannot_be_pushed_is_said_in_words(feed: Feed) -> None:
    wecom = Wecom(OVER)
    task = wecom.shows(feed)
    picture = Image(b"\x89PNG", "image/png", "a boat")
    wecom.writes(feed, Text("好的。"), picture, Ask("ask-1", "要发送吗？"), state=State.ASKED)
    await ended(task)
    (pushed,) = wecom.pushed
    assert "a boat" in pushed
    assert "无法显示确认按钮" in pushed
    assert await wecom.board.asked("ask-1") is None


# -------------------------------------------------------------------------------------- killed, doubled, and asked late


def long_ago(seconds: float = 400) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


async def test_a_crash_before_the_row_is_done_doubles_nothing(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    await wecom.polls()
    await ended(task)
    await wecom.board.close()  # the notes are gone, and then it is killed
    await ended(wecom.shows(feed, at=long_ago()))
    assert wecom.pushed == []


async def test_a_second_process_that_took_the_row_over_doubles_nothing(wecom: Wecom, feed: Feed) -> None:
    first, second = wecom.shows(feed), wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    await wecom.polls()
    await ended(first)
    await ended(second)
    assert wecom.pushed == []


async def test_an_end_that_wecom_never_got_is_the_same_at_the_next_poll(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    source, picture = Sources((Citation("港口", "https://example.org/a"),)), Image(b"\x89PNG", "image/png", "a")
    wecom.writes(feed, Text("好的。"), source, picture, Ask("a1", "真的吗？"))
    first = await wecom.polls()
    await ended(task)
    assert await wecom.polls() == first


async def test_pictures_and_a_card_that_an_end_left_out_are_told_of(feed: Feed) -> None:
    wecom = Wecom(CallbackTempo(life=30, safe=20, patience=0, orphaned=0))
    picture, ask = Image(b"\x89PNG", "image/png", "a harbour"), Ask("a1", "真的吗？")
    wecom.writes(feed, Text("图："), picture, ask, state=State.ASKED)
    told = await wecom.polls()  # its delivery waits behind another one of its thread
    assert "template_card" not in told
    await ended(wecom.shows(feed))
    (pushed,) = wecom.pushed
    assert "a harbour" in pushed
    assert "确认按钮" in pushed
    assert await wecom.board.asked("a1") is None
    await wecom.board.close()


async def test_an_answer_that_nobody_asks_for_goes_out_by_itself_and_is_not_shown_twice(feed: Feed) -> None:
    wecom = Wecom(CallbackTempo(life=30, safe=20, unasked=0.05, patience=0))
    task = wecom.shows(feed)
    wecom.writes(feed, Text("好的。"))
    await ended(task)
    assert wecom.pushed == ["好的。"]
    late = (await wecom.polls())["stream"]["content"]
    assert "新消息" in late
    assert "好的" not in late
    await wecom.board.close()


async def test_a_sentence_of_the_house_leaves_the_rest_to_be_read(wecom: Wecom, feed: Feed) -> None:
    task = wecom.shows(feed)
    wecom.writes(feed, Text(LONG))
    await wecom.polls()
    await ended(task)
    order = Feed()
    order.put(Text("现在没有正在回答的问题。", Source.HOUSE))
    order.close()
    wecom.kept = {}
    await ended(wecom.shows(order, has_stream=False))
    asked = Message(id="m2", thread=THREAD, author=ANNA, sent_at=datetime.now(UTC), text="继续")
    assert await wecom.rests.page(asked, "zh") is not None


async def test_whoever_cannot_be_sent_the_rest_is_told_how_to_get_it(feed: Feed) -> None:
    wecom = Wecom(CallbackTempo(life=30, safe=0, patience=0))
    wecom.draft = Draft(REPLY, 1, "一二三，")
    feed.put(Text("一二三，"))
    task = wecom.shows(feed, response_url="")
    content = (await wecom.polls())["stream"]["content"]
    wecom.writes(feed, Text("四五六。"))
    with pytest.raises(Undeliverable):
        await ended(task)
    assert "发送“继续”" in content
    await wecom.board.close()
