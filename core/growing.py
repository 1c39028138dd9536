"""An answer as it comes in, for a writer who may look at it only now and then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType

from core.extras import Extra
from core.manuscript import Manuscript
from core.message import Ask, Chunk, Citation, Image, Sources, Status


class Growing:
    """Reads the chunks in a task of its own, as long as it is open; their error is raised to whoever looks."""

    def __init__(self, chunks: AsyncIterator[Chunk]) -> None:
        self.manuscript = Manuscript()
        self.status: Status | None = None
        self.is_complete = False
        self._chunks = chunks
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Growing":
        self._task = asyncio.create_task(self._read(), name="chunks")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def text(self) -> str:
        return self.manuscript.text

    @property
    def images(self) -> list[Image]:
        return [extra for extra in self._extras if isinstance(extra, Image)]

    @property
    def sources(self) -> tuple[Citation, ...]:
        return tuple(item for extra in self._extras if isinstance(extra, Sources) for item in extra.items)

    @property
    def ask(self) -> Ask | None:
        """The newest one."""
        return next((extra for extra in reversed(self._extras) if isinstance(extra, Ask)), None)

    @property
    def _extras(self) -> list[Extra]:
        return [placed.extra for placed in self.manuscript.extras]

    async def change(self, within: float) -> None:
        """Waits for something new at most `within` seconds. Raises what the chunks raised."""
        await self._until(self._changed, within)
        if not self.is_complete:
            self._changed.clear()

    async def completion(self, within: float) -> None:
        """Waits for the end at most `within` seconds. Raises what the chunks raised."""
        await self._until(self._ended, within)

    async def _until(self, event: asyncio.Event, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await event.wait()
        if self._error is not None:
            raise self._error

    async def _read(self) -> None:
        try:
            async for chunk in self._chunks:
                self._take(chunk)
                self._changed.set()
            self.is_complete = True
        except Exception as error:
            self._error = error
        finally:
            self._ended.set()
            self._changed.set()

    def _take(self, chunk: Chunk) -> None:
        self.manuscript.take(chunk)
        if isinstance(chunk, Status):
            self.status = chunk
