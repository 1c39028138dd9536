"""`parley backup` and `parley restore`: a file with all that is kept, sealed as it lies, and the way back from it.

The file is a tar of two members: `database.dump`, in pg_dump's custom format, and `manifest.json`, which says what it
is. The encryption keys are not in it.
"""

import hmac
import json
import os
import secrets
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from bot.app import database_url, load_keys
from bot.config import Config
from bot.dump import Told, Tool, dump, find, load
from bot.people import must_exist, must_have_keys, operator
from bot.texts import say
from core.errors import Misconfigured, NotStored, Unreadable
from core.store import Keys, PostgresStore, backup, schema

_FORMAT = 1
_DUMP, _MANIFEST = "database.dump", "manifest.json"
_CHUNK = 2**20
_MANIFEST_BYTES = 2**20


# ----------------------------------------------------------------------------------------------------------- backing up


async def back_up(config: Config, screen: Console, file: Path) -> str:
    """Writes all that the database holds at this moment, while it is used, and says so. Raises ParleyError."""
    must_exist(config)
    keys = load_keys(config)
    with _writing(file) as out:
        async with AsyncExitStack() as stack:
            url = await database_url(config, screen.print, stack)
            await _must_be_ours(url)
            schema.must_be_settled(url)
            if not await backup.has_anything(url) or not schema.current(url):
                raise Misconfigured(say("backup_nothing"))
            tool = await find("pg_dump", await backup.server_version(url) // 10_000)
            await _note(url, keys, "backup", file=file.name)
            facts = await stack.enter_async_context(backup.moment(url))
            manifest = _manifest(facts, tool)
            with _bar(screen, say("backup_dumping", tool=tool.version)) as told:
                out.write(bytes(tarfile.BLOCKSIZE))  # for its header, which has its size
                size, digest = await dump(tool, url, facts.snapshot, out, told)
            manifest |= {"size": size, "sha256": digest}
        manifest["mac"] = _mac(keys, facts.index, manifest)
        _close(out, manifest)
    needed = ", ".join(str(kid) for kid in sorted(facts.keys))
    return say("backup_done", file=file, rows=sum(facts.rows.values()), bytes=file.stat().st_size, keys=needed)


def _manifest(facts: backup.Facts, tool: Tool) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "release": version("parley"),
        "schema": facts.schema,
        "made_at": facts.at.isoformat(),
        "server": facts.server,
        "pg_dump": tool.major,
        "keys": [
            {"id": kid, "scope": scope.hex, "wrapped": wrapped.hex()} for kid, (scope, wrapped) in facts.keys.items()
        ],
        "index": facts.index.hex(),
        "rows": dict(facts.rows),
    }


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def _close(out: IO[bytes], manifest: Mapping[str, Any]) -> None:
    out.write(bytes(-manifest["size"] % tarfile.BLOCKSIZE))
    out.seek(0)
    out.write(_header(_DUMP, manifest["size"]))
    out.seek(0, os.SEEK_END)
    said = json.dumps(manifest, indent=1).encode() + b"\n"
    out.write(_header(_MANIFEST, len(said)) + said + bytes(-len(said) % tarfile.BLOCKSIZE))
    out.write(bytes(2 * tarfile.BLOCKSIZE))


@contextmanager
def _writing(file: Path, *, is_renewed: bool = False) -> Iterator[IO[bytes]]:
    """A draft beside it that only this account can read, put in its place once it is whole; else gone."""
    if file.exists() and not is_renewed:
        raise Misconfigured(say("backup_exists", file=file))
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        if file.exists() and not is_renewed:  # somebody else's, made meanwhile
            raise Misconfigured(say("backup_exists", file=file))
        os.replace(draft, file)
    except OSError as error:
        raise Misconfigured(
            say("backup_not_written", file=file, error=error.strerror or type(error).__name__)
        ) from None
    finally:
        with suppress(OSError):  # where nothing can be written, nothing is there
            draft.unlink(missing_ok=True)


