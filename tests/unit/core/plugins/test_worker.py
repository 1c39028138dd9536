"""What a worker keeps from everybody else: errors, ends of the world, and work that never ends."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.plugins.worker import PATIENCE, Broken, Hung, Worker


@pytest.fixture
async def worker() -> AsyncGenerator[Worker, None]:
    worker = Worker("one")
    yield worker
    await worker.close()


@pytest.fixture
def block():
    """Blocks a thread in the system, where nothing can end it, until the test is over."""
    is_over = threading.Event()

    def wait() -> None:
        is_over.wait(60)

    yield wait
    is_over.set()


def spin() -> None:
    while True:
        pass


async def for_ever() -> None:
    await asyncio.Event().wait()


def refuse() -> None:
    raise ValueError("no")


async def here() -> str:
    return threading.current_thread().name


async def test_work_is_done_in_the_workers_own_thread(worker):
    assert await worker.run(here, seconds=5) == "plugin-one"
    assert await worker.load(lambda: threading.current_thread().name, seconds=5) == "plugin-one"


async def test_an_error_reaches_whoever_asked(worker):
    with pytest.raises(ValueError, match="no"):
        await worker.load(refuse, seconds=5)
    assert await worker.run(here, seconds=5)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
async def test_what_would_end_the_house_is_an_error_like_any_other(worker, error):
    async def end() -> None:
        raise error

    with pytest.raises(Broken, match=type(error).__name__):
        await worker.run(end, seconds=5)
    assert await worker.run(here, seconds=5)


async def test_a_task_that_exits_by_itself_leaves_the_loop_to_the_others(worker):
    async def exit_() -> None:
        raise SystemExit(3)

    async def beside() -> str:
        task = asyncio.create_task(exit_())
        await asyncio.wait([task])
        assert isinstance(task.exception(), SystemExit)
        return "went on"

    assert await worker.run(beside, seconds=5) == "went on"


async def test_work_that_takes_too_long_is_cut(worker):
    has_ended = threading.Event()

    async def slow() -> None:
        try:
            await for_ever()
        finally:
            has_ended.set()

    with pytest.raises(TimeoutError):
        await worker.run(slow, seconds=0.05)
    assert has_ended.is_set()
    assert not worker.is_hung
    assert await worker.run(here, seconds=5)


async def test_who_cancels_the_caller_cancels_the_work(worker):
    has_begun, has_ended = threading.Event(), threading.Event()

    async def slow() -> None:
        has_begun.set()
        try:
            await for_ever()
        finally:
            has_ended.set()

    asking = asyncio.create_task(worker.run(slow, seconds=60))
    await asyncio.to_thread(has_begun.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(has_ended.wait, 10)


async def test_work_of_one_waits_while_work_of_another_goes_on(worker):
    """Otherwise a plugin that waits for the network would be one for a single person at a time."""
    meeting = [asyncio.Event(), asyncio.Event()]

    async def meet(mine: int) -> None:
        meeting[mine].set()
        await meeting[1 - mine].wait()

    await asyncio.gather(*(worker.run(lambda i=i: meet(i), seconds=10) for i in (0, 1)))


async def test_what_blocks_its_thread_is_hung_while_the_house_goes_on(block):
    worker = Worker("two")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    began = time.monotonic()
    with pytest.raises(Hung, match="two"):
        await worker.load(block, seconds=0.1)
    assert 0.1 + PATIENCE <= time.monotonic() - began < 0.1 + PATIENCE + 2
    assert beats > 10
    assert worker.is_hung
    with pytest.raises(Hung):
        await worker.run(here, seconds=60)
    await worker.close()
    beating.cancel()


async def test_a_loop_in_python_is_ended():
    worker = Worker("three")
    with pytest.raises(Hung):
        await worker.load(spin, seconds=0.05)
    await asyncio.to_thread(worker._thread.join, 10)
    assert not worker._thread.is_alive()
    await worker.close()


async def test_all_who_wait_for_a_hung_worker_hear_it_at_once(block):
    worker = Worker("four")
    waiting = asyncio.create_task(worker.run(for_ever, seconds=60))
    with pytest.raises(Hung):
        await worker.load(block, seconds=0.05)
    with pytest.raises(Hung):
        await asyncio.wait_for(waiting, 5)
    await worker.close()


async def test_a_context_is_entered_and_left_in_one_task():
    worker, seen = Worker("five"), []

    @asynccontextmanager
    async def context() -> AsyncIterator[str]:
        seen.append(asyncio.current_task())
        async with asyncio.timeout(60):  # refuses to be left in another task than it was entered in
            yield "inside"
        seen.append(asyncio.current_task())

    assert await worker.enter(context, seconds=5) == "inside"
    assert len(seen) == 1
    await worker.close()
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert not worker._thread.is_alive()


async def test_a_context_that_cannot_be_entered_says_why(worker):
    @asynccontextmanager
    async def context() -> AsyncIterator[None]:
        refuse()
        yield

    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        await for_ever()
        yield

    with pytest.raises(ValueError, match="no"):
        await worker.enter(context, seconds=5)
    with pytest.raises(TimeoutError):
        await worker.enter(never, seconds=0.05)


async def test_an_error_on_the_way_out_is_logged_without_its_words(caplog):
    worker, words = Worker("six"), "the " + "secret"

    @asynccontextmanager
    async def context() -> AsyncIterator[None]:
        yield
        raise ValueError(words)

    await worker.enter(context, seconds=5)
    await worker.close()
    assert "plugin six: ValueError" in caplog.text
    assert words not in caplog.text


async def test_closing_ends_what_still_runs():
    worker, has_ended = Worker("seven"), threading.Event()

    async def background() -> None:
        try:
            await for_ever()
        finally:
            has_ended.set()

    tasks = []

    async def begin() -> None:
        tasks.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    await worker.run(begin, seconds=5)
    await worker.close()
    await worker.close()
    assert has_ended.is_set()
    assert not worker._thread.is_alive()


async def test_who_still_waits_when_it_closes_hears_of_it():
    worker, has_begun = Worker("eight"), threading.Event()

    async def wait() -> None:
        has_begun.set()
        await for_ever()

    waiting = asyncio.create_task(worker.run(wait, seconds=60))
    await asyncio.to_thread(has_begun.wait, 10)
    await worker.close()
    with pytest.raises(Broken):
        await asyncio.wait_for(waiting, 5)


async def test_several_may_find_it_hung_at_once(block):
    """A thread that was ended already must not be ended again: another may have its number by then."""
    worker = Worker("nine")
    calls = [asyncio.create_task(worker.load(block, seconds=0.05)) for _ in range(5)]
    assert {type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)} == {Hung}
    await worker.close()
