"""Kept answers as they lie in the database: sealed, swept away when they are old, the same for every process."""

import asyncio
from datetime import timedelta
from hashlib import sha256

from core.message import ReplyId
from core.ports import CachedAnswer
from core.store import PostgresStore
from tests.integration.conftest import OpenStore
from tests.integration.test_store_sealed import CANARY, dump
from tests.store_moves import BOB, answered, message, vote

DAY = timedelta(days=1)
OVER = timedelta(seconds=-1)
KEY, SHELF = sha256(b"key").hexdigest(), sha256(b"shelf").hexdigest()
SOMEBODY = ReplyId("5" * 32)
VECTOR = (0.25,) * 4
WORDS = CachedAnswer(f"{CANARY}question", f"{CANARY}answer", "model@1")


async def kept(store: PostgresStore, key: str = KEY, lifetime: timedelta = DAY) -> ReplyId:
    """The id of the reply."""
    reply_id = await answered(store, message("what is it"))
    async with store.unit() as unit:
        reply = await unit.replies.get(reply_id)
        assert reply is not None
        await unit.cached.keep(key, SHELF, WORDS, reply, lifetime=lifetime, vector=VECTOR, embedder="one")
    return reply_id


async def find(store: PostgresStore, key: str = KEY, reply_id: ReplyId = SOMEBODY) -> CachedAnswer | None:
    async with store.unit(autocommit=True) as unit:
        return await unit.cached.find(key, reply_id)


async def count(store: PostgresStore, table: str) -> int:
    ((rows,),) = await store._database.fetch(f"SELECT count(*) FROM {table}")
    return int(rows)


async def test_neither_words_nor_keys_nor_vectors_can_be_read(open_store: OpenStore, database_url: str):
    store = await open_store()
    await kept(store)
    assert await find(store) == WORDS
    text = dump(database_url)
    floats = "0000803e" * 4  # the vector as it would lie there
    assert "model@1" in text
    assert not [secret for secret in (CANARY, CANARY.encode().hex(), KEY, SHELF, floats) if secret in text]


async def test_what_was_moved_under_another_key_opens_nowhere(open_store: OpenStore):
    store, other = await open_store(), sha256(b"other").hexdigest()
    await kept(store)
    await store._database.fetch("UPDATE cached SET key = %(key)s", {"key": store._vault.blind("cached", other)})
    assert await find(store, other) is None
    async with store.unit() as unit:
        assert await unit.cached.shelved("one") == ()


async def test_old_answers_and_notes_are_swept_away(open_store: OpenStore):
    store = await open_store()
    await kept(store, lifetime=OVER)
    await kept(store, sha256(b"new").hexdigest())
    await store.purge(DAY)
    assert (await count(store, "cached"), await count(store, "cached_uses")) == (1, 2)
    await store.purge(OVER)
    assert (await count(store, "cached"), await count(store, "cached_uses")) == (1, 0)


async def test_what_one_process_keeps_and_evicts_the_other_has_and_has_not(open_store: OpenStore):
    one, two = await open_store(), await open_store()
    reply_id = await kept(one)
    assert await find(two) == WORDS
    async with two.unit() as unit:
        assert await unit.cached.block(reply_id)
    assert await find(one) is None


async def test_a_vote_at_the_same_moment_never_leaves_the_answer_to_others(open_store: OpenStore):
    one, two = await open_store(), await open_store()

    async def vote_against(reply_id: ReplyId) -> None:
        async with two.unit() as unit:
            await unit.ratings.record(vote(reply_id, 1, author=BOB))
            await unit.cached.block(reply_id)

    for number in range(20):
        key = sha256(bytes([number])).hexdigest()
        reply_id = await answered(one, message("what is it"))
        async with one.unit() as unit:
            reply = await unit.replies.get(reply_id)

        async def keep(key=key, reply=reply) -> None:
            async with one.unit() as unit:
                await unit.cached.keep(key, SHELF, WORDS, reply, lifetime=DAY)

        await asyncio.gather(keep(), vote_against(reply_id))
        assert await find(one, key) is None
