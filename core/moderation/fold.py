"""How a text is made plain before it is compared: sign by sign, so that a stream folds as the whole text does."""

import unicodedata
from collections.abc import Iterable
from functools import cache

from confusable_homoglyphs.confusables import confusables_data
from opencc import OpenCC

_HAN = ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2EBEF))
# Marks that are put on or through Latin letters; those of other scripts tell words apart.
_MARKS = ((0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE2F), (0xE0100, 0xE01EF))
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters and symbols that nobody sees
# Letters in black circles and squares, and the letters that flags are made of, have no decomposition.
_SMALL_CAPITAL = "LATIN LETTER SMALL CAPITAL "
_BADGES = (0x1F150, 0x1F170, 0x1F1E6)


class _Folds(dict[str, str]):
    def __missing__(self, sign: str) -> str:
        folded = self[sign] = "".join(map(_plain, unicodedata.normalize("NFKD", _unbadged(sign))))
        return folded


class _Separators(dict[str, bool]):
    def __missing__(self, sign: str) -> bool:
        is_one = self[sign] = unicodedata.category(sign)[0] not in "LNM"
        return is_one


# Each sign that was met, and what it is compared as: "" where nobody sees it.
FOLDS = _Folds()
# Each folded sign that was met, and whether it is no letter and no digit.
SEPARATORS = _Separators()


def folded(text: str) -> str:
    """NFKC's letters without marks, without what has no width, small, look-alikes as Latin, Chinese as simplified."""
    return "".join([FOLDS[sign] for sign in text])


def bare(text: str) -> str:
    """A folded text without all that is no letter and no digit."""
    return "".join([sign for sign in text if not SEPARATORS[sign]])


def _unbadged(sign: str) -> str:
    offset = next((ord(sign) - start for start in _BADGES if start <= ord(sign) < start + 26), None)
    return sign if offset is None else chr(ord("a") + offset)


def _plain(sign: str) -> str:
    if unicodedata.category(sign) in ("Cf", "Me") or sign in _FILLERS or _within(sign, _MARKS):
        return ""
    return "".join(_simplified().get(small, small) for small in _latin(sign).casefold())


def _latin(sign: str) -> str:
    """The Latin letter a sign looks like, in this case or the other one; itself where it looks like none."""
    if sign.isascii():
        return sign
    if (name := unicodedata.name(sign, "")).startswith(_SMALL_CAPITAL) and len(name) == len(_SMALL_CAPITAL) + 1:
        return name[-1]
    return next((found for form in (sign, sign.swapcase()) if (found := _look_alikes().get(form))), sign)


def _within(sign: str, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= ord(sign) <= last for first, last in ranges)


@cache
def _look_alikes() -> dict[str, str]:
    """The letters of other scripts that look like a Latin one."""
    found: dict[str, str] = {}
    for sign, others in confusables_data.items():
        if sign.isascii() or len(sign) != 1 or not sign.isalpha() or _within(sign, _HAN):
            continue
        plain = (other["c"] for other in others if other["c"].isascii() and other["c"].isalnum())
        if letter := next(plain, None):
            # The table says l of whatever is a bare stroke: a capital of those is an I.
            found[sign] = "i" if letter == "l" and sign.isupper() else letter
    return found


@cache
def _simplified() -> dict[str, str]:
    """Traditional characters and the simplified ones they are compared as, one for one."""
    signs = [chr(code) for first, last in _HAN for code in range(first, last + 1)]
    plain = OpenCC("t2s").convert("\n".join(signs)).split("\n")
    pairs = zip(signs, plain, strict=True)
    return {sign: other for sign, other in pairs if sign != other and len(other) == 1}
