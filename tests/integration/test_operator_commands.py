"""What an operator types to forget, export, rotate and audit, on a real database."""

import asyncio
import base64
import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from bot.__main__ import app
from bot.texts import say, speak
from core.errors import NotStored
from core.message import Author, Utterance
from core.ports import Incident, State
from core.reading import ReadFile, Reading
from core.store import Keys, PostgresStore
from core.store.people import PostgresPeople
from core.turn import Pending
from tests.postgres import database_url
from tests.store_moves import ANN, BOB, LEASE, ROOM, add, answered, begin, claim, finish, message, vote

__all__ = ["database_url"]

OLD, NEW = (f"{kid}:{base64.b64encode(bytes([kid]) * 32).decode()}" for kid in (1, 2))
Parley = Callable[..., Result]


async def _live(url: str) -> None:
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    reply = await answered(store, message("Ann's 你好"), "for Ann")
    await answered(store, message("Bob's", author=BOB), "for Bob")
    async with store.unit() as unit:
        await unit.ratings.record(vote(reply, 1, comment="no"))
        await unit.meter.spend(ANN, ROOM, 24)
    await store.stop()


@pytest.fixture
def parley(database_url: str, monkeypatch, tmp_path) -> Parley:
    """Ann and Bob have asked something."""
    asyncio.run(_live(database_url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_KEYS", OLD)
    speak("en")

    def run(*words: str, keys: str = OLD, typed: str = "") -> Result:
        return CliRunner().invoke(app, words, env={"PARLEY_KEYS": keys}, input=typed)

    return run


def test_a_person_is_given_their_data_as_json(parley: Parley):
    shown = parley("export", "--user", ANN.key)
    assert shown.exit_code == 0, shown.output
    theirs = json.loads(shown.stdout)
    assert theirs["person"] == ANN.key
    assert [(said["text"], said["name"]) for said in theirs["messages"]] == [("Ann's 你好", "Ann")]
    assert [(told["text"], told["in_reply_to"]) for told in theirs["answers"]] == [
        ("for Ann", theirs["messages"][0]["id"])
    ]
    (told,), (rated,) = theirs["answers"], theirs["ratings"]
    assert told["asked_at"] <= told["answered_at"] <= rated.pop("at") <= theirs["exported_at"]
    assert rated == {"answer": told["id"], "score": 1, "reason": "", "comment": "no"}
    assert theirs["limits"] == {"questions_today": 0, "tokens_today": 24, "lifted_until": None}
    assert (theirs["moderation"], theirs["calls"], theirs["left_out"]) == ([], [], 0)
    assert "Bob" not in shown.stdout


async def _more(url: str) -> None:
    """A file of Ann's, a refusal with her appeal and what an operator found of it, a call, and a limit lifted."""
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    question = message("May I?")
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    earlier = Utterance("user", "Bob's words", name="Bob")
    async with store.unit() as unit:
        await unit.threads.keep_reading(ROOM, question.id, Reading((earlier,), (ReadFile("plan.txt", "the plan"),)))
        await unit.asks.keep(taken.reply_id, ROOM, ANN, Pending("post", {"to": "Eve"}), lifetime=LEASE)
    await finish(store, taken, delivery, "Shall I?", State.ASKED, reasoning="hm")
    async with store.unit() as unit:
        for where, words in (("question", "my words"), ("answer", "held back")):
            await unit.incidents.record(
                taken.reply_id, ROOM, ANN, Incident(where, where, "refuse", rules=("rule",), excerpt=words)
            )
    async with store.unit() as unit:
        await unit.incidents.appeal(ANN, taken.reply_id, comment="it is a song")
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=9, appealed=True)
        await unit.incidents.rule(kept.cursor, by="olga", is_right=True, note="olga's note")
    await store.quotas.lift(ANN, by="olga")
    await store.stop()


def test_a_person_is_given_all_that_is_theirs_and_no_operators_or_others_words(parley: Parley, database_url: str):
    asyncio.run(_more(database_url))
    shown = parley("export", "--user", ANN.key)
    theirs = json.loads(shown.stdout)
    assert theirs["messages"][1]["files"] == [{"name": "plan.txt", "text": "the plan"}]
    assert (theirs["answers"][1]["thoughts"], theirs["answers"][1]["state"]) == ("hm", "asked")
    (call,) = theirs["calls"]
    assert (call["plugin"], call["arguments"], call["was_confirmed"]) == ("post", {"to": "Eve"}, False)
    assert [(found["where"], found["excerpt"]) for found in theirs["moderation"]] == [
        ("question", "my words"),
        ("answer", ""),
    ]
    appeal = theirs["moderation"][1]["appeal"]
    assert appeal["comment"] == "it is a song"
    assert appeal["ruling"]["is_right"] is True
    assert theirs["limits"]["lifted_until"] > theirs["exported_at"]
    for word in ("olga", "held back", "Bob", "rule.yaml"):
        assert word not in shown.stdout


async def _damage(url: str) -> None:
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    for table in ("messages", "replies", "votes"):
        await store._database.fetch(f"UPDATE {table} SET body = substr(body, 1, length(body) - 1)")
    await store.stop()


def test_what_no_longer_opens_is_counted(parley: Parley, database_url: str):
    asyncio.run(_damage(database_url))
    shown = parley("export", "--user", ANN.key)
    theirs = json.loads(shown.stdout)
    assert (theirs["messages"], theirs["answers"], theirs["ratings"], theirs["left_out"]) == ([], [], [], 3)
    assert say("export_left_out", count=3) in shown.stderr


def test_a_person_is_forgotten_once_that_is_meant(parley: Parley):
    assert parley("forget", "--user", ANN.key, typed="n\n").exit_code == 1
    assert json.loads(parley("export", "--user", ANN.key).stdout)["messages"]
    done = parley("forget", "--user", ANN.key, typed="y\n")
    assert done.exit_code == 0, done.output
    assert say("forget_done", messages=1, answers=1, votes=1, person=ANN.key) in done.stderr
    assert json.loads(parley("export", "--user", ANN.key).stdout)["messages"] == []
    assert json.loads(parley("export", "--user", BOB.key).stdout)["messages"]
    assert say("forget_nobody", person=ANN.key) in parley("forget", "--user", ANN.key, "--yes").stderr


@pytest.mark.parametrize("name", ["ann", "console:home", "console:home:", "console::ann", ":home:ann", "a:b:c:d"])
@pytest.mark.parametrize("what", ["forget", "export"])
def test_a_name_that_is_none_is_told_and_changes_nothing(parley: Parley, what: str, name: str):
    refused = parley(what, "--user", name)
    assert refused.exit_code == 1
    assert say("person_malformed", key=name) in refused.stderr


def test_a_key_is_added_gone_over_to_and_retired(parley: Parley):
    made = parley("key", "--id", "7").stdout.strip()
    assert made.startswith("7:")
    assert Keys.parse(made).primary == 7
    both = f"{NEW},{OLD}"
    assert parley("keys", "list").stdout.splitlines() == [say("keys_primary", kid=1, count=3)]
    assert parley("keys", "list", keys=both).stdout.splitlines() == [
        say("keys_primary", kid=2, count=0),
        say("keys_wraps", kid=1, count=3),
    ]
    missing = parley("keys", "rotate", keys=NEW)
    assert missing.exit_code == 1
    assert "1" in missing.stderr
    rotated = parley("keys", "rotate", keys=both)
    assert rotated.exit_code == 0, rotated.output
    assert say("keys_rotated", kid=2, count=3) in rotated.stderr
    assert parley("keys", "list", keys=both).stdout.splitlines()[1] == say("keys_idle", kid=1)
    assert json.loads(parley("export", "--user", ANN.key, keys=NEW).stdout)["messages"]


def test_what_was_done_is_listed_and_whole(parley: Parley):
    assert parley("audit", "list").stdout.strip() == say("audit_empty")
    parley("export", "--user", ANN.key)
    parley("forget", "--user", BOB.key, "--yes")
    parley("keys", "rotate")
    listed = parley("audit", "list").stdout.splitlines()
    assert [line.split()[3] for line in listed] == ["rotate", "forget", "export"]
    assert [line.split()[3] for line in parley("audit", "list", "--user", ANN.key).stdout.splitlines()] == ["export"]
    assert "ann" not in "".join(listed).lower()
    whole = parley("audit", "verify")
    assert whole.exit_code == 0
    link = whole.stdout.split()[-1]
    assert whole.stdout.strip() == say("audit_whole", lines=3, link=link)
    assert parley("audit", "verify", "--expect", link).exit_code == 0
    broken = parley("audit", "verify", "--expect", f"2:{'0' * 64}")
    assert (broken.exit_code, broken.stdout.strip()) == (1, say("audit_changed", number=2, lines=1))
    assert say("audit_link", text="x") in parley("audit", "verify", "--expect", "x").stderr


def test_teams_ids_are_named_with_their_colons_quoted():
    from bot.people import person

    assert person("teams:tenant:29%3A1xyz") == Author("teams", "tenant", "29:1xyz")


COMMANDS = [
    ("forget", "--yes", "--user", ANN.key),
    ("export", "--user", ANN.key),
    ("keys", "list"),
    ("keys", "rotate"),
    ("audit", "list"),
    ("audit", "verify"),
]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_keeps_a_command_from_its_work_is_said_and_what_to_do(parley: Parley, monkeypatch, words, language: str):
    speak(language)
    other = parley(*words, keys="1:" + base64.b64encode(b"x" * 32).decode())
    assert (other.exit_code, other.stdout) == (1, "")
    assert say("store_other_key", problem="") in other.stderr
    monkeypatch.setenv("DATABASE_URL", "postgresql://parley:canary@127.0.0.1:1/none")
    away = parley(*words)
    assert (away.exit_code, away.stdout) == (1, "")
    assert say("store_away", problem="(OperationalError)") in away.stderr
    monkeypatch.setenv("DATABASE_URL", "canary")
    no_url = parley(*words)
    assert (no_url.exit_code, no_url.stdout) == (1, "")
    assert say("database_url_malformed") in no_url.stderr
    assert "canary" not in away.output + no_url.output


@pytest.mark.parametrize("fault", [KeyboardInterrupt, NotStored])
def test_a_command_that_is_broken_off_says_what_that_means(parley: Parley, monkeypatch, fault):
    def broken_off(*_: object, **__: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(PostgresPeople, "_drop", broken_off)
        patch.setattr(PostgresPeople, "everything", broken_off)
        for words in (("forget", "--yes"), ("export",)):
            result = parley(*words, "--user", ANN.key)
            assert (result.exit_code, result.stdout) == (1, "")
            assert say(f"{words[0]}_broken_off", person=ANN.key) in result.stderr
    again = parley("forget", "--yes", "--user", ANN.key)
    assert say("forget_done", messages=1, answers=1, votes=1, person=ANN.key) in again.stderr
