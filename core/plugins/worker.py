"""A thread of its own for each file of plugins: what breaks there, or blocks it, harms nobody else."""

import asyncio
import ctypes
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from threading import Thread
from typing import Any, Generic, TypeVar

from core.errors import ParleyError, trace

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE = 1.0  # seconds that work has to end in once it is cut
_LEAVING = 3.0  # seconds that what was entered has for being left


class Hung(ParleyError):
    """The plugin blocks its thread and could not be stopped."""


class Broken(ParleyError):
    """The plugin raised what would have ended more than itself."""


class _Ended(SystemExit):
    """Raised inside a thread that was given up; of all exceptions it is the one that a thread ends by quietly."""


class _Call(Generic[T]):
    """Work in the thread's loop, and the future by which the loop that asked for it hears what became of it."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.outcome.add_done_callback(lambda outcome: outcome.cancelled() or outcome.exception())  # heard in any case
        self._is_cut = False

    def begin(self, work: "_Work[T]") -> None:
        self.task = asyncio.get_running_loop().create_task(work(self))
        self.task.add_done_callback(self._end)

    def cut(self) -> None:
        self._is_cut = True
        self.task.cancel()

    def succeed(self, value: T) -> None:
        self._tell(self.outcome.set_result, value)

    def fail(self, error: Exception) -> None:
        self._tell(self.outcome.set_exception, error)

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.fail(TimeoutError() if self._is_cut else Broken("CancelledError"))
        elif (error := task.exception()) is None:
            self.succeed(task.result())
        else:
            self.fail(error if isinstance(error, Exception) else Broken(type(error).__name__))

    def _tell(self, tell: Callable[[Any], None], what: object) -> None:
        """From any thread; the first that is told counts."""
        with suppress(RuntimeError):  # whoever asked is gone, with their loop
            self.outcome.get_loop().call_soon_threadsafe(lambda: None if self.outcome.done() else tell(what))


_Work = Callable[[_Call[T]], Coroutine[Any, Any, T]]


class Worker:
    """Runs what is foreign in a loop of its own, for callers in any other loop.

    What blocks the thread for too long is `Hung`: the thread is given up, and with it all that runs there. A loop in
    Python is ended, unless it catches that as well; a call that waits in the system goes on until it returns, in a
    thread that keeps no process from ending. Code in C that never lets go of the interpreter's lock, such as `9**9**9`,
    stops every thread of the process: no worker can help there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_hung = False
        self._is_over = False
        self._calls: set[_Call[Any]] = set()
        self._stays: set[asyncio.Task[Any]] = set()
        self._leave, self._end = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._log)
        self._thread = Thread(target=self._serve, name=f"plugin-{name}", daemon=True)
        self._thread.start()

    async def load(self, function: Callable[[], T], *, seconds: float) -> T:
        """What a plain function returns; raises as `run` does."""

        async def loaded() -> T:
            return function()

        return await self.run(loaded, seconds=seconds)

    async def run(self, make: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """What the awaitable returns or raises; who cancels the caller cancels it, too.

        Raises TimeoutError where it was cut after so many seconds, Hung where it did not even end then, and Broken in
        place of SystemExit and its like.
        """

        async def work(_: _Call[T]) -> T:
            return await make()

        return await self._outcome(work, seconds)

    async def enter(self, make: Callable[[], AbstractAsyncContextManager[T]], *, seconds: float) -> T:
        """Enters a context, and leaves it in the same task when the worker closes; raises as `run` does."""

        async def stay(call: _Call[T]) -> T:
            async with make() as value:
                call.succeed(value)
                self._stays.add(call.task)
                call.task.add_done_callback(self._left)
                await self._leave.wait()
            return value

        return await self._outcome(stay, seconds)

    async def close(self) -> None:
        """Leaves what was entered, cancels what still runs, and ends the thread; takes some seconds at most."""
        if self._is_over:
            return
        with suppress(TimeoutError, Hung):
            await self.run(self._quit, seconds=_LEAVING)
        if not self.is_hung:
            self._stop()
            await asyncio.to_thread(self._thread.join, PATIENCE)

    async def _outcome(self, work: _Work[T], seconds: float) -> T:
        if self._is_over:
            raise Hung(self.name)
        call: _Call[T] = _Call()
        self._calls.add(call)
        self._soon(call.begin, work)
        try:
            await asyncio.wait([call.outcome], timeout=seconds)
            if not call.outcome.done():
                self._soon(call.cut)
                await asyncio.wait([call.outcome], timeout=PATIENCE)
            if not call.outcome.done():
                self._give_up()
            return await call.outcome
        finally:
            self._calls.discard(call)
            if call.outcome.cancel():  # it was not over: whoever asked was cancelled
                self._soon(call.cut)

    async def _quit(self) -> None:
        self._leave.set()
        if self._stays:
            await asyncio.wait(self._stays)

    def _left(self, stay: asyncio.Task[Any]) -> None:
        self._stays.discard(stay)
        if not stay.cancelled() and (error := stay.exception()):
            self._log(self._loop, {"exception": error})

    def _give_up(self) -> None:
        self.is_hung = True
        for call in tuple(self._calls):  # first of all: what is raised in the thread is told by its call as well
            call.fail(Hung(self.name))
        if not self._is_over:  # until then the thread is there, and no other has its number
            ended, number = ctypes.py_object(_Ended), ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ended)
            self._stop()

    def _stop(self) -> None:
        self._is_over = True
        self._soon(self._end.set)

    def _soon(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nothing runs in it any more
            self._loop.call_soon_threadsafe(callback, *args)

    def _serve(self) -> None:
        while not self._is_over:
            with suppress(BaseException):  # a task that raises SystemExit ends with it, and the loop does not
                self._loop.run_until_complete(self._end.wait())
        with suppress(BaseException):
            self._loop.run_until_complete(_cancel_others())
        with suppress(BaseException):
            self._loop.close()

    def _log(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.is_hung:  # who was given up leaves nothing but loose ends
            error = context.get("exception")
            log.warning("in the thread of the plugin %s: %s", self.name, trace(error) if error else context["message"])


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)
