"""How a long answer becomes several messages."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.splitting import Context, Pager, utf8_bytes

LIMIT = 300


def paged(text: str, limit: int = LIMIT, *, is_final: bool = True) -> list[str]:
    return Pager(limit).feed(text, is_final=is_final)


def is_beginning(shown: list[str], whole: list[str]) -> bool:
    """Whether these pieces only have to grow at the end to become those."""
    return not shown or (shown[:-1] == whole[: len(shown) - 1] and whole[len(shown) - 1].startswith(shown[-1]))


def is_balanced(piece: str) -> bool:
    """Whether what follows the piece would stand outside of any fence, in the eyes of another parser."""
    tokens = MarkdownIt("commonmark", {"html": False}).parse(f"{piece}\n\nAFTER")
    return not any(token.type == "fence" and "AFTER" in token.content for token in tokens)


def gives_back(pieces: list[str], text: str, opened: tuple[str, ...] = ()) -> bool:
    """Whether there are lines to take away at the pieces' edges, each seen before, that leave exactly the text."""
    if not pieces:
        return not text.strip() or text.strip("`~\r\n ") == ""
    first, *others = pieces
    for head in ("", *(line for line in opened if first.startswith(line))):
        for body in bodies(first.removeprefix(head)):
            start = text.find(body)
            # Between the pieces only blank lines and the end of a fence that is closed already may be missing.
            if body and start >= 0 and not text[:start].strip("`~ \r\n"):
                seen = (*opened, *openings(first))
                if gives_back(others, text[start + len(body) :], seen):
                    return True
    return False


def bodies(piece: str) -> list[str]:
    """The piece as it is, and without its last line."""
    return [piece, piece[: piece.rfind("\n") + 1], piece[: max(0, piece.rfind("\n"))]]


def openings(piece: str) -> list[str]:
    lines = f"{piece}\n".splitlines(keepends=True)
    fences = [line for line in lines if line.lstrip().startswith(("```", "~~~"))]
    return fences + [one + other for one, other in itertools.pairwise(lines) if other.startswith("|-")]


words = st.lists(
    st.sampled_from(["so", "that", "every", "答案", "`x`", "**b**", "a-b", "e\u0301", "👩‍💻", "<b>"]), min_size=1
)
paragraphs = words.map(" ".join)
unbroken = st.tuples(st.sampled_from(["x", "字", "e\u0301", "👩🏽‍💻", "🇨🇳", "<\u2060!here>"]), st.integers(1, 400)).map(
    lambda pair: pair[0] * pair[1]
)
rows = st.lists(st.sampled_from(["| a | b |", "| 1 | two words |", "| **x** | 二 |"]), min_size=1, max_size=30)
headers = st.sampled_from(["| one | two |\n|-----|-----|\n", f"| {'long ' * 10}|\n|-|\n"])
tables = st.tuples(headers, rows).map(lambda pair: pair[0] + "\n".join(pair[1]))


@st.composite
def fences(draw: st.DrawFn) -> str:
    indent, mark = draw(st.sampled_from(["", " ", "   "])), draw(st.sampled_from(["```", "~~~", "`````"]))
    info = draw(st.sampled_from(["", "py", "js title=a.js", "js " + "x" * 45]))
    lines = draw(st.lists(st.sampled_from(["x = 1", "", "    y()", "| a |", "``", "# no", "字" * 50]), max_size=40))
    return "\n".join(indent + line for line in [mark + info, *lines, mark])


blocks = st.one_of(paragraphs, unbroken, tables, fences(), st.sampled_from(["", "\n\n", "# Title", "- a\n- b"]))
texts = st.lists(blocks, max_size=8).map("\n\n".join) | st.lists(blocks, max_size=8).map("\n".join)


@given(texts)
def test_every_piece_is_within_the_limit_and_has_something_to_say(text):
    for piece in paged(text):
        assert len(piece) <= LIMIT
        assert piece.strip()


@given(texts)
def test_every_piece_closes_the_fences_it_opens(text):
    assert [piece for piece in paged(text) if not is_balanced(piece)] == []


@given(texts)
def test_without_the_repeated_lines_the_pieces_are_the_text(text):
    assert gives_back(paged(text), text)


@given(texts, st.integers(256, 400), st.data())
def test_a_piece_that_was_shown_only_ever_grows_at_its_end(text, limit, data):
    whole = paged(text, limit)
    pager = Pager(limit)
    for end in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20))):
        shown = pager.feed(text[:end])
        assert shown == paged(text[:end], limit, is_final=False)
        assert is_beginning(shown, whole)


