"""How an answer is made: middlewares around an engine, first one outermost."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.message import Chunk, Message, ReplyId
from core.message import Utterance as Utterance  # is looked for here as well
from core.reading import EMPTY, Reading
from core.tools import Pending as Pending  # these too
from core.tools import Tool as Tool
from core.tools import ToolResult as ToolResult

Chunks = AsyncGenerator[Chunk, None]
Answer = Callable[["Turn"], Chunks]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to choose the next token. Temperature 0 is greedy; top_k 0 and top_p 1 are off; stop strings are cut away."""

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int | None = None


# What DeepSeek recommends for its reasoning models, for those that do not say it themselves.
RECOMMENDED = SamplingParams()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question on its way to an answer.

    `reading` is what was read besides the question and belongs to it: the same words about another file are another
    question. `history` is what was said before, oldest first and without the system prompt; where the turn
    `hears_others`, words of others than its asker lie in that. `skips_cache` is set for a regenerated answer; `model`
    is chosen by Route, "" means the engine's own. `tools` are offered to the model, and `results` are what came of
    those it called. A `confirmed` call is made at once: its asker has said yes.
    """

    message: Message
    reply_id: ReplyId
    reading: Reading = EMPTY
    history: tuple[Utterance, ...] = ()
    hears_others: bool = False
    system: str = ""
    model: str = ""
    language: str = "en"
    params: SamplingParams = RECOMMENDED
    attempt: int = 1
    skips_cache: bool = False
    is_admin: bool = False
    tools: tuple[Tool, ...] = ()
    results: tuple[ToolResult, ...] = ()
    confirmed: Pending | None = None


class Middleware(Protocol):
    """A stage of the turn: it may change the turn, answer by itself, or look into what comes back."""

    def __call__(self, turn: Turn, call_next: Answer) -> Chunks: ...


def compose(middlewares: Sequence[Middleware], answer: Answer) -> Answer:
    """Folds the middlewares around `answer`; the first one sees the turn first and the chunks last."""
    for middleware in reversed(middlewares):
        answer = _wrap(middleware, answer)
    return answer


def _wrap(middleware: Middleware, call_next: Answer) -> Answer:
    def wrapped(turn: Turn) -> Chunks:
        return middleware(turn, call_next)

    return wrapped
