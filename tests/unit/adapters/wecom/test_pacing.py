"""How often a conversation is written to. Time is the test's own: nobody waits."""

import asyncio
import json
from datetime import timedelta
from itertools import pairwise

import pytest

from adapters.wecom import pacing as room
from adapters.wecom.pacing import Pacer, SharedPacer
from core.errors import RateLimited
from core.message import Author
from tests.fakes.store import MemoryStore

ANNA, BO = "anna", "bo"


class Time:
    """A clock that a sleep moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch) -> Time:
    time = Time()
    monkeypatch.setattr(room, "sleep", time.sleep)
    return time


async def moments(pacer: Pacer, time: Time, count: int) -> list[float]:
    """When so many calls that matter had their place."""
    found = []
    for _ in range(count):
        assert await pacer.place(ANNA)
        found.append(time.now)
    return found


async def frames(pacer: Pacer, time: Time, seconds: float, every: float = 0.1) -> list[float]:
    """When an interim frame had its place, asked for again and again."""
    found, end = [], time.now + seconds
    while time.now < end:
        if await pacer.place(ANNA, is_interim=True):
            found.append(time.now)
        time.now += every
    return found


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(1 for at in moments if start <= at < start + seconds) for start in moments)


async def test_what_matters_is_never_more_than_wecom_takes(time):
    pacer = Pacer(clock=time, patience=float("inf"))
    found = await moments(pacer, time, 1200)
    assert most_within(found, 60.0) <= 30
    assert most_within(found, 3600.0) <= 1000


async def test_the_first_pieces_of_an_answer_go_out_at_once(time):
    assert await moments(Pacer(clock=time), time, 28) == [1000.0] * 28
    assert (await moments(Pacer(clock=time), time, 29))[-1] > 1060.0


async def test_another_conversation_has_a_share_of_its_own(time):
    pacer = Pacer(clock=time)
    await moments(pacer, time, 28)
    assert await pacer.place(BO)
    assert time.now == 1000.0


async def test_a_moment_that_is_far_away_is_not_waited_for(time):
    pacer = Pacer(clock=time, patience=30.0)
    await moments(pacer, time, 28)
    with pytest.raises(RateLimited) as limited:
        await pacer.place(ANNA)
    assert limited.value.retry_after.total_seconds() == pytest.approx(61.0)
    assert time.now == 1000.0


async def test_frames_that_grow_leave_room_for_what_matters(time):
    pacer = Pacer(clock=time)
    grown = await frames(pacer, time, 120.0)
    assert most_within(grown, 60.0) <= 20
    began = time.now
    assert await moments(pacer, time, 8) == [began] * 8


async def test_growth_slows_down_and_never_stops(time):
    grown = await frames(Pacer(clock=time), time, 300.0)
    gaps = [later - earlier for earlier, later in pairwise(grown)]
    assert gaps[0] < 1.0
    assert max(gaps) < 10.0
    assert len(grown) > 60


async def test_what_has_no_place_is_not_counted(time):
    pacer = Pacer(clock=time)
    assert await pacer.place(ANNA, is_interim=True)
    assert not any([await pacer.place(ANNA, is_interim=True) for _ in range(100)])
    time.now += 10.0
    assert pacer.interim_wait(ANNA) == 0.0


async def test_who_asks_is_told_when_there_is_room_again(time):
    pacer = Pacer(clock=time)
    for _ in range(50):
        time.now += pacer.interim_wait(ANNA)
        assert await pacer.place(ANNA, is_interim=True)


async def test_an_hour_of_growth_leaves_room_for_its_end(time):
    pacer = Pacer(clock=time)
    assert most_within(await frames(pacer, time, 4000.0, every=0.5), 3600.0) <= 800
    began = time.now
    await pacer.place(ANNA)
    assert time.now == began


async def test_who_was_asked_to_wait_waits(time):
    pacer = Pacer(clock=time)
    pacer.hold(ANNA, 20.0)
    assert not await pacer.place(ANNA, is_interim=True)
    assert await pacer.place(ANNA)
    assert time.now == 1020.0


async def test_conversations_long_silent_are_forgotten(time):
    pacer = Pacer(clock=time)
    for number in range(3000):
        await pacer.place(f"user{number}")
        time.now += 10.0
    assert len(pacer._taken) < 2000


# --------------------------------------------------------------------------------------------- over several processes


def shared(time: Time, store: MemoryStore, clock_at: float = 0.0, scope: str = "app") -> SharedPacer:
    """The pacer of a process whose own clock began some other time."""
    return SharedPacer(
        store.notes, scope, whose=member, clock=lambda: time.now - clock_at, wall=lambda: time.now + 1.7e9
    )


def member(user: str) -> Author:
    return Author("wecom-app", "ww0000000000000000", user)


async def test_processes_that_share_a_count_do_not_outrun_it_together(time):
    store, found = MemoryStore(), []
    pacers = [shared(time, store), shared(time, store, 500.0), shared(time, store, -9000.0)]
    for number in range(150):
        assert await pacers[number % 3].place(ANNA)
        found.append(time.now)
    assert most_within(found, 60.0) <= 30


async def test_a_process_knows_what_another_one_sent(time):
    store = MemoryStore()
    first, second = shared(time, store), shared(time, store, 500.0)
    for _ in range(28):
        await first.place(ANNA)
    assert time.now == 1000.0
    assert not await second.place(ANNA, is_interim=True)
    assert await second.place(BO)
    assert await second.place(ANNA)
    assert time.now == pytest.approx(1061.0, abs=0.01)


async def test_two_apps_count_by_themselves(time):
    store = MemoryStore()
    for _ in range(28):
        await shared(time, store).place(ANNA)
    await shared(time, store, scope="other").place(ANNA)
    assert time.now == 1000.0


async def test_calls_of_one_moment_are_all_counted(time):
    store = MemoryStore()
    pacer = shared(time, store)
    await asyncio.gather(*(pacer.place(ANNA) for _ in range(28)))
    assert not await shared(time, store).place(ANNA, is_interim=True)
    assert await shared(time, store).place(ANNA)
    assert time.now == pytest.approx(1061.0, abs=0.01)


async def test_what_the_release_before_has_counted_is_taken_over_and_its_own_name_left_to_it(time):
    """It cannot read what is sealed for the person, and may be gone back to."""
    store, old, counted = MemoryStore(), f"wecom/pace/app/{ANNA}", [time.now + 1.7e9 - 1] * 28
    await store.notes.put(old, json.dumps(counted).encode(), about=member(ANNA), lifetime=timedelta(hours=1))
    began = time.now
    assert await shared(time, store).place(ANNA)
    assert time.now - began > 50
    assert await store.notes.get(old) is None
