"""Whether a Teams that takes a second for every call holds up anything else in the server that answers there."""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from bench import model_peer
from bench.database import folder, server
from bench.platforms.teams import APP_ID, APP_PASSWORD, TENANT, Platform
from bench.process import ParleyServe, ServerProcess, free_port, running
from bench.report import Figure, Progress, at_least, at_most, percentile, report, told
from bench.teams_watch import Look, looks
from core.store import Keys

CONVERSATIONS = 24
ROUNDS = 10
LAG = 50.0  # ms
_CALL = 1.0  # seconds that the connector takes
_THINKS = 3.0  # seconds that an answer takes to be written
_IDLE = 3.0
_PATIENCE = 60.0


class Watched(ParleyServe):
    """`parley serve` in a process that knows how late its event loop is."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        super().__init__(folder, settings)
        self.watch = free_port()
        self._command[2:] = ["bench.teams_watch", "--port", str(self.watch)]


class Model(ServerProcess):
    """A model that says the question back, slowly."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "bench.model_peer", [], {})
        self._command += ["--port", str(self.port), "--seconds", str(_THINKS)]


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench teams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"two rounds in place of {ROUNDS}")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    return asyncio.run(measure(options.database, 2 if options.quick else ROUNDS))


async def measure(url: str, rounds: int) -> dict[str, Any]:
    progress = Progress("teams")
    with folder() as place:
        async with server(url) as database, Platform() as teams, database.new() as own:
            _settle_in(teams)
            progress("starting")
            async with _house(place, own, teams) as house:
                figures = await _rounds(teams, house, rounds, progress)
            return report("teams", figures, postgres=await database.version())


def _settle_in(teams: Platform) -> None:
    for number in range(CONVERSATIONS):
        teams.add_user(f"29:person{number}", f"Person {number}")
        teams.add_chat(_chat(number), "personal", [f"29:person{number}"])
    teams.delay("*", _CALL)


def _chat(number: int) -> str:
    return f"a:person{number}"


@asynccontextmanager
async def _house(place: Path, url: str, teams: Platform) -> AsyncGenerator[Watched, None]:
    model = Model(place)
    house = Watched(
        place,
        {
            "DATABASE_URL": url,
            "PARLEY_KEYS": Keys.generate().dump(),
            "PARLEY_CONSOLE__ENABLED": "false",
            "PARLEY_ENGINE__BACKEND": "remote",
            "PARLEY_REMOTE__URLS": f'["{model.url}/v1"]',
            "PARLEY_TEAMS__ENABLED": "true",
            "PARLEY_TEAMS__APP_ID": APP_ID,
            "PARLEY_TEAMS__TENANT_ID": TENANT,
            "PARLEY_TEAMS__LOGIN_URL": teams.login_url,
            "PARLEY_TEAMS__KEYS_URL": teams.keys_url,
            "PARLEY_TEAMS__DEV": "true",  # answers may go to this machine
            "PARLEY_TEAMS_APP_PASSWORD": APP_PASSWORD,
        },
    )
    async with running(model), running(house):
        teams.endpoint = f"{house.url}/channels/teams"
        yield house


async def _rounds(teams: Platform, house: Watched, rounds: int, progress: Progress) -> list[Figure]:
    await _round(teams, 0)  # what is done once, for every person and every connection, is another question
    await looks(house.watch)
    await asyncio.sleep(_IDLE)
    idle = await looks(house.watch)
    busy: list[Look] = []
    seconds: list[float] = []
    answered, calls = 0, len(teams.calls)
    for number in range(1, rounds + 1):
        began = monotonic()
        answered += await _round(teams, number)
        seconds.append(monotonic() - began)
        busy += (seen := await looks(house.watch))
        progress(f"round {number}: {answered} answered in all, {seconds[-1]:.1f} s, late {_held(seen):.0f} ms at most")
    return _figures(idle, busy, seconds, answered, len(teams.calls) - calls)


def _held(seen: Sequence[Look]) -> float:
    return max(late - waited for late, waited in seen)


async def _round(teams: Platform, number: int) -> int:
    """Everybody asks within the second that a call takes; how many were answered."""
    texts = {_chat(each): f"round {number} question {each}" for each in range(CONVERSATIONS)}
    for each, (chat, text) in enumerate(texts.items()):
        await teams.say(chat, f"29:person{each}", text, wait=False)
        await asyncio.sleep(_CALL / CONVERSATIONS)

    def done() -> list[str]:
        return [chat for chat, text in texts.items() if _is_answered(teams, chat, text)]

    with suppress(TimeoutError):
        await teams.until(lambda: len(done()) == CONVERSATIONS or None, timeout=_PATIENCE)
    return len(done())


def _is_answered(teams: Platform, chat: str, text: str) -> bool:
    expected = model_peer.answer_to(text, _THINKS)
    return any(expected in each.text and not each.is_streaming for each in teams.answers(chat))


def _figures(
    idle: Sequence[Look], busy: Sequence[Look], seconds: Sequence[float], answered: int, calls: int
) -> list[Figure]:
    late, usual = ([each for each, _ in looked] for looked in (busy, idle))
    held = [late - waited for late, waited in busy]
    what, asked = f"{CONVERSATIONS} conversations over a connector of {_CALL:g} s", CONVERSATIONS * len(seconds)
    return [
        told("asked", asked, "count"),
        at_least(f"{what}: answered whole", answered, "count", asked),
        told(f"{what}: calls to it", calls, "count"),
        told(f"{what}: until all were answered, p50", percentile(seconds, 0.5), "s"),
        told(f"{what}: until all were answered, slowest", max(seconds), "s"),
        told(f"{what}: looks at the event loop", len(busy), "count"),
        told(f"{what}: event loop late, p50", percentile(held, 0.5), "ms"),
        told(f"{what}: event loop late, p99", percentile(held, 0.99), "ms"),
        at_most(f"{what}: event loop late, most", max(held), "ms", LAG),
        # Where others have the processor, every process is late.
        told(f"{what}: late with the wait for a processor, p99", percentile(late, 0.99), "ms"),
        told(f"{what}: late with the wait for a processor, most", max(late), "ms"),
        told("with nothing to do: late with the wait for a processor, p99", percentile(usual, 0.99), "ms"),
        told("with nothing to do: late with the wait for a processor, most", max(usual), "ms"),
    ]
