"""Migrations: up, down, safe side by side, and saying the same as core.store.tables."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from core.errors import Misconfigured, NotStored
from core.store import schema
from core.store.database import conninfo
from tests.postgres import WAITING, database


@pytest.fixture
def empty():
    with database(of="template1") as url:
        yield url


def tables(url: str) -> set[str]:
    with psycopg.connect(conninfo(url)) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def test_an_empty_database_is_brought_to_the_newest_shape_once(empty: str):
    heard: list[str] = []
    assert schema.current(empty) == ""
    schema.upgrade_now(empty, heard.append)
    assert schema.current(empty) == schema.head() == "0013"
    assert heard == [
        "The first tables: what is said, answered, rated, queued and sealed.",
        "What was thought before an answer, kept beside it.",
        "What was read besides a question, kept with it.",
        "What an answer has besides its text, kept until it is delivered.",
        "What moderation found, and what those it refused say to it.",
        "Answers kept for whoever asks the same.",
        "Calls that wait for their asker's yes.",
        "What is kept is found by whose it is and how old it is, and what is done with it is written down.",
        "How much each person asks in a day, what was lifted for them, and who waits because they have enough running.",
        "Who may see the operator's pages, and their sessions.",
        "What the operator's pages are read by: figures that were summed up, appeals that were ruled on, and indexes.",
        "What a door notes of a person is found by whose it is and how long it is kept.",
        "What is finished is found by when that was.",
    ]
    schema.upgrade_now(empty, heard.append)
    assert len(heard) == 13


def test_migrations_say_what_the_tables_say(empty: str):
    schema.upgrade_now(empty)
    schema.check_now(empty)


def test_what_goes_up_comes_down_and_goes_up_again(empty: str):
    schema.upgrade_now(empty)
    before = tables(empty)
    schema.downgrade_now(empty, "base")
    assert tables(empty) == {"alembic_version"}
    schema.upgrade_now(empty)
    assert tables(empty) == before


def test_the_release_before_can_still_write_and_its_answers_are_kept(empty: str):
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, "0001")
    row = "INSERT INTO replies (id, seq, thread, asker, question, about, body) VALUES (%s, 1, %s, %s, %s, 'a', 'b')"
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(4)])
    schema.upgrade_now(empty)
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(4)])
        kept = connection.execute("SELECT body, reasoning FROM replies").fetchall()
    assert kept == [(b"b", None)] * 2


def test_the_release_before_can_still_write_and_its_questions_are_kept(empty: str):
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, "0002")
    row = "INSERT INTO messages (id, seq, thread, author, body) VALUES (%s, 1, %s, %s, 'a')"
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(3)])
    schema.upgrade_now(empty)
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(3)])
        connection.execute("UPDATE messages SET body = 'b', is_erased = false")
        kept = connection.execute("SELECT body, reading FROM messages").fetchall()
    assert kept == [(b"b", None)] * 2


def test_the_release_before_can_still_write_and_its_answers_are_delivered(empty: str):
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, "0003")
    row = "INSERT INTO outbox (reply_id, inbox_id, adapter, thread) VALUES (%s, 1, 'slack', %s)"
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(2)])
    schema.upgrade_now(empty)
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute(row, [str(uuid4()) for _ in range(2)])
        connection.execute("UPDATE outbox SET is_ready = true")
        kept = connection.execute("SELECT is_ready, extras FROM outbox").fetchall()
    assert kept == [(True, None)] * 2


def test_the_release_before_can_still_write_and_its_words_have_an_age(empty: str):
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, "0007")
    rows = (
        "INSERT INTO messages (id, seq, thread, author, body) VALUES (%s, %s, %s, %s, 'a')",
        "INSERT INTO replies (id, seq, thread, asker, question, about) VALUES (%s, %s, %s, %s, gen_random_uuid(), 'a')",
    )

    def write(seq: int) -> None:
        with psycopg.connect(conninfo(empty)) as connection:
            for row in rows:
                connection.execute(row.encode(), [str(uuid4()), seq, str(uuid4()), str(uuid4())])

    write(1)
    schema.upgrade_now(empty)
    write(2)
    with psycopg.connect(conninfo(empty)) as connection:
        for table in ("messages", "replies"):
            kept = f"SELECT workspace, said_at > now() - interval '1 hour' FROM {table}"
            assert connection.execute(kept.encode()).fetchall() == [(None, True)] * 2


def test_an_upgrade_that_broke_off_is_run_again(empty: str):
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, "0007")
    with psycopg.connect(conninfo(empty), autocommit=True) as connection:
        connection.execute("ALTER TABLE messages ADD COLUMN workspace uuid")
        connection.execute("CREATE INDEX messages_author_seq ON messages (author)")
    schema.upgrade_now(empty)
    schema.check_now(empty)


def test_several_processes_may_migrate_at_once(empty: str):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(schema.upgrade_now, [empty] * 4))
    assert schema.current(empty) == schema.head()


def test_every_migration_is_bounded(empty: str):
    """The template of a new migration and every one there is give up on a lock instead of holding up the house."""
    from importlib.resources import files

    folder = files("migrations")
    scripts = [path for path in (folder / "versions").iterdir() if path.name.endswith(".py")]
    for path in (folder / "script.py.mako", *scripts):
        text = path.read_text(encoding="utf-8")
        assert text.count("    bounds()\n") == 2
        assert "lock_timeout" in text
        assert "statement_timeout" in text


def test_a_database_that_is_away_is_told_without_its_password():
    with pytest.raises(NotStored) as caught:
        schema.upgrade_now("postgresql://user:canary@127.0.0.1:1/none")
    assert "canary" not in str(caught.value)


def of_a_later_release(url: str, *, serves: str) -> None:
    """As if a release had migrated it whose revision this one does not know."""
    schema.upgrade_now(url)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9998'")
        said = f"COMMENT ON TABLE alembic_version IS 'parley: serves releases with schema {serves} and later'"
        connection.execute(said.encode())


def test_a_release_starts_again_on_the_schema_of_the_next_one(empty: str, caplog):
    of_a_later_release(empty, serves=schema.head())
    schema.upgrade_now(empty)
    assert schema.current(empty) == "9998"
    assert schema.suits(empty)
    assert "9998" in caplog.text
    assert "serves this one" in caplog.text


@pytest.mark.parametrize("said", ["9997", ""])
def test_a_schema_that_does_not_serve_this_release_is_refused_in_a_sentence(empty: str, said: str):
    of_a_later_release(empty, serves=said)
    assert not schema.suits(empty)
    with pytest.raises(Misconfigured, match="9998 of a later release"):
        schema.upgrade_now(empty)
    assert schema.current(empty) == "9998"


def test_a_database_says_from_which_schema_on_it_serves(empty: str):
    schema.upgrade_now(empty)
    schema.upgrade_now(empty)
    with psycopg.connect(conninfo(empty)) as connection:
        ((said,),) = connection.execute("SELECT obj_description('alembic_version'::regclass, 'pg_class')").fetchall()
    assert said == f"parley: serves releases with schema {schema.previous()[1]} and later"
    assert schema.previous()[1] < schema.head()


@pytest.mark.parametrize(("release", "held", "wanted"), [("0008", "turns", "inbox"), ("0010", "incidents", "turns")])
def test_a_table_that_is_waited_for_keeps_no_other_closed(empty: str, release: str, held: str, wanted: str):
    """Whoever serves has the one and goes on to the other: of a circle the database would end either."""
    schema.upgrade_now(empty)
    schema.downgrade_now(empty, release)
    with ThreadPoolExecutor(1) as other:
        with psycopg.connect(conninfo(empty)) as serving, psycopg.connect(conninfo(empty), autocommit=True) as looking:
            serving.execute(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE".encode())
            upgrading = other.submit(schema.upgrade_now, empty)
            while not looking.execute(WAITING).fetchall():
                assert not upgrading.done()
            serving.execute("SET LOCAL lock_timeout = '500ms'")
            serving.execute(f"LOCK TABLE {wanted} IN ROW EXCLUSIVE MODE".encode())
        upgrading.result()
    assert schema.current(empty) == schema.head()
