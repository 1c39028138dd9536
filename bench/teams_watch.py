"""`parley serve` with an eye on its event loop: `python -m bench.teams_watch --port 9000`, configured as usual.

Whoever connects to that port of 127.0.0.1 is told of each look since the last one asked, as one JSON list of pairs: by
how many milliseconds it came late, and for how many of them the loop's thread was ready and others had the processor.
"""

import argparse
import asyncio
import json
import sys
import threading
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bot import config as configuration
from bot.config import Config
from bot.serve import serve

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop  # as `parley serve` does

Look = tuple[float, float]

EVERY = 0.005  # seconds between two looks


def _waited() -> float:
    """Milliseconds that this thread has waited for a processor so far; 0 where the system does not tell (not Linux)."""
    try:
        told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_bytes()
    except OSError:
        return 0.0
    return int(told.split()[1]) / 1_000_000


class Watch:
    """Wants to be woken every few milliseconds; what it is late, everything else on the loop is late, too."""

    def __init__(self) -> None:
        self._looks: list[Look] = []

    async def run(self) -> None:
        while True:
            due, waited = perf_counter() + EVERY, _waited()
            await asyncio.sleep(EVERY)
            late = 1000 * max(0.0, perf_counter() - due)
            self._looks.append((late, min(late, _waited() - waited)))

    async def tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        looks, self._looks = self._looks, []
        writer.write(json.dumps(looks).encode())
        await writer.drain()
        writer.close()


async def serve_watched(config: Config, port: int) -> None:
    watch = Watch()
    watching = asyncio.create_task(watch.run(), name="watch")
    async with await asyncio.start_server(watch.tell, "127.0.0.1", port):
        try:
            await serve(config, Console(stderr=True))
        finally:
            watching.cancel()


async def looks(port: int) -> list[Look]:
    """Asks a watched server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told: list[Look] = [(late, waited) for late, waited in json.loads(await reader.read())]
    writer.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.teams_watch", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    configuration.go_offline()
    run_loop(serve_watched(configuration.load(None), options.port))


if __name__ == "__main__":
    main()
