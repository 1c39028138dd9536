"""One request on its way through the engine."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from core.engine.sampler import Sampler
from core.engine.text import Piece, TextStream
from core.errors import EngineError, Unavailable
from core.message import Usage
from core.ports import Delta, Timings
from core.trail import Trail, trail

Event = Delta | EngineError


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and what was generated for it. Belongs to the scheduler's thread, save for `cancel()`.

    `tell` is called with each event, on the event loop; the last one is a Delta with `finish`, or an error. What was
    read is kept for the next turn of `thread` ("" for none); the first `head` tokens are every thread's. `trail` is
    whose it is, for the log.
    """

    prompt: list[int]
    sampler: Sampler
    text: TextStream
    ends: frozenset[int]
    model: str
    tell: Callable[[Event], None]
    thread: str = ""
    head: int = 0
    read: int = 0
    position: int | None = None
    reused: int = field(default=0, init=False)
    has_stumbled: bool = field(default=False, init=False)
    is_cancelled: bool = field(default=False, init=False)
    trail: Trail = field(default_factory=trail, init=False)
    asked_at: float = field(default_factory=monotonic, init=False)
    begun_at: float | None = field(default=None, init=False)
    first_at: float | None = field(default=None, init=False)

    def cancel(self) -> None:
        """Its slot is free again within two steps. Called from any thread, at any time."""
        self.is_cancelled = True

    def begin(self) -> None:
        """It has got a slot and is being read."""
        self.begun_at = self.begun_at or monotonic()

    def expire(self) -> None:
        """Its time is up. Called on the event loop, where it may be the only thing that still moves."""
        self.cancel()
        if self.generated:
            self.tell(Delta(finish="timeout", usage=self._usage(), model=self.model, timings=self._timings()))
        else:
            self.tell(Unavailable("it took too long; please ask again later"))

    @property
    def tokens(self) -> list[int]:
        """The prompt and what was generated after it."""
        return self.sampler.tokens

    @property
    def is_read(self) -> bool:
        """Whether the next step generates: all is in the cache."""
        return self.read == len(self.tokens)

    @property
    def generated(self) -> int:
        return len(self.tokens) - len(self.prompt)

    def next_part(self, size: int) -> list[int]:
        """The next tokens to be read, `size` at most."""
        return self.tokens[self.read : self.read + size]

    def accept(self, token: int) -> tuple[Delta, ...]:
        """What the next token says, which may be nothing; the last delta has `finish` if it was the last token."""
        self.tokens.append(token)
        self.first_at = self.first_at or monotonic()
        if token in self.ends:
            return self._last(Piece(), "stop")
        piece = self.text.feed(token)
        if piece.is_stopped:
            return self._last(piece, "stop")
        if self.generated >= self.sampler.params.max_new_tokens:
            return self._last(piece, "length")
        return _deltas(piece)

    def _last(self, piece: Piece, finish: str) -> tuple[Delta, ...]:
        held = Piece() if piece.is_stopped else self.text.flush()
        said = Piece(piece.text + held.text, piece.reasoning + held.reasoning, calls=piece.calls + held.calls)
        last = Delta(
            finish="stop" if held.is_stopped else finish,
            usage=self._usage(),
            model=self.model,
            seed=self.sampler.seed,
            timings=self._timings(),
        )
        # A call comes after the words that lead to it.
        return (*_deltas(said), last) if said.calls else (replace(last, text=said.text, reasoning=said.reasoning),)

    def _usage(self) -> Usage:
        return Usage(len(self.prompt), self.generated)

    def _timings(self) -> Timings:
        asked = self.asked_at
        begun, first = self.begun_at or asked, self.first_at or asked
        return Timings(begun - asked, first - asked, monotonic() - asked, self.reused)


def _deltas(piece: Piece) -> tuple[Delta, ...]:
    words = (Delta(piece.text, piece.reasoning),) if piece.text or piece.reasoning else ()
    return (*words, *(Delta(tool_call=call) for call in piece.calls))
