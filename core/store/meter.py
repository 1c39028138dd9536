"""What each person asks in a day, counted by blind indexes alone."""
# ruff: noqa: S608 - what is put together here are constants of this room

from uuid import UUID

from core.message import Author, ThreadId
from core.ports import Claim, Consumption, Standing
from core.store.room import Room

# The database's clock: the same for every process.
TODAY = "(now() AT TIME ZONE 'utc')::date"
MIDNIGHT = f"(({TODAY} + 1)::timestamp AT TIME ZONE 'utc')"

_STANDING = f"""
    SELECT mine.messages, mine.tokens, whole.messages, whole.tokens,
        EXISTS (SELECT FROM lifted WHERE person = %(person)s AND until > now()),
        EXISTS (SELECT FROM turns WHERE reply_id = %(reply)s AND counted_on IS NOT NULL),
        {MIDNIGHT} - now()
    FROM (
        SELECT COALESCE(sum(messages), 0)::bigint AS messages, COALESCE(sum(tokens), 0)::bigint AS tokens
        FROM consumption WHERE person = %(person)s AND day = {TODAY}
    ) AS mine, (
        SELECT COALESCE(sum(messages), 0)::bigint AS messages, COALESCE(sum(tokens), 0)::bigint AS tokens
        FROM consumption WHERE %(with_workspace)s AND day = {TODAY} AND workspace = %(workspace)s
    ) AS whole
"""
# Once for each turn, however often it is begun.
_COUNT = f"""
    WITH counted AS (
        UPDATE turns SET counted_on = {TODAY} WHERE reply_id = %(reply)s AND counted_on IS NULL RETURNING 1
    )
    INSERT INTO consumption AS had (person, day, workspace, messages)
    SELECT %(person)s, {TODAY}, %(workspace)s, 1 FROM counted
    ON CONFLICT (person, day, workspace) DO UPDATE SET messages = had.messages + 1
"""
_RECOUNT = "UPDATE turns SET counted_on = NULL WHERE reply_id = %(reply)s"
_SPEND = f"""
    INSERT INTO consumption AS had (person, day, workspace, tokens)
    VALUES (%(person)s, {TODAY}, %(workspace)s, %(tokens)s)
    ON CONFLICT (person, day, workspace) DO UPDATE SET tokens = had.tokens + EXCLUDED.tokens
"""
_PURGE = f"""
    WITH gone AS (
        DELETE FROM consumption WHERE (person, day, workspace) IN (
            SELECT person, day, workspace FROM consumption WHERE day < {TODAY} LIMIT %(limit)s
        ) RETURNING 1
    ), over AS (DELETE FROM lifted WHERE until < now() RETURNING 1)
    SELECT 1 FROM gone UNION ALL SELECT 1 FROM over
"""


class PostgresMeter(Room):
    """`ports.Meter`."""

    async def standing(self, claim: Claim, person: Author, thread: ThreadId, *, workspace: bool) -> Standing:
        vault = self._vault
        params = {
            "person": vault.person(person),
            "workspace": vault.workspace(thread),
            "with_workspace": workspace,
            "reply": UUID(claim.reply_id),
        }
        ((messages, tokens, all_messages, all_tokens, *rest),) = await self._tx.fetch(_STANDING, params)
        return Standing(Consumption(messages, tokens), Consumption(all_messages, all_tokens), *rest)

    async def count(self, claim: Claim, person: Author, thread: ThreadId) -> None:
        vault = self._vault
        params = {"person": vault.person(person), "workspace": vault.workspace(thread), "reply": UUID(claim.reply_id)}
        self._tx.later(_COUNT, params)

    async def recount(self, claim: Claim) -> None:
        self._tx.later(_RECOUNT, {"reply": UUID(claim.reply_id)})

    async def spend(self, person: Author, thread: ThreadId, tokens: int) -> None:
        if tokens:
            vault = self._vault
            params = {"person": vault.person(person), "workspace": vault.workspace(thread), "tokens": tokens}
            self._tx.later(_SPEND, params)

    async def purge(self, *, limit: int = 1000) -> int:
        """Forgets the days before this one, and what is lifted no longer; how many."""
        return len(await self._tx.fetch(_PURGE, {"limit": limit}))
