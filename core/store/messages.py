"""What persons said, each message sealed under its author's key."""

from dataclasses import replace
from uuid import UUID

from core import codec
from core.errors import Malformed
from core.message import Author, Message, ThreadId
from core.store.room import Desk
from core.store.vault import Vault

_READ = """
    SELECT author, body FROM messages
    WHERE id = %(id)s AND thread = %(thread)s AND (%(author)s::uuid IS NULL OR author = %(author)s) AND NOT is_erased
    FOR UPDATE
"""
_WRITE = "UPDATE messages SET body = %(body)s, is_erased = %(is_erased)s WHERE id = %(id)s"
# What was thought says again what was asked: where the question changes or goes, it goes too.
_FORGET = "UPDATE replies SET reasoning = NULL WHERE question = %(id)s AND reasoning IS NOT NULL"


async def seal(vault: Vault, author: UUID, row_id: UUID, message: Message) -> bytes:
    return await vault.seal("messages", "body", author, row_id, codec.dumps(message))


async def open(vault: Vault, author: UUID, row_id: UUID, body: bytes) -> Message:
    """Raises Unreadable or Malformed."""
    message = codec.loads(await vault.open("messages", "body", author, row_id, body))
    if not isinstance(message, Message):
        raise Malformed
    return message


async def rewrite(
    desk: Desk, row_id: UUID, thread: ThreadId, *, text: str, by: Author | None = None, is_erased: bool = False
) -> bool:
    """Gives a stored message another text, and forgets what was thought about the one it had.

    With `by`, only a message of that author; False where there is none.
    """
    author = desk.vault.person(by) if by else None
    params = {"id": row_id, "thread": desk.vault.thread(thread), "author": author}
    rows = await desk.tx.fetch(_READ, params)
    if not rows:
        return False
    owner, body = rows[0]
    message = replace(await open(desk.vault, owner, row_id, body), text=text)
    if is_erased:
        message = replace(message, attachments=())
    sealed = await seal(desk.vault, owner, row_id, message)
    desk.tx.later(_WRITE, {"id": row_id, "body": sealed, "is_erased": is_erased})
    desk.tx.later(_FORGET, {"id": row_id})
    return True
