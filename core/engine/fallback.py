"""A chain of engines: where the first does not answer, the next one does."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from core.engine.guarded import Guarded
from core.errors import Busy, EngineError, Malformed, ParleyError, TooLong, Unavailable
from core.ports import Capabilities, Conversation, Delta, Metrics, Model
from core.turn import SamplingParams

log = logging.getLogger(__name__)

PATIENCE = (5.0, 300.0)
"""Seconds between the tries of starting a later engine: at first, and at most."""


class Fallback:
    """Asks its engines in order, until one answers; it is known to everybody by the first one.

    The next is asked where one is Unavailable, also in the middle of an answer, which then begins anew, or Busy. What
    the first to be asked can't read is refused; what only a later one can't read leaves it at the earlier error.
    """

    def __init__(
        self, engines: Sequence[Guarded], metrics: Metrics, *, patience: tuple[float, float] = PATIENCE
    ) -> None:
        self._engines, self._metrics, self._patience = tuple(engines), metrics, patience
        self._model: Model | None = None
        self._starting: set[asyncio.Task[None]] = set()

    @property
    def engines(self) -> Sequence[Guarded]:
        """In the order in which they are asked."""
        return self._engines

    @property
    def model(self) -> Model:
        """The first one's, also while that is away. Raises Unavailable before the start."""
        if self._model is None:
            raise Unavailable
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._engines[0].capabilities

    @property
    def is_healthy(self) -> bool:
        """Whether any of them would be asked."""
        return any(engine.is_healthy for engine in self._engines)

    async def start(self) -> None:
        """Starts the first, which must start; the others in the background, again and again until they do."""
        first, *others = self._engines
        await first.start()
        self._model = first.model
        self._starting = {asyncio.create_task(self._keep_starting(one), name=f"start {one.name}") for one in others}

    async def stop(self) -> None:
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for engine in self._engines:
            await engine.stop()

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Malformed, TooLong, Busy or Unavailable: what the first one said, but rather Busy."""
        errors: list[EngineError] = []
        has_spoken = False
        for engine in self._engines:
            try:
                async with aclosing(engine.stream(conversation, params)) as deltas:
                    is_anew = has_spoken
                    async for delta in deltas:
                        if _speaks(delta):
                            delta, is_anew, has_spoken = replace(delta, is_anew=is_anew), False, True
                        yield replace(delta, is_fallback=True) if engine is not self._engines[0] else delta
                if engine is not self._engines[0]:
                    self._metrics.count("engine_fallbacks", engine=engine.name)
                return
            except (Malformed, TooLong):
                if not errors:
                    raise
            except EngineError as error:
                errors.append(error)
        raise next((error for error in errors if isinstance(error, Busy)), errors[0]) from None

    async def count(self, conversation: Conversation) -> int:
        """As the first one counts that can; raises Malformed or Unavailable."""
        for engine in self._engines[:-1]:
            try:
                return await engine.count(conversation)
            except Unavailable:
                continue
        return await self._engines[-1].count(conversation)

    async def _keep_starting(self, engine: Guarded) -> None:
        pause, longest = self._patience
        has_warned = False
        while True:
            try:
                await engine.start()
            except Exception as error:
                if not has_warned:
                    has_warned = True
                    why = str(error) if isinstance(error, ParleyError) else type(error).__name__
                    log.warning("The engine %s can't stand in yet, and is tried again by and by: %s", engine.name, why)
            else:
                log.info("The engine %s stands in where another does not answer.", engine.name)
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)


def _speaks(delta: Delta) -> bool:
    return bool(delta.text or delta.reasoning or delta.tool_call or delta.finish)
