"""A real `parley serve` in a process of its own, on a free port of the loopback interface."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import weakref
from pathlib import Path
from tempfile import mkdtemp

from bench.process import free_port

ROOT = Path(__file__).resolve().parents[1]


class Server:
    """Starts on `start`, ends on `stop` (SIGTERM) or `kill` (SIGKILL); may be started again on the same data."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._settings = settings
        # Beside pytest's folders, which are closed to the user the embedded database runs as where tests run as root.
        self._data = Path(mkdtemp(prefix="parley-test-"))
        self._data.chmod(0o755)
        weakref.finalize(self, shutil.rmtree, self._data, ignore_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, wait: float = 90) -> "Server":
        """Returns once `/readyz` says 200; raises with the log where it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "DATABASE_URL"))}
        environment = kept | {
            "PARLEY_DATA_DIR": str(self._data / "var"),
            "PARLEY_SERVER__PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            **self._settings,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self._wait(wait)
        return self

    def stop(self, wait: float = 40) -> int:
        """Asks it to end and waits; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(wait)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _wait(self, seconds: float) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended by itself:\n{self.text()}")
            if self._is_ready():
                return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the server was not ready in {seconds:.0f} s:\n{self.text()}")
