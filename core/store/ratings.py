"""Votes on answers. All are kept, each sealed under its rater's key; what counts is folded from them."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.message import Author, Feedback, LastReplyTo, PartId, Reply, ReplyId
from core.ports import Vote
from core.store import bodies
from core.store.database import Transaction
from core.store.replies import PostgresReplies
from core.store.room import Room
from core.store.vault import DAMAGED, Vault, reply_id, row_id

logger = logging.getLogger(__name__)

_REPLY_OF_PART = "SELECT reply_id FROM parts WHERE id = %(part)s"
_RECORD = """
    WITH cast_now AS (
        INSERT INTO votes (id, reply_id, author, origin, part, score, model, sent_at, body)
        SELECT %(id)s, id, %(author)s, %(origin)s, %(part)s::uuid, %(score)s::smallint, model, %(sent_at)s, %(body)s
        FROM replies WHERE id = %(reply)s
        ON CONFLICT (id) DO NOTHING RETURNING reply_id
    )
    SELECT reply_id FROM cast_now UNION ALL SELECT reply_id FROM votes WHERE id = %(id)s LIMIT 1
"""
COLUMNS = "id, author, origin, part, score, model, sent_at, seq, body"
_VOTES = f"SELECT reply_id, {COLUMNS} FROM votes WHERE reply_id = ANY(%(replies)s::uuid[])"
_VOTES_OF = f"{_VOTES} AND author = %(author)s"


class Cast(NamedTuple):
    """One vote as it was cast."""

    author: Author
    origin: str
    part: UUID | None
    score: int | None
    model: str
    sent_at: datetime
    seq: int
    reason: str
    comment: str
    reaction: str = ""


def count(reply: ReplyId, casts: Iterable[Cast]) -> Vote:
    """What one person's votes on one answer come to: the latest live score, the latest reason, every comment."""
    ordered = sorted(casts, key=lambda cast: (cast.sent_at, cast.seq))
    live = _live(ordered)
    reasons = [cast.reason for cast in ordered if cast.reason]
    return Vote(
        reply_id=reply,
        author=ordered[-1].author,
        score=live[-1].score if live else None,
        reason=reasons[-1] if reasons else "",
        comment="\n".join(cast.comment for cast in ordered if cast.comment),
        model=(live or ordered)[-1].model,
        at=(live or ordered)[-1].sent_at,
    )


def _live(ordered: Sequence[Cast]) -> list[Cast]:
    """Those that no later one of the same place and name has taken the place of, latest last.

    A reaction that was kept without its name gives way to any later one in its place, whatever its name.
    """
    live, ended = [], set[tuple[str, UUID | None, str]]()
    for cast in reversed(ordered):
        if cast.score is not None and (cast.origin, cast.part, cast.reaction) not in ended:
            live.append(cast)
        ended |= {(cast.origin, cast.part, cast.reaction), (cast.origin, cast.part, "")}
    return live[::-1]


class PostgresRatings(Room):
    """`ports.Ratings`."""

    async def record(self, feedback: Feedback) -> ReplyId | None:
        vault, target = self._vault, feedback.target
        reply = await self._target(feedback)
        if reply is None:
            return None
        id_, author = vault.blind("vote", feedback.author.adapter, feedback.id), vault.person(feedback.author)
        said = {name: getattr(feedback, name) for name in ("reason", "comment", "reaction")}
        body = {"author": asdict(feedback.author), **said}
        params = {
            "id": id_,
            "reply": reply,
            "author": author,
            "origin": feedback.origin.value,
            "part": vault.part(target) if isinstance(target, PartId) else None,
            "score": feedback.score,
            "sent_at": feedback.sent_at,
            "body": await vault.seal("votes", "body", author, id_, bodies.dump(body)),
        }
        rows = await self._tx.fetch(_RECORD, params)
        return reply_id(rows[0][0]) if rows else None

    async def resolve(self, feedback: Feedback) -> Reply | None:
        replies = PostgresReplies(self._desk)
        if isinstance(feedback.target, LastReplyTo):
            return await replies.newest_to(feedback.target.author, feedback.target.thread)
        target = await self._target(feedback)
        return await replies.get(reply_id(target)) if target else None

    async def _target(self, feedback: Feedback) -> UUID | None:
        if isinstance(feedback.target, LastReplyTo):
            newest = await self.resolve(feedback)
            return UUID(newest.id) if newest else None
        if isinstance(feedback.target, PartId):
            rows = await self._tx.fetch(_REPLY_OF_PART, {"part": self._vault.part(feedback.target)})
            return rows[0][0] if rows else None
        return row_id(feedback.target)

    async def votes(self, reply_id: ReplyId) -> tuple[Vote, ...]:
        id_ = row_id(reply_id)
        if id_ is None:
            return ()
        return (await votes_on(self._tx, self._vault, [id_])).get(id_, ())


