"""A house with something to show: what its overview would tell after a busy hour, day and week."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from core.message import Usage
from core.ports import Load, ModelLoad, Overview, Queue, Spread, State, Step, Window

QUEUES = (
    Queue("console", "turn", 1, 0),
    Queue("slack", "turn", 9, 14, timedelta(seconds=3.4)),
    Queue("slack", "control", 0, 2, timedelta(milliseconds=35)),
    Queue("teams", "turn", 4, 0),
    Queue("wecom_socket_of_the_sales_department", "turn", 2, 1, timedelta(milliseconds=420)),
)
MODELS = (
    ModelLoad("parley-demo@56abde20", 4_812, Usage(2_204_112, 1_034_981), 0.412, 3.9, 212, 180, 21, 4.46),
    ModelLoad("deepseek-coder-33b-instruct@9c1f22ab+nf4", 1_377, Usage(1_900_204, 803_117), 0.9, 11.2, 40, 31, 6, 4.1),
    ModelLoad("", 318),
    ModelLoad("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B@711ad2ea", 12, Usage(9_310, 22_817), 6.2, 74.0),
)


def busy(window: Window, per_step: float = 40, models: Sequence[ModelLoad] = MODELS) -> Load:
    """The same for whoever asks at the same moment: waves, with an hour in which some failed and all was slow."""
    count = window.length // window.step
    last = datetime.now(UTC).replace(second=0, microsecond=0)
    steps = [_step(last - (count - 1 - n) * window.step, n / count, n, per_step) for n in range(count)]
    return Load(window, tuple(steps), tuple(models))


def _step(at: datetime, share: float, number: int, per_step: float) -> Step:
    wave = 0.55 + 0.35 * math.sin(share * 9) + 0.1 * math.sin(number * 1.7)
    trouble = math.exp(-(((share - 0.7) / 0.03) ** 2))
    answered = round(per_step * wave * (1 - 0.5 * trouble))
    turns: Mapping[tuple[str, State], int] = {
        ("slack", State.DONE): answered,
        ("teams", State.ASKED): number % 3,
        ("slack", State.FAILED): round(per_step * 0.4 * trouble),
        ("slack", State.REFUSED): number % 17 == 3,
        ("teams", State.STOPPED): number % 23 == 7,
        ("slack", State.ANSWERING): 3 if share > 0.97 else 0,
    }
    median = 0.35 + 0.2 * wave
    first = Spread(median, median * 2.2 + trouble, median * 3 + 1.9 * trouble)
    whole = Spread(3 + 2 * wave, 9 + 6 * wave + 10 * trouble, 14 + 8 * wave + 18 * trouble)
    is_idle = 0.3 < share < 0.33
    if is_idle:
        return Step(at)
    return Step(at, turns, first, whole, Usage(answered * 430, answered * 210))


class BusyOverview:
    """`core.ports.Overview` as far as the pages of figures ask it, over `rest` for all others."""

    def __init__(self, rest: Overview) -> None:
        self._rest = rest
        self.queued: tuple[Queue, ...] = QUEUES
        self.per_step = 40.0
        self.models: tuple[ModelLoad, ...] = MODELS

    async def load(self, window: Window) -> Load:
        return busy(window, self.per_step, self.models)

    async def queues(self) -> tuple[Queue, ...]:
        return self.queued

    def __getattr__(self, name: str) -> object:
        return getattr(self._rest, name)
