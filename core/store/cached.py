"""Answers kept for whoever asks the same, each sealed under the key of who asked first; keys are blind indexes."""

import logging
from array import array
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import Malformed
from core.message import Reply, ReplyId
from core.ports import CachedAnswer, Shelved
from core.store import bodies
from core.store.room import Room
from core.store.vault import DAMAGED, row_id

logger = logging.getLogger(__name__)

# Whose reply it became is written down without waiting for the disk: a power cut within a second would forget that.
_FIND = """
    WITH found AS (
        SELECT key, asker, model, body FROM cached
        WHERE key = %(key)s AND expires_at > now()
            AND NOT EXISTS (SELECT FROM cached_blocks WHERE cached_blocks.key = %(key)s)
    ), noted AS (
        INSERT INTO cached_uses (reply_id, key) SELECT %(reply)s, key FROM found
        ON CONFLICT (reply_id) DO UPDATE SET key = EXCLUDED.key
    )
    SELECT asker, model, body FROM found
        CROSS JOIN (SELECT set_config('synchronous_commit', 'off', true)) AS hurried
"""
# Whoever erases the question or votes on the reply waits for this, or this for them; only then is it looked at.
# The question comes first, as it does for whoever erases it.
_HOLD_QUESTION = "SELECT FROM messages WHERE id = (SELECT question FROM replies WHERE id = %(reply)s) FOR SHARE"
_HOLD_REPLY = "SELECT FROM replies WHERE id = %(reply)s FOR SHARE"
_KEEP = """
    WITH kept AS (
        INSERT INTO cached (key, asker, question, model, body, embedder, vector, expires_at)
        SELECT %(key)s, %(asker)s, question, %(model)s, %(body)s, %(embedder)s, %(vector)s::bytea,
            now() + %(lifetime)s
        FROM replies JOIN messages ON messages.id = replies.question
        WHERE replies.id = %(reply)s AND replies.body IS NOT NULL AND NOT is_erased
            AND NOT EXISTS (SELECT FROM votes WHERE reply_id = %(reply)s AND score <= 2)
            AND NOT EXISTS (SELECT FROM cached_blocks WHERE cached_blocks.key = %(key)s)
        ON CONFLICT (key) DO UPDATE SET asker = EXCLUDED.asker, question = EXCLUDED.question,
            model = EXCLUDED.model, body = EXCLUDED.body, embedder = EXCLUDED.embedder, vector = EXCLUDED.vector,
            kept_at = EXCLUDED.kept_at, expires_at = EXCLUDED.expires_at
        WHERE cached.expires_at <= now()
        RETURNING key
    ), noted AS (
        INSERT INTO cached_uses (reply_id, key) SELECT %(reply)s, key FROM kept
        ON CONFLICT (reply_id) DO UPDATE SET key = EXCLUDED.key
    )
    SELECT true FROM kept
"""
_TAKE_REPLY = "SELECT FROM replies WHERE id = %(reply)s FOR UPDATE"
_BLOCK = """
    WITH used AS (
        SELECT key FROM cached_uses WHERE reply_id = %(reply)s
    ), blocked AS (
        INSERT INTO cached_blocks (key) SELECT key FROM used ON CONFLICT DO NOTHING
    ), evicted AS (
        DELETE FROM cached USING used WHERE cached.key = used.key
    )
    SELECT true FROM used
"""
_SHELVED = """
    SELECT key, asker, body, vector, kept_at FROM cached
    WHERE (kept_at, key) > (%(since)s, %(last)s) AND expires_at > now() AND embedder = %(embedder)s
        AND vector IS NOT NULL
    ORDER BY kept_at, key LIMIT 500
"""
_PURGE = """
    DELETE FROM cached WHERE key IN (SELECT key FROM cached WHERE expires_at <= now() ORDER BY expires_at LIMIT 1000)
    RETURNING true
"""
_PURGE_USES = """
    DELETE FROM cached_uses WHERE reply_id IN (
        SELECT reply_id FROM cached_uses WHERE used_at < now() - %(older_than)s ORDER BY used_at LIMIT 1000
    )
    RETURNING true
"""
_LAST = UUID(int=2**128 - 1)
_BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_DIGEST = 32  # bytes


