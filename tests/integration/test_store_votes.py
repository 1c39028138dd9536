"""Votes that an earlier release kept."""

from core.message import Origin, PartId
from core.ports import State
from core.store import bodies
from tests.integration.conftest import OpenStore
from tests.store_moves import answered, message, vote

PART = PartId("slack", "T1", "C1", "1.0")


async def test_a_reaction_whose_name_was_not_kept_gives_way_to_the_next_one(open_store: OpenStore, monkeypatch):
    store = await open_store()
    reply_id = await answered(store, message(), "42", State.DELIVERING, PART)
    dump = bodies.dump
    with monkeypatch.context() as patched:
        patched.setattr(bodies, "dump", lambda body: dump({key: body[key] for key in ("author", "reason", "comment")}))
        async with store.unit() as unit:
            await unit.ratings.record(vote(PART, 5, origin=Origin.REACTION))
    async with store.unit() as unit:
        assert [kept.score for kept in await unit.ratings.votes(reply_id)] == [5]
        await unit.ratings.record(vote(PART, None, origin=Origin.REACTION, reaction="like"))
        assert await unit.ratings.votes(reply_id) == ()
