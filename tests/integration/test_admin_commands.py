"""What an operator types to let somebody see the operator's pages, on a real database."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from bot import admins
from bot.__main__ import app
from bot.admin.password import Judge, hashed
from bot.texts import speak
from core.ports import SignedIn
from core.store import Keys, PostgresStore
from tests.postgres import database_url

__all__ = ["database_url"]

Parley = Callable[..., Result]
KEYS = Keys.generate().dump()


@pytest.fixture
def parley(database_url: str, monkeypatch, tmp_path) -> Parley:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_KEYS", KEYS)
    monkeypatch.setattr(admins, "hashed", lambda password: hashed(password, n=2**4))
    speak("en")
    return lambda *words, typed="": CliRunner().invoke(app, ["admin", *words], input=typed)


def store_of(url: str, work):
    async def run():
        store = PostgresStore(url, Keys.parse(KEYS))
        await store.start()
        try:
            return await work(store)
        finally:
            await store.stop()

    return asyncio.run(run())


def test_the_first_admin_is_made_with_a_password_that_is_printed_once(parley: Parley, database_url: str):
    made = parley("add", "ann", "--role", "operator", "--role", "reader", "--make-password")
    assert made.exit_code == 0, made.output
    password = made.stdout.strip()
    assert len(password) == 29
    admin = store_of(database_url, lambda store: store.admins.named("Ann"))
    assert admin.roles == {"operator", "reader"}
    assert asyncio.run(Judge().is_right(password, admin.password))
    listed = parley("list")
    assert "ann  operator, reader" in listed.stdout
    assert password not in listed.output


def test_a_password_comes_from_a_pipe_too_and_not_a_short_one(parley: Parley, database_url: str):
    short = parley("add", "ann", "--role", "viewer", typed="short\n")
    assert (short.exit_code, "12 to 1024 characters" in short.output) == (1, True)
    assert parley("add", "ann", "--role", "viewer", typed="a long enough password\n").exit_code == 0
    admin = store_of(database_url, lambda store: store.admins.named("ann"))
    assert asyncio.run(Judge().is_right("a long enough password", admin.password))


def test_what_cannot_be_done_is_said(parley: Parley):
    assert "lets the first one in" in parley("list").stdout
    assert parley("add", "ann", "--role", "viewer", "--make-password").exit_code == 0
    for words, said in (
        (("add", "ANN", "--role", "viewer", "--make-password"), "is there already"),
        (("add", " ", "--role", "viewer", "--make-password"), "is not empty"),
        (("roles", "bob", "--role", "viewer"), "nobody called bob"),
        (("password", "bob", "--make-password"), "nobody called bob"),
        (("remove", "bob"), "nobody called bob"),
    ):
        answer = parley(*words)
        assert answer.exit_code == 1, words
        assert said in answer.output.replace("\n", " "), words
    assert parley("add", "ann", "--role", "king", "--make-password").exit_code == 2


@pytest.mark.parametrize(
    ("words", "actions"),
    [
        (("roles", "ann", "--role", "viewer"), "admin-roles"),
        (("password", "ann", "--make-password"), "admin-password"),
        (("remove", "ann"), "admin-removed"),
        (("sign-out", "Ann"), "admin-signed-out"),
    ],
)
def test_each_of_them_ends_sessions_and_stands_in_the_audit_log(parley: Parley, database_url: str, words, actions):
    parley("add", "ann", "--role", "operator", "--make-password")

    async def sign_in(store: PostgresStore) -> None:
        admin = await store.admins.named("ann")
        assert admin is not None
        now = datetime.now(UTC)
        session = SignedIn("ann", admin.roles, "ann", "local", now, now + timedelta(hours=1))
        await store.admins.begin("a token", session, password=admin.password)

    store_of(database_url, sign_in)
    assert "signed in: ann (local), operator" in parley("list").stdout
    done = parley(*words)
    assert done.exit_code == 0, done.output
    assert "1" in done.output

    async def after(store: PostgresStore):
        return await store.admins.session("a token", idle=timedelta(hours=1)), await store.audit.newest(limit=1)

    session, (line,) = store_of(database_url, after)
    assert session is None
    assert (line.action, line.by.startswith("operator ")) == (actions, True)
