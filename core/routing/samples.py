"""What the classifier learns from: the room's own corpus, its patterns filled in."""

import json
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FILES = ("code.en.jsonl", "code.zh.jsonl", "chat.en.jsonl", "chat.zh.jsonl", "either.jsonl")
WORDINGS = 5  # how many texts are made of a pattern with slots
UNDECIDED = 5  # how often each text that may follow either kind is heard, against all the questions that begin like it

_SLOT = re.compile(r"<(\w+)>")
# Said before and after anything: that they decide nothing is learned by hearing them with both kinds.
_POLITE = {
    "en": (("", "hi, ", "please ", "hey, quick question: ", "can you help? "), ("", " thanks", " please", "?", ".")),
    "zh": (("", "你好，", "请问", "帮我看看，", "想问一下，"), ("", "，谢谢", "？", "。", "，急")),
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A line of a labelled file: route is code, chat or "" (either); `kind` says what makes it easy or hard."""

    text: str
    route: str
    language: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and what it is: 1 for code, 0 for chat, 0.5 where it may follow either."""

    text: str
    target: float


def read(path: Path) -> tuple[Labelled, ...]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Labelled(**json.loads(line)) for line in lines if line)


def samples() -> Iterator[Sample]:
    """The whole corpus, the same every time."""
    return made_of([line for name in FILES for line in read(CORPUS / name)])


def made_of(lines: Sequence[Labelled]) -> Iterator[Sample]:
    """The lines with their slots filled, once plain and then as people surround a question."""
    slots = json.loads((CORPUS / "slots.json").read_text(encoding="utf-8"))
    chance = random.Random(1)
    for line in lines:
        target = {"code": 1.0, "chat": 0.0}.get(line.route, 0.5)
        for text in filled(line.text, slots[line.language], chance):
            yield Sample(text, target)
            for _ in range(1 if line.route else UNDECIDED):
                before, after = map(chance.choice, _POLITE[line.language])
                yield Sample(f"{before}{text}{after}", target)


def filled(text: str, slots: dict[str, list[str]], chance: random.Random) -> tuple[str, ...]:
    """What becomes of a pattern like "is <lang> hard to learn"; a text without slots is itself."""
    if not _SLOT.search(text):
        return (text,)
    made = (_SLOT.sub(lambda slot: chance.choice(slots.get(slot[1], [slot[0]])), text) for _ in range(WORDINGS))
    return tuple(dict.fromkeys(made))


def normalised(text: str) -> str:
    """A text without case, spaces, punctuation and the width of its letters: two that agree in it are one prompt."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
