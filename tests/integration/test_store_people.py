"""Whoever was forgotten is read by nobody: not in a dump, not with every key at hand, not in another process."""

import asyncio
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from core.errors import LeaseLost, NotStored, Unreadable
from core.message import Author, CommandName, PartId, Reply
from core.ports import CachedAnswer, Claim, Draft, Incident, LeftOut, Mark, State
from core.reading import ReadFile, Reading
from core.store import Keys, PostgresStore, postgres, seal
from core.store.database import conninfo
from core.store.room import NOBODY
from core.store.seal import DataKey, Place
from core.turn import Pending
from tests.integration.conftest import OpenStore
from tests.integration.test_store_sealed import dump
from tests.postgres import WAITING
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
    DOORS,
    LEASE,
    ROOM,
    add,
    answered,
    begin,
    claim,
    command,
    deliver,
    finish,
    message,
    vote,
)

KEYS = Keys.generate()
KEY = "ab" * 32
PART = PartId("console", "home", "web", "part")
CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'parley listen' AND datname = current_database()
"""
# Every sealed column: where it is, and whose key it is sealed with.
SEALED = {
    ("messages", "body"): ("id", "author"),
    ("messages", "reading"): ("id", "author"),
    ("replies", "about"): ("id", "asker"),
    ("replies", "body"): ("id", "asker"),
    ("replies", "reasoning"): ("id", "asker"),
    ("parts", "body"): ("id", "(SELECT asker FROM replies WHERE replies.id = reply_id)"),
    ("drafts", "body"): ("reply_id", "(SELECT asker FROM replies WHERE replies.id = reply_id)"),
    ("votes", "body"): ("id", "author"),
    ("incidents", "body"): ("id", "asker"),
    ("incidents", "appeal"): ("id", "asker"),
    ("incidents", "ruling"): ("id", "asker"),
    ("asks", "body"): ("reply_id", "asker"),
    ("inbox", "payload"): ("reply_id", "author"),
    ("outbox", "state"): ("reply_id", "(SELECT asker FROM replies WHERE replies.id = reply_id)"),
    ("cached", "body"): ("key", "asker"),
    ("cached", "vector"): ("key", "asker"),
    ("secrets", "body"): ("id", "owner"),
    ("lifted", "body"): ("person", "person"),
}
# A limit stays lifted as long as it was to be: the row says so of an index, and its name opens to nobody.
STAYS = {("lifted", "body")}


class Sealed(NamedTuple):
    place: Place
    blob: bytes


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(url)) as connection:
        return connection.execute(sql.encode()).fetchall()


def sealed_for(url: str, person: UUID) -> list[Sealed]:
    found = []
    for (table, column), (row, scope) in SEALED.items():
        query = f"SELECT {row}, {column} FROM {table} WHERE {column} IS NOT NULL AND {scope} = '{person}'"
        blobs = rows(url, query)
        assert blobs, f"nothing of theirs stands in {table}.{column}: the test shows nothing of it"
        found += [Sealed(Place(table, column, person.bytes, id_.bytes), blob) for id_, blob in blobs]
    return found


def data_keys(url: str) -> list[DataKey]:
    """All there are, as whoever has the database and the encryption keys can open them."""
    kept = rows(url, "SELECT id, scope, wrapped FROM keys")
    return [DataKey(id_, KEYS.unwrap(scope.bytes, wrapped)) for id_, scope, wrapped in kept]


def opens(sealed: Sealed, keys: list[DataKey]) -> bool:
    for key in keys:
        for id_ in {key.id, seal.key_id(sealed.blob)}:  # also as if it had stood in the old row
            try:
                seal.unseal(DataKey(id_, key.secret), sealed.place, sealed.blob)
            except Unreadable:
                continue
            return True
    return False


async def live(store: PostgresStore) -> None:
    """Ann leaves something of every kind."""
    question = message("Ann's canary")
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.threads.keep_reading(ROOM, question.id, Reading(files=(ReadFile("a.txt", "canary"),)))
        await unit.incidents.record(taken.reply_id, ROOM, ANN, Incident("question", "c", "refuse", excerpt="canary"))
        await unit.incidents.appeal(ANN, taken.reply_id, comment="canary")
        (found,) = await unit.incidents.newest(limit=1)
        assert await unit.incidents.rule(found.cursor, by="root", is_right=False, note="canary")
        await unit.asks.keep(taken.reply_id, ROOM, ANN, Pending("post", {"to": "canary"}), lifetime=LEASE)
    delivery = await finish(store, taken, delivery, "canary", State.ASKED, reasoning="canary")
    async with store.unit() as unit:
        await unit.outbox.state(delivery, {"stream": "canary"})
        await unit.outbox.part(delivery, PART)
        kept = CachedAnswer("canary", "canary", "echo@1")
        assert await unit.cached.keep(KEY, KEY, kept, delivery.reply, lifetime=LEASE, vector=[1.0], embedder="e")
        await unit.ratings.record(vote(taken.reply_id, comment="canary"))
    await store.notes.put("her page", b"canary", about=taken.reply_id, lifetime=LEASE)
    await store.notes.put("her pace", b"canary", about=ANN, lifetime=LEASE)
    await store.quotas.lift(ANN, by="root")
    others = await answered(store, message("Bob's", author=BOB, thread=ATTIC))
    async with store.unit() as unit:
        await unit.ratings.record(vote(others, 1, comment="canary"))
    growing = message("grows", thread=ATTIC)
    await add(store, growing, command(CommandName.REGENERATE, args=others))
    running = await claim(store, limit=1)
    await begin(store, running)
    await store.drafts.save(Draft(running.reply_id, 1, "canary"))


async def test_what_was_kept_of_them_opens_to_nobody_with_every_key_at_hand(open_store: OpenStore, database_url: str):
    store = await open_store(KEYS)
    await live(store)
    ann, bob = (store._vault.person(person) for person in (ANN, BOB))
    before, dumped = sealed_for(database_url, ann), dump(database_url)
    keys = data_keys(database_url)
    assert all(opens(sealed, keys) for sealed in before)
    assert all(sealed.blob.hex() in dumped for sealed in before)

    await store.people.forget(ANN)

    after, keys = dump(database_url), data_keys(database_url)
    assert keys
    assert not [sealed.place for sealed in before if opens(sealed, keys)]
    assert {sealed.place[:2] for sealed in before if sealed.blob.hex() in after} == STAYS
    named = [line.split()[2] for line in after.splitlines() if str(ann) in line]
    # That a limit was lifted for somebody, that they were forgotten, and by an index alone who.
    assert named == ["public.audit", "public.audit", "public.lifted"]
    assert str(bob) in after
    assert [text async for text in store.people.everything(BOB)]


async def test_each_sealed_column_is_in_this_test(open_store: OpenStore, database_url: str):
    await open_store(KEYS)
    columns = rows(
        database_url,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'bytea'",
    )
    of_the_house = {
        ("keys", "wrapped"),
        ("house", "wrapped"),
        ("admins", "body"),
        ("admin_sessions", "body"),
        ("audit", "body"),
        ("audit", "link"),
    }
    reasons = {("inbox", "reason"), ("outbox", "reason")}
    extras = {("outbox", "extras")}  # as its `state`, of the same row
    assert set(columns) == SEALED.keys() | of_the_house | reasons | extras


async def test_every_other_process_forgets_the_key_and_the_words_at_once(open_store: OpenStore, database_url: str):
    here, there = await open_store(KEYS), await open_store(KEYS)
    reply = await answered(here, message("Ann's"))
    person = there._vault.person(ANN)
    async with asyncio.timeout(5):
        while not there._vault._data_keys.get(person):  # until it listens
            async with there.unit() as unit:
                assert await unit.replies.get(reply)
            await asyncio.sleep(0.01)
    (row,) = rows(database_url, f"SELECT id, body FROM replies WHERE asker = '{person}'")

    await here.people.forget(ANN)

    async with asyncio.timeout(1):
        while there._vault._data_keys.get(person):
            await asyncio.sleep(0.001)
    for store in (here, there):
        assert not [entry for entry in store._vault._opened._entries if entry[0].scope == person.bytes]
        with pytest.raises(Unreadable):
            await store._vault.open("replies", "body", person, *row)


async def test_a_process_that_has_not_heard_of_it_yet_loses_no_new_words(open_store: OpenStore, monkeypatch):
    here, there = await open_store(KEYS), await open_store(KEYS)
    await answered(there, message("old"))
    there._vault._is_deaf = False
    await answered(there, message("old too"))
    monkeypatch.setattr(there._hub, "hear", lambda payload: None)
    await here.people.forget(ANN)
    assert there._vault._data_keys.get(there._vault.person(ANN))
    again = message("new")
    assert [receipt.is_new for receipt in await add(there, again)] == [True]
    assert [receipt.is_new for receipt in await add(there, again)] == [False]
    await add(there, command(CommandName.HELP))
    assert (await claim(here)).event == again


async def test_a_line_that_is_cut_makes_a_process_forget_what_it_holds(
    open_store: OpenStore, database_url: str, monkeypatch
):
    store = await open_store(KEYS)
    person = store._vault.person(ANN)
    async with asyncio.timeout(5):
        while not store._vault._data_keys.get(person):
            await answered(store, message("Ann's"))
    shredded: list[bool] = []
    listen = store._vault.listen

    def noted(*, is_heard: bool) -> None:
        shredded.append(is_heard)
        listen(is_heard=is_heard)

    monkeypatch.setattr(store._vault, "listen", noted)
    rows(database_url, CUT)
    async with asyncio.timeout(5):
        while shredded != [False, True]:
            await asyncio.sleep(0.01)
    assert store._vault._data_keys.get(person) is None


async def test_what_was_read_while_somebody_was_forgotten_is_not_held(open_store: OpenStore, monkeypatch):
    store = await open_store(KEYS)
    vault, person = store._vault, store._vault.person(ANN)
    await answered(store, message("Ann's"))
    vault.shred(person)
    load = vault._load

    async def overtaken(scope):
        epoch, vault._epoch = vault._epoch, vault._epoch
        rows = await vault._database.fetch("SELECT id, wrapped FROM keys WHERE scope = %(scope)s", {"scope": scope})
        vault.shred(scope)
        return vault._unwrapped(epoch, scope, *rows[0])

    monkeypatch.setattr(vault, "_load", overtaken)
    blob = await vault.seal("messages", "body", person, NOBODY, b"words")
    assert vault._data_keys.get(person) is None
    assert not vault._opened._entries
    monkeypatch.setattr(vault, "_load", load)
    assert await vault.open("messages", "body", person, NOBODY, blob) == b"words"


async def test_a_forgetting_that_broke_off_goes_on(open_store: OpenStore, database_url: str, monkeypatch):
    store = await open_store(KEYS)
    for number in range(5):
        await answered(store, message(f"{number}"))

    async def broken_off(*_: object) -> int:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(store.people, "_drop", broken_off)
        with pytest.raises(asyncio.CancelledError):
            await store.people.forget(ANN)
    assert rows(database_url, "SELECT count(*) FROM messages") == [(5,)]
    assert [item async for item in store.people.everything(ANN)] == [LeftOut(count=10)]
    await add(store, message("new"))
    assert (await store.people.forget(ANN)).messages == 6
    assert rows(database_url, "SELECT count(*) FROM messages") == [(0,)]


async def test_what_is_said_while_the_rows_go_stays(open_store: OpenStore, monkeypatch):
    store = await open_store(KEYS)
    await answered(store, message("old"))
    drop, new = store.people._drop, message("new", thread=ATTIC)

    async def meanwhile(sql: str, params: Any) -> int:
        await add(store, new)
        return await drop(sql, params)

    monkeypatch.setattr(store.people, "_drop", meanwhile)
    await store.people.forget(ANN)
    assert (await claim(store)).event == new
    assert [getattr(item, "text", "") async for item in store.people.everything(ANN)] == ["new"]


async def told_to_go(store: PostgresStore, claim: Claim) -> None:
    """Returns once this running turn is marked to be erased."""
    async with asyncio.timeout(5):
        while True:
            async with store.unit() as unit:
                marks = await unit.inbox.renew([claim], LEASE)
            if marks[claim.id] is not None:
                assert marks[claim.id] is Mark.ERASE
                return
            await asyncio.sleep(0.01)


async def test_a_turn_that_runs_is_told_to_stop_and_waited_for(open_store: OpenStore):
    here, there = await open_store(KEYS), await open_store(KEYS)
    await add(here, message("runs"))
    running = await claim(there)
    delivery = await begin(there, running)
    forgetting = asyncio.create_task(here.people.forget(ANN))
    await told_to_go(there, running)
    assert not forgetting.done()
    await deliver(there, await finish(there, running, delivery, "stopped", State.STOPPED), PART)
    await forgetting
    assert [item async for item in here.people.everything(ANN)] == []


async def test_what_is_finished_says_no_more_whose_it_was(open_store: OpenStore, database_url: str):
    store = await open_store(KEYS)
    await answered(store, message("Ann's"))
    assert rows(database_url, "SELECT author, payload FROM inbox") == [(NOBODY, None)]


async def kept_of(store: PostgresStore, url: str, person: Author = ANN) -> list[tuple[str, int]]:
    """What stands in each table of theirs."""
    id_ = store._vault.person(person)
    whose = {"messages": "author", "replies": "asker", "asks": "asker", "incidents": "asker", "cached": "asker"}
    counts = [
        (name, rows(url, f"SELECT count(*) FROM {name} WHERE {by} = '{id_}'")[0][0]) for name, by in whose.items()
    ]
    return [(name, count) for name, count in counts if count]


async def test_a_turn_that_is_being_claimed_just_now_is_told_to_stop(open_store: OpenStore):
    here, there = await open_store(KEYS), await open_store(KEYS)
    await add(here, message("claimed"))
    async with there.unit() as unit:
        (claimed,) = await unit.inbox.claim("turn", owner="worker", doors=DOORS, limit=1, lease=LEASE)
        forgetting = asyncio.create_task(here.people.forget(ANN))
        await asyncio.wait({forgetting}, timeout=0.3)
    await told_to_go(there, claimed)
    await forgetting


async def test_what_is_written_for_them_while_they_are_forgotten_goes_too(
    open_store: OpenStore, database_url: str, monkeypatch
):
    store = await open_store(KEYS)
    await answered(store, message("old", thread=ATTIC))
    await add(store, message("claimed"))
    running = await claim(store)
    wait = store.people._wait

    async def meanwhile(params: Any) -> None:
        """Whoever has claimed it answers it to the end, under the key that they have by now."""
        delivery = await finish(store, running, await begin(store, running), "canary")
        async with store.unit() as unit:
            found = Incident("answer", "c", "refuse", excerpt="canary")
            await unit.incidents.record(running.reply_id, ROOM, ANN, found)
        async with store.unit() as unit:
            kept = CachedAnswer("canary", "canary", "echo@1")
            assert await unit.cached.keep(KEY, KEY, kept, delivery.reply, lifetime=LEASE)
        await wait(params)

    monkeypatch.setattr(store.people, "_wait", meanwhile)
    await store.people.forget(ANN)
    assert await kept_of(store, database_url) == []
    assert [item async for item in store.people.everything(ANN)] == []


async def test_somebody_else_who_has_an_answer_of_theirs_written_again_is_stopped_too(open_store: OpenStore):
    store = await open_store(KEYS)
    hers = await answered(store, message("Ann's"))
    await add(store, command(CommandName.REGENERATE, author=BOB, args=hers))
    running = await claim(store)
    await begin(store, running, asker=ANN, replaces=hers)
    forgetting = asyncio.create_task(store.people.forget(ANN))
    await told_to_go(store, running)
    await forgetting
    async with store.unit() as unit:
        await unit.inbox.finish(running)  # which is Bob's, and not ended for him


async def test_a_rating_that_is_being_counted_does_not_come_through(
    open_store: OpenStore, database_url: str, monkeypatch
):
    store = await open_store(KEYS)
    others = await answered(store, message("Bob's", author=BOB))
    rating = vote(others, 1, comment="canary")
    await add(store, rating)
    counting = await claim(store, lane="control")
    wait, failed = store.people._wait, []

    async def meanwhile(params: Any) -> None:
        try:
            async with store.unit() as unit:
                await unit.ratings.record(rating)
                await unit.inbox.finish(counting)
        except LeaseLost as lost:
            failed.append(lost)
        await wait(params)

    monkeypatch.setattr(store.people, "_wait", meanwhile)
    await store.people.forget(ANN)
    assert rows(database_url, "SELECT count(*) FROM votes") == [(0,)]
    assert failed


@pytest.mark.parametrize("threads", [(ROOM, ATTIC), (ATTIC, ROOM)])
async def test_whoever_stores_into_the_same_threads_goes_first(open_store: OpenStore, database_url: str, threads):
    """Each holds what the other wants: without giving way, the database would end one of the two, whichever it is."""
    here, there = await open_store(KEYS), await open_store(KEYS)
    for thread in threads:
        await answered(here, message("Ann's", thread=thread))
    async with there.unit() as unit:
        await unit.inbox.add([message("Bob's", author=BOB, thread=threads[0])])
        forgetting = asyncio.create_task(here.people.forget(ANN))
        async with asyncio.timeout(5):
            while not rows(database_url, WAITING):
                await asyncio.sleep(0.01)
        await unit.inbox.add([message("Bob's", author=BOB, thread=threads[1])])
    assert (await forgetting).messages == 2


async def test_a_turn_that_ends_meanwhile_and_calls_the_next_goes_first(
    open_store: OpenStore, database_url: str, monkeypatch
):
    """It holds its own row and is to call the one behind it; the forgetting has that, and is to end the first."""
    store = await open_store(KEYS)
    await add(store, *(message(str(number)) for number in range(9)))
    await claim(store)
    with psycopg.connect(conninfo(database_url)) as ending:

        async def meanwhile(params: Any) -> None:
            ending.execute("UPDATE inbox SET finished_at = now() WHERE status = 1")

        monkeypatch.setattr(store.people, "_wait", meanwhile)
        forgetting = asyncio.create_task(store.people.forget(ANN))
        await until_somebody_waits(database_url)
        called = await asyncio.to_thread(ending.execute, "UPDATE inbox SET aside = NULL WHERE aside = 1")
        assert called.rowcount == 1
    assert (await forgetting).messages == 9


# ------------------------------------------------------------------------------- what moderation finds meanwhile


async def test_what_is_found_after_they_were_forgotten_is_not_kept_and_makes_no_key(
    open_store: OpenStore, database_url: str
):
    store = await open_store(KEYS)
    await add(store, message("canary"))
    running = await claim(store)
    await begin(store, running)
    await store.people.forget(ANN)
    async with store.unit() as unit:
        found = Incident("question", "c", "refuse", excerpt="canary")
        await unit.incidents.record(running.reply_id, ROOM, ANN, found)
    assert await kept_of(store, database_url) == []
    assert rows(database_url, f"SELECT FROM keys WHERE scope = '{store._vault.person(ANN)}'") == []


async def test_what_is_found_while_they_are_forgotten_goes_with_the_rest(
    open_store: OpenStore, database_url: str, monkeypatch
):
    """It is committed only once the batch that takes its reply has begun."""
    store = await open_store(KEYS)
    await add(store, message("canary"))
    running = await claim(store)
    await begin(store, running)
    async with store.unit() as unit:
        found = Incident("question", "c", "refuse", excerpt="canary")
        await unit.incidents.record(running.reply_id, ROOM, ANN, found)
        forgetting = asyncio.create_task(store.people.forget(ANN))
        await until_somebody_waits(database_url)
    await forgetting
    assert await kept_of(store, database_url) == []


async def test_an_answer_that_somebody_else_has_written_again_makes_no_key_after_the_forgetting(
    open_store: OpenStore, database_url: str
):
    """The whole forgetting happens between the look at what is to be written again and its beginning."""
    store = await open_store(KEYS)
    hers = await answered(store, message("canary"))
    await add(store, command(CommandName.REGENERATE, author=BOB, args=hers))
    running = await claim(store)
    async with store.unit() as unit:
        assert await unit.replies.question(hers)
        await store.people.forget(ANN)
        again = Reply(id=running.reply_id, thread=ROOM, asker=ANN, in_reply_to="canary", replaces=hers)
        with pytest.raises(NotStored):
            await unit.replies.open(running, again)
    assert await kept_of(store, database_url) == []
    assert rows(database_url, f"SELECT FROM keys WHERE scope = '{store._vault.person(ANN)}'") == []


# ------------------------------------------------------------------------------------------ what the database keeps


def swept(url: str) -> str:
    """What a sweep finds to do among the keys."""
    heard: list[str] = []
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute("VACUUM (VERBOSE, PROCESS_TOAST false) keys")
    return "\n".join(heard)


async def test_a_key_that_a_backup_still_sees_is_swept_up_in_the_next_round(open_store: OpenStore, database_url: str):
    store = await open_store(KEYS)
    await answered(store, message("canary"))
    with psycopg.connect(conninfo(database_url)) as backup:
        backup.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        backup.execute("SELECT FROM keys")
        await store.people.forget(ANN)
        assert "1 are dead but not yet removable" in swept(database_url)
    await store.purge(LEASE)
    assert "tuples: 0 removed, " in swept(database_url)


# --------------------------------------------------------------------------------------- whoever edits meanwhile


async def until_somebody_waits(url: str) -> None:
    async with asyncio.timeout(5):
        while not rows(url, WAITING):
            await asyncio.sleep(0.01)


async def test_whoever_edits_a_question_and_forgets_what_was_kept_of_it_are_not_in_each_others_way(
    open_store: OpenStore, database_url: str
):
    """The edit holds the turn and is to take the kept answer, the forgetting the other way round."""
    here, there = await open_store(KEYS), await open_store(KEYS)
    question = message("May I?")
    reply = await answered(here, question)
    async with here.unit() as unit:
        kept, stored = CachedAnswer("may i", "42", "echo@1"), await unit.replies.get(reply)
        assert stored
        assert await unit.cached.keep(KEY, KEY, kept, stored, lifetime=LEASE)
    await add(here, command(CommandName.REGENERATE, args=reply))
    await begin(here, await claim(here), replaces=reply)

    async with there.unit() as unit:
        assert await unit.inbox.amend(ROOM, question.id, "Might I?") == 1
        forgetting = asyncio.create_task(here.people.forget(ANN))
        await until_somebody_waits(database_url)

    assert (await forgetting).messages == 1
    assert await kept_of(here, database_url) == []


async def test_whoever_is_forgotten_while_they_edit_gets_no_new_key(
    open_store: OpenStore, database_url: str, monkeypatch
):
    here, there = await open_store(KEYS), await open_store(KEYS)
    question = message("May I?")
    await answered(here, question)
    person, opened, met = there._vault.person(ANN), asyncio.Event(), asyncio.Event()
    unsealed = there._vault.open

    async def opening(*place: Any) -> bytes:
        plain = await unsealed(*place)
        opened.set()
        await met.wait()
        return plain

    monkeypatch.setattr(there._vault, "open", opening)

    async def edit() -> bool:
        async with there.unit() as unit:
            return await unit.threads.edit(ROOM, question.id, ANN, "Might I?")

    editing = asyncio.create_task(edit())
    await opened.wait()
    forgetting = asyncio.create_task(here.people.forget(ANN))
    theirs = f"SELECT id FROM keys WHERE scope = '{person}'"
    async with asyncio.timeout(5):
        while rows(database_url, theirs) or there._vault._data_keys.get(person):
            await asyncio.sleep(0.01)
    met.set()
    assert await editing is False
    await forgetting
    assert rows(database_url, theirs) == []
    assert await kept_of(here, database_url) == []


async def test_an_edit_of_what_is_being_forgotten_finds_nothing(open_store: OpenStore, monkeypatch):
    store = await open_store(KEYS)
    question = message("May I?")
    await add(store, question)
    found: list[Any] = []

    async def meanwhile(params: Any) -> None:
        async with store.unit() as unit:
            found.append(await unit.threads.edit(ROOM, question.id, ANN, "Might I?"))
        async with store.unit() as unit:
            found.append(await unit.inbox.amend(ROOM, question.id, "Might I?"))

    monkeypatch.setattr(store.people, "_wait", meanwhile)
    await store.people.forget(ANN)
    assert found == [False, 0]


async def test_a_note_that_the_release_before_has_written_over_is_read(open_store: OpenStore):
    """It knows of no owner: what it writes is the house's, in the row that says whose it was."""
    store = await open_store(KEYS)
    await store.notes.put("page", b"1", about=ANN, lifetime=LEASE)
    await store.secrets.put("page", b"2")
    assert await store.notes.get("page") == b"2"
    await store.people.forget(ANN)
    assert await store.notes.get("page") is None


