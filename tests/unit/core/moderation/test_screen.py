"""What a screen finds, masks and holds back, however the text is cut."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from core.moderation.patterns import SECONDS, Pattern
from core.moderation.personal import RECOGNISERS
from core.moderation.rulebook import compiled
from core.moderation.rules import Action, Rule, Rules
from core.moderation.screen import Screen, Screening, screened

FILE = r"""
- category: games
  names: {en: betting games, zh: 博彩}
  severity: 4
  words: [zorbling, "quaff*", moon bet, 赌博, 六合彩, ab]
  exceptions: [反赌博, 赌博学, zorbling club]
  patterns:
    - {regex: 'bet \d{2,4} now', width: 12}
    - {regex: '(?<![0-9])77(?:11|1)(?![0-9])', width: 4}
- category: secret
  names: {en: secret, zh: 机密}
  action: mask
  words: [nightjar, 夜莺计划]
- category: gossip
  action: flag
  words: [gossip]
"""
PLAIN = compiled({"rules.yaml": "category: games\nwords: [zorbling, 赌博]\n"}, {})
SOUND = "category: games\nsound: [赌博]\nwords: [赌博]\n"
RULES = compiled({"rules.yaml": FILE}, dict.fromkeys(RECOGNISERS, Action.MASK))


def refused(text: str, rules: Rules = RULES) -> str:
    """What of the text was refused, "" where nothing was."""
    hit = screened(text, rules).refusal
    return text[hit.start : hit.end] if hit else ""


def in_pieces(text: str, cuts: Sequence[int], rules: Rules = RULES) -> tuple[list[str], Screen]:
    """What was shown after each piece."""
    screen, shown = Screen(rules), []
    ends = [*sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    start = 0
    for end in ends:
        shown += screen.feed(text[start:end])
        start = end
    return [*shown, *screen.close()], screen


@pytest.mark.parametrize(
    "text",
    [
        "a zorbling, please",
        "ZORBLING",
        "ｚｏｒｂｌｉｎｇ",
        "zorb\u200bling",
        "zorb\u00adling",
        "z\u0336o\u0336r\u0336b\u0336l\u0336i\u0336n\u0336g\u0336",
        "Ⓩⓞⓡⓑⓛⓘⓝⓖ",
        "🆉🅾🆁🅱🅻🅸🅽🅶",
        "z\u043erbling",
        "ΖΟRΒLΙΝG",
        "z0rbl1ng",
        "z0rb!!ng",
        "z o r b l i n g",
        "z.o.r.b.l.i.n.g",
        "zor-bling",
        "z\no\nr\nb\nl\ni\nn\ng",
        "我买zorbling了",
        "quaffing",
        "moon bet",
        "moon\nbet",
        "moon-bet",
        "moonbet",
        "去赌博吧",
        "賭博",
        "赌*博",
        "赌 博",
        "赌\u200b博",
        "赌🎲博",
        "赌.博",
        "六，合，彩",
        "BET 500 NOW",
        "bet ５００ now",
        "7711",
        "771",
    ],
)
def test_it_is_found_however_it_is_written(text):
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zorblings are another word",
        "azorbling",
        "gosquaffing about squaf",
        "a moon. Bet on it",
        "the zorb lingers on",
        "the abbot's cab",
        "a better day",
        "我打赌，博士会来",
        "他爱打赌。博物馆开了",
        "打赌\n博士来了",
        "反赌博宣传",
        "赌博学",
        "zorbling club",
        "bet 5 now",
        "bet 50000 now",
        "77118",
        "12026 and 20814",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text):
    assert not refused(text)


def test_what_is_refused_is_named_where_it_stands_in_the_text_as_it_was_written():
    assert refused("x ｚ\u200bo rbling") == ""
    assert refused("x ｚ\u200borbling, y") == "ｚ\u200borbling"
    assert refused("㍍zorbling") == "zorbling" or refused("㍍ zorbling") == "zorbling"


def test_an_exception_covers_what_lies_in_it_and_nothing_else():
    assert refused("反赌博，也是赌博") == "赌博"
    assert screened("反赌博，也是赌博", RULES).refusal.start == 6  # type: ignore[union-attr]


def test_the_first_refusal_counts_and_the_gravest_at_one_place():
    rules = compiled({"a": "[{category: mild, action: flag, words: [zorb]}, {category: bad, words: [zorb]}]"}, {})
    assert screened("zorb", rules).refusal.rule.category == "bad"  # type: ignore[union-attr]


def test_what_is_masked_is_named_in_the_persons_language():
    assert screened("the Night-Jar and ann@example.com", RULES).text == "the [secret] and [e-mail address]"
    assert screened("夜莺计划和13800138000", RULES, "zh").text == "[机密]和[手机号]"


def test_masks_that_meet_are_one():
    rules = compiled(
        {"a": "[{category: one, action: mask, words: [abc]}, {category: two, action: mask, words: [cde]}]"}, {}
    )
    joined = compiled(
        {"a": "[{category: o, action: mask, words: [甲乙]}, {category: t, action: mask, words: [乙丙]}]"}, {}
    )
    assert screened("x甲乙丙y", joined).text == "x[o]y"
    assert screened("abcde", rules).text == "abcde"


def test_what_is_masked_is_kept_nowhere():
    screening = screened("call 13800138000, gossip", RULES)
    assert [hit.words for hit in screening.hits] == ["", "gossip"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("11010519491231002X", "[identity number]"),
        ("110105194912310021", "110105194912310021"),
        ("11010519491331002X", "11010519491331002X"),
        ("手机13800138000。", "手机[phone number]。"),
        ("+86 138 0013 8000", "[phone number]"),
        ("138-0013-8000", "[phone number]"),
        ("1380013800", "1380013800"),
        ("213800138000", "213800138000"),
        ("4111 1111 1111 1111", "[card number]"),
        ("4111111111111111", "[card number]"),
        ("4111111111111112", "4111111111111112"),
        ("9111111111111111", "9111111111111111"),
        ("3782-822463-10005", "[card number]"),
        ("ann.b+x@mail.example.com, ok", "[e-mail address], ok"),
        ("@ann is no address, nor is a@b", "@ann is no address, nor is a@b"),
        ("sk-abcdefghijklmnopqrstuvwx", "[access key]"),
        ("AKIAABCDEFGHIJKLMNOP", "[access key]"),
        ("task-abcdefghijklmnopqrstuvwx", "task-abcdefghijklmnopqrstuvwx"),
        ("-----BEGIN PRIVATE KEY-----\nAbC+/=\n-----END PRIVATE KEY-----", "[private key]"),
    ],
)
def test_personal_data_is_known_by_its_form_and_its_checksum(text, masked):
    assert screened(text, RULES).text == masked


def test_a_rule_by_sound_is_found_by_its_sound():
    pytest.importorskip("pypinyin")
    rules = compiled({"a": SOUND}, {})
    assert all(refused(text, rules) for text in ("堵伯", "du bo", "DuBo", "dǔ bó", "赌bo"))
    assert not any(refused(text, rules) for text in ("dubois", "打赌。博士", "读博"[:1]))


# ------------------------------------------------------------------------------------------------------- in pieces

PIECES = [
    *("zorbling", "z0rbl1ng", "zorb", "ling", " club", "ab", "a b", "moon", " bet", "moon bet", "quaff", "nightjar"),
    *(
        "night",
        "jar",
        "gossip",
        "bet ",
        "500",
        " now",
        "77",
        "11",
        "1",
        "0",
        "x",
        "X",
        "@",
        " ",
        "\n",
        "\u200b",
        ".",
        "*",
    ),
    *("赌博", "赌*博", "反赌博", "赌博学", "赌", "博", "学", "，", "。", "㎏", "ﬁ", "é", "e\u0301", "😀", "ß", "𠀀"),
    *("13800138000", "138 0013 ", "8000", "4111 1111 ", "1111 1111", "11010519491231002", "ann", "@example", ".com"),
    *("sk-", "abcdefghij" * 2, "-----begin private key-----", "a\n", "-----end private key-----"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def whole(text: str) -> Screening:
    return screened(text, RULES)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=40))
def test_no_cut_of_any_text_shows_more_or_other_than_the_whole_of_it(text, cuts):
    shown, screen = in_pieces(text, cuts)
    expected = whole(text)
    assert (screen.refusal, tuple(screen.hits)) == (expected.refusal, expected.hits)
    if expected.refusal is None:
        assert "".join(shown) == expected.text
    else:
        assert expected.text.startswith("".join(shown))


@given(TEXTS)
def test_the_same_sign_by_sign(text):
    shown, screen = in_pieces(text, range(len(text)))
    expected = whole(text)
    assert (screen.refusal, tuple(screen.hits)) == (expected.refusal, expected.hits)
    assert expected.text.startswith("".join(shown))


@given(st.text(max_size=60), st.lists(st.integers(0, 60)))
def test_any_text_that_nothing_is_found_in_comes_out_as_it_went_in(text, cuts):
    shown, screen = in_pieces(text, cuts, compiled({"a": "category: a\nwords: [zorbling]\n"}, {}))
    if not screen.hits:
        assert "".join(shown) == text


@pytest.mark.parametrize(
    "text", ["zorbling", "z o r b l i n g", "赌***博", "赌 \u200b 博", "bet 500 now", "moon\n\nbet"]
)
def test_every_single_split_holds_back_what_is_refused(text):
    text = f"Well, {text} it is"
    for first in range(len(text)):
        for second in range(first, len(text)):
            shown, screen = in_pieces(text, (first, second))
            assert screen.refusal
            assert "Well, ".startswith("".join(shown))


def test_no_more_is_held_back_than_could_become_a_hit():
    screen = Screen(PLAIN)
    assert screen.feed("Nothing here. ") == ["Nothing here. "]
    assert screen.feed("Then a zorb") == ["Then a "]
    assert screen.feed("a ") == ["zorba "]


def test_separators_do_not_count_towards_what_is_held_back():
    screen = Screen(PLAIN)
    shown = screen.feed("a 赌")
    for _ in range(500):
        shown += screen.feed("*\u200b")
    assert "".join(shown) == "a "
    assert screen.feed("博士") == [""]
    assert screen.refusal


def test_what_stands_at_a_mark_stays_at_its_place():
    screen = Screen(PLAIN)
    first = screen.feed("one zor")
    screen.mark()
    assert (first, screen.feed("b two ")) == (["one "], ["zor", "b two "])


def test_nothing_is_shown_after_a_refusal():
    screen = Screen(RULES)
    screen.feed("zorbling it is")
    assert screen.refusal
    assert screen.feed("more") == []
    assert screen.close() == []


# ------------------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{regex: 'a+', width: 5}", "no bound"),
        ("{regex: 'a{3,9}', width: 5}", "can match 9 characters, and declares 5"),
        ("{regex: 'a*', width: 5}", "nothing at all"),
        ("{regex: '(a', width: 5}", "no regular expression"),
        ("{regex: '^ab', width: 5}", "pieces"),
        ("{regex: 'a(?=bc)', width: 5}", "one character ahead"),
        ("{regex: '(a)b\\1', width: 5}", "groups"),
        ("{regex: 'ab'}", "the width"),
    ],
)
def test_a_pattern_whose_width_is_not_known_is_refused_when_the_rules_load(pattern, says):
    with pytest.raises(Misconfigured, match=says):
        compiled({"a.yaml": f"category: a\npatterns: [{pattern}]"}, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("words: [a]", "category"),
        ("category: a\nwrods: [a]", "unknown field wrods"),
        ("category: a\nwords: [12]", "quotes"),
        ("category: a\nwords: ['*']", "no letter"),
        ("category: a\naction: burn", "refuse, mask, flag"),
        ("category: a\nseverity: 9", "1 to 5"),
        ("category: a\nfiles: [no.txt]", "no file no.txt"),
        ("category: [", "line"),
        ("- 1", "a section has the fields"),
    ],
)
def test_a_rules_file_that_is_wrong_says_what_is_wrong(text, says):
    with pytest.raises(Misconfigured, match=says) as caught:
        compiled({"bad.yaml": text}, {})
    assert "bad.yaml" in str(caught.value)


def test_words_may_stand_in_a_list_of_their_own():
    rules = compiled({"a.yaml": "category: a\nfiles: [w.txt]"}, {}, {"w.txt": "# these\n\nzorbling\n 六合彩 \n"})
    assert refused("六合彩", rules)
    assert not refused("these", rules)


class Starved:
    """A search that nothing is wrong with, while others have the processor."""

    def __init__(self, expression: Any) -> None:
        self._expression = expression
        self.timeouts: list[float] = []

    def search(self, *args: Any, timeout: float, **settings: Any) -> Any:
        self.timeouts.append(timeout)
        time.sleep(2 * SECONDS)
        if len(self.timeouts) < 3:
            raise TimeoutError
        return self._expression.search(*args, **settings)


def test_a_pattern_is_not_given_up_for_what_others_took():
    slow: list[Rule] = []
    rules = compiled({"a": "{category: a, patterns: [{regex: 'zo?rb', width: 4}]}"}, {})
    rules = Rules(rules.views, rules.patterns, on_slow=slow.append)
    (pattern,) = rules.patterns
    assert isinstance(pattern, Pattern)
    starved: Any = Starved(pattern.expression)
    pattern.expression = starved
    assert refused("a zorb", rules)
    assert starved.timeouts[:3] == [SECONDS, 2 * SECONDS, 4 * SECONDS]
    assert (slow, pattern.is_off) == ([], False)


def test_a_pattern_that_takes_too_long_is_put_aside_and_told():
    slow: list[Rule] = []
    rules = compiled({"a": r"{category: a, words: [zorb], patterns: [{regex: '(?:a|a|aa){1,60}c', width: 121}]}"}, {})
    rules = Rules(rules.views, rules.patterns, on_slow=slow.append)
    assert refused("a" * 200 + " zorb", rules)
    assert [rule.category for rule in slow] == ["a"]
    (pattern,) = rules.patterns
    assert isinstance(pattern, Pattern)
    assert pattern.is_off
