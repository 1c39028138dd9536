"""The real hall around an echo, with a door that only looks at its watch: what the in-process benchmarks measure."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import perf_counter

from bench.database import fetch
from bench.until import until
from bot.telemetry import PrometheusMetrics
from core.answer import answer_with
from core.engine import EchoEngine, Guarded
from core.hall import Hall, Terms
from core.limits import Limits
from core.manager import DialogManager
from core.message import Author, Chunk, Event, Message, PartId, Replace, ReplyId, Text, ThreadId, Visibility
from core.ports import Accept, Conversation, Delivery, Delta, Engine, Ledger, Metrics, Receipt, Received, Webhook
from core.store import Keys, PostgresStore
from core.turn import SamplingParams, compose

DOOR = "bench"
AS_SHIPPED = Limits(concurrency=4)  # what app.yaml has where nothing else is set
CONTEXT = 1024  # words: the history is cut where the bundled model would cut it
_WORDS = ("the", "answer", "to", "this", "question", "is", "known", "to", "those", "who", "asked", "it", "before")


class NotingEngine(EchoEngine):
    """An echo that notes in which order the messages of a thread reach it."""

    def __init__(self) -> None:
        super().__init__(CONTEXT)
        self.started: defaultdict[str, list[int]] = defaultdict(list)

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        self.started[conversation.thread].append(number_of(conversation.turns[-1].text))
        async for delta in super().stream(conversation, params):
            yield delta


class NotingDoor:
    """Shows answers to nobody: notes when the first text of each came, and writes one part down."""

    name = DOOR

    def __init__(self) -> None:
        self.first_text: dict[str, float] = {}
        self.delivered: defaultdict[str, list[int]] = defaultdict(list)

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        return Received(404)

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        reply, text = delivery.reply, ""
        async for chunk in chunks:
            if not isinstance(chunk, Text | Replace):
                continue
            text = chunk.text if isinstance(chunk, Replace) else text + chunk.text
            if reply.in_reply_to not in self.first_text:
                self.first_text[reply.in_reply_to] = perf_counter()
                await ledger.part(PartId(DOOR, reply.thread.workspace, reply.thread.channel, reply.id))
        self.delivered[str(reply.thread)].append(number_of(text))


class BenchHall:
    """Store, engine, door and manager over one database; `work` is the manager running.

    Where `metrics` are named, the engine is behind its breaker, as in a real house, and tells them of its doings too.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        concurrency: int = 32,
        metrics: Metrics | None = None,
        engine: NotingEngine | None = None,
        limits: Limits = AS_SHIPPED,
    ) -> None:
        self.url = url
        self.store = PostgresStore(url, keys)
        self.engine = engine or NotingEngine()
        self.door = NotingDoor()
        self.asked: dict[str, float] = {}
        self.replies: dict[str, ReplyId] = {}
        terms = Terms(concurrency=concurrency, system={"en": "You are a benchmark."}, limits=limits)
        self.front: Engine = self.engine if metrics is None else Guarded(self.engine, DOOR, metrics)
        answer, metrics = compose([], answer_with(self.front)), metrics or PrometheusMetrics()
        self._hall = Hall(self.store, {DOOR: self.door}, self.front, answer, metrics, terms=terms)

    async def ask(self, *messages: Message) -> None:
        """Stores them as an adapter would, and notes when it began to."""
        for message in messages:
            self.asked[message.id] = perf_counter()
        for message, receipt in zip(messages, await self.add(*messages), strict=True):
            self.replies[message.id] = receipt.reply_id

    async def add(self, *events: Event) -> tuple[Receipt, ...]:
        async with self.store.unit() as unit:
            return await unit.inbox.add(events)

    @asynccontextmanager
    async def work(self) -> AsyncGenerator[DialogManager, None]:
        manager = DialogManager(self._hall)
        running = asyncio.create_task(manager.run(), name="dialog manager")
        try:
            yield manager
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await manager.stop(timedelta(seconds=10))

    async def is_drained(self) -> bool:
        """Whether every message was answered and every answer delivered."""
        rows = await fetch(
            self.url,
            "SELECT EXISTS (SELECT FROM inbox WHERE status IN (0, 1)) OR EXISTS (SELECT FROM outbox WHERE status = 0)",
        )
        return not rows[0][0]

    async def until_delivered(self, ids: Iterable[str], timeout: float = 60) -> None:
        """Raises TimeoutError where one of these messages has had no text by then."""
        waiting = set(ids)

        async def are_all_here() -> bool:
            waiting.difference_update(self.door.first_text)
            return not waiting

        await until(are_all_here, timeout=timeout)

    async def until_done(self, message: Message, timeout: float = 60) -> None:
        """Until the last trace of this message has left the queues."""

        async def is_done() -> bool:
            async with self.store.unit() as unit:
                facts = await unit.turns.get(self.replies[message.id])
            return facts is not None and facts.state.is_final

        await until(is_done, timeout=timeout)

    def latencies(self, ids: Iterable[str]) -> list[float]:
        """Milliseconds from the start of the intake to the first text."""
        return [1000 * (self.door.first_text[each] - self.asked[each]) for each in ids]

    def violations(self) -> tuple[int, int]:
        """How many messages were started, and how many delivered, before an earlier one of their thread."""
        return out_of_order(self.engine.started.values()), out_of_order(self.door.delivered.values())


@asynccontextmanager
async def bench_hall(
    url: str,
    keys: Keys,
    *,
    concurrency: int = 32,
    metrics: Metrics | None = None,
    engine: NotingEngine | None = None,
    limits: Limits = AS_SHIPPED,
) -> AsyncGenerator[BenchHall, None]:
    hall = BenchHall(url, keys, concurrency=concurrency, metrics=metrics, engine=engine, limits=limits)
    await hall.store.start()
    await hall.front.start()
    try:
        yield hall
    finally:
        await hall.front.stop()
        await hall.store.stop()


def message(thread: str, number: int, *, words: int = 20) -> Message:
    """The `number`-th message of a thread, by a person of its own; its text says its number first."""
    place = ThreadId(DOOR, "workspace", "channel", thread)
    said = " ".join(random.Random(number).choices(_WORDS, k=words))
    return Message(
        id=f"{thread}/{number}",
        thread=place,
        author=Author(DOOR, "workspace", f"person of {thread}", "A Person", "en"),
        sent_at=datetime.now(UTC),
        visibility=Visibility.DIRECT,
        text=f"{number} {said}",
    )


def number_of(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def out_of_order(threads: Iterable[list[int]]) -> int:
    return sum(later <= earlier for numbers in threads for earlier, later in pairwise(numbers))


async def at_rate(hall: BenchHall, messages: Iterable[Message], per_second: float, *, seed: int = 1) -> list[str]:
    """Asks them open loop, at random moments, however slow the answers are; the ids once all were delivered."""
    chance, began, at = random.Random(seed), perf_counter(), 0.0
    asking: set[asyncio.Task[None]] = set()
    ids = []
    for each in messages:
        at += chance.expovariate(per_second)
        await asyncio.sleep(max(0.0, began + at - perf_counter()))
        asking.add(asyncio.create_task(hall.ask(each)))
        ids.append(each.id)
    await asyncio.gather(*asking)
    await hall.until_delivered(ids)
    return ids
