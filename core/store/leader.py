"""One process at a time holds a name: an advisory lock on a connection of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import psycopg

from core.errors import NotStored
from core.store.database import CONNECT_TIMEOUT, Raw, Statement, conninfo, not_stored, send
from core.store.vault import Vault

_AGAIN = 0.5  # seconds between two tries to get the name
_PULSE = 1.0  # seconds between two looks whether it is still ours
# A holder that lost its power or its network says no goodbye: the server finds out within half a minute, and not in two
# hours, and lets its locks go.
_KNOWN_DEAD = (
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000"
)

logger = logging.getLogger(__name__)


class PostgresHeld:
    """`ports.Held`."""

    def __init__(self) -> None:
        self._lost = asyncio.Event()

    def lose(self) -> None:
        self._lost.set()

    async def lost(self) -> None:
        await self._lost.wait()


class PostgresLeader:
    """`ports.Leader`. Waits through an outage, too."""

    def __init__(self, url: str, vault: Vault, name: str) -> None:
        self._url = url
        self._key = int.from_bytes(vault.blind("leader", name).bytes[:8], signed=True)

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[PostgresHeld, None]:
        connection = await self._acquire()
        held = PostgresHeld()
        watch = asyncio.create_task(_watch(connection, held), name="leader")
        try:
            yield held
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await connection.close()

    async def _acquire(self) -> Raw:
        while True:
            try:
                connection = await self._try()
            except NotStored as error:
                logger.warning("cannot ask for the lead: %s", error)
                connection = None
            if connection is not None:
                return connection
            await asyncio.sleep(_AGAIN)

    async def _try(self) -> Raw | None:
        connection: Raw | None = None
        try:
            connection = await psycopg.AsyncConnection.connect(
                conninfo(self._url),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                application_name="parley lead",
                options=_KNOWN_DEAD,
            )
            rows = await send(connection, [Statement("SELECT pg_try_advisory_lock(%(key)s)", {"key": self._key})])
            if rows[0][0]:
                kept, connection = connection, None
                return kept
        except (psycopg.Error, OSError) as error:
            raise not_stored(error) from error
        finally:
            if connection is not None:
                await connection.close()
        return None


async def _watch(connection: Raw, held: PostgresHeld) -> None:
    """The lock lives as long as its connection: while that answers, the name is ours."""
    with suppress(psycopg.Error, OSError):
        while True:
            await asyncio.sleep(_PULSE)
            await send(connection, [Statement("SELECT 1")])
    held.lose()
