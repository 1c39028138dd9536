"""The answers, sealed under their asker's key."""
# ruff: noqa: S608 - what is put together here are constants of this room

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from core.errors import Malformed, NotFound, NotStored, Unreadable
from core.message import Author, Event, Message, PartId, Reply, ReplyId, Source, ThreadId, Verdict, Visibility
from core.ports import Claim, SignalKind
from core.store import bodies, messages
from core.store.bodies import About
from core.store.room import Params, Room, token
from core.store.signals import CHANNEL
from core.store.vault import Vault, reply_id, row_id

# Each part's id stands before its sealed value.
PARTS = """
    (SELECT array_agg(uuid_send(parts.id) || parts.body ORDER BY parts.seq) FROM parts WHERE parts.reply_id = {reply})
"""
COLUMNS = """
    replies.id, replies.asker, replies.about, replies.body, replies.source, replies.model, replies.verdict,
    replies.replaces, """ + PARTS.format(reply="replies.id")
# The newest answer to `message`; one that came to nothing gives way to an earlier one that did not.
NEWEST_ANSWER = """
    SELECT replies.id, replies.asker, replies.body, replies.model, replies.source, turns.state,
        replies.reasoning IS NOT NULL AS has_reasoning
    FROM replies JOIN turns ON turns.reply_id = replies.id
    WHERE replies.question = message.id
    ORDER BY turns.state IN ('failed', 'refused') OR (turns.state = 'stopped' AND replies.source = 'house'),
        replies.seq DESC
    LIMIT 1
"""
_OPEN = """
    WITH earlier AS MATERIALIZED (SELECT question FROM replies WHERE id = %(replaces)s::uuid)
    INSERT INTO replies (id, seq, thread, asker, question, replaces, about, workspace)
    SELECT %(reply_id)s, id, %(thread)s, %(asker)s, COALESCE((SELECT question FROM earlier), %(question)s),
        %(replaces)s::uuid, %(about)s, %(workspace)s
    FROM inbox WHERE id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s
    ON CONFLICT (id) DO NOTHING
"""
# Whoever forgets the asker waits for this, or this for them: then there is nothing to be written again.
_HOLD_EARLIER = "SELECT asker, about FROM replies WHERE id = %(replaces)s FOR KEY SHARE"
# A saved reply is one revision newer than its last draft, which ends with it. Earlier votes learn its model.
_SAVE = f"""
    WITH draft AS (DELETE FROM drafts WHERE reply_id = %(id)s RETURNING revision), saved AS (
        UPDATE replies SET body = %(body)s, source = %(source)s, model = %(model)s, verdict = %(verdict)s,
            reasoning = %(reasoning)s,
            revision = GREATEST(revision, COALESCE((SELECT revision FROM draft), 0)) + 1
        WHERE id = %(id)s RETURNING id
    ), early AS (
        UPDATE votes SET model = %(model)s FROM saved WHERE votes.reply_id = saved.id AND votes.model <> %(model)s
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM saved
"""
_GET = f"SELECT {COLUMNS} FROM replies WHERE id = %(id)s"
_NEWEST = f"""
    SELECT {COLUMNS} FROM replies JOIN messages ON messages.id = replies.question
    WHERE replies.thread = %(thread)s AND replies.body IS NOT NULL AND NOT messages.is_erased
    ORDER BY replies.seq DESC LIMIT 1
"""
_NEWEST_TO = f"""
    SELECT {COLUMNS} FROM replies
    WHERE replies.thread = %(thread)s AND replies.asker = %(asker)s AND replies.body IS NOT NULL
        AND replies.source <> 'house'
    ORDER BY replies.seq DESC LIMIT 1
"""
_QUESTION = """
    SELECT messages.id, messages.author, messages.body FROM replies JOIN messages ON messages.id = replies.question
    WHERE replies.id = %(id)s AND NOT messages.is_erased
"""
# The index goes by the question. A turn that was given up has no end and no place in the outbox, and counts for none.
_REPLACED_MEANWHILE = """
    SELECT EXISTS (
        SELECT FROM replies JOIN turns ON turns.reply_id = replies.id
        WHERE replies.question = (SELECT question FROM replies WHERE id = %(id)s)
            AND replies.replaces = %(id)s AND replies.seq < %(seq)s AND turns.state NOT IN ('stopped', 'failed')
            AND (turns.finished_at > %(asked_at)s
                OR EXISTS (SELECT FROM outbox WHERE outbox.reply_id = replies.id AND outbox.status = 0))
    )
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of COLUMNS."""

    id: UUID
    asker: UUID
    about: bytes
    body: bytes | None
    source: str
    model: str
    verdict: str
    replaces: UUID | None
    parts: Sequence[bytes] | None


