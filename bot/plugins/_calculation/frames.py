"""The words around a sum: "what is … ?", "请帮我算一下 …", "… 等于多少"."""

import re
from enum import IntEnum


class Asking(IntEnum):
    """How plainly somebody asks for a result: not at all, with "what is …", or with "calculate …" and "… = ?"."""

    BARE = 0
    ASKED = 1
    TOLD = 2


_POLITE = re.compile(
    r"(?:(?:hi|hello|hey|please|pls|ok|okay|so|and|now|quick question|tell me|let me know|do you know|"
    r"(?:can|could|would|will) you(?: please)?(?: help me)?(?: to)?(?: tell me)?|help me(?: to)?|i need(?: you)? to)"
    r"(?=[\s,:])[\s,:]*)+"
    r"|(?:(?:请问一下|请问|请你|请|您好|你好|麻烦你|麻烦|劳驾|那么|那|帮忙|帮我|给我|替我|告诉我|我想知道|想知道|你知道|知道|"
    r"能不能|能否|可不可以|可以|可否|能|你|您|快速|快)[\s,:]*)+",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"(?:calculate|compute|work out|figure out|evaluate|solve|calc|find|how much (?:is|are|does|do|would be)|"
    r"what(?:'s| is) the (?:result|value|answer) (?:of|to|for))(?::\s*|\s+)"
    r"|(?:算一下|算一算|算算|算下|计算一下|计算下|计算|口算|心算|运算|算出|算|求出|求)[\s,:]*(?:一下)?[\s,:]*"
    r"|=",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:what(?: is|'s| are|s| does| do| would be)?|how (?:big|far|fast|heavy|hot|large|long|tall) is)"
    r"(?::\s*|\s+)(?!percent|per\s?cent|%)",
    re.IGNORECASE,
)
_THANKS = re.compile(r"\s*,?\s+(?:please|pls|thanks|thank you|for me|again)$|(?:,\s*)?谢谢你?$", re.IGNORECASE)
_RESULT = re.compile(
    r"(?:\s*=\s*\??|\s+(?:equals?|is equal to|is|makes?|comes? to)(?: what| how much)?"
    r"|(?:的)?(?:计算)?(?:结果|答案|值)?\s*(?:大约|大概|约)?(?:等于|应该是|是|得|=)\s*(?:多少(?:钱|元)?|几|什么)"
    r"|(?:的)?(?:结果|答案)|为?(?<!之)多少(?:钱|元)?|为几|等于)$",
    re.IGNORECASE,
)
_PARTICLE = re.compile(r"[呢啊呀吧]$")
_QUESTION = re.compile(r"[吗么]$")  # asks for a yes, unless somebody asks us to do it: 能算一下3*4吗
_CLOSING = re.compile(r"[\s.,;:?!~]+$")
_FACTORIAL = re.compile(r"(?<=[\d)])!+")


def unframed(text: str) -> tuple[str, Asking]:
    """What is asked about, without the words around it, and how plainly."""
    text = _closed(text)
    begun = _without_polite(text)
    if begun != text:
        begun = _QUESTION.sub("", begun)
    text, asking = _opened(_closed(_PARTICLE.sub("", begun)))
    return _ended(text, asking)


def _closed(text: str) -> str:
    """Without closing punctuation; the signs of factorials stay."""
    closing = _CLOSING.search(text)
    if not closing:
        return text
    factorial = _FACTORIAL.match(text, closing.start())
    return text[: factorial.end() if factorial else closing.start()]


def _without_polite(text: str) -> str:
    while found := _POLITE.match(text):
        text = text[found.end() :]
    return text


def _opened(text: str) -> tuple[str, Asking]:
    asking = Asking.BARE
    for pattern, strength in ((_TOLD, Asking.TOLD), (_ASKED, Asking.ASKED)):
        if found := pattern.match(text):
            text, asking = _without_polite(text[found.end() :].lstrip()), max(asking, strength)
    return text, asking


def _ended(text: str, asking: Asking) -> tuple[str, Asking]:
    for _ in range(3):  # "… is what, please", and no more: what is said over and over is no question
        if found := _THANKS.search(text):
            text = text[: found.start()]
        elif found := _RESULT.search(text):
            text, asking = text[: found.start()].rstrip(" ,"), Asking.TOLD
    return text, asking
