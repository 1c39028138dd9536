"""What adapters remember of a person for a while, sealed under that person's key."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.errors import Unreadable
from core.message import Author, ReplyId
from core.store import seal
from core.store.database import Database
from core.store.vault import Vault, row_id

# An earlier release writes under the house's key, and leaves the owner as it finds it: none where it is its own row.
_GET = """
    SELECT owner, body FROM secrets WHERE id = %(id)s AND (expires_at IS NULL OR expires_at > now())
"""
# A question that waits has no answer yet, and the id that its answer will have.
_ASKER = """
    SELECT asker, about FROM replies WHERE id = %(reply)s
    UNION ALL SELECT author, body FROM messages WHERE id = %(reply)s LIMIT 1
"""
# Nothing is sealed under a key that was shredded meanwhile: it would be read by nobody.
_PUT = """
    INSERT INTO secrets (id, owner, body, expires_at)
    SELECT %(id)s, %(owner)s, %(body)s, now() + %(lifetime)s
    WHERE (SELECT keys.id FROM keys WHERE scope = %(owner)s) = %(key)s
    ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner, body = EXCLUDED.body, expires_at = EXCLUDED.expires_at
    RETURNING true
"""
_DELETE = "DELETE FROM secrets WHERE id = %(id)s"
_PURGE = """
    DELETE FROM secrets WHERE id IN (
        SELECT id FROM secrets WHERE expires_at < now() ORDER BY expires_at LIMIT 1000
    ) AND expires_at < now() RETURNING true
"""


class PostgresNotes:
    """`ports.Notes`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def get(self, name: str) -> bytes | None:
        id_ = self._id(name)
        for owner, body in await self._database.fetch(_GET, {"id": id_}):
            for scope in filter(None, (owner, self._vault.house)):
                with suppress(Unreadable):
                    return await self._vault.open("secrets", "body", scope, id_, body)
        return None

    async def put(self, name: str, value: bytes, *, about: Author | ReplyId, lifetime: timedelta) -> None:
        note = {"id": self._id(name), "lifetime": lifetime}
        if isinstance(about, Author):
            await self._put_of(self._vault.person(about), note, value)
        else:
            await self._put_beside(about, note, value)

    async def _put_of(self, owner: UUID, note: dict[str, Any], value: bytes) -> None:
        """Their key is read again where they were forgotten while it was being sealed: this is said anew."""
        while True:
            body = await self._vault.seal("secrets", "body", owner, note["id"], value)
            key = seal.key_id(body)
            if await self._database.fetch(_PUT, note | {"owner": owner, "body": body, "key": key}):
                return
            await self._vault.is_current(owner, [key])

    async def _put_beside(self, reply: ReplyId, note: dict[str, Any], value: bytes) -> None:
        """Whoever was forgotten gets no new key by an answer that was under way."""
        for owner, about in await self._database.fetch(_ASKER, {"reply": row_id(reply)}):
            try:
                body = await self._vault.reseal("secrets", "body", owner, note["id"], value, like=about)
            except Unreadable:
                return
            row = note | {"owner": owner, "body": body, "key": seal.key_id(body)}
            await self._database.fetch(_PUT, row)

    async def delete(self, name: str) -> None:
        await self._database.fetch(_DELETE, {"id": self._id(name)})

    async def purge(self) -> int:
        """Forgets some of those whose time is over; how many."""
        return len(await self._database.fetch(_PURGE))

    def _id(self, name: str) -> UUID:
        return self._vault.blind("secret", name)