async def read(vault: Vault, stored: Stored) -> tuple[About, Reply]:
    """Raises Unreadable or Malformed."""
    about = bodies.load_about(await vault.open("replies", "about", stored.asker, stored.id, stored.about))
    try:
        source, verdict = Source(stored.source or Source.ENGINE), Verdict(stored.verdict or Verdict.UNSCREENED)
    except ValueError:  # of a later release, or changed in the database
        raise Malformed from None
    reply = Reply(
        id=reply_id(stored.id),
        thread=about.thread,
        asker=about.asker,
        in_reply_to=about.in_reply_to,
        text=await text(vault, stored.asker, stored.id, stored.body),
        source=source,
        model=stored.model,
        verdict=verdict,
        replaces=reply_id(stored.replaces) if stored.replaces else None,
    )
    return about, await with_parts(vault, reply, stored.asker, stored.parts)


async def text(vault: Vault, asker: UUID, id_: UUID, body: bytes | None) -> str:
    return "" if body is None else bodies.decode(await vault.open("replies", "body", asker, id_, body))


async def reasoning(vault: Vault, asker: UUID, id_: UUID, thought: bytes | None) -> str:
    return "" if thought is None else bodies.decode(await vault.open("replies", "reasoning", asker, id_, thought))


async def with_parts(vault: Vault, reply: Reply, asker: UUID, parts: Sequence[bytes] | None) -> Reply:
    if not parts:
        return reply
    opened = [await vault.open("parts", "body", asker, UUID(bytes=part[:16]), part[16:]) for part in parts]
    return replace(reply, parts=tuple(PartId.parse(bodies.decode(part)) for part in opened))


def visibility_of(event: Event) -> Visibility:
    return getattr(event, "visibility", Visibility.PRIVATE)


class PostgresReplies(Room):
    """`ports.Replies`."""

    async def open(self, claim: Claim, reply: Reply) -> None:
        vault, id_ = self._vault, UUID(reply.id)
        asker = vault.person(reply.asker)
        return_address: Mapping[str, Any] = getattr(claim.event, "return_address", {})
        about = About(reply.thread, reply.asker, reply.in_reply_to, return_address, visibility_of(claim.event))
        params: Params = {
            "reply_id": id_,
            "thread": vault.thread(reply.thread),
            "asker": asker,
            "workspace": vault.workspace(reply.thread),
            "question": vault.event(reply.thread.adapter, reply.in_reply_to),
            "replaces": row_id(reply.replaces) if reply.replaces else None,
        }
        params["about"] = await self._sealed(params, bodies.dump_about(about))
        self._tx.later(_OPEN, params | token(claim))
        self._desk.askers.put(id_, asker)

    async def _sealed(self, params: Params, about: bytes) -> bytes:
        """Under the key of the answer that this one replaces: whoever was forgotten just now gets no new one by it."""
        place = ("replies", "about", params["asker"], params["reply_id"])
        rows = await self._tx.fetch(_HOLD_EARLIER, params) if params["replaces"] else []
        if params["replaces"] is None or (rows and rows[0][0] != params["asker"]):
            return await self._vault.seal(*place, about)
        try:
            if rows:
                return await self._vault.reseal(*place, about, like=rows[0][1])
        except Unreadable:
            pass
        raise NotStored("(what it replaces is gone)")

    async def save(self, reply: Reply, *, reasoning: str = "") -> None:
        vault, id_, asker = self._vault, UUID(reply.id), self._vault.person(reply.asker)
        thought = bodies.encode(reasoning)
        params = {
            "id": id_,
            "body": await vault.seal("replies", "body", asker, id_, bodies.encode(reply.text)),
            "reasoning": await vault.seal("replies", "reasoning", asker, id_, thought) if thought else None,
            "source": reply.source.value,
            "model": reply.model,
            "verdict": reply.verdict.value,
            "signal": self._desk.wake(SignalKind.DRAFT, reply.id),
        }
        self._tx.later(_SAVE, params, NotFound)

    async def get(self, reply_id: ReplyId) -> Reply | None:
        id_ = row_id(reply_id)
        return await self._one(_GET, {"id": id_}) if id_ else None

    async def newest(self, thread: ThreadId) -> Reply | None:
        return await self._one(_NEWEST, {"thread": self._vault.thread(thread)})

    async def newest_to(self, asker: Author, thread: ThreadId) -> Reply | None:
        """The newest finished answer this person was given in this thread."""
        return await self._one(_NEWEST_TO, {"thread": self._vault.thread(thread), "asker": self._vault.person(asker)})

    async def _one(self, sql: str, params: dict[str, Any]) -> Reply | None:
        rows = await self._tx.fetch(sql, params)
        return (await read(self._vault, Stored(*rows[0])))[1] if rows else None

    async def is_replaced_meanwhile(self, reply_id: ReplyId, claim: Claim) -> bool:
        params = {"id": row_id(reply_id), "seq": claim.id, "asked_at": claim.received_at}
        return bool((await self._tx.fetch(_REPLACED_MEANWHILE, params))[0][0])

    async def question(self, reply_id: ReplyId) -> Message | None:
        id_ = row_id(reply_id)
        rows = await self._tx.fetch(_QUESTION, {"id": id_}) if id_ else []
        return await messages.open(self._vault, rows[0][1], rows[0][0], rows[0][2]) if rows else None
