"""Calls that wait for their asker's yes, each sealed under the asker's key and given away once."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from datetime import timedelta
from uuid import UUID

from core.message import Author, ReplyId, ThreadId
from core.ports import Claim, Confirmed
from core.store import bodies
from core.store.room import Room
from core.store.vault import DAMAGED, reply_id, row_id
from core.turn import Pending

logger = logging.getLogger(__name__)

# Whoever erases the question or ends the turn waits for this, or this for them; only then is it looked at.
_HOLD_QUESTION = "SELECT FROM messages WHERE id = (SELECT question FROM replies WHERE id = %(reply)s) FOR SHARE"
_HOLD_TURN = "SELECT FROM turns WHERE reply_id = %(reply)s FOR SHARE"
# What an owner that lost its lease still asks is too late once the turn has ended: the person was shown another call.
_KEEP = """
    INSERT INTO asks (reply_id, seq, thread, asker, question, body, expires_at)
    SELECT replies.id, replies.seq, %(thread)s, %(asker)s, replies.question, %(body)s, now() + %(lifetime)s
    FROM replies JOIN messages ON messages.id = replies.question JOIN turns ON turns.reply_id = replies.id
    WHERE replies.id = %(reply)s AND NOT is_erased AND turns.state IN ('received', 'screening', 'answering')
    ON CONFLICT (reply_id) DO UPDATE SET thread = EXCLUDED.thread, asker = EXCLUDED.asker,
        question = EXCLUDED.question, body = EXCLUDED.body, expires_at = EXCLUDED.expires_at
    WHERE asks.taken_by IS NULL
"""
# The same question answered once more asks anew: what it asked before is not done besides.
_DROP_EARLIER = """
    DELETE FROM asks USING asks AS newer
    WHERE newer.reply_id = %(reply)s AND asks.question = newer.question AND asks.reply_id <> newer.reply_id
        AND asks.taken_by IS NULL
"""
# An answer that was refused or stopped, or written anew without asking, has shown nothing to say yes to.
_WAITS = "taken_by IS NULL AND expires_at > now()"
# Looked up one by one: as a join it would read every turn there is.
_HAS_ASKED = "(SELECT state FROM turns WHERE turns.reply_id = asks.reply_id) = 'asked'"
# Whoever says yes twice means the same: what was asked before that is not done by it.
_NEWEST = f"""
    SELECT reply_id FROM (
        SELECT * FROM asks WHERE thread = %(thread)s AND asker = %(asker)s AND {_HAS_ASKED} ORDER BY seq DESC LIMIT 1
    ) AS newest WHERE {_WAITS}
"""
# Where two take the same, the second waits for the first, and then finds it taken.
_TAKE = f"""
    WITH mine AS MATERIALIZED (
        SELECT reply_id, body FROM asks WHERE taken_by = %(event)s AND asker = %(asker)s
    ), taken AS (
        UPDATE asks SET taken_by = %(event)s, taken_at = now()
        WHERE reply_id = %(reply)s::uuid AND asker = %(asker)s AND NOT EXISTS (SELECT FROM mine)
            AND {_WAITS} AND {_HAS_ASKED}
        RETURNING reply_id, body
    )
    SELECT reply_id, body, true FROM mine UNION ALL SELECT reply_id, body, false FROM taken
"""
_PURGE_EXPIRED = """
    DELETE FROM asks WHERE reply_id IN (
        SELECT reply_id FROM asks WHERE taken_by IS NULL AND expires_at <= now() ORDER BY expires_at LIMIT 1000
    ) AND taken_by IS NULL AND expires_at <= now()
    RETURNING true
"""
# As long as the event that took it may be worked on, or is known to be finished. A buried one never comes again.
_PURGE_TAKEN = """
    DELETE FROM asks WHERE reply_id IN (
        SELECT asks.reply_id FROM asks
        WHERE taken_at < now() - %(older_than)s
            AND NOT EXISTS (SELECT FROM inbox WHERE inbox.reply_id = asks.taken_by AND inbox.status <> 3)
        ORDER BY taken_at LIMIT 1000
    )
    RETURNING true
"""


class PostgresAsks(Room):
    """`ports.Asks`."""

    async def keep(
        self, reply_id: ReplyId, thread: ThreadId, asker: Author, call: Pending, *, lifetime: timedelta
    ) -> None:
        """Nothing once the turn has ended.

        Best before its inbox row ends in the same unit: whoever erases a question holds that before the row.
        """
        vault, id_ = self._vault, UUID(reply_id)
        person = vault.person(asker)
        body = {"plugin": call.plugin, "arguments": dict(call.arguments), "is_for_model": call.is_for_model}
        params = {
            "reply": id_,
            "thread": vault.thread(thread),
            "asker": person,
            "body": await vault.seal("asks", "body", person, id_, bodies.dump(body)),
            "lifetime": lifetime,
        }
        for hold in (_HOLD_QUESTION, _HOLD_TURN):
            self._tx.later(hold, {"reply": id_})
        self._tx.later(_KEEP, params)
        self._tx.later(_DROP_EARLIER, {"reply": id_})

    async def newest(self, thread: ThreadId, asker: Author) -> ReplyId | None:
        params = {"thread": self._vault.thread(thread), "asker": self._vault.person(asker)}
        rows = await self._tx.fetch(_NEWEST, params)
        return reply_id(rows[0][0]) if rows else None

    async def take(self, reply_id: ReplyId, asker: Author, claim: Claim) -> Confirmed | None:
        """An event takes one call: a later try of it is given the same, whichever reply it names by then."""
        person = self._vault.person(asker)
        params = {"reply": row_id(reply_id), "asker": person, "event": UUID(claim.reply_id)}
        for id_, body, is_begun in await self._tx.fetch(_TAKE, params):
            pending = await self._readable(person, id_, body)
            return Confirmed(pending, is_begun) if pending else None
        return None

    async def _readable(self, asker: UUID, id_: UUID, body: bytes) -> Pending | None:
        """None where it was changed or moved in the database: nothing is done that nobody has asked for."""
        try:
            said = bodies.load(await self._vault.open("asks", "body", asker, id_, body))
        except DAMAGED as error:
            logger.error("the call that reply %s asks for cannot be read: %s", id_.hex, type(error).__name__)
            return None
        return Pending(said["plugin"], said["arguments"], said["is_for_model"])

    async def purge(self, older_than: timedelta) -> int:
        """Forgets some of what waited too long, and of what was taken so long ago; how many."""
        expired = await self._tx.fetch(_PURGE_EXPIRED, None)
        return len(expired) + len(await self._tx.fetch(_PURGE_TAKEN, {"older_than": older_than}))
