"""Debian's Prometheus on a free port of the loopback interface, with data of its own; it starts no service."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bench.process import free_port

RULES = Path(__file__).resolve().parents[1] / "deploy/prometheus/rules.yml"
_WORDS = {
    *("sum", "max", "count", "rate", "increase", "histogram_quantile", "absent", "avg_over_time"),
    *("by", "on", "and", "or", "offset"),
}


def needs_prometheus(test: Any) -> Any:
    """Skips where there is no Prometheus, and says how to get one."""
    is_missing = not (shutil.which("prometheus") and shutil.which("promtool"))
    reason = "no prometheus and promtool were found: sudo apt-get install --no-install-recommends prometheus"
    return pytest.mark.prometheus(pytest.mark.skipif(is_missing, reason=reason)(test))


class Prometheus:
    """Scrapes these targets (job: address) each second, with the house's rules; ends on leaving."""

    def __init__(self, folder: Path, targets: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        jobs = [{"job_name": job, "static_configs": [{"targets": [to]}]} for job, to in targets.items()]
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        file = folder / "prometheus.yml"  # JSON is YAML
        file.write_text(json.dumps({"global": every, "rule_files": [str(RULES)], "scrape_configs": jobs}))
        self._command = [
            *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
        ]
        self._log = folder / "prometheus.log"

    def __enter__(self) -> "Prometheus":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def ask(self, path: str, **params: object) -> Any:
        """The `data` of an answer of its API; an error fails the test with what it says."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready yet
                raise
            pytest.fail(f"{params}: {error.read().decode()}")
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, at: float) -> list[dict[str, Any]]:
        return list(self.ask("query", query=expression, time=at)["result"])

    def wait(self, expression: str, seconds: float = 30) -> None:
        """Until the expression has a result."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()
            try:
                if self.query(expression, time.time()):
                    return
            except urllib.error.URLError:  # it is not up yet, or not ready
                pass
            time.sleep(0.1)
        pytest.fail(f"{expression} had no result in {seconds:.0f} s")


def names_in(expression: str) -> tuple[set[str], set[str]]:
    """The metrics an expression names, and the labels."""
    bare = re.sub(r'"[^"]*"', "", expression)
    labels = {name for inner in re.findall(r"\{([^}]*)\}", bare) for name in re.findall(r"\w+", inner)}
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    labels |= {name for inner in re.findall(r"\b(?:by|on) ?\(([\w, ]*)\)", bare) for name in re.findall(r"\w+", inner)}
    bare = re.sub(r"\b(?:by|on) ?\([\w, ]*\)", "", bare)
    return set(re.findall(r"\b[A-Za-z_]\w*", bare)) - _WORDS, labels
