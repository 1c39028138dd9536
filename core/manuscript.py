"""An answer as it grows: what was said, by whom, and how it ended."""

from dataclasses import replace

from core.message import Ask, Chunk, Replace, Reply, Screened, Source, Status, StatusKind, Text, Verdict, Written
from core.ports import State


class Manuscript:
    """Takes the chunks of one answer and knows what they add up to."""

    def __init__(self) -> None:
        self.text = ""
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
            case Replace(text, source):
                self.text, self.source = text, source
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
