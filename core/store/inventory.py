"""What a person is handed of all that is kept of them."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar
from uuid import UUID

from core import codec
from core.message import ReplyId, Usage
from core.ports import Awaited, LeftOut, Read, State, Theirs, Thought, TurnFacts
from core.reading import Reading
from core.store import bodies, incidents, messages, ratings, replies
from core.store.database import Database, Row
from core.store.room import NOBODY, Params
from core.store.vault import DAMAGED, Vault, reply_id
from core.turn import Pending

logger = logging.getLogger(__name__)

_PAGE = 200

_SAID = """
    SELECT seq, id, body, reading FROM messages
    WHERE author = %(person)s AND seq > %(after)s AND NOT is_erased ORDER BY seq LIMIT %(limit)s
"""
_FACTS = """
    turns.state, turns.model, turns.source, turns.seed, turns.prompt_tokens, turns.completion_tokens, turns.attempts,
    turns.received_at, turns.started_at, turns.first_text_at, turns.finished_at
"""
_TOLD = f"""
    SELECT replies.seq, replies.reasoning, {_FACTS}, {replies.COLUMNS}
    FROM replies LEFT JOIN turns ON turns.reply_id = replies.id
    WHERE replies.asker = %(person)s AND replies.seq > %(after)s AND replies.body IS NOT NULL
    ORDER BY replies.seq LIMIT %(limit)s
"""
_COUNT_OF_FACTS = _FACTS.count("turns.")
_RATED = """
    SELECT DISTINCT reply_id FROM votes WHERE author = %(person)s AND reply_id > %(after)s
    ORDER BY reply_id LIMIT %(limit)s
"""
_FOUND = f"""
    SELECT {incidents.COLUMNS} FROM incidents
    WHERE asker = %(person)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
"""
_AWAITED = """
    SELECT reply_id, body, expires_at, taken_by IS NOT NULL FROM asks
    WHERE asker = %(person)s AND reply_id > %(after)s ORDER BY reply_id LIMIT %(limit)s
"""

T = TypeVar("T")


class Inventory:
    """One person's, by their blind index. What does not open is counted, and its id is in the log."""

    def __init__(self, database: Database, vault: Vault, person: UUID) -> None:
        self._database = database
        self._vault = vault
        self._person = person
        self._left_out = 0

    async def everything(self) -> AsyncGenerator[Theirs, None]:
        """`ports.People.everything`."""
        for kind in (self._said, self._told, self._rated, self._found, self._awaited):
            async for item in kind():
                yield item
        if self._left_out:
            yield LeftOut(self._left_out)

    async def _said(self) -> AsyncGenerator[Theirs, None]:
        async for _, id_, body, reading in self._pages(_SAID, 0):
            message = await self._opened("message", id_, messages.open(self._vault, self._person, id_, body))
            if message is None:
                continue
            yield message
            if reading is not None and (read := await self._opened("reading", id_, self._read(id_, reading))):
                yield Read(message.id, read)

    async def _read(self, id_: UUID, reading: bytes) -> Reading:
        return codec.loads_reading(await self._vault.open("messages", "reading", self._person, id_, reading))

    async def _told(self) -> AsyncGenerator[Theirs, None]:
        async for _, thought, *row in self._pages(_TOLD, 0):
            facts, stored = row[:_COUNT_OF_FACTS], replies.Stored(*row[_COUNT_OF_FACTS:])
            told = await self._opened("reply", stored.id, replies.read(self._vault, stored))
            if told is None:
                continue
            yield told[1]
            if facts[0] is not None:
                yield _facts(reply_id(stored.id), *facts)
            words = replies.reasoning(self._vault, self._person, stored.id, thought)
            if said := await self._opened("thought", stored.id, words):
                yield Thought(reply_id(stored.id), said)

    async def _rated(self) -> AsyncGenerator[Theirs, None]:
        async for (id_,) in self._pages(_RATED, NOBODY):
            async with self._database.transaction(autocommit=True) as tx:
                votes, lost = await ratings.votes_and_lost(tx, self._vault, self._person, [id_])
            self._left_out += lost
            for vote in votes.values():
                yield vote

    async def _found(self) -> AsyncGenerator[Theirs, None]:
        async for row in self._pages(_FOUND, 0):
            if kept := await self._opened("incident", row[1], incidents.kept(self._vault, row)):
                yield kept

    async def _awaited(self) -> AsyncGenerator[Theirs, None]:
        async for id_, body, until, is_taken in self._pages(_AWAITED, NOBODY):
            if call := await self._opened("call", id_, self._call(id_, body)):
                yield Awaited(reply_id(id_), call, until, is_taken)

    async def _call(self, id_: UUID, body: bytes) -> Pending:
        said = bodies.load(await self._vault.open("asks", "body", self._person, id_, body))
        return Pending(said["plugin"], said["arguments"], said["is_for_model"])

    async def _pages(self, sql: str, after: int | UUID) -> AsyncGenerator[Row, None]:
        """Page by page, for each statement is bounded; the first column is where the next one begins."""
        params: Params = {"person": self._person, "limit": _PAGE}
        while rows := await self._database.fetch(sql, params | {"after": after}):
            for row in rows:
                yield row
            after = rows[-1][0]

    async def _opened(self, kind: str, id_: UUID, opening: Awaitable[T]) -> T | None:
        """None where one row was changed or moved in the database."""
        try:
            return await opening
        except DAMAGED as error:
            logger.error("%s %s cannot be read and is left out: %s", kind, id_.hex, type(error).__name__)
            self._left_out += 1
            return None


def _facts(reply: ReplyId, *facts: Any) -> TurnFacts:
    state, model, source, seed, prompt, completion, *rest = facts
    return TurnFacts(reply, State(state), model, source, seed, Usage(prompt, completion), *rest)
