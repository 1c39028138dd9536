"""A DeepSeek model in this process, answering many threads at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from core.errors import Busy, Unavailable
from core.ports import Capabilities, Conversation, Delta, Model
from core.turn import SamplingParams, Utterance

if TYPE_CHECKING:
    from core.engine.running import Running
    from core.engine.scheduler import Told
    from core.engine.sequence import Event

DEMO = Path(__file__).parent / "demo" / "model"


class LocalEngine:
    """Runs a checkpoint with its own scheduler. torch and transformers are imported by `start()`, in its thread.

    `source` is a folder or a hub id; `slots` answers are generated at once and `max_waiting` requests may wait for a
    slot; `threads` are processor threads, 0 for as many as suit the model; `context` bounds, in tokens, what is read
    and written together where the model itself would allow more.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        slots: int = 16,
        max_waiting: int = 96,
        threads: int = 0,
        context: int = 8192,
    ) -> None:
        self._source, self._device, self._dtype = str(source), device, dtype
        self._slots, self._limit, self._threads, self._context = slots, slots + max_waiting, threads, context
        self._in_house = 0
        self._thread: Thread | None = None
        self._running: Running | None = None

    @property
    def model(self) -> Model:
        """Raises Unavailable before the engine was started."""
        return self._live().checkpoint.model

    @property
    def capabilities(self) -> Capabilities:
        """Whether the model reasons is known once it is loaded."""
        return Capabilities(reasoning=self._running is not None and self._running.checkpoint.prompts.reasons)

    async def start(self) -> None:
        """Loads the model and has it say something; raises Misconfigured where it can't be loaded."""
        if self._thread:
            return
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[Running] = loop.create_future()
        self._thread = Thread(target=self._work, args=(loop, loaded), name="parley-engine", daemon=True)
        self._thread.start()
        try:
            self._running = await loaded
            await self._warm_up()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends after the current step; whoever has no answer yet is told Unavailable."""
        running, thread, self._running, self._thread = self._running, self._thread, None, None
        if running and thread:
            running.scheduler.close()
            await asyncio.to_thread(thread.join)

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Unavailable, Busy, Malformed or TooLong before the first delta, Unavailable also later."""
        running = self._live()
        with self._place():
            prompt = await asyncio.to_thread(running.prompt, conversation)
            events: asyncio.Queue[Event] = asyncio.Queue()
            sequence = running.submit(prompt, params, events.put_nowait)
            try:
                while True:
                    event = await events.get()
                    if not isinstance(event, Delta):
                        raise event
                    yield event
                    if event.finish:
                        return
            finally:
                sequence.cancel()

    async def count(self, conversation: Conversation) -> int:
        """Tokens of the rendered prompt, exactly; raises Malformed or Unavailable."""
        return await asyncio.to_thread(self._live().count, conversation)

    def _live(self) -> "Running":
        if not self._running:
            raise Unavailable
        return self._running

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
        conversation = Conversation("", (Utterance("user", "Hello"),))
        async with aclosing(self.stream(conversation, SamplingParams(temperature=0, max_new_tokens=2))) as deltas:
            async for _ in deltas:
                pass

    def _work(self, loop: asyncio.AbstractEventLoop, loaded: "asyncio.Future[Running]") -> None:
        """The engine's own thread: everything that touches the model happens here."""
        try:
            running = self._load(loop)
        except Exception as error:
            _call(loop, _fail, loaded, error)
            return
        _call(loop, _hand_over, loaded, running)
        running.run()

    def _load(self, loop: asyncio.AbstractEventLoop) -> "Running":
        from core.engine.checkpoint import load
        from core.engine.running import Running

        checkpoint = load(self._source, device=self._device, dtype=self._dtype, context=self._context)
        return Running(checkpoint, self._slots, self._threads, lambda told: _call(loop, _tell, told))


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
