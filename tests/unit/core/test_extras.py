"""What an answer has besides its words, kept and said again."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import extras
from core.extras import Extra, Placed, with_words, within_room
from core.manuscript import Manuscript
from core.message import Ask, Chunk, Citation, Image, Source, Sources, Text
from core.store import bodies

PICTURE = Image(b"\x89PNG", "image/png", "a boat")
SOURCES = Sources((Citation("A page", "https://example.com/", "9:00"),))
ASK = Ask("ask-1", "Yes?")

words = st.text(st.characters(), max_size=9)
sources = st.sampled_from(Source)
citations = st.builds(Citation, words, words, words)
images = st.builds(Image, st.binary(max_size=9), words, words, sources)
some = st.one_of(images, st.builds(Sources, st.lists(citations, max_size=3).map(tuple), sources))
asks = st.builds(Ask, words, words, sources)


def manuscript_of(chunks: Sequence[Chunk]) -> Manuscript:
    manuscript = Manuscript()
    for chunk in chunks:
        manuscript.take(chunk)
    return manuscript


def again(chunks: Sequence[Chunk]) -> list[Chunk]:
    said = manuscript_of(chunks)
    return list(with_words(said.text, Source.ENGINE, said.extras))


def test_a_finished_answer_is_said_again_in_the_order_it_was_said():
    said: list[Chunk] = [
        SOURCES,
        Text("See "),
        Text("here: "),
        PICTURE,
        Text("Shall I go on? "),
        ASK,
        Text("\n\n*(cut)*"),
    ]
    assert again(said) == [SOURCES, Text("See here: "), PICTURE, Text("Shall I go on? "), ASK, Text("\n\n*(cut)*")]


def test_an_answer_of_words_alone_is_said_in_one_piece():
    assert again([Text("4"), Text("2")]) == [Text("42")]
    assert again([]) == [Text("")]


@pytest.mark.parametrize("said", [[PICTURE], [ASK], [SOURCES, PICTURE], [ASK, ASK]])
def test_an_answer_without_other_words_gets_none(said: list[Chunk]):
    assert again(said) == said


@given(st.lists(st.one_of(st.builds(Text, words), some, asks)))
def test_whatever_was_said_adds_up_to_the_same_again(said: list[Chunk]):
    first, second = manuscript_of(said), manuscript_of(again(said))
    assert (second.text, second.extras, second.state) == (first.text, first.extras, first.state)


@given(st.lists(st.builds(Placed, st.integers(0, 2**40), st.one_of(some, asks))).map(tuple))
def test_what_is_kept_comes_back_as_it_was(kept: tuple[Placed, ...]):
    assert bodies.load_extras(bodies.dump_extras(kept)) == kept


def test_what_a_later_release_added_is_skipped():
    kept = bodies.dump_extras([Placed(0, PICTURE), Placed(1, PICTURE), Placed(2, ASK)])
    assert bodies.load_extras(kept.replace(b"Image", b"Video", 1)) == (Placed(1, PICTURE), Placed(2, ASK))
    kept = bodies.dump_extras([Placed(0, SOURCES)]).replace(b'"source"', b'"colour":"red","source"')
    head = len(kept) - 4
    assert bodies.load_extras(head.to_bytes(4) + kept[4:]) == (Placed(0, SOURCES),)


def sized(size: int) -> Image:
    return Image(bytes(size), "", "")


ROOM = (2, 10, 8)
LONG = Ask("a", "1234567")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([sized(5), sized(5)], [0, 1]),
        ([sized(1), sized(1), sized(1)], [0, 1]),
        ([sized(11), sized(6), sized(5), sized(4)], [1, 3]),
        ([sized(10), sized(0), LONG], [0, 1, 2]),
        ([LONG, Ask("", "a"), sized(1)], [0, 2]),
        ([Sources((Citation("123", "456", "78"),)), Ask("", "12345678")], [1]),
        ([Sources((Citation("", ""),) * 9), Sources((Citation("", ""),) * 8)], [1]),
    ],
)
def test_what_is_too_much_to_be_kept_makes_way_for_what_is_not(
    monkeypatch: pytest.MonkeyPatch, given: list[Extra], kept: list[int]
):
    monkeypatch.setattr(extras, "ROOM", ROOM)
    placed = [Placed(place, extra) for place, extra in enumerate(given)]
    assert within_room(placed) == tuple(placed[place] for place in kept)
