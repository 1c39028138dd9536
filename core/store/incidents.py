"""What moderation found, sealed under the asker's key, and what they say to it."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.errors import KeyMissing, Unreadable
from core.message import Author, ReplyId, ThreadId
from core.ports import Appeal, Incident, Kept, Ruling
from core.store import bodies
from core.store.database import Row, Transaction
from core.store.room import Desk, Room
from core.store.vault import DAMAGED, Vault, reply_id, row_id

logger = logging.getLogger(__name__)

# Whoever forgets the asker waits for this, or this for them: then there is no such reply any more.
_HOLD_REPLY = "SELECT about FROM replies WHERE id = %(reply)s AND asker = %(asker)s FOR KEY SHARE"
_RECORD = """
    INSERT INTO incidents (id, reply_id, thread, asker, action, body)
    VALUES (%(id)s, %(reply)s, %(thread)s, %(asker)s, %(action)s, %(body)s)
    ON CONFLICT (id) DO NOTHING
"""
_FIND = """
    SELECT id FROM incidents WHERE {where} AND asker = %(asker)s AND action = 'refuse' ORDER BY seq DESC LIMIT 1
"""
_FIND_OF_REPLY = _FIND.format(where="reply_id = %(reply)s")
_FIND_IN_THREAD = _FIND.format(where="thread = %(thread)s")
_APPEAL = """
    UPDATE incidents SET appealed_at = COALESCE(appealed_at, now()), appeal = COALESCE(%(appeal)s::bytea, appeal)
    WHERE id = %(id)s
"""
_OF_QUESTION = """
    SELECT incidents.id, incidents.asker, incidents.body FROM incidents JOIN replies ON replies.id = incidents.reply_id
    WHERE replies.question = %(question)s FOR UPDATE OF incidents
"""
_OF_REPLIES = """
    SELECT reply_id, id, asker, body FROM incidents WHERE reply_id = ANY(%(replies)s::uuid[]) ORDER BY seq
