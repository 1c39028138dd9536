"""Which model a question goes to: a strong rule, else a sure classifier, else where its thread was, else chat."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

from core.routing.classifier import code_probability
from core.routing.rules import CHAT, CODE, rule
from core.turn import Answer, Chunks, SamplingParams, Turn, Utterance

SURE = 0.8  # from this confidence on, the classifier decides by itself
LEANING = 0.55  # so much for code, and a first question that nothing decides goes to the coder
EARLIER = 20  # questions: what was said before these decides nothing any more, and costs nothing


@dataclass(frozen=True, slots=True)
class Decision:
    """A route with how sure it is, 0.5 to 1; a rule is sure."""

    route: str
    confidence: float = 1.0


def decide(text: str) -> Decision | None:
    """What a text decides by itself; None where it could follow either kind of question."""
    decision = judge(text)
    return decision if decision.confidence >= SURE else None


def judge(text: str) -> Decision:
    """The likelier route of a text, however unsure."""
    if found := rule(text):
        return Decision(found)
    code = code_probability(text)
    return Decision(CODE, code) if code >= 0.5 else Decision(CHAT, 1 - code)


def route_of(text: str, history: Iterable[Utterance] = ()) -> str:
    """The route of a question: its own, else that of the newest earlier question that has one, else a default.

    `history` is oldest first; only what people said counts, for an answer may hold code in either kind of thread.
    """
    own = judge(text)
    if own.confidence >= SURE:
        return own.route
    said = (utterance.text for utterance in reversed(tuple(history)) if utterance.role == "user")
    if earlier := next(filter(None, map(decide, islice(said, EARLIER))), None):
        return earlier.route
    return CODE if own.route == CODE and own.confidence >= LEANING else CHAT


class Route:
    """Chooses the model of a turn, unless `/code` or `/chat` has.

    `params_of` gives the sampling that the chosen model recommends; without it the turn keeps its own.
    """

    def __init__(self, params_of: Callable[[str], SamplingParams] | None = None) -> None:
        self._params_of = params_of

    def __call__(self, turn: Turn, call_next: Answer) -> Chunks:
        route = turn.model or route_of(turn.message.text, turn.history)
        params = self._params_of(route) if self._params_of else turn.params
        return call_next(replace(turn, model=route, params=params))