def test_character_by_character_is_no_different():
    text = "\n\n".join(
        ["Some words. " * 9, "```py\n" + "x = 1\n" * 90 + "```", "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 60]
    )
    whole = paged(text)
    pager = Pager(LIMIT)
    for end in range(len(text)):
        shown = pager.feed(text[:end])
        assert is_beginning(shown, whole)
    assert pager.feed(text, is_final=True) == whole
    assert len(whole) > 4


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\n" * 2000])
def test_nothing_to_say_is_no_piece(text):
    assert paged(text) == []
    assert paged(text, is_final=False) == []


def test_what_fits_is_one_piece_as_it_is():
    text = "# Title\n\n```py\nx = 1\n```\n"
    assert paged(text) == paged(text, is_final=False) == [text]


def test_a_piece_ends_at_a_blank_line_if_it_can():
    first = "a " * 80 + "\n\n"
    assert paged(first + "b\nc " * 80)[0] == first


def test_a_piece_ends_with_a_line_if_no_blank_one_comes():
    line = "a word or two\n"
    pieces = paged(line * 60)
    assert "".join(pieces) == line * 60
    assert all(piece.endswith("\n") for piece in pieces)


def test_a_long_line_is_broken_at_a_space():
    pieces = paged("word " * 200)
    assert len(pieces) > 3
    assert all(piece.startswith("word ") and piece.endswith("word ") for piece in pieces)


def test_a_line_is_not_broken_where_its_rest_would_read_as_something_else():
    for shift in range(5):
        assert [piece for piece in paged("x" * shift + "ab - " * 200) if piece.startswith("-")] == []


def test_a_space_that_comes_too_late_breaks_no_line():
    for length in range(180, 280, 3):
        text = "x" * length + " " + "y" * 300
        whole = paged(text)
        for end in range(length - 20, length + 20):
            assert is_beginning(paged(text[:end], is_final=False), whole)


@pytest.mark.parametrize("sign", ["e\u0301\u0302", "👩🏽‍💻", "❤️", "<\u2060!", "\\*"])
def test_a_sign_of_several_characters_is_not_taken_apart(sign):
    assert all(len(piece) % len(sign) == 0 for piece in paged(sign * 500))


def test_a_flag_is_not_taken_apart():
    for length in range(180, 260):
        assert "🇺🇸" in "|".join(paged("x" * length + "🇺🇸" + "x" * 300))


@pytest.mark.parametrize("line", ["```", "   ~~~ a `b`", "~~~~~py", "```" + "i" * 400, "`" * 60])
def test_what_opens_a_fence(line):
    assert Context().after(line + "\n").fence == line + "\n"


@pytest.mark.parametrize("line", ["``", "    ```", "a ```", "```js``` code", "~" * 61, "`" * 61, "```" + "i" * 401])
def test_what_opens_none(line):
    assert not Context().after(line + "\n").fence


def test_a_fence_that_ends_late_in_the_piece_is_left_whole():
    code = "```\n" + "x = 1\n" * 30 + "```\n"
    assert paged(code + "\nThat sets it. " * 20)[0].startswith(code)


@pytest.mark.parametrize("line", ["| |", "|:|", "--", "|-x|", "||"])
def test_what_is_no_second_row_of_a_table(line):
    assert Context().after("| a | b |\n").after(line + "\n") == Context(line=line + "\n")


def test_a_fence_is_closed_and_opened_again():
    first, second, *_ = paged("   ~~~~py title\n" + "   x = 1\n" * 90 + "   ~~~~\n")
    assert first.startswith("   ~~~~py title\n   x = 1\n")
    assert first.endswith("   x = 1\n   ~~~~")
    assert second.startswith("   ~~~~py title\n   x = 1\n")


def test_a_long_line_of_code_is_closed_on_a_line_of_its_own():
    first, second, *_ = paged("```\n" + "x" * 500 + "\n```")
    assert first.endswith("x\n```")
    assert second.startswith("```\nx")


def test_marks_within_a_fence_do_not_end_it():
    code = "````md\n" + "```\nx\n```\n~~~~\n" * 40 + "````"
    for piece in paged(code):
        assert piece.startswith("````md\n")
        assert piece.rstrip("\n").endswith("\n````")


def test_a_fence_that_ends_where_the_piece_did_is_not_opened_for_nothing():
    ends = set()
    for count in range(20, 60):
        text = "```py\n" + "x = 1\n" * count + "```\n\nDone."
        pieces = paged(text)
        assert "```py\n```" not in "".join(pieces)
        assert all(map(is_balanced, pieces))
        assert sum(piece.count("x = 1") for piece in pieces) == count
        ends.add(pieces[-1])
        for end in range(len(text)):
            assert is_beginning(Pager(LIMIT).feed(text[:end]), pieces)
    assert "\nDone." in ends


@pytest.mark.parametrize(("is_final", "last"), [(False, "```\nx = 1"), (True, "```\nx = 1\n```")])
def test_only_the_end_of_the_text_closes_a_fence_that_was_left_open(is_final, last):
    assert paged("```\nx = 1", is_final=is_final) == [last]


def test_a_table_goes_on_under_its_header():
    head = "| n | square |\n|--:|:------:|\n"
    text = head + "".join(f"| {n} | {n * n} |\n" for n in range(100)) + "\nThat is all."
    pieces = paged(text)
    assert len(pieces) > 3
    assert all(piece.startswith(head + "| ") for piece in pieces)
    assert text == head + "".join(piece.removeprefix(head) for piece in pieces)


def test_repeated_lines_count_too():
    head = f"| {'n' * 60} |\n|---|\n"
    pieces = paged(head + "| 1 |\n" * 50 + "| " + "x" * 500 + " |\n")
    assert all(len(piece) <= LIMIT for piece in pieces)
    assert all(piece.startswith(head) for piece in pieces[:3])
    assert sum(piece.count("x") for piece in pieces) == 500


def test_lines_on_both_sides_of_an_edge_make_no_table():
    starts = set()
    for length in range(200, 240):
        text = "x" * length + "|-|\n" + "| 1 |\n" * 100
        pieces = paged(text)
        assert "".join(pieces) == text
        starts.add(pieces[1][:3])
    assert "-|\n" in starts


def test_a_header_is_not_parted_from_its_table():
    head = "| n | square |\n|--:|:------:|\n"
    for count in range(10, 60):
        text = "so\n" * count + head + "| 1 | 2 |\n" * 10
        assert all(piece.count("| square |\n") == piece.count("| square |\n|--:|") for piece in paged(text))


@pytest.mark.parametrize("end", ["\nDone.", "Done."])
def test_a_table_that_ends_where_the_piece_did_is_not_begun_for_nothing(end):
    head = "| a | b |\n|---|---|\n"
    last = set()
    for count in range(10, 40):
        text = head + "| 1 | 2 |\n" * count + end
        pieces = paged(text)
        assert not pieces[-1].startswith(head + end)
        assert all(is_beginning(paged(text[:length], is_final=False), pieces) for length in range(len(text)))
        last.add(pieces[-1])
    assert end in last


@example("`" * 5000)
@example("~" * 61 + "\n" + "x\n" * 400)
@example("```" + "i" * 399 + "\n" + "x\n" * 400)
@example("|" * 2000 + "\n" + "|-" * 1000 + "\n" + "| x |\n" * 100)
@example("```\n" + "`" * 1000 + "\n" + "```" + " " * 1000 + "\nx")
@example("| a\n" * 300)
@example("a\n" * 67 + "| b |\n|--|\n" + "c" * 500)
@example("`\u0301" * 900)
@given(st.text(alphabet="`~| -\n\r\t\\<\u2060!aé\u0301\u200d字👩🇨", max_size=2000))
def test_no_text_makes_a_piece_that_is_too_long_or_changes(text):
    whole = paged(text, 256)
    assert all(len(piece) <= 256 and piece.strip() for piece in whole)
    pager = Pager(256)
    for end in range(0, len(text), max(1, len(text) // 40)):
        shown = pager.feed(text[:end])
        assert is_beginning(shown, whole)


def test_a_text_that_takes_something_back_starts_anew():
    pager = Pager(LIMIT)
    pager.feed("one thing " * 100)
    assert pager.feed("another") == ["another"]


def test_what_comes_after_the_end_is_split_as_if_nothing_had_ended():
    pager = Pager(LIMIT)
    pager.feed("```\nx", is_final=True)
    assert pager.feed("```\nx = 1") == ["```\nx = 1"]


def test_no_line_is_read_twice(monkeypatch):
    read: list[str] = []
    after = Context.after

    def noted(context: Context, line: str) -> Context:
        read.append(line)
        return after(context, line)

    monkeypatch.setattr(Context, "after", noted)
    text = ("A line of some words that make sense.\n" * 5 + "\n") * 210
    pager = Pager(11_000)
    for end in range(0, len(text), 5):
        pager.feed(text[:end])
    assert len(text) > 40_000
    assert "".join(pager.feed(text)) == text
    assert "".join(read) == text


# ------------------------------------------------------------------------------------------------------- counting bytes


def in_bytes(text: str, limit: int = LIMIT, *, is_final: bool = True) -> list[str]:
    return Pager(limit, size=utf8_bytes).feed(text, is_final=is_final)


@given(texts)
def test_where_bytes_are_counted_no_piece_takes_up_more_of_them_and_the_pieces_are_the_text(text):
    pieces = in_bytes(text)
    assert [piece for piece in pieces if len(piece.encode()) > LIMIT or not piece.strip()] == []
    assert [piece for piece in pieces if not is_balanced(piece)] == []
    assert gives_back(pieces, text)


@given(texts, st.integers(256, 400), st.data())
def test_where_bytes_are_counted_a_piece_still_only_grows_at_its_end(text, limit, data):
    whole = in_bytes(text, limit)
    pager = Pager(limit, size=utf8_bytes)
    for end in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20))):
        shown = pager.feed(text[:end])
        assert shown == in_bytes(text[:end], limit, is_final=False)
        assert is_beginning(shown, whole)


