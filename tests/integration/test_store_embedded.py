"""The embedded PostgreSQL: shared by our processes, gone with the last, unharmed by kill -9, and nobody else's."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psutil
import psycopg
import pytest

from core.errors import Misconfigured, NotStored
from core.store import embedded
from core.store.database import conninfo

pytestmark = pytest.mark.timeout(60)

USER = """
import sys
from pathlib import Path
from core.store import embedded
server = embedded.start(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Generator[Path, None, None]:
    """A data folder with a cluster in it, made once."""
    try:
        embedded.programs()
    except Misconfigured as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="parley-pg-"))
    folder.chmod(0o755)
    embedded.start(folder / "data").stop()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def use(cluster: Path) -> Generator["Users", None, None]:
    users = Users(cluster)
    yield users
    users.end()


class Users:
    """Processes that use one server, as several `parley` of one checkout do."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._all: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(self._data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._all.append(process)
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql+psycopg://")
        return process

    def leave(self, process: subprocess.Popen[str]) -> None:
        process.communicate(timeout=20)
        assert process.returncode == 0

    def end(self) -> None:
        for process in self._all:
            if process.poll() is None:
                process.kill()
            process.communicate()
        embedded.start(self._data).stop()


def postmaster(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def answers(server: embedded.Embedded) -> bool:
    with psycopg.connect(conninfo(server.url)) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_it_starts_answers_and_stops(cluster: Path):
    server = embedded.start(cluster)
    assert answers(server)
    server.stop()
    server.stop()
    assert not embedded._is_running(cluster)
    assert not (cluster / "postmaster.pid").exists()


def test_a_second_start_in_one_process_shares_it(cluster: Path):
    first, second = embedded.start(cluster), embedded.start(cluster)
    first.stop()
    assert answers(second)
    second.stop()
    assert not embedded._is_running(cluster)


def test_processes_share_it_and_the_last_one_stops_it(cluster: Path, use: Users):
    first, second = use.start(), use.start()
    pid = postmaster(cluster)
    use.leave(first)
    assert postmaster(cluster) == pid
    assert embedded._is_running(cluster)
    use.leave(second)
    assert not embedded._is_running(cluster)


def test_a_killed_process_does_not_keep_it_up(cluster: Path, use: Users):
    killed, other = use.start(), use.start()
    killed.kill()
    killed.wait()
    assert embedded._is_running(cluster)
    use.leave(other)
    assert not embedded._is_running(cluster)


def test_a_server_whose_only_user_was_killed_is_found_again(cluster: Path, use: Users):
    killed = use.start()
    pid = postmaster(cluster)
    killed.kill()
    killed.wait()
    server = embedded.start(cluster)
    assert postmaster(cluster) == pid
    assert answers(server)
    server.stop()
    assert not embedded._is_running(cluster)


def test_it_comes_back_after_the_server_itself_was_killed(cluster: Path, use: Users):
    killed = use.start()
    pid = postmaster(cluster)
    processes = [psutil.Process(pid), *psutil.Process(pid).children()]
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    killed.kill()
    killed.wait()
    psutil.wait_procs(processes, timeout=10)
    server = embedded.start(cluster)
    assert answers(server)
    server.stop()


def test_nobody_else_gets_at_it(cluster: Path):
    server = embedded.start(cluster)
    try:
        assert cluster.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(conninfo(server.url)) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
    finally:
        server.stop()


def test_a_long_path_has_its_socket_in_a_short_folder_of_ours(cluster: Path):
    long = cluster.parent / ("x" * 120)
    long.mkdir(mode=0o755)
    server = embedded.start(long / "data")
    try:
        assert answers(server)
        assert server.sockets.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
        shutil.rmtree(server.sockets)


def test_an_interrupted_first_start_is_begun_again(cluster: Path, monkeypatch: pytest.MonkeyPatch):
    data = cluster.parent / "interrupted"
    run = embedded._run

    def interrupted(program: str, *arguments: str) -> None:
        run(program, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embedded.start(data)
    monkeypatch.setattr(embedded, "_run", run)
    server = embedded.start(data)
    assert answers(server)
    server.stop()


def test_a_cluster_of_another_version_is_not_touched(cluster: Path):
    version = cluster / "PG_VERSION"
    before = version.read_text()
    version.write_text("16\n")
    try:
        with pytest.raises(Misconfigured, match="16"):
            embedded.start(cluster)
    finally:
        version.write_text(before)


def test_a_server_that_cannot_start_says_why(cluster: Path):
    settings = cluster / "postgresql.conf"
    before = settings.read_text()
    settings.write_text(before + "\nno_such_setting = 1\n")
    try:
        with pytest.raises(NotStored, match="pg_ctl"):
            embedded.start(cluster)
    finally:
        settings.write_text(before)


def test_without_its_programs_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        embedded.programs()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_as_root_no_private_folder_is_opened_to_others(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(Misconfigured, match=f"chmod o\\+x {tmp_path}") as caught:
        embedded.start(home / "var" / "pg")
    assert "ordinary user" in str(caught.value)
    assert home.stat().st_mode & 0o777 == 0o700
    assert not (home / "var").exists()
