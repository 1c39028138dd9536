"""`parley backup` and `parley restore`, on real databases: what is in the file, what comes back, what is refused."""

import asyncio
import base64
import hmac
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console
from sqlalchemy import LargeBinary, make_url
from typer.testing import CliRunner, Result

from bot import backup as ours
from bot import dump
from bot.__main__ import app
from bot.config import load
from bot.texts import say, speak
from core.errors import Misconfigured
from core.message import Command, CommandName, ReplyId
from core.ports import Claim, Confirmed, State
from core.store import Keys, PostgresStore, backup, schema
from core.store.database import conninfo
from core.store.tables import metadata
from core.store.vault import INDEX_SCOPE
from core.turn import Pending
from tests.postgres import database
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
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

OLD, NEW, OTHER = (f"{kid}:{base64.b64encode(fill * 32).decode()}" for kid, fill in ((1, b"a"), (2, b"b"), (1, b"c")))
CANARY = "canary-question-4e1f"
Parley = Callable[..., Result]


async def _live(url: str, texts: tuple[str, ...] = (CANARY,)) -> None:
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    for text in texts:
        reply = await answered(store, message(text), f"answer to {text}")
        await answered(store, message(f"Bob's {text}", author=BOB), "for Bob")
        async with store.unit() as unit:
            await unit.ratings.record(vote(reply, 1, comment=f"comment on {text}"))
    await store.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The name of a database in which people have said something, and a backup of it, for each test to copy."""
    file = tmp_path_factory.mktemp("house") / "house.parley"
    with database() as url:
        asyncio.run(_live(url))
        done = CliRunner().invoke(app, ["backup", str(file)], env={"PARLEY_KEYS": OLD, "DATABASE_URL": url})
        assert done.exit_code == 0, done.output
        assert [path.name for path in file.parent.iterdir()] == ["house.parley"]
        yield make_url(url).database or "", file


@pytest.fixture
def database_url(house: tuple[str, Path]) -> Iterator[str]:
    with database(of=house[0]) as url:
        yield url


@pytest.fixture
def parley(database_url: str, monkeypatch, tmp_path) -> Parley:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_KEYS", OLD)
    speak("en")

    def run(*words: str, url: str = database_url, keys: str = OLD, typed: str = "") -> Result:
        return CliRunner().invoke(app, words, env={"PARLEY_KEYS": keys, "DATABASE_URL": url}, input=typed)

    return run


@pytest.fixture
def empty():
    with database(of="template1") as url:
        yield url


@pytest.fixture
def made(house: tuple[str, Path], parley: Parley, tmp_path: Path) -> Path:
    return Path(shutil.copy2(house[1], tmp_path / "house.parley"))


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table, and the tables there are."""
    with psycopg.connect(conninfo(url)) as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: sorted(map(repr, connection.execute(f"TABLE {name}".encode()))) for name in sorted(names)}


def inside(file: Path, name: str) -> bytes:
    with tarfile.open(file) as tar:
        member = tar.extractfile(name)
        assert member is not None
        return member.read()


def manifest(file: Path) -> dict[str, Any]:
    return dict(json.loads(inside(file, "manifest.json")))


def rewritten(file: Path, *, keys: str = OLD, **changes: object) -> Path:
    """A backup that says something else of itself, signed by whoever has the keys."""
    kept, said = inside(file, "database.dump"), manifest(file) | changes
    del said["mac"]
    said["mac"] = ours._mac(Keys.parse(keys), bytes.fromhex(said["index"]), said)
    other = file.with_name("rewritten.parley")
    with tarfile.open(other, "w") as tar:
        for name, data in (("database.dump", kept), ("manifest.json", json.dumps(said).encode())):
            (info := tarfile.TarInfo(name)).size = len(data)
            tar.addfile(info, BytesIO(data))
    return other


def refused(done: Result, sentence: str) -> None:
    assert done.exit_code == 1, done.output
    assert sentence in done.output
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_backup_says_what_it_is_and_only_its_owner_reads_it(parley: Parley, made: Path, database_url: str):
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    said = manifest(made)
    assert said["schema"] == schema.head()
    assert [each["id"] for each in said["keys"]] == [1]
    assert said["rows"]["messages"] == 2
    assert said["rows"]["audit"] == 1, "that it was made is in it"
    assert {name: len(rows) for name, rows in contents(database_url).items()} == said["rows"]


