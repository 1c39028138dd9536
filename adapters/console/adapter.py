"""The console as a front door: a request becomes events, and the page reads the reply from its drafts."""

from collections.abc import AsyncIterator, Callable

from aiohttp.web import RouteDef

from adapters.console.desk import Desk, as_json, refusal
from adapters.console.problem import Problem
from adapters.console.routes import Routes
from adapters.console.settings import ConsoleSettings
from core.errors import NotStored
from core.message import Chunk, PartId
from core.ports import Accept, Archive, Delivery, Drafts, Ledger, Metrics, Model, Received, Webhook


class ConsoleAdapter:
    """The browser channel. `model` tells which model answers now, None while none is loaded."""

    name = "console"

    def __init__(
        self,
        settings: ConsoleSettings,
        *,
        drafts: Drafts,
        archive: Archive,
        model: Callable[[], Model | None],
        metrics: Metrics,
    ) -> None:
        self._desk = Desk(settings, drafts=drafts, archive=archive, model=model, metrics=metrics)

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """Writes an action down and says where its answer will be read; the answer itself comes later."""
        try:
            visitor = self._desk.visitor(webhook)
            taken = await self._desk.take(webhook, visitor, accept)
        except (Problem, NotStored) as error:
            return refusal(error, self._desk.language(webhook))
        headers = self._desk.introduction(visitor)
        if taken.action in ("feedback", "stop"):
            return as_json(200, {"ok": True}, headers)
        return as_json(202, self._desk.whereabouts(taken), headers)

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Sends nothing: whoever asked reads the drafts. The one part recorded is the reply as their page shows it."""
        async for _ in chunks:
            pass
        thread = delivery.reply.thread
        if not delivery.parts:
            await ledger.part(PartId(self.name, thread.workspace, thread.channel, delivery.reply.id))

    def routes(self, accept: Accept) -> list[RouteDef]:
        """The page and the API, to be mounted at the root of a web server."""
        return Routes(self._desk, accept).table()
