"""All that is kept of one person: shredded with their key and deleted, or handed to them."""
# ruff: noqa: S608 - what is put together here are constants of this room

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from uuid import UUID

from core import codec
from core.errors import LeaseLost, NotStored
from core.message import Author, Message, Reply
from core.ports import Claim, Forgotten, Mark, Signal, SignalKind, Vote
from core.store import messages, ratings, replies, seal, yielding
from core.store.audit import PostgresAudit
from core.store.database import Database, Row, Transaction
from core.store.room import NOBODY, Params, token
from core.store.seal import DataKey, Place
from core.store.signals import CHANNEL, Hub
from core.store.vault import DAMAGED, Vault

logger = logging.getLogger(__name__)

_BATCH = 500  # rows, with all that hangs on them: what is locked at once is soon free again
_PAGE = 200
_PATIENCE = 1.0  # seconds in which whoever answers them ends that properly
_LOOK = 0.05

_DROP_KEY = "DELETE FROM keys WHERE scope = %(person)s"
_NEW_KEY = "INSERT INTO keys (scope, wrapped) VALUES (%(person)s, %(wrapped)s) RETURNING id"
_RESEAL = """
    UPDATE inbox SET payload = %(payload)s
    WHERE id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s
"""
_DROP_CACHED = "DELETE FROM cached WHERE asker = %(person)s"
_TELL = f"SELECT pg_notify('{CHANNEL}', %(signal)s)"
# Whoever else has an answer of theirs written again.
_IS_ANSWERED_AGAIN = """
    status = 1 AND EXISTS (SELECT FROM replies WHERE replies.id = inbox.reply_id AND replies.asker = %(person)s)
"""
# A row that is being claimed just now waits in our snapshot and runs once we may touch it: mark it all the same.
_STOP = f"""
    WITH stopped AS (
        UPDATE inbox SET mark = '{Mark.ERASE}'
        WHERE lane = 'turn' AND id <> %(own)s
            AND (author = %(person)s AND status IN (0, 1) OR {_IS_ANSWERED_AGAIN})
        RETURNING reply_id, status
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s || replace(reply_id::text, '-', '')) FROM stopped WHERE status = 1
"""
# Turns, and answers on their way out.
_RUNNING = f"""
    SELECT EXISTS (
        SELECT FROM inbox WHERE lane = 'turn' AND id <> %(own)s
            AND (author = %(person)s AND status = 1 OR {_IS_ANSWERED_AGAIN})
    ) OR EXISTS (
        SELECT FROM outbox JOIN replies ON replies.id = outbox.reply_id
        WHERE outbox.status = 0 AND outbox.owner IS NOT NULL AND replies.asker = %(person)s
    )
"""
# It is known by its own id as one that came already, and by nothing else.
_ENDED_ROW = f"""
    UPDATE inbox SET status = 2, payload = NULL, reason = NULL, author = '{NOBODY}', owner = NULL, lease_until = NULL,
        finished_at = COALESCE(finished_at, now())
    WHERE author = %(person)s AND status IN (0, 1, 3) AND id <> %(own)s
"""
_END = f"{_ENDED_ROW} AND id <= %(last)s"
# With the key: what is being counted just now would be sealed under the next one, and would stay.
_END_CONTROL = f"{_ENDED_ROW} AND lane = 'control'"
_LAST = "SELECT COALESCE(max(id), 0) FROM inbox"
# What is sealed under another key than the person has now, or has none for, opens to nobody.
_IS_SHREDDED = """
    NOT EXISTS (
        SELECT FROM keys WHERE scope = %(person)s AND substr(int8send(keys.id), 5, 4) = substr({blob}, 2, 4)
    )
"""
# What comes of an event that came before is theirs as well where it is written too late to be sealed under the old key.
_IS_FROM_BEFORE = "{row}.seq <= %(last)s AND {row}.seq <> %(own)s"
_IS_LEFT_OVER = "NOT EXISTS (SELECT FROM replies WHERE replies.id = {row}.reply_id)"
# That a thread was begun is remembered of it: what was said there is not to be read from the platform again.
_LEAVE = """
    left_behind AS (
        UPDATE threads SET reset_seq = GREATEST(reset_seq, 1), owner = NULLIF(owner, %(person)s),
            asked_at = CASE WHEN owner IS DISTINCT FROM %(person)s THEN asked_at END
        WHERE id IN (SELECT thread FROM doomed)
    )
"""
_ENDED = f"""
    ended AS (
        UPDATE inbox SET payload = NULL, author = '{NOBODY}'
        FROM doomed WHERE inbox.reply_id = doomed.id AND inbox.status = 2
    )
"""


