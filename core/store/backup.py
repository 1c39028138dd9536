"""What a backup says of itself, and what has to be done with a database that came out of one."""
# ruff: noqa: S608 - what is put together here are constants of this room, and names that the database itself has told

import hmac
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from core.errors import Unreadable
from core.store import seal
from core.store.database import CONNECT_TIMEOUT, Raw, Row, conninfo, not_stored
from core.store.keys import Keys
from core.store.schema import ASIDE
from core.store.vault import DAMAGED, INDEX_SCOPE, Vault

Checked = Callable[[int, int], None]
"""Hears how many sealed values were looked at, and how many there are."""

SAMPLE = 200

_FACTS = """
    SELECT pg_export_snapshot(), now(), current_setting('server_version_num')::int,
        (SELECT version_num FROM alembic_version), (SELECT wrapped FROM house WHERE name = 'index')
"""
_INDEX = "SELECT wrapped FROM house WHERE name = 'index'"
_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""
# One data key of each that wraps any: whoever has the right keys can open them.
_WRAPPED = "SELECT DISTINCT ON (substr(wrapped, 2, 4)) scope, wrapped FROM keys ORDER BY substr(wrapped, 2, 4), id"
_HAS_ANYTHING = "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
_USERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'parley%'
"""
# Any number that is the same in all processes of all releases, and nobody else's here.
_RESTORING = "SELECT pg_try_advisory_lock(7236190590)"
# What it needs besides ours goes with its schema, and may be nobody's to move but the server's owner's.
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extnamespace = 'public'::regnamespace ORDER BY extname"
_SET_ASIDE = f"""
    ALTER SCHEMA public RENAME TO {ASIDE};
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    COMMENT ON SCHEMA public IS 'standard public schema'
"""
_PUT_BACK = f"DROP SCHEMA public CASCADE; ALTER SCHEMA {ASIDE} RENAME TO public"
_LET_GO = f"DROP SCHEMA {ASIDE} CASCADE"
_IS_ASIDE = f"SELECT to_regnamespace('{ASIDE}') IS NOT NULL"

# Who worked on it is gone. What waited may have been answered since: its way out is opened as if somebody had begun it,
# so that each door does what it does where it cannot know, and looks for the answer before it sends one.
_SETTLE = (
    "UPDATE inbox SET status = 0, owner = NULL, lease_until = NULL, available_at = now() WHERE status = 1",
    "UPDATE outbox SET owner = NULL, lease_until = NULL, available_at = now() WHERE status = 0",
    """
    INSERT INTO outbox (reply_id, inbox_id, adapter, thread)
    SELECT reply_id, id, adapter, thread FROM inbox WHERE status = 0 AND lane = 'turn' ON CONFLICT (reply_id) DO NOTHING
    """,
    "UPDATE inbox SET aside = NULL WHERE aside IS NOT NULL",
    # A yes may have come since: what it was said to is done once at most. What was given to one is known by that.
    "DELETE FROM asks WHERE taken_by IS NULL",
    # Whoever has signed out since is not to be let in again.
    "DELETE FROM admin_sessions",
)
_WAITING = """
    SELECT (SELECT count(*) FROM inbox WHERE status IN (0, 1)) + (
        SELECT count(*) FROM outbox WHERE status = 0
            AND NOT EXISTS (SELECT FROM inbox WHERE inbox.reply_id = outbox.reply_id AND inbox.status IN (0, 1))
    )
"""
_FORGETTINGS = "SELECT person, max(at) FROM audit WHERE action = 'forget' AND person IS NOT NULL GROUP BY person"
# Whatever is damaged, one of these is left of a house.
_IS_HOUSE = """
    SELECT EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relname IN ('alembic_version', 'audit', 'house', 'keys', 'messages')
    )
