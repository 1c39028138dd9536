"""继续: the rest of a long answer, page by page, for whoever asked."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.wecom.pages import first_page, pages
from adapters.wecom.rest import Rest, Rests, is_continue
from core.message import Attachment, Author, Message, ReplyId, ThreadId
from core.ports import Draft, State
from tests.unit.adapters.wecom.notes import Notes

REPLY = ReplyId("0" * 31 + "1")
THREAD = ThreadId("wecom", "aibTESTbot", "anna", "single")
ANNA = Author("wecom", "aibTESTbot", "anna", locale="zh-CN")
BO = Author("wecom", "aibTESTbot", "bo", locale="zh-CN")
TEXT = "".join(f"第 {number} 行：一行字。\n" for number in range(6000))


def said(text: str, id: str = "m2", author: Author = ANNA) -> Message:
    return Message(id=id, thread=THREAD, author=author, sent_at=datetime(2026, 1, 1, tzinfo=UTC), text=text)


class Kept(Notes):
    """Notes and drafts of one finished answer."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.draft: Draft | None = Draft(REPLY, 9, text, State.DONE)

    async def latest(self, _: ReplyId) -> Draft | None:
        return self.draft


async def with_rest(kept: Kept) -> Rests:
    rests = Rests(kept, kept)  # type: ignore[arg-type]
    shown = first_page(TEXT, is_final=True).shown
    await rests.keep(THREAD, Rest(reply=REPLY, asker=ANNA.key, page=1, shown=shown))
    return rests


@pytest.mark.parametrize("word", ["继续", " 继续。", "Continue", "go on", "more!"])
def test_the_word_for_more_is_known(word: str) -> None:
    assert is_continue(said(word))


@pytest.mark.parametrize("text", ["继续讲讲", "continue the story", ""])
def test_a_question_is_not_the_word_for_more(text: str) -> None:
    assert not is_continue(said(text))


def test_a_picture_is_not_the_word_for_more() -> None:
    assert not is_continue(replace(said("继续"), attachments=(Attachment("1", "图", "image/*"),)))


async def test_each_word_gets_the_next_page_until_the_last_one() -> None:
    rests = await with_rest(Kept(TEXT))
    contents = []
    for number in range(20):
        body = await rests.page(said("继续", f"m{number}"), "zh")
        if body is None:
            break
        assert body["stream"]["finish"] is True
        contents.append(body["stream"]["content"])
    wanted = pages(TEXT)[2:]
    assert [content.partition("\n\n（还有")[0] for content in contents] == wanted
    assert all("继续" in content for content in contents[:-1])
    assert contents[-1] == wanted[-1]


async def test_a_callback_that_comes_again_gets_the_same_page() -> None:
    rests = await with_rest(Kept(TEXT))
    first = await rests.page(said("继续", "m7"), "zh")
    assert await rests.page(said("继续", "m7"), "zh") == first
    assert await rests.page(said("继续", "m8"), "zh") != first


async def test_somebody_else_in_the_group_does_not_get_it() -> None:
    rests = await with_rest(Kept(TEXT))
    assert await rests.page(said("继续", author=BO), "zh") is None


async def test_nothing_is_left_once_the_answer_was_erased() -> None:
    kept = Kept(TEXT)
    rests = await with_rest(kept)
    kept.draft = None
    assert await rests.page(said("继续"), "zh") is None
    assert kept.values == {}


async def test_a_newer_answer_leaves_nothing_of_the_older_one() -> None:
    rests = await with_rest(Kept(TEXT))
    await rests.drop(THREAD, BO.key)
    assert await rests.page(said("继续", "m7"), "zh") is not None, "it was another person's"
    await rests.drop(THREAD, ANNA.key)
    assert await rests.page(said("继续", "m8"), "zh") is None
