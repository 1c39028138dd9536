"""What is older than its workspace keeps it is forgotten, a few rows at a time."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from core.errors import KeyMissing
from core.message import ThreadId
from core.retention import Retention
from core.store import bodies, messages, yielding
from core.store.database import Database, Row
from core.store.room import NOBODY, Params
from core.store.rounds import Round
from core.store.vault import DAMAGED, Vault

logger = logging.getLogger(__name__)

_BATCH = 500  # rows, with all that hangs on them: what is locked at once is soon free again
_CALLED = 12  # hexadecimal digits of a workspace's index that the log names it by

_UNPLACED = """
    SELECT id, {person}, {blob} FROM {table} WHERE workspace IS NULL AND said_at < now() - %(age)s
    ORDER BY workspace, said_at LIMIT %(limit)s
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
_IS_OLD = "{place} AND said_at < now() - %(age)s"
# Nothing is taken from under whoever is answering it, or showing the answer. All such is asked row by row and not as a
# join: a bite looks at what it takes, and at what it passes over, however much else is as old.
_IS_IDLE = """
    (SELECT inbox.status FROM inbox WHERE inbox.reply_id = {id}) IN (0, 1) IS NOT TRUE
    AND (SELECT outbox.owner IS NOT NULL FROM outbox WHERE outbox.reply_id = {id}) IS NOT TRUE
"""
_ANY = "ANY(ARRAY(SELECT id FROM {}))"  # looked up one by one as well
_AND_THEIRS = ", ".join(
    f"gone_{table} AS (DELETE FROM {table} WHERE reply_id = {_ANY.format('answers')})" for table in _HANGING
)


def _placed(sql: str) -> Mapping[str, str]:
    """Of one workspace, and of what is in none: the index knows either, but not the one question for both."""
    places = {"here": "workspace = %(workspace)s", "nowhere": "workspace IS NULL"}
    return {name: sql.format(place=place) for name, place in places.items()}


# That a thread was begun is remembered of it: what was said there is not to be read from the platform again. What is
# asked in it at this very moment is not seen here; that its row has changed is, and it stays as it is.
_DROP_MESSAGES = _placed(f"""
    WITH doomed AS MATERIALIZED (
        SELECT id, thread FROM messages
        WHERE {_IS_OLD} AND {_IS_IDLE.format(id="messages.id")} AND (
            SELECT bool_and({_IS_IDLE.format(id="replies.id")}) FROM replies WHERE replies.question = messages.id
        ) IS NOT FALSE
        ORDER BY workspace, said_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), answers AS MATERIALIZED (
        SELECT id FROM replies WHERE question = {_ANY.format("doomed")}
    ), {_AND_THEIRS}, gone_cached AS (
        DELETE FROM cached WHERE question = {_ANY.format("doomed")}
    ), empty AS MATERIALIZED (
        SELECT id, asked_at FROM threads
        WHERE id = ANY(ARRAY(SELECT thread FROM doomed)) AND (
            SELECT true FROM messages
            WHERE messages.thread = threads.id AND messages.id NOT IN (SELECT id FROM doomed) LIMIT 1
        ) IS NOT TRUE
    ), emptied AS (
        UPDATE threads SET owner = NULL, asked_at = NULL, reset_seq = GREATEST(reset_seq, 1)
        FROM empty WHERE threads.id = {_ANY.format("empty")} AND threads.id = empty.id
            AND threads.asked_at IS NOT DISTINCT FROM empty.asked_at
    ), gone_replies AS (DELETE FROM replies WHERE id = {_ANY.format("answers")}),
    gone AS (DELETE FROM messages WHERE id = {_ANY.format("doomed")})
    SELECT count(*) FROM doomed HAVING count(*) > 0
""")
# What commands were answered, which are no messages.
_DROP_REPLIES = _placed(f"""
    WITH answers AS MATERIALIZED (
        SELECT id FROM replies
        WHERE {_IS_OLD} AND {_IS_IDLE.format(id="replies.id")}
            AND (SELECT true FROM messages WHERE messages.id = replies.question) IS NOT TRUE
        ORDER BY workspace, said_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), {_AND_THEIRS}, gone AS (DELETE FROM replies WHERE id = {_ANY.format("answers")})
    SELECT count(*) FROM answers HAVING count(*) > 0
""")
# What was given up is done again by nobody: which workspace it came from need not be read, it goes with the first.
_EMPTY_GIVEN_UP = f"""
    WITH ended AS (
        UPDATE inbox SET status = 2, payload = NULL, reason = NULL, author = '{NOBODY}' WHERE id = ANY(ARRAY(
            SELECT id FROM inbox WHERE status = 3 AND finished_at < now() - %(age)s LIMIT %(limit)s
        )) RETURNING 1
    )
    SELECT count(*) FROM ended HAVING count(*) > 0
"""
_DROP = {"messages": _DROP_MESSAGES, "replies": _DROP_REPLIES}


