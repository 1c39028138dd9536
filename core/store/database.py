"""The way to PostgreSQL: a pool, transactions that send their statements together, and bounds on every wait."""

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from core.errors import NotStored, ParleyError, Unstorable

Row = tuple[Any, ...]
Raw = psycopg.AsyncConnection[Row]

logger = logging.getLogger(__name__)

# Intake must be able to answer 503 within three seconds, whether the server refuses, is gone, or hangs.
CONNECT_TIMEOUT = 2  # seconds, the least libpq knows
POOL_TIMEOUT = 1.0
DEADLINE = 2.5
_SETTINGS = {
    "application_name": "parley",
    "statement_timeout": "2000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "30000",
    "jit": "off",
    # Every statement here is meant for an index. Right after a burst the statistics of a queue still say it is empty.
    "enable_seqscan": "off",
}


class Statement(NamedTuple):
    """SQL with its parameters; `missing` makes the error to raise where no row was touched."""

    sql: str
    params: Mapping[str, Any] | None = None
    missing: Callable[[], ParleyError] | None = None


BEGIN, COMMIT, ROLLBACK = Statement("BEGIN"), Statement("COMMIT"), Statement("ROLLBACK")


def normal_url(url: str) -> str:
    """The URL as SQLAlchemy wants it, with psycopg as its driver; `postgres://` is understood too."""
    scheme, separator, rest = url.partition("://")
    is_postgres = scheme in ("postgres", "postgresql", "postgresql+psycopg")
    return f"postgresql+psycopg{separator}{rest}" if is_postgres else url


def conninfo(url: str) -> str:
    """The same address as libpq wants it, which knows of no other way to write a space than %20."""
    rendered = make_url(normal_url(url)).set(drivername="postgresql").render_as_string(hide_password=False)
    place, mark, query = rendered.partition("?")
    return place.replace(" ", "%20") + mark + query.replace("+", "%20")


def options(**more: str) -> str:
    return " ".join(f"-c {name}={value}" for name, value in (_SETTINGS | more).items())


def not_stored(error: BaseException) -> NotStored:
    """Says which kind of failure it was and nothing of what was to be stored."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None)
    kind = Unstorable if isinstance(cause, psycopg.DataError) else NotStored
    return kind(f"({type(error).__name__}{f', {state}' if state else ''})")


class Line(NamedTuple):
    """One connection in autocommit; `raw` is the driver's."""

    connection: AsyncConnection
    raw: Raw

    def is_alive(self) -> bool:
        """An idle connection has nothing to say: a readable socket is one the server has closed."""
        poll = select.poll()
        with suppress(psycopg.Error, OSError):
            poll.register(self.raw.fileno(), select.POLLIN)
            return not poll.poll(0)
        return False

    async def drop(self) -> None:
        with suppress(SQLAlchemyError, psycopg.Error, OSError):
            await self.connection.invalidate()
            await self.connection.close()


class Pool(NamedTuple):
    """How a pool of `size` connections is used: `lent` and `free` (open and idle) now, the others since the start.

    `waits` are the times when all were lent, `waited_seconds` what that took, `gave_up` the waits without success.
    """

    name: str
    size: int
    lent: int
    free: int
    waits: int
    waited_seconds: float
    gave_up: int


class Database:
    """At most `pool_size` connections, kept open and lent first come, first served.

    SQLAlchemy opens them; its own pool serves whoever comes by before who waits longest, and takes a third of the time
    of a short statement to lend one.
    """

    def __init__(self, url: str, *, pool_size: int) -> None:
        self._size, self._lent = pool_size, 0
        self._waits, self._waited, self._gave_up = 0, 0.0, 0
        self._places = asyncio.Semaphore(pool_size)
        self._free: list[Line] = []
        self._is_closed = False
        self._engine = create_async_engine(
            normal_url(url),
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            poolclass=NullPool,
            use_native_hstore=False,
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "options": options(), "prepare_threshold": 2},
        )

    async def close(self) -> None:
        """Closes what is free now, and whatever is still lent once it comes back."""
        self._is_closed = True
        while self._free:
            await self._free.pop().drop()
        await self._engine.dispose()

    async def take(self) -> Line:
        """Lends a connection. Raises TimeoutError after POOL_TIMEOUT seconds of waiting."""
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        self._lent += 1
        try:
            return await self._living() or await self._new()
        except BaseException:
            self._leave()
            raise

    async def _wait(self) -> None:
        began = monotonic()
        self._waits += 1
        try:
            async with asyncio.timeout(POOL_TIMEOUT):
                await self._places.acquire()
        except TimeoutError:
            self._gave_up += 1
            raise
        finally:
            self._waited += monotonic() - began

    def _leave(self) -> None:
        self._lent -= 1
        self._places.release()

    async def give_back(self, line: Line, *, is_clean: bool) -> None:
        try:
            if is_clean and not self._is_closed:
                self._free.append(line)
            else:
                await line.drop()
        finally:
            self._leave()

    def usage(self, name: str) -> Pool:
        """How it is used, under the name the operator knows it by."""
        return Pool(name, self._size, self._lent, len(self._free), self._waits, self._waited, self._gave_up)

    async def _living(self) -> Line | None:
        while self._free:
            line = self._free.pop()
            if line.is_alive():
                return line
            await line.drop()
        return None

    async def _new(self) -> Line:
        connection = await self._engine.connect()
        try:
            raw: Raw = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
        except BaseException:
            await connection.close()
            raise
        return Line(connection, raw)

    @asynccontextmanager
    async def transaction(self, *, autocommit: bool = False) -> AsyncGenerator["Transaction", None]:
        """Commits on leaving, rolls back on an exception; raises NotStored for whatever goes wrong underneath.

        With `autocommit` each `fetch` is committed by itself, which saves a round trip where it is the only one.
        """
        transaction = Transaction(self, autocommit=autocommit)
        try:
            yield transaction
            await transaction.commit()
        except (psycopg.Error, SQLAlchemyError, OSError) as error:
            raise not_stored(error) from error
        finally:
            await transaction.close()

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """One statement, committed by itself."""
        async with self.transaction(autocommit=True) as transaction:
            return await transaction.fetch(sql, params)


