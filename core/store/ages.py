"""What is older than its workspace keeps it is forgotten, a few rows at a time."""
# ruff: noqa: S608 - what is put together here are constants of this room

from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID

from core.message import ThreadId
from core.retention import Retention
from core.store import bodies, messages, yielding
from core.store.database import Database, Row
from core.store.room import NOBODY, Params
from core.store.vault import DAMAGED, Vault

_BATCH = 500  # rows, with all that hangs on them: what is locked at once is soon free again


_UNPLACED = """
    SELECT id, {person}, {blob} FROM {table} WHERE workspace IS NULL AND said_at < now() - %(age)s
    ORDER BY said_at LIMIT %(limit)s
"""
_BLOBS = {"messages": ("author", "body"), "replies": ("asker", "about")}
_PLACE = "UPDATE {table} SET workspace = %(workspace)s WHERE id = %(id)s AND workspace IS NULL"
# One step into the index for each workspace there is.
_WORKSPACES = """
    WITH RECURSIVE found AS (
        (SELECT workspace FROM {table} WHERE workspace IS NOT NULL ORDER BY workspace LIMIT 1)
        UNION ALL
        SELECT (SELECT workspace FROM {table} WHERE workspace > found.workspace ORDER BY workspace LIMIT 1)
        FROM found WHERE found.workspace IS NOT NULL
    )
    SELECT workspace FROM found WHERE workspace IS NOT NULL
"""
_HANGING = ("parts", "drafts", "outbox", "votes", "turns", "incidents", "asks", "cached_uses")
_IS_OLD = "workspace IS NOT DISTINCT FROM %(workspace)s::uuid AND said_at < now() - %(age)s"
# Nothing is taken from under whoever is answering it, or showing the answer.
_IS_IDLE = """
    NOT EXISTS (SELECT FROM inbox WHERE inbox.reply_id = {id} AND inbox.status IN (0, 1))
    AND NOT EXISTS (SELECT FROM outbox WHERE outbox.reply_id = {id} AND outbox.owner IS NOT NULL)
"""
_AND_THEIRS = ", ".join(
    f"gone_{table} AS (DELETE FROM {table} USING answers WHERE {table}.reply_id = answers.id)" for table in _HANGING
)
# That a thread was begun is remembered of it: what was said there is not to be read from the platform again.
_DROP_MESSAGES = f"""
    WITH doomed AS MATERIALIZED (
        SELECT id, thread FROM messages
        WHERE {_IS_OLD} AND {_IS_IDLE.format(id="messages.id")} AND NOT EXISTS (
            SELECT FROM replies WHERE replies.question = messages.id AND NOT ({_IS_IDLE.format(id="replies.id")})
        )
        ORDER BY said_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), answers AS MATERIALIZED (
        SELECT replies.id FROM replies JOIN doomed ON replies.question = doomed.id
    ), {_AND_THEIRS}, gone_cached AS (
        DELETE FROM cached USING doomed WHERE cached.question = doomed.id
    ), emptied AS (
        UPDATE threads SET owner = NULL, asked_at = NULL, reset_seq = GREATEST(reset_seq, 1)
        WHERE id IN (SELECT thread FROM doomed) AND NOT EXISTS (
            SELECT FROM messages WHERE messages.thread = threads.id AND messages.id NOT IN (SELECT id FROM doomed)
        )
    ), gone_replies AS (DELETE FROM replies USING answers WHERE replies.id = answers.id),
    gone AS (DELETE FROM messages USING doomed WHERE messages.id = doomed.id)
    SELECT count(*) FROM doomed HAVING count(*) > 0
"""
# What commands were answered, which are no messages.
_DROP_REPLIES = f"""
    WITH answers AS MATERIALIZED (
        SELECT id FROM replies
        WHERE {_IS_OLD} AND {_IS_IDLE.format(id="replies.id")}
            AND NOT EXISTS (SELECT FROM messages WHERE messages.id = replies.question)
        ORDER BY said_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), {_AND_THEIRS}, gone AS (DELETE FROM replies USING answers WHERE replies.id = answers.id)
    SELECT count(*) FROM answers HAVING count(*) > 0
"""
# What was given up is done again by nobody: which workspace it came from need not be read, it goes with the first.
_EMPTY_GIVEN_UP = f"""
    WITH ended AS (
        UPDATE inbox SET status = 2, payload = NULL, reason = NULL, author = '{NOBODY}' WHERE id IN (
            SELECT id FROM inbox WHERE status = 3 AND finished_at < now() - %(age)s LIMIT %(limit)s
        ) RETURNING 1
    )
    SELECT count(*) FROM ended HAVING count(*) > 0
"""
_DROP = {"messages": _DROP_MESSAGES, "replies": _DROP_REPLIES}


class Ages:
    """Carries a Retention out, in short transactions: whoever writes meanwhile waits for no more than one of them."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def expire(self, retention: Retention) -> int:
        """Forgets what is too old; how many messages, and answers to commands. Raises NotStored."""
        if retention.shortest is None:
            return 0
        if retention.workspaces:
            await self._place(retention.shortest)
        total = 0
        for table, sql in _DROP.items():
            async for workspace, age in self._due(table, retention):
                total += await self._drop(sql, {"workspace": workspace, "age": age})
        await self._drop(_EMPTY_GIVEN_UP, {"age": retention.shortest})
        return total

    async def _due(self, table: str, retention: Retention) -> AsyncGenerator[tuple[UUID | None, timedelta], None]:
        rules = {self._vault.blind("workspace", *name): age for name, age in retention.workspaces.items()}
        found = [workspace for (workspace,) in await self._database.fetch(_WORKSPACES.format(table=table))]
        for workspace in (*found, None):
            age = rules.get(workspace, retention.everywhere) if workspace else retention.everywhere
            if age is not None:
                yield workspace, age

    async def _drop(self, sql: str, params: Params) -> int:
        total = 0
        while rows := await yielding.fetch(self._database, sql, params | {"limit": _BATCH}):
            total += rows[0][0]
        return total

    async def _place(self, age: timedelta) -> None:
        """Finds out where that was said which an earlier release has written: where workspaces differ, it matters."""
        for table, (person, blob) in _BLOBS.items():
            sql = _UNPLACED.format(table=table, person=person, blob=blob)
            while rows := await self._database.fetch(sql, {"age": age, "limit": _BATCH}):
                places = [(row[0], await self._workspace(table, row)) for row in rows]
                async with self._database.transaction() as tx:
                    for id_, workspace in places:
                        tx.later(_PLACE.format(table=table), {"id": id_, "workspace": workspace})

    async def _workspace(self, table: str, row: Row) -> UUID:
        """Nobody's where it cannot be read: then it is kept as long as everywhere."""
        try:
            return self._vault.workspace(await self._thread(table, *row))
        except DAMAGED:
            return NOBODY

    async def _thread(self, table: str, id_: UUID, person: UUID, blob: bytes) -> ThreadId:
        if table == "messages":
            return (await messages.open(self._vault, person, id_, blob)).thread
        return bodies.load_about(await self._vault.open("replies", "about", person, id_, blob)).thread
