"""The store of the release before this one, tested by its own tests on the schema that this one makes."""

import pytest

from core.store import schema
from tests import previous
from tests.postgres import server, template, url_of

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]

# Its own tests of its store, of the rooms whose tables this release has changed: every promise they make, forgetting
# and retention.
ITS_TESTS = (
    "tests/contracts/test_store.py",
    "tests/contracts/test_people.py",
    "tests/integration/test_store_people.py",
    "tests/integration/test_store_retention.py",
)
# All but the one that counts the columns there are, one that a busy machine fails, and those that run on its fake.
WHICH = "not memory and not test_each_sealed_column_is_in_this_test and not is_being_claimed_just_now"
# Its tests copy their databases from one that this release has made. A copy takes longer than a test: it is emptied,
# and used again.
PLUGIN = """
import os
from contextlib import ExitStack, contextmanager

import psycopg
import tests.postgres as theirs
from core.store.database import conninfo

EMPTY = '''
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET session_replication_role = replica;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM %I', name);
        END LOOP;
        FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER SEQUENCE %I RESTART', name);
        END LOOP;
    END $$
'''
theirs.template = lambda: os.environ["PARLEY_TESTS_TEMPLATE"]
copied, copies, free = theirs.database, ExitStack(), []


@contextmanager
def database(*, of=None):
    url = copies.enter_context(copied(of=of)) if of or not free else free.pop()
    try:
        yield url
    finally:
        if of is None:
            with psycopg.connect(conninfo(url), autocommit=True) as connection:
                connection.execute(EMPTY)
            free.append(url)


theirs.database = database


def pytest_sessionfinish():
    copies.close()
"""


def test_its_own_store_tests_pass_on_this_schema(tmp_path):
    (tmp_path / "on_this_schema.py").write_text(PLUGIN)
    code = previous.code()
    name = template()
    assert schema.current(url_of(name)) == schema.head()
    done = previous.run(
        "-m", "pytest", "-p", "on_this_schema", "-p", "no:cacheprovider", "-q", "-k", WHICH, *ITS_TESTS,
        PYTHONPATH=f"{code}:{tmp_path}", TEST_DATABASE_URL=server(), PARLEY_TESTS_TEMPLATE=name,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
