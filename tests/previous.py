"""The release before this one, out of the history: its code in a folder of its own, and processes that run it."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.process import ServerProcess
from core.store import schema

ROOT = Path(__file__).resolve().parents[1]


@cache
def _unpacked() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="parley-previous-")


@cache
def code() -> Path:
    """A folder with its files. Skips where the history is not there: a shallow clone, or files without a repository."""
    commit, _ = schema.previous()
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    try:
        archive = subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        pytest.skip("there is no git here to take the previous release out of the history with")
    except subprocess.CalledProcessError:
        pytest.skip(f"the previous release, commit {commit[:7]}, is not in the history that is here")
    folder = Path(_unpacked().name)
    folder.chmod(0o755)
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class PreviousServer(ServerProcess):
    """The previous release's own `python -m bench.server`, in its own folder, with its own settings file."""

    def __init__(self, folder: Path, arguments: Sequence[str], settings: dict[str, str]) -> None:
        super().__init__(folder, "bench.server", arguments, settings | {"PYTHONPATH": str(code())})


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Its own Python with its own code; nothing of this release's is on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "DATABASE_URL"))}
    environment = kept | {"PYTHONPATH": str(code())} | settings
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=code(), env=environment)
