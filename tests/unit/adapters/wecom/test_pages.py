"""Pages of a long answer: each fits, and shown one after the other they are the whole of it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.pages import LIMIT, first_page, left, pages
from core.splitting import utf8_bytes

LINES = [f"第 {number} 行：企业微信里的一行字，不长也不短。\n" for number in range(2000)]
TEXT = "".join(LINES)


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_every_page_leaves_room_for_a_note() -> None:
    assert len(pages(TEXT)) > 3
    assert all(utf8_bytes(page) <= LIMIT - 256 for page in pages(TEXT))


def test_the_pages_are_the_whole_text() -> None:
    assert "".join(pages(TEXT)) == TEXT


def test_a_growing_text_shows_the_first_page_of_the_finished_one() -> None:
    for size in range(6000, 12_000, 777):
        page = first_page(TEXT[:size], is_final=False)
        if page.has_more:
            assert page.content == pages(TEXT)[0]
            assert left(TEXT, page.shown) == pages(TEXT)[1:]
            return
    raise AssertionError("no page was full")


def test_what_follows_what_was_shown_begins_where_that_ended() -> None:
    page = first_page("一二三，", is_final=False)
    assert left("一二三，四五六。", page.shown) == ["四五六。"]


def test_nothing_is_left_of_what_was_shown_whole() -> None:
    assert left("好的。", first_page("好的。", is_final=True).shown) == []


def test_all_is_left_of_a_text_that_begins_otherwise_by_now() -> None:
    assert left("拒绝回答。", first_page("一二三，", is_final=False).shown) == ["拒绝回答。"]
    changed = "改写。\n" + TEXT
    assert left(changed, first_page(TEXT, is_final=False).shown) == pages(changed)


def test_nothing_was_shown_where_nobody_asked() -> None:
    assert left("一二三。", None) == ["一二三。"]


def test_a_fence_that_was_cut_is_closed_and_opened_again() -> None:
    begun = "看：\n```python\nprint(1)\n"
    page = first_page(begun, is_final=False)
    assert page.content == begun + "```"
    assert left(begun + "print(2)\n```\n完。", page.shown) == ["```python\nprint(2)\n```\n完。"]


def test_a_table_that_was_cut_gets_its_header_again() -> None:
    begun = "| 名 | 值 |\n|---|---|\n| a | 1 |\n"
    page = first_page(begun, is_final=False)
    assert left(begun + "| b | 2 |\n", page.shown) == ["| 名 | 值 |\n|---|---|\n| b | 2 |\n"]


@given(st.text(alphabet=st.sampled_from("字a \n`|-~é😀"), max_size=400), st.integers(0, 400))
def test_nothing_is_lost_wherever_it_was_cut(text: str, place: int) -> None:
    place = min(place, len(text))
    page = first_page(text[:place], is_final=False)
    rest = "".join(left(text, page.shown))
    assert bare(text[place:]) in bare(rest) or not text[place:].strip()
