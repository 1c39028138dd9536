"""What WeCom's polls are told of an answer: what there is so far, and one end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from adapters.wecom import streams as streams_module
from adapters.wecom.board import Board, Ending, Shown
from adapters.wecom.pages import LIMIT
from adapters.wecom.streams import Streams
from adapters.wecom.tempo import CallbackTempo
from core.errors import KeyMissing, NotStored, Unreadable
from core.message import Author, ReplyId
from core.ports import Draft, State
from core.splitting import utf8_bytes
from tests.unit.adapters.wecom.notes import Notes

REPLY = ReplyId("0" * 31 + "1")
ANNA = Author("wecom", "aibTESTbot", "anna")


class Written:
    """The drafts of one answer, written by the test."""

    def __init__(self) -> None:
        self.draft: Draft | None = None

    def say(self, text: str, state: State = State.ANSWERING, status: str = "") -> None:
        self.draft = Draft(REPLY, 1, text, state, status)

    async def latest(self, _: ReplyId) -> Draft | None:
        return self.draft


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def board() -> Board:
    return Board(Notes())


@pytest.fixture
def streams(written: Written, board: Board) -> Streams:
    return Streams(written, board, CallbackTempo(patience=0.0))  # type: ignore[arg-type]


async def test_the_first_answer_opens_the_stream_with_its_feedback_id(streams: Streams) -> None:
    body = await streams.opened(REPLY, "zh", ANNA)
    stream = {"id": REPLY, "finish": False, "content": "", "feedback": {"id": REPLY}}
    assert body == {"msgtype": "stream", "stream": stream}
    assert await streams.opened(REPLY, "zh", ANNA) == body


async def test_a_poll_is_told_all_there_is_so_far(streams: Streams, written: Written) -> None:
    written.say("一二")
    assert (await streams.polled(REPLY))["stream"] == {"id": REPLY, "finish": False, "content": "一二"}
    written.say("一二三四")
    assert (await streams.polled(REPLY))["stream"]["content"] == "一二三四"


async def test_a_finished_text_does_not_end_the_stream_by_itself(streams: Streams, written: Written) -> None:
    written.say("一二", State.DONE)
    assert (await streams.polled(REPLY))["stream"]["finish"] is False


async def test_the_stream_ends_with_the_whole_answer_and_its_foot(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二三。", State.DONE)
    item = {"msgtype": "image", "image": {"base64": "aa", "md5": "bb"}}
    await board.end(REPLY, Ending(is_whole=True, foot="\n\n来源", items=(item,)))
    body = await streams.polled(REPLY)
    assert body["stream"] == {"id": REPLY, "finish": True, "content": "一二三。\n\n来源", "msg_item": [item]}
    assert (await board.shown(REPLY, 0)) is not None


async def test_it_does_not_end_before_the_whole_answer_is_stored(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二")
    await board.end(REPLY, Ending(is_whole=True))
    assert (await streams.polled(REPLY))["stream"]["finish"] is False
    assert await board.shown(REPLY, 0) is None


async def test_an_answer_that_is_not_whole_in_time_ends_with_what_there_is(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二")
    await board.end(REPLY, Ending(is_whole=False))
    stream = (await streams.polled(REPLY))["stream"]
    assert stream["finish"] is True
    assert stream["content"].startswith("一二\n\n")
    assert "新消息" in stream["content"]


async def test_a_long_answer_is_cut_within_the_bytes_that_wecom_takes(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一行字，很多行。\n" * 5000, State.DONE)
    assert utf8_bytes((await streams.polled(REPLY))["stream"]["content"]) <= LIMIT
    await board.end(REPLY, Ending(is_whole=True))
    stream = (await streams.polled(REPLY))["stream"]
    assert utf8_bytes(stream["content"]) <= LIMIT
    assert stream["finish"] is True
    assert "新消息" in stream["content"]


async def test_a_card_comes_with_the_end(streams: Streams, written: Written, board: Board) -> None:
    written.say("确认吗？", State.ASKED)
    await board.end(REPLY, Ending(is_whole=True, card={"card_type": "button_interaction"}))
    body = await streams.polled(REPLY)
    assert body["msgtype"] == "stream_with_template_card"
    assert body["template_card"] == {"card_type": "button_interaction"}


async def test_a_poll_that_comes_again_after_the_end_gets_the_end_again(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二三。", State.DONE)
    await board.end(REPLY, Ending(is_whole=True))
    end = await streams.polled(REPLY)
    assert await streams.polled(REPLY) == end


async def test_a_person_who_waits_sees_how_long(
    streams: Streams, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(streams_module, "monotonic", lambda: moment[0])
    await streams.opened(REPLY, "en", ANNA)
    written.say("", State.SCREENING, "queued:3")
    moment[0] += 12
    content = (await streams.polled(REPLY))["stream"]["content"]
    assert "3" in content
    assert "12" in content


async def test_a_stream_whose_answer_never_began_is_finished_while_it_can_be(
    streams: Streams, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(streams_module, "monotonic", lambda: moment[0])
    await streams.opened(REPLY, "zh", ANNA)
    moment[0] += 346
    assert (await streams.polled(REPLY))["stream"]["finish"] is True
    shown = await board.shown(REPLY, 0)
    assert shown is not None
    assert shown.length == 0


async def test_a_finished_answer_that_nobody_ends_is_ended_after_a_while(
    streams: Streams, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(streams_module, "monotonic", lambda: moment[0])
    written.say("一二三。", State.DONE)
    assert (await streams.polled(REPLY))["stream"]["finish"] is False
    moment[0] += 20
    assert (await streams.polled(REPLY))["stream"]["finish"] is True


async def test_who_delivers_hears_at_once_what_was_shown(board: Board) -> None:
    shown = Shown(3, "digest")
    await board.show(REPLY, shown)
    assert await board.shown(REPLY, 60) == shown
    board.clear_soon(REPLY)
    await asyncio.sleep(0)
    await board.close()
    assert await board.shown(REPLY, 0) is None


async def test_a_place_that_is_not_known_is_not_named(
    streams: Streams, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(streams_module, "monotonic", lambda: moment[0])
    await streams.opened(REPLY, "en", ANNA)
    written.say("", State.SCREENING, "queued:None")
    moment[0] += 12
    assert "None" not in (await streams.polled(REPLY))["stream"]["content"]


async def test_a_stream_that_is_none_of_ours_ends_with_nothing(streams: Streams) -> None:
    for id in ("", "x", "0" * 31):
        stream = (await streams.polled(ReplyId(id)))["stream"]
        assert stream == {"id": id, "finish": True, "content": ""}


async def test_another_process_knows_how_old_a_stream_is(written: Written, board: Board) -> None:
    await board.open(REPLY, datetime.now(UTC) - timedelta(seconds=346), ANNA)
    other = Streams(written, board, CallbackTempo(patience=0.0))  # type: ignore[arg-type]
    assert (await other.polled(REPLY))["stream"]["finish"] is True


async def test_an_answer_that_cannot_be_read_ends_its_stream(streams: Streams, written: Written) -> None:
    async def damaged(_: ReplyId) -> Draft | None:
        raise Unreadable

    written.latest = damaged  # type: ignore[method-assign]
    assert (await streams.polled(REPLY))["stream"]["finish"] is True


async def test_what_one_poll_was_told_is_told_again_though_there_is_more_by_then(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二")
    await board.end(REPLY, Ending(is_whole=False))
    told = await streams.polled(REPLY)
    written.say("一二三四")
    assert await streams.polled(REPLY) == told


async def away(_: ReplyId) -> Draft | None:
    raise NotStored


async def keyless(_: ReplyId) -> Draft | None:
    raise KeyMissing


@pytest.mark.parametrize("trouble", [away, keyless])
async def test_while_nothing_can_be_read_a_poll_is_told_what_the_last_one_was(
    streams: Streams, written: Written, trouble: Callable[[ReplyId], Awaitable[Draft | None]]
) -> None:
    written.say("一二")
    told = await streams.polled(REPLY)
    written.latest = trouble  # type: ignore[assignment]
    assert await streams.polled(REPLY) == told


async def test_a_process_that_lacks_the_key_leaves_the_end_to_one_that_has_it(
    streams: Streams, written: Written, board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    written.say("一二三。", State.DONE)
    await board.end(REPLY, Ending(is_whole=True))
    other = Written()
    other.latest = keyless  # type: ignore[method-assign]
    behind = Streams(other, board, CallbackTempo(patience=0.0))  # type: ignore[arg-type]
    open_still = {"id": REPLY, "finish": False, "content": ""}
    assert (await behind.opened(REPLY, "zh", ANNA))["stream"] == {**open_still, "feedback": {"id": REPLY}}
    assert (await behind.polled(REPLY))["stream"] == open_still
    assert caplog.records == []
    assert (await streams.polled(REPLY))["stream"] == {"id": REPLY, "finish": True, "content": "一二三。"}


async def test_words_that_were_told_are_not_held_for_long(
    streams: Streams, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is forgotten meanwhile is not known here."""
    monkeypatch.setattr(streams_module, "_HELD_FOR", 0.0)
    written.say("一二")
    await streams.polled(REPLY)
    async with asyncio.timeout(5):
        while "一二" in repr(streams._seen):
            await asyncio.sleep(0)
    written.latest = away  # type: ignore[method-assign]
    stream = (await streams.polled(REPLY))["stream"]
    assert (stream["finish"], "一二" in stream["content"]) == (False, False)


async def test_once_the_stream_has_ended_no_words_of_it_are_held(
    streams: Streams, written: Written, board: Board
) -> None:
    written.say("一二")
    await streams.polled(REPLY)
    written.say("一二三。", State.DONE)
    await board.end(REPLY, Ending(is_whole=True))
    assert (await streams.polled(REPLY))["stream"]["finish"] is True
    assert "一二" not in repr(streams._seen)
