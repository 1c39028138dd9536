"""A server to be killed: the whole house in a process of its own, with doors for benchmarks and a slow echo.

`python -m bench.server --channel URL --seconds 0.05 0.2`; without seconds the configured engine answers. The rest is
configured as for `parley serve`. Once it answers it prints one JSON line: the name under which it owns its leases.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import random
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil

from bench.door import BenchDoor
from bench.hall import CONTEXT
from bot import config as configuration
from bot.app import open_house
from bot.logs import set_up_logging
from core.engine import EchoEngine
from core.message import Chunk
from core.ports import Accept, Conversation, Delivery, Delta, Ledger, Received, Webhook
from core.turn import SamplingParams


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


class Probe:
    """A door through which the process itself is looked at, at /channels/probe."""

    name = "probe"

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        gc.collect()
        # What is free and only kept for later by the allocator has not stayed.
        with suppress(AttributeError, OSError):  # glibc's own
            ctypes.CDLL(None).malloc_trim(0)
        facts = {
            "rss": psutil.Process().memory_info().rss,
            "objects": len(gc.get_objects()),
            "tasks": len(asyncio.all_tasks()),
        }
        return Received(200, json.dumps(facts).encode())

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        raise NotImplementedError


async def serve(options: argparse.Namespace) -> None:
    config = configuration.load(options.config)
    set_up_logging(config.settings.log.level, config.settings.log.format)
    engine = SlowEcho(*options.seconds) if options.seconds else None
    door, ended = BenchDoor(options.channel), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with open_house(config, lambda step: None, doors=[door, Probe()], engine=engine) as house:
        print(json.dumps({"owner": house.manager.owner}), flush=True)
        await ended.wait()
    await door.close()


def run() -> None:
    parser = argparse.ArgumentParser("python -m bench.server", description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--channel", default="", help="where answers are posted to")
    parser.add_argument("--seconds", type=float, nargs=2, help="how long an answer of the echo takes: least, most")
    configuration.go_offline()
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    run()
