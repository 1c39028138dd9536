"""What persons said and what was read with it, sealed under the author's key."""

import logging
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from core import codec
from core.errors import KeyMissing, Malformed, Unreadable
from core.message import Author, Edited, Event, Message, ThreadId
from core.reading import Reading
from core.store.database import Row
from core.store.incidents import forget_words
from core.store.room import Desk
from core.store.vault import DAMAGED, Vault

logger = logging.getLogger(__name__)

_READ = """
    SELECT author, body FROM messages
    WHERE id = %(id)s AND thread = %(thread)s AND (%(author)s::uuid IS NULL OR author = %(author)s) AND NOT is_erased
    FOR UPDATE
"""
_WRITE = """
    UPDATE messages SET body = %(body)s, is_erased = %(is_erased)s,
        reading = CASE WHEN NOT %(is_erased)s THEN reading END
    WHERE id = %(id)s
"""
_READING = "SELECT author, reading FROM messages WHERE id = %(id)s AND thread = %(thread)s AND NOT is_erased"
_KEEP = "UPDATE messages SET reading = %(reading)s WHERE id = %(id)s"
_EARLY = "SELECT author, body FROM messages WHERE id = %(id)s AND is_erased FOR UPDATE"
_MAKE_ROOM = "DELETE FROM messages WHERE id = %(id)s"
# What was thought says again what was asked: where the question changes or goes, it goes too.
_FORGET = "UPDATE replies SET reasoning = NULL WHERE question = %(id)s AND reasoning IS NOT NULL"
# An undelivered answer is still shown, in its words alone: what else it has is kept no longer.
_FORGET_EXTRAS = """
    UPDATE outbox SET extras = NULL FROM replies
    WHERE replies.question = %(id)s AND outbox.reply_id = replies.id AND outbox.extras IS NOT NULL
"""

# Nobody is given the answer to what was asked before.
_FORGET_CACHED = "DELETE FROM cached WHERE question = %(id)s"
# Nobody says yes to what was asked for before.
_FORGET_ASKS = "DELETE FROM asks WHERE question = %(id)s"


async def seal(vault: Vault, author: UUID, row_id: UUID, event: Event) -> bytes:
    """The message, or the event that came before it."""
    return await vault.seal("messages", "body", author, row_id, codec.dumps(event))


async def open(vault: Vault, author: UUID, row_id: UUID, body: bytes) -> Message:
    """Raises Unreadable or Malformed."""
    message = codec.loads(await vault.open("messages", "body", author, row_id, body))
    if not isinstance(message, Message):
        raise Malformed
    return message


async def keep_reading(desk: Desk, row_id: UUID, thread: ThreadId, reading: Reading) -> None:
    """Keeps what was read with a stored message; nothing where there is none, or it was erased."""
    rows = await desk.tx.fetch(_READ, {"id": row_id, "thread": desk.vault.thread(thread), "author": None})
    if rows:
        owner, body = rows[0]
        with suppress(Unreadable):  # they are being forgotten
            sealed = await desk.vault.reseal("messages", "reading", owner, row_id, codec.dumps(reading), like=body)
            desk.tx.later(_KEEP, {"id": row_id, "reading": sealed})


async def reading_of(desk: Desk, row_id: UUID, thread: ThreadId) -> Reading | None:
    rows = await desk.tx.fetch(_READING, {"id": row_id, "thread": desk.vault.thread(thread)})
    return await open_reading(desk.vault, rows[0][0], row_id, rows[0][1]) if rows else None


async def open_reading(vault: Vault, author: UUID, row_id: UUID, sealed: bytes | None) -> Reading | None:
    """None also where it was changed or moved in the database: the question stands without it."""
    if sealed is None:
        return None
    try:
        return codec.loads_reading(await vault.open("messages", "reading", author, row_id, sealed))
    except DAMAGED as error:
        logger.error("what was read with message %s cannot be opened: %s", row_id.hex, type(error).__name__)
        return None


async def early_edit(desk: Desk, row_id: UUID) -> Edited | None:
    """The edit that stands where its message would; None also where it was changed or moved in the database."""
    for author, body in await desk.tx.fetch(_EARLY, {"id": row_id}):
        try:
            event = codec.loads(await desk.vault.open("messages", "body", author, row_id, body))
            return event if isinstance(event, Edited) else None
        except DAMAGED as error:
            logger.error("what stands for message %s cannot be read: %s", row_id.hex, type(error).__name__)
    return None


def make_room(desk: Desk, row_id: UUID) -> None:
    """Takes away what stands where a message would."""
    desk.tx.later(_MAKE_ROOM, {"id": row_id})


async def _reworded(vault: Vault, row: Row, row_id: UUID, text: str, *, is_erased: bool) -> bytes:
    """Under the key that it had: whoever is being forgotten meanwhile gets no new one."""
    owner, body = row
    message = replace(await open(vault, owner, row_id, body), text=text)
    if is_erased:
        message = replace(message, attachments=())
    return await vault.reseal("messages", "body", owner, row_id, codec.dumps(message), like=body)


async def rewrite(
    desk: Desk, row_id: UUID, thread: ThreadId, *, text: str, by: Author | None = None, is_erased: bool = False
) -> bool:
    """Gives a stored message another text, and forgets what the one it had led to.

    That is what was thought about it, kept for others, or waits for a yes.

    With `by`, only a message of that author; False where there is none, or it cannot be read. Once it is erased, what
    was read with it goes, and what its undelivered answer has besides words.
    """
    author = desk.vault.person(by) if by else None
    params = {"id": row_id, "thread": desk.vault.thread(thread), "author": author}
    rows = await desk.tx.fetch(_READ, params)
    if not rows:
        return False
    try:
        sealed = await _reworded(desk.vault, rows[0], row_id, text, is_erased=is_erased)
    except KeyMissing:  # another process has it: nothing is left undone in silence
        raise
    except Unreadable:
        logger.warning("message %s cannot be read, as of somebody who is being forgotten, and stays so", row_id.hex)
        return False
    desk.tx.later(_WRITE, {"id": row_id, "body": sealed, "is_erased": is_erased})
    desk.tx.later(_FORGET, {"id": row_id})
    await forget_words(desk, row_id)
    desk.tx.later(_FORGET_CACHED, {"id": row_id})
    desk.tx.later(_FORGET_ASKS, {"id": row_id})
    if is_erased:
        desk.tx.later(_FORGET_EXTRAS, {"id": row_id})
    return True
