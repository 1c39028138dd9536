"""`parley serve` as it is, but for the engine: an echo that takes its time.

`python -m tests.slow_serve SECONDS START`: an answer takes so long, and the start of the engine.
"""

import asyncio
import sys

from rich.console import Console

from bench.server import SlowEcho
from bot import app, config
from bot.serve import run


class Slow(SlowEcho):
    async def start(self) -> None:
        await asyncio.sleep(float(sys.argv[2]))
        await super().start()


if __name__ == "__main__":
    seconds = float(sys.argv[1])
    vars(app)["make_engine"] = lambda *_: Slow(seconds, seconds)
    run(config.load(None), Console(stderr=True))
