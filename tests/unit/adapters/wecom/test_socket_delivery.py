"""How an answer goes out through the long connection: streamed, pushed, cut, taken back, and sent again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import time
from typing import Any

import pytest

from adapters.wecom.errors import StreamOver, Unsure, WecomRefused
from adapters.wecom.pacing import Pacer, Window
from adapters.wecom.pages import LIMIT
from adapters.wecom.socket_delivery import SocketDelivery
from adapters.wecom.tempo import Tempo
from adapters.wecom.texts import say
from adapters.wecom.waiting import Opening
from core.delivery import Feed
from core.errors import DoorLost, LeaseLost, RateLimited, Undeliverable
from core.message import (
    Ask,
    Author,
    Chunk,
    Citation,
    Image,
    PartId,
    Replace,
    Reply,
    ReplyId,
    Source,
    Sources,
    Status,
    StatusKind,
    Text,
    ThreadId,
)
from core.ports import Delivery
from core.splitting import utf8_bytes
from tests.fakes.metrics import Numbers
from tests.unit.adapters.wecom.bot_chat import BotChat, Call

BOT, GROUP = "aibTESTbot", "wrGROUP01"
REPLY = "0" * 31 + "1"
PLENTY = (Window(calls=10_000, interim=10_000, seconds=60.0),)
NEVER = 3600.0
# Nothing in these tests waits for the clock, but for what is about the clock.
FAST = Tempo(at_once=0.01, first_after=0.01, sign_every=NEVER, retry_least=0.01)

LINES = "".join(f"Line {number} of a long answer, which goes on and on.\n" for number in range(1300))  # 60 KB and more
REST, FOLLOWS = say("rest_follows", "en"), say("answer_follows", "zh")
INSTEAD, AGAIN = say("replaces_above", "en"), say("sent_again", "en")


def delivery_to(chat: str = "anna", *, req_id: str = "R1", asked: float = 0.0, **changes: Any) -> Delivery:
    """`asked` so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=asked)
    reply = Reply(
        id=ReplyId(REPLY),
        thread=ThreadId("wecom", BOT, chat, "group" if chat == GROUP else "single"),
        asker=Author("wecom", BOT, "anna", locale="zh-CN"),
        in_reply_to=f"socket:{BOT}:m1",
    )
    address = {
        "mode": "socket",
        "req_id": req_id,
        "chat": chat,
        "chat_type": 2 if chat == GROUP else 1,
        "at": at.isoformat(),
    }
    return Delivery(reply=reply, return_address=address, is_head=True, **changes)


def part(id: str = REPLY, chat: str = "anna") -> PartId:
    return PartId("wecom", BOT, chat, id)


