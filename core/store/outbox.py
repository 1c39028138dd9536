"""Answers that are not yet delivered: leased, fenced, and shown head of thread first."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.errors import KeyMissing, LeaseLost
from core.extras import Placed
from core.message import PartId, Reply, ReplyId
from core.ports import Claim, Delivery, SignalKind
from core.store import bodies, replies
from core.store.database import Row
from core.store.room import Room, delivery_token, token
from core.store.signals import CHANNEL
from core.store.vault import DAMAGED, reply_id

logger = logging.getLogger(__name__)

# Asked row by row and not as a join: while the statistics still call the queue empty, a join would read it all per row.
_IS_HEAD = """
    {row}.inbox_id <= COALESCE((
        SELECT first.inbox_id FROM outbox first WHERE first.thread = {row}.thread AND first.status = 0
        ORDER BY first.inbox_id LIMIT 1
    ), {row}.inbox_id)
"""
# What the control lane says stands in no thread's line: it neither waits behind an answer that grows nor holds one up.
_OPEN = f"""
    WITH mine AS MATERIALIZED (
        SELECT id, reply_id, adapter, CASE WHEN lane = 'control' THEN reply_id ELSE thread END AS thread FROM inbox
        WHERE id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s FOR UPDATE
    )
    INSERT INTO outbox (reply_id, inbox_id, adapter, thread, owner, lease_until)
    SELECT reply_id, id, adapter, thread, %(owner)s, now() + %(lease)s FROM mine
    ON CONFLICT (reply_id) DO UPDATE SET
        owner = EXCLUDED.owner, lease_until = EXCLUDED.lease_until, attempts = outbox.attempts + 1, status = 0
    RETURNING attempts, failures, state, is_ready,
        {_IS_HEAD.format(row="outbox")}, {replies.PARTS.format(reply="outbox.reply_id")}
"""
_CLAIMED = f"""
    WITH head AS MATERIALIZED (
        SELECT reply_id FROM outbox waiting
        WHERE status = 0 AND is_ready AND owner IS NULL AND available_at <= now()
            AND adapter = ANY(%(doors)s::text[]) AND {_IS_HEAD.format(row="waiting")} {{is_ours}}
        ORDER BY inbox_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE outbox SET attempts = attempts + 1, owner = %(owner)s, lease_until = now() + %(lease)s
        FROM head WHERE outbox.reply_id = head.reply_id
        RETURNING outbox.reply_id, inbox_id, attempts, failures, state, extras IS NOT NULL AS has_extras
    )
    SELECT attempts, failures, state, has_extras, {replies.COLUMNS}, inbox_id
    FROM claimed JOIN replies ON replies.id = claimed.reply_id ORDER BY inbox_id
"""
# Where the asker's key is wrapped with an encryption key that this process was not given, another one delivers.
_IS_OURS = """
    AND COALESCE((
        SELECT substr(keys.wrapped, 2, 4) FROM replies JOIN keys ON keys.scope = replies.asker
        WHERE replies.id = waiting.reply_id
    ) <> ALL(%(missing)s::bytea[]), true)
