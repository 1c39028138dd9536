"""A server to be killed: the whole house in a process of its own, with doors for benchmarks and a slow echo.

`python -m bench.server --channel URL --seconds 0.05 0.2`; without seconds the configured engine answers. The rest is
configured as for `parley serve`. Once it answers it prints one JSON line: the name under which it owns its leases.
"""

import argparse
import asyncio
import gc
import json
import random
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from bench.door import BenchDoor
from bench.hall import CONTEXT
from bench.probe import Probe
from bot import config as configuration
from bot.app import open_house
from bot.logs import set_up_logging
from core.engine import EchoEngine
from core.ports import Conversation, Delta
from core.turn import SamplingParams

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop  # as `parley serve` does


class SlowEcho(EchoEngine):
    """An echo whose answers take between `least` and `most` seconds, the same for the same question."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__(CONTEXT)
        self._least, self._most = least, most

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        question = conversation.turns[-1].text
        pause = random.Random(question).uniform(self._least, self._most) / (len(question.split()) + 1)
        async for delta in super().stream(conversation, params):
            await asyncio.sleep(pause)
            yield delta


async def serve(options: argparse.Namespace) -> None:
    config = configuration.load(options.config)
    set_up_logging(config.settings.log.level, config.settings.log.format)
    engine = SlowEcho(*options.seconds) if options.seconds else None
    door, ended = BenchDoor(options.channel), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with open_house(config, lambda step: None, doors=[door, Probe()], engine=engine) as house:
        gc.collect()
        gc.freeze()  # as `parley serve` does
        print(json.dumps({"owner": house.manager.owner}), flush=True)
        await ended.wait()
    await door.close()


def run() -> None:
    parser = argparse.ArgumentParser("python -m bench.server", description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--channel", default="", help="where answers are posted to")
    parser.add_argument("--seconds", type=float, nargs=2, help="how long an answer of the echo takes: least, most")
    configuration.go_offline()
    run_loop(serve(parser.parse_args()))


if __name__ == "__main__":
    run()