async def write_forgotten(config: Config, screen: Console, file: Path) -> str:
    """Writes who was forgotten, as hashes, for a backup that was made before. Raises ParleyError.

    Whom a list of the same house has already stays on it; a file that is none is left alone.
    """
    must_exist(config)
    keys = load_keys(config)
    async with AsyncExitStack() as stack:
        url = await database_url(config, screen.print, stack)
        await _must_be_ours(url)
        schema.must_be_settled(url)
        if not await backup.has_anything(url):
            raise Misconfigured(say("backup_nothing"))
        index = await backup.index_key(url)
        known = _listed(file, keys, index) if file.exists() else {}
        people = {person.hex: at.isoformat() for person, at in _merged(known, await backup.forgettings(url)).items()}
    said: dict[str, Any] = {"format": _FORMAT, "people": people}
    said["mac"] = _mac(keys, index, said)
    with _writing(file, is_renewed=True) as out:
        out.write(json.dumps(said, indent=1).encode() + b"\n")
    return say("forgotten_written", file=file, count=len(people))


# ------------------------------------------------------------------------------------------------------------ restoring


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to restore: `forgotten` names those to be forgotten again, `replaces` whatever is there by now, and
    `is_whole` opens every sealed value and not some of each kind. Where what is replaced can't say who was forgotten
    and there is no list either, `goes_without` goes on all the same."""

    file: Path
    forgotten: Path | None = None
    replaces: bool = False
    is_whole: bool = False
    goes_without: bool = False


async def restore(config: Config, screen: Console, wanted: Wanted) -> list[str]:
    """Brings back what a backup holds, up to this release's schema; all or nothing. Says what came of it.

    Raises ParleyError, and nothing has changed then.
    """
    must_have_keys(config)
    keys = load_keys(config)
    with _opened(wanted.file) as (archive, manifest):
        _must_suit(keys, manifest)
        index = bytes.fromhex(manifest["index"])
        again = _listed(wanted.forgotten, keys, index)
        source = cast(IO[bytes], archive.extractfile(_DUMP))
        with _bar(screen, say("restore_checking"), manifest["size"]) as told:
            _must_be_whole(source, manifest, told)
        source.seek(0)
        async with AsyncExitStack() as stack:
            url = await database_url(config, screen.print, stack)
            await _must_be_ours(url)
            tool = await _restorer(url, manifest)
            if not await stack.enter_async_context(backup.alone(url)):
                raise Misconfigured(say("restore_in_use"))
            await _must_be_free(url, wanted)
            was_house = wanted.replaces and await _was_house(url)
            here = await _forgotten_here(url, keys, index) if was_house else None
            doubts = _doubts(wanted, was_house=was_house) if here is None else []
            again = _merged(again, here or {})
            async with backup.set_aside(url):
                return [*await _bring_back(url, keys, tool, source, manifest, again, wanted, screen), *doubts]


async def _bring_back(
    url: str,
    keys: Keys,
    tool: Tool,
    source: IO[bytes],
    manifest: Mapping[str, Any],
    again: Mapping[UUID, datetime],
    wanted: Wanted,
    screen: Console,
) -> list[str]:
    with _bar(screen, say("restore_loading", tool=tool.version), manifest["size"]) as told:
        await load(tool, url, source, told)
    if await backup.rows(url) != manifest["rows"]:
        raise NotStored(say("restore_rows"))
    known = await backup.forgettings(url)
    await schema.upgrade(url, is_restoring=True)
    waiting = await backup.settle(url)
    async with _store(url, keys) as store:
        if (verdict := await store.audit.verify()).broken is not None:
            raise Unreadable(say(f"audit_{verdict.why}", number=verdict.broken, lines=verdict.lines))
        with _bar(screen, say("restore_opening"), 1, in_bytes=False) as told:
            opened = await _must_open(store, wanted, told)
        shredded = [person for person, at in again.items() if person not in known or known[person] < at]
        made_at, digest = manifest["made_at"], manifest["sha256"]
        await store.audit.record("restore", by=operator(), made_at=made_at, sha256=digest, forgotten=len(shredded))
        for person in shredded:
            await store.people.forget_again(person, by=operator())
    return [
        say("restore_done", rows=sum(manifest["rows"].values()), made_at=made_at, schema=schema.head()),
        say("restore_opened_all" if wanted.is_whole else "restore_opened_some", count=opened),
        say("restore_waiting", count=waiting),
        say("restore_forgotten", count=len(shredded)),
    ]


async def _must_open(store: PostgresStore, wanted: Wanted, told: Told) -> int:
    seen = [0]

    def heard(done: int, total: int) -> None:
        seen[0] = done
        told(done * 100 // max(total, 1))

    damaged = await store.unreadable(is_whole=wanted.is_whole, progress=heard)
    if damaged:
        where = ", ".join(f"{name} ({count})" for name, count in sorted(damaged.items()))
        raise Unreadable(say("restore_unreadable", where=where))
    return seen[0]


@contextmanager
def _opened(file: Path) -> Iterator[tuple[tarfile.TarFile, dict[str, Any]]]:
    """The archive and its manifest; raises Misconfigured where it is no whole file of ours."""
    try:
        with tarfile.open(file, "r:") as archive:
            if [(member.name, member.isreg()) for member in archive] != [(_DUMP, True), (_MANIFEST, True)]:
                raise Misconfigured(say("restore_no_backup", file=file))
            yield archive, _read_manifest(archive, file)
    except OSError as error:
        raise Misconfigured(say("restore_not_read", file=file, error=error.strerror or type(error).__name__)) from None
    except tarfile.TarError:
        raise Misconfigured(say("restore_no_backup", file=file)) from None


def _read_manifest(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    member = archive.extractfile(_MANIFEST)
    manifest: dict[str, Any] = {}
    try:
        manifest = json.loads(member.read(_MANIFEST_BYTES)) if member else {}
        is_ours = manifest["format"] == _FORMAT and manifest["mac"].isascii()
        bytes.fromhex(manifest["index"]), _needed(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise Misconfigured(say("restore_no_backup", file=file))
    return dict(manifest)


def _needed(manifest: Mapping[str, Any]) -> dict[int, tuple[UUID, bytes]]:
    """A wrapped data key, with its scope, of each key."""
    return {int(each["id"]): (UUID(each["scope"]), bytes.fromhex(each["wrapped"])) for each in manifest["keys"]}


def _must_suit(keys: Keys, manifest: Mapping[str, Any]) -> None:
    """By the keys at hand, by the house's own word on it, and by the schemas that this release knows."""
    needed = _needed(manifest)
    if missing := sorted(set(needed) - set(keys.ring)):
        raise Misconfigured(say("restore_keys_missing", keys=", ".join(map(str, missing))))
    if wrong := sorted(kid for kid, wrapped in needed.items() if not backup.opens(keys, *wrapped)):
        raise Misconfigured(say("restore_keys_wrong", keys=", ".join(map(str, wrong))))
    said = {name: value for name, value in manifest.items() if name != "mac"}
    if not hmac.compare_digest(_mac(keys, bytes.fromhex(manifest["index"]), said), manifest["mac"]):
        raise Misconfigured(say("restore_changed"))
    if not schema.is_known(manifest["schema"]):
        raise Misconfigured(
            say("restore_newer", schema=manifest["schema"], release=manifest["release"], head=schema.head())
        )