"""
_CLAIM, _CLAIM_OURS = _CLAIMED.format(is_ours=""), _CLAIMED.format(is_ours=_IS_OURS)
_HELD = "reply_id = %(id)s::uuid AND status = 0 AND owner = %(owner)s AND attempts = %(attempts)s"
_IS_HEAD_NOW = f"SELECT {_IS_HEAD.format(row='outbox')} FROM outbox WHERE reply_id = %(id)s::uuid AND status = 0"
_FORSAKE = "DELETE FROM outbox WHERE reply_id = %(reply)s AND NOT is_ready"
_READY = f"UPDATE outbox SET is_ready = true, extras = %(extras)s WHERE {_HELD}"
_READY_FOR_ANYONE = f"""
    WITH ready AS (
        UPDATE outbox SET is_ready = true, extras = %(extras)s, owner = NULL, lease_until = NULL
        WHERE {_HELD} RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM ready
"""
_EXTRAS = f"SELECT extras FROM outbox WHERE {_HELD}"
_RENEW = """
    UPDATE outbox SET lease_until = now() + %(lease)s
    FROM unnest(%(ids)s::uuid[], %(owners)s::text[], %(attempts)s::int[]) AS held (id, owner, attempts)
    WHERE reply_id = held.id AND status = 0 AND outbox.owner = held.owner AND outbox.attempts = held.attempts
    RETURNING reply_id
"""
_PART = f"""
    WITH held AS MATERIALIZED (SELECT reply_id FROM outbox WHERE {_HELD} FOR UPDATE)
    INSERT INTO parts (id, reply_id, body) SELECT %(part)s, reply_id, %(body)s FROM held
    ON CONFLICT (id) DO UPDATE SET reply_id = EXCLUDED.reply_id, body = EXCLUDED.body
"""
_STATE = f"UPDATE outbox SET state = %(state)s WHERE {_HELD}"
_KNOWN = "SELECT id FROM parts WHERE id = ANY(%(ids)s::uuid[])"
_DONE = f"""
    WITH delivered AS (
        DELETE FROM outbox WHERE {_HELD} RETURNING reply_id, thread, inbox_id
    ), moved AS (
        UPDATE turns SET state = 'done', finished_at = now()
        FROM delivered WHERE turns.reply_id = delivered.reply_id AND turns.state = 'delivering'
    )
    SELECT CASE WHEN EXISTS (
        SELECT FROM outbox later
        WHERE later.thread = delivered.thread AND later.inbox_id > delivered.inbox_id AND later.status = 0
    ) THEN pg_notify('{CHANNEL}', %(signal)s) END FROM delivered
"""
_RELEASE = f"""
    WITH released AS (
        UPDATE outbox SET owner = NULL, lease_until = NULL, available_at = now() + %(delay)s,
            failures = failures + %(failed)s
        WHERE {_HELD} RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM released
"""
_BURY = f"""
    WITH buried AS (
        UPDATE outbox SET status = 3, owner = NULL, lease_until = NULL, reason = %(reason)s WHERE {_HELD} RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM buried
"""
_REAP = f"""
    WITH expired AS MATERIALIZED (
        SELECT reply_id FROM outbox
        WHERE status = 0 AND owner IS NOT NULL AND lease_until < now() FOR UPDATE SKIP LOCKED
    ), freed AS (
        UPDATE outbox SET owner = NULL, lease_until = NULL, failures = failures + is_ready::int
        FROM expired WHERE outbox.reply_id = expired.reply_id RETURNING 1
    )
    SELECT count(*), pg_notify('{CHANNEL}', %(signal)s) FROM freed HAVING count(*) > 0
"""


class PostgresOutbox(Room):
    """`ports.Outbox`."""

    async def open(self, claim: Claim, reply: Reply, *, lease: timedelta) -> Delivery:
        rows = await self._tx.fetch(_OPEN, token(claim) | {"lease": lease})
        if not rows:
            raise LeaseLost
        attempts, failures, state, is_ready, is_head, parts = rows[0]
        reply, kept = await self._known(reply, state, parts)
        return Delivery(
            reply=reply,
            return_address=getattr(claim.event, "return_address", {}),
            visibility=replies.visibility_of(claim.event),
            state=kept,
            is_ready=is_ready,
            is_head=is_head,
            attempts=attempts,
            owner=claim.owner,
            failures=failures,
        )

    async def _known(
        self, reply: Reply, state: bytes | None, parts: Sequence[bytes] | None
    ) -> tuple[Reply, Mapping[str, Any]]:
        """What an earlier try left. Where that cannot be read the answer is shown anew: better twice than never."""
        person = self._vault.person(reply.asker)
        try:
            kept = await self._state(person, UUID(reply.id), state)
            return await replies.with_parts(self._vault, reply, person, parts), kept
        except DAMAGED as error:
            logger.error("what was sent of reply %s cannot be read: %s", reply.id, type(error).__name__)
            return reply, {}

    async def is_head(self, reply_id: ReplyId) -> bool:
        rows = await self._tx.fetch(_IS_HEAD_NOW, {"id": reply_id})
        return bool(rows and rows[0][0])

    async def forsake(self, claim: Claim) -> None:
        self._tx.later(_FORSAKE, {"reply": UUID(claim.reply_id)})

    async def ready(self, delivery: Delivery, *, keep: bool, extras: Sequence[Placed] = ()) -> None:
        sealed = await self._sealed(delivery, "extras", bodies.dump_extras(extras)) if extras else None
        if keep:
            self._tx.later(_READY, delivery_token(delivery) | {"extras": sealed}, LeaseLost)
        else:
            self._announced(_READY_FOR_ANYONE, delivery, extras=sealed)

    async def extras(self, delivery: Delivery) -> tuple[Placed, ...]:
        rows = await self._tx.fetch(_EXTRAS, delivery_token(delivery))
        if not rows:
            raise LeaseLost
        return await self._opened(delivery, rows[0][0]) if rows[0][0] is not None else ()

    async def _opened(self, delivery: Delivery, sealed: bytes) -> tuple[Placed, ...]:
        """Where it was changed or moved in the database, the text is shown without it: better that than nothing."""
        person, row_id = self._vault.person(delivery.reply.asker), UUID(delivery.reply.id)
        try:
            return bodies.load_extras(await self._vault.open("outbox", "extras", person, row_id, sealed))
        except DAMAGED as error:
            logger.error("what goes with reply %s cannot be read: %s", delivery.reply.id, type(error).__name__)
            return ()

    async def claim(self, *, owner: str, doors: Collection[str], limit: int, lease: timedelta) -> tuple[Delivery, ...]:
        missing = self._vault.missing()
        params = {"owner": owner, "doors": list(doors), "limit": limit, "lease": lease, "missing": missing}
        rows = await self._tx.fetch(_CLAIM_OURS if missing else _CLAIM, params)
        deliveries = [await self._claimed(owner, row) for row in rows]
        return tuple(delivery for delivery in deliveries if delivery is not None)

    async def _claimed(self, owner: str, row: Row) -> Delivery | None:
        """One reply that cannot be read is buried: it must not hold the others back."""
        attempts, failures, state, has_extras, *columns, _ = row
        stored = replies.Stored(*columns)
        held = {"id": reply_id(stored.id), "owner": owner, "attempts": attempts}
        try:
            about, reply = await replies.read(self._vault, stored)
            kept = await self._state(stored.asker, stored.id, state)
        except KeyMissing:
            how = {"delay": timedelta(0), "failed": 0, "signal": self._desk.wake(SignalKind.OUTBOX)}
            self._tx.later(_RELEASE, held | how, LeaseLost)  # for another process, at once
            return None
        except DAMAGED as error:
            logger.error("reply %s cannot be read and was buried: %s", stored.id.hex, type(error).__name__)
            await self._bury(held, str(error))
            return None
        return Delivery(
            reply=reply,
            return_address=about.return_address,
            visibility=about.visibility,
            state=kept,
            is_ready=True,
            is_head=True,
            attempts=attempts,
            owner=owner,
            failures=failures,
            has_extras=has_extras,
        )

    async def _state(self, person: UUID, row_id: UUID, state: bytes | None) -> Mapping[str, Any]:
        if state is None:
            return {}
        value: Mapping[str, Any] = bodies.load(await self._vault.open("outbox", "state", person, row_id, state))
        return value

    async def renew(self, deliveries: Collection[Delivery], lease: timedelta) -> frozenset[ReplyId]:
        held = {
            "ids": [UUID(delivery.reply.id) for delivery in deliveries],
            "owners": [delivery.owner for delivery in deliveries],
            "attempts": [delivery.attempts for delivery in deliveries],
        }
        return frozenset(reply_id(row_id) for (row_id,) in await self._tx.fetch(_RENEW, held | {"lease": lease}))

    async def part(self, delivery: Delivery, part: PartId) -> None:
        row_id, person = self._vault.part(part), self._vault.person(delivery.reply.asker)
        body = await self._vault.seal("parts", "body", person, row_id, bodies.encode(str(part)))
        self._tx.later(_PART, delivery_token(delivery) | {"part": row_id, "body": body}, LeaseLost)

    async def state(self, delivery: Delivery, state: Mapping[str, Any]) -> None:
        sealed = await self._sealed(delivery, "state", bodies.dump(dict(state)))
        self._tx.later(_STATE, delivery_token(delivery) | {"state": sealed}, LeaseLost)

    async def _sealed(self, delivery: Delivery, column: str, plain: bytes) -> bytes:
        person, row_id = self._vault.person(delivery.reply.asker), UUID(delivery.reply.id)
        return await self._vault.seal("outbox", column, person, row_id, plain)

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        by_id = {self._vault.part(part): part for part in parts}
        return frozenset(by_id[row_id] for (row_id,) in await self._tx.fetch(_KNOWN, {"ids": list(by_id)}))

    async def done(self, delivery: Delivery) -> None:
        signal = self._desk.hub.payload_for_all(SignalKind.OUTBOX)  # the next of its thread may be shown
        self._tx.later(_DONE, delivery_token(delivery) | {"signal": signal}, LeaseLost)

    async def release(self, delivery: Delivery, delay: timedelta, *, is_failure: bool = False) -> None:
        self._announced(_RELEASE, delivery, delay=delay, failed=int(is_failure))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        await self._bury(delivery_token(delivery), reason)

    async def _bury(self, held: dict[str, Any], reason: str) -> None:
        sealed = await self._vault.seal("outbox", "reason", self._vault.house, UUID(held["id"]), bodies.encode(reason))
        signal = self._desk.wake(SignalKind.OUTBOX)
        self._tx.later(_BURY, held | {"reason": sealed, "signal": signal}, LeaseLost)

    def _announced(self, sql: str, delivery: Delivery, **more: object) -> None:
        """A write after which another delivery, or another process, may have something to do."""
        signal = self._desk.wake(SignalKind.OUTBOX)
        self._tx.later(sql, delivery_token(delivery) | {"signal": signal} | more, LeaseLost)

    async def reap(self) -> int:
        rows = await self._tx.fetch(_REAP, {"signal": self._desk.hub.payload_of(SignalKind.OUTBOX)})
        if rows:
            self._desk.wake(SignalKind.OUTBOX)
        return int(rows[0][0]) if rows else 0
