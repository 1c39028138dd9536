"""What every turn needs to know of the house: who is wired where, and on what terms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from core.access import Access
from core.answer import within_context
from core.limits import Limits
from core.ports import Adapter, Engine, Keeper, Metrics, Model, Store
from core.turn import Answer, SamplingParams, Tool


def _nothing(language: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Terms:
    """The numbers a turn goes by. A lease is renewed at a third of its length.

    `params` are the fields of SamplingParams that the operator sets; the others are as the model's makers recommend.
    `more_help` is what stands behind the help text, by language.
    """

    lease: timedelta = timedelta(seconds=10)
    max_attempts: int = 5
    max_deliveries: int = 8
    concurrency: int = 32
    draft_interval: float = 0.5
    history_page: int = 8
    feedback_patience: timedelta = timedelta(seconds=60)
    params: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, str] = field(default_factory=dict)
    more_help: Callable[[str], str] = _nothing
    limits: Limits = field(default_factory=Limits)

    def params_for(self, model: Model) -> SamplingParams:
        """How this model is sampled: as its makers say, but for what the operator sets."""
        return within_context(replace(model.params, **self.params), model.context)


@dataclass(frozen=True, slots=True)
class Hall:
    """Everything a turn is handed. `answer` is the whole line of middlewares around the engine.

    `keepers` are offered every answer once it is stored; `tools` are offered to a model that can call them.
    """

    store: Store
    adapters: Mapping[str, Adapter]
    engine: Engine
    answer: Answer
    metrics: Metrics
    access: Access = field(default_factory=Access)
    terms: Terms = field(default_factory=Terms)
    keepers: Sequence[Keeper] = ()
    tools: tuple[Tool, ...] = ()
