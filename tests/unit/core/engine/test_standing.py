"""How engines stand, as operators see it."""

import asyncio
from contextlib import aclosing

from core.engine import Breaker, Circuit, Fallback, Guarded, LocalEngine, RemoteEngine, Routed, demo_folder, standing
from core.ports import Conversation
from core.turn import SamplingParams, Utterance
from tests.fakes.engine import ScriptedEngine
from tests.fakes.metrics import Numbers

QUESTION = Conversation("", (Utterance("user", "Hello"),))


def guarded(name: str, engine=None, breaker: Breaker | None = None) -> Guarded:
    return Guarded(engine or ScriptedEngine(), name, Numbers(), breaker)


async def test_an_engine_by_itself_is_named_by_its_model():
    (alone,) = standing(ScriptedEngine())
    assert (alone.name, alone.places) == ("", {"": 1})
    assert alone.model == ScriptedEngine().model
    assert (alone.slots, alone.machine, alone.addresses) == (None, None, ())


async def test_who_stands_in_is_told_once_with_each_place():
    talk, code, far = guarded("talk"), guarded("code"), guarded("far")
    engine = Routed(
        {"chat": Fallback([talk, far], Numbers()), "code": Fallback([code, far, talk], Numbers())}, default="chat"
    )
    assert [(one.name, one.places) for one in standing(engine)] == [
        ("talk", {"chat": 1, "code": 3}),
        ("far", {"chat": 2, "code": 2}),
        ("code", {"code": 1}),
    ]


async def test_a_breaker_is_told_as_it_stands():
    breaker = Breaker(failures=1)
    engine = guarded("one", breaker=breaker)
    await engine.start()
    (well,) = standing(engine)
    breaker.fail(breaker.admit())
    (ill,) = standing(engine)
    assert (well.circuit, well.is_healthy) == (Circuit.CLOSED, True)
    assert (ill.circuit, ill.is_healthy) == (Circuit.OPEN, False)


async def test_who_was_told_nothing_yet_waits():
    gate = asyncio.Event()
    engine = guarded("one", ScriptedEngine(gate=gate))
    await engine.start()
    async with aclosing(engine.stream(QUESTION, SamplingParams())) as deltas:
        first = asyncio.create_task(anext(deltas))
        await asyncio.sleep(0)
        assert standing(engine)[0].waiting == 1
        gate.set()
        await first
        assert standing(engine)[0].waiting == 0


async def test_servers_that_were_not_reached_yet_have_a_limit_and_no_model():
    engine = RemoteEngine(["http://127.0.0.1:9/v1"], limit=7)
    (far,) = standing(engine)
    assert (far.model, far.slots, far.taken, far.addresses) == (None, 7, 0, ())


async def test_a_model_in_this_process_is_told_with_its_machine():
    engine = LocalEngine(demo_folder(), device="cpu", slots=3)
    assert (standing(engine)[0].model, standing(engine)[0].machine) == (None, None)
    await engine.start()
    try:
        (here,) = standing(engine)
    finally:
        await engine.stop()
    assert here.model
    assert here.model.is_demo
    assert (here.slots, here.taken, here.waiting) == (3, 0, 0)
    machine = here.machine
    assert machine
    assert (machine.device, machine.dtype, machine.quantisation) == ("cpu", "float32", "none")
    assert machine.weights > 1_000_000
    assert (machine.free or 0) > 0
    assert (machine.free or 0) <= (machine.total or 0)
