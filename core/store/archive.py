"""What was said, for the pages of a door: only what the reader asked."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.message import Author, Reply, ReplyId, ThreadId
from core.ports import Entry, State, ThreadSummary, Vote
from core.store import messages, ratings, replies
from core.store.database import Database
from core.store.vault import DAMAGED, Vault, reply_id, row_id

logger = logging.getLogger(__name__)

_TITLE = 80  # characters

_THREADS = """
    SELECT threads.asked_at, first.id, first.author, first.body
    FROM threads CROSS JOIN LATERAL (
        SELECT id, author, body FROM messages
        WHERE messages.thread = threads.id AND NOT is_erased ORDER BY seq LIMIT 1
    ) first
    WHERE threads.owner = %(reader)s AND threads.asked_at < COALESCE(%(before)s::timestamptz, 'infinity')
        AND threads.asked_at IS NOT NULL
    ORDER BY threads.asked_at DESC LIMIT %(limit)s
"""
_ENTRIES = f"""
    SELECT message.seq, message.id, message.body, message.seq < threads.reset_seq,
        newest.id, newest.asker, newest.body, newest.model, newest.source, newest.state,
        newest.has_reasoning
    FROM threads JOIN messages message ON message.thread = threads.id
    LEFT JOIN LATERAL ({replies.NEWEST_ANSWER}) newest ON true
    WHERE threads.id = %(thread)s AND threads.owner = %(reader)s AND message.author = %(reader)s
        AND NOT message.is_erased AND message.seq < %(before)s
    ORDER BY message.seq DESC LIMIT %(limit)s
"""
# Who may not ask is told so by the house itself; what moderation refuses was asked by somebody who may, and so was what
# nobody could answer: it was counted.
_IS_CONVERSATION = """
    SELECT EXISTS (SELECT FROM inbox WHERE thread = %(thread)s AND lane = 'turn' AND status IN (0, 1)) OR EXISTS (
        SELECT FROM replies JOIN turns ON turns.reply_id = replies.id
        WHERE replies.thread = %(thread)s
            AND (turns.state <> 'refused' OR replies.source <> 'house' OR turns.counted_on IS NOT NULL)
    )
"""
_OWNER = "SELECT owner FROM threads WHERE id = %(thread)s AND owner IS NOT NULL"
_REPLY = f"SELECT {replies.COLUMNS} FROM replies WHERE id = %(id)s AND asker = %(reader)s"
_REASONING = "SELECT asker, reasoning FROM replies WHERE id = %(id)s AND asker = %(reader)s"
_END = 2**62


class PostgresArchive:
    """`ports.Archive`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def threads(self, reader: Author, *, limit: int, before: datetime | None = None) -> tuple[ThreadSummary, ...]:
        params = {"reader": self._vault.person(reader), "limit": limit, "before": before}
        summaries = [await self._readable_summary(row) for row in await self._database.fetch(_THREADS, params)]
        return tuple(summary for summary in summaries if summary is not None)

    async def _summary(self, asked_at: datetime, id_: UUID, author: UUID, body: bytes) -> ThreadSummary:
        first = await messages.open(self._vault, author, id_, body)
        return ThreadSummary(first.thread, title(first.text), asked_at)

    async def _readable_summary(self, row: Sequence[Any]) -> ThreadSummary | None:
        """A thread whose first message cannot be read has no name to go by: it is left out, and the others stay."""
        try:
            return await self._summary(*row)
        except DAMAGED as error:
            logger.error("message %s cannot be read, its thread is not listed: %s", row[1].hex, type(error).__name__)
            return None

    async def entries(
        self, thread: ThreadId, reader: Author, *, limit: int, before: int | None = None
    ) -> tuple[Entry, ...]:
        person = self._vault.person(reader)
        params = {
            "thread": self._vault.thread(thread),
            "reader": person,
            "limit": limit,
            "before": _END if before is None else before,
        }
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch(_ENTRIES, params)
            votes = await ratings.votes_of(transaction, self._vault, person, [row[4] for row in rows if row[4]])
        return tuple([await self._readable_entry(reader, votes, row) for row in reversed(rows)])

    async def _readable_entry(self, reader: Author, votes: dict[UUID, Vote], row: Sequence[Any]) -> Entry:
        """One row that was changed or moved in the database takes its words with it, not the whole page."""
        try:
            return await self._entry(self._vault.person(reader), votes, row)
        except DAMAGED as error:
            logger.error("message %s or its answer cannot be read: %s", row[1].hex, type(error).__name__)
            lost = reply_id(row[4] or row[1])
            return Entry(row[0], "", "", reader, datetime.fromtimestamp(0, UTC), lost, State.FAILED)

    async def _entry(self, person: UUID, votes: dict[UUID, Vote], row: Sequence[Any]) -> Entry:
        seq, id_, body, is_before_reset, answer_id, asker, answer, model, source, state, has_reasoning = row
        message = await messages.open(self._vault, person, id_, body)
        return Entry(
            cursor=seq,
            message_id=message.id,
            question=message.text,
            asker=message.author,
            sent_at=message.sent_at,
            reply_id=reply_id(answer_id or id_),
            state=State(state) if state else None,
            answer=await replies.text(self._vault, asker, answer_id, answer) if answer_id else "",
            model=model or "",
            source=source or "",
            vote=votes.get(answer_id),
            is_before_reset=is_before_reset,
            has_reasoning=bool(has_reasoning),
        )

    async def owns(self, thread: ThreadId, reader: Author) -> bool | None:
        rows = await self._database.fetch(_OWNER, {"thread": self._vault.thread(thread)})
        return rows[0][0] == self._vault.person(reader) if rows else None

    async def is_conversation(self, thread: ThreadId) -> bool:
        return bool((await self._database.fetch(_IS_CONVERSATION, {"thread": self._vault.thread(thread)}))[0][0])

    async def reply(self, reply_id: ReplyId, reader: Author) -> Reply | None:
        id_ = row_id(reply_id)
        params = {"id": id_, "reader": self._vault.person(reader)}
        rows = await self._database.fetch(_REPLY, params) if id_ else []
        return (await replies.read(self._vault, replies.Stored(*rows[0])))[1] if rows else None

    async def reasoning(self, reply_id: ReplyId, reader: Author) -> str | None:
        id_ = row_id(reply_id)
        params = {"id": id_, "reader": self._vault.person(reader)}
        rows = await self._database.fetch(_REASONING, params) if id_ else []
        if not rows or id_ is None:
            return None
        return await replies.reasoning(self._vault, rows[0][0], id_, rows[0][1])


def title(text: str) -> str:
    """The start of a question, on one line."""
    line = " ".join(text[: 4 * _TITLE].split())
    return line if len(line) <= _TITLE else line[: _TITLE - 1].rstrip() + "…"
