"""One form for all the ways of putting the same question: nothing is dropped that could make it another question.

Dropped are case, widths, spaces, sentence marks at the ends, a greeting, our name, please and thanks. Kept are signs
(C# is not C++), what stands raised (x² is not x2), the case of flags, units, code and single letters (-R is not -r, Mb
is not MB), and marks inside ("no, stop" is not "no stop").
"""

import re
import unicodedata

NAMES = ("parley", "bot", "assistant", "助手", "机器人")

_HAN = r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]"
_MARKS = ",.;:!?…。、~"  # after NFKC, which folds the wide ones
_QUOTES = str.maketrans("‘’‚“”„«»「」『』《》〈〉–—−‐‑", '\'\'\'"""""""""""""-----')
# Invisible, and no part of any word.
_INVISIBLE = re.compile(r"[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe0e\ufe0f\ufeff]")
_COURTESIES = 3
_CODE = re.compile(r"(`[^`]+`)")


_ONLY_A_GREETING = re.compile(
    r"@?(?:hi|hello|hey|hiya|howdy|thanks|thank you|ok|okay|yes|no|test|ping|(?:good )?(?:morning|afternoon|evening))"
    r"(?: there| all| everyone)?|"
    r"@?(?:[你您]好|嗨|哈喽|大家好|(?:早上|上午|中午|下午|晚上)好|在[吗么]|谢谢|好的|是的?|不是?|测试)"
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_GREETING_EN = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|dear|greetings|good (?:morning|afternoon|evening|day))(?: there| all| everyone)?"
    # Only where something else begins after it: "hello world in Python" greets nobody.
    r"(?: *[,.!:;~-]+ *| +(?=(?:{names}|what|how|why|who|which|when|where|can|could|would|will|is|are|do|does|please|"
    r"explain|tell|write|give|list|describe|compare)\b))"
)
_GREETING_ZH = re.compile(
    r"(?:你好|您好|嗨|哈喽|大家好|早上好|上午好|中午好|下午好|晚上好|在吗|在么)[呀啊吗]?[ ,.!?;~。、…]+"
)
_ASKING_ZH = re.compile(r"请问(?:一下)?[ ,:]*(?!的|用|怎么[说写读念]|是什么意思|这|和|与|在英|翻译|一词|二字)(?=.{2})")
_PLEASE_ZH = re.compile(
    r"(?:(?:麻烦|劳烦|拜托|请)[你您]?)+(?=(?:帮我?|给我?)?"
    r"(?:解释|介绍|说明|告诉|列出|列举|翻译|描述|比较|总结|概括|推荐|讲解|讲讲|说说|写|生成|分析|举例|计算))"
)
_PLEASE_EN = re.compile(
    r"(?:(?:could|can|would|will) you (?:please|kindly)|please|pls|plz|kindly)[, ]+"
    r"(?=(?:(?:could|can|would|will) you )?(?:what|how|why|who|which|when|where|is|are|do|does|can|could|explain|tell|"
    r"write|give|list|describe|compare|show|define|translate|summari[sz]e|help|name|convert|calculate|find|provide|"
    r"recommend|suggest|create|generate|make|outline|analy[sz]e)\b)"
)
_THANKS = (
    r"(?:please|pls|plz|(?:many |lots of )?thanks(?: a lot| so much| very much| again| in advance)?|thx|cheers|"
    r"thank you(?: so much| very much| in advance| again)?|"
    r"谢谢(?:你|您|大家|啦|了)?|多谢(?:了|啦)?|感谢|谢啦|谢了|拜托了?|麻烦了)"
)
# Where one of these stands before it, the thanks are what is spoken of ("how do I spell please").
_SPEAKS_OF_IT = _set(
    "a an the and or to of for with without say says said saying spell spelled mean means word words write written "
    "pronounce translate between versus vs than as like use uses using used type before after not no is are call "
    "called term phrase reply answer respond sing sign read add include about by in into from it also please"
)
_SPEAKS_OF_IT_ZH = "说写读念用叫词字是和与或及对于为把译成句个声的加学讲打回答拼"

# Says how it is asked, and nothing of what.
_SIGH = re.compile(rf"(?<=[\w{_HAN[1:-1]}])[呢呀啊]$")

# Something has to follow these: what stands behind them, apart, is no full stop.
_AWAITING = _set("of is are the a an does do and or to by with between than vs versus")
# What is asked is about words or signs, and what is a courtesy elsewhere may be the very thing.
_ABOUT_WORDS = re.compile(
    r"\b(?:translat\w*|say|says|said|saying|spell\w*|pronounc\w*|word|words|phrase|phrases|sentence|greeting|greet|rhyme|"
    r"type|typing|symbol|symbols|sign|signs|character|characters|operator|punctuation|mark|marks|key|keys|regex|letter)\b|"
    r"[译念]|翻|怎么[说读写]|英[文语]|中文|汉语|日[文语]|法[文语]|德[文语]|标点|符号|输入|打出|字符|正则|运算符|拼音|单词|短语|句子"
)

# Capitals in these make another word of them: "IT", "US", "WHO" are not "it", "us", "who".
_CAPITAL = _set("it us who in or as am can may aids is at be by do go he hi if me no of on so to up we and all")
# Case tells milli from mega and bits from bytes.
_UNIT = re.compile(r"\d*(?:[kmgtpezy]i?(?:b|bit|bps)|[kmgtpu]?(?:w|wh|hz|pa|v|a|j|g)|k?cal|ph)(?:/[a-z]+)?")
_NO_UNIT = _set("a as is us i")


