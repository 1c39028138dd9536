"""Growing replies, kept so that any process can show them. Losing the last revision in a crash harms nobody."""
# ruff: noqa: S608 - what is put together here are constants of this room

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from uuid import UUID

from core.errors import NotFound
from core.message import ReplyId
from core.ports import Draft, Signal, SignalKind, State
from core.store import bodies, replies
from core.store.database import Database
from core.store.lru import Lru
from core.store.signals import CHANNEL, Hub
from core.store.vault import Vault, row_id

_POLL = 1.0

_ASKER = "SELECT asker FROM replies WHERE id = %(id)s"
# Asynchronous for this statement alone: a draft is not worth the wait for the disk.
_SAVE = f"""
    WITH stored AS (
        INSERT INTO drafts (reply_id, revision, state, model, source, body)
        SELECT id, %(revision)s, %(state)s, %(model)s, %(source)s, %(body)s
        FROM replies WHERE id = %(id)s AND replies.body IS NULL
        ON CONFLICT (reply_id) DO UPDATE SET
            revision = EXCLUDED.revision, state = EXCLUDED.state, model = EXCLUDED.model,
            source = EXCLUDED.source, body = EXCLUDED.body
        WHERE drafts.revision < EXCLUDED.revision
        RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s), set_config('synchronous_commit', 'off', true) FROM stored
"""
_LATEST = """
    SELECT replies.asker, replies.body, replies.revision, replies.model, replies.source, turns.state,
        replies.reasoning IS NOT NULL,
        drafts.body, drafts.revision, drafts.model, drafts.source, drafts.state
    FROM replies
    LEFT JOIN turns ON turns.reply_id = replies.id
    LEFT JOIN drafts ON drafts.reply_id = replies.id
    WHERE replies.id = %(id)s
"""


class PostgresDrafts:
    """`ports.Drafts`."""

    def __init__(self, database: Database, vault: Vault, hub: Hub, askers: Lru[UUID, UUID]) -> None:
        self._database = database
        self._vault = vault
        self._hub = hub
        self._askers = askers

    async def save(self, draft: Draft) -> None:
        """Raises NotFound where the reply was never opened."""
        id_ = row_id(draft.reply_id)
        if id_ is None:
            raise NotFound
        body = bodies.dump([draft.text, draft.status])
        params = {
            "id": id_,
            "revision": draft.revision,
            "state": draft.state.value,
            "model": draft.model,
            "source": draft.source,
            "body": await self._vault.seal("drafts", "body", await self._asker(id_), id_, body),
            "signal": self._hub.payload_of(SignalKind.DRAFT, draft.reply_id),
        }
        if await self._database.fetch(_SAVE, params):
            self._hub.publish(Signal(SignalKind.DRAFT, draft.reply_id), draft)

    async def _asker(self, id_: UUID) -> UUID:
        asker = self._askers.get(id_)
        if asker is None:
            rows = await self._database.fetch(_ASKER, {"id": id_})
            if not rows:
                raise NotFound
            asker = UUID(bytes=rows[0][0].bytes)
            self._askers.put(id_, asker)
        return asker

    async def latest(self, reply_id: ReplyId) -> Draft | None:
        id_ = row_id(reply_id)
        rows = await self._database.fetch(_LATEST, {"id": id_}) if id_ else []
        if not rows or id_ is None:
            return None
        asker, body, revision, model, source, state, has_reasoning, *draft = rows[0]
        if body is not None:
            text = await replies.text(self._vault, asker, id_, body)
            return Draft(reply_id, revision, text, _final(state), "", model, source, has_reasoning)
        return await self._draft(reply_id, id_, asker, *draft) if draft[0] is not None else None

    async def _draft(
        self, reply_id: ReplyId, id_: UUID, asker: UUID, body: bytes, revision: int, model: str, source: str, state: str
    ) -> Draft:
        text, status = bodies.load(await self._vault.open("drafts", "body", asker, id_, body))
        return Draft(reply_id, revision, text, State(state), status, model, source)

    async def follow(self, reply_id: ReplyId) -> AsyncGenerator[Draft, None]:
        seen = -1
        with self._hub.following(reply_id) as follower:
            while True:
                follower.news.clear()
                draft, follower.draft = follower.draft, None
                draft = draft or await self.latest(reply_id)
                if draft is not None and draft.revision > seen:
                    seen = draft.revision
                    yield draft
                if draft is not None and draft.is_final:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await follower.news.wait()


def _final(state: str | None) -> State:
    # The text is saved a moment before the state moves where the two are not one transaction.
    known = State(state) if state else State.DELIVERING
    return known if known.is_final else State.DELIVERING
