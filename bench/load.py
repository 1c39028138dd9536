"""Years of conversation, made in minutes: what turns leave behind, really sealed, brought in by COPY."""

import asyncio
import multiprocessing
import os
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.database import fetch
from bench.hall import DOOR, message
from core.message import Message, PartId
from core.store import Keys, messages
from core.store.bodies import About, dump_about, encode
from core.store.database import Database, conninfo
from core.store.vault import Vault

PER_THREAD = 20
_BATCH = 2_000  # messages that are brought in at once
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)

_COLUMNS = {
    "inbox": "id int8, reply_id uuid, adapter text, lane text, thread uuid, author uuid, status int2, attempts int4,"
    " available_at timestamptz, created_at timestamptz, finished_at timestamptz",
    "messages": "id uuid, seq int8, thread uuid, author uuid, body bytea",
    "replies": "id uuid, seq int8, thread uuid, asker uuid, question uuid, about bytea, body bytea, source text,"
    " model text, verdict text, revision int4",
    "turns": "reply_id uuid, state text, model text, source text, received_at timestamptz, started_at timestamptz,"
    " first_text_at timestamptz, finished_at timestamptz",
    "parts": "id uuid, seq int8, reply_id uuid, body bytea",
    "threads": "id uuid, owner uuid, asked_at timestamptz",
}
_INDEXES = """
    SELECT index.indrelid::regclass::text, index.indexrelid::regclass::text, pg_get_indexdef(index.indexrelid),
        rule.conname, pg_get_constraintdef(rule.oid)
    FROM pg_index index LEFT JOIN pg_constraint rule ON rule.conindid = index.indexrelid AND rule.contype IN ('p', 'u')
    WHERE index.indrelid::regclass::text = ANY(%(tables)s) ORDER BY rule.contype
"""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one process makes: so many messages of each of these threads; `first` is the place of the first message."""

    threads: Sequence[str]
    per_thread: int
    first: int

    @property
    def size(self) -> int:
        return len(self.threads) * self.per_thread


async def load(
    url: str, keys: Keys, count: int, long_thread: tuple[str, int], progress: Callable[[str], None]
) -> float:
    """`count` answered messages in threads of PER_THREAD, and one thread of its own length; the seconds it took."""
    began = monotonic()
    shares = list(_shares(count, long_thread))
    await _make_index_key(url, keys)
    async with without_waiting(url), without_indexes(url, progress, _COLUMNS):
        told = _Told(sum(share.size for share in shares), progress)
        loop, context = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(len(shares) - 1 or 1, mp_context=context) as pool:
            work = partial(_make_share, url, keys.dump())
            waiting = [loop.run_in_executor(pool, work, part) for share in shares for part in _pieces(share)]
            for done in asyncio.as_completed(waiting):
                told(await done)
    progress("counting and cleaning up")
    last = sum(share.size for share in shares)
    for table in ("inbox.id", "parts.seq"):
        name, _, column = table.partition(".")
        await fetch(url, f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), {last + 1})")
    await fetch(url, "VACUUM (ANALYZE)")
    await fetch(url, "CHECKPOINT")
    return monotonic() - began


def _shares(count: int, long_thread: tuple[str, int]) -> Iterator[Share]:
    workers, threads = min(2, os.cpu_count() or 1), [f"old {number}" for number in range(count // PER_THREAD)]
    first = 1
    for worker in range(workers):
        share = Share(threads[worker::workers], PER_THREAD, first)
        first += share.size
        yield share
    name, length = long_thread
    yield Share([name], length, first)


def _pieces(share: Share, threads: int = 500) -> Iterator[Share]:
    """So that progress can be told, and both processes work to the end."""
    for start in range(0, len(share.threads), threads):
        yield Share(share.threads[start : start + threads], share.per_thread, share.first + start * share.per_thread)


class _Told:
    """Says how far it has come at every tenth."""

    def __init__(self, total: int, progress: Callable[[str], None]) -> None:
        self._total, self._progress = total, progress
        self._done = self._tenths = 0

    def __call__(self, more: int) -> None:
        self._done += more
        if 10 * self._done // max(1, self._total) > self._tenths:
            self._tenths = 10 * self._done // self._total
            self._progress(f"{self._done} of {self._total} messages sealed and stored")


# ------------------------------------------------------------------------------------------------ in each process


def _make_share(url: str, keys: str, share: Share) -> int:
    return asyncio.run(_make(url, Keys.parse(keys), share))


async def _make(url: str, keys: Keys, share: Share) -> int:
    database = Database(url, pool_size=1)
    vault = Vault(keys, database)
    await vault.start()
    async with await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True) as connection:
        for batch in _batches(share):
            await _copy(connection, [await _rows(vault, place, each) for place, each in batch])
        await _copy_table(connection, "threads", [_thread_row(vault, share, thread) for thread in share.threads])
    await database.close()
    return share.size


def _batches(share: Share) -> Iterator[list[tuple[int, Message]]]:
    """The messages with their places; those of different threads are mixed as they would have come."""
    all_ = (message(thread, number) for number in range(share.per_thread) for thread in share.threads)
    places = iter(range(share.first, share.first + share.size))
    # The range comes first: where it ends, no place is taken.
    while batch := [(place, next(all_)) for _, place in zip(range(_BATCH), places, strict=False)]:
        yield batch


async def _rows(vault: Vault, place: int, said: Message) -> dict[str, Row]:
    """The rows that a message and its answer leave behind."""
    id_, thread, person = vault.event(DOOR, said.id), vault.thread(said.thread), vault.person(said.author)
    part = PartId(DOOR, said.thread.workspace, said.thread.channel, str(place))
    at = _BEGAN + timedelta(seconds=place)
    about = About(said.thread, said.author, said.id, said.return_address, said.visibility)
    answer = encode(" ".join(random.Random(place).choices(said.text.split(), k=40)))
    return {
        "inbox": (place, id_, DOOR, "turn", thread, person, 2, 1, at, at, at),
        "messages": (id_, place, thread, person, await messages.seal(vault, person, id_, said)),
        "replies": (
            id_, place, thread, person, id_,
            await vault.seal("replies", "about", person, id_, dump_about(about)),
            await vault.seal("replies", "body", person, id_, answer),
            "engine", "echo@1", "unscreened", 2,
        ),
        "turns": (id_, "done", "echo@1", "engine", at, at, at, at),
        "parts": (vault.part(part), place, id_, await _sealed_part(vault, person, part)),
    }  # fmt: skip


async def _sealed_part(vault: Vault, person: UUID, part: PartId) -> bytes:
    return await vault.seal("parts", "body", person, vault.part(part), encode(str(part)))


def _thread_row(vault: Vault, share: Share, name: str) -> Row:
    said = message(name, 0)
    at = _BEGAN + timedelta(seconds=share.first + share.size)
    return vault.thread(said.thread), vault.person(said.author), at


async def _copy(connection: psycopg.AsyncConnection[Row], made: Sequence[dict[str, Row]]) -> None:
    for table in ("inbox", "messages", "replies", "turns", "parts"):
        await _copy_table(connection, table, (rows[table] for rows in made))


async def _copy_table(connection: psycopg.AsyncConnection[Row], table: str, rows: Iterable[Row]) -> None:
    columns = [column.split() for column in _COLUMNS[table].split(",")]
    statement = f"COPY {table} ({', '.join(name for name, _ in columns)}) FROM STDIN (FORMAT BINARY)"
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            await copy.write_row(row)


# --------------------------------------------------------------------------------------------------- around them


async def _make_index_key(url: str, keys: Keys) -> None:
    """Before several processes want it at once."""
    database = Database(url, pool_size=1)
    await Vault(keys, database).start()
    await database.close()


@asynccontextmanager
async def without_waiting(url: str) -> AsyncGenerator[None, None]:
    """For the disk: what is lost in a crash is made again."""
    name = conninfo_to_dict(conninfo(url))["dbname"]
    await fetch(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    yield
    await fetch(url, f"ALTER DATABASE {name} RESET synchronous_commit")


@asynccontextmanager
async def without_indexes(
    url: str, progress: Callable[[str], None], tables: Iterable[str]
) -> AsyncGenerator[None, None]:
    """Indexes are built once at the end; the tables end up as they were declared."""
    indexes = await fetch(url, _INDEXES, {"tables": list(tables)})
    for table, index, _, rule, _ in indexes:
        await fetch(url, f"ALTER TABLE {table} DROP CONSTRAINT {rule}" if rule else f"DROP INDEX {index}")
    yield
    progress(f"building {len(indexes)} indexes")
    for table, _, definition, rule, what in indexes:
        statement = f"ALTER TABLE {table} ADD CONSTRAINT {rule} {what}" if rule else definition
        await fetch(url, f"SET maintenance_work_mem = '256MB'; {statement}")
