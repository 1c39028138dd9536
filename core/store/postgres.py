"""The store over PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import cached_property
from uuid import UUID

from core.errors import NotStored
from core.message import ThreadId
from core.ports import Signal
from core.retention import Retention
from core.store import signals
from core.store.admins import PostgresAdmins
from core.store.ages import Ages
from core.store.archive import PostgresArchive
from core.store.asks import PostgresAsks
from core.store.audit import PostgresAudit
from core.store.backup import Checked, unreadable
from core.store.cached import PostgresCached
from core.store.database import Database, Pool
from core.store.drafts import PostgresDrafts
from core.store.inbox import PostgresInbox
from core.store.incidents import PostgresIncidents
from core.store.keys import Keys
from core.store.leader import PostgresLeader
from core.store.lru import Lru
from core.store.meter import PostgresMeter
from core.store.notes import PostgresNotes
from core.store.outbox import PostgresOutbox
from core.store.overview import FRESH_FOR, PostgresOverview
from core.store.people import PostgresPeople
from core.store.quotas import PostgresQuotas
from core.store.ratings import PostgresRatings
from core.store.replies import PostgresReplies
from core.store.room import Desk
from core.store.rotation import Rewrapped, Rotation, quiet
from core.store.rounds import Round
from core.store.secrets import PostgresSecrets
from core.store.signals import Hub
from core.store.tallies import Tallies
from core.store.threads import PostgresThreads
from core.store.turns import PostgresTurns
from core.store.vault import Vault

_KEY_CONNECTIONS = 2
_ASKERS = 2_000
_HEARING = 2.0  # seconds
_RECHECK = 60.0  # seconds in which a key is held of somebody who was forgotten without a word that was heard
_CALLED = 12  # hexadecimal digits
# Takes what an insert would take, and stores nothing.
_CHECK = "SELECT current_setting('transaction_read_only')::bool, count(*) FROM inbox WHERE id < 0"


class PostgresUnit:
    """`ports.Unit`. Writes may be sent as late as the commit: a LeaseLost shows on leaving at the latest."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @cached_property
    def inbox(self) -> PostgresInbox:
        return PostgresInbox(self._desk)

    @cached_property
    def outbox(self) -> PostgresOutbox:
        return PostgresOutbox(self._desk)

    @cached_property
    def turns(self) -> PostgresTurns:
        return PostgresTurns(self._desk)

    @cached_property
    def replies(self) -> PostgresReplies:
        return PostgresReplies(self._desk)

    @cached_property
    def ratings(self) -> PostgresRatings:
        return PostgresRatings(self._desk)

    @cached_property
    def threads(self) -> PostgresThreads:
        return PostgresThreads(self._desk)

    @cached_property
    def incidents(self) -> PostgresIncidents:
        return PostgresIncidents(self._desk)

    @cached_property
    def cached(self) -> PostgresCached:
        return PostgresCached(self._desk)

    @cached_property
    def asks(self) -> PostgresAsks:
        return PostgresAsks(self._desk)

    @cached_property
    def meter(self) -> PostgresMeter:
        return PostgresMeter(self._desk)


