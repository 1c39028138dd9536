"""What was done with what people entrusted to the house: a log that is added to, each line linked to the one before."""

import hmac
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.message import Author
from core.ports import Recorded
from core.store import bodies
from core.store.database import Database, Row, Transaction
from core.store.vault import DAMAGED, Vault

_PAGE = 500
_BEGINNING = bytes(32)
# Any number that is the same in all processes of all releases: lines are added one after the other.
_GATE = 7_236_190_513

_LOCK = f"SELECT pg_advisory_xact_lock({_GATE})"
_LAST = "SELECT id, link FROM audit ORDER BY id DESC LIMIT 1"
_LAST_OF = """
    SELECT id, body FROM audit WHERE person = %(person)s AND action = %(action)s ORDER BY id DESC LIMIT 1
"""
_ADD = """
    INSERT INTO audit (id, at, action, person, body, link)
    VALUES (%(id)s, %(at)s, %(action)s, %(person)s, %(body)s, %(link)s)
"""
_NEWEST = """
    SELECT id, at, action, person, body FROM audit
    WHERE (%(before)s::bigint IS NULL OR id < %(before)s) AND (%(person)s::uuid IS NULL OR person = %(person)s)
        AND (%(actions)s::text[] IS NULL OR action = ANY(%(actions)s))
    ORDER BY id DESC LIMIT %(limit)s
"""
_ALL = "SELECT id, at, action, person, body, link FROM audit WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the log is whole: `lines` of it, the last of them with this `link`.

    `broken` is the number of the first line that is not what was written, None where all are; `why` says missing,
    changed or unreadable.
    """

    lines: int
    link: str
    broken: int | None = None
    why: str = ""


class PostgresAudit:
    """`ports.Audit`. The links are made with a key of the house: without it, a log can't be written anew."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def record(self, action: str, *, by: str, person: Author | None = None, **details: Any) -> None:
        about = self._vault.person(person) if person else None
        async with self._database.transaction() as tx:
            await self.add(tx, action, by=by, person=about, details=details)

    async def add(
        self, tx: Transaction, action: str, *, by: str, person: UUID | None = None, details: Mapping[str, Any]
    ) -> None:
        """The same as part of what was done: both are committed, or neither. Others wait until then."""
        tx.later(_LOCK, {})
        rows = await tx.fetch(_LAST, None)
        id_, before = (rows[0][0] + 1, rows[0][1]) if rows else (1, _BEGINNING)
        row = UUID(int=id_)
        said = bodies.dump({"by": by, "details": dict(details)})
        body = await self._vault.seal("audit", "body", self._vault.house, row, said)
        at = datetime.now(UTC)
        link = self._link(before, id_, at, action, person, body)
        line = {"id": id_, "at": at, "action": action, "person": person, "body": body, "link": link}
        tx.later(_ADD, line)

    async def last(self, tx: Transaction, action: str, person: UUID) -> Mapping[str, Any]:
        """What the newest line of this kind says of a person; {} where there is none, or it can't be read."""
        for id_, body in await tx.fetch(_LAST_OF, {"action": action, "person": person}):
            with suppress(*DAMAGED):
                said = bodies.load(await self._vault.open("audit", "body", self._vault.house, UUID(int=id_), body))
                return dict(said["details"])
        return {}

    def _link(self, before: bytes, id_: int, at: datetime, action: str, person: UUID | None, body: bytes) -> bytes:
        whose = person.bytes if person else b""
        moment = at.astimezone(UTC).isoformat(timespec="microseconds")
        return self._vault.mac(b"audit", before, id_.to_bytes(8), moment.encode(), action.encode(), whose, body)

    async def newest(
        self, *, limit: int, before: int | None = None, person: Author | None = None, actions: Collection[str] = ()
    ) -> tuple[Recorded, ...]:
        about = self._vault.person(person) if person else None
        params = {"limit": limit, "before": before, "person": about, "actions": list(actions) or None}
        return tuple([await self._recorded(*row) for row in await self._database.fetch(_NEWEST, params)])

    async def _recorded(self, id_: int, at: datetime, action: str, person: UUID | None, body: bytes) -> Recorded:
        """A line that was changed says so in place of its details."""
        about = {"person": person.hex} if person else {}
        try:
            said = bodies.load(await self._vault.open("audit", "body", self._vault.house, UUID(int=id_), body))
        except DAMAGED:
            return Recorded(id_, at, action, "?", about)
        return Recorded(id_, at, action, said["by"], about | said["details"])

    async def verify(self, expected: Mapping[int, str] | None = None) -> Verdict:
        """Follows the links from the first line on. `expected` are links by number, as they were told before."""
        lines, link, wanted = 0, _BEGINNING, dict(expected or {})
        while page := await self._database.fetch(_ALL, {"after": lines, "limit": _PAGE}):
            for row in page:
                why = await self._fault(lines + 1, link, row) or _unexpected(wanted, row)
                if why:
                    return Verdict(lines, link.hex(), lines + 1, why)
                lines, link = lines + 1, row[5]
        gone = min((number for number in wanted if number > lines), default=None)
        return Verdict(lines, link.hex(), lines + 1 if gone else None, "missing" if gone else "")

    async def _fault(self, number: int, before: bytes, row: Row) -> str:
        id_, *line, link = row
        if id_ != number:
            return "missing"
        if not hmac.compare_digest(self._link(before, id_, *line), link):
            return "changed"
        try:
            await self._vault.open("audit", "body", self._vault.house, UUID(int=id_), line[-1])
        except DAMAGED:
            return "unreadable"
        return ""


def _unexpected(wanted: Mapping[int, str], row: Row) -> str:
    """A log that was written anew from here on has links of its own."""
    return "changed" if wanted.get(row[0], row[5].hex()) != row[5].hex() else ""
