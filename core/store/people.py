"""All that is kept of one person: shredded with their key and deleted, or handed to them."""
# ruff: noqa: S608 - what is put together here are constants of this room

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from uuid import UUID

from core import codec
from core.commands import is_farewell
from core.errors import LeaseLost, NotStored
from core.message import Author, Event
from core.ports import Claim, Forgotten, Mark, Signal, SignalKind, Theirs
from core.store import seal, yielding
from core.store.audit import PostgresAudit
from core.store.database import Database, Transaction
from core.store.inventory import Inventory
from core.store.room import NOBODY, Params, token
from core.store.seal import DataKey, Place
from core.store.signals import CHANNEL, Hub
from core.store.vault import DAMAGED, Vault

_BATCH = 500  # rows, with all that hangs on them: what is locked at once is soon free again
_PATIENCE = 1.0  # seconds in which whoever answers them ends that properly,
_TELLING = 3.0  # or in which they are told that they were forgotten before
_LOOK = 0.05

# One forgetting of a person after the other, over all processes.
_GATE = "SELECT pg_advisory_xact_lock(%(gate)s)"
# Commands of theirs that are not answered yet; the text of anything else is not in `payload`.
_COMMANDS = """
    SELECT id, reply_id, payload FROM inbox
    WHERE author = %(person)s AND lane = 'turn' AND status IN (0, 1) AND payload IS NOT NULL ORDER BY id FOR UPDATE
"""
_IS_TELLING = """
    SELECT EXISTS (SELECT FROM inbox WHERE id = ANY(%(ids)s::bigint[]) AND status = 1)
        OR EXISTS (SELECT FROM outbox WHERE inbox_id = ANY(%(ids)s::bigint[]) AND status = 0 AND owner IS NOT NULL)
        OR EXISTS (
            SELECT FROM outbox WHERE inbox_id = ANY(%(ids)s::bigint[]) AND status = 0 AND is_ready AND owner IS NULL
        )
"""
_DROP_KEY = "DELETE FROM keys WHERE scope = %(person)s"
_NEW_KEY = "INSERT INTO keys (scope, wrapped) VALUES (%(person)s, %(wrapped)s) RETURNING id"
_RESEAL = "UPDATE inbox SET payload = %(payload)s WHERE id = %(id)s"
_HOLD = """
    UPDATE inbox SET lease_until = lease_until
    WHERE id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s
"""
_DROP_CACHED = "DELETE FROM cached WHERE asker = %(person)s"
_DROP_NOTES = "DELETE FROM secrets WHERE owner = %(person)s"
_TELL = f"SELECT pg_notify('{CHANNEL}', %(signal)s)"
# Whoever else has an answer of theirs written again.
_IS_ANSWERED_AGAIN = """
    status = 1 AND EXISTS (SELECT FROM replies WHERE replies.id = inbox.reply_id AND replies.asker = %(person)s)
"""
# A row that is being claimed just now waits in our snapshot and runs once we may touch it: mark it all the same.
_STOP = f"""
    WITH stopped AS (
        UPDATE inbox SET mark = '{Mark.ERASE}'
        WHERE lane = 'turn' AND id <> ALL(%(spared)s::bigint[])
            AND (author = %(person)s AND status IN (0, 1) OR {_IS_ANSWERED_AGAIN})
        RETURNING reply_id, status
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s || replace(reply_id::text, '-', '')) FROM stopped WHERE status = 1
"""
# Turns, and answers on their way out.
_RUNNING = f"""
    SELECT EXISTS (
        SELECT FROM inbox WHERE lane = 'turn' AND id <> ALL(%(spared)s::bigint[])
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
    WHERE author = %(person)s AND status IN (0, 1, 3) AND id <> ALL(%(spared)s::bigint[])
"""
# A place in the outbox that waits for an answer goes with it: the next of its thread would wait for ever.
_END = f"""
    WITH ended AS ({_ENDED_ROW} AND id <= %(last)s RETURNING reply_id)
    DELETE FROM outbox USING ended WHERE outbox.reply_id = ended.reply_id AND NOT is_ready
"""
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
_IS_FROM_BEFORE = "{row}.seq <= %(last)s AND {row}.seq <> ALL(%(spared)s::bigint[])"
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
_DROP_NOTES_LATE = _DROP.format(
    table="secrets", id="id", person="owner", is_theirs=_IS_SHREDDED.format(blob="secrets.body")
)
# A thread that nothing of theirs is left in was begun by nobody, also where it was begun with a command alone.
_LET_GO = """
    WITH gone AS (
        UPDATE threads SET owner = NULL, asked_at = NULL, reset_seq = GREATEST(reset_seq, 1)
        WHERE owner = %(person)s AND id IN (
            SELECT id FROM threads WHERE owner = %(person)s AND asked_at IS {begun_by}
                AND id NOT IN (SELECT thread FROM messages WHERE author = %(person)s)
                AND id NOT IN (SELECT thread FROM replies WHERE asker = %(person)s)
                AND id NOT IN (SELECT thread FROM inbox WHERE author = %(person)s AND status IN (0, 1))
            LIMIT %(limit)s
        ) RETURNING 1
    )
    SELECT count(*) FROM gone HAVING count(*) > 0
"""
_LET_GO_OF = (_LET_GO.format(begun_by="NULL"), _LET_GO.format(begun_by="NOT NULL"))
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

        Then, in batches, the rows that were sealed under it. Whoever asks for it twice at once is forgotten once, and
        every event that asks is answered.
        """
        return await self._forget(self._vault.person(person), sparing, by)

    async def forget_again(self, person: UUID, *, by: str) -> Forgotten:
        """The same, of somebody who is known by their blind index alone: a backup has brought them back."""
        return await self._forget(person, None, by)

    async def _forget(self, person: UUID, sparing: Claim | None, by: str) -> Forgotten:
        params: Params = {"person": person}
        params |= await self._shred(person, sparing, by)
        await self._wait(params)
        await yielding.begun_anew(partial(self._end, params))
        votes = await self._drop(_DROP_VOTES, params)
        answers = await self._drop(_DROP_REPLIES, params)
        said = await self._drop(_DROP_MESSAGES, params)
        for sql in (*_DROP_OTHERS, _DROP_NOTES_LATE, *_LET_GO_OF):
            await self._drop(sql, params)
        signal = self._hub.payload_for_all(SignalKind.FORGET, params["person"].hex)
        await self._database.fetch(_DROP_KEPT_LATE, params | {"signal": signal})
        await self._database.fetch(_DROP_DRAFTS_LATE)
        with suppress(NotStored):
            await self.sweep()
        return Forgotten(said, answers, votes)

    async def sweep(self) -> None:
        """Takes away the bytes of keys that were dropped. Raises NotStored.

        Not of those that somebody may still see who looked before, as a backup does: called again later, it does.
        """
        await self._database.fetch(_SWEEP)

    async def _shred(self, scope: UUID, sparing: Claim | None, by: str) -> Params:
        """`last`, the id of the last event that came before, and `spared`, those of the events that are answered.

        Whoever was forgotten a moment ago, and says it again elsewhere, is told so before that answer is forgotten too.
        """
        until = monotonic() + _TELLING
        while True:
            waits = monotonic() < until
            begun = await yielding.begun_anew(partial(self._begin, scope, sparing, by, waits=waits))
            if begun is not None:
                return begun
            await asyncio.sleep(_LOOK)

    async def _begin(self, scope: UUID, sparing: Claim | None, by: str, *, waits: bool) -> Params | None:
        """None where it is to be waited for somebody who is being told. Others wait for this for a moment alone."""
        params: Params = {"person": scope, "gate": int.from_bytes(scope.bytes[8:], signed=True)}
        signal, marks = self._hub.payload_of(SignalKind.FORGET, scope.hex), self._hub.payload_for_all(SignalKind.MARK)
        async with self._database.transaction() as tx:
            yielding.give_way(tx)
            tx.later(_GATE, params)
            before = await self._audit.last(tx, "forget", scope)
            if sparing and sparing.id <= before.get("until", 0):  # it was done when this one had been asked for
                return {"last": before["until"], "spared": before["sparing"]}
            if waits and (await tx.fetch(_IS_TELLING, {"ids": before.get("sparing", [])}))[0][0]:
                return None
            tx.later(_DROP_KEY, params)  # intake holds it until what was sealed under it is committed
            spared = await self._spared(tx, params, sparing) if sparing else {}
            params["spared"] = list(spared)
            if spared:
                await self._spare(tx, scope, spared)
            for sql in (_DROP_CACHED, _DROP_NOTES):
                tx.later(sql, params)
            tx.later(_STOP, params | {"signal": marks})
            tx.later(_END_CONTROL, params)
            tx.later(_TELL, {"signal": signal})
            ((last,),) = await tx.fetch(_LAST, None)
            done = {"until": last, "sparing": params["spared"]} if sparing else {}
            await self._audit.add(tx, "forget", by=by, person=scope, details=done)
        self._hub.publish(Signal(SignalKind.FORGET, scope.hex))
        return {"last": last, "spared": params["spared"]}

    async def _spared(self, tx: Transaction, params: Params, claim: Claim) -> dict[int, tuple[UUID, Event]]:
        """The events that ask for this, by their ids: the claimed one, and what they have said elsewhere meanwhile."""
        spared: dict[int, tuple[UUID, Event]] = {claim.id: (UUID(claim.reply_id), claim.event)}
        tx.later(_HOLD, token(claim), LeaseLost)
        for id_, row, payload in await tx.fetch(_COMMANDS, params):
            with suppress(*DAMAGED):
                event = codec.loads(await self._vault.open("inbox", "payload", params["person"], row, payload))
                if is_farewell(event):
                    spared[id_] = (row, event)
        return spared

    async def _spare(self, tx: Transaction, scope: UUID, spared: Mapping[int, tuple[UUID, Event]]) -> None:
        """They are sealed anew, so that a later try of them can be answered."""
        secret, wrapped = self._vault.new_key(scope)
        ((key_id,),) = await tx.fetch(_NEW_KEY, {"person": scope, "wrapped": wrapped})
        for id_, (row, event) in spared.items():
            place = Place("inbox", "payload", scope.bytes, row.bytes)
            payload = seal.seal(DataKey(key_id, secret), place, codec.dumps(event))
            tx.later(_RESEAL, {"id": id_, "payload": payload})

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

    async def _end(self, params: Params) -> None:
        """Whoever ends one of these turns just now goes first: they call the next of its thread, which is ended too."""
        async with self._database.transaction() as tx:
            yielding.give_way(tx)
            tx.later(_END, params)
            tx.later(_TELL, {"signal": self._hub.payload_for_all(SignalKind.INBOX, "turn")})

    def everything(self, person: Author) -> AsyncGenerator[Theirs, None]:
        return Inventory(self._database, self._vault, self._vault.person(person)).everything()
