"""Numbers as words: "one hundred and five", "一万二千三百四十五", "两百五"."""

import re
from decimal import Decimal

_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TIMES_TEN = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES, _TENS = _BELOW_TWENTY.split(), _TIMES_TEN.split()
_SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORD = re.compile(r"[\s-]*([a-z]+)(?![a-z])", re.IGNORECASE)

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TENFOLD = {"十": 10, "百": 100, "千": 1000}
# 两 is a number at the beginning or before a hundred, thousand and more; elsewhere it is a weight: 三两.
_CHINESE = re.compile(
    r"(?:两|[零〇一二三四五六七八九十百千](?!分之[零〇一二两三四五六七八九十百千万亿])|[零〇一二三四五六七八九十])"
    r"(?:[零〇一二三四五六七八九十百千万亿]|两(?=[百千万亿]))*(?:点[零〇一二三四五六七八九]+)?"
)
_MEASURED = re.compile(r"千(?=克|米|瓦|卡|焦|帕|赫|字节|比特)")


def english(text: str, start: int) -> tuple[Decimal, int] | None:
    """The number that is written in words at `start`, and where it ends."""
    count = _Count()
    position = start
    while (found := _WORD.match(text, position)) and count.takes(found[1].lower(), _word_after(text, found.end())):
        position = found.end()
    return (count.value, position) if position > start else None


def _word_after(text: str, position: int) -> str:
    found = _WORD.match(text, position)
    return found[1].lower() if found else ""


class _Count:
    """A number that grows word by word."""

    def __init__(self) -> None:
        self._total = 0
        self._group: int | None = None
        self._scale = 10**15
        self._last = ""
        self._broken: str | None = None

    @property
    def value(self) -> Decimal:
        return Decimal(f"{self._total + (self._group or 0)}.{self._broken or 0}")

    def takes(self, word: str, following: str) -> bool:
        fits = self._fits(word, following)
        self._last = word if fits else self._last
        return fits

    def _fits(self, word: str, following: str) -> bool:
        if self._broken is not None:
            return self._add_digit(word)
        if word in _SMALL:
            return self._add(_SMALL[word])
        if word == "hundred":
            return self._raise_hundred()
        if word in SCALES:
            return self._raise(SCALES[word])
        if word in {"a", "an"}:
            return not self._last and following in {"hundred", *SCALES}
        if word == "and":
            return self._last in {"hundred", *SCALES} and following in _SMALL
        if word == "point" and self._last and following in _ONES[:10]:
            self._broken = ""
            return True
        return False

    def _add(self, value: int) -> bool:
        group = self._group
        if group is None:
            self._group = value
        elif value and ((group % 100 == 0 and group) or (value < 10 and group % 10 == 0 and group % 100 >= 20)):
            self._group = group + value
        else:
            return False
        return True

    def _raise_hundred(self) -> bool:
        if self._group is None and self._last not in {"a", "an"}:
            return False
        if self._group is not None and not 0 < self._group < 100:
            return False
        self._group = (self._group or 1) * 100
        return True

    def _raise(self, scale: int) -> bool:
        if scale >= self._scale or not (self._group or self._last in {"a", "an"}):
            return False
        self._total += (self._group or 1) * scale
        self._group, self._scale = None, scale
        return True

    def _add_digit(self, word: str) -> bool:
        if word not in _ONES[:10] or self._broken is None:
            return False
        self._broken += str(_SMALL[word])
        return True


def chinese(text: str, start: int) -> tuple[Decimal, int] | None:
    """The number in Chinese characters at `start`, and where it ends."""
    if text.startswith("半", start):
        return Decimal("0.5"), start + 1
    found = _CHINESE.match(text, start)
    if not found:
        return None
    end = found.end()
    measured = _MEASURED.search(text, start, end + 2)
    if measured and start < measured.start() < end:
        end = measured.start()  # 五千克 are five kilograms
    whole, _, broken = text[start:end].partition("点")
    value = _whole(whole)
    return None if value is None else (Decimal(f"{value}.{''.join(str(_DIGITS[d]) for d in broken) or 0}"), end)


def _whole(text: str) -> int | None:
    if all(character in _DIGITS for character in text):
        return int("".join(str(_DIGITS[character]) for character in text)) if text else None
    for character, scale in (("亿", 10**8), ("万", 10**4)):
        if character in text:
            head, _, tail = text.rpartition(character)
            return _joined(_whole(head), scale, tail)
    return _below_ten_thousand(text)


def _joined(head: int | None, scale: int, tail: str) -> int | None:
    rest = 0 if not tail else _whole(tail)
    if head is None or rest is None or rest >= scale:
        return None
    return head * scale + rest * (scale // 10 if len(tail) == 1 and rest < 10 else 1)


def _below_ten_thousand(text: str) -> int | None:
    total, digit, last = 0, None, 10**4
    for character in text:
        if character in "零〇":
            if digit is not None:
                return None
            last = 10 if last > 10 else last  # what follows is said in full: 一百零五
        elif character in _TENFOLD:
            scale = _TENFOLD[character]
            if scale >= last and not (last == 10 and scale == 10 and total):
                return None
            total += (1 if digit is None else digit) * scale
            digit, last = None, scale
        elif digit is not None:
            return None
        else:
            digit = _DIGITS[character]
    if digit is None:
        return total
    # A last digit counts the next smaller step: 二百五 is 250; after 零 or 十 it counts ones.
    return total + digit * (last // 10 if 10 < last < 10**4 else 1)