def _hanging(*tables: str) -> str:
    return ", ".join(
        f"gone_{table} AS (DELETE FROM {table} USING doomed WHERE {table}.reply_id = doomed.id)" for table in tables
    )


_DROP_REPLIES = f"""
    WITH doomed AS MATERIALIZED (
        SELECT id, thread FROM replies
        WHERE asker = %(person)s
            AND ({_IS_SHREDDED.format(blob="replies.about")} OR {_IS_FROM_BEFORE.format(row="replies")})
        LIMIT %(limit)s
    ), {_hanging("parts", "drafts", "outbox", "votes", "turns", "incidents", "asks", "cached_uses")},
    {_LEAVE}, {_ENDED}, gone AS (DELETE FROM replies USING doomed WHERE replies.id = doomed.id)
    SELECT count(*), pg_notify('{CHANNEL}', %(shown)s) FROM doomed HAVING count(*) > 0
"""
_DROP_MESSAGES = f"""
    WITH doomed AS MATERIALIZED (
        SELECT id, thread FROM messages
        WHERE author = %(person)s
            AND ({_IS_SHREDDED.format(blob="messages.body")} OR {_IS_FROM_BEFORE.format(row="messages")})
        LIMIT %(limit)s
    ), {_LEAVE}, {_ENDED}, gone AS (DELETE FROM messages USING doomed WHERE messages.id = doomed.id)
    SELECT count(*) FROM doomed HAVING count(*) > 0
"""
_DROP = """
    WITH gone AS (
        DELETE FROM {table} WHERE {id} IN (
            SELECT {id} FROM {table} WHERE {person} = %(person)s AND {is_theirs} LIMIT %(limit)s
        ) RETURNING 1
    )
    SELECT count(*) FROM gone HAVING count(*) > 0
"""
_DROP_VOTES = _DROP.format(table="votes", id="id", person="author", is_theirs=_IS_SHREDDED.format(blob="votes.body"))
_DROP_OTHERS = tuple(
    _DROP.format(
        table=table,
        id=id_,
        person=person,
        is_theirs=f"({_IS_SHREDDED.format(blob=f'{table}.body')} OR {_IS_LEFT_OVER.format(row=table)})",
    )
    for table, id_, person in (("votes", "id", "author"), ("incidents", "id", "asker"), ("asks", "reply_id", "asker"))
)
# An answer that was finished before may be kept for others until its question is gone. Who holds it by now, lets it go.
_DROP_KEPT_LATE = f"""
    WITH gone AS (
        DELETE FROM cached
        WHERE asker = %(person)s AND NOT EXISTS (SELECT FROM messages WHERE messages.id = cached.question) RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM gone LIMIT 1
"""
# One that was on its way while its reply went.
_DROP_DRAFTS_LATE = f"""
    WITH gone AS (DELETE FROM drafts WHERE {_IS_LEFT_OVER.format(row="drafts")} RETURNING 1) SELECT 1 FROM gone
"""
_SAID = """
    SELECT seq, id, body FROM messages
    WHERE author = %(person)s AND seq > %(after)s AND NOT is_erased ORDER BY seq LIMIT %(limit)s
"""
_TOLD = f"""
    SELECT replies.seq, {replies.COLUMNS} FROM replies
    WHERE replies.asker = %(person)s AND replies.seq > %(after)s AND replies.body IS NOT NULL
    ORDER BY replies.seq LIMIT %(limit)s
"""
_RATED = """
    SELECT DISTINCT reply_id FROM votes WHERE author = %(person)s AND reply_id > %(after)s
    ORDER BY reply_id LIMIT %(limit)s
"""
# Dead rows keep their bytes until they are swept. Where somebody else is at it, they do it.
_SWEEP = "VACUUM (SKIP_LOCKED) keys"