"""
_HAS_AUDIT = "SELECT to_regclass('public.audit') IS NOT NULL"


class Sealed(NamedTuple):
    """A column with sealed values: under whose key they are, and which row they are bound to."""

    table: str
    column: str
    scope: str
    row: str
    join: str = ""


_BY_ASKER = "JOIN replies ON replies.id = {table}.reply_id"
SEALED = (
    Sealed("messages", "body", "messages.author", "messages.id"),
    Sealed("messages", "reading", "messages.author", "messages.id"),
    Sealed("replies", "about", "replies.asker", "replies.id"),
    Sealed("replies", "body", "replies.asker", "replies.id"),
    Sealed("replies", "reasoning", "replies.asker", "replies.id"),
    Sealed("parts", "body", "replies.asker", "parts.id", _BY_ASKER.format(table="parts")),
    Sealed("drafts", "body", "replies.asker", "drafts.reply_id", _BY_ASKER.format(table="drafts")),
    Sealed("votes", "body", "votes.author", "votes.id"),
    Sealed("incidents", "body", "incidents.asker", "incidents.id"),
    Sealed("incidents", "appeal", "incidents.asker", "incidents.id"),
    Sealed("asks", "body", "asks.asker", "asks.reply_id"),
    Sealed("inbox", "payload", "inbox.author", "inbox.reply_id"),
    Sealed("inbox", "reason", "%(house)s::uuid", "inbox.reply_id"),
    Sealed("outbox", "state", "replies.asker", "outbox.reply_id", _BY_ASKER.format(table="outbox")),
    Sealed("outbox", "extras", "replies.asker", "outbox.reply_id", _BY_ASKER.format(table="outbox")),
    Sealed("outbox", "reason", "%(house)s::uuid", "outbox.reply_id"),
    Sealed("incidents", "ruling", "incidents.asker", "incidents.id"),
    Sealed("secrets", "body", "COALESCE(secrets.owner, %(house)s::uuid)", "secrets.id"),
    Sealed("lifted", "body", "lifted.person", "lifted.person"),
    Sealed("admins", "body", "%(house)s::uuid", "admins.id"),
    Sealed("admin_sessions", "body", "%(house)s::uuid", "admin_sessions.id"),
    Sealed("cached", "body", "cached.asker", "cached.key"),
    Sealed("cached", "vector", "cached.asker", "cached.key"),
)
# What is left of somebody who was being forgotten opens to nobody, and is no damage.
_VALUES = """
    SELECT {scope}, {row}, {table}.{column} FROM {table} {join}
    JOIN keys ON keys.scope = {scope} AND substr(int8send(keys.id), 5, 4) = substr({table}.{column}, 2, 4)
    WHERE {table}.{column} IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """A moment of a database. `keys` are a wrapped data key, with its scope, of each encryption key that is needed."""

    snapshot: str
    at: datetime
    server: int
    schema: str
    index: bytes
    keys: Mapping[int, tuple[UUID, bytes]]
    rows: Mapping[str, int]


@asynccontextmanager
async def moment(url: str) -> AsyncGenerator[Facts, None]:
    """What the database holds just now; the snapshot can be used until it is left. Raises NotStored."""
    async with _connected(url, "parley backup") as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ((snapshot, at, server, schema, index),) = await _rows(connection, _FACTS)
        wrapped = {seal.key_id(blob): (scope, blob) for scope, blob in await _rows(connection, _WRAPPED)}
        wrapped.setdefault(seal.key_id(index), (UUID(int=0), index))
        counts = {}
        for (name,) in await _rows(connection, _TABLES):
            cursor = await connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier("public", name)))
            counts[name] = int((await cursor.fetchall())[0][0])
        yield Facts(snapshot, at.astimezone(UTC), server, schema, bytes(index), wrapped, counts)


async def index_key(url: str) -> bytes:
    """The wrapped key of its blind indexes; b"" where it has none, as nothing was ever kept."""
    async with _connected(url, "parley backup") as connection:
        found = await _rows(connection, _INDEX)
        return bytes(found[0][0]) if found else b""


