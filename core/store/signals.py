"""Wake-ups between tasks of this process and, by NOTIFY, between processes. They carry ids, never content."""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg

from core.message import ReplyId
from core.ports import Draft, Signal, SignalKind
from core.store.database import CONNECT_TIMEOUT, conninfo
from core.store.vault import Vault

CHANNEL = "parley"
_WAITING = 1000  # signals; whoever is further behind is told to look
_MISSED = (Signal(SignalKind.INBOX), Signal(SignalKind.OUTBOX), Signal(SignalKind.FORGET))
# An idle line that somebody between has dropped is known to be dead within half a minute.
_ALIVE: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

logger = logging.getLogger(__name__)


def _make_room(queue: "asyncio.Queue[Signal]") -> None:
    """For all that only wakes, one look makes up; who was forgotten stays in the queue."""
    waiting = [queue.get_nowait() for _ in range(queue.qsize())]
    forgotten = [signal for signal in waiting if signal.kind is SignalKind.FORGET]
    if len(forgotten) > _WAITING // 2:
        forgotten = [Signal(SignalKind.FORGET)]
    for signal in (Signal(SignalKind.INBOX), Signal(SignalKind.OUTBOX), *forgotten):
        queue.put_nowait(signal)


class Follower:
    """One who waits for news of a reply; `draft` is the newest that this process itself has saved."""

    def __init__(self) -> None:
        self.draft: Draft | None = None
        self.news = asyncio.Event()


class Hub:
    """Spreads signals within this process. `node` marks its own notifications, which it need not hear again.

    The `vault` hears first of whoever is forgotten. `hears` is set while nothing is missed.
    """

    def __init__(self, vault: Vault) -> None:
        self.node = secrets.token_hex(4)
        self.hears = asyncio.Event()
        self._vault = vault
        self._queues: set[asyncio.Queue[Signal]] = set()
        self._followers: defaultdict[ReplyId, set[Follower]] = defaultdict(set)

    def payload_of(self, kind: SignalKind, key: str = "") -> str:
        """What a NOTIFY on CHANNEL says to the other processes."""
        return f"{self.node}:{kind}:{key}"

    def payload_for_all(self, kind: SignalKind, key: str = "") -> str:
        """What one says to this process too."""
        return f":{kind}:{key}"

    def hear(self, payload: str) -> None:
        """Spreads what another process said; what this release does not understand is skipped."""
        node, _, rest = payload.partition(":")
        kind, _, key = rest.partition(":")
        if node != self.node:
            with suppress(ValueError):
                self.publish(Signal(SignalKind(kind), key))

    def publish(self, signal: Signal, draft: Draft | None = None) -> None:
        if signal.kind is SignalKind.FORGET and signal.key:
            self._vault.shred(UUID(signal.key))
        for queue in self._queues:
            if queue.full():
                _make_room(queue)
            queue.put_nowait(signal)
        if signal.kind is SignalKind.DRAFT:
            self._tell(ReplyId(signal.key), draft)

    def catch_up(self) -> None:
        """Wakes everybody: something may have been missed."""
        self.hears.set()
        self._vault.listen(is_heard=True)
        for signal in _MISSED:
            self.publish(signal)
        for reply_id in list(self._followers):
            self._tell(reply_id, None)

    def miss(self) -> None:
        """From here on something may be missed."""
        self.hears.clear()
        self._vault.listen(is_heard=False)

    def _tell(self, reply_id: ReplyId, draft: Draft | None) -> None:
        for follower in self._followers.get(reply_id, ()):
            follower.draft = draft
            follower.news.set()

    async def signals(self) -> AsyncGenerator[Signal, None]:
        queue: asyncio.Queue[Signal] = asyncio.Queue(_WAITING)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    @contextmanager
    def following(self, reply_id: ReplyId) -> Generator[Follower, None, None]:
        follower = Follower()
        self._followers[reply_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[reply_id].discard(follower)
            if not self._followers[reply_id]:
                del self._followers[reply_id]


async def listen(url: str, hub: Hub) -> None:
    """Hears what other processes say, and connects again where the line is cut. Runs until cancelled."""
    pause = 0.1
    hub.miss()
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                conninfo(url),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                application_name="parley listen",
                **_ALIVE,
            )
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                hub.catch_up()
                pause = 0.1
                async for notice in connection.notifies():
                    hub.hear(notice.payload)
        except (psycopg.Error, OSError) as error:
            logger.warning("the line to the database's notifications was cut (%s)", type(error).__name__)
        finally:
            hub.miss()
        await asyncio.sleep(pause)
        pause = min(2 * pause, 2.0)