@example("```" + "`" * 57 + "\n" + "字" * 900)
@example("   ~~~\n" + "👩" * 900)
@example("a" + "字" * 900)
@example("\ud800" * 900)
@given(st.text(alphabet="`~| -\n\t\\<é\u0301\u200d字👩🇨\ud800", max_size=2000))
def test_no_text_makes_a_piece_of_too_many_bytes(text):
    assert [piece for piece in in_bytes(text, 256) if utf8_bytes(piece) > 256] == []


def test_bytes_are_used_to_the_full():
    pieces = in_bytes("字" * 50_000, 20_480)
    assert "".join(pieces) == "字" * 50_000
    assert len(pieces) == 8
    assert all(len(piece.encode()) > 19_000 for piece in pieces[:-1])


def test_a_text_of_one_byte_characters_is_split_almost_as_if_characters_were_counted():
    line = "a word or two\n"
    assert in_bytes(line * 60) == paged(line * 60, LIMIT - 3)


@given(texts)
def test_a_measure_that_counts_characters_changes_nothing(text):
    assert Pager(LIMIT, size=lambda piece: sum(1 for _ in piece)).feed(text, is_final=True) == paged(text)


# ---------------------------------------------------------------------------------------------- cut where it stands


def test_a_piece_is_cut_after_its_last_whole_line():
    pager = Pager(LIMIT)
    pager.feed("One line.\nAnother line.\nHalf a")
    assert pager.cut()
    assert pager.full == 1
    assert pager.feed("One line.\nAnother line.\nHalf a line.") == ["One line.\nAnother line.\n", "Half a line."]


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("It is so. And it is not yet kno", "It is so. "),
        ("这是第一句。第二句还没", "这是第一句。"),
        ("no sentence ends in he", "no sentence ends in "),
    ],
)
def test_a_single_line_is_cut_after_a_sentence_or_a_word(line, end):
    pager = Pager(LIMIT)
    pager.feed(line)
    assert pager.cut()
    assert pager.feed(line) == [end, line.removeprefix(end)]