async def rows(url: str) -> Mapping[str, int]:
    """How many each table has."""
    async with moment(url) as facts:
        return facts.rows


def mac(keys: Keys, index: bytes, said: bytes) -> str:
    """What only the house can say of this whose blind indexes are made with `index`; raises Unreadable."""
    return hmac.digest(keys.unwrap(INDEX_SCOPE, index), b"backup" + said, "sha256").hex()


def opens(keys: Keys, scope: UUID, wrapped: bytes) -> bool:
    """Whether the key at hand is the one it was wrapped with, and not another of the same number."""
    with suppress(Unreadable):
        keys.unwrap(scope.bytes if scope.int else INDEX_SCOPE, wrapped)
        return True
    return False


# ------------------------------------------------------------------------------------------------------- a place for it


async def server_version(url: str) -> int:
    """Its number, 150018 for 15.18."""
    async with _connected(url, "parley backup") as connection:
        return int((await _rows(connection, "SELECT current_setting('server_version_num')::int"))[0][0])


async def has_anything(url: str) -> bool:
    async with _connected(url, "parley restore") as connection:
        return bool((await _rows(connection, _HAS_ANYTHING))[0][0])


async def is_house(url: str) -> bool:
    """Whether what it holds is Parley's, whole or not."""
    async with _connected(url, "parley restore") as connection:
        return bool((await _rows(connection, _IS_HOUSE))[0][0])


async def users(url: str) -> int:
    """How many connections of Parley it has besides this one."""
    async with _connected(url, "parley restore") as connection:
        return int((await _rows(connection, _USERS))[0][0])


async def schema_of(url: str) -> str:
    """Where a table without the name of a schema is looked for first, and is made."""
    async with _connected(url, "parley backup") as connection:
        return str((await _rows(connection, "SELECT current_schema()"))[0][0])


async def extensions(url: str) -> list[str]:
    """Those in the schema of ours, by name."""
    async with _connected(url, "parley restore") as connection:
        return [name for (name,) in await _rows(connection, _EXTENSIONS)]


async def has_no_log(url: str) -> bool:
    """Whether its audit log is there, and not a line in it. Raises NotStored where it is not."""
    async with _connected(url, "parley restore") as connection:
        return not (await _rows(connection, "SELECT EXISTS (SELECT FROM public.audit)"))[0][0]


@asynccontextmanager
async def alone(url: str) -> AsyncGenerator[bool, None]:
    """Whether no other restore is at work on it, nor begins one until this is left."""
    async with _connected(url, "restore by parley") as connection:  # which is not one of its `users`
        yield bool((await _rows(connection, _RESTORING))[0][0])


async def put_back(url: str) -> None:
    """Where an earlier restore was killed half-way, what was there before it is there again."""
    async with _connected(url, "parley restore") as connection:
        if (await _rows(connection, _IS_ASIDE))[0][0]:
            await connection.execute(_in_one(_PUT_BACK))


@asynccontextmanager
async def set_aside(url: str) -> AsyncGenerator[None, None]:
    """What is there gives way to what is restored; it is back, and nothing has changed, where that comes to nothing."""
    async with _connected(url, "parley restore") as connection:
        await connection.execute(_in_one(_SET_ASIDE))
    try:
        yield
    except BaseException:
        async with _connected(url, "parley restore") as connection:
            await connection.execute(_in_one(_PUT_BACK))
        raise
    async with _connected(url, "parley restore") as connection:
        await connection.execute(_in_one(_LET_GO))


async def settle(url: str) -> int:
    """Frees what was being worked on; how many questions, answers and clicks wait."""
    async with _connected(url, "parley restore") as connection, connection.transaction():
        for sql in _SETTLE:
            await connection.execute(sql.encode())
        return int((await _rows(connection, _WAITING))[0][0])


# -------------------------------------------------------------------------------------------------------- what it holds


