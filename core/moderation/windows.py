"""Asking somebody outside the house: whole windows of the answer are judged before any of it is shown."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from core.message import Ask, Chunk, Image, Reasoning, Replace, Sources, Status, Text
from core.moderation.rules import Action, Rule

WINDOW = 400  # characters are judged at once
_CONTEXT = 200  # characters before them, which were judged already, are read with them

_OTHER = "other"
# What OpenAI's moderation tells apart (platform.openai.com/docs/guides/moderation).
_NAMES = {
    "harassment": ("harassment", "骚扰"),
    "harassment/threatening": ("threats", "威胁"),
    "hate": ("hatred", "仇恨"),
    "hate/threatening": ("threats out of hatred", "仇恨威胁"),
    "illicit": ("something unlawful", "违法行为"),
    "illicit/violent": ("unlawful violence", "违法暴力"),
    "self-harm": ("self-harm", "自我伤害"),
    "self-harm/intent": ("self-harm", "自我伤害"),
    "self-harm/instructions": ("self-harm", "自我伤害"),
    "sexual": ("sexual content", "色情内容"),
    "sexual/minors": ("sexual content about minors", "涉及未成年人的色情内容"),
    "violence": ("violence", "暴力"),
    "violence/graphic": ("graphic violence", "血腥暴力"),
    _OTHER: ("something that must not be talked about here", "此处不宜谈论的内容"),
}


class Judge(Protocol):
    """Reads texts somewhere else."""

    async def judge(self, texts: Sequence[str]) -> frozenset[str]:
        """The categories that any of them falls under; raises Unavailable."""
        ...


def told_apart(categories: Iterable[str]) -> list[str]:
    """Those with a name here, and at the end one for all others: what a judge calls them is not shown."""
    known = {category if category in _NAMES else _OTHER for category in categories}
    return sorted(known, key=lambda name: (name == _OTHER, name))


def outside_rule(category: str) -> Rule:
    """The rule that one of those stands for."""
    english, chinese = _NAMES[category]
    return Rule(f"judge/{category}", f"judge_{category}", Action.REFUSE, 3, {"en": english, "zh": chinese})


class Windows:
    """Keeps chunks until the text among them is a window, or the answer ends."""

    def __init__(self) -> None:
        self._kept: list[Chunk] = []
        self._length = 0
        self._context = ""

    def take(self, chunks: Sequence[Chunk], *, is_last: bool = False) -> tuple[list[Chunk], list[str]]:
        """Chunks that may be shown once the texts were judged that stand beside them."""
        at_once: list[Chunk] = [chunk for chunk in chunks if isinstance(chunk, Status)]
        for chunk in chunks:
            if isinstance(chunk, Replace):  # what it takes back need not be judged any more, nor be shown
                self._kept = [kept for kept in self._kept if not isinstance(kept, Text | Reasoning)]
                self._length, self._context = 0, ""
            if not isinstance(chunk, Status):
                self._kept.append(chunk)
            self._length += len(_words(chunk))
        if self._length < WINDOW and not is_last:
            return at_once, []
        released, texts = self._window()
        return [*at_once, *released], texts

    def _window(self) -> tuple[list[Chunk], list[str]]:
        kept, self._kept, self._length = self._kept, [], 0
        said = "".join(chunk.text for chunk in kept if isinstance(chunk, Text | Replace))
        texts = [self._context + said, *(_words(chunk) for chunk in kept if not isinstance(chunk, Text | Replace))]
        self._context = (self._context + said)[-_CONTEXT:]
        return kept, [text for text in texts if text.strip()]


def _words(chunk: Chunk) -> str:
    match chunk:
        case Text(text) | Reasoning(text) | Replace(text) | Ask(_, text):
            return text
        case Image(_, _, alt):
            return alt
        case Sources(items):
            return "\n".join(f"{item.title} {item.excerpt}" for item in items)
        case _:
            return ""
