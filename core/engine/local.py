"""A DeepSeek model in this process, answering many threads at once."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from core.engine.machine import Machine
from core.errors import Busy, EngineError, Misconfigured, TooLong, Unavailable, trace
from core.ports import Capabilities, Conversation, Delta, Model
from core.turn import SamplingParams, Utterance

if TYPE_CHECKING:
    from core.engine.checkpoint import Checkpoint
    from core.engine.running import Running
    from core.engine.scheduler import Told
    from core.engine.sequence import Event, Sequence

log = logging.getLogger(__name__)

DEMO = Path(__file__).parent / "demo" / "model"

RESTARTS = 3
"""A model that is lost more often, within as long as that many losses may take, needs a new process."""

_WATCH_SECONDS = 0.25
_STEPS_TO_BEGIN = 5  # as long as so many of the longest steps may it take until the model works again

_MOMENT = 0.5
"""Seconds: where reading takes longer, enough is known of the machine's speed."""


class LocalEngine:
    """Runs a checkpoint with its own scheduler. torch and transformers are imported by `start()`, in its thread.

    `source` is a folder or a hub id; `device`, `dtype`, `quantisation` and `device_map` are `checkpoint.load`'s.
    `slots` answers are generated at once and `max_waiting` requests may wait for a slot; `threads` are processor
    threads, 0 for as many as suit the model; `context` bounds, in tokens, what is read and written together where the
    model itself would allow more. What a thread's conversation left in the cache is kept for its next turn: `kept_mb`
    megabytes at most (None for what suits the memory there is), `kept_seconds` long. Where other models have to live
    here too, `share` of the free memory is for this one.
    An answer may take `request_seconds`, a single step of the model `step_seconds`: then it hangs, and is restarted.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        quantisation: str = "none",
        device_map: str = "",
        slots: int = 16,
        max_waiting: int = 96,
        threads: int = 0,
        context: int = 8192,
        share: float = 1.0,
        kept_mb: int | None = None,
        kept_seconds: float = 1800,
        request_seconds: float = 600,
        step_seconds: float = 20,
    ) -> None:
        self._source = str(source)
        self._how = {"device": device, "dtype": dtype, "quantisation": quantisation, "device_map": device_map}
        self._slots, self._limit, self._threads, self._context = slots, slots + max_waiting, threads, context
        self._share, self._kept_mb, self._kept_seconds = share, kept_mb, kept_seconds
        self._request_seconds, self._step_seconds = request_seconds, step_seconds
        self._in_house = 0
        self._live: set[Sequence] = set()
        self._thread: Thread | None = None
        self._running: Running | None = None
        self._watching: asyncio.Task[None] | None = None
        self._restarts: deque[float] = deque(maxlen=RESTARTS)
        self._is_broken = False
        self._is_begun = asyncio.Event()
        self._anew_since = 0.0

    @property
    def model(self) -> Model:
        """Raises Unavailable before the engine was started."""
        return self._ready().checkpoint.model

    @property
    def capabilities(self) -> Capabilities:
        """Whether the model reasons, and whether its template takes tools, is known once it is loaded."""
        if not self._running:
            return Capabilities()
        prompts = self._running.checkpoint.prompts
        return Capabilities(tools=prompts.calls is not None, reasoning=prompts.reasons)

    @property
    def in_house(self) -> int:
        """How many are being answered or wait for it."""
        return max(self._in_house, self.speaking)

    @property
    def slots(self) -> int:
        """How many are answered at once; fewer than were asked for where there is no memory for them."""
        return self._running.scheduler.slots if self._running else self._slots

    @property
    def speaking(self) -> int:
        """How many of the slots are taken."""
        return self._running.scheduler.slots_in_use if self._running and self._is_begun.is_set() else 0

    @property
    def machine(self) -> Machine | None:
        """What the model runs on; None where it does not. Asks the device how much of its memory is free."""
        return self._running.machine if self._running and self._is_begun.is_set() and not self._is_broken else None

    @property
    def is_healthy(self) -> bool:
        """False once restarting did not help: only a new process will."""
        return not self._is_broken

    async def start(self) -> None:
        """Loads the model and has it say something; raises Misconfigured where it can't be loaded."""
        if self._thread:
            return
        self._is_broken = False
        self._restarts.clear()
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[Running] = loop.create_future()
        self._thread = self._begin(self._load_and_run, loop, loaded)
        try:
            self._running = await loaded
            self._is_begun.set()
            await self._warm_up()
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._watch(), name="engine watchdog")

    async def stop(self) -> None:
        """Ends after the current step; whoever has no answer yet is told Unavailable."""
        if self._watching:
            self._watching.cancel()
        running, thread, self._running, self._thread = self._running, self._thread, None, None
        self._is_begun.set()
        if running and thread:
            running.scheduler.close()
            await asyncio.to_thread(thread.join, self._step_seconds)
        for sequence in tuple(self._live):
            sequence.tell(Unavailable())

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Unavailable, Busy, Malformed or TooLong before the first delta, Unavailable also later."""
        self._ready()
        with self._place():
            await self._is_begun.wait()
            events: asyncio.Queue[Event] = asyncio.Queue()
            sequence = await asyncio.to_thread(self._ready().sequence, conversation, params, events.put_nowait)
            self._ready().scheduler.submit(sequence)
            with self._alive(sequence):
                while True:
                    event = await events.get()
                    if not isinstance(event, Delta):
                        raise event
                    yield event
                    if event.finish:
                        return

    async def count(self, conversation: Conversation) -> int:
        """Tokens of the rendered prompt, exactly; raises Malformed or Unavailable."""
        return await asyncio.to_thread(self._ready().count, conversation)

    def _ready(self) -> "Running":
        if not self._running or self._is_broken:
            raise Unavailable
        return self._running

    @contextmanager
    def _alive(self, sequence: "Sequence") -> Iterator[None]:
        """While its events are read; in the end its time is up, whatever the model does."""
        late = asyncio.get_running_loop().call_later(self._request_seconds, sequence.expire)
        self._live.add(sequence)
        try:
            yield
        finally:
            late.cancel()
            self._live.discard(sequence)
            sequence.cancel()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._in_house >= self._limit:
            raise Busy(f"{self._limit} are being answered or wait; please ask again in a moment")
        self._in_house += 1
        try:
            yield
        finally:
            self._in_house -= 1

    async def _warm_up(self) -> None:
        """Has it read ever more, as long as that takes no time: then it is known how fast it reads."""
        await self._greet(4)
        with suppress(TooLong):
            for words in (32, 64, 128, 256):
                began = monotonic()
                await self._greet(words)
                if monotonic() - began > _MOMENT:
                    return

    async def _greet(self, words: int) -> None:
        conversation = Conversation("", (Utterance("user", "Hello " * words),))
        async with aclosing(self.stream(conversation, SamplingParams(temperature=0, max_new_tokens=2))) as deltas:
            async for _ in deltas:
                pass

    # ------------------------------------------------------------------------------------------------ the watchdog

    async def _watch(self) -> None:
        """A model that hangs, or whose thread has died, is started again; its callers are told at once."""
        while not self._is_broken:
            await asyncio.sleep(_WATCH_SECONDS)
            running, thread = self._running, self._thread
            try:
                if running and thread and not self._is_begun.is_set():
                    self._must_begin(running, thread)
                elif running and thread and (why := self._why_lost(running, thread)):
                    self._restart(running, why)
            except Exception as error:  # as of a thread that the system does not give: nobody would watch any more
                log.error("The engine cannot be started again: %s", trace(error))
                self._lose()

    def _must_begin(self, lost: "Running", thread: Thread) -> None:
        """A device that hangs keeps the new thread too: nothing in this process helps then."""
        seconds = monotonic() - self._anew_since
        if not thread.is_alive():
            self._restart(lost, "it could not begin anew")
        elif seconds > _STEPS_TO_BEGIN * self._step_seconds:
            log.error("The engine has not begun again for %.0f s. Only a new process can bring it back.", seconds)
            self._lose()

    def _lose(self) -> None:
        self._is_broken = True
        self._is_begun.set()

    def _why_lost(self, running: "Running", thread: Thread) -> str:
        if not thread.is_alive():
            return "its thread has died"
        seconds = running.scheduler.busy_seconds
        return f"a step has been running for {seconds:.0f} s" if seconds > self._step_seconds else ""

    def _restart(self, lost: "Running", why: str) -> None:
        lost.scheduler.abandon()
        now = monotonic()
        within = max(60.0, RESTARTS * (1 + _STEPS_TO_BEGIN) * self._step_seconds)
        self._is_broken = len(self._restarts) == RESTARTS and now - self._restarts[0] < within
        self._restarts.append(now)
        if self._is_broken:
            log.error("The engine does not recover: %s. Only a new process can bring it back.", why)
        else:
            log.error("The engine is started again: %s. Its %d answers are given up.", why, len(self._live))
        for sequence in tuple(self._live):
            sequence.tell(_given_up())
        if self._is_broken:
            self._is_begun.set()
            return
        self._is_begun.clear()
        self._anew_since = now
        self._thread = self._begin(self._begin_anew, lost, asyncio.get_running_loop())

    def _take_over(self, lost: "Running", running: "Running") -> None:
        if self._running is not lost or self._is_broken:  # stopped, or given up, meanwhile
            running.scheduler.close()
        else:
            self._running = running
            self._is_begun.set()

    # ------------------------------------------------------------------------- its own thread, which owns the model

    def _begin(self, target: Callable[..., None], *args: object) -> Thread:
        thread = Thread(target=target, args=args, name="parley-engine", daemon=True)
        thread.start()
        return thread

    def _begin_anew(self, lost: "Running", loop: asyncio.AbstractEventLoop) -> None:
        """All of it here: what waits for a device that hangs must not hold up the event loop."""
        try:
            lost.release()
            running = self._set_up(lost.checkpoint, loop)
            running.warm_up()
        except Exception as error:  # the watchdog sees that this thread has ended
            log.error("The engine cannot be started again: %s", trace(error))
            return
        _call(loop, self._take_over, lost, running)
        running.run()

    def _load_and_run(self, loop: asyncio.AbstractEventLoop, loaded: "asyncio.Future[Running]") -> None:
        try:
            running = self._load(loop)
        except Exception as error:
            _call(loop, _fail, loaded, error)
            return
        _call(loop, _hand_over, loaded, running)
        running.run()

    def _load(self, loop: asyncio.AbstractEventLoop) -> "Running":
        from core.engine.checkpoint import load
        from core.engine.shortage import is_short_of_memory

        running = self._set_up(load(self._source, context=self._context, **self._how), loop)
        try:
            running.warm_up()
        except Exception as error:
            if not is_short_of_memory(error):
                raise
            raise Misconfigured(
                f"The model {self._source} is loaded, and there is no memory left to work with. Set engine.slots or "
                "engine.context lower."
            ) from error
        return running

    def _set_up(self, checkpoint: "Checkpoint", loop: asyncio.AbstractEventLoop) -> "Running":
        from core.engine.running import Running

        return Running(
            checkpoint,
            lambda told: _call(loop, _tell, told),
            slots=self._slots,
            share=self._share,
            threads=self._threads,
            kept=None if self._kept_mb is None else self._kept_mb * 2**20,
            kept_seconds=self._kept_seconds,
        )


def _given_up() -> EngineError:
    return Unavailable("it had to be started again; please ask again")


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(function, *args)


def _hand_over(loaded: "asyncio.Future[Running]", running: "Running") -> None:
    if loaded.cancelled():
        running.scheduler.close()
    else:
        loaded.set_result(running)


def _fail(loaded: "asyncio.Future[Running]", error: Exception) -> None:
    if not loaded.cancelled():
        loaded.set_exception(error)


def _tell(told: "Told") -> None:
    for sequence, event in told:
        sequence.tell(event)