async def unreadable(url: str, vault: Vault, keys: Keys, *, is_whole: bool, progress: Checked) -> Mapping[str, int]:
    """How many sealed values of each column do not open, where any; SAMPLE of each by chance unless `is_whole`."""
    damaged: dict[str, int] = {}
    params = {"house": vault.house, "limit": None if is_whole else SAMPLE}
    done = 0
    async with _connected(url, "parley restore") as connection:
        queries = list(_queries(is_whole))
        total = 0
        for _, sql in queries:
            total += int((await _rows(connection, f"SELECT count(*) FROM ({sql}) AS them", params))[0][0])
        for place, sql in queries:
            async with connection.transaction(), connection.cursor("sealed", binary=True) as cursor:
                cursor.itersize = 1000
                await cursor.execute(sql.encode(), params)
                async for scope, row, blob in cursor:
                    name = f"{place.table}.{place.column}"
                    if not await _opens(vault, keys, place, scope, row, bytes(blob)):
                        damaged[name] = damaged.get(name, 0) + 1
                    done += 1
                    if done % 100 == 0:
                        progress(done, total)
    progress(done, total)
    return damaged


def _queries(is_whole: bool) -> Iterator[tuple[Sealed, str]]:
    """By whose they are, so that each key is read once; by chance where some are enough."""
    order = "ORDER BY 1" if is_whole else "ORDER BY random()"
    keys = Sealed("keys", "wrapped", "keys.scope", "keys.scope")
    yield keys, f"SELECT keys.scope, keys.scope, keys.wrapped FROM keys {order} LIMIT %(limit)s"
    for place in SEALED:
        yield place, f"{_VALUES.format(**place._asdict())} {order} LIMIT %(limit)s"


async def _opens(vault: Vault, keys: Keys, place: Sealed, scope: UUID, row: UUID, blob: bytes) -> bool:
    try:
        if place.table == "keys":
            keys.unwrap(scope.bytes, blob)
        else:
            await vault.open(place.table, place.column, scope, row, blob)
    except DAMAGED:
        return False
    return True


async def forgettings(url: str) -> Mapping[UUID, datetime]:
    """Who was forgotten, by blind index, and when last: what the audit log says."""
    async with _connected(url, "parley backup") as connection:
        if not (await _rows(connection, _HAS_AUDIT))[0][0]:
            return {}
        return {person: at.astimezone(UTC) for person, at in await _rows(connection, _FORGETTINGS)}


# ---------------------------------------------------------------------------------------------------------- connections


@contextmanager
def address(url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """What its programs connect to, and what their environment has besides.

    Passwords are in files of this account's: others may see a command line.
    """
    place, environment = conninfo_to_dict(conninfo(url)), {}
    password, unlocks = place.pop("password", None), place.pop("sslpassword", None)
    with TemporaryDirectory(prefix="parley-") as folder:
        if unlocks:  # the key of a client's certificate; there is no variable for it
            (file := Path(folder) / "service").touch(0o600)
            file.write_text(f"[parley]\nsslpassword={unlocks}\n")
            place["service"], environment["PGSERVICEFILE"] = "parley", str(file)
        if password:
            escaped = str(password).replace("\\", "\\\\").replace(":", "\\:")
            (file := Path(folder) / "pass").touch(0o600)
            file.write_text(f"*:*:*:*:{escaped}\n")
            place["passfile"] = str(file)
        yield make_conninfo("", **place), environment


@asynccontextmanager
async def _connected(url: str, name: str) -> AsyncGenerator[Raw, None]:
    try:
        async with await psycopg.AsyncConnection.connect(
            conninfo(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name=name
        ) as connection:
            yield connection
    except (psycopg.Error, OSError) as error:
        raise not_stored(error) from error


async def _rows(connection: Raw, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
    return await (await connection.execute(sql.encode(), params)).fetchall()


def _in_one(sql: str) -> bytes:
    return f"BEGIN; {sql}; COMMIT".encode()
