"""`parley serve` with a model that can be broken for good: by a question with "break" in it."""

from collections.abc import AsyncGenerator

from rich.console import Console

from bot import app, config
from bot.serve import run
from core.engine import Guarded, LocalEngine, demo_folder
from core.ports import Conversation, Delta, Metrics
from core.turn import SamplingParams


class Breakable(LocalEngine):
    """The bundled model."""

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        if "break" in conversation.turns[-1].text:
            self._is_broken = True
        async for delta in super().stream(conversation, params):
            yield delta


def engine(_: object, metrics: Metrics) -> Guarded:
    return Guarded(Breakable(demo_folder(), threads=1), "local", metrics)


if __name__ == "__main__":
    vars(app)["make_engine"] = engine
    run(config.load(None), Console(stderr=True))