def _called(workspace: UUID | None) -> str:
    return f"workspace {workspace.hex[:_CALLED]}" if workspace else "an earlier release"


class Ages:
    """Carries a Retention out, in short transactions: whoever writes meanwhile waits for no more than one of them."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def expire(self, retention: Retention) -> int:
        """Forgets what is too old; how many messages, and answers to commands.

        Raises NotStored once all was tried: what can't be forgotten in one workspace is forgotten in the others.
        """
        if retention.shortest is None:
            return 0
        total, work = 0, Round()
        is_placed = not retention.workspaces
        if retention.workspaces:
            with work.part("where an earlier release's words were said"):
                is_placed = await self._place(retention.shortest)
        for table in _DROP:
            with work.part(f"old {table}"):
                for workspace, age in await self._due(table, retention):
                    # What is nowhere may belong to a workspace that keeps it for longer.
                    if workspace is not None or is_placed:
                        with work.part(f"old {table} of {_called(workspace)}"):
                            total += await self._drop_old(table, workspace, age)
        with work.part("events that were given up"):
            await self._drop(_EMPTY_GIVEN_UP, {"age": retention.shortest})
        work.end()
        return total

    async def _due(self, table: str, retention: Retention) -> list[tuple[UUID | None, timedelta]]:
        rules = {self._vault.blind("workspace", *name): age for name, age in retention.workspaces.items()}
        found = [workspace for (workspace,) in await self._database.fetch(_WORKSPACES.format(table=table))]
        ages = [(workspace, rules.get(workspace, retention.everywhere)) for workspace in found]
        return [(place, age) for place, age in (*ages, (None, retention.everywhere)) if age is not None]

    async def _drop_old(self, table: str, workspace: UUID | None, age: timedelta) -> int:
        if workspace is None:
            return await self._drop(_DROP[table]["nowhere"], {"age": age})
        return await self._drop(_DROP[table]["here"], {"workspace": workspace, "age": age})

    async def _drop(self, sql: str, params: Params) -> int:
        total = 0
        while rows := await yielding.fetch(self._database, sql, params | {"limit": _BATCH}):
            total += rows[0][0]
        return total

    async def _place(self, age: timedelta) -> bool:
        """Finds out where that was said which an earlier release has written: where workspaces differ, it matters.

        Whether all of it was found out: what an encryption key is missing for here is left to a process that has it.
        """
        is_whole = True
        for table, (person, blob) in _BLOBS.items():
            sql = _UNPLACED.format(table=table, person=person, blob=blob)
            while rows := await self._database.fetch(sql, {"age": age, "limit": _BATCH}):
                found = [(row[0], await self._workspace(table, row)) for row in rows]
                places = [(id_, workspace) for id_, workspace in found if workspace is not None]
                async with self._database.transaction() as tx:
                    for id_, workspace in places:
                        tx.later(_PLACE.format(table=table), {"id": id_, "workspace": workspace})
                is_whole = is_whole and len(places) == len(rows)
                if not places:
                    break
        if not is_whole:
            logger.warning(
                "what an earlier release has kept is not forgotten here: an encryption key for it is missing"
            )
        return is_whole

    async def _workspace(self, table: str, row: Row) -> UUID | None:
        """Nobody's where it cannot be read: then it is kept as long as everywhere. None where others can read it."""
        try:
            return self._vault.workspace(await self._thread(table, *row))
        except KeyMissing:
            return None
        except DAMAGED:
            return NOBODY

    async def _thread(self, table: str, id_: UUID, person: UUID, blob: bytes) -> ThreadId:
        if table == "messages":
            return (await messages.open(self._vault, person, id_, blob)).thread
        return bodies.load_about(await self._vault.open("replies", "about", person, id_, blob)).thread
