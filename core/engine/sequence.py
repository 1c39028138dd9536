"""One request on its way through the engine."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.engine.sampler import Sampler
from core.engine.text import Piece, TextStream
from core.errors import EngineError
from core.message import Usage
from core.ports import Delta

Event = Delta | EngineError


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and what was generated for it. Belongs to the scheduler's thread, save for `cancel()`.

    `tell` is called with each event, on the event loop; the last one is a Delta with `finish`, or an error.
    """

    prompt: list[int]
    sampler: Sampler
    text: TextStream
    ends: frozenset[int]
    model: str
    tell: Callable[[Event], None]
    read: int = 0
    position: int | None = None
    is_cancelled: bool = field(default=False, init=False)

    def cancel(self) -> None:
        """Its slot is free again within two steps. Called from any thread, at any time."""
        self.is_cancelled = True

    @property
    def is_read(self) -> bool:
        return self.read == len(self.prompt)

    @property
    def generated(self) -> int:
        return len(self.sampler.tokens) - len(self.prompt)

    def next_part(self, size: int) -> list[int]:
        """The next tokens of the prompt to be read, `size` at most."""
        part = self.prompt[self.read : self.read + size]
        self.read += len(part)
        return part

    def accept(self, token: int) -> Delta:
        """What the next token says; the delta has `finish` if it was the last."""
        self.sampler.tokens.append(token)
        if token in self.ends:
            return self._last(Piece(), "stop")
        piece = self.text.feed(token)
        if piece.is_stopped:
            return self._last(piece, "stop")
        if self.generated == self.sampler.params.max_new_tokens:
            return self._last(piece, "length")
        return Delta(piece.text, piece.reasoning)

    def _last(self, piece: Piece, finish: str) -> Delta:
        held = Piece() if piece.is_stopped else self.text.flush()
        return Delta(
            piece.text + held.text,
            piece.reasoning + held.reasoning,
            finish="stop" if held.is_stopped else finish,
            usage=Usage(len(self.prompt), self.generated),
            model=self.model,
            seed=self.sampler.seed,
        )
