"""Forms of a whole message with parameters in braces, such as "weather in {place}": what they find in a text."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.plugin import Misdeclared

_HAN = r"\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IS_HAN = re.compile(rf"[{_HAN}]")
_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_SPACE_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")
_CLOSING_MARKS = ".,;:!?…。、~ "  # after NFKC, which folds the wide ones
_QUOTES = str.maketrans("‘’“”–—‐‑−", "''\"\"-----")
_OPENING = re.compile(
    r"(?:(?:hi|hello|hey)(?: there)?[,.! ]+|parley[,:! ]+|(?:please|pls|plz|kindly)[, ]+|"
    r"(?:can|could|would|will) you (?:please |kindly )?|"
    r"(?:你好|您好|嗨)[呀啊]?[ ,.!。、~]*|请问(?:一下)?[ ,:]*|(?:请|麻烦|劳烦|拜托)(?:一下|您|你)?[ ,:]*|"
    r"帮(?:我|忙)(?:一下)?[ ,:]*)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:[ ,.!]{1,3}(?:please|pls|plz|thanks|thank you|thx)|"
    r"谢谢(?:你|您|啦|了)?|多谢|[吗呢呀啊吧嘛哦]|(?<![什怎这那])么)$",
    re.IGNORECASE,
)
_COURTESIES = 4
# A form that begins with a parameter, "{place} weather", is not what these begin: "why is the weather".
_ASKS_MORE = re.compile(
    r"(?:why|how|what|when|where|who|which|explain|describe|write|tell|is|are|do|does|did|if|because)\b|"
    r"为什么|为何|为啥|怎么|怎样|如何|什么|解释|说明|写|如果|因为",
    re.IGNORECASE,
)
# A sentence that ends within what a parameter would take: the message says more than the form does.
_SENTENCE_ENDS = re.compile(r"[?!。](?=.)|(?<=\w{3})[.;](?=\s)")  # "St. John's" goes on


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as it was written and as it is compared; `at` is where each compared character stands in the former."""

    written: str
    compared: str
    at: Sequence[int]

    def cut(self, start: int, end: int) -> str:
        """What was written between two places of the compared text."""
        return self.written[self.at[start] : self.at[end - 1] + 1].strip()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Fixed words of a form; a parameter beside them may be apart from them, or has to touch them."""

    words: str
    is_apart_before: bool
    is_apart_after: bool

    def find(self, text: str, start: int) -> int:
        """Where it first stands at or after `start`; -1 where it does not."""
        place = text.find(self.words, start)
        while place >= 0 and not self.fits(text, place):
            place = text.find(self.words, place + 1)
        return place

    def fits(self, text: str, place: int) -> bool:
        """Whether it does not begin or end within a word: "in" is no part of "inside", but of "in东京"."""
        end = place + len(self.words)
        begins_within = self.is_apart_before and _is_within_word(text, place)
        return not (begins_within or (self.is_apart_after and _is_within_word(text, end)))


class Form:
    """A form such as "weather in {place}" or "{place}的天气": the whole message, with a parameter for each brace.

    Aside are widths, case, spaces beside Chinese, a greeting, polite words and closing marks. A parameter takes one
    character or more, as few as can be, and never a sentence's end; where it begins the form, it takes no "why" or
    "how". Matching takes time in proportion to the text. Raises Misdeclared for a form that is malformed: without
    words, with a stray brace, or with parameters side by side.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _PARAMETER.split(_spaced(unicodedata.normalize("NFKC", text)))
        self._names = tuple(parts[1::2])
        self._pieces = tuple(_Piece(_lowered(part.strip()), part[:1] == " ", part[-1:] == " ") for part in parts[::2])
        self._check()

    def __repr__(self) -> str:
        return f"Form({self.text!r})"

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self._names)

    @property
    def weight(self) -> int:
        """How many characters it fixes: of two forms that match, the heavier one says more."""
        return sum(len(piece.words) for piece in self._pieces)

    def match(self, text: str) -> Mapping[str, str] | None:
        """The parameters, as they are written in the text; None where the text does not have this form."""
        return next((found for wording in _wordings(text) if (found := self._matched(wording)) is not None), None)

    def _check(self) -> None:
        words = [piece.words for piece in self._pieces]
        if any("{" in word or "}" in word for word in words):
            raise self._wrong("has a brace that belongs to no parameter", "中有不属于任何参数的花括号")
        if not any(words):
            raise self._wrong("needs words besides its parameters", "除参数外还需要有文字")
        if len(set(self._names)) < len(self._names):
            raise self._wrong("names a parameter twice", "两次写了同一个参数")
        if not all(words[1:-1]):
            raise self._wrong("needs a word between its parameters", "的参数之间需要有文字")

    def _wrong(self, english: str, chinese: str) -> Misdeclared:
        return Misdeclared(f"the form {self.text!r} {english}", f"句式 {self.text!r} {chinese}")

    def _matched(self, text: _Text) -> Mapping[str, str] | None:
        # Each piece where it comes first, the last one at the end: a later place for any of them finds nothing more.
        first, *others = self._pieces
        if not first.words and _ASKS_MORE.match(text.compared):
            return None
        if not others:
            return {} if text.compared == first.words else None
        if not (text.compared.startswith(first.words) and first.fits(text.compared, 0)):
            return None
        found: dict[str, str] = {}
        start = len(first.words)
        for name, piece in zip(self._names, others, strict=True):
            start += text.compared[start : start + 1] == " "
            end = piece.find(text.compared, start + 1) if piece is not others[-1] else _end(piece, text.compared)
            value = text.cut(start, end) if end > start else ""
            if not value.strip(_CLOSING_MARKS) or _SENTENCE_ENDS.search(value):
                return None
            found[name] = value
            start = end + len(piece.words)
        return found