def _must_be_whole(dump: IO[bytes], manifest: Mapping[str, Any], told: Told) -> None:
    digest, size = sha256(), 0
    while piece := dump.read(_CHUNK):
        digest.update(piece)
        size += len(piece)
        told(size)
    if (size, digest.hexdigest()) != (manifest["size"], manifest["sha256"]):
        raise Misconfigured(say("restore_damaged"))


async def _must_be_ours(url: str) -> None:
    """All of it is looked for in one schema, whichever the database's own settings would have it be."""
    if (found := await backup.schema_of(url)) != "public":
        raise Misconfigured(say("backup_elsewhere", schema=found))


async def _must_be_free(url: str, wanted: Wanted) -> None:
    if await backup.users(url):
        raise Misconfigured(say("restore_in_use"))
    await backup.put_back(url)
    if extensions := await backup.extensions(url):
        raise Misconfigured(say("restore_extensions", names=", ".join(extensions)))
    if not wanted.replaces and await backup.has_anything(url):
        raise Misconfigured(say("restore_not_empty"))


def _listed(file: Path | None, keys: Keys, index: bytes) -> dict[UUID, datetime]:
    if file is None:
        return {}
    people: dict[UUID, datetime] = {}
    try:
        said = json.loads(file.read_bytes())
        people = {UUID(person): datetime.fromisoformat(at) for person, at in said["people"].items()}
        is_ours = hmac.compare_digest(_mac(keys, index, {k: v for k, v in said.items() if k != "mac"}), said["mac"])
    except OSError as error:
        raise Misconfigured(say("restore_not_read", file=file, error=error.strerror or type(error).__name__)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise Misconfigured(say("restore_no_list", file=file))
    return people


async def _was_house(url: str) -> bool:
    """Whether somebody can have been forgotten there: not in what is another's, nor where it was never used."""
    try:
        return await backup.is_house(url) and bool(await backup.index_key(url) or not await backup.has_no_log(url))
    except (NotStored, Unreadable):
        return True


async def _forgotten_here(url: str, keys: Keys, index: bytes) -> Mapping[UUID, datetime] | None:
    """By the log of the database that is replaced; None where that is not whole, or is another house's."""
    with suppress(NotStored, Unreadable):
        here = await backup.index_key(url)
        if not here:
            return None
        if not hmac.compare_digest(backup.mac(keys, here, b""), backup.mac(keys, index, b"")):
            return None
        async with _store(url, keys) as store:
            is_whole = (await store.audit.verify()).broken is None
        return await backup.forgettings(url) if is_whole else None
    return None


def _doubts(wanted: Wanted, *, was_house: bool) -> list[str]:
    """What to say besides where nobody knows who was forgotten since; raises Misconfigured where that is not meant."""
    if wanted.forgotten is not None:
        return [say("restore_list_alone")] if was_house else []
    if was_house and not wanted.goes_without:
        raise Misconfigured(say("restore_who_unknown"))
    return [say("restore_nobody_known")]


def _merged(one: Mapping[UUID, datetime], other: Mapping[UUID, datetime]) -> dict[UUID, datetime]:
    return {person: max(at for at in (one.get(person), other.get(person)) if at) for person in {*one, *other}}


async def _restorer(url: str, manifest: Mapping[str, Any]) -> Tool:
    server, made_by = await backup.server_version(url) // 10_000, manifest["server"] // 10_000
    if server < made_by:
        raise Misconfigured(say("restore_older_server", made_by=made_by, server=server))
    return await find("pg_restore", server, least=manifest["pg_dump"])


@asynccontextmanager
async def _store(url: str, keys: Keys) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, keys)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


async def _note(url: str, keys: Keys, action: str, **details: Any) -> None:
    async with _store(url, keys) as store:
        await store.audit.record(action, by=operator(), **details)


def _mac(keys: Keys, index: bytes, said: Mapping[str, Any]) -> str:
    return backup.mac(keys, index, json.dumps(said, sort_keys=True, separators=(",", ":")).encode())


@contextmanager
def _bar(screen: Console, what: str, total: int | None = None, *, in_bytes: bool = True) -> Iterator[Told]:
    """On a terminal how far it has come, elsewhere a line when it begins."""
    if not screen.is_terminal:
        screen.print(f"{what} …", markup=False)
        yield lambda done: None
        return
    columns = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else ()
    with Bar(TextColumn("{task.description}"), BarColumn(), *columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=total if in_bytes else 100)
        yield lambda done: bar.update(task, completed=done)
