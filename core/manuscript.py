"""An answer as it grows: what was said, by whom, and how it ended."""

from collections.abc import Iterable
from dataclasses import replace

from core.extras import Extra, Placed
from core.message import (
    Ask,
    Chunk,
    Image,
    Reasoning,
    Replace,
    Reply,
    Screened,
    Source,
    Sources,
    Status,
    StatusKind,
    Text,
    Verdict,
    Written,
)
from core.ports import State

MAX_REASONING = 64 * 1024  # characters

# Moderation changed the words: what was thought on the way to them would say the rest.
_HELD_BACK = (Verdict.MASKED, Verdict.REFUSED)


class Manuscript:
    """Takes the chunks of one answer and knows what they add up to. What was thought is kept apart, up to a limit."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.source: Source | None = None
        self.status = ""
        self.written: Written | None = None
        self.screened = Screened(Verdict.UNSCREENED)
        self._extras: list[Placed] = []

    def take(self, chunk: Chunk) -> None:
        match chunk:
            case Text(text, source):
                self.text += text
                self.source = self.source or source
            case Reasoning(text):
                self.reasoning = _bounded(self.reasoning + text)
            case Replace(text, source):
                self.text, self.reasoning, self.source = text, "", source
                self._extras = _outliving(self._extras) if source is Source.ENGINE else []
            case Ask(_, text, source):
                self._place(chunk)
                self.text, self.source = self.text + text, source
            case Image() | Sources():
                self._place(chunk)
            case Status(kind, position):
                self.status = f"{kind}:{position}" if kind is StatusKind.QUEUED else str(kind)
            case Written():
                self.written = chunk
            case Screened():
                self.screened = chunk

    def _place(self, extra: Extra) -> None:
        self._extras.append(Placed(len(self.text), extra))

    @property
    def extras(self) -> tuple[Placed, ...]:
        """What the answer has besides its words; what was refused has nothing."""
        return () if self.screened.verdict is Verdict.REFUSED else tuple(self._extras)

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()

    @property
    def thought(self) -> str:
        """What is kept of the reasoning."""
        return "" if self.screened.verdict in _HELD_BACK else self.reasoning.strip()

    @property
    def state(self) -> State:
        """The state the turn ends in when nothing went wrong; `delivering` becomes `done` with the last call."""
        if self.screened.verdict is Verdict.REFUSED:
            return State.REFUSED
        is_asking = any(isinstance(placed.extra, Ask) for placed in self._extras)
        return State.ASKED if is_asking else State.DELIVERING

    def fill(self, reply: Reply) -> Reply:
        """The reply with all that was written."""
        return replace(
            reply,
            text=self.text,
            source=self.source or Source.HOUSE,
            model=self.written.model if self.written else "",
            verdict=self.screened.verdict,
        )


def _outliving(extras: Iterable[Placed]) -> list[Placed]:
    """What others gave when an engine takes its words back to begin anew; they do not say it again."""
    others = (placed.extra for placed in extras if placed.extra.source is not Source.ENGINE)
    return [Placed(0, extra) for extra in others if not isinstance(extra, Ask)]


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_REASONING else text[: MAX_REASONING - 1] + "…"