def _end(piece: _Piece, text: str) -> int:
    """Where a piece stands at the end of a text; -1 where it does not."""
    place = len(text) - len(piece.words)
    return place if place >= 0 and text.endswith(piece.words) and piece.fits(text, place) else -1


def _is_within_word(text: str, place: int) -> bool:
    """Whether a word or a number goes on across this place; Chinese has no spaces, so there it may always end."""
    before, after = text[max(place - 1, 0) : place], text[place : place + 1]
    is_word = before.isalpha() and after.isalpha() and not (_IS_HAN.match(before) or _IS_HAN.match(after))
    return is_word or (before.isdigit() and after.isdigit())


@lru_cache(maxsize=4)  # a message is held against many forms, one after the other
def _wordings(text: str) -> tuple[_Text, ...]:
    """A text without courtesies and closing marks, with the courtesies, and as it stands; without doubles."""
    bare = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).translate(_QUOTES)).strip()
    marked = plain = bare.rstrip(_CLOSING_MARKS)
    for _ in range(_COURTESIES):
        plain = _CLOSING.sub("", plain).rstrip(_CLOSING_MARKS)
    wordings = (_without(_OPENING, plain), _without(_OPENING, marked), plain, marked, bare)
    return tuple(_compared(wording) for wording in dict.fromkeys(wordings))


def _without(opening: re.Pattern[str], text: str) -> str:
    for _ in range(_COURTESIES):
        match = opening.match(text)
        text = text[match.end() :].lstrip() if match else text
    return text


def _spaced(text: str) -> str:
    return _SPACE_BESIDE_HAN.sub("", re.sub(r"\s+", " ", text.translate(_QUOTES))).strip()


def _lowered(text: str) -> str:
    """In lower case, one character for each: İ would become two."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)


def _compared(text: str) -> _Text:
    dropped = {gap.start() for gap in _SPACE_BESIDE_HAN.finditer(text)}
    if not dropped:
        return _Text(text, _lowered(text), range(len(text)))
    at = [place for place in range(len(text)) if place not in dropped]
    return _Text(text, _lowered("".join(text[place] for place in at)), at)