class PostgresPeople:
    """`ports.People`."""

    def __init__(self, database: Database, vault: Vault, hub: Hub, audit: PostgresAudit) -> None:
        self._database = database
        self._vault = vault
        self._hub = hub
        self._audit = audit

    async def forget(self, person: Author, *, sparing: Claim | None = None, by: str = "") -> Forgotten:
        """The key goes first, in one transaction with what is cached; whatever breaks off after it, all is unreadable.

        Then, in batches, the rows that were sealed under it.
        """
        params: Params = {"person": self._vault.person(person), "own": sparing.id if sparing else 0}
        params["last"] = await self._shred(params, sparing, by)
        await self._wait(params)
        await self._fetch(_END, params, SignalKind.INBOX, "turn")
        votes = await self._drop(_DROP_VOTES, params)
        answers = await self._drop(_DROP_REPLIES, params)
        said = await self._drop(_DROP_MESSAGES, params)
        for sql in _DROP_OTHERS:
            await self._drop(sql, params)
        signal = self._hub.payload_for_all(SignalKind.FORGET, params["person"].hex)
        await self._database.fetch(_DROP_KEPT_LATE, params | {"signal": signal})
        await self._database.fetch(_DROP_DRAFTS_LATE)
        with suppress(NotStored):
            await self._database.fetch(_SWEEP)
        return Forgotten(said, answers, votes)

    async def _shred(self, params: Params, sparing: Claim | None, by: str) -> int:
        """The id of the last event that came before."""
        scope: UUID = params["person"]
        signal, marks = self._hub.payload_of(SignalKind.FORGET, scope.hex), self._hub.payload_for_all(SignalKind.MARK)
        async with self._database.transaction() as tx:
            tx.later(_DROP_KEY, params)
            if sparing:
                await self._spare(tx, params, sparing)
            tx.later(_DROP_CACHED, params)
            tx.later(_STOP, params | {"signal": marks})  # first, as whoever erases a question marks its turn first
            tx.later(_END_CONTROL, params)
            tx.later(_TELL, {"signal": signal})
            ((last,),) = await tx.fetch(_LAST, None)
            await self._audit.add(tx, "forget", by=by, person=scope, details={})
        self._hub.publish(Signal(SignalKind.FORGET, scope.hex))
        return int(last)

    async def _spare(self, tx: Transaction, params: Params, claim: Claim) -> None:
        """The event that asks for this is sealed anew, so that a later try of it can be answered."""
        scope, row = params["person"], UUID(claim.reply_id)
        secret, wrapped = self._vault.new_key(scope)
        ((key_id,),) = await tx.fetch(_NEW_KEY, {"person": scope, "wrapped": wrapped})
        place = Place("inbox", "payload", scope.bytes, row.bytes)
        payload = seal.seal(DataKey(key_id, secret), place, codec.dumps(claim.event))
        tx.later(_RESEAL, token(claim) | {"payload": payload}, LeaseLost)

    async def _wait(self, params: Params) -> None:
        """Until those who write answers for them have stopped; whoever has not by then finds their turn gone."""
        until = monotonic() + _PATIENCE
        while monotonic() < until and (await self._database.fetch(_RUNNING, params))[0][0]:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)

    async def _drop(self, sql: str, params: Params) -> int:
        total = 0
        shown = self._hub.payload_for_all(SignalKind.OUTBOX)  # another's answer may be next in its thread now
        while rows := await yielding.fetch(self._database, sql, params | {"limit": _BATCH, "shown": shown}):
            total += rows[0][0]
        return total

    async def _fetch(self, sql: str, params: Params, kind: SignalKind, key: str) -> None:
        async with self._database.transaction() as tx:
            tx.later(sql, params)
            tx.later(_TELL, {"signal": self._hub.payload_for_all(kind, key)})

    async def everything(self, person: Author) -> AsyncGenerator[Message | Reply | Vote, None]:
        params: Params = {"person": self._vault.person(person)}
        async for row in self._pages(_SAID, params, 0):
            with _readable("message", row[1]):
                yield await messages.open(self._vault, params["person"], row[1], row[2])
        async for _, *columns in self._pages(_TOLD, params, 0):
            with _readable("reply", columns[0]):
                yield (await replies.read(self._vault, replies.Stored(*columns)))[1]
        async for (id_,) in self._pages(_RATED, params, NOBODY):
            async with self._database.transaction(autocommit=True) as tx:
                votes = await ratings.votes_of(tx, self._vault, params["person"], [id_])
            for vote in votes.values():
                yield vote

    async def _pages(self, sql: str, params: Params, after: int | UUID) -> AsyncGenerator[Row, None]:
        """Page by page, for each statement is bounded; the first column is where the next one begins."""
        while rows := await self._database.fetch(sql, params | {"after": after, "limit": _PAGE}):
            for row in rows:
                yield row
            after = rows[-1][0]


@contextmanager
def _readable(kind: str, id_: UUID) -> Iterator[None]:
    """One row that was changed or moved in the database is left out."""
    try:
        yield
    except DAMAGED as error:
        logger.error("%s %s cannot be read and is left out: %s", kind, id_.hex, type(error).__name__)
