"""Several models behind one door: each conversation goes to the one it asks for."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from core.ports import Capabilities, Conversation, Delta, Engine, Model
from core.turn import SamplingParams


class Routed:
    """Asks the engine named by `conversation.model`; `default` where there is none of that name."""

    def __init__(self, engines: Mapping[str, Engine], default: str) -> None:
        self._engines, self._default = dict(engines), engines[default]
        self._running = AsyncExitStack()

    @property
    def model(self) -> Model:
        """The default one's, with the smallest context of all: what fits it may go to any of them."""
        context = min(engine.model.context for engine in self._engines.values())
        return replace(self._default.model, context=context)

    @property
    def capabilities(self) -> Capabilities:
        return self._default.capabilities

    @property
    def is_healthy(self) -> bool:
        """Whether questions of every kind would be answered."""
        return all(getattr(engine, "is_healthy", True) for engine in self._engines.values())

    @property
    def routes(self) -> Mapping[str, Engine]:
        """Who answers which kind of question."""
        return self._engines

    @property
    def models(self) -> tuple[Model, ...]:
        """One for each kind of question."""
        return tuple(engine.model for engine in self._engines.values())

    def model_of(self, route: str) -> Model:
        """The model that answers on this route."""
        return self._of(route).model

    async def start(self) -> None:
        """Starts all of them, one after the other; none runs where one of them can't be started."""
        async with AsyncExitStack() as begun:
            for engine in self._engines.values():
                await engine.start()
                begun.push_async_callback(engine.stop)
            self._running = begun.pop_all()

    async def stop(self) -> None:
        await self._running.aclose()

    def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        return self._of(conversation.model).stream(conversation, params)

    async def count(self, conversation: Conversation) -> int:
        """As the one it asks for counts; before that is chosen the largest count, as any of them may be."""
        if conversation.model:
            return await self._of(conversation.model).count(conversation)
        return max([await engine.count(conversation) for engine in self._engines.values()])

    def _of(self, route: str) -> Engine:
        return self._engines.get(route, self._default)
