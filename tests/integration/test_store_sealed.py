"""Nothing readable at rest, and nothing that was tampered with is believed."""

import asyncio
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Misconfigured, Unreadable
from core.extras import ROOM as EXTRAS_ROOM
from core.extras import Placed
from core.message import (
    Ask,
    Author,
    Citation,
    CommandName,
    Image,
    LastReplyTo,
    Message,
    PartId,
    ReplyId,
    Sources,
    ThreadId,
    Utterance,
)
from core.ports import Delivery, Draft, Incident, State
from core.reading import EMPTY, ReadFile, Reading, UnreadFile, Why
from core.store import Keys, PostgresStore, embedded
from core.store.database import conninfo
from core.turn import Pending
from tests.integration.conftest import OpenStore
from tests.store_moves import (
    ANN,
    BOB,
    LEASE,
    ROOM,
    add,
    answered,
    begin,
    claim,
    claims,
    command,
    finish,
    history,
    message,
    vote,
)

CANARY = "canary"


def programs() -> Iterator[str]:
    try:
        yield str(embedded.programs() / "pg_dump")
    except Misconfigured:
        yield "pg_dump"


def dump(url: str) -> str:
    return subprocess.run(
        [next(programs()), "--inserts", conninfo(url)], check=True, capture_output=True, text=True, timeout=30
    ).stdout


def canaries(number: int) -> dict[str, str]:
    where = ("user", "name", "workspace", "channel", "thread", "message", "address", "part")
    names = (*where, "text", "reply", "thought", "comment", "speaker", "said", "file", "content", "page", "picture")
    return {name: f"{CANARY}{number}{name}" for name in names}


def read(speaker: str, said: str = "", file: str = "a.txt", content: str = "") -> Reading:
    return Reading((Utterance("user", said, speaker),), (ReadFile(file, content),), (UnreadFile(file, Why.GONE),))


def extras(page: str, picture: str) -> tuple[Placed, ...]:
    """A small picture and a large one, which lies outside its row."""
    pictures = (picture.encode(), picture.encode() * 9999)
    images = (Placed(0, Image(data, "image/png", picture)) for data in pictures)
    return (Placed(0, Sources((Citation(page, page, page),))), *images, Placed(1, Ask(page, page)))


async def leave(store: PostgresStore, question: Message, kept: tuple[Placed, ...], *, keep: bool = False) -> None:
    """An answer with all of this, which is not delivered."""
    await add(store, question)
    taken = await claim(store)
    await finish(store, taken, await begin(store, taken), question.text, keep=keep, extras=kept)


async def take(store: PostgresStore, limit: int = 1) -> tuple[Delivery, ...]:
    async with store.unit() as unit:
        return await unit.outbox.claim(owner="other", doors=["console"], limit=limit, lease=LEASE)


async def extras_of(store: PostgresStore, delivery: Delivery) -> tuple[Placed, ...]:
    async with store.unit(autocommit=True) as unit:
        return await unit.outbox.extras(delivery)


async def keep(store: PostgresStore, question: Message, reading: Reading) -> None:
    async with store.unit() as unit:
        await unit.threads.keep_reading(question.thread, question.id, reading)


async def fill(store: PostgresStore, number: int) -> None:
    """Every kind of thing that is stored, full of words that must not be found again."""
    word = canaries(number)
    author = Author("console", word["workspace"], word["user"], word["name"], "zh-CN")
    thread = ThreadId("console", word["workspace"], word["channel"], word["thread"])
    part = PartId("console", word["workspace"], word["channel"], word["part"])
    question = message(
        word["text"], id=word["message"], author=author, thread=thread, return_address={"url": word["address"]}
    )
    reply_id = await answered(store, question, word["reply"], State.DELIVERING, part, reasoning=word["thought"])
    await keep(store, question, read(word["speaker"], word["said"], word["file"], word["content"]))
    thumb = vote(part, 1, author=author, reason=word["comment"], comment=word["comment"])
    await add(store, thumb, vote(LastReplyTo(author, thread), author=author, id=word["message"] + "v"))
    async with store.unit() as unit:
        await unit.ratings.record(thumb)
        incident = Incident("question", "category", "refuse", 3, (word["text"],), word["text"])
        await unit.incidents.record(reply_id, thread, author, incident)
        assert await unit.incidents.appeal(author, thread, comment=word["comment"])
    order = command(CommandName.CODE, args=word["text"], author=author, thread=thread, id=word["message"] + "c")
    await answered(store, order, word["reply"], replaces=reply_id)
    await add(store, message(word["text"], author=author, thread=thread, id=word["message"] + "2"))
    growing = await claim(store)
    delivery = await begin(store, growing)
    await store.drafts.save(Draft(growing.reply_id, 1, word["reply"], status=word["reply"]))
    async with store.unit() as unit:
        call = Pending(word["text"], {word["name"]: word["content"]})
        await unit.asks.keep(growing.reply_id, thread, author, call, lifetime=timedelta(days=1))
        await unit.outbox.state(delivery, {"stream": word["part"]})
        await unit.outbox.bury(delivery, word["reply"])
        await unit.inbox.bury(growing, word["text"])
    kept = extras(word["page"], word["picture"])
    await leave(store, message(word["text"], author=author, thread=thread, id=word["message"] + "3"), kept, keep=True)
    await leave(store, message(word["text"], author=author, thread=thread, id=word["message"] + "4"), kept)
    await store.secrets.put(word["name"], word["text"].encode())


