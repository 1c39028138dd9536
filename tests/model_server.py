"""A real OpenAI-compatible server in a process of its own: `transformers serve` on the demo checkpoint."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.process import free_port
from core.engine import demo_folder

NAME = "parley/demo"


@contextmanager
def model_server(folder: Path, wait: float = 90) -> Iterator[str]:
    """Its base URL, once it lists the model; raises with its log where it does not."""
    url = f"http://127.0.0.1:{(port := free_port())}/v1"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", NAME, "--device", "cpu"]
    environment = os.environ | {"HF_HOME": str(_as_downloaded(folder)), "OMP_NUM_THREADS": "1"}
    with (folder / "server.log").open("w+b") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], env=environment, stdout=log, stderr=log
        )
        try:
            _wait(process, url, time.monotonic() + wait, folder / "server.log")
            yield url
        finally:
            process.kill()
            process.wait()


def _as_downloaded(folder: Path) -> Path:
    """A cache that holds the checkpoint as if it came from the hub: only what lies there is listed by the server."""
    repository, revision = folder / "hub" / f"models--{NAME.replace('/', '--')}", "0" * 40
    snapshot, reference = repository / "snapshots" / revision, repository / "refs" / "main"
    snapshot.mkdir(parents=True)
    reference.parent.mkdir()
    reference.write_text(revision)
    for file in demo_folder().iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    # The server draws only where the checkpoint says so; the temperature is then the request's.
    settings = snapshot / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_sample": True}))
    return folder


def _wait(process: "subprocess.Popen[bytes]", url: str, deadline: float, log: Path) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5) as response:
                if NAME in response.read().decode():
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the server did not come up:\n{log.read_text(errors='replace')}")
