"""What looks like a sum and is none: dates, telephone numbers, versions, scores, sizes, and things named so."""

import re

from bot.plugins._calculation.frames import Asking

_ALWAYS = re.compile(
    r"\d{4}([-/.])\d{1,2}\1\d{1,2}"  # a date
    r"|\d{1,2}([-/.])\d{1,2}\2\d{4}"
    r"|(?:the )?difference between \d+\.\d+ and \d+\.\d+",  # two versions
    re.IGNORECASE,
)
_UNLESS_TOLD = re.compile(
    r"24[/*]7|7[/*]24(?:小时)?|9/11|7/7|50[/-]50|80/20|20/20|60/40|7-11|4/20|9-5|10-4|985/211"
    r"|\+?(?:\d{1,3}[- ])?(?:\(\d{2,4}\)[- ]?)?(?:\d{3}-\d{4}|0\d{2,3}-\d{7,8})|\+\d[\d -]{6,}"  # a telephone number
    r"|\d+(?:-\d+){2,}|\d+(?:/\d+){2,}"  # another, a formation, a date
    r"|\d{3,}[xX]\d{3,}|[24][xX][4-8]|\d+[xX]\d+[xX]\d+"  # a size
)
_UNLESS_ASKED = re.compile(r"\d+!+|(?:double|triple|twice|thrice) \w+", re.IGNORECASE)  # "5!" may be said with joy
_PAIR = re.compile(r"(\d+(?:\.\d+)?)([-/xX])(\d+(?:\.\d+)?)")


def is_something_else(text: str, asking: Asking) -> bool:
    """Whether the text is the shape of something other than a sum, and nobody says plainly that it is one."""
    if _ALWAYS.fullmatch(text):
        return True
    if asking == Asking.TOLD:
        return False
    is_named = bool(_UNLESS_TOLD.fullmatch(text))
    return is_named or (asking == Asking.BARE and bool(_UNLESS_ASKED.fullmatch(text) or _is_pair(text)))


def _is_pair(text: str) -> bool:
    """Whether it is a score, a range, a date, a rating or a size: 3-2, 2019-2020, 5/1, 4.5/5, 4x4."""
    found = _PAIR.fullmatch(text)
    if not found:
        return False
    left, right = float(found[1]), float(found[3])
    if found[2] == "-":
        is_season = 1900 <= left < 2100 and right < 100
        return left < 100 or left < right or is_season
    is_date = 1 <= min(left, right) <= 12 and max(left, right) <= 31
    is_rating = left <= right and right in {5, 10, 100}
    return found[2] in "xX" or is_date or is_rating