"""
_REWRITE = "UPDATE incidents SET body = %(body)s WHERE id = %(id)s"
_RULE = "UPDATE incidents SET ruled_at = now(), ruling = %(ruling)s WHERE id = %(id)s"
_APPEALED = "SELECT id, asker, body FROM incidents WHERE seq = %(seq)s AND appealed_at IS NOT NULL FOR UPDATE"
COLUMNS = "seq, id, reply_id, asker, thread, created_at, appealed_at, body, appeal, ruled_at, ruling"
# Each with an index of its own.
_NEWEST = {
    which: f"""
        SELECT {COLUMNS} FROM incidents WHERE seq < %(before)s {condition} ORDER BY seq DESC LIMIT %(limit)s
    """
    for which, condition in {
        "all": "",
        "action": "AND action = %(action)s",
        "appealed": "AND appealed_at IS NOT NULL AND %(action)s IN ('', action)",
        "unruled": "AND appealed_at IS NOT NULL AND ruled_at IS NULL AND %(action)s IN ('', action)",
    }.items()
}
_END = 2**62


class PostgresIncidents(Room):
    """`ports.Incidents`."""

    async def record(self, reply_id: ReplyId, thread: ThreadId, asker: Author, incident: Incident) -> None:
        vault, person = self._vault, self._vault.person(asker)
        id_ = vault.blind("incident", reply_id, incident.where, incident.category, incident.action)
        body = bodies.dump({"asker": asdict(asker), "thread": str(thread), "incident": asdict(incident)})
        params = {
            "id": id_,
            "reply": UUID(reply_id),
            "thread": vault.thread(thread),
            "asker": person,
            "action": incident.action,
        }
        for (about,) in await self._tx.fetch(_HOLD_REPLY, params):
            try:
                sealed = await vault.reseal("incidents", "body", person, id_, body, like=about)
            except KeyMissing:
                raise
            except Unreadable:
                logger.warning("what was found in reply %s is not kept: its asker is being forgotten", reply_id)
                return
            self._tx.later(_RECORD, params | {"body": sealed})

    async def appeal(self, asker: Author, target: ReplyId | ThreadId, *, comment: str = "") -> bool:
        vault, person = self._vault, self._vault.person(asker)
        if isinstance(target, ThreadId):
            rows = await self._tx.fetch(_FIND_IN_THREAD, {"asker": person, "thread": vault.thread(target)})
        else:
            rows = await self._tx.fetch(_FIND_OF_REPLY, {"asker": person, "reply": row_id(target)})
        for (id_,) in rows:
            said = await vault.seal("incidents", "appeal", person, id_, bodies.encode(comment)) if comment else None
            self._tx.later(_APPEAL, {"id": id_, "appeal": said})
        return bool(rows)

    async def newest(
        self, *, limit: int, before: int | None = None, appealed: bool = False, unruled: bool = False, action: str = ""
    ) -> tuple[Kept, ...]:
        which = "unruled" if unruled else "appealed" if appealed else "action" if action else "all"
        params = {"limit": limit, "before": _END if before is None else before, "action": action}
        rows = await self._tx.fetch(_NEWEST[which], params)
        return tuple([kept for row in rows if (kept := await self._readable(row))])

    async def rule(self, cursor: int, *, by: str, is_right: bool, note: str = "") -> bool:
        rows = await self._tx.fetch(_APPEALED, {"seq": cursor})
        ruling = bodies.dump({"by": by, "is_right": is_right, "note": note})
        for id_, asker, body in rows:
            try:
                sealed = await self._vault.reseal("incidents", "ruling", asker, id_, ruling, like=body)
            except DAMAGED as error:
                logger.error("incident %s cannot be read and is not ruled on: %s", id_.hex, type(error).__name__)
                return False
            self._tx.later(_RULE, {"id": id_, "ruling": sealed})
        return bool(rows)

    async def _readable(self, row: Row) -> Kept | None:
        try:
            return await kept(self._vault, row)
        except DAMAGED as error:
            logger.error("incident %s cannot be read and is left out: %s", row[1].hex, type(error).__name__)
            return None


async def kept(vault: Vault, row: Row) -> Kept:
    """What stands in a row of these COLUMNS. Raises DAMAGED."""
    seq, id_, reply, asker, thread, created_at, appealed_at, sealed, appeal, ruled_at, ruling = row
    body = bodies.load(await vault.open("incidents", "body", asker, id_, sealed))
    said = await vault.open("incidents", "appeal", asker, id_, appeal) if appeal else b""
    found = await vault.open("incidents", "ruling", asker, id_, ruling) if ruling else b""
    answer = Ruling(ruled_at, **bodies.load(found)) if ruled_at and found else None
    return Kept(
        cursor=seq,
        at=created_at,
        reply_id=reply_id(reply),
        asker=bodies.author(body["asker"]),
        thread=ThreadId.parse(body["thread"]),
        incident=_incident(body["incident"]),
        appeal=Appeal(appealed_at, bodies.decode(said), answer) if appealed_at else None,
        talk=thread.hex,
    )


async def finds(tx: Transaction, vault: Vault, replies: Sequence[UUID]) -> dict[UUID, tuple[Incident, ...]]:
    """What was found in these turns, by reply, without what can no longer be opened."""
    found: dict[UUID, tuple[Incident, ...]] = {}
    for reply, id_, asker, sealed in await tx.fetch(_OF_REPLIES, {"replies": list(replies)}) if replies else []:
        try:
            body = bodies.load(await vault.open("incidents", "body", asker, id_, sealed))
        except DAMAGED as error:
            logger.error("incident %s cannot be read and is left out: %s", id_.hex, type(error).__name__)
            continue
        found[reply] = (*found.get(reply, ()), _incident(body["incident"]))
    return found


async def forget_words(desk: Desk, question: UUID) -> None:
    """What was found in a question, or in its answers, is kept without the words: they were changed, or erased."""
    for id_, asker, sealed in await desk.tx.fetch(_OF_QUESTION, {"question": question}):
        try:
            body = bodies.load(await desk.vault.open("incidents", "body", asker, id_, sealed))
            body["incident"]["excerpt"] = ""
            fresh = await desk.vault.reseal("incidents", "body", asker, id_, bodies.dump(body), like=sealed)
        except DAMAGED as error:
            logger.error("incident %s cannot be read and stays as it is: %s", id_.hex, type(error).__name__)
            continue
        desk.tx.later(_REWRITE, {"id": id_, "body": fresh})


def _incident(fields: Any) -> Incident:
    return Incident(**fields | {"rules": tuple(fields["rules"])})
