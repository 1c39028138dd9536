"""The database is gone for a while: nothing is acknowledged that is not kept, and everything goes on by itself."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from time import monotonic

import aiohttp
import pytest

from bench.channel import channel
from bench.database import Server, server
from bench.process import servers
from bench.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

DOWN_SECONDS = 10.0
BACK_SECONDS = 5.0
PER_SECOND = 20


@dataclass(frozen=True)
class Answered:
    """A delivery to the webhook: when it was sent, when answered, and how."""

    id: str
    sent: float
    ended: float
    status: int
    reply: str = ""


@pytest.fixture
async def database() -> AsyncGenerator[Server, None]:
    async with server() as running:
        yield running


async def deliver(http: aiohttp.ClientSession, url: str, id_: str) -> Answered:
    event = {"id": id_, "thread": f"thread {id_}", "author": f"person {id_}", "text": f"hello {id_}"}
    sent = monotonic()
    async with http.post(f"{url}/channels/bench", json={"events": [event]}) as response:
        body = await response.json()
        return Answered(id_, sent, monotonic(), response.status, *body.get("replies", []))


async def asked(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with http.get(url) as response:
        return response.status, await response.text()


async def test_an_outage_is_answered_with_503_and_loses_nothing(database):
    async with (
        database.new() as url,
        channel() as opened,
        servers(1, url, channel=opened.url) as (process,),
        aiohttp.ClientSession() as http,
    ):
        calls: list[asyncio.Task[Answered]] = []
        is_over = asyncio.Event()

        async def arrive() -> None:
            while not is_over.is_set():
                calls.append(asyncio.create_task(deliver(http, process.url, str(len(calls)))))
                await asyncio.sleep(1 / PER_SECOND)

        arriving = asyncio.create_task(arrive())
        await asyncio.sleep(1.5)
        await asyncio.to_thread(database.break_off)
        gone = monotonic()
        await asyncio.sleep(DOWN_SECONDS)
        # With everybody unready nobody would be left to say so, and nothing would count.
        assert await asked(http, f"{process.url}/readyz") == (200, '{"status": "ready", "waiting_for": "database"}')
        told = (await asked(http, f"{process.url}/metrics"))[1]
        assert 'parley_up{part="database"} 0.0' in told
        assert 'parley_up{part="engine"} 1.0' in told
        assert float(told.partition('parley_events_total{channel="bench",outcome="not_stored"} ')[2].split()[0]) > 10
        coming = monotonic()
        await asyncio.to_thread(database.start_again)
        back = monotonic()
        await asyncio.sleep(BACK_SECONDS + 1.5)
        is_over.set()
        await arriving
        answers = await asyncio.gather(*calls)

        meanwhile = [answer for answer in answers if gone < answer.sent and answer.ended < coming]
        assert len(meanwhile) > 10
        assert {answer.status for answer in meanwhile} == {503}
        assert max(answer.ended - answer.sent for answer in answers) < 3, "a platform would have given up by then"
        assert {answer.status for answer in answers} == {200, 503}
        assert {answer.status for answer in answers if answer.sent > back + BACK_SECONDS} == {200}

        acknowledged = {answer.reply: answer.id for answer in answers if answer.status == 200}

        async def are_all_answered() -> bool:
            return acknowledged.keys() <= opened.finished().keys()

        await until(are_all_answered, timeout=20)
        said = [message.reply for message in opened.posted]
        assert len(said) == len(set(said))
        assert all(opened.finished()[reply].text == f"hello {id_}" for reply, id_ in acknowledged.items())
        assert await asked(http, f"{process.url}/readyz") == (200, '{"status": "ready"}')
        # What was refused was not kept either: nobody is answered who was told to send it again.
        assert len(said) == len(acknowledged)