# ------------------------------------------------------------------------------------------------ whoever hears nothing


async def test_a_process_that_hears_nothing_holds_no_key_for_long(open_store: OpenStore, monkeypatch):
    monkeypatch.setattr(postgres, "_RECHECK", 0.05)
    here, there = await open_store(KEYS), await open_store(KEYS)
    monkeypatch.setattr(there._hub, "hear", lambda payload: None)
    there._vault._is_deaf = False
    ann, bob = (there._vault.person(person) for person in (ANN, BOB))
    await answered(there, message("Ann's"))
    await answered(there, message("Bob's", author=BOB))
    await here.people.forget(ANN)
    async with asyncio.timeout(5):
        while there._vault._data_keys.get(ann) or ann.bytes in {place.scope for place, _ in there._vault._opened}:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    assert there._vault._data_keys.get(bob)
    assert bob.bytes in {place.scope for place, _ in there._vault._opened}


async def test_what_was_opened_is_not_held_where_the_key_is_another_by_now(open_store: OpenStore, monkeypatch):
    here, there = await open_store(KEYS), await open_store(KEYS)
    monkeypatch.setattr(there._hub, "hear", lambda payload: None)
    there._vault._is_deaf = False
    ann = there._vault.person(ANN)
    await answered(there, message("Ann's"))
    there._vault._data_keys.drop(ann)
    await here.people.forget(ANN)
    await answered(here, message("new"))
    await there._vault.recheck()
    assert ann.bytes not in {place.scope for place, _ in there._vault._opened}
