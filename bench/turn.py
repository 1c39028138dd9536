"""The stages inside a turn: how fast they are, and how often they are right."""

import argparse
import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

from bench.database import server
from bench.report import Figure, Progress, report

PARTS = ("moderation", "plugins", "cache")  # each has a module turn_<part>, with `figures(progress, server, is_quick)`


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench turn", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, options.only or PARTS, options.quick))


async def measure(url: str, parts: Sequence[str], is_quick: bool) -> dict[str, Any]:
    progress = Progress("turn")
    progress("starting a database")
    figures: list[Figure] = []
    async with server(url) as running:
        for part in parts:
            figures += await importlib.import_module(f"bench.turn_{part}").figures(progress, running, is_quick)
        return report("turn", figures, postgres=await running.version())
