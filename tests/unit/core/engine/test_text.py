"""Text as it may be shown."""

import random

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from core.engine.detokenizer import Detokenizer
from core.engine.text import Piece, Reasoning, Scanner, TextStream


def pieces(text: str, seed: int) -> list[str]:
    dice, cut = random.Random(seed), []
    while text:
        size = dice.randint(1, 4)
        cut.append(text[:size])
        text = text[size:]
    return cut


def scan(text: str, marks: tuple[str, ...], seed: int) -> tuple[str, bool, str]:
    scanner, shown = Scanner(marks), ""
    parts = pieces(text, seed)
    for index, part in enumerate(parts):
        more, is_found = scanner.feed(part)
        shown += more
        if is_found:
            return shown, True, scanner.rest() + "".join(parts[index + 1 :])
    return shown + scanner.rest(), False, ""


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("text", "marks", "expected"),
    [
        ("one END two", ("END",), ("one ", True, " two")),
        ("one EN two", ("END",), ("one EN two", False, "")),
        ("aaab", ("aab",), ("a", True, "")),
        ("a\n\nUser: b", ("\n\nUser:", "###"), ("a", True, " b")),
        ("ends with EN", ("END",), ("ends with EN", False, "")),
        ("nothing", (), ("nothing", False, "")),
        ("nothing", ("",), ("nothing", False, "")),
        ("停止词在这里", ("词在",), ("停止", True, "这里")),
    ],
)
def test_a_mark_is_found_however_the_text_is_cut(seed, text, marks, expected):
    assert scan(text, marks, seed) == expected


def test_only_what_may_be_the_beginning_of_a_mark_is_held_back():
    scanner = Scanner(("STOP",))
    assert scanner.feed("go on ") == ("go on ", False)
    assert scanner.feed("and ST") == ("and ", False)
    assert scanner.feed("ART") == ("START", False)


def part(text: str, is_open: bool, seed: int) -> tuple[str, str]:
    reasoning = Reasoning(is_open)
    parted = [*(reasoning.feed(piece) for piece in pieces(text, seed)), reasoning.flush()]
    return "".join(thought for thought, _ in parted), "".join(answer for _, answer in parted)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("text", "is_open", "expected"),
    [
        ("hm, so</think>\n\nYes.\n\nNo.", True, ("hm, so", "Yes.\n\nNo.")),
        ("hm, so</thin", True, ("hm, so</thin", "")),
        ("<think>hm</think>Yes", False, ("hm", "Yes")),
        ("\n<think>\nhm</think>\nYes", False, ("\nhm", "Yes")),
        ("Yes. <think>no</think>", False, ("", "Yes. <think>no</think>")),
        ("  Yes", False, ("", "  Yes")),
        ("<thin", False, ("", "<thin")),
        ("</think>Yes", True, ("", "Yes")),
    ],
)
def test_reasoning_is_parted_from_the_answer(seed, text, is_open, expected):
    assert part(text, is_open, seed) == expected


def bytes_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("text", ["你好，世界", "👩‍👩‍👧 family", "𠮷野家", "한국어 text", "def f():\n\treturn 1"])
def test_a_character_is_shown_when_it_is_whole(text):
    tokenizer = bytes_tokenizer()
    stream = TextStream(Detokenizer(tokenizer))
    shown = [stream.feed(token).text for token in tokenizer.encode(text).ids]
    assert "".join(shown) == text
    assert not any("\ufffd" in piece for piece in shown)


def test_a_character_cut_in_its_middle_is_never_shown():
    tokenizer = bytes_tokenizer()
    stream = TextStream(Detokenizer(tokenizer))
    shown = "".join(stream.feed(token).text for token in tokenizer.encode("好的").ids[:-1])
    assert shown + stream.flush().text == "好"


def test_a_stop_string_counts_in_the_answer_and_not_in_the_reasoning():
    words = ["a STOP", "b</think>", "c ", "ST", "OP d"]
    stream = TextStream(lambda token: words[token], ("STOP",), Reasoning(is_open=True))
    told = [stream.feed(token) for token in range(len(words))]
    assert "".join(piece.reasoning for piece in told) == "a STOPb"
    assert "".join(piece.text for piece in told) == "c "
    assert told[-1] == Piece(is_stopped=True)
