"""What two questions must share before the answer to one is shown for the other, however close their vectors are."""

import re
from collections import Counter

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_TOKEN = re.compile(rf"[{_HAN}]|`[^`]*`|[^\s{_HAN}`]+")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*|[零一二三四五六七八九十百千万亿两半]+")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|except|unless|avoid|stop|prevent|disable|isn't|aren't|"
    r"wasn't|don't|doesn't|didn't|can't|cannot|couldn't|won't|wouldn't|shouldn't|mustn't|un\w+|dis\w+|non\w*)\b"
    r"|[不没無无未别非勿莫否]"
)
# Words that say nothing of what is asked. Whatever turns a question round (to, from, can, why, was) is not among them.
_EMPTY = frozenset(("a", "an", "the", "is", "are", "do", "does", "i", "you", "we", "one", "just", "really", "的", "了"))


def content(question: str) -> tuple[str, ...]:
    """The words of a canonical question that say something, in their order; each Chinese character is a word."""
    tokens = _TOKEN.findall(question)
    return tuple(token for token in tokens if token and token not in _EMPTY)


def are_alike(one: str, other: str) -> bool:
    """Whether two canonical questions have the same numbers, negations and names, and the same words in one order."""
    return _numbers(one) == _numbers(other) and _negations(one) == _negations(other) and content(one) == content(other)


def _numbers(question: str) -> Counter[str]:
    return Counter(_NUMBER.findall(question))


def _negations(question: str) -> Counter[str]:
    return Counter(_NEGATION.findall(question))