def test_nothing_readable_and_no_key_is_in_it(parley: Parley, made: Path):
    dumped = inside(made, "database.dump")
    tool = asyncio.run(dump.find("pg_restore", manifest(made)["server"] // 10_000))
    script = subprocess.run([tool.path, "--file=-"], input=dumped, check=True, capture_output=True).stdout
    assert b"COPY public.messages" in script
    whole = script + dumped + made.read_bytes()
    for canary in (CANARY, "Ann", ANN.id, OLD.partition(":")[2], base64.b64decode(OLD.partition(":")[2]).hex()):
        assert canary.encode() not in whole
        assert canary.encode().hex().encode() not in whole
    # The search itself finds what is there.
    index = manifest(made)["index"].encode()
    assert index in script


def test_what_was_kept_comes_back_and_that_is_written_down(parley: Parley, made: Path, empty: str):
    done = parley("restore", "house.parley", "--verify", url=empty)
    assert done.exit_code == 0, done.output
    assert "All " in done.output
    assert say("restore_nobody_known") in done.output, "an empty database knows of nobody"
    theirs = json.loads(parley("export", "--user", ANN.key, url=empty).stdout)
    assert [said["text"] for said in theirs["messages"]] == [CANARY]
    assert [told["text"] for told in theirs["answers"]] == [f"answer to {CANARY}"]
    assert [rated["comment"] for rated in theirs["ratings"]] == [f"comment on {CANARY}"]
    lines = parley("audit", "list", url=empty).stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["export", "restore", "backup"]
    assert parley("audit", "verify", url=empty).exit_code == 0


def test_what_was_restored_can_be_backed_up_and_restored_again(parley: Parley, made: Path, empty: str):
    assert parley("restore", "house.parley", url=empty).exit_code == 0
    assert parley("backup", "again.parley", url=empty).exit_code == 0
    with database(of="template1") as third:
        done = parley("restore", "again.parley", url=third)
        assert done.exit_code == 0, done.output
        schema.check_now(third)
        assert json.loads(parley("export", "--user", BOB.key, url=third).stdout)["messages"]


def test_whoever_was_forgotten_since_is_forgotten_again_and_nobody_else(parley: Parley, made: Path, empty: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    assert parley("forgotten", "forgotten.json").exit_code == 0
    assert stat.S_IMODE(Path("forgotten.json").stat().st_mode) == 0o600
    assert ANN.id not in Path("forgotten.json").read_text()
    done = parley("restore", "house.parley", "--forgotten", "forgotten.json", url=empty)
    assert done.exit_code == 0, done.output
    assert say("restore_forgotten", count=1) in done.output
    assert "Mind that" not in done.output
    assert json.loads(parley("export", "--user", ANN.key, url=empty).stdout)["messages"] == []
    assert json.loads(parley("export", "--user", BOB.key, url=empty).stdout)["messages"]
    assert "forget" in parley("audit", "list", "--user", ANN.key, url=empty).stdout


def test_whoever_came_back_after_being_forgotten_stays(parley: Parley, database_url: str, empty: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    assert parley("forgotten", "forgotten.json").exit_code == 0
    asyncio.run(_live(database_url, ("said afterwards",)))
    assert parley("backup", "later.parley").exit_code == 0
    done = parley("restore", "later.parley", "--forgotten", "forgotten.json", url=empty)
    assert say("restore_forgotten", count=0) in done.output
    assert json.loads(parley("export", "--user", ANN.key, url=empty).stdout)["messages"]


def test_in_place_of_a_database_its_own_log_says_who_was_forgotten(parley: Parley, made: Path, database_url: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    asyncio.run(_live(database_url, ("lost with it",)))
    refused(parley("restore", "house.parley"), say("restore_not_empty"))
    assert parley("restore", "house.parley", "--replace", typed="n\n").exit_code == 1
    done = parley("restore", "house.parley", "--replace", typed="y\n")
    assert done.exit_code == 0, done.output
    assert say("restore_forgotten", count=1) in done.output
    assert json.loads(parley("export", "--user", ANN.key).stdout)["messages"] == []
    texts = [said["text"] for said in json.loads(parley("export", "--user", BOB.key).stdout)["messages"]]
    assert texts == [f"Bob's {CANARY}"]


def a_line_that_was_changed(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
    connection.execute("UPDATE audit SET person = NULL WHERE action = 'forget'")


def a_line_that_is_gone(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
    connection.execute("DELETE FROM audit WHERE action = 'backup'")


def no_log_at_all(connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE audit")


def no_key_of_the_house(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM house")


def a_damaged_key_of_the_house(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE house SET wrapped = substr(wrapped, 1, length(wrapped) - 1)")


def the_table_of_that_key_gone(connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE house")


@pytest.mark.parametrize(
    "damage",
    [
        a_line_that_was_changed,
        a_line_that_is_gone,
        no_log_at_all,
        no_key_of_the_house,
        a_damaged_key_of_the_house,
        the_table_of_that_key_gone,
    ],
)
def test_a_log_that_is_not_whole_brings_nobody_back_in_silence(parley: Parley, made: Path, database_url: str, damage):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    assert parley("forgotten", "forgotten.json").exit_code == 0
    with psycopg.connect(conninfo(database_url)) as connection:
        damage(connection)
    before = contents(database_url)
    refused(parley("restore", "house.parley", "--replace", "--yes"), say("restore_who_unknown"))
    assert contents(database_url) == before
    done = parley("restore", "house.parley", "--replace", "--yes", "--forgotten", "forgotten.json")
    assert done.exit_code == 0, done.output
    assert say("restore_list_alone") in done.output
    assert say("restore_forgotten", count=1) in done.output
    assert json.loads(parley("export", "--user", ANN.key).stdout)["messages"] == []


def test_whoever_goes_without_a_log_and_a_list_says_so_and_is_told(parley: Parley, made: Path, database_url: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    with psycopg.connect(conninfo(database_url)) as connection:
        no_log_at_all(connection)
    done = parley("restore", "house.parley", "--replace", "--yes", "--without-list")
    assert done.exit_code == 0, done.output
    assert say("restore_nobody_known") in done.output
    assert json.loads(parley("export", "--user", ANN.key).stdout)["messages"]


def test_the_log_of_another_house_does_not_say_who_was_forgotten_here(parley: Parley, made: Path, empty: str):
    schema.upgrade_now(empty)
    asyncio.run(_live(empty))
    refused(parley("restore", "house.parley", "--replace", "--yes", url=empty), say("restore_who_unknown"))


def test_tables_that_were_never_used_know_of_nobody(parley: Parley, made: Path, empty: str):
    schema.upgrade_now(empty)
    done = parley("restore", "house.parley", "--replace", "--yes", url=empty)
    assert done.exit_code == 0, done.output
    assert say("restore_nobody_known") in done.output


def test_in_place_of_what_is_not_parleys_nobody_is_asked_who_was_forgotten(parley: Parley, made: Path, empty: str):
    with psycopg.connect(conninfo(empty)) as connection:
        connection.execute("CREATE TABLE public.holidays (day date)")
    done = parley("restore", "house.parley", "--replace", "--yes", url=empty)
    assert done.exit_code == 0, done.output
    assert say("restore_nobody_known") in done.output


async def _asked(url: str) -> tuple[ReplyId, ReplyId]:
    """Two calls: one waits for its yes, the other was given to one whose work is not finished."""
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    replies = []
    for thread in (ROOM, ATTIC):
        await add(store, message("May I?", thread=thread))
        asking = await claim(store)
        delivery = await begin(store, asking)
        async with store.unit() as unit:
            await unit.asks.keep(asking.reply_id, thread, ANN, Pending("post", {}), lifetime=LEASE * 100)
        await deliver(store, await finish(store, asking, delivery, state=State.ASKED))
        replies.append(asking.reply_id)
    await add(store, command(CommandName.CONFIRM, thread=ATTIC))
    assert await _confirmed(store, replies[1], await claim(store)) == Confirmed(Pending("post", {}))
    await add(store, command(CommandName.CONFIRM))
    await store.stop()
    return replies[0], replies[1]


async def _confirmed(store: PostgresStore, reply: ReplyId, by: Claim) -> Confirmed | None:
    async with store.unit() as unit:
        return await unit.asks.take(reply, ANN, by)


async def _says_yes(url: str, waiting: ReplyId, taken: ReplyId) -> tuple[object, ...]:
    """What the yes that was queued, and the one that was worked on, are given, by their threads."""
    store = PostgresStore(url, Keys.parse(OLD))
    await store.start()
    given = {}
    for _ in range(2):
        by = await claim(store, limit=1)
        assert isinstance(by.event, Command)
        reply = waiting if by.event.thread == ROOM else taken
        given[reply] = await _confirmed(store, reply, by)
    async with store.unit() as unit:
        newest = await unit.asks.newest(ROOM, ANN)
    await store.stop()
    return newest, given[waiting], given[taken]


def test_what_waited_for_a_yes_is_not_done_once_more_after_a_restore(parley: Parley, database_url: str, empty: str):
    """The yes may have come after the backup, or been worked on."""
    waiting, taken = asyncio.run(_asked(database_url))
    assert parley("backup", "asked.parley").exit_code == 0
    done = parley("restore", "asked.parley", url=empty)
    assert done.exit_code == 0, done.output
    begun = Confirmed(Pending("post", {}), is_begun=True)
    assert asyncio.run(_says_yes(empty, waiting, taken)) == (None, None, begun)


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "house.parley"),
        ("forgotten", "forgotten.json"),
        ("forget", "--user", ANN.key, "--yes"),
        ("export", "--user", ANN.key),
        ("limits", "show"),
        ("limits", "lift", "--user", ANN.key, "--until", "2030-01-01"),
        ("limits", "restore", "--user", ANN.key),
        ("audit", "list"),
        ("audit", "verify"),
        ("keys", "list"),
        ("keys", "rotate"),
        ("moderation", "hits"),
        ("admin", "list"),
        ("admin", "remove", "olga"),
    ],
)
def test_where_nothing_is_configured_no_key_and_no_database_is_made(words, monkeypatch, tmp_path: Path):
    """As a job that was not given its environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "PARLEY_KEYS"):
        monkeypatch.delenv(name, raising=False)
    speak("en")
    refused(CliRunner().invoke(app, words), say("house_nowhere", folder=tmp_path / "var"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("backup", "other.parley"), ("forgotten", "forgotten.json"), ("restore", "house.parley"), ("keys", "list")],
)
def test_without_the_keys_none_is_made(words, parley: Parley, made: Path, monkeypatch, tmp_path: Path):
    monkeypatch.delenv("PARLEY_KEYS")
    refused(parley(*words, keys=""), say("house_no_keys"))
    assert not (tmp_path / "var").exists()


def test_an_older_schema_is_brought_up_after_it_is_restored(parley: Parley, database_url: str, empty: str):
    schema.downgrade_now(database_url, schema.previous()[1])
    assert parley("backup", "older.parley").exit_code == 0
    assert schema.current(database_url) == schema.previous()[1], "a backup before an upgrade is one of what was there"
    assert manifest(Path("older.parley"))["schema"] == schema.previous()[1]
    done = parley("restore", "older.parley", "--verify", url=empty)
    assert done.exit_code == 0, done.output
    assert schema.current(empty) == schema.head()
    schema.check_now(empty)
    assert json.loads(parley("export", "--user", ANN.key, url=empty).stdout)["messages"]


async def test_a_backup_is_of_one_moment_however_much_is_written_meanwhile(database_url, monkeypatch, tmp_path):
    async with backup.moment(database_url) as facts:
        await _live(database_url, ("later",))
        tool = await dump.find("pg_dump", facts.server // 10_000)
        with (tmp_path / "dump").open("w+b") as out:
            await dump.dump(tool, database_url, facts.snapshot, out, lambda done: None)
    with database(of="template1") as other:
        tool = await dump.find("pg_restore", facts.server // 10_000)
        with (tmp_path / "dump").open("rb") as source:
            await dump.load(tool, other, source, lambda done: None)
        assert await backup.rows(other) == facts.rows
        assert facts.rows["messages"] == 2


def a_cut_off_end(file: Path) -> tuple[str, str]:
    file.write_bytes(file.read_bytes()[:-30_000])
    return OLD, "is no whole backup of Parley"


def half_of_it(file: Path) -> tuple[str, str]:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return OLD, "is no whole backup of Parley"


def nothing_in_it(file: Path) -> tuple[str, str]:
    file.write_bytes(b"")
    return OLD, "is no whole backup of Parley"


def another_file(file: Path) -> tuple[str, str]:
    file.write_text("SELECT 1;\n" * 1000)
    return OLD, "is no whole backup of Parley"


def another_archive(file: Path) -> tuple[str, str]:
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("holidays.txt"))
    return OLD, "is no whole backup of Parley"


def one_bit_of_the_dump(file: Path) -> tuple[str, str]:
    data = bytearray(file.read_bytes())
    data[20_000] ^= 1
    file.write_bytes(data)
    return OLD, "it is damaged or cut off"


def what_it_says_of_itself(file: Path) -> tuple[str, str]:
    file.write_bytes(file.read_bytes().replace(b'"release"', b'"Release"'))
    return OLD, say("restore_changed")


def packed(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(file, "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, BytesIO(data))


def a_link_in_place_of_its_manifest(file: Path) -> tuple[str, str]:
    link = tarfile.TarInfo("manifest.json")
    link.type, link.linkname = tarfile.SYMTYPE, "elsewhere.json"
    packed(file, (tarfile.TarInfo("database.dump"), inside(file, "database.dump")), (link, b""))
    return OLD, "is no whole backup of Parley"


def a_folder_in_place_of_the_dump(file: Path) -> tuple[str, str]:
    folder = tarfile.TarInfo("database.dump")
    folder.type = tarfile.DIRTYPE
    packed(file, (folder, b""), (tarfile.TarInfo("manifest.json"), inside(file, "manifest.json")))
    return OLD, "is no whole backup of Parley"


def says_nothing_of_its_keys(file: Path) -> tuple[str, str]:
    said = inside(file, "manifest.json").replace(b'"keys"', b'"kyes"')
    dumped = inside(file, "database.dump")
    packed(file, (tarfile.TarInfo("database.dump"), dumped), (tarfile.TarInfo("manifest.json"), said))
    return OLD, "is no whole backup of Parley"


def another_key_of_the_same_number(file: Path) -> tuple[str, str]:
    return OTHER, "Key 1 in PARLEY_KEYS is not the one"


def no_such_key(file: Path) -> tuple[str, str]:
    return NEW, "needs key 1, which is missing"


def a_later_schema(file: Path) -> tuple[str, str]:
    rewritten(file, schema="9998", release="9.9.9").replace(file)
    return OLD, "has schema 9998 of a later release (9.9.9)"


def rows_that_are_not_there(file: Path) -> tuple[str, str]:
    rewritten(file, rows=manifest(file)["rows"] | {"messages": 99}).replace(file)
    return OLD, say("restore_rows")


def an_older_server(file: Path) -> tuple[str, str]:
    rewritten(file, server=990001).replace(file)
    return OLD, "The backup was made on PostgreSQL 99"


def a_newer_tool(file: Path) -> tuple[str, str]:
    rewritten(file, pg_dump=99).replace(file)
    return OLD, "PostgreSQL 99 needs one of its own version"


@pytest.mark.parametrize(
    "spoilt",
    [
        a_cut_off_end,
        half_of_it,
        nothing_in_it,
        another_file,
        another_archive,
        one_bit_of_the_dump,
        what_it_says_of_itself,
        a_link_in_place_of_its_manifest,
        a_folder_in_place_of_the_dump,
        says_nothing_of_its_keys,
        another_key_of_the_same_number,
        no_such_key,
        a_later_schema,
        rows_that_are_not_there,
        an_older_server,
        a_newer_tool,
    ],
)
def test_what_cannot_be_restored_is_told_in_a_sentence_and_changes_nothing(parley, made, database_url, empty, spoilt):
    keys, sentence = spoilt(made)
    before = contents(database_url)
    refused(parley("restore", "house.parley", url=empty, keys=keys), sentence)
    assert contents(empty) == {}
    refused(parley("restore", "house.parley", "--replace", "--yes", keys=keys), sentence)
    assert contents(database_url) == before
    assert parley("export", "--user", ANN.key).exit_code == 0


def test_a_file_that_is_not_there_is_told(parley: Parley, empty: str):
    refused(
        parley("restore", "nowhere.parley", url=empty), "nowhere.parley could not be read (No such file or directory)"
    )
    refused(parley("backup", "no/such/folder.parley"), "could not be written (No such file or directory)")


def test_a_list_of_another_house_or_none_is_refused(parley: Parley, made: Path, empty: str):
    Path("list.json").write_text('{"format": 1, "people": {}, "mac": "00"}')
    refused(parley("restore", "house.parley", "--forgotten", "list.json", url=empty), "is no list that")
    Path("list.json").write_text("[]")
    refused(parley("restore", "house.parley", "--forgotten", "list.json", url=empty), "is no list that")
    assert contents(empty) == {}


def test_a_sealed_value_that_does_not_open_is_found_before_anything_changes(parley, database_url: str, empty: str):
    swap = """
        UPDATE messages SET body = other.body FROM messages other WHERE other.id <> messages.id AND messages.author =
        other.author
    """
    asyncio.run(_live(database_url, ("another",)))
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute(swap.encode())
    assert parley("backup", "swapped.parley").exit_code == 0
    refused(parley("restore", "swapped.parley", url=empty), "messages.body (")
    assert contents(empty) == {}


def test_a_database_that_is_in_use_is_left_alone(parley: Parley, made: Path, empty: str):
    with psycopg.connect(conninfo(empty), application_name="parley"):
        refused(parley("restore", "house.parley", url=empty), say("restore_in_use"))
    assert contents(empty) == {}


def test_a_restore_that_was_killed_half_way_lets_nobody_start_and_is_run_again(parley, made: Path, database_url: str):
    before = contents(database_url)
    with psycopg.connect(conninfo(database_url)) as connection:  # as it is after loading
        connection.execute(f"ALTER SCHEMA public RENAME TO {schema.ASIDE}")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE TABLE public.messages (half text)")
    refused(parley("export", "--user", ANN.key), "A restore of this database was broken off")
    refused(parley("restore", "house.parley"), say("restore_not_empty"))
    assert contents(database_url) == before, "what was there before is there again"
    assert parley("export", "--user", ANN.key).exit_code == 0


def test_of_a_restore_that_was_broken_off_no_backup_is_made_and_no_list(parley, made: Path, database_url: str):
    """Both are made by jobs, whatever an operator does just now."""
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute(f"CREATE SCHEMA {schema.ASIDE}")
    refused(parley("backup", "later.parley"), "A restore of this database was broken off")
    refused(parley("forgotten", "forgotten.json"), "A restore of this database was broken off")
    assert sorted(path.name for path in made.parent.iterdir()) == ["house.parley"]


async def test_two_restores_do_not_meet(house: tuple[str, Path], empty: str, monkeypatch):
    monkeypatch.setenv("PARLEY_KEYS", OLD)
    monkeypatch.setenv("DATABASE_URL", empty)
    screen, file = Console(file=io.StringIO()), house[1]
    is_loading, may_load, load_it = asyncio.Event(), asyncio.Event(), dump.load

    async def loads(*arguments: Any) -> None:
        is_loading.set()
        await may_load.wait()
        await load_it(*arguments)

    monkeypatch.setattr(ours, "load", loads)
    first = asyncio.create_task(ours.restore(load(None), screen, ours.Wanted(file)))
    await is_loading.wait()
    with pytest.raises(Misconfigured) as error:
        await ours.restore(load(None), screen, ours.Wanted(file, replaces=True))
    assert error.value.detail == say("restore_in_use")
    may_load.set()
    await first
    assert (await backup.rows(empty))["messages"] == 2


def test_a_list_of_the_forgotten_loses_nobody_and_no_other_file_is_taken_for_one(parley, made: Path, database_url: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    assert parley("forgotten", "forgotten.json").exit_code == 0
    assert parley("restore", "house.parley", "--replace", "--yes").exit_code == 0
    with psycopg.connect(conninfo(database_url)) as connection:  # as if it was not known there
        connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.execute("DELETE FROM audit WHERE action = 'forget'")
    assert parley("forgotten", "forgotten.json").exit_code == 0
    assert len(json.loads(Path("forgotten.json").read_text())["people"]) == 1
    before = made.read_bytes()
    refused(parley("forgotten", "house.parley"), "is no list that")
    assert made.read_bytes() == before


def test_the_list_of_another_house_is_left_alone(parley: Parley, empty: str):
    assert parley("forget", "--user", ANN.key, "--yes").exit_code == 0
    assert parley("forgotten", "forgotten.json").exit_code == 0
    before = Path("forgotten.json").read_bytes()
    schema.upgrade_now(empty)
    asyncio.run(_live(empty))
    refused(parley("forgotten", "forgotten.json", url=empty), "is no list that")
    assert Path("forgotten.json").read_bytes() == before


def test_tables_in_another_schema_are_not_taken_for_none(parley: Parley, made: Path, empty: str):
    name = empty.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(conninfo(empty), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute(f"ALTER DATABASE {name} SET search_path = theirs, public")
    schema.upgrade_now(empty)
    asyncio.run(_live(empty))
    refused(parley("backup", "theirs.parley", url=empty), "are in the schema theirs")
    refused(parley("forgotten", "theirs.json", url=empty), "are in the schema theirs")
    refused(parley("restore", "house.parley", "--replace", "--yes", url=empty), "are in the schema theirs")


def test_what_others_have_beside_it_is_neither_backed_up_nor_touched(parley, database_url: str, empty: str):
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("CREATE SCHEMA others")
        connection.execute("CREATE TABLE others.secret AS SELECT 'canary-of-others' AS word")
    assert parley("backup", "house.parley").exit_code == 0
    assert b"others" not in inside(Path("house.parley"), "database.dump")
    assert parley("restore", "house.parley", "--replace", "--yes").exit_code == 0
    with psycopg.connect(conninfo(database_url)) as connection:
        assert connection.execute("SELECT word FROM others.secret").fetchall() == [("canary-of-others",)]
    done = parley("restore", "house.parley", url=empty)
    assert done.exit_code == 0, done.output
    schema.check_now(empty)


def test_an_extension_that_would_go_with_the_schema_is_named(parley: Parley, made: Path, empty: str):
    with psycopg.connect(conninfo(empty)) as connection:
        if not connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchall():
            pytest.skip("this server has no extension to try it with")
        connection.execute("CREATE EXTENSION vector")
    refused(parley("restore", "house.parley", "--replace", "--yes", url=empty), "vector")
    with psycopg.connect(conninfo(empty)) as connection:
        assert connection.execute("SELECT FROM pg_extension WHERE extname = 'vector'").fetchall()


# Whatever this runs under: nohup has SIGHUP ignored, and a script's `&` has SIGINT.
STUCK = """
import asyncio, os, signal
from bot import backup as ours
from bot.__main__ import app

signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.SIG_IGN if "BEHIND" in os.environ else signal.default_int_handler)

async def stuck(tool, url, *_):
    with ours.backup.address(url):
        print("at it", flush=True)
        await asyncio.sleep(60)

ours.load = ours.dump = stuck
app()
"""


RESTORE = ("restore", "house.parley", "--replace", "--yes")


@pytest.mark.parametrize(
    ("words", "number", "way"),
    [
        (("backup", "other.parley"), signal.SIGTERM, {}),
        (("backup", "other.parley"), signal.SIGTERM, {"BEHIND": "a script"}),
        (RESTORE, signal.SIGTERM, {}),
        (RESTORE, signal.SIGTERM, {"BEHIND": "a script"}),
        (RESTORE, signal.SIGHUP, {}),
    ],
)
def test_whoever_ends_it_half_way_finds_all_as_it_was(
    parley: Parley, made: Path, database_url: str, words, number, way, tmp_path_factory
):
    scratch = tmp_path_factory.mktemp("scratch")
    before, files = contents(database_url), sorted(made.parent.iterdir())
    url = database_url.replace("postgres@", "postgres:canary-password@", 1)
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, *words], cwd=made.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"DATABASE_URL": url, "PARLEY_KEYS": OLD, "TMPDIR": str(scratch)} | way, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "at it" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    process.send_signal(number)
    said, wrong = process.communicate(timeout=20)
    assert process.returncode not in (0, -number)
    assert "Traceback" not in said + wrong
    assert list(scratch.iterdir()) == []
    assert sorted(made.parent.iterdir()) == files
    after = contents(database_url)
    assert {name: rows for name, rows in after.items() if name != "audit"} == {
        name: rows for name, rows in before.items() if name != "audit"
    }
    assert parley("export", "--user", ANN.key).exit_code == 0


def test_no_backup_is_written_over_another_or_made_of_nothing(parley: Parley, made: Path, empty: str):
    before = made.read_bytes()
    refused(parley("backup", "house.parley"), "is there already")
    assert made.read_bytes() == before
    refused(parley("backup", "empty.parley", url=empty), say("backup_nothing"))
    assert sorted(path.name for path in made.parent.iterdir()) == ["house.parley"]


def test_without_the_programs_it_says_which_package_has_them(parley: Parley, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(dump, "_places", lambda name: [])
    refused(parley("backup", "house.parley"), "postgresql-client-")
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    monkeypatch.setattr(dump, "_places", lambda name: [old])
    refused(parley("backup", "house.parley"), "pg_dump on this machine is 9.6.24")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 16.1' && exit\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(dump.Tool, "suits", lambda self, server: True)
    monkeypatch.setattr(dump, "_places", lambda name: [broken])
    refused(parley("backup", "house.parley"), "broken failed: ?")
    assert not list(tmp_path.glob("*house*"))


@pytest.mark.parametrize(
    ("tool", "server", "suits"), [(15, 15, True), (16, 15, True), (17, 15, False), (18, 17, True), (15, 16, False)]
)
def test_a_program_suits_a_server_in_both_directions(tool: int, server: int, suits: bool):
    assert dump.Tool(Path("pg_dump"), tool, "").suits(server) is suits


def test_the_password_is_on_no_command_line():
    url = "postgresql://ann:a%3Ab%5Cc@db.example/parley?sslcert=ann.crt&sslpassword=canary%20word"
    with backup.address(url) as (place, more):
        assert "a:b" not in place
        assert "canary" not in place
        assert "canary" not in str(more)
        service = Path(more["PGSERVICEFILE"])
        assert service.read_text() == "[parley]\nsslpassword=canary word\n"
        assert stat.S_IMODE(service.stat().st_mode) == 0o600
        assert "host=db.example" in place
        file = Path(place.partition("passfile=")[2].split()[0])
        assert file.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()
    assert not service.exists()


def test_a_password_of_a_certificate_reaches_the_programs(parley: Parley, database_url: str):
    join = "&" if "?" in database_url else "?"
    done = parley("backup", "house.parley", url=f"{database_url}{join}sslpassword=canary")
    assert done.exit_code == 0, done.output
    assert "canary" not in done.output


def test_every_sealed_column_is_opened_when_a_backup_is_looked_through():
    sealed = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary)
    }
    elsewhere = {("keys", "wrapped"), ("house", "wrapped"), ("audit", "body"), ("audit", "link")}
    assert {(place.table, place.column) for place in backup.SEALED} == sealed - elsewhere


def test_the_macs_of_two_houses_differ():
    keys = Keys.generate()
    one, other = (keys.wrap(INDEX_SCOPE, bytes([fill]) * 32) for fill in (1, 2))
    assert not hmac.compare_digest(backup.mac(keys, one, b"x"), backup.mac(keys, other, b"x"))
