"""How an answer goes out through the self-built app: message by message, taken back, and sent again."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any

import pytest

from adapters.wecom.app_delivery import AppDelivery, AppTempo
from adapters.wecom.errors import NotSent, Unsure, WecomRefused, failure
from adapters.wecom.render import contents
from adapters.wecom.texts import say
from core.delivery import Feed
from core.errors import ChannelError, LeaseLost, RateLimited, Refused, Undeliverable
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
    Text,
    ThreadId,
)
from core.ports import Delivery
from core.splitting import Pager, utf8_bytes
from tests.fakes.metrics import Numbers
from tests.unit.adapters.wecom.member import INVISIBLE, Call, Member

CORP = "ww00000000000000aa"
REPLY = ReplyId("0" * 31 + "1")
# Nothing in these tests waits for the clock, but for what is about the clock.
FAST = AppTempo(note_after=3600.0, look_every=0.005)
AT_ONCE = replace(FAST, note_after=0.0)
LINE = "Some words that make a line of this answer.\n"
LONG = (LINE * 10 + "\n") * 14  # some 6 KB


def delivery(reply_id: ReplyId = REPLY, user: str = "anna", **changes: Any) -> Delivery:
    reply = Reply(
        id=reply_id,
        thread=ThreadId("wecom-app", CORP, "1000002", "anna"),
        asker=Author("wecom-app", CORP, "anna", locale="zh-CN"),
        in_reply_to="app:1000002:anna:1800000000:7",
    )
    address = {"mode": "app", "user": user, "agent": 1000002, "at": "2027-01-15T08:00:00+00:00"}
    return Delivery(reply=reply, return_address=address, is_head=True, **changes)


def again(member: Member, **changes: Any) -> Delivery:
    """The next try of what this member and their ledger know."""
    next_try = delivery(attempts=2, state=member.state_kept, **changes)
    return replace(next_try, reply=replace(next_try.reply, parts=tuple(member.parts)))


class Answer:
    """An answer that a test writes chunk by chunk, while it is shown."""

    def __init__(self, member: Member, to: Delivery | None = None, tempo: AppTempo = FAST) -> None:
        self.metrics = Numbers()
        self._feed = Feed()
        shown = AppDelivery(member, to or delivery(), member, self.metrics, member, tempo=tempo)
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
def member() -> Member:
    return Member()


async def shown(member: Member, *chunks: Chunk | str, to: Delivery | None = None) -> Answer:
    """An answer that is whole at once."""
    answer = Answer(member, to)
    await answer.ends(*chunks)
    return answer


def pieces_of(text: str) -> list[str]:
    """What the messages of a whole answer say."""
    pieces = Pager(1_900, size=utf8_bytes).feed(text, is_final=True)
    return [content.text for piece in pieces for content in contents(piece)]


# -------------------------------------------------------------------------------------------------------- what is sent


async def test_a_short_answer_is_one_message_and_a_card_to_rate_it(member):
    await shown(member, "你好")
    assert member.kinds == ["text", "template_card"]
    assert member.texts == ["你好"]
    assert [button["key"] for button in member.cards[0]["button_list"]] == [
        f"fb:up:{REPLY}",
        f"fb:down:{REPLY}",
        f"again:{REPLY}",
    ]


async def test_an_answer_with_marks_is_markdown_and_one_with_code_is_text(member):
    await shown(member, "**bold**")
    await shown(member, "```py\nx\n```", to=delivery(ReplyId("2" * 32)))
    assert member.kinds == ["markdown", "template_card", "text", "template_card"]


async def test_a_long_answer_is_several_messages_that_say_all_of_it(member):
    await shown(member, LONG)
    assert len(member.texts) > 3
    assert "".join("".join(member.texts).split()) == "".join(LONG.split())
    assert member.kinds[-1] == "template_card"


async def test_sixty_kilobytes_go_out_whole_and_every_message_has_its_place(member):
    text = "".join(f"第 {n} 行：这里有一些中文文字，用来测试很长的回答。\n\n" for n in range(800))
    assert len(text.encode()) > 60_000
    await shown(member, text)
    assert "".join("".join(member.texts).split()) == "".join(text.split())
    assert member.places == [("anna", False)] * len(member.calls)


async def test_an_empty_answer_is_not_silence(member):
    await shown(member, " \n")
    assert member.texts == ["…"]


async def test_a_sentence_of_the_house_is_not_up_for_rating(member):
    await shown(member, Text("That did not work.", Source.HOUSE))
    assert member.kinds == ["text"]


async def test_sources_stand_at_the_end(member):
    await shown(member, "It is so.\n", Sources((Citation("The sea", "https://example.com/sea"),)))
    assert member.texts == ["It is so.\n\nSources:\n\n1. [The sea](https://example.com/sea)"]


async def test_a_question_of_the_house_has_a_button_and_no_thumbs(member):
    await shown(member, Ask("ask-1", "Shall I delete it?"))
    assert member.texts == ["Shall I delete it?"]
    assert [button["key"] for button in member.cards[0]["button_list"]] == ["ask:ask-1"]


async def test_a_question_whose_button_is_refused_is_not_taken_for_asked(member):
    member.fails["template_card"] = [WecomRefused(40058)]
    with pytest.raises(WecomRefused):
        await shown(member, Ask("ask-1", "Shall I delete it?"))


@pytest.mark.parametrize("error", [WecomRefused(40058), Unsure()])
async def test_a_refused_card_is_no_reason_to_fail(member, error):
    member.fails["template_card"] = [error]
    await shown(member, "Hello")
    assert member.texts == ["Hello"]


@pytest.mark.parametrize("user", ["", "@all", "anna|bo"])
async def test_an_answer_is_for_one_person(member, user):
    with pytest.raises(Undeliverable):
        await shown(member, "Hello", to=delivery(user=user))
    assert member.calls == []


# ------------------------------------------------------------------------------------------------------ while it grows


async def test_each_message_goes_out_as_soon_as_it_is_complete(member):
    answer, said = Answer(member), 0
    pieces = Pager(1_900, size=utf8_bytes).feed(LONG)
    for number, end in enumerate(accumulate(map(len, pieces[:-1])), 1):
        answer.says(LONG[said : end - 1])
        await asyncio.sleep(0.02)
        assert len(member.texts) == number - 1
        said = end + 1
        answer.says(LONG[end - 1 : said])
        await member.until("text", number)
    await answer.ends(LONG[said:])
    assert member.texts == pieces_of(LONG)


async def test_growing_character_by_character_says_the_same(member):
    answer = Answer(member)
    for start in range(0, len(LONG), 7):
        answer.says(LONG[start : start + 7])
        if start % 210 == 0:
            await asyncio.sleep(0)
    await answer.ends()
    assert member.texts == pieces_of(LONG)


async def test_whoever_waits_for_long_is_told_once_that_somebody_works_for_them(member):
    answer = Answer(member, tempo=AT_ONCE)
    await member.until("text")
    assert member.texts == [say("working", "zh")]
    assert member.places == [("anna", True)]
    answer.says("a ")
    await asyncio.sleep(0.05)
    await answer.ends("b")
    assert member.texts == [say("working", "zh"), "a b"]


async def test_a_note_is_not_said_twice_by_a_second_try(member):
    answer = Answer(member, tempo=AT_ONCE)
    await member.until("text")
    await answer.breaks_off()
    second = Answer(member, again(member), AT_ONCE)
    await asyncio.sleep(0.05)
    await second.ends("Hello")
    assert member.texts == [say("working", "zh"), "Hello"]


async def test_a_note_that_finds_no_place_is_left_out(member):
    member.has_room = False
    answer = Answer(member, tempo=AT_ONCE)
    await asyncio.sleep(0.05)
    await answer.ends("Hello")
    assert member.texts == ["Hello"]


async def test_a_note_that_is_refused_does_no_harm(member):
    member.fails["text"] = [RateLimited(timedelta(seconds=1))]
    answer = Answer(member, tempo=AT_ONCE)
    await member.until("text")
    await answer.ends("Hello")
    assert member.texts == ["Hello"]


async def test_who_sees_the_answer_come_needs_no_note(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    await answer.ends()
    assert say("working", "zh") not in member.texts


# ------------------------------------------------------------------------------------------------------ what is kept


async def test_everything_is_written_down_before_the_next_call(member):
    await shown(member, LONG)
    calls = [entry for entry in member.journal if isinstance(entry, Call)]
    for call, after in pairwise(calls):
        between = member.journal[member.journal.index(call) + 1 : member.journal.index(after)]
        assert any(isinstance(entry, PartId) for entry in between)
        assert any(isinstance(entry, dict) for entry in between)
    assert isinstance(member.journal[-1], PartId)


async def test_the_parts_name_all_messages_of_the_answer(member):
    await shown(member, LONG)
    assert member.parts == [PartId("wecom-app", CORP, "anna", id) for id in member.stands]


async def test_an_answer_whose_lease_was_lost_goes_no_further(member):
    async def lose(call: Call) -> None:
        if len(member.of("text")) == 2:
            member.fails["text"] = [LeaseLost()]

    member.before = lose
    with pytest.raises(LeaseLost):
        await shown(member, LONG)
    assert len(member.texts) == 1


# ------------------------------------------------------------------------------------------------------- sent again


@pytest.mark.parametrize("error", [Unsure(), NotSent(), RateLimited(timedelta(seconds=1))])
async def test_a_second_try_goes_on_where_the_first_one_ended(member, error):
    async def fail(call: Call) -> None:
        if len(member.of("text")) == 3:
            member.before = None
            raise error

    member.before = fail
    with pytest.raises(ChannelError):
        await shown(member, LONG)
    assert len(member.texts) == 2
    await shown(member, LONG, to=again(member))
    assert member.texts == pieces_of(LONG)
    assert len(member.of("text")) == len(pieces_of(LONG)) + 1
    assert len(member.cards) == 1


async def test_what_wecom_may_have_taken_is_sent_again_to_the_letter_and_read_once(member):
    member.lost["text"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(member, "OK")
    answer = await shown(member, "OK", to=again(member))
    first, second = member.of("text")
    assert first.body == second.body
    assert member.texts == ["OK"]
    assert answer.metrics.counts["deliveries_repeated", "wecom-app"] == 1


async def test_equal_answers_to_two_questions_are_both_read(member):
    await shown(member, "OK")
    await shown(member, "OK", to=delivery(ReplyId("2" * 32)))
    assert member.texts == ["OK", "OK"]


async def test_equal_messages_of_one_answer_are_all_read(member):
    line = "x" * 40 + "\n"
    await shown(member, line * 200)
    assert "".join(member.texts).count("x") == 8000


async def test_what_was_delivered_is_not_sent_again(member):
    await shown(member, LONG)
    count = len(member.calls)
    await shown(member, LONG, to=again(member))
    assert len(member.calls) == count


async def test_a_mark_is_all_that_is_added(member):
    await shown(member, "OK")
    content = member.of("text")[0].body["text"]["content"]
    assert content != "OK"
    assert content.strip(INVISIBLE) == "OK"


# ------------------------------------------------------------------------------------------------------- taken back


async def test_what_is_taken_back_disappears_at_once_and_the_new_text_follows(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 3)
    answer.says(Replace("I can not say that."))
    await member.until("recall", 3)
    await answer.ends()
    assert member.texts == ["I can not say that."]
    assert len(member.cards) == 1


async def test_what_is_taken_back_before_anything_was_sent_was_never_there(member):
    await shown(member, "One thing", Replace("Another"))
    assert member.kinds == ["text", "template_card"]
    assert member.texts == ["Another"]


async def test_the_same_words_can_be_said_again_after_they_were_taken_back(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    answer.says(Replace(""))
    await member.until("recall", 2)
    await answer.ends(LONG)
    assert member.texts == pieces_of(LONG)


async def test_what_cannot_be_recalled_is_said_to_be_out_of_date(member):
    member.fails["recall"] = [WecomRefused(301059)]
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    answer.says(Replace("Better"))
    await answer.ends()
    assert member.texts[-2:] == [say("replaces_above", "en"), "Better"]
    assert len(member.texts) == 3


async def test_a_message_without_an_id_cannot_be_recalled(member):
    member.gives_ids = False
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    answer.says(Replace("Better"))
    await answer.ends()
    assert member.of("recall") == []
    assert member.texts[-2:] == [say("replaces_above", "en"), "Better"]
    assert member.parts == []


async def test_an_answer_that_is_written_anew_takes_the_place_of_the_one_that_broke_off(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    await answer.breaks_off()
    other = LONG.replace("Some", "Other")
    second = Answer(member, again(member))
    second.says(other[:500])
    await asyncio.sleep(0.03)
    assert len(member.of("recall")) == 0  # it may turn out to say the same
    await second.ends(other[500:])
    assert member.texts == pieces_of(other)


async def test_an_answer_that_is_written_anew_and_begins_alike_keeps_what_is_right(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 3)
    await answer.breaks_off()
    other = LONG[:1900].rsplit("\n\n", 1)[0] + "\n\nAnother end."
    await shown(member, other, to=again(member))
    assert member.texts == pieces_of(other)
    assert next(iter(member.stands)) == "m1"


async def test_a_recall_that_was_interrupted_is_finished_by_the_next_try(member):
    async def die(call: Call) -> None:
        if call.kind == "recall" and len(member.of("recall")) == 2:
            member.before = None
            raise NotSent

    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 3)
    member.before = die
    answer.says(Replace("Better"))
    with pytest.raises(NotSent):
        await answer.ends()
    await shown(member, "Better", to=again(member))
    assert member.texts == ["Better"]


async def test_where_it_is_not_known_what_was_said_the_new_text_says_so(member):
    member.lost["text"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(member, "One thing")
    await shown(member, "Another", to=again(member))
    assert member.texts == ["One thing", say("replaces_above", "en"), "Another"]


async def test_what_may_stand_below_what_is_recalled_is_said_to_be_out_of_date(member):
    answer = Answer(member)
    answer.says(LONG)
    await member.until("text", 2)
    await answer.breaks_off()
    member.lost["text"] = [Unsure()]
    with pytest.raises(Unsure):
        await shown(member, LONG, to=again(member))
    count = len(member.texts)
    await shown(member, "Another", to=again(member))
    assert count >= 3
    assert member.texts[-2:] == [say("replaces_above", "en"), "Another"]
    assert len(member.texts) == 3  # the one whose id nobody knows stays


async def test_a_picture_that_may_stand_above_another_answer_is_said_to_be_out_of_date(member):
    member.lost["image"] = [NotSent()]  # the process dies before it hears of it
    with pytest.raises(NotSent):
        await shown(member, "See", BOAT)
    await shown(member, "Look", BOAT, to=again(member))
    assert member.texts == [say("replaces_above", "en"), "Look"]
    assert [call.kind for call in member.stands.values()] == ["image", "text", "text", "image", "template_card"]


async def test_an_app_that_may_not_recall_says_what_is_out_of_date(member):
    member.fails["recall"] = [failure(48002)]
    await shown(member, "One thing")
    await shown(member, "Another", to=again(member))
    assert member.texts == ["One thing", say("replaces_above", "en"), "Another"]


async def test_an_app_that_is_not_let_in_recalls_later(member):
    member.fails["recall"] = [failure(60020)]
    await shown(member, "One thing")
    with pytest.raises(RateLimited):
        await shown(member, "Another", to=again(member))
    await shown(member, "Another", to=again(member))
    assert member.texts == ["Another"]


async def test_the_card_stands_below_the_answer_that_took_the_place_of_another(member):
    await shown(member, "One thing")
    await shown(member, "Another", to=again(member))
    assert [call.kind for call in member.stands.values()] == ["text", "template_card"]
    assert member.texts == ["Another"]
    first, second = (call.body["template_card"]["task_id"] for call in member.of("template_card"))
    assert first != second


# ------------------------------------------------------------------------------------------------------------ pictures


BOAT = Image(b"\x89PNG....", "image/png", "a boat")


async def test_pictures_follow_the_words_and_are_uploaded_once(member):
    member.lost["image"] = [RateLimited(timedelta(seconds=1))]
    with pytest.raises(RateLimited):
        await shown(member, "See", BOAT)
    await shown(member, "See", BOAT, to=again(member))
    assert [call.kind for call in member.stands.values()] == ["text", "image", "template_card"]
    assert len(member.of("upload")) == 1
    assert member.of("image")[0].body["image"] == {"media_id": "media-1"}


@pytest.mark.parametrize("error", [Refused(), WecomRefused(40006), Unsure()])
async def test_a_picture_that_wecom_does_not_take_is_said_in_words(member, error):
    member.fails["upload"] = [error]
    await shown(member, "See", BOAT)
    assert member.texts == ["See", say("picture", "en", alt="a boat")]


async def test_a_picture_is_shown_again_below_the_answer_that_took_the_place_of_another(member):
    await shown(member, "See", BOAT)
    await shown(member, "Look", BOAT, to=again(member))
    assert [call.kind for call in member.stands.values()] == ["text", "image", "template_card"]
    assert member.of("image")[0].body != member.of("image")[1].body


async def test_what_wecom_refuses_again_and_again_is_told_of(member):
    member.fails["text"] = [WecomRefused(40058)] * 3
    for failures in (0, 1):
        with pytest.raises(WecomRefused):
            await shown(member, "Hello", to=again(member, failures=failures))
    await shown(member, "Hello", to=again(member, failures=2))
    assert member.texts == [say("refused_piece", "en")]