class PostgresCached(Room):
    """`ports.Cached`."""

    async def find(self, key: str, reply_id: ReplyId) -> CachedAnswer | None:
        """Best in a unit of its own: what is written beside it in the same one would not wait for the disk either."""
        row = self._vault.blind("cached", key)
        rows = await self._tx.fetch(_FIND, {"key": row, "reply": UUID(reply_id)})
        try:
            return await self._kept(row, *rows[0]) if rows else None
        except DAMAGED as error:
            logger.error("kept answer %s cannot be read: %s", row.hex, type(error).__name__)
            return None

    async def _kept(self, key: UUID, asker: UUID, model: str, body: bytes) -> CachedAnswer:
        said = bodies.load(await self._vault.open("cached", "body", asker, key, body))
        return CachedAnswer(said["question"], said["text"], model)

    async def keep(
        self,
        key: str,
        shelf: str,
        kept: CachedAnswer,
        reply: Reply,
        *,
        lifetime: timedelta,
        vector: Sequence[float] = (),
        embedder: str = "",
    ) -> bool:
        row, asker = self._vault.blind("cached", key), self._vault.person(reply.asker)
        words = bodies.dump({"question": kept.question, "text": kept.text})
        place = _packed(key, shelf, vector) if vector else None
        params = {
            "key": row,
            "asker": asker,
            "model": kept.model,
            "body": await self._vault.seal("cached", "body", asker, row, words),
            "embedder": embedder,
            "vector": await self._vault.seal("cached", "vector", asker, row, place) if place else None,
            "lifetime": lifetime,
            "reply": UUID(reply.id),
        }
        for hold in (_HOLD_QUESTION, _HOLD_REPLY):
            self._tx.later(hold, {"reply": params["reply"]})
        return bool(await self._tx.fetch(_KEEP, params))

    async def block(self, reply_id: ReplyId) -> bool:
        params = {"reply": row_id(reply_id)}
        self._tx.later(_TAKE_REPLY, params)
        return bool(await self._tx.fetch(_BLOCK, params))

    async def shelved(self, embedder: str, *, since: datetime | None = None) -> tuple[Shelved, ...]:
        """Page by page, for each statement is bounded."""
        found: list[Shelved] = []
        params: dict[str, Any] = {"embedder": embedder, "since": since or _BEGINNING, "last": _LAST}
        while rows := await self._tx.fetch(_SHELVED, params):
            found += [shelved for row in rows if (shelved := await self._readable(*row))]
            params |= {"since": rows[-1][4], "last": rows[-1][0]}
        return tuple(found)

    async def _readable(self, key: UUID, asker: UUID, body: bytes, vector: bytes, kept_at: datetime) -> Shelved | None:
        try:
            kept = await self._kept(key, asker, "", body)
            place = await self._vault.open("cached", "vector", asker, key, vector)
        except DAMAGED as error:
            logger.error("kept answer %s cannot be read: %s", key.hex, type(error).__name__)
            return None
        plain, shelf, floats = place[:_DIGEST], place[_DIGEST : 2 * _DIGEST], place[2 * _DIGEST :]
        return Shelved(plain.hex(), shelf.hex(), kept.question, array("f", floats), kept_at)

    async def purge(self, older_than: timedelta) -> int:
        """Forgets some of what is too old to be given, and of what was given so long ago; how many."""
        expired = await self._tx.fetch(_PURGE, None)
        return len(expired) + len(await self._tx.fetch(_PURGE_USES, {"older_than": older_than}))


def _packed(key: str, shelf: str, vector: Sequence[float]) -> bytes:
    """Key, shelf and the vector's 32-bit floats, one behind the other: only the plain key finds the answer."""
    digests = bytes.fromhex(key), bytes.fromhex(shelf)
    if any(len(digest) != _DIGEST for digest in digests):
        raise Malformed("a key is 64 hexadecimal digits.")
    return b"".join((*digests, array("f", vector).tobytes()))