@pytest.mark.parametrize("text", ["", "\n\n", "word", "| a | b |\n| -", "```py\ncode"[:4]])
def test_what_cannot_be_cut_yet_is_left_whole(text):
    pager = Pager(LIMIT)
    pager.feed(text)
    assert not pager.cut()
    assert pager.feed(text + "more") == paged(text + "more", is_final=False)


def test_a_fence_that_is_cut_is_closed_and_opened_again():
    pager = Pager(LIMIT)
    pager.feed("```py\nx = 1\ny =")
    assert pager.cut()
    assert pager.feed("```py\nx = 1\ny = 2\n```\n", is_final=True) == ["```py\nx = 1\n```", "```py\ny = 2\n```\n"]


def test_a_table_that_is_cut_goes_on_under_its_header():
    head, rows = "| a | b |\n| - | - |\n", ["| 1 | 2 |\n", "| 3 | 4 |\n"]
    pager = Pager(LIMIT)
    pager.feed(head + rows[0] + "| 3")
    assert pager.cut()
    assert pager.feed(head + "".join(rows), is_final=True) == [head + rows[0], head + rows[1]]


def test_the_header_of_a_table_is_not_cut_off_from_it():
    pager = Pager(LIMIT)
    pager.feed("Words.\n| a | b |\n| -")
    assert pager.cut()
    assert pager.feed("Words.\n| a | b |\n| - | - |\n") == ["Words.\n", "| a | b |\n| - | - |\n"]


@given(texts, st.data())
def test_whoever_cuts_at_the_same_places_gets_the_same_pieces(text, data):
    """One pager sees the text grow, the other one only what there was when it was cut."""
    growing, again = Pager(LIMIT), Pager(LIMIT)
    lengths = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    for length in lengths:
        shown = growing.feed(text[:length])
        if data.draw(st.booleans()) and growing.cut():
            again.feed(text[:length])
            assert again.cut()
            assert growing.full >= len(shown)
    pieces = growing.feed(text, is_final=True)
    assert pieces == again.feed(text, is_final=True)
    assert max(map(len, pieces), default=0) <= LIMIT
    assert all(is_balanced(piece) for piece in pieces)
