"""What an operator types to see and lift limits, on a real database."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from bot.__main__ import app
from bot.texts import say, speak
from core.store import Keys, PostgresStore
from tests.postgres import database_url
from tests.store_moves import ANN, BOB, add, claim, message

__all__ = ["database_url"]

KEY = f"1:{base64.b64encode(bytes([1]) * 32).decode()}"
Parley = Callable[..., Result]


async def _live(url: str) -> None:
    store = PostgresStore(url, Keys.parse(KEY))
    await store.start()
    for author, tokens in ((ANN, 1200), (ANN, 34), (BOB, 7)):
        asking = message("why?", author=author)
        await add(store, asking)
        taken = await claim(store)
        async with store.unit() as unit:
            await unit.turns.begin(taken)
            await unit.meter.count(taken, author, asking.thread)
            await unit.meter.spend(author, asking.thread, tokens)
            await unit.inbox.finish(taken)
    await store.stop()


@pytest.fixture
def parley(database_url: str, monkeypatch, tmp_path) -> Parley:
    """Ann and Bob have asked something today."""
    asyncio.run(_live(database_url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_KEYS", KEY)
    (tmp_path / "app.yaml").write_text("limits: {person: {messages: 2}}", encoding="utf-8")
    speak("en")
    return lambda *words: CliRunner().invoke(app, ["limits", *words])


def used(messages: int, tokens: str) -> str:
    return say("limits_used", messages=messages, tokens=tokens)


def test_who_has_used_how_much_is_shown_most_first(parley: Parley):
    shown = parley("show")
    assert shown.exit_code == 0, shown.output
    limits, title, ann, bob, where, home = shown.stdout.splitlines()
    assert "2 questions a day for each person" in limits
    assert (title, where) == (say("limits_persons"), say("limits_workspaces"))
    assert ann.split("  ")[1:] == ["console:home:ann (Ann)", used(2, "1,234")]
    assert bob.split("  ")[1:] == ["console:home:bob (Bob)", used(1, "7")]
    assert home.split("  ")[1:] == ["console:home", used(3, "1,241"), say("limits_crowd", count=2)]
    assert len(parley("show", "--limit", "1").stdout.splitlines()) == 5
    alone = parley("show", "--user", BOB.key).stdout.splitlines()
    assert [line.split("  ")[1:] for line in alone[1:]] == [[BOB.key, used(1, "7")]]


def test_a_person_is_let_go_on_for_today_or_until_then_and_held_again(parley: Parley):
    lifted = parley("lift", "--user", ANN.key, "--today")
    assert lifted.exit_code == 0, lifted.output
    assert "00:00 UTC" in lifted.stderr
    assert "Is the name right?" not in lifted.stderr
    nobody = "slak:home:ann"
    assert say("limits_lift_stranger", person=nobody) in parley("lift", "--user", nobody, "--today").stderr
    assert parley("restore", "--user", nobody).exit_code == 0
    assert say("limits_until", until="")[:12] in parley("show", "--user", ANN.key).stdout
    until = f"{datetime.now(UTC).year + 1}-12-31"
    assert f"{until} 23:59 UTC" in parley("lift", "--user", ANN.key, "--until", until).stderr
    shown = parley("show").stdout
    assert say("limits_lifted") in shown
    assert f"{ANN.key}  {say('limits_until', until=f'{until} 23:59 UTC')}" in shown
    assert say("limits_restored", person=ANN.key) in parley("restore", "--user", ANN.key).stderr
    assert say("limits_held", person=ANN.key) in parley("restore", "--user", ANN.key).stderr
    audit = CliRunner().invoke(app, ["audit", "list", "--user", ANN.key]).stdout.splitlines()
    assert [line.split()[3] for line in audit] == ["lift-ended", "lift", "lift"]


def test_what_is_not_understood_is_told_and_changes_nothing(parley: Parley):
    for words, name in (
        (("--user", "ann"), say("person_malformed", key="ann")),
        (("--user", ANN.key, "--until", "soon"), say("limits_moment", text="soon")),
        (("--user", ANN.key, "--until", "2001-01-01"), say("limits_past", text="2001-01-01")),
        (("--user", ANN.key, "--until", "2999-01-01", "--today"), say("limits_today_or_until")),
    ):
        refused = parley("lift", *words)
        assert refused.exit_code == 1
        assert name in refused.stderr
    assert say("limits_lifted") not in parley("show").stdout


def test_whoever_was_forgotten_is_counted_and_not_named(parley: Parley):
    assert CliRunner().invoke(app, ["forget", "--user", ANN.key, "--yes"]).exit_code == 0
    shown = parley("show").stdout
    assert f"  {say('limits_unknown')}  {used(2, '1,234')}" in shown
    assert "ann" not in shown.lower()
