"""How an answer reaches the person who asked: streamed in a personal chat, edited as it grows in any other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from adapters.teams.cards import answer_again, confirm
from adapters.teams.render import Foot, picture, suggesting, typing
from adapters.teams.stream import Posts, Tempo
from adapters.teams.texts import say, suggestions
from adapters.teams.writer import Writer
from core.errors import ChannelError, NotStored, RateLimited, trace
from core.growing import Growing
from core.language import language_of
from core.message import Chunk, Command, CommandName, Source, StatusKind
from core.ports import Delivery, Ledger, Metrics

log = logging.getLogger(__name__)

_STOP_EVERY = 1.0  # seconds until a stop that could not be written down is tried again
_STATUS = {
    StatusKind.QUEUED: "status_queued",
    StatusKind.THINKING: "status_thinking",
    StatusKind.WORKING: "status_working",
}
_TEMPO = Tempo()

OnStop = Callable[[], Awaitable[object]]


def stop_of(delivery: Delivery, at: datetime) -> Command:
    """What the asker orders by Teams' own Stop button, for `accept`: Teams says it as an error of the stream."""
    reply = delivery.reply
    return Command(
        id=f"{reply.id}:stop",
        thread=reply.thread,
        author=reply.asker,
        sent_at=at,
        visibility=delivery.visibility,
        return_address=delivery.return_address,
        name=CommandName.STOP,
        args=reply.id,
    )


class TeamsDelivery:
    """Shows one answer in its chat; the messages of an earlier try are brought up to date as a whole."""

    def __init__(
        self,
        client: Posts,
        delivery: Delivery,
        ledger: Ledger,
        metrics: Metrics,
        *,
        on_stop: OnStop | None = None,
        streaming: set[str] | None = None,
        tempo: Tempo = _TEMPO,
    ) -> None:
        """`on_stop` is awaited once the asker has stopped the stream in Teams; where it raises NotStored, once more.

        `streaming` are the chats with a stream of this process, shared by its deliveries: Teams allows one in each.
        """
        self._client = client
        self._delivery = delivery
        self._address = delivery.return_address
        self._on_stop = on_stop
        self._streaming = set() if streaming is None else streaming
        self._tempo = tempo
        self._language = language_of("", delivery.reply.asker.locale)
        self._writer = Writer(client, delivery, ledger, metrics, tempo, self._language)

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        """Returns once Teams has confirmed the whole answer. Raises RateLimited, Undeliverable or ChannelError."""
        chat = str(self._address["conversation"])
        may_stream = self._may_stream and chat not in self._streaming
        if may_stream:
            self._streaming.add(chat)
        try:
            await self._show(chunks, may_stream=may_stream)
        finally:
            if may_stream:
                self._streaming.discard(chat)

    @property
    def _may_stream(self) -> bool:
        return self._address.get("conversation_type") == "personal" and not self._writer.is_again

    async def _show(self, chunks: AsyncIterator[Chunk], *, may_stream: bool) -> None:
        async with Growing(chunks) as growing:
            await growing.change(self._tempo.status_after)
            await growing.completion(self._tempo.at_once)
            if not growing.is_complete:
                await self._while_growing(growing, may_stream=may_stream)
            await self._finish(growing)

    # --------------------------------------------------------------------------------------------------- while it grows

    async def _while_growing(self, growing: Growing, *, may_stream: bool) -> None:
        if may_stream:
            await self._writer.begin(self._status(growing))
            await self._follow(growing, is_streamed=True)
        if not growing.is_complete:
            async with self._typing():
                await self._follow(growing, is_streamed=False)

    async def _follow(self, growing: Growing, *, is_streamed: bool) -> None:
        """Shows what there is, again and again, until it is whole; a stream until it is over."""
        while not growing.is_complete and (self._writer.is_streaming or not is_streamed):
            await growing.completion(self._writer.wait)
            await growing.change(self._tempo.status_every)
            await self._show_what_there_is(growing)

    async def _show_what_there_is(self, growing: Growing) -> None:
        if growing.is_complete:
            return
        if growing.text.strip():
            await self._writer.grow(growing.text, is_answer=_is_answer(growing))
        else:
            await self._writer.tell(self._status(growing))
        if self._writer.is_canceled:
            await self._stop(growing)

    def _status(self, growing: Growing) -> str:
        status = growing.status
        name = _STATUS[status.kind] if status else "status_thinking"
        return say(name, self._language, position=status.position if status else None)

    async def _stop(self, growing: Growing) -> None:
        """The person pressed Stop in Teams: the answer ends as soon as the order reaches whoever writes it."""
        is_told = self._on_stop is None
        while not growing.is_complete:
            if self._on_stop is not None and not is_told:
                try:
                    await self._on_stop()
                    is_told = True
                except NotStored as error:
                    log.warning("a stop was not stored: %s", error)
            await growing.completion(float("inf") if is_told else _STOP_EVERY)

    @asynccontextmanager
    async def _typing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._type(), name="typing")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _type(self) -> None:
        """Shows that somebody is writing; where Teams does not take it, the answer will do."""
        try:
            while True:
                seconds = await self._typed()
                await asyncio.sleep(seconds)
        except ChannelError as error:
            log.debug("no typing is shown: %s", error)
        except Exception as error:
            log.error("the sign of typing failed: %s", trace(error))

    async def _typed(self) -> float:
        """Seconds until it is to be shown again."""
        try:
            await self._client.send(self._address, typing(), patience=0)
        except RateLimited as limited:
            return max(self._tempo.typing_every, limited.retry_after.total_seconds())
        return self._tempo.typing_every

    # ------------------------------------------------------------------------------------------------------- at the end

    async def _finish(self, growing: Growing) -> None:
        language = language_of(growing.text, self._delivery.reply.asker.locale)
        is_answer = _is_answer(growing)
        await self._writer.finish(growing.text, self._foot(growing, language, is_answer=is_answer))
        for number, image in enumerate(growing.images, 1):
            await self._writer.add(f"picture {number}", picture(image))
        root = self._delivery.reply.thread.thread
        if growing.ask is not None:
            await self._writer.add("card", confirm(growing.ask.id, language, root))
        elif is_answer:
            again = answer_again(self._delivery.reply.id, language, root)
            is_personal = self._address.get("conversation_type") == "personal"
            await self._writer.add("card", suggesting(again, suggestions(language) if is_personal else ()))

    def _foot(self, growing: Growing, language: str, *, is_answer: bool) -> Foot:
        return Foot(is_answer=is_answer, sources=growing.sources, language=language)


def _is_answer(growing: Growing) -> bool:
    """What the house says by itself was made by no AI, and is not up for rating."""
    return growing.manuscript.source is not Source.HOUSE
