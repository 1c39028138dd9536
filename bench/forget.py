"""How long it takes to forget somebody who has said much, in a house where others have said more."""

import argparse
import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from bench.database import fetch, server
from bench.hall import message
from bench.load import load
from bench.report import Progress, at_most, none_of, report, told
from core.store import Keys, PostgresStore

MESSAGES = 10_000
OTHERS = 100_000
_GOAL = 2.0  # seconds
_THEIRS = "a person's"
_LEFT = """
    SELECT (SELECT count(*) FROM messages WHERE author = %(person)s)
        + (SELECT count(*) FROM replies WHERE asker = %(person)s)
        + (SELECT count(*) FROM inbox WHERE author = %(person)s)
        + (SELECT count(*) FROM keys WHERE scope = %(person)s)
"""


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench forget", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 messages of others, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, 2_000 if options.quick else OTHERS))


async def measure(url: str, others: int) -> dict[str, Any]:
    progress, keys, person = Progress("forget"), Keys.generate(), message(_THEIRS, 0).author
    async with server(url) as running, running.new() as database:
        progress(f"loading {MESSAGES} messages of one person and {others} of others")
        await load(database, keys, others, (_THEIRS, MESSAGES), progress)
        store = PostgresStore(database, keys)
        await store.start()
        try:
            progress("forgetting")
            began = monotonic()
            forgotten = await store.people.forget(person)
            seconds = monotonic() - began
            row = {"person": store._vault.person(person)}
        finally:
            await store.stop()
        ((left,),) = await fetch(database, _LEFT, row)
        figures = [
            at_most(f"time to forget a person with {MESSAGES} messages", seconds, "s", _GOAL),
            told("messages forgotten", forgotten.messages, "count"),
            told("answers forgotten", forgotten.answers, "count"),
            none_of("rows of theirs that are left", left),
            none_of("messages of theirs that were missed", MESSAGES - forgotten.messages),
        ]
        return report("forget", figures, postgres=await running.version())
