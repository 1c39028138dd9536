"""The conversations: their history, the model they asked for, and how far back they remember."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from uuid import UUID

from core.errors import Refused
from core.message import Author, Deleted, Edited, Feedback, ThreadId
from core.ports import Claim, Exchange, ThreadFacts
from core.reading import EMPTY, Reading
from core.store import messages, replies
from core.store.database import Row
from core.store.room import Room
from core.store.vault import DAMAGED

logger = logging.getLogger(__name__)

# The exchanges that count: answered by more than a sentence of the house (a sealed empty text has 49 bytes).
_HISTORY = f"""
    SELECT message.seq, message.id, message.author, message.body, message.reading, newest.id, newest.asker, newest.body
    FROM messages message
    CROSS JOIN LATERAL ({replies.NEWEST_ANSWER}) newest
    WHERE message.thread = %(thread)s AND NOT message.is_erased
        AND message.seq > COALESCE((SELECT reset_seq FROM threads WHERE threads.id = %(thread)s), 0)
        AND message.seq < COALESCE(
            (SELECT seq FROM messages WHERE messages.id = %(message)s),
            (SELECT inbox.id FROM inbox WHERE inbox.reply_id = %(message)s), 0)
        AND message.seq < %(before)s
        AND newest.state IN ('done', 'delivering', 'stopped', 'asked') AND newest.source <> 'house'
        AND octet_length(newest.body) > 49
    ORDER BY message.seq DESC LIMIT %(limit)s
"""
_FACTS = "SELECT route, reset_seq > 0 FROM threads WHERE id = %(thread)s"
_ROUTE = """
    INSERT INTO threads (id, route) VALUES (%(thread)s, %(route)s)
    ON CONFLICT (id) DO UPDATE SET route = EXCLUDED.route
"""
_RESET = """
    INSERT INTO threads (id, reset_seq) VALUES (%(thread)s, %(seq)s)
    ON CONFLICT (id) DO UPDATE SET reset_seq = GREATEST(threads.reset_seq, EXCLUDED.reset_seq)
"""
_FORESTALL = """
    INSERT INTO messages (id, seq, thread, author, body, is_erased)
    SELECT %(id)s, %(seq)s, %(thread)s, %(author)s, %(body)s, true
    WHERE NOT EXISTS (SELECT FROM inbox WHERE reply_id = %(id)s) ON CONFLICT DO NOTHING RETURNING true
"""
_OUTDATE = "UPDATE messages SET seq = %(seq)s, author = %(author)s, body = %(body)s WHERE id = %(id)s"
_END = 2**62


class PostgresThreads(Room):
    """`ports.Threads`."""

    async def history(
        self, thread: ThreadId, message_id: str, *, limit: int, before: int | None = None
    ) -> tuple[Exchange, ...]:
        params = {
            "thread": self._vault.thread(thread),
            "message": self._vault.event(thread.adapter, message_id),
            "before": _END if before is None else before,
            "limit": limit,
        }
        rows = await self._tx.fetch(_HISTORY, params)
        exchanges = [await self._readable(row) for row in rows]
        return tuple(exchange for exchange in exchanges if exchange is not None)

    async def _readable(self, row: Row) -> Exchange | None:
        """A row that was changed or moved in the database is forgotten; it must not silence its thread."""
        try:
            return await self._exchange(*row)
        except DAMAGED as error:
            logger.error("message %s or its answer cannot be read: %s", row[1].hex, type(error).__name__)
            return None

    async def _exchange(
        self,
        seq: int,
        id_: UUID,
        author: UUID,
        body: bytes,
        reading: bytes | None,
        answer_id: UUID,
        asker: UUID,
        answer: bytes,
    ) -> Exchange:
        question = await messages.open(self._vault, author, id_, body)
        read = await messages.open_reading(self._vault, author, id_, reading)
        text = await replies.text(self._vault, asker, answer_id, answer)
        return Exchange(seq, question.text, question.author, text, read or EMPTY)

    async def reading(self, thread: ThreadId, message_id: str) -> Reading | None:
        return await messages.reading_of(self._desk, self._vault.event(thread.adapter, message_id), thread)

    async def keep_reading(self, thread: ThreadId, message_id: str, reading: Reading) -> None:
        row_id = self._vault.event(thread.adapter, message_id)
        await messages.keep_reading(self._desk, row_id, thread, reading)

    async def facts(self, thread: ThreadId) -> ThreadFacts:
        rows = await self._tx.fetch(_FACTS, {"thread": self._vault.thread(thread)})
        return ThreadFacts(*rows[0]) if rows else ThreadFacts()

    async def route(self, thread: ThreadId, route: str) -> None:
        self._tx.later(_ROUTE, {"thread": self._vault.thread(thread), "route": route})

    async def reset(self, claim: Claim) -> None:
        if isinstance(claim.event, Feedback):
            raise Refused
        self._tx.later(_RESET, {"thread": self._vault.thread(claim.event.thread), "seq": claim.id})

    async def edit(self, thread: ThreadId, message_id: str, author: Author, text: str) -> bool:
        row_id = self._vault.event(thread.adapter, message_id)
        return await messages.rewrite(self._desk, row_id, thread, text=text, by=author)

    async def erase(self, thread: ThreadId, message_id: str, author: Author | None = None) -> bool:
        row_id = self._vault.event(thread.adapter, message_id)
        return await messages.rewrite(self._desk, row_id, thread, text="", by=author, is_erased=True)

    async def forestall(self, claim: Claim) -> bool:
        """The event itself stands where the message would, as an erased one, until it comes or the event is purged."""
        event = claim.event
        if not isinstance(event, Edited | Deleted):
            raise Refused
        row_id, person = self._vault.event(event.thread.adapter, event.message_id), self._vault.person(event.author)
        body = await messages.seal(self._vault, person, row_id, event)
        thread = self._vault.thread(event.thread)
        row = {"id": row_id, "seq": claim.id, "thread": thread, "author": person, "body": body}
        if await self._tx.fetch(_FORESTALL, row):
            return True
        earlier = await messages.early_edit(self._desk, row_id)
        if earlier and (isinstance(event, Deleted) or event.sent_at >= earlier.sent_at):
            self._tx.later(_OUTDATE, row)
        return earlier is not None
