"""`parley serve` with a model that can be broken for good, and another that stands in for it and takes its time.

`python -m tests.broken_serve SECONDS`: an answer of the other takes so long. A question with "break" in it is the last
one that the model is asked.
"""

import sys
from collections.abc import AsyncGenerator

from rich.console import Console

from bench.server import SlowEcho
from bot import app, config
from bot.serve import run
from core.engine import Fallback, Guarded, LocalEngine, demo_folder
from core.ports import Conversation, Delta, Metrics
from core.turn import SamplingParams


class Breakable(LocalEngine):
    """The bundled model."""

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        if "break" in conversation.turns[-1].text:
            self._is_broken = True
        async for delta in super().stream(conversation, params):
            yield delta


def engine(_: object, metrics: Metrics) -> Fallback:
    seconds = float(sys.argv[1])
    here = Guarded(Breakable(demo_folder(), threads=1), "local", metrics)
    return Fallback([here, Guarded(SlowEcho(seconds, seconds), "remote", metrics)], metrics)


if __name__ == "__main__":
    vars(app)["make_engine"] = engine
    run(config.load(None), Console(stderr=True))