async def votes_on(tx: Transaction, vault: Vault, replies: Sequence[UUID]) -> dict[UUID, tuple[Vote, ...]]:
    """Everybody's votes on these replies, by reply; who voted first stands first."""
    found: dict[UUID, tuple[Vote, ...]] = {}
    for (reply, _), vote in (await votes_by_person(tx, vault, replies)).items():
        found[reply] = (*found.get(reply, ()), vote)
    return found


async def votes_by_person(tx: Transaction, vault: Vault, replies: Sequence[UUID]) -> dict[tuple[UUID, UUID], Vote]:
    """What the votes on these replies come to, by reply and rater."""
    rows = await tx.fetch(_VOTES, {"replies": list(replies)}) if replies else []
    casts: dict[tuple[UUID, UUID], list[Cast]] = {}
    for reply, *row in sorted(rows, key=lambda row: int(row[8])):
        if cast := await _readable(vault, row):
            casts.setdefault((reply, row[1]), []).append(cast)
    votes = {key: _said([count(reply_id(key[0]), theirs)]) for key, theirs in casts.items()}
    return {key: vote[0] for key, vote in votes.items() if vote}


async def votes_of(tx: Transaction, vault: Vault, person: UUID, replies: Sequence[UUID]) -> dict[UUID, Vote]:
    """One person's votes on these replies."""
    return (await votes_and_lost(tx, vault, person, replies))[0]


async def votes_and_lost(
    tx: Transaction, vault: Vault, person: UUID, replies: Sequence[UUID]
) -> tuple[dict[UUID, Vote], int]:
    """The same, and how many of the votes they are folded from can no longer be opened."""
    rows = await tx.fetch(_VOTES_OF, {"replies": list(replies), "author": person}) if replies else []
    by_reply: dict[UUID, list[Cast]] = {}
    lost = 0
    for reply, *row in rows:
        if cast := await _readable(vault, row):
            by_reply.setdefault(reply, []).append(cast)
        else:
            lost += 1
    votes = {reply: _said([count(reply_id(reply), casts)]) for reply, casts in by_reply.items()}
    return {reply: vote[0] for reply, vote in votes.items() if vote}, lost


def _said(votes: Iterable[Vote]) -> tuple[Vote, ...]:
    """Without those that were taken back and left no word."""
    return tuple(vote for vote in votes if vote.score is not None or vote.reason or vote.comment)


async def _readable(vault: Vault, row: Sequence[Any]) -> Cast | None:
    try:
        return await _cast(vault, row)
    except DAMAGED as error:
        logger.error("vote %s cannot be read and is not counted: %s", row[0].hex, type(error).__name__)
        return None


async def _cast(vault: Vault, row: Sequence[object]) -> Cast:
    id_, author, origin, part, score, model, sent_at, seq, sealed = row
    body = bodies.load(await vault.open("votes", "body", author, id_, sealed))  # type: ignore[arg-type]
    words = body["reason"], body["comment"], body.get("reaction", "")  # which earlier releases did not keep
    return Cast(bodies.author(body["author"]), origin, part, score, model, sent_at, seq, *words)  # type: ignore[arg-type]
