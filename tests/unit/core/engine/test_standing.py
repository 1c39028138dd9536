"""How engines stand, as operators see it."""

import asyncio
from contextlib import aclosing

import pytest

from core.engine import (
    Breaker,
    Circuit,
    Fallback,
    Guarded,
    LocalEngine,
    RemoteEngine,
    Routed,
    demo_folder,
    is_broken,
    is_up,
    standing,
)
from core.errors import Unavailable
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


async def test_an_engine_that_was_let_alone_is_up_again_once_somebody_was_answered():
    seconds = [0.0]
    breaker = Breaker(failures=1, rest=5, clock=lambda: seconds[0])
    engine = guarded("one", breaker=breaker)
    assert not is_up(engine), "it was not started"
    await engine.start()
    assert is_up(engine)
    breaker.fail(breaker.admit())
    assert not is_up(engine)
    seconds[0] = 6
    assert engine.is_healthy, "somebody may come and try it out"
    assert not is_up(engine), "and nobody has"
    async with aclosing(engine.stream(QUESTION, SamplingParams())) as deltas:
        assert [delta async for delta in deltas]
    assert is_up(engine)


async def test_every_kind_of_question_needs_somebody_who_answers():
    breakers = {name: Breaker(failures=1) for name in ("talk", "code", "far")}
    talk, code, far = (guarded(name, breaker=breaker) for name, breaker in breakers.items())
    engine = Routed({"chat": Fallback([talk, far], Numbers()), "code": code}, default="chat")
    for one in (talk, code, far):
        await one.start()
    assert is_up(engine)
    breakers["talk"].fail(breakers["talk"].admit())
    assert is_up(engine), "another stands in"
    breakers["code"].fail(breakers["code"].admit())
    assert not is_up(engine), "and none for code"


def test_an_engine_that_says_nothing_of_its_health_is_up_and_whole():
    engine = ScriptedEngine()
    assert is_up(engine)
    assert not is_broken(engine)


class Lost(LocalEngine):
    """A model that does not recover."""

    is_lost = False

    @property
    def is_healthy(self) -> bool:
        return not self.is_lost


async def test_a_model_that_is_lost_for_good_is_told_whoever_stands_in_for_it():
    here, far = Lost(demo_folder()), guarded("far")
    engine = Routed({"chat": Fallback([guarded("here", here), far], Numbers())}, default="chat")
    await far.start()
    assert not is_broken(engine)
    here.is_lost = True
    assert is_broken(engine)
    assert is_up(engine)


async def test_a_server_that_is_away_needs_no_new_process():
    breaker = Breaker(failures=1)
    engine = guarded("far", RemoteEngine(["http://127.0.0.1:9/v1"]), breaker)
    with pytest.raises(Unavailable):
        _ = engine.model
    breaker.fail(breaker.admit())
    assert not is_up(engine)
    assert not is_broken(engine)