async def test_a_dump_tells_nothing(open_store: OpenStore, database_url: str):
    store = await open_store()
    for number in range(3):
        await fill(store, number)
    await add(store, command(CommandName.HELP, args=CANARY, id=CANARY), message(CANARY, id=CANARY + "m"))
    text = dump(database_url)
    assert "INSERT INTO public.votes" in text
    assert "INSERT INTO public.drafts" in text
    assert "INSERT INTO public.incidents" in text
    assert text.count("INSERT INTO public.asks") == 3
    assert await store._database.fetch("SELECT count(*) FROM replies WHERE reasoning IS NOT NULL") == [(3,)]
    assert await store._database.fetch("SELECT count(*) FROM messages WHERE reading IS NOT NULL") == [(3,)]
    assert await store._database.fetch("SELECT count(*) FROM outbox WHERE extras IS NOT NULL") == [(6,)]
    assert CANARY not in text
    assert CANARY.encode().hex() not in text
    in_hex = "".join(bytes.fromhex(found).decode("latin-1") for found in re.findall(r"'\\x([0-9a-f]+)'", text))
    assert CANARY not in in_hex
    assert "zh-CN" not in text + in_hex


async def test_equal_words_of_two_persons_leave_nothing_equal(open_store: OpenStore, database_url: str):
    store = await open_store()
    await add(store, message("same", author=ANN), message("same", author=BOB))
    rows = await store._database.fetch("SELECT author, substr(body, 6) FROM messages")
    assert len({author for author, _ in rows}) == 2
    assert len({body for _, body in rows}) == 2


async def swap(store: PostgresStore, table: str, column: str, key: str) -> None:
    await store._database.fetch(
        f"UPDATE {table} SET {column} = other.{column} FROM {table} other WHERE other.{key} <> {table}.{key}"
    )


async def test_two_swapped_questions_are_both_refused(open_store: OpenStore):
    writer = await open_store()
    first, second = [await answered(writer, message(text)) for text in ("one", "two")]
    await swap(writer, "messages", "body", "id")
    store = await open_store()
    for reply_id in (first, second):
        with pytest.raises(Unreadable):
            await question(store, reply_id)
    entries = await store.archive.entries(ROOM, ANN, limit=9)
    assert [(entry.question, entry.answer, entry.state) for entry in entries] == [("", "", State.FAILED)] * 2
    assert await store.archive.threads(ANN, limit=9) == ()
    now = message("now")
    await answered(store, now)
    assert await history(store, now) == []


@pytest.mark.parametrize("damage", ["swapped", "moved", "cut"])
async def test_a_question_stands_without_what_was_read_where_that_was_tampered_with(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture, damage: str
):
    writer = await open_store()
    questions = [message("one"), message("two")]
    for said in questions:
        await answered(writer, said)
        await keep(writer, said, read(CANARY + said.text))
    match damage:
        case "swapped":
            await swap(writer, "messages", "reading", "id")
        case "moved":
            await writer._database.fetch("UPDATE messages SET reading = body")
        case _:
            await writer._database.fetch("UPDATE messages SET reading = substr(reading, 1, length(reading) - 1)")
    now = message("now")
    await add(writer, now)
    for store in (writer, await open_store()):  # one has them in its memory, the other has not
        async with store.unit() as unit:
            assert [await unit.threads.reading(ROOM, said.id) for said in questions] == [None, None]
            exchanges = await unit.threads.history(ROOM, now.id, limit=9)
        assert [(each.question, each.answer, each.reading) for each in exchanges] == [
            ("two", "42", EMPTY),
            ("one", "42", EMPTY),
        ]
    assert "Unreadable" in caplog.text
    assert CANARY not in caplog.text


