"""`parley model pull` against a hub: what ended a try, kill -9 included, costs no more than what had not arrived."""

import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.engine.checkpoint import load
from tests.fakes.hub import NAME, Hub, open_hub
from tests.fakes.tiny import save_tiny

HOUSE = Path(__file__).parents[2]
CHUNK = 10 * 2**20
"""huggingface_hub writes to disk in pieces of this size."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = save_tiny(tmp_path_factory.mktemp("hub"), hidden_size=640, intermediate_size=2048, num_hidden_layers=1)
    (folder / "README.md").write_text("A tiny model.")
    (folder / "figures").mkdir()
    (folder / "figures" / "one.json").write_text("{}")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "pytorch_model.bin").write_bytes(b"the same weights once more")
    return folder


@pytest.fixture
def hub(large):
    with open_hub(large) as hub:
        yield hub


def begin(hub: Hub, where: Path, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(where / "home")}
    command = [sys.executable, "-m", "bot", "model", "pull", NAME]
    environment |= {"PYTHONPATH": str(HOUSE), "LANG": "C.UTF-8", "PARLEY_DATA_DIR": str(where / "var")}
    return subprocess.Popen(command, cwd=where, env=environment, stderr=stderr, text=True)


def pull(hub: Hub, where: Path) -> tuple[int, str]:
    process = begin(hub, where)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def pulled(where: Path) -> Path:
    return where / "var" / "models" / NAME


def starts(hub: Hub) -> list[int]:
    return [start for name, start in hub.asked if name == "model.safetensors"]


def test_a_pull_that_was_killed_goes_on_where_it_stopped_and_the_model_loads(hub, tmp_path):
    hub.stops_at = CHUNK + CHUNK // 2
    process = begin(hub, tmp_path)
    end = time.monotonic() + 60
    while not any(part.stat().st_size >= CHUNK for part in pulled(tmp_path).glob(".*.part")):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not (pulled(tmp_path) / "config.json").exists()  # no one takes the half for a model

    status, said = pull(hub, tmp_path)
    assert status == 0, said
    assert starts(hub) == [0, CHUNK]
    assert f"{NAME} is in" in said
    names = {path.name for path in pulled(tmp_path).iterdir()}
    assert "README.md" in names
    assert not {"figures", "pytorch_model.bin"} & names
    assert load(str(pulled(tmp_path)), device="cpu", dtype="auto", context=64).model.name == "tiny-chat"


def test_a_model_that_is_whole_is_not_fetched_again(hub, tmp_path):
    assert pull(hub, tmp_path)[0] == 0
    asked = len(hub.asked)
    assert pull(hub, tmp_path)[0] == 0
    assert len(hub.asked) == asked


def test_how_an_embedder_makes_a_vector_comes_along_and_is_no_model_of_its_own(hub, tmp_path):
    assert pull(hub, tmp_path)[0] == 0
    assert "cls_token" in (pulled(tmp_path) / "1_Pooling" / "config.json").read_text()
    listed = subprocess.run(
        [sys.executable, "-m", "bot", "model", "list"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(HOUSE), "PARLEY_DATA_DIR": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert NAME in listed
    assert "1_Pooling" not in listed


def test_a_terminal_sees_how_far_each_file_is(hub, tmp_path):
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    process = begin(hub, tmp_path, stderr=end)
    os.close(end)
    said = "".join(read(terminal))
    assert process.wait(timeout=60) == 0
    assert re.search(r"model\.safetensors: +100%", said)


def read(terminal: int) -> Iterator[str]:
    with suppress(OSError), open(terminal, encoding="utf-8") as lines:  # Linux ends it with an error
        yield from lines


def test_what_is_not_what_was_promised_is_thrown_away_and_fetched_again(hub, tmp_path):
    hub.lies = True
    status, said = pull(hub, tmp_path)
    assert status == 1
    assert "could not be fetched" in said
    hub.lies = False
    assert pull(hub, tmp_path)[0] == 0
    assert starts(hub) == [0, 0]
