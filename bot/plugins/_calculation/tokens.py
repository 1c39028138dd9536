"""The words and signs of a sum, one after the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bot.plugins._calculation.faults import Fault, quoted
from bot.plugins._calculation.functions import ALIASES, ANGLES, FUNCTIONS, REACH
from bot.plugins._calculation.numerals import SCALES, chinese, english
from bot.plugins._calculation.units import Unit, unit_at

DIGITS = 50  # of one number

Value = str | Decimal | Unit


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` says what may be done with it, `value` what it stands for, `text` how it was written.

    Kinds: number, sign (+ - * / // mod ^), percent, hash ("%", a percentage or a remainder), bang, open, close, comma,
    function, constant, unit, of, de (的), part (a third), many (twice), applied (a function behind its operand),
    hundredth (百分之), out_of (分之), powered (次方), rooted (次方根), fold (倍), negative (负).
    """

    kind: str
    value: Value
    text: str


_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?")
_PLAIN = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6}(?![A-Za-z\d.]))?")
_OTHER_BASE = re.compile(r"0[xX][0-9A-Fa-f]+")
_SCALE = re.compile(
    rf"(?P<zh>万亿|千万|百万|亿|万|千(?!克|米|瓦|卡|焦|帕|赫|字节|比特)|百(?!分之|帕))|\s*(?P<en>{'|'.join(SCALES)})\b",
    re.IGNORECASE,
)
_CHINESE_SCALES = {"百": 2, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "万亿": 12}