async def test_an_erased_question_leaves_no_reading_behind(open_store: OpenStore):
    store = await open_store()
    said = message("one")
    await answered(store, said)
    await keep(store, said, read("Eve"))
    async with store.unit() as unit:
        assert await unit.threads.erase(ROOM, said.id)
    await keep(store, said, read("Eve"))
    assert await store._database.fetch("SELECT reading FROM messages") == [(None,)]


async def question(store: PostgresStore, reply_id: ReplyId) -> None:
    async with store.unit() as unit:
        await unit.replies.question(reply_id)


async def test_two_swapped_answers_are_both_refused(open_store: OpenStore):
    writer = await open_store()
    replies = [await answered(writer, message(text), text) for text in ("one", "two")]
    await swap(writer, "replies", "body", "id")
    for store in (writer, await open_store()):  # one has them in its memory, the other has not
        for reply_id in replies:
            with pytest.raises(Unreadable):
                await store.archive.reply(reply_id, ANN)


@pytest.mark.parametrize("damage", ["swapped", "moved", "cut"])
async def test_an_answer_is_shown_without_what_it_has_besides_where_that_was_tampered_with(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture, damage: str
):
    writer = await open_store()
    for text in ("one", "two"):
        await leave(writer, message(text, thread=replace(ROOM, thread=text)), extras(CANARY, CANARY + text))
    match damage:
        case "swapped":
            await swap(writer, "outbox", "extras", "reply_id")
        case "moved":
            await writer._database.fetch(
                "UPDATE outbox SET extras = body FROM replies WHERE replies.id = outbox.reply_id"
            )
        case _:
            await writer._database.fetch("UPDATE outbox SET extras = substr(extras, 1, length(extras) - 1)")
    taken = await take(writer, 9)
    assert [delivery.reply.text for delivery in taken] == ["one", "two"]
    for store in (writer, await open_store()):  # one has the small things in its memory, the other has not
        assert [await extras_of(store, delivery) for delivery in taken] == [(), ()]
    assert "Unreadable" in caplog.text
    assert CANARY not in caplog.text


