"""What a process says of what it lacks, and when it gives itself up."""

import asyncio
import logging
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.app import House, _deaf
from bot.pulse import beat, feel
from bot.telemetry import PrometheusMetrics
from bot.web import make_app
from core.engine import Breaker, Fallback, Guarded, LocalEngine, demo_folder
from core.errors import Unavailable
from core.ports import Conversation, Engine
from core.turn import SamplingParams, Utterance
from tests.fakes.engine import HELLO, ScriptedEngine
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

QUESTION = Conversation("", (Utterance("user", "Hello"),))
SECRET = "a word of somebody's"


class Lost(LocalEngine):
    """A model that does not recover."""

    is_healthy = False


def house_of(engine: Engine | None = None, **more: Any) -> House:
    """A house that has started, over a store in memory; nobody works in it."""
    manager: Any = SimpleNamespace(active=3)
    config: Any = None
    parts = {"is_engine_ready": True} | more
    return House(config, MemoryStore(), engine or ScriptedEngine(), PrometheusMetrics(), {}, manager, **parts)


def told(house: House, part: str) -> float | None:
    return house.metrics.registry.get_sample_value("parley_up", {"part": part})


async def ready(house: House) -> tuple[int, dict[str, str]]:
    """What `/readyz` says."""
    app = make_app(
        routes=[], webhooks=[], accept=house.accept, ready=house.why_not_ready, is_open=lambda: house.is_open
    )
    async with TestClient(TestServer(app)) as client, client.get("/readyz") as response:
        return response.status, await response.json()


async def test_before_the_start_nobody_is_sent_here():
    assert await ready(house_of(is_engine_ready=False)) == (503, {"status": "not ready", "waiting_for": "engine"})


async def test_a_house_that_has_all_it_needs_says_so():
    house = house_of()
    await feel(house)
    assert (told(house, "database"), told(house, "engine")) == (1, 1)
    assert house.metrics.registry.get_sample_value("parley_turns_active") == 3
    assert await ready(house) == (200, {"status": "ready"})


async def test_without_its_database_it_stays_open_and_says_what_it_waits_for():
    house = house_of()
    store: Any = house.store
    store.is_down = True
    await feel(house)
    assert (told(house, "database"), told(house, "engine")) == (0, 1)
    assert await ready(house) == (200, {"status": "ready", "waiting_for": "database"})
    store.is_down = False
    await feel(house)
    assert told(house, "database") == 1
    assert await ready(house) == (200, {"status": "ready"})


async def test_a_database_that_hangs_holds_nothing_up(monkeypatch):
    house, gate = house_of(), asyncio.Event()
    monkeypatch.setattr("bot.pulse._PATIENCE", 0.01)
    monkeypatch.setattr(house.store, "check", gate.wait)
    await feel(house)
    assert told(house, "database") == 0
    assert await ready(house) == (200, {"status": "ready", "waiting_for": "database"})


async def test_without_an_engine_it_stays_open_too():
    breaker = Breaker(failures=1)
    house = house_of(Guarded(ScriptedEngine(), "far", Numbers(), breaker))
    await house.engine.start()
    breaker.fail(breaker.admit())
    await feel(house)
    assert (told(house, "database"), told(house, "engine")) == (1, 0)
    assert await ready(house) == (200, {"status": "ready", "waiting_for": "engine"})


async def test_an_engine_that_is_back_is_felt_though_nobody_asks(monkeypatch):
    monkeypatch.setattr("core.engine.guarded._LOOK", 0.001)
    inner = ScriptedEngine([Unavailable()])
    house = house_of(Guarded(inner, "far", Numbers(), Breaker(failures=1, rest=0.01)))
    await house.engine.start()
    async with aclosing(house.engine.stream(QUESTION, SamplingParams())) as deltas:
        with pytest.raises(Unavailable):
            await anext(deltas)
    await feel(house)
    assert told(house, "engine") == 0
    inner.script = HELLO
    async with asyncio.timeout(10):
        while told(house, "engine") == 0:
            await asyncio.sleep(0.001)
            await feel(house)
    assert await ready(house) == (200, {"status": "ready"})
    await house.engine.stop()


@pytest.mark.parametrize("has_another", [True, False])
async def test_a_model_that_is_lost_for_good_gives_the_process_up_where_nobody_stands_in(caplog, has_another):
    here, breaker = Guarded(Lost(demo_folder()), "here", Numbers()), Breaker(failures=1)
    far = Guarded(ScriptedEngine(), "far", Numbers(), breaker)
    house = house_of(Fallback([here, far], Numbers()) if has_another else here)
    await far.start()
    if has_another:
        await feel(house)
        assert (told(house, "engine"), house.broken.is_set()) == (1, False), "whoever answers is lost with it"
        breaker.fail(breaker.admit())
    for _ in range(2):
        await feel(house)
    assert told(house, "engine") == 0
    assert house.broken.is_set()
    assert await ready(house) == (503, {"status": "not ready", "waiting_for": "another process"})
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "model in this process is lost" in error.getMessage()
    assert "supervisor starts it anew" in error.getMessage()


async def test_work_that_ends_by_an_error_gives_the_process_up(caplog):
    async def fails() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            raise KeyError(SECRET)

    house = house_of()
    working = asyncio.create_task(fails())
    await asyncio.wait({working})
    _deaf(house, working)
    assert house.broken.is_set()
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "supervisor starts it anew" in error.getMessage()
    assert "KeyError" in error.getMessage()
    assert SECRET not in caplog.text


async def test_work_that_is_called_off_is_no_fault(caplog):
    house = house_of()
    working = asyncio.create_task(asyncio.sleep(60))
    working.cancel()
    await asyncio.wait({working})
    _deaf(house, working)
    assert not house.broken.is_set()
    assert caplog.text == ""


async def test_work_that_fails_while_the_house_is_closed_does_not_make_a_failure_of_its_end(caplog):
    async def fails() -> None:
        raise KeyError

    house = house_of()
    house.is_closing = True
    working = asyncio.create_task(fails())
    await asyncio.wait({working})
    _deaf(house, working)
    assert not house.broken.is_set()
    assert working.exception()  # which is asked for, so that nobody complains of it later
    assert caplog.text == ""


async def test_one_bad_round_is_not_the_last_one(monkeypatch, caplog):
    house, rounds = house_of(), asyncio.Queue[bool]()

    async def check() -> None:
        rounds.put_nowait(True)
        raise ValueError(SECRET)

    monkeypatch.setattr("bot.pulse._SECONDS", 0.0)
    monkeypatch.setattr(house.store, "check", check)
    beating = asyncio.create_task(beat(house))
    for _ in range(2):
        await asyncio.wait_for(rounds.get(), 5)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    assert "could not be felt: ValueError" in caplog.text
    assert SECRET not in caplog.text
