"""How an answer goes out in Teams: streamed, edited, split, stopped, taken back, and sent again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from adapters.teams.delivery import TeamsDelivery, stop_of
from adapters.teams.errors import NotAPersonalChat, NotSent, StreamEnded, TeamsRefused, TooLarge, Unsure
from adapters.teams.stream import Tempo
from adapters.teams.texts import say
from core.delivery import Feed
from core.errors import LeaseLost, NotStored, RateLimited, Undeliverable
from core.message import (
    Ask,
    Author,
    Chunk,
    Citation,
    CommandName,
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
from tests.unit.adapters.teams.chat import Call, Chat, Counts

TENANT = "11111111-1111-4111-8111-111111111111"
CONVERSATION = {"personal": "a:anna", "groupChat": "19:team@thread.v2", "channel": "19:harbour@thread.tacv2"}
# Nothing in these tests waits for the clock, but for what is about the clock.
FAST = Tempo(
    at_once=0.01,
    status_after=0.01,
    status_every=0.01,
    request_every=0.0,
    stream_every=0.0,
    edit_every=0.0,
    typing_every=60.0,
)
NEVER = 3600.0


def delivery_to(kind: str = "personal", *, locale: str = "en-US", **changes: Any) -> Delivery:
    channel = CONVERSATION[kind]
    root = "1699999999999" if kind == "channel" else ""
    reply = Reply(
        id=ReplyId("0" * 31 + "1"),
        thread=ThreadId("teams", TENANT, channel, root),
        asker=Author("teams", TENANT, "29:anna", locale=locale),
        in_reply_to=f"{channel}:1699999999999",
    )
    address = {
        "service_url": "http://127.0.0.1:1/",
        "conversation": f"{channel};messageid={root}" if root else channel,
        "conversation_type": kind,
        "tenant": TENANT,
        "activity": "1699999999999",
    }
    return Delivery(reply=reply, return_address=address, is_head=True, **changes)


def part(number: int, kind: str = "personal") -> PartId:
    return PartId("teams", TENANT, CONVERSATION[kind], f"1700000000{number:03}")


class Answer:
    """An answer that a test writes chunk by chunk, while it is shown."""

    def __init__(self, chat: Chat, delivery: Delivery, tempo: Tempo = FAST, **more: Any) -> None:
        self.chat = chat
        self.metrics = Counts()
        self._feed = Feed()
        shown = TeamsDelivery(chat, delivery, chat, self.metrics, tempo=tempo, **more)
        self._task = asyncio.create_task(shown.show(self._feed.chunks()))

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
def chat() -> Chat:
    return Chat()


async def shown(chat: Chat, delivery: Delivery, *chunks: Chunk | str, **more: Any) -> Answer:
    """An answer that is whole at once."""
    answer = Answer(chat, delivery, **more)
    await answer.ends(*chunks)
    return answer


def again(chat: Chat, kind: str = "personal", **changes: Any) -> Delivery:
    """The next try of what this chat and its ledger know."""
    known: dict[str, Any] = {"attempts": 2, "state": chat.state_kept}
    delivery = delivery_to(kind, **known | changes)
    return replace(delivery, reply=replace(delivery.reply, parts=tuple(chat.parts)))


# ------------------------------------------------------------------------------------------------------ a personal chat


async def test_an_answer_that_is_whole_at_once_is_one_message(chat):
    await shown(chat, delivery_to(), "The boat leaves at nine.")
    assert chat.kinds == ["message", "card"]
    assert chat.texts == ["The boat leaves at nine."]
    assert chat.parts[0] == part(1)


async def test_an_answer_that_is_whole_after_a_moment_is_one_message(chat):
    async def chunks() -> AsyncIterator[Chunk]:
        yield Text("The boat")
        await asyncio.sleep(0.01)
        yield Text(" leaves.")

    await TeamsDelivery(chat, delivery_to(), chat, Counts(), tempo=replace(FAST, at_once=NEVER)).show(chunks())
    assert chat.kinds == ["message", "card"]


async def test_an_answer_is_streamed_while_it_grows(chat):
    answer = Answer(chat, delivery_to())
    thinking = await chat.until("informative")
    answer.says("The boat")
    await chat.until("streaming")
    answer.says(" leaves")
    await chat.until("streaming", 2)
    await answer.ends(" at nine.")
    assert thinking.text == "Thinking…"
    assert [call.text for call in chat.of("streaming")] == ["The boat", "The boat leaves"]
    assert [call.text for call in chat.of("final")] == ["The boat leaves at nine."]
    assert chat.texts == ["The boat leaves at nine."]
    assert chat.parts[0] == part(1)
    assert not chat.of("message")


async def test_thinking_is_said_in_the_persons_language(chat):
    answer = Answer(chat, delivery_to(locale="zh-CN"))
    assert (await chat.until("informative")).text == "正在思考……"
    await answer.ends("九点开船。")


async def test_the_place_in_the_queue_is_told(chat):
    answer = Answer(chat, delivery_to())
    answer.says(Status(StatusKind.QUEUED, 3))
    await chat.until("informative")
    answer.says(Status(StatusKind.QUEUED, 1))
    await chat.until("informative", 2)
    answer.says(Status(StatusKind.THINKING))
    await chat.until("informative", 3)
    await answer.ends("At nine.")
    told = [call.text for call in chat.of("informative")]
    assert ("3" in told[0], "1" in told[1], told[2]) == (True, True, "Thinking…")


async def test_the_stream_is_written_down_before_it_begins_and_its_message_before_it_goes_on(chat):
    answer = Answer(chat, delivery_to())
    await chat.until("informative")
    answer.says("The boat")
    await chat.until("streaming")
    await answer.ends(" leaves.")
    order = [entry.kind if isinstance(entry, Call) else entry for entry in chat.journal]
    assert order[:4] == [{"streams": True}, "informative", part(1), "streaming"]


async def test_a_message_is_written_down_before_and_after_it_is_sent(chat):
    await shown(chat, delivery_to(), "At nine.")
    order = [entry.kind if isinstance(entry, Call) else entry for entry in chat.journal]
    assert order[:3] == [{"sending": 0}, "message", part(1)]


async def test_where_there_is_no_stream_a_message_is_edited(chat):
    chat.fails["informative"] = [NotAPersonalChat(405)]
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until("message")
    await answer.ends(" leaves.")
    assert chat.texts == ["The boat leaves."]
    assert len(chat.of("informative")) == 1


@pytest.mark.parametrize(
    "error", [RateLimited(timedelta(seconds=1)), NotSent(), Unsure(), TeamsRefused(400), StreamEnded("not_allowed")]
)
async def test_an_answer_needs_no_stream(chat, error):
    chat.fails["informative"] = [error]
    answer = Answer(chat, delivery_to())
    await chat.until("informative")
    await answer.ends("The boat leaves.")
    assert chat.texts == ["The boat leaves."]
    assert not chat.of("streaming")


async def test_a_chat_has_one_stream_at_a_time(chat):
    streaming: set[str] = set()
    first = Answer(chat, delivery_to(), streaming=streaming)
    await chat.until("informative")
    second = Answer(chat, delivery_to(), streaming=streaming)
    await chat.until("typing")
    await second.ends("Second.")
    await first.ends("First.")
    assert len(chat.of("informative")) == 1
    assert sorted(chat.texts) == ["First.", "Second."]
    assert not streaming


async def test_what_teams_does_not_take_in_time_comes_with_the_next_text(chat):
    answer = Answer(chat, delivery_to())
    chat.fails["streaming"] = [RateLimited(timedelta(milliseconds=10))]
    answer.says("The boat")
    await chat.until("streaming", 2)
    await answer.ends(" leaves.")
    assert chat.texts == ["The boat leaves."]


async def test_after_a_refusal_the_stream_waits_for_its_end(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    chat.fails["streaming"] = [TeamsRefused(400)]
    await chat.until("streaming")
    answer.says(" leaves")
    await asyncio.sleep(0.05)
    await answer.ends(" at nine.")
    assert chat.kinds == ["informative", "streaming", "final", "card"]
    assert chat.texts == ["The boat leaves at nine."]


async def test_what_the_chunks_raise_is_raised(chat):
    async def lost() -> AsyncIterator[Chunk]:
        yield Text("The boat")
        raise LeaseLost

    with pytest.raises(LeaseLost):
        await TeamsDelivery(chat, delivery_to(), chat, Counts(), tempo=FAST).show(lost())


# ----------------------------------------------------------------------------------------------- the end of a stream


async def test_after_two_minutes_the_message_goes_on_by_edits(chat):
    answer = Answer(chat, delivery_to(), replace(FAST, stream_lasts=1.0, stream_reserve=0.5))
    answer.says("The boat")
    await chat.until("streaming")
    while not chat.of("update"):
        answer.says(" and")
        await asyncio.sleep(0.01)
    began = chat.time_of(chat.of("informative")[0])
    last_streamed = max(chat.time_of(call) for call in chat.of("streaming"))
    assert last_streamed - began < 0.9
    assert chat.time_of(chat.of("update")[0]) - began >= 1.0
    await answer.ends(" leaves.")
    assert chat.texts[0].startswith("The boat and")
    assert chat.texts[0].endswith("leaves.")
    assert not chat.of("final")
    assert len(chat.texts) == 1


async def test_an_answer_that_is_whole_before_the_two_minutes_are_over_ends_its_stream(chat):
    answer = Answer(chat, delivery_to(), replace(FAST, stream_lasts=NEVER, stream_reserve=NEVER))
    answer.says("The boat")
    await chat.until("informative")
    await answer.ends(" leaves.")
    assert chat.kinds == ["informative", "final", "card"]


@pytest.mark.parametrize("why", ["too_long", "completed", "rewritten", "not_allowed"])
async def test_a_stream_that_teams_ends_goes_on_by_edits_of_its_message(chat, why):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until("streaming")
    chat.fails["streaming"] = [StreamEnded(why)]
    answer.says(" leaves")
    await chat.until("update")
    await answer.ends(" at nine.")
    assert chat.texts == ["The boat leaves at nine."]
    assert chat.parts[0] == part(1)


async def test_a_stream_that_ends_with_its_last_word_is_finished_by_an_edit(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until("streaming")
    chat.fails["final"] = [StreamEnded("too_long")]
    await answer.ends(" leaves.")
    assert chat.kinds == ["informative", "streaming", "final", "update", "card"]
    assert chat.texts == ["The boat leaves."]


async def test_a_message_that_nobody_can_change_after_its_stream_gives_way_to_a_new_one(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until("streaming")
    chat.fails["final"] = [StreamEnded("not_allowed")]
    chat.fails["update"] = [TeamsRefused(400, "BadArgument")]
    await answer.ends(" leaves.")
    assert chat.texts == ["The boat leaves."]
    assert chat.parts[:2] == [part(1), part(2)]


async def test_what_teams_finds_too_large_is_split(chat):
    text = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(400))
    answer = Answer(chat, delivery_to())
    answer.says(text[:5000])
    await chat.until("streaming")
    chat.fails |= {"streaming": [StreamEnded("too_large")], "update": [TooLarge(413)]}
    answer.says(text[5000:11000])
    await chat.until("update", 2)
    await answer.ends(text[11000:])
    assert len(chat.texts) > 1
    assert "\n\n".join(each.strip() for each in chat.texts) == text


async def test_a_message_that_is_too_large_is_split(chat):
    text = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(400))
    chat.fails["message"] = [TooLarge(413), TooLarge(413)]
    await shown(chat, delivery_to(), text)
    assert 3 <= len(chat.texts) <= 5
    assert "\n\n".join(each.strip() for each in chat.texts) == text
    assert not any("again" in each for each in chat.texts)


async def test_a_message_is_not_split_for_ever(chat):
    chat.fails["message"] = [TooLarge(413)] * 20
    with pytest.raises(TooLarge):
        await shown(chat, delivery_to(), "word " * 3000)


# ----------------------------------------------------------------------------------------------------------------- Stop


async def stopped(chat: Chat, **more: Any) -> tuple[Answer, asyncio.Event]:
    """An answer whose stream the person has stopped in Teams, and what is set once the house is told."""
    told = asyncio.Event()

    async def on_stop() -> None:
        told.set()

    answer = Answer(chat, delivery_to(), **{"on_stop": on_stop} | more)
    answer.says("The boat")
    await chat.until("streaming")
    chat.fails["streaming"] = [StreamEnded("canceled")]
    answer.says(" leaves")
    await chat.until("streaming", 2)
    return answer, told


async def test_teams_own_stop_reaches_the_house(chat):
    answer, told = await stopped(chat)
    async with asyncio.timeout(5):
        await told.wait()
    await answer.ends()
    assert chat.texts == ["The boat leaves"]
    assert chat.kinds == ["informative", "streaming", "streaming", "update", "card"]


async def test_what_was_stopped_grows_no_more(chat):
    answer, told = await stopped(chat)
    await told.wait()
    before = len(chat.calls)
    answer.says(" at nine", " from the harbour")
    await asyncio.sleep(0.05)
    assert len(chat.calls) == before
    await answer.ends()


async def test_a_stop_that_was_not_stored_is_told_again(chat, monkeypatch):
    monkeypatch.setattr("adapters.teams.delivery._STOP_EVERY", 0.0)
    outcomes: list[Exception | None] = [NotStored(), NotStored(), None]
    told = asyncio.Event()

    async def on_stop() -> None:
        if error := outcomes.pop(0):
            raise error
        told.set()

    answer, _ = await stopped(chat, on_stop=on_stop)
    async with asyncio.timeout(5):
        await told.wait()
    await answer.ends()
    assert not outcomes


async def test_a_stopped_message_that_teams_lets_nobody_change_stays_as_it_is(chat):
    answer, told = await stopped(chat)
    await told.wait()
    chat.fails["update"] = [TeamsRefused(403)]
    await answer.ends()
    assert chat.texts == ["The boat"]
    assert not chat.of("message")
    assert not chat.of("delete")


async def test_what_was_taken_back_does_not_stay_even_where_it_was_stopped(chat):
    answer, told = await stopped(chat)
    await told.wait()
    chat.fails["update"] = [TeamsRefused(403)]
    await answer.ends(Replace("I can't say that."))
    assert chat.texts == ["I can't say that."]


async def test_a_stop_with_the_last_word_stops_nothing_more(chat):
    told = asyncio.Event()

    async def on_stop() -> None:
        told.set()

    answer = Answer(chat, delivery_to(), on_stop=on_stop)
    answer.says("The boat")
    await chat.until("streaming")
    chat.fails["final"] = [StreamEnded("canceled")]
    await answer.ends(" leaves.")
    assert chat.texts == ["The boat leaves."]
    assert not told.is_set()


async def test_the_stop_is_the_askers_order():
    delivery, at = delivery_to(), datetime(2030, 1, 2, tzinfo=UTC)
    command = stop_of(delivery, at)
    assert (command.name, command.lane, command.sent_at) == (CommandName.STOP, "control", at)
    assert (command.thread, command.author) == (delivery.reply.thread, delivery.reply.asker)
    assert command.return_address == delivery.return_address
    assert command.id == stop_of(delivery, at).id


# ------------------------------------------------------------------------------------------------------- taken back


async def test_a_refusal_after_text_was_shown_ends_the_stream_and_replaces_the_message(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The secret is")
    await chat.until("streaming")
    answer.says(Replace("I can't say that."))
    await chat.until("update")
    await answer.ends()
    assert chat.kinds[:4] == ["informative", "streaming", "final", "update"]
    assert chat.of("final")[0].text == "The secret is"
    assert chat.texts == ["I can't say that."]
    assert chat.of("update")[0].id == part(1).id


async def test_a_refusal_with_the_last_word_ends_the_stream_too(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The secret is")
    await chat.until("streaming")
    await answer.ends(Replace("I can't say that."))
    assert chat.kinds[:4] == ["informative", "streaming", "final", "update"]
    assert chat.texts == ["I can't say that."]


async def test_what_was_never_shown_needs_no_end_of_its_stream(chat):
    answer = Answer(chat, delivery_to())
    await chat.until("informative")
    await answer.ends("The secret is", Replace("I can't say that."))
    assert chat.kinds == ["informative", "final", "card"]
    assert chat.texts == ["I can't say that."]


async def test_messages_that_were_taken_back_are_deleted(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("word " * 9000)
    await chat.until("message", 3)
    await answer.ends(Replace("I can't say that."))
    assert chat.texts == ["I can't say that."]


# ------------------------------------------------------------------------------------------------ groups and channels


@pytest.mark.parametrize("kind", ["groupChat", "channel"])
async def test_elsewhere_somebody_is_typing_and_one_message_follows(chat, kind):
    answer = Answer(chat, delivery_to(kind), replace(FAST, edit_every=NEVER))
    await chat.until("typing")
    answer.says("The boat")
    await asyncio.sleep(0.05)
    assert not chat.calls
    await answer.ends(" leaves.")
    assert chat.kinds == ["message", "card"]
    assert chat.texts == ["The boat leaves."]
    assert chat.parts[0] == part(1, kind)


async def test_typing_is_shown_as_long_as_it_takes(chat):
    answer = Answer(chat, delivery_to("groupChat"), replace(FAST, typing_every=0.01, edit_every=NEVER))
    await chat.until("typing", 3)
    await answer.ends("At nine.")
    count = len(chat.of("typing"))
    await asyncio.sleep(0.05)
    assert len(chat.of("typing")) == count


async def test_an_answer_needs_no_typing(chat):
    chat.fails["typing"] = [Undeliverable()]
    answer = Answer(chat, delivery_to("groupChat"))
    await chat.until("typing")
    await answer.ends("At nine.")
    assert chat.texts == ["At nine."]


async def test_elsewhere_a_message_is_edited_while_it_grows(chat):
    answer = Answer(chat, delivery_to("channel"))
    answer.says("The boat")
    await chat.until("message")
    answer.says(" leaves")
    await chat.until("update")
    await answer.ends(" at nine.")
    assert [call.text for call in chat.of("update")] == ["The boat leaves", "The boat leaves at nine."]
    assert not chat.of("informative")
    assert chat.texts == ["The boat leaves at nine."]


async def test_a_message_that_teams_gives_no_id_is_said_once_more_when_it_is_whole(monkeypatch):
    class Nameless(Chat):
        """Tells no id of the first message with words."""

        async def send(self, address, activity, **more):
            id = await super().send(address, activity, **more)
            return "" if len(self.of("message")) == 1 and "text" in activity else id

    chat = Nameless()
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("The boat")
    await chat.until("message")
    for _ in range(5):
        answer.says(" and more")
        await asyncio.sleep(0.02)
    await answer.ends(" at nine.")
    first, second = chat.of("message")
    assert (first.text, chat.of("update")) == ("The boat", [])
    assert second.text.endswith("The boat" + " and more" * 5 + " at nine.")
    assert second.text.startswith(say("sent_again", "en")[:20])


async def test_a_card_that_teams_does_not_take_leaves_the_answer_whole(chat):
    chat.fails["card"] = [Undeliverable("gone")]
    await shown(chat, delivery_to("groupChat"), "At nine.")
    assert chat.texts == ["At nine."]


async def test_edits_keep_their_pace(chat):
    answer = Answer(chat, delivery_to("groupChat"), replace(FAST, edit_every=0.1))
    answer.says("One")
    for _ in range(40):
        answer.says(" more")
        await asyncio.sleep(0.01)
    await answer.ends(".")
    times = [chat.time_of(call) for call in chat.calls if call.kind in ("message", "update")][:-1]
    assert len(times) >= 3
    assert min(later - sooner for sooner, later in pairwise(times)) >= 0.095


@pytest.mark.parametrize("error", [RateLimited(timedelta(0)), Unsure(), NotSent()])
async def test_an_edit_that_fails_comes_with_the_next_one(chat, error):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("The boat")
    await chat.until("message")
    chat.fails["update"] = [error]
    answer.says(" leaves")
    await chat.until("update", 2)
    await answer.ends(" at nine.")
    assert chat.texts == ["The boat leaves at nine."]


async def test_nothing_is_written_as_long_as_teams_asks_to_wait(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("The boat")
    await chat.until("message")
    chat.fails["update"] = [RateLimited(timedelta(milliseconds=150))]
    answer.says(" leaves")
    await chat.until("update", 2)
    sooner, later = map(chat.time_of, chat.of("update"))
    assert later - sooner >= 0.14
    await answer.ends()


async def test_typing_is_shown_again_once_teams_lets_us(chat):
    chat.fails["typing"] = [RateLimited(timedelta(milliseconds=50))]
    answer = Answer(chat, delivery_to("groupChat"), replace(FAST, typing_every=0.01, edit_every=NEVER))
    await chat.until("typing", 2)
    assert chat.times[1] - chat.times[0] >= 0.045
    await answer.ends("At nine.")


async def test_only_what_must_be_shown_waits_for_teams(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("The boat")
    await chat.until("message")
    answer.says(" leaves")
    await chat.until("update")
    await answer.ends(".")
    calls = [entry for entry in chat.journal if isinstance(entry, Call)]
    assert [(call.kind, call.patience) for call in calls] == [
        ("typing", 0.0),
        ("message", 0.0),
        ("update", 0.0),
        ("update", 60.0),
        ("card", 60.0),
    ]


async def test_a_last_edit_that_fails_is_tried_again_by_the_house(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says("The boat")
    await chat.until("message")
    chat.fails["update"] = [RateLimited(timedelta(seconds=7))] * 3
    with pytest.raises(RateLimited):
        await answer.ends(" leaves.")


# ------------------------------------------------------------------------------------------------------- long answers

LONG = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(1500))


async def test_a_long_answer_is_several_messages_all_of_which_are_known(chat):
    await shown(chat, delivery_to("groupChat"), LONG)
    assert len(chat.texts) >= 3
    assert max(map(len, chat.texts)) <= 20_000
    assert "\n\n".join(each.strip() for each in chat.texts) == LONG
    assert chat.parts[: len(chat.texts)] == [part(number, "groupChat") for number in range(1, len(chat.texts) + 1)]


async def test_what_stands_under_an_answer_stands_under_its_last_message(chat):
    await shown(chat, delivery_to("groupChat"), LONG)
    rated = ["feedbackLoop" in call.activity.get("channelData", {}) for call in chat.of("message")]
    assert rated == [False] * (len(rated) - 1) + [True]
    assert chat.kinds[-1] == "card"


async def test_every_message_of_a_long_answer_is_labelled(chat):
    await shown(chat, delivery_to("groupChat"), LONG)
    assert [is_labelled(call) for call in chat.of("message")] == [True] * len(chat.texts)
    assert chat.of("update") == [], "what is said already needs no edit"


async def test_no_message_of_a_long_sentence_of_the_house_is_labelled(chat):
    await shown(chat, delivery_to("groupChat"), Text(LONG, Source.HOUSE))
    assert len(chat.of("message")) >= 3
    assert not any(is_labelled(call) for call in chat.of("message"))


async def test_a_message_is_labelled_while_it_grows_and_can_be_rated_once_it_is_whole(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says(LONG[:21_000])
    await chat.until("message", 2)
    await answer.ends()
    assert all(is_labelled(call) for call in (*chat.of("message"), *chat.of("update")))
    assert not any("channelData" in call.activity for call in chat.of("message"))
    [rated] = chat.of("update")
    assert (rated.id, rated.activity["channelData"]) == (part(2).id, {"feedbackLoop": {"type": "default"}})


async def test_what_the_house_says_is_not_labelled_while_it_grows(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says(Text("One moment,", Source.HOUSE))
    await chat.until("message")
    await answer.ends(Text(" please.", Source.HOUSE))
    assert not any(is_labelled(call) for call in chat.calls)


def is_labelled(call: Call) -> bool:
    return any("AIGeneratedContent" in entity.get("additionalType", ()) for entity in call.activity.get("entities", ()))


async def test_a_long_answer_ends_its_stream_where_its_first_message_is_full(chat):
    answer = Answer(chat, delivery_to())
    answer.says(LONG[:10_000])
    await chat.until("streaming")
    answer.says(LONG[10_000:30_000])
    await chat.until("message")
    answer.says(LONG[30_000:35_000])
    await chat.until("update")
    await answer.ends(LONG[35_000:])
    assert "\n\n".join(each.strip() for each in chat.texts) == LONG
    assert len(chat.of("final")) == 1
    assert "feedbackLoop" not in chat.of("final")[0].activity.get("channelData", {})
    assert all(is_labelled(call) for call in chat.calls if call.kind in ("final", "message", "update"))
    assert not any(is_labelled(call) for call in chat.of("streaming")), "Teams takes none before the end of a stream"


# -------------------------------------------------------------------------------------------- what stands under it


async def test_an_answer_is_labelled_and_can_be_rated(chat):
    answer = Answer(chat, delivery_to())
    answer.says("The boat")
    await chat.until("streaming")
    await answer.ends(" leaves.")
    [final] = chat.of("final")
    assert "feedbackLoop" in final.activity["channelData"]
    assert is_labelled(final)


async def test_buttons_of_a_thread_bring_its_root_along(chat):
    await shown(chat, delivery_to("channel"), "At nine.")
    assert root_of(chat) == "1699999999999"
    asked = Chat()
    await shown(asked, delivery_to("channel"), Ask("ask-1", "Delete it?"))
    assert root_of(asked) == "1699999999999"
    elsewhere = Chat()
    await shown(elsewhere, delivery_to("groupChat"), "At nine.")
    assert root_of(elsewhere) is None


def root_of(chat: Chat) -> str | None:
    [button] = chat.of("card")[0].activity["attachments"][0]["content"]["actions"]
    root: str | None = button["data"].get("root")
    return root


async def test_what_the_house_says_is_neither_rated_nor_asked_for_again(chat):
    await shown(chat, delivery_to(), Text("There is nothing to stop.", Source.HOUSE))
    assert chat.kinds == ["message"]
    [message] = chat.calls
    assert "feedbackLoop" not in message.activity.get("channelData", {})
    assert "AIGeneratedContent" not in str(message.activity)


async def test_sources_are_cited(chat):
    await shown(chat, delivery_to(), "At nine.", Sources((Citation("Timetable", "https://example.com/t", "9:00"),)))
    assert "Timetable" in str(chat.of("message")[0].activity)
    assert "[1]" in chat.texts[0]


async def test_follow_ups_are_suggested_in_a_personal_chat_alone(chat):
    await shown(chat, delivery_to(), "At nine.")
    suggesting = [call.activity for call in chat.calls if call.activity.get("suggestedActions")]
    assert [each["attachments"][0]["contentType"] for each in suggesting] == [
        "application/vnd.microsoft.card.adaptive"  # the last message: any other one would take them away
    ]
    elsewhere = Chat()
    await shown(elsewhere, delivery_to("groupChat"), "At nine.")
    assert not any(call.activity.get("suggestedActions") for call in elsewhere.calls)


async def test_a_question_of_the_house_comes_with_its_button(chat):
    await shown(chat, delivery_to(), Ask("ask-1", "Shall I delete it?"))
    assert chat.texts == ["Shall I delete it?"]
    assert "ask-1" in str(chat.of("card")[0].activity)


async def test_the_card_is_known_and_not_taken_for_a_part_of_the_answer(chat):
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), "At nine.")
    await shown(chat, again(chat), "At nine.")
    assert chat.parts == [part(1), part(2)]
    await shown(chat, again(chat), "At ten.")
    assert chat.texts == ["At ten."]
    assert len(chat.of("card")) == 2
    assert not chat.of("delete")


async def test_the_card_stands_below_an_answer_that_has_become_longer(chat):
    await shown(chat, delivery_to("groupChat"), "At nine.")
    await shown(chat, again(chat, "groupChat"), LONG)
    assert not list(chat.stands.values())[-1].text
    assert len(chat.stands) == len(chat.texts) + 1
    await shown(chat, again(chat, "groupChat"), LONG)
    assert len(chat.stands) == len(chat.texts) + 1


async def test_a_card_that_teams_refuses_is_no_reason_to_say_the_answer_again(chat):
    chat.fails["card"] = [TeamsRefused(400)]
    await shown(chat, delivery_to(), "At nine.")
    assert chat.texts == ["At nine."]


# ------------------------------------------------------------------------------------------------------- once more


async def test_a_stream_that_was_left_open_is_ended_and_its_message_replaced(chat):
    first = Answer(chat, delivery_to())
    first.says("The boat leaves at")
    await chat.until("streaming")
    await first.breaks_off()
    await shown(chat, again(chat), "It leaves at nine.")
    assert chat.texts == ["It leaves at nine."]
    assert chat.parts[0] == part(1)
    assert chat.kinds[2:] == ["final", "streaming", "update", "card"]


async def test_a_stream_that_was_left_open_ends_with_the_answer_it_began(chat):
    first = Answer(chat, delivery_to())
    first.says("The boat leaves at")
    await chat.until("streaming")
    await first.breaks_off()
    await shown(chat, again(chat), "The boat leaves at nine.")
    assert chat.kinds[2:] == ["final", "card"]
    assert chat.texts == ["The boat leaves at nine."]


async def test_a_second_try_grows_by_edits_of_what_is_there(chat):
    first = Answer(chat, delivery_to())
    first.says("The boat leaves at")
    await chat.until("streaming")
    await first.breaks_off()
    second = Answer(chat, again(chat))
    second.says("It leaves")
    await chat.until("update")
    await second.ends(" at nine.")
    assert chat.texts == ["It leaves at nine."]
    assert len(chat.of("informative")) == 1
    assert [call.text for call in chat.of("update")] == ["It leaves", "It leaves at nine."]


async def test_a_stream_that_can_be_ended_by_nothing_gives_way_to_a_new_message(chat):
    first = Answer(chat, delivery_to())
    first.says("The boat leaves at")
    await chat.until("streaming")
    await first.breaks_off()
    chat.fails["streaming"] = [TeamsRefused(400)]
    await shown(chat, again(chat), "It leaves at nine.")
    assert chat.texts == ["It leaves at nine."]
    assert chat.kinds[2:] == ["final", "streaming", "update", "delete", "message", "card"]


async def test_all_messages_of_a_first_try_are_brought_up_to_date(chat):
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to("groupChat"), LONG)
    count = len(chat.texts)
    other = LONG.replace("some", "more")
    await shown(chat, again(chat, "groupChat"), other)
    assert "\n\n".join(each.strip() for each in chat.texts) == other
    assert len(chat.texts) == count
    assert len(chat.of("message")) == count


async def test_messages_that_a_shorter_answer_does_not_need_are_deleted(chat):
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to("groupChat"), LONG)
    await shown(chat, again(chat, "groupChat"), "Never mind.")
    assert chat.texts == ["Never mind."]


async def test_a_first_message_of_unknown_fate_is_sent_again_with_a_mark(chat):
    chat.lost["message"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), "At nine.")
    answer = await shown(chat, again(chat), "At nine.")
    first, second = chat.texts
    assert first == "At nine."
    assert second.endswith("At nine.")
    assert "again" in second
    assert answer.metrics.counted == {"deliveries_repeated": 1}


async def test_the_mark_speaks_chinese_too(chat):
    chat.lost["message"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(locale="zh-CN"), "九点。")
    await shown(chat, again(chat, locale="zh-CN"), "九点。")
    assert "再次" in chat.texts[1]


async def test_the_mark_stays_when_its_message_is_edited(chat):
    chat.lost["message"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), "At nine.")
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, again(chat), "At nine.")
    await shown(chat, again(chat), "At ten.")
    assert len(chat.texts) == 2
    assert "again" in chat.texts[1]
    assert chat.texts[1].endswith("At ten.")


async def test_a_process_that_dies_while_it_sends_leaves_the_fate_unknown(chat):
    reached = asyncio.Event()

    async def hangs(call: Call) -> None:
        if call.kind == "message":
            reached.set()
            await asyncio.Event().wait()

    chat.before = hangs
    first = Answer(chat, delivery_to())
    ending = asyncio.create_task(first.ends("At nine."))
    await reached.wait()
    await first.breaks_off()
    await asyncio.gather(ending, return_exceptions=True)
    chat.before = None
    await shown(chat, again(chat), "At nine.")
    assert "again" in chat.texts[0]


@pytest.mark.parametrize("error", [RateLimited(timedelta(seconds=1)), NotSent(), TeamsRefused(400)])
async def test_what_was_not_sent_for_certain_bears_no_mark(chat, error):
    chat.fails["message"] = [error]
    with pytest.raises(type(error)):
        await shown(chat, delivery_to(), "At nine.")
    await shown(chat, again(chat), "At nine.")
    assert chat.texts == ["At nine."]


async def test_doubt_outlives_a_second_try_that_teams_refused(chat):
    chat.lost["message"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(chat, delivery_to(), "At nine.")
    chat.fails["message"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, again(chat), "At nine.")
    await shown(chat, again(chat), "At nine.")
    assert "again" in chat.texts[1]


async def test_only_the_message_in_doubt_bears_the_mark(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    answer.says(LONG[:10_000])
    await chat.until("message")
    chat.lost["message"] = [Unsure()]
    answer.says(LONG[10_000:20_000])
    await chat.until("message", 3)
    await answer.ends()
    assert ["again" in call.text for call in chat.of("message")] == [False, False, True]


async def test_a_growing_message_of_unknown_fate_is_sent_again_with_a_mark(chat):
    answer = Answer(chat, delivery_to("groupChat"))
    chat.lost["message"] = [Unsure()]
    answer.says("The boat")
    await chat.until("message", 2)
    await answer.ends(" leaves.")
    assert chat.texts[0] == "The boat"
    assert "again" in chat.texts[1]
    assert chat.texts[1].endswith("The boat leaves.")


async def test_a_message_that_is_gone_gives_way_to_a_new_one(chat):
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), "At nine.")
    del chat.stands[part(1).id]
    await shown(chat, again(chat), "At nine.")
    assert chat.texts == ["At nine."]
    assert chat.state_kept["gone"] == [part(1).id]
    await shown(chat, again(chat), "At ten.")
    assert chat.texts == ["At ten."]
    assert len(chat.of("message")) == 2


async def test_where_the_first_of_several_messages_is_gone_the_order_stays(chat):
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to("groupChat"), LONG)
    del chat.stands[part(1).id]
    await shown(chat, again(chat, "groupChat"), LONG)
    assert "\n\n".join(each.strip() for each in chat.texts) == LONG


async def test_a_bot_that_was_removed_gives_up(chat):
    chat.fails["message"] = [Undeliverable()]
    with pytest.raises(Undeliverable):
        await shown(chat, delivery_to(), "At nine.")


async def test_a_try_after_one_that_showed_nothing_streams(chat):
    chat.fails["message"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), "At nine.")
    answer = Answer(chat, again(chat))
    await chat.until("informative")
    await answer.ends("At nine.")
    assert chat.texts == ["At nine."]


# ------------------------------------------------------------------------------------------------------------- pictures


async def test_a_picture_is_a_message_of_its_own_and_shown_once(chat):
    image = Image(b"\x89PNG", "image/png", "A boat")
    chat.fails["card"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(chat, delivery_to(), "See:", image)
    await shown(chat, again(chat), "See:", image)
    assert len(chat.of("picture")) == 1
    assert len(chat.of("message")) == 1
    assert chat.texts == ["See:"]