class Transaction:
    """Statements on one connection, taken when the first is sent.

    Writes wait until a read needs them done, or the end: they travel together, so that a turn costs few round trips.
    """

    def __init__(self, database: Database, *, autocommit: bool = False) -> None:
        self._database = database
        self._autocommit = autocommit
        self._line: Line | None = None
        self._later: list[Statement] = []
        self._is_begun = False

    def later(self, sql: str, params: Mapping[str, Any], missing: Callable[[], ParleyError] | None = None) -> None:
        """Will be sent before the next read, at the latest before the commit."""
        self._later.append(Statement(sql, params, missing))

    async def fetch(self, sql: str, params: Mapping[str, Any] | None) -> list[Row]:
        """The rows of this statement, in the order it gives them."""
        if self._autocommit and not self._later:
            return await self._send([Statement(sql, params)])
        return await self._send([*self._opening(), *self._taken(), Statement(sql, params)])

    def begin(self) -> None:
        """What follows is one transaction, also where each `fetch` was committed by itself so far."""
        self._autocommit = False

    async def commit(self) -> None:
        waiting = self._taken()
        if not self._is_begun and len(waiting) == 1:
            await self._send(waiting)
        elif waiting and not any(statement.missing for statement in waiting):
            await self._send([*self._opening(), *waiting, COMMIT])
        elif waiting:
            await self._send([*self._opening(), *waiting])
        if self._line is not None and self._line.raw.info.transaction_status is not TransactionStatus.IDLE:
            await self._send([COMMIT])

    async def close(self) -> None:
        """Gives the connection back clean, or drops it."""
        line, self._line = self._line, None
        if line is not None:
            is_clean = False
            try:
                is_clean = await _is_clean(line.raw)
            finally:
                await self._database.give_back(line, is_clean=is_clean)

    def _opening(self) -> list[Statement]:
        opening = [] if self._is_begun else [BEGIN]
        self._is_begun = True
        return opening

    def _taken(self) -> list[Statement]:
        taken, self._later = self._later, []
        return taken

    async def _send(self, statements: list[Statement]) -> list[Row]:
        if self._line is None:
            self._line = await self._database.take()
        return await send(self._line.raw, statements)


async def send(raw: Raw, statements: list[Statement]) -> list[Row]:
    """Runs them in one round trip; the rows of the last one. A server that hangs is cut off at the deadline."""
    timer = asyncio.get_running_loop().call_later(DEADLINE, _cut, raw)
    try:
        cursors = await _run(raw, statements)
    finally:
        timer.cancel()
    for cursor, statement in zip(cursors, statements, strict=True):
        if statement.missing and cursor.rowcount == 0:
            raise statement.missing()
    return await cursors[-1].fetchall() if cursors[-1].description else []


async def _run(raw: Raw, statements: list[Statement]) -> list[psycopg.AsyncCursor[Row]]:
    if len(statements) == 1:
        return [await raw.execute(statements[0].sql, statements[0].params, binary=True)]
    try:
        async with raw.pipeline():
            return [await raw.execute(sql, params, binary=True) for sql, params, _ in statements]
    except BaseException:
        # The server skips what follows a failure; the driver may believe that it prepared it (psycopg 3.3).
        await raw.close()
        raise


def _cut(raw: Raw) -> None:
    # Cancelling would wait for the very server that does not answer; a closed socket is seen at once.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(raw.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


async def _is_clean(raw: Raw) -> bool:
    status = raw.info.transaction_status
    if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        with suppress(psycopg.Error, OSError):
            await send(raw, [ROLLBACK])
    return raw.info.transaction_status is TransactionStatus.IDLE