_SIGNS: dict[str, tuple[str, Value]] = {
    "**": ("sign", "^"),
    "//": ("sign", "//"),
    "+": ("sign", "+"),
    "-": ("sign", "-"),
    "*": ("sign", "*"),
    "/": ("sign", "/"),
    "^": ("sign", "^"),
    "%": ("hash", "%"),
    "!": ("bang", "!"),
    "(": ("open", "("),
    ")": ("close", ")"),
    ",": ("comma", ","),
    "、": ("comma", ","),
    "√": ("function", "sqrt"),
    "加上": ("sign", "+"),
    "加": ("sign", "+"),
    "再加上": ("sign", "+"),
    "再加": ("sign", "+"),
    "再减去": ("sign", "-"),
    "再减": ("sign", "-"),
    "再乘以": ("sign", "*"),
    "再乘": ("sign", "*"),
    "再除以": ("sign", "/"),
    "减去": ("sign", "-"),
    "减": ("sign", "-"),
    "乘以": ("sign", "*"),
    "乘上": ("sign", "*"),
    "乘": ("sign", "*"),
    "除以": ("sign", "/"),
    "的": ("de", "的"),
    "平方根": ("applied", "sqrt"),
    "算术平方根": ("applied", "sqrt"),
    "立方根": ("applied", "cbrt"),
    "开平方": ("applied", "sqrt"),
    "开方": ("applied", "sqrt"),
    "开根号": ("applied", "sqrt"),
    "开立方": ("applied", "cbrt"),
    "平方": ("applied", "^2"),
    "立方": ("applied", "^3"),
    "阶乘": ("applied", "factorial"),
    "绝对值": ("applied", "abs"),
    "倒数": ("applied", "1/"),
    "一半": ("applied", "/2"),
    "百分之": ("hundredth", Decimal(100)),
    "千分之": ("hundredth", Decimal(1000)),
    "万分之": ("hundredth", Decimal(10000)),
    "分之": ("out_of", "分之"),
    "次方根": ("rooted", "次方根"),
    "次方": ("powered", "次方"),
    "次幂": ("powered", "次幂"),
    "倍": ("fold", "倍"),
    "负": ("negative", "-"),
    "零下": ("negative", "-"),
    "根号": ("function", "sqrt"),
    "根号下": ("function", "sqrt"),
    "正弦": ("function", "sin"),
    "正弦值": ("function", "sin"),
    "余弦": ("function", "cos"),
    "余弦值": ("function", "cos"),
    "正切": ("function", "tan"),
    "正切值": ("function", "tan"),
    "圆周率": ("constant", "pi"),
}
_SIGN = re.compile("|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True)))

_WORDS: tuple[tuple[str, str, Value], ...] = (
    (r"plus|added\s+to|increased\s+by", "sign", "+"),
    (r"minus|decreased\s+by|reduced\s+by", "sign", "-"),
    (r"times|multiplied\s+by", "sign", "*"),
    (r"divided\s+by", "sign", "/"),
    (r"(?:raised\s+)?to\s+the\s+power(?:\s+of)?|raised\s+to", "sign", "^"),
    (r"mod(?:ulo)?(?!\s*\()", "sign", "mod"),
    (r"per\s?cent|pct", "percent", "%"),
    (r"of", "of", "of"),
    (r"squared", "applied", "^2"),
    (r"cubed", "applied", "^3"),
    (r"twice|double", "many", Decimal(2)),
    (r"triple|thrice", "many", Decimal(3)),
    (r"(?:the\s+)?square\s+root\s+of|(?:the\s+)?sqrt\s+of", "function", "sqrt"),
    (r"(?:the\s+)?cube\s+root\s+of", "function", "cbrt"),
    (r"(?:the\s+)?factorial\s+of", "function", "factorial"),
    (r"(?:the\s+)?absolute\s+value\s+of", "function", "abs"),
    (r"(?:the\s+)?natural\s+log(?:arithm)?\s+of|ln\s+of", "function", "ln"),
    (r"(?:the\s+)?log(?:arithm)?\s+of", "function", "log"),
    (r"(?:the\s+)?sin(?:e\s+of|\s+of)", "function", "sin"),
    (r"(?:the\s+)?cos(?:ine\s+of|\s+of)", "function", "cos"),
    (r"(?:the\s+)?tan(?:gent\s+of|\s+of)", "function", "tan"),
    (r"(?:a\s+)?half|halves", "part", Decimal(2)),
    (r"(?:a\s+)?thirds?", "part", Decimal(3)),
    (r"(?:a\s+)?(?:quarters?|fourths?)", "part", Decimal(4)),
    (r"(?:a\s+)?fifths?", "part", Decimal(5)),
    (r"(?:a\s+)?sixths?", "part", Decimal(6)),
    (r"(?:a\s+)?eighths?", "part", Decimal(8)),
    (r"(?:a\s+)?tenths?", "part", Decimal(10)),
)
_PATTERNS = tuple(
    (re.compile(rf"(?:{words})(?![A-Za-z])", re.IGNORECASE), kind, value) for words, kind, value in _WORDS
)
_TIMES = re.compile(r"[xX](?=\s*[\d(.])")
_TO_THE = re.compile(r"to\s+the\s+(\d{1,4})(?:st|nd|rd|th)(?:\s+power)?(?![A-Za-z])", re.IGNORECASE)
_NAME = re.compile(r"log(?:10|2)(?!\d)|[A-Za-z_]+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_OPERANDS = {"number", "close", "constant", "unit", "bang", "percent", "hash", "applied", "part"}


def tokens(text: str) -> tuple[Token, ...]:
    """Raises Fault at the first thing that has no place in a sum."""
    return tuple(_Reading(text).read())


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._last = ""
        self._calls: list[bool] = []  # for each open bracket, whether it holds the arguments of a function

    def read(self) -> Iterator[Token]:
        while (start := self._skipped()) < len(self._text):
            for token in self._next(start):
                self._last = token.kind
                yield token

    def _skipped(self) -> int:
        space = _SPACE.match(self._text, self._position)
        self._position = space.end() if space else self._position
        return self._position

    def _next(self, start: int) -> list[Token]:
        found = self._unit(start) or self._number(start) or self._sign(start) or self._word(start) or self._name(start)
        if not found:
            raise Fault(
                "chu" if self._text[start] == "除" else "character", text=quoted(self._text[start : start + 20])
            )
        return found

    def _made(self, kind: str, value: Value, end: int) -> list[Token]:
        start, self._position = self._position, end
        return [Token(kind, value, self._text[start:end])]

    def _number(self, start: int) -> list[Token]:
        if other := _OTHER_BASE.match(self._text, start):  # 0x10 is sixteen to some, and no product to anybody
            raise Fault("base", text=quoted(other[0]))
        grouped = None if any(self._calls) else _GROUPED.match(self._text, start)
        if found := grouped or _PLAIN.match(self._text, start):
            number, end = _bounded(found[0].replace(",", "")), found.end()
            if scale := _SCALE.match(self._text, end):
                number, end = number * _scale_of(scale), scale.end()
            return self._made("number", number, end)
        if (sign := _SIGN.match(self._text, start)) and not sign[0].isascii():
            return []  # 一半 and 百分之 begin as numbers do
        if words := chinese(self._text, start) or english(self._text, start):
            return self._made("number", words[0], words[1])
        return []

    def _unit(self, start: int) -> list[Token]:
        if self._last not in {"number", "close", "constant"}:
            return []
        if any(pattern.match(self._text, start) for pattern, kind, _ in _PATTERNS if kind == "sign"):
            return []
        found = unit_at(self._text, start)
        return self._made("unit", *found) if found else []

    def _sign(self, start: int) -> list[Token]:
        found = _SIGN.match(self._text, start)
        if not found:
            return []
        kind, value = _SIGNS[found[0]]
        if kind == "open":
            self._calls.append(self._last == "function")
        elif kind == "close" and self._calls:
            self._calls.pop()
        return self._made(kind, value, found.end())

    def _word(self, start: int) -> list[Token]:
        if self._last in _OPERANDS and (found := _TIMES.match(self._text, start)):
            return self._made("sign", "*", found.end())
        if found := _TO_THE.match(self._text, start):
            return [Token("sign", "^", found[0]), *self._made("number", Decimal(found[1]), found.end())]
        for pattern, kind, value in _PATTERNS:
            if found := pattern.match(self._text, start):
                return self._made(kind, value, found.end())
        return []

    def _name(self, start: int) -> list[Token]:
        found = _NAME.match(self._text, start)
        if not found:
            return []
        name = ALIASES.get(found[0].lower(), found[0].lower())
        if name == "pi" or found[0] == "e":
            return self._made("constant", name, found.end())
        if name == "factorial" and self._last in _OPERANDS:
            return self._made("applied", name, found.end())
        if name in FUNCTIONS or name in ANGLES:
            return self._made("function", name, found.end())
        raise Fault("name", text=quoted(found[0]), functions=", ".join(sorted([*FUNCTIONS, *ANGLES])))


def _bounded(written: str) -> Decimal:
    digits, _, exponent = written.lower().partition("e")
    if len(digits.replace(".", "")) > DIGITS:
        raise Fault("digits", text=quoted(written), limit=DIGITS)
    if abs(int(exponent or 0)) > REACH - DIGITS:
        raise Fault("bounds", limit=REACH)
    return Decimal(written)


def _scale_of(found: re.Match[str]) -> Decimal:
    word = found["zh"]
    return Decimal(10) ** _CHINESE_SCALES[word] if word else Decimal(SCALES[found["en"].lower()])
