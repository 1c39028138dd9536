"""What operators see stays whole, whatever became of a row, and what is summed up is what would be counted."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from core.message import Deleted, Reply
from core.ports import Asked, Incident, Legible, Load, Overview, Rated, State, Window
from core.retention import Retention
from core.store import PostgresStore
from core.store.database import conninfo
from core.store.overview import PostgresOverview
from tests.integration.conftest import OpenStore
from tests.store_moves import ANN, ATTIC, BOB, ROOM, add, answered, begin, claim, deliver, finish, message, moment, vote

DAY = timedelta(days=1)


def execute(url: str, sql: str, *params: object) -> None:
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(sql.encode(), params)


def fresh(store: PostgresStore) -> Overview:
    """One that keeps no figures."""
    return PostgresOverview(store._database, store._vault, timedelta(0))


async def opened(store: PostgresStore) -> tuple[Asked, ...]:
    talks = (await fresh(store).talks(limit=10)).lines
    return tuple([asked for talk in talks for asked in (await fresh(store).open(talk.id, limit=10)).lines])


async def rated(store: PostgresStore) -> tuple[Rated, ...]:
    return (await fresh(store).ratings(limit=10)).lines


async def talk_of_two(store: PostgresStore) -> None:
    """One of Ann's and one of Bob's, both rated by Bob and found to be something by moderation."""
    for author in (ANN, BOB):
        reply = await answered(store, message(f"{author.name}'s", author=author), f"for {author.name}")
        async with store.unit() as unit:
            await unit.ratings.record(vote(reply, 1, author=BOB, comment="hm"))
            await unit.incidents.record(reply, ROOM, author, Incident("question", "c", "refuse", excerpt="word"))


# ------------------------------------------------------------------------------------------------------- damaged rows


@pytest.mark.parametrize("table", ["messages", "replies", "votes", "incidents"])
async def test_a_row_that_was_changed_is_marked_and_the_others_stay(
    open_store: OpenStore, database_url: str, table: str
):
    store = await open_store()
    await talk_of_two(store)
    order = "seq"
    execute(database_url, f"UPDATE {table} SET body = 'x' WHERE {order} = (SELECT max({order}) FROM {table})")
    newest, oldest = await opened(store)
    assert (oldest.text, oldest.legible) == ("Ann's", Legible.YES)
    assert [(answer.text, len(answer.votes), len(answer.finds)) for answer in oldest.answers] == [("for Ann", 1, 1)]
    assert (newest.text, newest.legible) == (("", Legible.LOST) if table == "messages" else ("Bob's", Legible.YES))
    assert newest.asker is not None, "whoever opens it is written down beside their name"
    assert newest.asker.is_same_person(BOB)
    (answer,) = newest.answers
    assert (answer.text, answer.legible) == (("", Legible.LOST) if table == "replies" else ("for Bob", Legible.YES))
    assert (len(answer.votes), len(answer.finds)) == (table != "votes", table != "incidents")
    lines = await rated(store)
    assert len(lines) == 2 - (table == "votes")
    assert {line.question_legible for line in lines} == ({"yes", "lost"} if table == "messages" else {"yes"})
    assert {line.answer_legible for line in lines} == ({"yes", "lost"} if table == "replies" else {"yes"})
    assert len((await fresh(store).talks(limit=10)).lines) == 1


async def test_what_is_nobodys_by_any_word_is_not_shown(open_store: OpenStore, database_url: str):
    store = await open_store()
    await talk_of_two(store)
    execute(database_url, "UPDATE messages SET body = 'x' WHERE seq = (SELECT max(seq) FROM messages)")
    execute(database_url, "UPDATE replies SET about = 'x' WHERE seq = (SELECT max(seq) FROM replies)")
    newest, oldest = await opened(store)
    assert (newest.asker, newest.legible) == (None, Legible.LOST)
    assert [(answer.text, answer.legible, answer.finds) for answer in newest.answers] == [("", Legible.LOST, ())]
    assert oldest.answers[0].text == "for Ann"
    assert {(line.asker is None, line.answer) for line in await rated(store)} == {(True, ""), (False, "for Ann")}


async def test_what_was_moved_to_another_row_is_not_believed(open_store: OpenStore, database_url: str):
    store = await open_store()
    await talk_of_two(store)
    for table in ("messages", "replies", "votes"):
        execute(
            database_url,
            f"UPDATE {table} AS moved SET body = other.body FROM {table} AS other WHERE moved.id <> other.id",
        )
    assert {(asked.text, asked.legible) for asked in await opened(store)} == {("", Legible.LOST)}
    assert {answer.legible for asked in await opened(store) for answer in asked.answers} == {Legible.LOST}
    assert await rated(store) == ()


async def test_whose_key_is_gone_is_shown_as_lost_until_the_rows_are_gone_too(open_store: OpenStore, database_url: str):
    store = await open_store()
    await talk_of_two(store)
    execute(database_url, "DELETE FROM keys WHERE scope = %s", store._vault.person(ANN))
    other = await open_store()
    bobs, anns = await opened(other)
    assert (bobs.text, anns.text, anns.legible, anns.asker) == ("Bob's", "", Legible.LOST, None)
    assert (anns.answers[0].text, anns.answers[0].legible, anns.answers[0].finds) == ("", Legible.LOST, ())
    assert [vote.comment for vote in anns.answers[0].votes] == ["hm"]
    assert [line.question for line in await rated(other)] == ["Bob's", ""]


async def test_what_stands_for_a_message_that_has_not_come_is_not_shown(open_store: OpenStore):
    store = await open_store()
    await answered(store, message("here"))
    await add(store, Deleted(id="d1", thread=ROOM, author=ANN, sent_at=moment(), message_id="not yet"))
    async with store.unit() as unit:
        (early,) = await unit.inbox.claim(
            "control", owner="me", doors=["console"], limit=1, lease=timedelta(seconds=30)
        )
        assert await unit.threads.forestall(early)
    assert [asked.text for asked in await opened(store)] == ["here"]


async def test_what_is_kept_no_longer_is_not_listed(open_store: OpenStore, database_url: str):
    store = await open_store()
    await talk_of_two(store)
    for table in ("messages", "replies"):
        execute(database_url, f"UPDATE {table} SET said_at = said_at - interval '99 days'")
    await store.expire(Retention(30 * DAY))
    assert (await opened(store), await rated(store)) == ((), ())
    assert (await fresh(store).talks(limit=10)).lines == ()
    assert await fresh(store).found(1) == ()


async def test_an_earlier_release_named_no_door(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message())
    execute(database_url, "UPDATE turns SET adapter = NULL")
    load = await fresh(store).load(Window.HOUR)
    assert [key for step in load.steps for key in step.turns] == [("", State.DONE)]
    (talk,) = (await fresh(store).talks(limit=10)).lines
    assert talk.adapter == "console"
    execute(database_url, "DELETE FROM inbox")
    (talk,) = (await fresh(store).talks(limit=10)).lines
    assert talk.adapter == ""


# --------------------------------------------------------------------------------------------------------- summing up


async def busy(store: PostgresStore, url: str, *ages: timedelta) -> None:
    """Turns that were asked so long ago, each answered within seconds, or refused."""
    for number, age in enumerate(ages, 1):
        state = State.REFUSED if number % 3 == 0 else State.DELIVERING
        reply = await answered(store, message(thread=(ROOM, ATTIC)[number % 2]), "42", state)
        back = "received_at = received_at - %s, first_text_at = received_at - %s + interval '1 second' * %s"
        ended = "finished_at = received_at - %s + interval '2 seconds' * %s"
        params = (age, age, number, age, number, reply)
        execute(url, f"UPDATE turns SET {back}, {ended} WHERE reply_id = %s", *params)


def told(load: Load) -> tuple[object, list[float]]:
    """What was counted, and the seconds."""
    steps = [(step.at, dict(step.turns), step.usage) for step in load.steps if step.turns]
    models = [replace(model, first=None, whole=None) for model in load.models]
    spreads = [spread for step in load.steps for spread in (step.first, step.whole) if spread]
    seconds = [value for spread in spreads for value in (spread.median, spread.p95, spread.p99)]
    return (steps, models), seconds + [value or 0.0 for model in load.models for value in (model.first, model.whole)]


@pytest.mark.parametrize("window", [Window.DAY, Window.WEEK])
async def test_what_is_summed_up_is_what_would_be_counted(open_store: OpenStore, database_url: str, window: Window):
    store = await open_store()
    await busy(store, database_url, *(timedelta(minutes=minutes) for minutes in (0, 7, 8, 31, 32, 33, 66, 67)))
    counted = await fresh(store).load(window)
    assert await store.sum_up() > 0
    execute(database_url, "DELETE FROM turns WHERE received_at < now() - interval '62 minutes'")
    summed = await fresh(store).load(window)
    if summed.steps[-1].at == counted.steps[-1].at:  # unless one ended meanwhile
        (counts, seconds), (expected, expected_seconds) = told(summed), told(counted)
        assert counts == expected
        assert seconds == pytest.approx(expected_seconds)
    assert sum(count for step in summed.steps for count in step.turns.values()) == 8
    assert [(model.model, model.answers) for model in summed.models] == [("echo@1", 6)]


async def test_a_week_is_seen_once_it_is_summed_up(open_store: OpenStore, database_url: str):
    store = await open_store()
    await busy(store, database_url, timedelta(hours=5), timedelta(days=3), timedelta(days=6), timedelta(days=9))
    await store.sum_up()
    week, day = await fresh(store).load(Window.WEEK), await fresh(store).load(Window.DAY)
    assert sum(count for step in week.steps for count in step.turns.values()) == 3
    assert sum(count for step in day.steps for count in step.turns.values()) == 1
    (step,) = (step for step in day.steps if step.turns)
    assert step.whole
    assert step.whole.median == pytest.approx(2.0)


async def test_a_step_is_summed_up_once(open_store: OpenStore, database_url: str):
    store = await open_store()
    await busy(store, database_url, timedelta(hours=3))
    assert await store.sum_up() > 3 * 12
    assert await store.sum_up() <= 3  # unless one ended just now


async def test_a_step_with_turns_that_go_on_is_summed_up_until_they_end(open_store: OpenStore, database_url: str):
    store = await open_store()
    await add(store, message("goes on"), message("waits", thread=ATTIC))
    execute(database_url, "UPDATE inbox SET created_at = created_at - interval '3 hours'")
    await busy(store, database_url)
    running = await claim(store, limit=1)
    delivery = await begin(store, running)
    await store.sum_up()
    assert states(await fresh(store).load(Window.DAY)) == {State.SCREENING: 1}
    await deliver(store, await finish(store, running, delivery))
    await store.sum_up()
    assert states(await fresh(store).load(Window.DAY)) == {State.DONE: 1}
    late = await claim(store)
    await deliver(store, await finish(store, late, await begin(store, late)))
    await store.sum_up()
    assert states(await fresh(store).load(Window.DAY)) == {State.DONE: 2}
    assert await store.sum_up() <= 3


async def test_one_that_waits_for_long_keeps_no_later_step_from_being_done_with(
    open_store: OpenStore, database_url: str
):
    store = await open_store()
    await add(store, message("waits for its door", thread=replace(ROOM, thread="third")))
    execute(database_url, "UPDATE inbox SET created_at = created_at - interval '3 hours', adapter = 'closed'")
    await busy(store, database_url, timedelta(hours=2), timedelta(minutes=20))
    await store.sum_up()
    execute(database_url, "INSERT INTO turns (reply_id, state, received_at) VALUES (gen_random_uuid(), 'done', now())")
    assert await store.sum_up() <= 3 + 2  # its own, of five minutes and of an hour
    execute(database_url, "UPDATE inbox SET status = 1, lease_until = now() WHERE adapter = 'closed'")
    assert await store.sum_up() <= 3 + 2


def states(load: Load) -> dict[State, int]:
    found: dict[State, int] = {}
    for step in load.steps:
        for (_, state), count in step.turns.items():
            found[state] = found.get(state, 0) + count
    return found


async def test_figures_stay_when_a_person_goes(open_store: OpenStore, database_url: str):
    store = await open_store()
    await busy(store, database_url, timedelta(hours=3), timedelta(hours=4))
    await store.sum_up()
    await store.people.forget(ANN)
    assert states(await fresh(store).load(Window.DAY)) == {State.DONE: 2}
    assert [item async for item in store.people.everything(ANN) if isinstance(item, Reply)] == []


async def test_summing_up_and_the_audit_log_do_not_wait_for_each_other(open_store: OpenStore, database_url: str):
    store = await open_store()
    await answered(store, message())
    execute(database_url, "UPDATE turns SET received_at = received_at - interval '10 minutes'")
    async with store._database.transaction() as writing:
        await store.audit.add(writing, "open", by="root", details={})
        async with asyncio.timeout(1):
            assert await store.sum_up() > 0


async def test_several_processes_may_sum_up_at_once(open_store: OpenStore, database_url: str):
    stores = [await open_store() for _ in range(3)]
    await busy(stores[0], database_url, timedelta(hours=3), timedelta(minutes=70))
    await asyncio.gather(*(store.sum_up() for store in stores))
    assert states(await fresh(stores[0]).load(Window.DAY)) == {State.DONE: 2}


async def test_figures_are_dropped_once_no_window_shows_them(open_store: OpenStore, database_url: str):
    store = await open_store()
    await busy(store, database_url, timedelta(hours=3))
    await store.sum_up()
    for table in ("tallies", "tally_steps"):
        execute(database_url, f"UPDATE {table} SET at = at - interval '9 days' WHERE minutes = 60")
    await store.sum_up()
    with psycopg.connect(conninfo(database_url)) as connection:
        for table in ("tallies", "tally_steps"):
            old = f"SELECT count(*) FROM {table} WHERE at < now() - interval '8 days'"
            assert connection.execute(old.encode()).fetchone() == (0,)
