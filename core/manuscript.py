"""An answer as it grows: what was said, by whom, and how it ended."""

from dataclasses import replace

from core.message import (
    Ask,
    Chunk,
    Reasoning,
    Replace,
    Reply,
    Screened,
    Source,
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
        self.is_asking = False

    def take(self, chunk: Chunk) -> None:
        match chunk:
            case Text(text, source):
                self.text += text
                self.source = self.source or source
            case Reasoning(text):
                self.reasoning = _bounded(self.reasoning + text)
            case Replace(text, source):
                self.text, self.reasoning, self.source = text, "", source
            case Ask(_, text, source):
                self.text, self.source, self.is_asking = self.text + text, source, True
            case Status(kind, position):
                self.status = f"{kind}:{position}" if kind is StatusKind.QUEUED else str(kind)
            case Written():
                self.written = chunk
            case Screened():
                self.screened = chunk

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
        return State.ASKED if self.is_asking else State.DELIVERING

    def fill(self, reply: Reply) -> Reply:
        """The reply with all that was written."""
        return replace(
            reply,
            text=self.text,
            source=self.source or Source.HOUSE,
            model=self.written.model if self.written else "",
            verdict=self.screened.verdict,
        )


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_REASONING else text[: MAX_REASONING - 1] + "…"
