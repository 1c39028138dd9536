"""How people ask for a time: what a whole message asks, in English and Chinese, with places that are known."""

import re
import unicodedata
from collections.abc import Iterator

from bot.plugins._time import chinese, english
from bot.plugins._time.places import SeveralZones, UnknownPlace, find, folded
from bot.plugins._time.table import PLAIN_WORDS

LONGEST = 160  # characters
# Whoever asks says one of these, so that a message about anything else is left at once.
_HINT = re.compile(
    r"time|date|day|morrow|zone|hour|clock|noon|night|morning|evening|offset|same|ahead|behind|apart|late|early|"
    r"\d ?[ap]\.?m|\d[:：]\d|[时時点點几幾号號]|"
    r"时区|日期|星期|周|礼拜|[白今]天|[早晚]上|下午|凌晨|中午|半夜|[差快慢早晚天]",
    re.IGNORECASE,
)

HERE = frozenset(
    {"", "here", "my time", "my timezone", "my time zone", "my local time", "our time", "local", "local time", "me"}
    | {"这里", "我这里", "我们这里", "这边", "我这边", "我们这边", "本地", "当地", "本地时间", "我", "我们"}
)

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_QUOTES = str.maketrans("‘’“”–—‐‑−", "''\"\"-----")
_SIMPLIFIED = str.maketrans("現幾點時間號週禮當換與個鐘", "现几点时间号周礼当换与个钟")  # what is asked with, no place
_COURTESIES = 4
_OPENING = re.compile(
    r"(?:hi|hello|hey)(?: there)?[,.!]* |parley[,:!]? |(?:please|pls|kindly|so|and|ok|okay|well|quick question)[,:]? |"
    r"(?:can|could|would|will) (?:you|u|someone|anyone)(?: please)? |(?:can|may) i (?:ask|know) |"
    r"(?:please )?(?:tell|show|give) (?:me|us) |(?:check|look up|find out) |let me know |right now,? |"
    r"i(?:'d like| would like| want| need) (?=the )|(?:looking for|i(?:'m| am) looking for) (?=the )|"
    r"(?:do you (?:happen to )?know|is it possible to|does anyone know|any idea|"
    r"i (?:want|need) to know|i(?:'d| would) like to know|i wonder|"
    r"i was wondering|i(?:'m| am) wondering|just wondering|wondering|excuse me|sorry|good morning|hiya|by the way|"
    r"btw)[,:]? |"
    r"(?:早上好|下午好|晚上好|在吗|哈[喽啰]|我?想(?:请)?问(?:问|一下|下)?|我?想(?:查|了解|看)(?:一下|下|查|看)?|"
    r"有(?:谁|人)知道|不好意思)[,.!。、~?]?|"
    r"(?:你好|您好|嗨)[呀啊]?[,.!。、~]?|请问一?下?[,:]?|(?:请|麻烦|劳驾)[你您]?|(?:你|您)?(?:能不能|可不可以|可以|"
    r"能|知道)|"
    r"帮[我忙]|(?:告诉|告知|跟我说|给我)[我]?|(?:查|看|问|说)(?:一下|下|查|看|问)|查询(?:一下)?|(?:我)?想知道|"
    r"那么?(?=.{3})",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:[ ,.!]{1,3}(?:please|pls|thanks|thank you|thx|again))|"
    r"(?:谢谢[你您]?|[吗呢呀啊吧嘛啦咯哦哈]|(?<![什怎这那])么)$",
    re.IGNORECASE,
)
_MARKS = ".,;:!?…。、~ "


def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_HERE = _compiled(english.HERE + chinese.HERE)
_TWO_PLACES = english.GAP + chinese.GAP + english.CONVERT + chinese.CONVERT
_ASKED = _compiled(_TWO_PLACES + english.PLACE + chinese.PLACE + english.ZONES + chinese.ZONES)
_PAIRS = _compiled(english.PAIR + chinese.PAIR)
_LOOSELY = _compiled(english.LOOSE)


def asked_for(text: str) -> dict[str, str] | None:
    """The arguments `place`, `at` and `other` in a message; None where it asks for no time, or for an unknown place."""
    if len(text) > LONGEST or not _HINT.search(text):
        return None
    for line in _wordings(text):
        if any(pattern.fullmatch(line) for pattern in _HERE):
            return {}
        found = next(_found(line), None)
        if found is not None:
            return {name: value for name, value in found.items() if value}
    return None


def is_here(name: str) -> bool:
    return folded(name) in HERE


def _found(line: str) -> Iterator[dict[str, str]]:
    for pattern in _ASKED:
        if match := pattern.fullmatch(line):
            yield from _understood(match.groupdict())
    for pattern in _PAIRS:
        if match := pattern.fullmatch(line):
            yield from _halved(match["pair"])
    for pattern in _LOOSELY:
        match = pattern.fullmatch(line)
        name = match["place"].strip() if match else ""
        if name and folded(name) not in PLAIN_WORDS and not is_here(name) and (known := _known(name)):
            yield {"place": known}


def _halved(pair: str) -> Iterator[dict[str, str]]:
    """Two places that stand side by side with nothing between them."""
    is_spaced = " " in pair
    for at in range(2, len(pair) - 1):
        if (pair[at] == " ") is is_spaced and _known(pair[:at]) and _known(pair[at:]):
            yield {"place": pair[:at], "other": pair[at:].strip()}


def _understood(groups: dict[str, str | None]) -> Iterator[dict[str, str]]:
    """The arguments in a match, where its places are known, and one of them is not here."""
    names = {name: value.strip() for name in ("place", "other") if (value := groups.get(name)) is not None}
    places = {name: _known(value) for name, value in names.items()}
    if None not in places.values() and not all(map(is_here, names.values())):
        at = f"{groups.get('day') or ''}{groups.get('at') or ''}"
        yield {"place": places.get("place") or "", "at": at, "other": places.get("other") or ""}


def _known(name: str) -> str | None:
    """The name, or it with the "time" that belongs to it ("Pacific time"); None where nobody knows it."""
    if is_here(name):
        return name
    for wording in (name, f"{name} time"):
        try:
            find(wording)
        except SeveralZones:
            return wording
        except UnknownPlace:
            continue
        return wording
    return None


def _wordings(text: str) -> Iterator[str]:
    """The text without closing marks, without the courtesies behind it, and without those before it one by one."""
    line = unicodedata.normalize("NFKC", text).translate(_QUOTES).translate(_SIMPLIFIED)
    line = re.sub(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])", "", " ".join(line.split())).strip(_MARKS)
    closed = line
    for _ in range(_COURTESIES):
        closed = _CLOSING.sub("", closed).rstrip(_MARKS)
    yield from dict.fromkeys(wording for pair in zip(_opened(closed), _opened(line), strict=False) for wording in pair)


def _opened(line: str) -> Iterator[str]:
    yield line
    for _ in range(_COURTESIES):
        match = _OPENING.match(line)
        if match is None:
            return
        line = line[match.end() :].lstrip(_MARKS)
        yield line
