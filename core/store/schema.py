"""Brings the database to the newest shape: Alembic's migrations, one process at a time."""

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import files
from time import sleep

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from core.errors import Misconfigured
from core.store.database import CONNECT_TIMEOUT, normal_url, not_stored

Progress = Callable[[str], None]

logger = logging.getLogger(__name__)

_FOLDER = files("migrations")
# Any number that is the same in all processes of all releases.
_GATE = 7_236_190_512
_AGAIN = 0.1  # seconds
# What a database says to a release that does not know its schema: the oldest schema whose release it serves.
_SERVES = "parley: serves releases with schema {} and later"
_SAID = "SELECT obj_description(to_regclass('alembic_version'), 'pg_class')"
_SAY = "COMMENT ON TABLE alembic_version IS '{}'"
# Where what was there before a restore is kept until that has come to its end.
ASIDE = "parley_before_restore"
_IS_ASIDE = f"SELECT to_regnamespace('{ASIDE}') IS NOT NULL"
_HALF_RESTORED = (
    "A restore of this database was broken off; run `parley restore` again before anything else. · "
    "此数据库的恢复中途中断；请先重新运行 `parley restore`。"
)
_TOO_NEW = (
    "The database has the schema {found} of a later release, and this release, with schema {head}, does not suit it. "
    "Start that release, or restore a backup of this one's. · "
    "数据库的结构({found})属于更新的版本,本版本({head})不适用。请启动新版本,或恢复本版本的备份。"
)


def head() -> str:
    """The newest revision this release knows."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""


def current(url: str) -> str:
    """The revision the database has, "" where it is empty; raises NotStored."""
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


async def upgrade(url: str, progress: Progress | None = None, *, is_restoring: bool = False) -> None:
    """`upgrade_now`, without holding up the event loop."""
    await asyncio.to_thread(upgrade_now, url, progress, is_restoring=is_restoring)


def upgrade_now(url: str, progress: Progress | None = None, *, is_restoring: bool = False) -> None:
    """Applies what is missing; safe when several processes start at once. `progress` hears each revision by name.

    A schema of the next release serves this one too, and is left as it is: so a release can be gone back to by starting
    it. Raises NotStored, and Misconfigured where the schema is too new, or what a restore has left half done.
    """
    with _connected(url) as connection, _alone(connection):
        if not is_restoring and connection.execute(text(_IS_ASIDE)).scalar_one():
            raise Misconfigured(_HALF_RESTORED)
        if found := _newer(connection):
            _must_serve(connection, found)
            logger.warning(
                "the database has the schema %s of a later release, which serves this one (%s)", found, head()
            )
            return
        connection.rollback()  # Alembic leaves a transaction that it did not begin to whoever did
        command.upgrade(config(connection, progress), "head")
        _note_whom_it_serves(connection)


def suits(url: str) -> bool:
    """Whether a release with this code may serve on the schema that is there; raises NotStored."""
    with _connected(url) as connection:
        found = MigrationContext.configure(connection).get_current_revision() or ""
        return found == head() or (bool(_newer(connection)) and _serves(connection))


def must_be_settled(url: str) -> None:
    """Raises Misconfigured where a restore was broken off, or is at work; NotStored where the database is away."""
    with _connected(url) as connection:
        if connection.execute(text(_IS_ASIDE)).scalar_one():
            raise Misconfigured(_HALF_RESTORED)


def is_known(revision: str) -> bool:
    """Whether this release can bring a database from there to its own schema."""
    return revision in _known()


def previous() -> tuple[str, str]:
    """The commit and the schema of the release before this one."""
    lines = (_FOLDER / "previous").read_text(encoding="utf-8").splitlines()
    said = dict(line.split() for line in lines if line and not line.startswith("#"))
    return said["commit"], said["schema"]


def _newer(connection: Connection) -> str:
    """The schema of the database where this release does not know it, "" where it does."""
    found = MigrationContext.configure(connection).get_current_revision() or ""
    return found if found and found not in _known() else ""


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def _serves(connection: Connection) -> bool:
    """By what the release that made it has said. Revisions are numbers of four digits, so that they are in order."""
    said = connection.execute(text(_SAID)).scalar_one() or ""
    prefix, _, rest = _SERVES.partition("{}")
    oldest = said.removeprefix(prefix).removesuffix(rest)
    return bool(oldest) and said == _SERVES.format(oldest) and oldest <= head()


def _must_serve(connection: Connection, found: str) -> None:
    if not _serves(connection):
        raise Misconfigured(_TOO_NEW.format(found=found, head=head()))


def _note_whom_it_serves(connection: Connection) -> None:
    said = _SERVES.format(previous()[1])
    if connection.execute(text(_SAID)).scalar_one() != said:
        connection.execute(text(_SAY.format(said)))
        connection.commit()


def downgrade_now(url: str, revision: str) -> None:
    """Takes migrations back, down to `revision` or "base". For tests and for the operator who knows why."""
    with _connected(url) as connection, _alone(connection):
        command.downgrade(config(connection), revision)


def check_now(url: str) -> None:
    """Raises alembic.util.AutogenerateDiffsDetected where the tables are not what core.store.tables says."""
    with _connected(url) as connection:
        command.check(config(connection))


def config(connection: Connection | None = None, progress: Progress | None = None) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    settings.attributes["on_step"] = _reporter(progress)
    return settings


def _reporter(progress: Progress | None) -> Callable[..., None]:
    scripts = ScriptDirectory(str(_FOLDER))

    def report(*, step: MigrationInfo, **_: object) -> None:
        if progress is not None and step.up_revision_id:
            progress(scripts.get_revision(step.up_revision_id).doc)

    return report


@contextmanager
def _connected(url: str) -> Generator[Connection, None, None]:
    arguments = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "parley migrate"}
    engine = create_engine(
        normal_url(url), poolclass=NullPool, hide_parameters=True, use_native_hstore=False, connect_args=arguments
    )
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise not_stored(error) from error
    finally:
        engine.dispose()


@contextmanager
def _alone(connection: Connection) -> Generator[None, None, None]:
    # Asked for again and again: who waits inside of a statement holds up an index that is built beside the work.
    while not connection.execute(text("SELECT pg_try_advisory_lock(:gate)"), {"gate": _GATE}).scalar_one():
        connection.rollback()
        sleep(_AGAIN)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": _GATE})
        connection.commit()