async def test_as_much_as_there_is_room_for_is_kept_until_it_is_delivered(open_store: OpenStore):
    store = await open_store()
    pictures, size, _ = EXTRAS_ROOM
    images = (Image(secrets.token_bytes(size // pictures), "image/png", "noise") for _ in range(pictures))
    kept = tuple(Placed(place, image) for place, image in enumerate(images))
    await leave(store, message(), kept)
    (taken,) = await take(store)
    assert await extras_of(store, taken) == kept
    async with store.unit() as unit:
        await unit.outbox.done(taken)
    assert await store._database.fetch("SELECT count(*) FROM outbox") == [(0,)]


async def test_a_picture_leaves_what_was_opened_before_in_memory(open_store: OpenStore):
    store = await open_store()
    await answered(store, message("one"))
    before = set(store._vault._opened._entries)
    assert before
    for text in ("two", "three"):
        await leave(store, message(text), (Placed(0, Image(bytes(3 * 2**20), "image/png", "night")),))
        (taken,) = await take(store)
        assert len(await extras_of(store, taken)) == 1
        async with store.unit() as unit:
            await unit.outbox.done(taken)
    assert before <= set(store._vault._opened._entries)


async def test_a_key_moved_to_another_person_opens_nothing(open_store: OpenStore):
    writer = await open_store()
    replies = [await answered(writer, message(author=author), "42") for author in (ANN, BOB)]
    await swap(writer, "keys", "wrapped", "id")
    store = await open_store()
    for reply_id, author in zip(replies, (ANN, BOB), strict=True):
        with pytest.raises(Unreadable):
            await store.archive.reply(reply_id, author)


async def test_no_changed_byte_goes_unseen(open_store: OpenStore):
    writer = await open_store()
    reply_id = await answered(writer, message(), "42")
    rows = await writer._database.fetch("SELECT body FROM replies")
    body = rows[0][0]
    for place in range(len(body)):
        changed = bytearray(body)
        changed[place] ^= 1 << secrets.randbelow(8)
        await writer._database.fetch("UPDATE replies SET body = %(body)s", {"body": bytes(changed)})
        with pytest.raises(Unreadable):
            await writer.archive.reply(reply_id, ANN)


async def test_a_value_moved_to_another_column_is_refused(open_store: OpenStore):
    store = await open_store()
    reply_id = await answered(store, message(), "42")
    await store._database.fetch("UPDATE replies SET about = body, reasoning = body")
    with pytest.raises(Unreadable):
        await store.archive.reply(reply_id, ANN)
    with pytest.raises(Unreadable):
        await store.archive.reasoning(reply_id, ANN)


async def test_another_key_does_not_open_the_house(open_store: OpenStore):
    await open_store(Keys(1, {1: b"a" * 32}))
    with pytest.raises(Unreadable):
        await open_store(Keys(1, {1: b"b" * 32}))
    with pytest.raises(Unreadable, match="id 1"):
        await open_store(Keys(2, {2: b"b" * 32}))


async def test_a_new_key_reads_what_the_old_one_wrapped_and_can_take_over(open_store: OpenStore):
    old = await open_store(Keys(1, {1: b"a" * 32}))
    question = message("one")
    reply_id = await answered(old, question, "42")
    await leave(old, message("two"), extras("page", "picture"))
    both = await open_store(Keys(2, {1: b"a" * 32, 2: b"b" * 32}))
    assert [receipt.is_new for receipt in await add(both, question)] == [False]
    reply = await both.archive.reply(reply_id, ANN)
    assert reply is not None
    assert await both.rewrap() == 2  # Ann's and the index's
    assert await both.rewrap() == 0
    new = await open_store(Keys(2, {2: b"b" * 32}))
    assert await new.archive.reply(reply_id, ANN) == reply
    (taken,) = await take(new)
    assert await extras_of(new, taken) == extras("page", "picture")


async def test_two_processes_that_start_at_once_agree_on_every_id(open_store: OpenStore):
    stores = await asyncio.gather(*(open_store() for _ in range(4)))
    said = message()
    receipts = await asyncio.gather(*(add(store, said) for store in stores))
    assert len({receipt.reply_id for (receipt,) in receipts}) == 1
    assert len(await claims(stores[0])) == 1
    taken = await asyncio.gather(*(store.archive.threads(ANN, limit=1) for store in stores))
    assert len(set(taken)) == 1


async def test_a_person_met_by_two_processes_at_once_has_one_key(open_store: OpenStore):
    stores = await asyncio.gather(*(open_store() for _ in range(3)))
    await asyncio.gather(*(add(store, message(str(place))) for place, store in enumerate(stores)))
    assert len(await stores[0].archive.entries(ROOM, ANN, limit=9)) == 3
    reader = await open_store()
    assert len(await reader.archive.entries(ROOM, ANN, limit=9)) == 3


async def test_a_finished_row_keeps_no_payload(open_store: OpenStore):
    store = await open_store()
    await add(store, vote(ReplyId("0" * 32)))
    (taken,) = await claims(store, lane="control")
    async with store.unit() as unit:
        await unit.inbox.finish(taken)
    assert await store._database.fetch("SELECT count(*) FROM inbox WHERE payload IS NULL") == [(1,)]


async def test_an_ended_draft_leaves_no_row(open_store: OpenStore):
    store = await open_store()
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    await store.drafts.save(Draft(taken.reply_id, 1, "4"))
    await finish(store, taken, delivery)
    assert await store._database.fetch("SELECT count(*) FROM drafts") == [(0,)]


async def test_a_damaged_trace_of_an_earlier_try_does_not_mute_its_thread(open_store: OpenStore):
    writer = await open_store()
    await add(writer, message("one"))
    taken = await claim(writer)
    delivery = await begin(writer, taken)
    async with writer.unit() as unit:
        await unit.outbox.part(delivery, PartId("console", "home", "web", "part"))
        await unit.outbox.state(delivery, {"stream": 1})
    async with writer.unit() as unit:
        await unit.inbox.release(taken, timedelta(0))
    await writer._database.fetch("UPDATE parts SET body = '\\x00'")
    store = await open_store()
    again = await begin(store, await claim(store))
    assert (again.parts, again.state) == ((), {})


async def test_an_unreadable_vote_is_not_counted(open_store: OpenStore):
    writer = await open_store()
    reply_id = await answered(writer, message("one"))
    async with writer.unit() as unit:
        await unit.ratings.record(vote(reply_id, 5))
        await unit.ratings.record(vote(reply_id, 1, author=BOB))
    await writer._database.fetch("UPDATE votes SET body = '\\x00' WHERE score = 1")
    store = await open_store()
    async with store.unit() as unit:
        (only,) = await unit.ratings.votes(reply_id)
    assert only.score == 5