def canonical(text: str, names: tuple[str, ...] = NAMES) -> str:
    """The one form of a question; "" where nothing but a greeting is left. `names` are ours, in lower case."""
    plain = _INVISIBLE.sub("", _raised(text)).translate(_QUOTES)
    pieces = _CODE.split(plain)
    if len(pieces) > 1:  # code is compared as it stands, its spaces too
        return "".join(piece if at % 2 else _folded(piece, plain) for at, piece in enumerate(pieces)).strip()
    return _stripped(_folded(plain, plain), names)


def _raised(text: str) -> str:
    """Wide and other forms folded as NFKC does; what stands raised or lowered says so.

    What is a sign of its own stays one: ℝ is not R, ½ is not 1/2, ① is not 1.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", "".join(map(_shown, text)))


def _shown(sign: str) -> str:
    kind = unicodedata.decomposition(sign).partition(">")[0]
    if kind in ("<font", "<circle", "<square", "<fraction"):
        return sign
    mark = {"<super": "^", "<sub": "_"}.get(kind, "")
    return mark + unicodedata.normalize("NFKC", sign)


def _folded(text: str, whole: str) -> str:
    is_shouted = whole.isupper()
    words = re.split(r"(\s+)", text)
    return "".join(word if not word or word.isspace() else _lower(word, is_shouted=is_shouted) for word in words)


def _lower(word: str, *, is_shouted: bool) -> str:
    bare = word.strip(_MARKS + "\"'()[]{}")
    lower = bare.lower()
    is_flag = word.startswith("-") and len(word) > 1
    is_letter = len(bare) == 1 and lower not in ("a", "i") and bare.isascii()
    is_name = bare.isupper() and lower in _CAPITAL and len(bare) > 1 and not is_shouted
    is_unit = bool(_UNIT.fullmatch(lower)) and lower not in _NO_UNIT
    return word if is_flag or is_letter or is_name or is_unit else word.lower()  # `casefold` makes ß an ss


def _stripped(text: str, names: tuple[str, ...]) -> str:
    text = _spaced(text)
    if _ABOUT_WORDS.search(text):  # a greeting, a thank-you or a mark may be what it is about
        return _close(_without_us(text, names))
    before = None
    while before != text:
        before, text = text, _trimmed(_without_us(_without_greeting(text, names), names))
    for polite in (_ASKING_ZH, _PLEASE_ZH, _PLEASE_EN):
        text = polite.sub("", text, count=1) if polite.match(text) else text
    text = _SIGH.sub("", _close(_trimmed(_without_thanks(text))))
    return "" if text in names or _ONLY_A_GREETING.fullmatch(text) else text


def _spaced(text: str) -> str:
    """Spaces as one; a line that ends without a mark ends with one, as what follows may be what it speaks of."""
    lines = re.sub(rf"(?<![{re.escape(_MARKS)}\s])[^\S\n]*\n\s*(?=\S)", ": ", text.strip())
    return re.sub(r"\s+", " ", lines).strip()


def _without_greeting(text: str, names: tuple[str, ...]) -> str:
    ours = "|".join(map(re.escape, names))
    greeting = re.compile(_GREETING_EN.pattern.replace("{names}", ours)).match(text) or _GREETING_ZH.match(text)
    return text[greeting.end() :] if greeting else text


def _without_us(text: str, names: tuple[str, ...]) -> str:
    """Our name where we are called by it: after an @, or before a mark."""
    ours = "|".join(map(re.escape, names))
    called = re.match(rf"(?:@(?:{ours})(?=[\s,:.!?]|{_HAN}|$)[ ,:.!]*|(?:{ours}) *(?:[,:!]+| - ) *)", text)
    text = text[called.end() :] if called else text
    return re.sub(rf"[ ,]+@(?:{ours})[ {re.escape(_MARKS)}]*$", "", text)


def _without_thanks(text: str) -> str:
    """Without please and thanks at the end, a few of them in a row too."""
    for _ in range(_COURTESIES):
        text = _trimmed(_closing(text) or text)
    return text


def _closing(text: str) -> str:
    text = _trimmed(text)
    match = re.search(rf"(?P<mark>[\s{re.escape(_MARKS)}-]+|(?<={_HAN}))(?P<thanks>{_THANKS})$", text)
    if match is None or ":" in match["mark"]:
        return ""
    before = text[: match.start()].rstrip()
    is_marked = bool(set(match["mark"]) & set(_MARKS))
    last = re.split(r"[\s\"'(]", before)[-1] if before else ""
    speaks_of_it = last in _SPEAKS_OF_IT or before[-1:] in _SPEAKS_OF_IT_ZH
    return "" if not before or (speaks_of_it and not is_marked) else before


def _trimmed(text: str) -> str:
    """Without marks at the ends; a factorial keeps its sign, and a name its first point (.NET)."""
    text = text.strip()
    text = re.sub(r"^[,;:!?…。、~]+ *", "", text)
    stem = text.rstrip(_MARKS + " ")
    is_asked_for = text[len(stem) :].startswith(" ") and stem.rpartition(" ")[2] in _AWAITING
    if is_asked_for or stem.endswith("是"):  # "what is the meaning of ?"
        return text
    is_factorial = text[len(stem) :].startswith("!") and bool(re.search(r"(?:^|[\s(=+*/^-])(?:[a-z]|\d+|.*\))$", stem))
    return f"{stem}!" if is_factorial else _unquoted(stem)


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" and text.count(text[0]) == 2
    return text[1:-1].strip() if is_quoted else text


def _close(text: str) -> str:
    """Without spaces beside Chinese, which needs none."""
    return re.sub(rf"(?<={_HAN}) +| +(?={_HAN})", "", text)