class Answer:
    """An answer that a test writes chunk by chunk, while it is shown."""

    def __init__(self, chat: BotChat, delivery: Delivery, tempo: Tempo = FAST, pacer: Pacer | None = None) -> None:
        self.metrics = Numbers()
        self._feed = Feed()
        pacer = pacer or Pacer(PLENTY, first_gap=0.0)
        showing = SocketDelivery(chat, delivery, chat, self.metrics, pacer, tempo)
        self._task = asyncio.create_task(showing.show(self._feed.chunks()))

    def says(self, *chunks: Chunk | str) -> None:
        for chunk in chunks:
            self._feed.put(Text(chunk) if isinstance(chunk, str) else chunk)

    async def ends(self, *chunks: Chunk | str) -> None:
        """Says this, and waits until all is shown."""
        self.says(*chunks)
        self._feed.close()
        async with asyncio.timeout(5):
            await self._task

    async def breaks_off(self) -> None:
        """The process dies, as far as this delivery can tell."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
def chat() -> BotChat:
    return BotChat()


async def shown(chat: BotChat, delivery: Delivery, *chunks: Chunk | str, **more: Any) -> Answer:
    """An answer that is whole at once."""
    answer = Answer(chat, delivery, **more)
    await answer.ends(*chunks)
    return answer


def again(chat: BotChat, **changes: Any) -> Delivery:
    """The next try of what this chat and its ledger know."""
    known: dict[str, Any] = {"attempts": 2, "state": chat.state_kept}
    delivery = delivery_to(**known | changes)
    return replace(delivery, reply=replace(delivery.reply, parts=tuple(chat.parts)))


def said(texts: list[str]) -> str:
    """What was said, without the notes."""
    for note in (REST, FOLLOWS, INSTEAD, AGAIN):
        texts = [text.replace(note, "") for text in texts]
    return "".join(text.strip("\n") + "\n" for text in texts)


# ------------------------------------------------------------------------------------------------------------ a stream


async def test_an_answer_that_is_whole_at_once_is_one_frame(chat):
    await shown(chat, delivery_to(), "The boat leaves at nine.")
    [call] = chat.calls
    assert (call.kind, call.req_id) == ("last", "R1")
    assert call.body == {
        "msgtype": "stream",
        "stream": {"id": REPLY, "finish": True, "content": "The boat leaves at nine.", "feedback": {"id": REPLY}},
    }
    assert chat.parts == [part()]


async def test_an_answer_that_is_whole_after_a_moment_is_one_frame(chat):
    async def chunks() -> AsyncIterator[Chunk]:
        yield Text("The boat")
        await asyncio.sleep(0.01)
        yield Text(" leaves.")

    tempo = replace(FAST, at_once=NEVER)
    await SocketDelivery(chat, delivery_to(), chat, Numbers(), Pacer(), tempo).show(chunks())
    assert chat.kinds == ["last"]


async def test_an_answer_is_streamed_while_it_grows(chat):
    answer = Answer(chat, delivery_to())
    thinking = await chat.until("frame")
    assert thinking.text == say("status_thinking", "zh", seconds=0)
    answer.says("The boat")
    await chat.until("frame", 2)
    answer.says(" leaves")
    await chat.until("frame", 3)
    await answer.ends(" at nine.")
    assert [call.text for call in chat.calls[1:]] == ["The boat", "The boat leaves", "The boat leaves at nine."]
    assert {(call.req_id, call.body["stream"]["id"]) for call in chat.calls} == {("R1", REPLY)}
    assert chat.kinds == ["frame"] * 3 + ["last"]
    assert chat.texts == ["The boat leaves at nine."]


async def test_the_first_frame_alone_bears_the_feedback_id(chat):
    answer = Answer(chat, delivery_to())
    await chat.until("frame")
    await answer.ends("The boat leaves.")
    assert ["feedback" in call.body["stream"] for call in chat.calls] == [True, False]


async def test_a_first_frame_that_was_not_confirmed_is_followed_by_one_with_the_feedback_id(chat):
    chat.lost["frame"] = [Unsure()]
    answer = Answer(chat, delivery_to())
    await chat.until("frame")
    await answer.ends("The boat leaves.")
    assert ["feedback" in call.body["stream"] for call in chat.calls] == [True, True]


async def test_a_sentence_of_the_house_is_not_up_for_rating(chat):
    await shown(chat, delivery_to(), Text("You may not ask here.", Source.HOUSE))
    assert "feedback" not in chat.calls[0].body["stream"]


async def test_what_comes_in_quick_succession_is_gathered(chat):
    pacer = Pacer()
    answer = Answer(chat, delivery_to(), pacer=pacer)
    await chat.until("frame")
    for word in range(40):
        answer.says(f"word{word} ")
        await asyncio.sleep(0.01)
    await answer.ends()
    assert len(chat.of("frame")) <= 2


async def test_the_first_sign_of_life_does_not_wait_for_a_place_among_the_others(chat):
    pacer = Pacer((Window(calls=8, interim=4, seconds=60.0),), first_gap=5.0)
    await pacer.place("anna", is_interim=True)
    answer = Answer(chat, delivery_to(), pacer=pacer)
    await chat.until("frame")
    await answer.ends("The boat leaves.")


async def test_frames_never_outrun_what_wecom_takes(chat):
    answer = Answer(chat, delivery_to(), pacer=Pacer((Window(calls=8, interim=4, seconds=60.0),), first_gap=0.0))
    for word in range(20):
        answer.says(f"word{word} ")
        await asyncio.sleep(0.01)
    await answer.ends()
    assert len(chat.of("frame")) == 4
    assert len(chat.of("last")) == 1


async def test_words_that_wecom_would_take_for_thinking_are_words(chat):
    await shown(chat, delivery_to(), "Write <think>so</think> in it.")
    assert "<think>" not in chat.texts[0]
    assert chat.texts[0].replace("\u2060", "") == "Write <think>so</think> in it."


@pytest.mark.parametrize("word", ["<think> ", "<@all> "])
async def test_nobody_is_called_and_nothing_is_thought_also_where_there_is_no_room_to_say_so_unseen(chat, word):
    await shown(chat, delivery_to(), word * 3000)
    assert not any("<think" in text or "<@" in text for text in chat.texts)
    assert all(utf8_bytes(text) <= LIMIT for text in chat.texts)
    assert sum(text.replace("\u2060", "").replace("[", "<").count(word.strip()) for text in chat.texts) == 3000


async def test_an_answer_without_a_word_is_shown_as_one(chat):
    await shown(chat, delivery_to())
    assert chat.texts == ["…"]


# --------------------------------------------------------------------------------------------------- a sign of life


async def test_while_there_is_nothing_the_person_sees_that_time_goes_by(chat):
    answer = Answer(chat, delivery_to(asked=40.0), tempo=replace(FAST, sign_every=0.02))
    await chat.until("frame", 3)
    await answer.ends("Done.")
    assert chat.of("frame")[0].text == say("status_thinking", "zh", seconds=40)


async def test_the_place_in_the_queue_is_told_as_it_changes(chat):
    answer = Answer(chat, delivery_to())
    answer.says(Status(StatusKind.QUEUED, 7))
    await chat.until_true(lambda: any("7" in call.text for call in chat.calls))
    answer.says(Status(StatusKind.QUEUED, 2))
    await chat.until_true(lambda: any("2" in call.text for call in chat.calls))
    await answer.ends("Done.")
    assert chat.calls[-2].text == say("status_queued", "zh", position=2, seconds=0)


async def test_what_is_thought_meanwhile_is_no_reason_for_a_frame(chat):
    answer = Answer(chat, delivery_to())
    await chat.until("frame")
    for _ in range(20):
        answer.says(Status(StatusKind.THINKING))
        await asyncio.sleep(0)
    await answer.ends("Done.")
    assert len(chat.of("frame")) <= 2


async def test_an_answer_that_stands_still_is_seen_to_be_worked_on(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, sign_every=0.03))
    answer.says("```py\nx = 1")
    await chat.until_true(lambda: any("Thinking" in call.text for call in chat.calls))
    await answer.ends("\n```")
    stood_still = next(call for call in chat.calls if "Thinking" in call.text)
    assert stood_still.text == "```py\nx = 1\n```\n\n" + say("status_thinking", "en", seconds=0)
    assert chat.texts == ["```py\nx = 1\n```"]


# ------------------------------------------------------------------------------------------------------ a long answer


async def test_a_long_answer_is_delivered_whole(chat):
    await shown(chat, delivery_to(GROUP), LINES)
    assert chat.kinds == ["last"] + ["markdown"] * 4
    assert said(chat.texts) == LINES
    assert chat.texts[0].endswith(REST)
    assert all(utf8_bytes(text) <= 20_480 for text in chat.texts)
    assert chat.parts == [part(chat=GROUP), *(part(f"{REPLY}:{number}", GROUP) for number in (1, 2, 3, 4))]
    assert {(call.body["chatid"], call.body["chat_type"]) for call in chat.of("markdown")} == {(GROUP, 2)}


async def test_bytes_are_counted_and_no_characters(chat):
    text = "".join(f"第{number}行，说明文字，没有尽头。\n" for number in range(1500))
    await shown(chat, delivery_to(), text)
    assert all(utf8_bytes(text) <= 20_480 for text in chat.texts)
    joined = "".join(text.replace(say("rest_follows", "zh"), "").strip("\n") + "\n" for text in chat.texts)
    assert joined == text


async def test_what_is_full_goes_out_while_the_rest_grows(chat):
    answer = Answer(chat, delivery_to())
    answer.says(LINES[:45_000])
    pushed = await chat.until("markdown")
    assert chat.of("frame")[-1].text.endswith(REST)
    await answer.ends(LINES[45_000:])
    assert chat.of("markdown")[0] is pushed
    assert said(chat.texts) == LINES


async def test_a_table_repeats_its_header(chat):
    head = "| a | b |\n| - | - |\n"
    await shown(chat, delivery_to(), head + "| one | two |\n" * 3000)
    assert all(text.startswith(head) for text in chat.texts)


# ------------------------------------------------------------------------------------------------------ six minutes


async def test_a_stream_ends_before_wecom_ends_it_and_the_rest_follows(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.1))
    answer.says("One line.\nAnd half a")
    ended = await chat.until("last")
    assert ended.text == f"One line.\n\n{REST}"
    await answer.ends(" line.")
    assert chat.texts[1:] == ["And half a line."]
    assert chat.parts == [part(), part(f"{REPLY}:1")]


async def test_an_answer_that_has_not_begun_by_then_follows_as_a_whole(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.05))
    assert (await chat.until("last")).text == FOLLOWS
    await answer.ends("The boat leaves at nine.")
    assert chat.texts == [FOLLOWS, "The boat leaves at nine."]


async def test_what_comes_after_the_stream_is_pushed_as_it_comes(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.05, push_every=0.05, sign_every=0.1))
    await chat.until("last")
    for number in (1, 2, 3):
        answer.says(f"Part {number}.\n")
        await chat.until("markdown", number)
    await answer.ends("The end.")
    assert chat.texts == [FOLLOWS, "Part 1.\n", "Part 2.\n", "Part 3.\n", "The end."]


async def test_a_long_silence_after_the_stream_is_broken(chat):
    tempo = replace(FAST, stream_lasts=0.05, push_sign_every=0.05, sign_every=0.1)
    answer = Answer(chat, delivery_to(asked=700.0), tempo=tempo)
    sign = await chat.until("markdown", 2)
    assert sign.text in {say("status_thinking", "zh", seconds=seconds) for seconds in (700, 701)}
    await answer.ends("The boat leaves at nine.")
    assert chat.texts[-1] == "The boat leaves at nine."
    assert chat.parts == [part(), part(f"{REPLY}:1")]


async def test_a_stream_ends_in_time_also_where_frames_have_no_place(chat):
    none = Pacer((Window(calls=10, interim=1, seconds=60.0),), first_gap=0.0)
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.1), pacer=none)
    answer.says("One line.\nAnd")
    await chat.until("last")
    await answer.ends(" more.")
    assert said(chat.texts) == "One line.\nAnd more.\n"


# ------------------------------------------------------------------------------------------------- what is over already


async def test_everything_is_pushed_where_wecom_does_not_know_the_request(chat):
    chat.fails["last"] = [StreamOver(846605)]
    await shown(chat, delivery_to(), "The boat leaves.")
    assert chat.texts == ["The boat leaves."]
    assert chat.kinds == ["last", "markdown"]


async def test_everything_is_pushed_where_there_is_no_request(chat):
    answer = Answer(chat, delivery_to(req_id=""), tempo=replace(FAST, push_sign_after=0.02, sign_every=0.1))
    await chat.until("markdown")
    await answer.ends("The boat leaves.")
    assert chat.texts == [say("status_thinking", "zh", seconds=0), "The boat leaves."]


async def test_an_answer_whose_stream_was_ended_is_pushed_as_a_whole(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until_true(lambda: chat.texts == ["The boat"])
    chat.end_streams()
    answer.says(" leaves")
    await chat.until_true(lambda: chat.state_kept.get("ended"))
    await answer.ends(" at nine.")
    assert chat.texts == ["The boat", f"{INSTEAD}\n\nThe boat leaves at nine."]


async def test_pieces_are_in_order_where_the_stream_was_ended_between_them(chat):
    answer = Answer(chat, delivery_to())
    answer.says(LINES[:45_000])
    await chat.until("markdown")
    chat.end_streams()
    await answer.ends(LINES[45_000:])
    stand = chat.texts[2:]
    assert stand[0].startswith(INSTEAD)
    assert said(stand) == LINES


# -------------------------------------------------------------------------------------------------- what is taken back


async def test_what_is_taken_back_is_replaced(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The secret is")
    await chat.until_true(lambda: chat.texts == ["The secret is"])
    await answer.ends(Replace("This may not be said."))
    assert chat.texts == ["This may not be said."]


async def test_what_is_taken_back_after_it_was_pushed_is_said_to_be_so(chat):
    answer = Answer(chat, delivery_to())
    answer.says(LINES[:45_000])
    await chat.until("markdown")
    other = LINES.replace("Line", "Word")
    await answer.ends(Replace(other[:30_000]))
    first, old, *new = chat.texts
    assert (first, "Line" in old) == (say("answer_follows", "en"), True)
    assert new[0].startswith(INSTEAD)
    assert said(new) == said([other[:30_000]])


async def test_what_is_taken_back_after_the_stream_is_said_to_be_so(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.05))
    answer.says("One line.\nTwo")
    await chat.until("last")
    await answer.ends(Replace("This may not be said."))
    assert chat.texts[1:] == [f"{INSTEAD}\n\nThis may not be said."]


# ------------------------------------------------------------------------------------------------------- another try


async def test_another_try_replaces_what_an_open_stream_says(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until_true(lambda: chat.texts == ["The boat"])
    await answer.breaks_off()
    await shown(chat, again(chat), "The ferry leaves at nine.")
    assert chat.texts == ["The ferry leaves at nine."]
    assert "feedback" not in chat.calls[-1].body["stream"]
    assert chat.parts == [part()]


async def test_another_try_pushes_where_the_stream_is_over_by_then(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until_true(lambda: chat.texts == ["The boat"])
    await answer.breaks_off()
    chat.end_streams()
    await shown(chat, again(chat), "The boat leaves at nine.")
    assert chat.texts == ["The boat", f"{INSTEAD}\n\nThe boat leaves at nine."]


async def test_another_try_knows_how_old_the_stream_is(chat):
    answer = Answer(chat, delivery_to())
    await chat.until("frame")
    await answer.breaks_off()
    chat.state_kept["began"] -= 331.0
    answer = Answer(chat, again(chat))
    assert (await chat.until("last")).text == FOLLOWS
    await answer.ends("The boat leaves.")
    assert chat.texts == [FOLLOWS, "The boat leaves."]


async def test_another_try_says_only_what_was_not_said(chat):
    chat.fails["markdown"] = [DoorLost()]
    with pytest.raises(DoorLost):
        await shown(chat, delivery_to(), LINES)
    chat.fails["markdown"] = []
    chat.lost["markdown"] = []
    await shown(chat, again(chat), LINES)
    assert said(chat.texts) == LINES
    assert AGAIN not in "".join(chat.texts)


async def test_another_try_cuts_where_the_first_one_did(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.05, push_every=0.05, sign_every=0.1))
    answer.says("One line.\nTwo")
    await chat.until("last")
    answer.says(" lines.\nThree")
    await chat.until("markdown")
    await answer.breaks_off()
    await shown(chat, again(chat), "One line.\nTwo lines.\nThree lines.")
    assert said(chat.texts) == "One line.\nTwo lines.\nThree lines.\n"
    assert len(chat.texts) == 3


async def test_another_try_with_other_words_says_all_of_them_and_that_they_count(chat):
    answer = Answer(chat, delivery_to(), tempo=replace(FAST, stream_lasts=0.05))
    answer.says("One line.\nTwo")
    await chat.until("last")
    await answer.breaks_off()
    answer = Answer(chat, again(chat), tempo=replace(FAST, push_every=0.0, sign_every=0.1))
    answer.says("Other words.\nAnd")
    await asyncio.sleep(0.05)
    await answer.ends(" more.")
    assert chat.texts[1:] == [f"{INSTEAD}\n\nOther words.\nAnd more."]


async def test_a_piece_that_was_not_confirmed_is_sent_again_with_a_mark(chat):
    chat.lost["markdown"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), LINES)
    answer = await shown(chat, again(chat), LINES)
    assert answer.metrics.counts["deliveries_repeated", "wecom"] == 1
    assert [text.startswith(AGAIN) for text in chat.texts] == [False, False, True, False, False, False]
    assert said([chat.texts[0], *chat.texts[2:]]) == LINES


async def test_a_piece_that_may_be_there_is_marked_however_often_it_is_refused(chat):
    chat.lost["markdown"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), LINES)
    chat.fails["markdown"] = [WecomRefused(40000)]
    with pytest.raises(WecomRefused):
        await shown(chat, again(chat), LINES)
    await shown(chat, again(chat), LINES)
    assert chat.texts[2].startswith(AGAIN)


async def test_a_piece_that_was_refused_is_not_marked(chat):
    chat.fails["markdown"] = [WecomRefused(40000)]
    with pytest.raises(WecomRefused):
        await shown(chat, delivery_to(), LINES)
    answer = await shown(chat, again(chat), LINES)
    assert not answer.metrics.counts
    assert said(chat.texts) == LINES


async def test_the_end_of_a_stream_is_said_twice_where_it_was_not_confirmed(chat):
    chat.fails["last"] = [Unsure()]
    await shown(chat, delivery_to(), "The boat leaves.")
    assert chat.kinds == ["last", "last"]
    assert chat.texts == ["The boat leaves."]


async def test_an_end_that_was_taken_and_not_confirmed_is_followed_by_the_whole_answer(chat):
    chat.lost["last"] = [Unsure()]
    await shown(chat, delivery_to(), "The boat leaves.")
    assert chat.texts == ["The boat leaves.", f"{INSTEAD}\n\nThe boat leaves."]


async def test_an_end_that_is_never_confirmed_is_tried_another_time(chat):
    chat.fails["last"] = [Unsure(), Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), "The boat leaves.")
    await shown(chat, again(chat), "The boat leaves.")
    assert chat.texts == ["The boat leaves."]


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    "error", [DoorLost(), Unsure(), WecomRefused(40000), RateLimited(timedelta(seconds=0.01)), Undeliverable()]
)
async def test_growth_that_wecom_does_not_take_comes_later(chat, error):
    chat.fails["frame"] = [error]
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until_true(lambda: chat.texts == ["The boat"])
    await answer.ends(" leaves.")
    assert chat.texts == ["The boat leaves."]


@pytest.mark.parametrize("error", [DoorLost(), WecomRefused(40000), RateLimited(timedelta(seconds=9)), Undeliverable()])
async def test_an_end_that_wecom_does_not_take_is_an_error(chat, error):
    chat.fails["last"] = [error]
    with pytest.raises(type(error)):
        await shown(chat, delivery_to(), "The boat leaves.")


async def test_whoever_is_asked_to_wait_writes_nothing_there(chat):
    pacer = Pacer(PLENTY, first_gap=0.0)
    chat.fails["last"] = [RateLimited(timedelta(seconds=9))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), "The boat leaves.", pacer=pacer)
    assert pacer.interim_wait("anna") > 8.0
    assert pacer.interim_wait(GROUP) == 0.0


async def test_what_was_taken_over_is_left_alone(chat):
    async def lost(state: object) -> None:
        raise LeaseLost

    chat.state = lost
    with pytest.raises(LeaseLost):
        await shown(chat, delivery_to(), "The boat leaves.")
    assert not chat.calls


async def test_an_error_of_the_answer_is_an_error(chat):
    async def chunks() -> AsyncIterator[Chunk]:
        yield Text("The boat")
        raise LeaseLost

    with pytest.raises(LeaseLost):
        await SocketDelivery(chat, delivery_to(), chat, Numbers(), Pacer(), FAST).show(chunks())


async def test_each_step_is_written_down_before_the_next(chat):
    await shown(chat, delivery_to(), LINES[:45_000])
    entries: list[Any] = [entry.kind if isinstance(entry, Call) else entry for entry in chat.journal]
    assert entries[0] == {"cuts": [], "began": chat.state_kept["began"]}
    for earlier, later in pairwise(entries):
        assert not (isinstance(earlier, str) and isinstance(later, str)), "two calls with nothing written down between"
    first = entries.index("markdown")
    assert entries[first - 1]["sending"][0] == 1
    assert entries[first + 1] == part(f"{REPLY}:1")
    assert entries[first + 2]["sending"] is None


# -------------------------------------------------------------------------------------------------- what else there is

BOAT = Image(b"\x89PNG boat", "image/png", "a boat")


async def test_sources_stand_under_the_answer(chat):
    source = Sources((Citation("Timetable", "https://example.com/boats"),))
    await shown(chat, delivery_to(), "The boat leaves.", source)
    assert chat.texts[0].startswith("The boat leaves.\n\nSources:")
    assert "[Timetable](https://example.com/boats)" in chat.texts[0]


async def test_sources_that_do_not_fit_under_it_stand_in_a_message_of_their_own(chat):
    pages = tuple(Citation(f"Page {number}", f"https://example.com/{number}") for number in range(200))
    await shown(chat, delivery_to(), LINES[:14_000], Sources(pages))
    assert len(chat.texts) == 2
    assert chat.texts[1].startswith("Sources:")
    assert all(utf8_bytes(text) <= 20_480 for text in chat.texts)


async def test_a_picture_follows_the_answer(chat):
    await shown(chat, delivery_to(), "Here it is.", BOAT)
    assert chat.kinds == ["last", "init", "chunk", "finish", "image"]
    assert chat.uploads == [BOAT.data]
    assert chat.of("image")[0].body["image"] == {"media_id": "media-1"}


@pytest.mark.parametrize("image", [replace(BOAT, media_type="image/gif"), BOAT])
async def test_a_picture_that_wecom_does_not_take_is_named(chat, image):
    chat.fails["init"] = [WecomRefused(40004)]
    await shown(chat, delivery_to(), "Here it is.", image)
    assert chat.texts[1] == say("picture", "en", alt="a boat")


async def test_a_picture_with_a_long_description_is_named_by_its_beginning(chat):
    await shown(chat, delivery_to(), "Here it is.", replace(BOAT, media_type="image/gif", alt=" boat" * 10_000))
    assert utf8_bytes(chat.texts[1]) < 1000
    assert "boat boat" in chat.texts[1]


async def test_a_question_of_the_house_has_a_card_with_a_button(chat):
    await shown(chat, delivery_to(), Ask("ask1", "Shall I send it?"))
    card = chat.of("template_card")[0].body["template_card"]
    assert card["button_list"][0]["key"] == "ask:ask1"
    assert chat.texts == ["Shall I send it?"]


async def test_a_card_that_was_not_confirmed_is_sent_until_it_is_known_to_be_there(chat):
    chat.fails["template_card"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), Ask("ask1", "Shall I send it?"))
    chat.fails["template_card"] = [WecomRefused(40000)]  # there is one with this task_id
    await shown(chat, again(chat), Ask("ask1", "Shall I send it?"))
    assert len(chat.of("template_card")) == 2


async def test_a_picture_that_was_not_confirmed_is_not_sent_twice(chat):
    chat.lost["image"] = [Unsure()]
    answer = await shown(chat, delivery_to(), "Here it is.", BOAT)
    assert answer.metrics.counts["deliveries_unknown", "wecom"] == 1
    await shown(chat, again(chat), "Here it is.", BOAT)
    assert len(chat.of("image")) == 1


async def test_another_try_shows_no_picture_and_no_card_twice(chat):
    chat.fails["template_card"] = [RateLimited(timedelta(seconds=1))]
    chunks = (Text("Here it is."), BOAT, Ask("ask1", " Shall I send it?"))
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), *chunks)
    await shown(chat, again(chat), *chunks)
    await shown(chat, again(chat), *chunks)
    assert [shown.kind for shown in chat.stands] == ["stream", "image", "template_card"]
    assert len(chat.uploads) == 1


async def test_what_wecom_refuses_in_a_stream_is_pushed_and_what_it_never_takes_is_told_of(chat):
    chat.fails["last"] = [WecomRefused(40058)] * 2
    chat.fails["markdown"] = [WecomRefused(40058)] * 2
    for failures in (0, 1):
        with pytest.raises(WecomRefused):
            await shown(chat, again(chat, failures=failures), "The boat leaves.")
    await shown(chat, again(chat, failures=2), "The boat leaves.")
    assert chat.texts == [say("refused_piece", "en")]


async def test_an_answer_goes_on_in_the_stream_that_was_opened_for_it(chat):
    answer = await opened(chat, Opening(time() - 20))
    assert (chat.kinds, chat.texts) == (["last"], ["The boat leaves."])
    assert "feedback" not in chat.calls[0].body["stream"], "it was named when the stream was opened"
    assert chat.state_kept["began"] < time() - 19, "its minutes count from there"
    assert not answer.counts


async def test_an_answer_whose_stream_is_over_already_is_pushed(chat):
    await opened(chat, Opening(time() - 340, has_ended=True))
    assert (chat.kinds, chat.texts) == (["markdown"], ["The boat leaves."])


async def opened(chat: BotChat, opening: Opening) -> Numbers:
    """An answer that is whole at once, whose stream was opened before."""
    feed, metrics = Feed(Text("The boat leaves.")), Numbers()
    feed.close()
    await SocketDelivery(chat, delivery_to(), chat, metrics, Pacer(), opening=opening).show(feed.chunks())
    return metrics
