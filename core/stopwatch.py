"""How long a person waits for one answer: until its first visible text, and until it is final."""

from datetime import UTC, datetime

from core.errors import EngineError
from core.hall import Hall
from core.manuscript import Manuscript
from core.message import Image, Source
from core.ports import Claim, Engine, State

_FIXED = (Source.HOUSE, Source.MODERATION)


class Stopwatch:
    """Runs from the storing of the event. What it shows is told once the answer is final, and known for what it is."""

    def __init__(self, hall: Hall, claim: Claim) -> None:
        self._hall = hall
        self._channel = claim.event.author.adapter
        self._began = claim.received_at
        self._first: datetime | None = None

    def look(self, manuscript: Manuscript) -> None:
        """Something was handed to the door: the first words are what a person waits for, not a status."""
        if self._first is None and not manuscript.is_empty:
            self._first = datetime.now(UTC)

    def stop(self, manuscript: Manuscript, state: State) -> None:
        """The answer is final. `state` is what its turn ends in."""
        now, metrics = datetime.now(UTC), self._hall.metrics
        labels = {"channel": self._channel, "kind": kind_of(manuscript), "demo": is_demo(self._hall.engine)}
        outcome = State.DONE if state is State.DELIVERING else state
        metrics.count("turns", channel=self._channel, state=outcome)
        metrics.observe("first_text_seconds", self._since(self._first or now), **labels)
        metrics.observe("turn_seconds", self._since(now), **labels)

    def _since(self, moment: datetime) -> float:
        # The beginning is the database's time, and another machine's clock may be ahead of ours.
        return max(0.0, (moment - self._began).total_seconds())


def is_demo(engine: Engine) -> str:
    """The label that keeps the answers of the demo model apart: true or false."""
    try:
        return "true" if engine.model.is_demo else "false"
    except EngineError:  # it is away just now: that is no demo's way
        return "false"


def kind_of(manuscript: Manuscript) -> str:
    """What is compared with its like alone.

    `sentence`: one of the house's own; `image`: with a picture; `thought`: of a model that thinks before it speaks;
    `text`: any other.
    """
    if manuscript.source is None or manuscript.source in _FIXED:
        return "sentence"
    if any(isinstance(placed.extra, Image) for placed in manuscript.extras):
        return "image"
    return "thought" if manuscript.reasoning else "text"
