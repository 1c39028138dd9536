"""An end that was asked for: what was begun is finished or given back, and nothing is lost or said twice."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic

import aiohttp
import pytest
import yaml

from bench.channel import channel
from bench.database import fetch, folder
from bench.process import ParleyServe, ServerProcess, running, servers
from bench.until import until
from bot.config import ServerSettings
from core.store import Keys
from tests.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

RUNNING = "SELECT FROM inbox WHERE status = 1 AND owner = %(owner)s"
LEASE = {"PARLEY_TURNS__LEASE_SECONDS": "3"}
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROBES = ("startup", "readiness", "liveness")


async def works(url: str, owner: str, *, turns: int) -> None:
    async def has_begun() -> bool:
        return len(await fetch(url, RUNNING, {"owner": owner})) >= turns

    await until(has_begun, timeout=20)


async def ended(process: ServerProcess) -> float:
    """SIGTERM; the seconds until it was gone."""
    began = monotonic()
    await process.stop()
    return monotonic() - began


async def is_draining(process: ServerProcess, http: aiohttp.ClientSession) -> None:
    async def says_so() -> bool:
        async with http.get(f"{process.url}/readyz") as response:
            return response.status == 503

    await until(says_so, timeout=5)


async def test_what_was_begun_is_finished_before_the_end_and_the_rest_by_another(database_url):
    async with (
        channel() as heard,
        servers(2, database_url, channel=heard.url, seconds=(1, 2), **LEASE) as (leaving, staying),
    ):
        traffic = Traffic([leaving.url, staying.url])
        asking = asyncio.create_task(traffic.run(threads=24, each=2))
        await works(database_url, leaving.owner, turns=5)
        assert await ended(leaving) < 10, "answers take two seconds"
        await asking
        await traffic.all_answered(database_url, heard)
        assert len(traffic.acknowledged) == 48
        # A claim on its way while the end comes is given back, and had begun nothing.
        again = await fetch(database_url, "SELECT FROM turns WHERE attempts > 1")
        assert again == [], "what was begun was given up, though there was time"


async def test_what_does_not_end_in_time_goes_to_another_and_is_said_once(database_url):
    end = {"PARLEY_SERVER__SHUTDOWN_SECONDS": "4"}
    async with (
        channel() as heard,
        servers(2, database_url, channel=heard.url, seconds=(7, 7), **LEASE, **end) as (leaving, staying),
    ):
        traffic = Traffic([leaving.url, staying.url])
        await traffic.run(threads=8, each=1, words=30)
        await works(database_url, leaving.owner, turns=1)
        assert await ended(leaving) <= 4.5, "it took longer than it may"
        given_back = await fetch(database_url, "SELECT FROM inbox WHERE status <> 2 AND owner = %(owner)s",
                                 {"owner": leaving.owner})  # fmt: skip
        assert given_back == [], "somebody has to wait for its lease to end"
        await traffic.all_answered(database_url, heard)
        assert [row for row in await fetch(database_url, "SELECT attempts FROM turns") if row[0] > 1]


async def test_nobody_is_sent_here_any_more_and_what_still_comes_is_kept(database_url, somebody):
    async with (
        channel() as heard,
        servers(2, database_url, channel=heard.url, seconds=(3, 3), **LEASE) as (leaving, staying),
        aiohttp.ClientSession() as kept,
    ):
        traffic = Traffic([leaving.url])
        await traffic.run(threads=3, each=1)
        watched = asyncio.create_task(collected(somebody(), leaving.url))
        await works(database_url, leaving.owner, turns=1)
        async with kept.get(f"{leaving.url}/readyz") as response:  # the connection is open from here on
            assert response.status == 200
            assert "Connection" not in response.headers
        began = monotonic()
        ending = asyncio.create_task(ended(leaving))
        await is_draining(leaving, kept)
        assert monotonic() - began < 1, "a balancer went on sending"
        async with kept.get(f"{leaving.url}/readyz") as response:
            assert await response.json() == {"status": "not ready", "waiting_for": "another process"}
            assert response.headers["Connection"] == "close"
        async with kept.get(f"{leaving.url}/healthz") as response:
            assert response.status == 200
        late = Traffic([leaving.url], prefix="late")
        await late.run(threads=2, each=1)
        traffic.acknowledged |= late.acknowledged
        await ending
        deltas, last = await watched
        assert last["state"] == "done", "whoever watched an answer grow did not see its end"
        assert "".join(deltas) == last["response"]
        await traffic.all_answered(database_url, heard)
        assert staying.url not in late.taken


async def collected(person, url: str) -> tuple[list[str], dict[str, str]]:
    deltas, last = [], {}
    async for name, data in person.events(f"{url}/chat", prompt="one two three four five six seven eight"):
        if name == "delta":
            deltas.append(data["text"])
        last = data
    return deltas, last


async def test_a_server_alone_keeps_what_comes_while_it_ends_for_its_next_start(database_url):
    async with channel() as heard, servers(1, database_url, channel=heard.url, seconds=(3, 3), **LEASE) as (process,):
        traffic = Traffic([process.url])
        await traffic.run(threads=3, each=1)
        await works(database_url, process.owner, turns=3)
        ending = asyncio.create_task(ended(process))
        async with aiohttp.ClientSession() as http:
            await is_draining(process, http)
        late = Traffic([process.url], prefix="late")
        await late.run(threads=3, each=1)
        await ending
        assert len(heard.finished()) == 3
        await process.start()
        traffic.acknowledged |= late.acknowledged
        await traffic.all_answered(database_url, heard)


class SlowServe(ParleyServe):
    """`parley serve` with answers that take long."""

    def __init__(self, place, settings: dict[str, str], seconds: float, starts: float = 0) -> None:
        super().__init__(place, settings)
        self._command[-2:] = ["tests.slow_serve", str(seconds), str(starts)]

    async def exit_status(self) -> int:
        assert self._process is not None
        return await self._process.wait()


async def test_a_second_signal_ends_it_at_once_and_another_takes_over_what_it_was_at(database_url, somebody):
    shared = {"DATABASE_URL": database_url, "PARLEY_KEYS": Keys.generate().dump(), **LEASE}
    with folder() as place:
        hasty, staying = SlowServe(place, shared, 20), SlowServe(place, shared, 1)
        async with running(hasty), aiohttp.ClientSession() as http:
            person = somebody()
            _, known = await person.post(f"{hasty.url}/chat", prompt="/help")
            asking = asyncio.create_task(
                person.post(f"{hasty.url}/chat", prompt="will this end", thread=known["thread"])
            )

            async def is_running() -> bool:
                return bool(await fetch(database_url, "SELECT FROM inbox WHERE status = 1"))

            await until(is_running, timeout=10)
            os.kill(hasty.pid, signal.SIGTERM)
            await is_draining(hasty, http)
            began = monotonic()
            os.kill(hasty.pid, signal.SIGTERM)
            assert await hasty.exit_status() == -signal.SIGTERM
            assert monotonic() - began < 1
            with pytest.raises(aiohttp.ClientError):
                await asking
            assert "1 answers may still end" in hasty.log.read_text()
            async with running(staying):

                async def is_answered() -> bool:
                    _, page = await person.get(f"{staying.url}/threads/{known['thread']}")
                    return bool(page["entries"][-1]["answer"] == "will this end")

                await until(is_answered, timeout=20)


class BrokenServe(SlowServe):
    """`parley serve` with a model that "break" in a question breaks for good."""

    def __init__(self, place, settings: dict[str, str]) -> None:
        super().__init__(place, settings, 0)
        self._command[-3:] = ["tests.broken_serve"]


async def test_a_model_that_is_lost_for_good_ends_its_process_in_good_order(database_url, somebody):
    shared = {"DATABASE_URL": database_url, "PARLEY_KEYS": Keys.generate().dump()}
    with folder() as place:
        process = BrokenServe(place, shared)
        async with running(process):
            status, answer = await somebody().post(f"{process.url}/chat", prompt="break it")
            assert (status, answer["state"]) == (200, "failed"), "nobody told the person"
            async with asyncio.timeout(20):
                assert await process.exit_status() == 1, "what supervises it does not start it anew"
            log = process.log.read_text()
            assert log.count("This process ends itself") == 1
            assert "Traceback" not in log


async def test_whoever_is_told_to_end_while_the_model_is_loaded_need_not_wait_for_it(database_url):
    shared = {"DATABASE_URL": database_url, "PARLEY_KEYS": Keys.generate().dump()}
    with folder() as place:
        process = SlowServe(place, shared, 1, starts=100)
        starting = asyncio.create_task(process.start())

        async def is_bound() -> bool:
            with suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as http, http.get(f"{process.url}/readyz") as response:
                    return response.status == 503
            return False

        await until(is_bound, timeout=60, every=0.1)
        os.kill(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                assert await process.exit_status() == 0
        except TimeoutError:
            await process.kill()
            raise
        with pytest.raises(RuntimeError, match="ended by itself"):
            await starting
        assert "Traceback" not in process.log.read_text()


def test_what_ships_starts_a_process_anew_that_ended_itself_and_waits_for_it_until_it_has_started():
    """As soon as `/healthz` answers nothing is loaded yet; from its start on `/readyz` holds whatever else is away."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert compose["services"]["bot"]["restart"] in ("always", "unless-stopped")
    assert "\nRestart=always\n" in (DEPLOY / "parley.service").read_text()
    for colour in ("blue", "green"):
        pod = yaml.safe_load((DEPLOY / "kubernetes" / f"{colour}.yaml").read_text())["spec"]["template"]["spec"]
        assert pod.get("restartPolicy", "Always") == "Always"
        asked = {name: pod["containers"][0][f"{name}Probe"]["httpGet"]["path"] for name in PROBES}
        assert asked == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}


def test_the_time_it_may_take_is_less_than_what_ships_with_it_waits():
    """Compose and Kubernetes kill what takes longer than they were told."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    most = ServerSettings().shutdown_seconds
    assert int(compose["services"]["bot"]["stop_grace_period"].removesuffix("s")) > most
    for colour in ("blue", "green"):
        pod = yaml.safe_load((DEPLOY / "kubernetes" / f"{colour}.yaml").read_text())["spec"]["template"]["spec"]
        hooked = json.dumps(pod["containers"][0]["lifecycle"]["preStop"])
        pause = max(int(number) for number in hooked.replace('"', " ").replace("}", " ").split() if number.isdigit())
        assert pod["terminationGracePeriodSeconds"] > most + pause
