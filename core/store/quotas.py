"""What an operator sees and changes of the limits: who asks most, where, and for whom they are lifted."""
# ruff: noqa: S608 - what is put together here are constants of this room

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from core.message import Author, Message
from core.ports import Consumer, Consumption, Lifted, Neighbourhood
from core.store import messages
from core.store.audit import PostgresAudit
from core.store.database import Database
from core.store.meter import MIDNIGHT, TODAY
from core.store.vault import DAMAGED, Vault

_TRIES = 3  # rows that are opened to find out what somebody is called; one that is damaged must not hide them

_OF_PERSON = f"""
    SELECT COALESCE(sum(messages), 0)::bigint, COALESCE(sum(tokens), 0)::bigint, (
        SELECT until FROM lifted WHERE person = %(person)s AND until > now()
    ) FROM consumption WHERE person = %(person)s AND day = {TODAY}
"""
_PERSONS = f"""
    SELECT person, sum(messages)::bigint AS messages, sum(tokens)::bigint AS tokens, (
        SELECT until FROM lifted WHERE lifted.person = consumption.person AND until > now()
    ) FROM consumption WHERE day = {TODAY}
    GROUP BY person ORDER BY messages DESC, tokens DESC, person LIMIT %(limit)s
"""
_WORKSPACES = f"""
    SELECT workspace, sum(messages)::bigint AS messages, sum(tokens)::bigint AS tokens, count(*) AS persons
    FROM consumption WHERE day = {TODAY}
    GROUP BY workspace ORDER BY messages DESC, tokens DESC, workspace LIMIT %(limit)s
"""
_NAMED = """
    SELECT author, id, body FROM messages WHERE author = %(person)s AND NOT is_erased ORDER BY seq DESC LIMIT %(tries)s
"""
_PLACED = """
    SELECT author, id, body FROM messages WHERE workspace = %(workspace)s AND NOT is_erased
    ORDER BY said_at DESC LIMIT %(tries)s
"""
_LIFT = """
    INSERT INTO lifted (person, until, body) VALUES (%(person)s, %(until)s, %(body)s)
    ON CONFLICT (person) DO UPDATE SET until = EXCLUDED.until, body = EXCLUDED.body
"""
_END = "DELETE FROM lifted WHERE person = %(person)s AND until > now() RETURNING 1"
_LIFTED = "SELECT person, until, body FROM lifted WHERE until > now() ORDER BY until, person LIMIT %(limit)s"
_MIDNIGHT = f"SELECT {MIDNIGHT}"


class PostgresQuotas:
    """`ports.Quotas`. A person or a workspace is called what their newest message says, opened for that."""

    def __init__(self, database: Database, vault: Vault, audit: PostgresAudit) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit

    async def of(self, person: Author) -> Consumer:
        index = self._vault.person(person)
        ((asked, tokens, until),) = await self._database.fetch(_OF_PERSON, {"person": index})
        return Consumer(person, Consumption(asked, tokens), until, index.hex)

    async def persons(self, *, limit: int) -> tuple[Consumer, ...]:
        rows = await self._database.fetch(_PERSONS, {"limit": limit})
        return tuple([await self._consumer(*row) for row in rows])

    async def _consumer(self, person: UUID, asked: int, tokens: int, until: datetime | None) -> Consumer:
        said = await self._newest(_NAMED, {"person": person})
        return Consumer(said.author if said else None, Consumption(asked, tokens), until, person.hex)

    async def workspaces(self, *, limit: int) -> tuple[Neighbourhood, ...]:
        rows = await self._database.fetch(_WORKSPACES, {"limit": limit})
        return tuple([await self._neighbourhood(*row) for row in rows])

    async def _neighbourhood(self, workspace: UUID, asked: int, tokens: int, persons: int) -> Neighbourhood:
        said = await self._newest(_PLACED, {"workspace": workspace})
        name = f"{said.thread.adapter}:{said.thread.workspace}" if said else ""
        return Neighbourhood(name, Consumption(asked, tokens), persons)

    async def _newest(self, sql: str, params: Mapping[str, Any]) -> Message | None:
        for row in await self._database.fetch(sql, {**params, "tries": _TRIES}):
            try:
                return await messages.open(self._vault, *row)
            except DAMAGED:
                continue
        return None

    async def lift(self, person: Author, *, until: datetime | None = None, by: str) -> datetime:
        scope = self._vault.person(person)
        body = await self._vault.seal("lifted", "body", scope, scope, person.key.encode())
        async with self._database.transaction() as tx:
            ((midnight,),) = await tx.fetch(_MIDNIGHT, None)
            end = until or midnight
            tx.later(_LIFT, {"person": scope, "until": end, "body": body})
            await self._audit.add(tx, "lift", by=by, person=scope, details={"until": end.isoformat()})
        return end

    async def restore(self, person: Author, *, by: str) -> bool:
        scope = self._vault.person(person)
        async with self._database.transaction() as tx:
            rows = await tx.fetch(_END, {"person": scope})
            if rows:
                await self._audit.add(tx, "lift-ended", by=by, person=scope, details={})
        return bool(rows)

    async def lifted(self, *, limit: int) -> tuple[Lifted, ...]:
        rows = await self._database.fetch(_LIFTED, {"limit": limit})
        return tuple([Lifted(await self._opened(person, body), until, person.hex) for person, until, body in rows])

    async def _opened(self, person: UUID, body: bytes) -> Author | None:
        """None where they were forgotten since."""
        try:
            return Author.parse((await self._vault.open("lifted", "body", person, person, body)).decode())
        except DAMAGED:
            return None
