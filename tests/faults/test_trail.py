"""One id goes by an answer through every process that works on it, and says nothing of whose it is."""

import json

import aiohttp
import pytest

from bench.channel import channel
from bench.process import ServerProcess, servers
from bench.until import until
from tests.faults.test_processes import ask_for_later, owner_of

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PLACE = "canary-place-41fd"


def lines(process: ServerProcess, turn: str) -> list[dict[str, str]]:
    """What this process has said of that turn."""
    written = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in written if line.get("turn") == turn]


async def test_a_turn_has_one_id_from_the_webhook_to_the_delivery_whoever_dies(database_url):
    settings = {"PARLEY_LOG__FORMAT": "json", "PARLEY_TURNS__LEASE_SECONDS": "2"}
    async with (
        channel() as heard,
        servers(2, database_url, channel=heard.url, seconds=(3.0, 3.0), **settings) as (here, there),
        aiohttp.ClientSession() as http,
    ):
        turn = await ask_for_later(here, http, PLACE, "what is it that goes by one name")
        repeated = await ask_for_later(there, http, PLACE, "what is it that goes by one name")
        owner = await owner_of(database_url, turn)
        died, heir = (here, there) if owner == here.owner else (there, here)
        await died.kill()

        async def was_answered() -> bool:
            return turn in heard.finished() and any("was delivered" in line["message"] for line in lines(heir, turn))

        await until(was_answered, timeout=30)
        assert repeated == turn
        ((stored,), (came_again,)) = (
            [line for line in lines(process, turn) if line["logger"] == "bot.app"] for process in (here, there)
        )
        assert stored["message"] == "a message through bench was stored"
        assert came_again["message"] == "a message through bench has come again"
        said = [line["message"] for line in lines(heir, turn)]
        assert "a message is taken up, attempt 2" in said
        assert any("was delivered through bench" in message for message in said)
        # One name of the thread in every line, in either process, and not the platform's.
        assert len({line["thread"] for process in (here, there) for line in lines(process, turn)}) == 1
        assert PLACE not in here.log.read_text() + there.log.read_text()


async def test_what_is_said_of_nobody_names_nobody(database_url, somebody):
    async with servers(1, database_url, seconds=(0.01, 0.02), PARLEY_LOG__FORMAT="json") as (process,):
        somebody_, turns = somebody(), []
        for number in range(3):  # over one connection
            _, answer = await somebody_.post(f"{process.url}/chat", prompt=f"Number {number}")
            turns.append(answer["reply_id"])
        await process.stop()
        written = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
        stored = [line["turn"] for line in written if line["message"].endswith("was stored")]
        delivered = [line["turn"] for line in written if "was delivered" in line["message"]]
    assert stored == turns
    assert sorted(delivered) == sorted(turns)