class PostgresStore:
    """`ports.Store`. `start` before the first use, `stop` after the last; both raise NotStored or pass.

    Opens at most `pool_size` connections, two for keys, one for notifications, and one per name it leads. Figures of
    the overview may be as old as `fresh_for`.
    """

    def __init__(self, url: str, keys: Keys, *, pool_size: int = 10, fresh_for: timedelta = FRESH_FOR) -> None:
        self._url = url
        self._keys = keys
        self._database = Database(url, pool_size=pool_size)
        self._key_database = Database(url, pool_size=_KEY_CONNECTIONS)
        self._vault = Vault(keys, self._key_database)
        self._hub = Hub(self._vault)
        self._tasks: set[asyncio.Task[None]] = set()
        self._askers: Lru[UUID, UUID] = Lru(_ASKERS)
        self.drafts = PostgresDrafts(self._database, self._vault, self._hub, self._askers)
        self.archive = PostgresArchive(self._database, self._vault)
        self.secrets = PostgresSecrets(self._database, self._vault)
        self.notes = PostgresNotes(self._database, self._vault)
        self.audit = PostgresAudit(self._database, self._vault)
        self.admins = PostgresAdmins(self._database, self._vault, self.audit)
        self.quotas = PostgresQuotas(self._database, self._vault, self.audit)
        self.people = PostgresPeople(self._database, self._vault, self._hub, self.audit)
        self.overview = PostgresOverview(self._database, self._vault, fresh_for)
        self._ages = Ages(self._database, self._vault)
        self._tallies = Tallies(self._database)

    async def start(self) -> None:
        """Raises NotStored where the database is away, Unreadable where the key is not the one it was sealed with."""
        try:
            await self._vault.start()
        except BaseException:
            await self.stop()
            raise
        self._tasks.add(asyncio.create_task(signals.listen(self._url, self._hub), name="notifications"))
        self._tasks.add(asyncio.create_task(self._recheck(), name="forgotten keys"))
        with suppress(TimeoutError):  # until then no key is held; it goes without
            async with asyncio.timeout(_HEARING):
                await self._hub.hears.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._database.close()
        await self._key_database.close()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK)
            await self._vault.recheck()

    @asynccontextmanager
    async def unit(self, *, autocommit: bool = False) -> AsyncGenerator[PostgresUnit, None]:
        async with self._database.transaction(autocommit=autocommit) as transaction:
            desk = Desk(transaction, self._vault, self._hub, self._askers)
            yield PostgresUnit(desk)
        desk.spread()

    def called(self, thread: ThreadId) -> str:
        """The name a thread has where its own would tell too much: the beginning of the id its rows have."""
        return self._vault.thread(thread).hex[:_CALLED]

    def leader(self, name: str) -> PostgresLeader:
        return PostgresLeader(self._url, self._vault, name)

    def signals(self) -> AsyncGenerator[Signal, None]:
        return self._hub.signals()

    async def check(self) -> None:
        ((is_read_only, _),) = await self._database.fetch(_CHECK)
        if is_read_only:
            raise NotStored("(it is read-only: a standby, or set so)")

    def pools(self) -> tuple[Pool, ...]:
        """How the connections are used: those of the work (`main`) and those that read keys (`keys`)."""
        return self._database.usage("main"), self._key_database.usage("keys")

    async def rewrap(self, progress: Rewrapped = quiet) -> int:
        """The last step before an encryption key is retired: wraps all data keys with the primary one; how many.

        Broken off and called again, it goes on. Raises NotStored, and Unreadable where a key that it needs is missing.
        """
        return await Rotation(self._keys, self._database).rewrap(progress)

    async def wrapped(self) -> Mapping[int, int]:
        """How many data keys each encryption key wraps, by its id: one that wraps none can be retired."""
        return await Rotation(self._keys, self._database).wrapped()

    async def unreadable(self, *, is_whole: bool, progress: Checked) -> Mapping[str, int]:
        """How many sealed values of each column do not open with the keys that are there; none where all do."""
        return await unreadable(self._url, self._vault, self._keys, is_whole=is_whole, progress=progress)

    async def expire(self, retention: Retention) -> int:
        """Forgets what was said longer ago than its workspace keeps it; how many messages and answers to commands."""
        return await self._ages.expire(retention)

    async def sum_up(self) -> int:
        """Counts what the house had to do in each step of time that is over, for the operator's pages; how many steps.

        As often as steps end; in any process. Raises NotStored.
        """
        return await self._tallies.sum_up()

    async def purge(self, older_than: timedelta) -> int:
        """Forgets finished inbox rows of that age, kept answers and waiting calls that are too old, and what was used
        on days before this one; how many.

        In small bites. A call that was taken is forgotten after the event that took it. What is left of dropped keys is
        swept up too, where a backup was reading while they were. Raises NotStored once all was tried, with what failed.
        """
        bites: dict[str, Callable[[PostgresUnit], Awaitable[int]]] = {
            "finished events": lambda unit: unit.inbox.purge(older_than),
            "kept answers": lambda unit: unit.cached.purge(older_than),
            "waiting calls": lambda unit: unit.asks.purge(older_than),
            "counts of days that are over": lambda unit: unit.meter.purge(),
        }
        total, work = 0, Round()
        for name, bite in bites.items():
            with work.part(name):
                while purged := await self._bitten(bite):
                    total += purged
        with work.part("notes"):
            while purged := await self.notes.purge():
                total += purged
        with work.part("sessions of operators"):
            await self.admins.purge()
        with work.part("dropped keys"):
            await self.people.sweep()
        work.end()
        return total

    async def _bitten(self, bite: Callable[[PostgresUnit], Awaitable[int]]) -> int:
        async with self.unit() as unit:
            return await bite(unit)
