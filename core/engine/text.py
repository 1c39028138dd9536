"""How token ids become text that may be shown: whole characters, no stop string, reasoning and calls apart."""

from collections.abc import Callable
from dataclasses import dataclass

from core.engine.calls import Calls
from core.message import ToolCall

OPEN, CLOSE = "<think>", "</think>"

Decode = Callable[[int], str | None]
"""Takes the next token id and gives the text that became whole with it, or None."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of an answer, the tools it calls after its text.

    `is_stopped` once a stop string was met, which is not part of `text`, or all tools were called.
    """

    text: str = ""
    reasoning: str = ""
    is_stopped: bool = False
    calls: tuple[ToolCall, ...] = ()


class Scanner:
    """Finds the first of some marks in a growing text and holds back what may be the beginning of one."""

    def __init__(self, marks: tuple[str, ...]) -> None:
        self._marks = tuple(filter(None, marks))
        self._longest = max(map(len, self._marks), default=0)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """What is certainly not part of a mark, and whether one was found; `rest()` is then what follows it."""
        text = self._held + text
        found = min(((text.find(mark), -len(mark)) for mark in self._marks if mark in text), default=None)
        if found:
            start, length = found
            self._held = text[start - length :]
            return text[:start], True
        cut = len(text) - self._beginning(text)
        self._held = text[cut:]
        return text[:cut], False

    def rest(self) -> str:
        """What was held back; nothing is held any more."""
        rest, self._held = self._held, ""
        return rest

    def _beginning(self, text: str) -> int:
        sizes = range(min(self._longest - 1, len(text)), 0, -1)
        return next((size for size in sizes if any(mark.startswith(text[-size:]) for mark in self._marks)), 0)


class Reasoning:
    """Parts what the model thinks from what it says.

    `is_open` where the prompt itself opens the thinking, so that only its end appears in the text.
    """

    def __init__(self, is_open: bool) -> None:
        self._beginning: str | None = None if is_open else ""
        self._thinking: Scanner | None = Scanner((CLOSE,)) if is_open else None
        self._is_blank = False

    def feed(self, text: str) -> tuple[str, str]:
        """The next pieces of reasoning and of answer."""
        if self._beginning is not None:
            text = self._begin(self._beginning + text)
        if self._thinking is None:
            return "", self._answer(text)
        thought, is_over = self._thinking.feed(text)
        if not is_over:
            return thought, ""
        rest, self._thinking, self._is_blank = self._thinking.rest(), None, True
        return thought, self._answer(rest)

    def flush(self) -> tuple[str, str]:
        """What was held back at the end."""
        beginning, self._beginning = self._beginning or "", None
        return self._thinking.rest() if self._thinking else "", beginning

    def _begin(self, text: str) -> str:
        stripped = text.lstrip()
        if OPEN.startswith(stripped) and stripped != OPEN:
            self._beginning = text
            return ""
        self._beginning = None
        if stripped.startswith(OPEN):
            self._thinking = Scanner((CLOSE,))
            return stripped.removeprefix(OPEN)
        return text

    def _answer(self, text: str) -> str:
        # Models put blank lines between their reasoning and their answer.
        if self._is_blank:
            text = text.lstrip()
            self._is_blank = not text
        return text


class TextStream:
    """The text of one answer, as its tokens come.

    Stop strings are looked for in the answer, not in the reasoning and not in a call; calls only where tools were
    offered, and in the answer.
    """

    def __init__(
        self,
        decode: Decode,
        stop: tuple[str, ...] = (),
        reasoning: Reasoning | None = None,
        calls: Calls | None = None,
    ) -> None:
        self._decode = decode
        self._scanner = Scanner(stop)
        self._reasoning, self._calls = reasoning, calls

    def feed(self, token: int) -> Piece:
        return self._show(self._decode(token) or "")

    def flush(self) -> Piece:
        """What was held back, now that no more tokens come. A character cut in its middle is never shown."""
        piece = self._parted(*(self._reasoning.flush() if self._reasoning else ("", "")))
        if piece.is_stopped:
            return piece
        words, calls = self._calls.flush() if self._calls else ("", ())
        shown, is_stopped = self._scanner.feed(words)
        if is_stopped:
            return Piece(piece.text + shown, piece.reasoning, is_stopped, piece.calls)
        return Piece(piece.text + shown + self._scanner.rest(), piece.reasoning, False, piece.calls + calls)

    def _show(self, text: str) -> Piece:
        return self._parted(*(self._reasoning.feed(text) if self._reasoning else ("", text)))

    def _parted(self, thought: str, answer: str) -> Piece:
        if not self._calls:
            shown, is_stopped = self._scanner.feed(answer)
            return Piece(shown, thought, is_stopped)
        words, calls = self._calls.feed(answer)
        shown, is_stopped = self._scanner.feed(words)
        thought = self._calls.without_marks(thought)
        if is_stopped or not calls:
            return Piece(shown, thought, is_stopped or self._calls.is_over)
        # What may be the beginning of a stop string was said before them, and is none.
        return Piece(shown + self._scanner.rest(), thought, self._calls.is_over, calls)
