"""How peers from npm get here: once, from the lock file alone, and never a half of one."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.process import free_port
from tests.emulate import PEER
from tests.peers import npm


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "peers"


def with_lock(peer: Path, change) -> Path:
    """A peer with this change to its lock file."""
    shutil.copytree(PEER, peer)
    lock = json.loads((peer / "package-lock.json").read_text())
    change(lock["packages"])
    (peer / "package-lock.json").write_text(json.dumps(lock))
    return peer


def test_two_that_ask_at_once_install_once(kept, monkeypatch):
    folders: list[Path] = []
    monkeypatch.setattr(npm, "_clean_install", lambda folder, settings: folders.append(folder))
    with ThreadPoolExecutor() as pool:
        homes = set(pool.map(lambda _: npm.installed(PEER, kept), range(4)))
    assert len(folders) == len(homes) == 1
    assert homes.pop().is_dir()


def test_another_lock_file_is_another_installation(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "_clean_install", lambda folder, settings: None)
    changed = with_lock(tmp_path / "emulate", lambda packages: packages.pop("node_modules/yaml"))
    assert npm.installed(PEER, kept) != npm.installed(changed, kept)


def test_a_registry_that_cannot_be_reached_is_named_as_the_cause_and_leaves_nothing(kept):
    settings = {"npm_config_registry": f"http://127.0.0.1:{free_port()}/"}
    with pytest.raises(npm.Unreachable, match="ECONNREFUSED"):
        npm.installed(PEER, kept, settings)
    assert [path.name for path in kept.iterdir()] == [".lock"]


@pytest.mark.peers
def test_a_package_that_is_not_the_one_of_the_lock_file_is_refused_and_leaves_nothing(kept, tmp_path):
    changed = with_lock(
        tmp_path / "emulate",
        lambda packages: packages["node_modules/yaml"].update(integrity=packages["node_modules/emulate"]["integrity"]),
    )
    try:
        with pytest.raises(RuntimeError, match="EINTEGRITY"):
            npm.installed(changed, kept)
    except npm.Unreachable as error:
        pytest.skip(f"NO PACKAGE to refuse. {error}")
    assert [path.name for path in kept.iterdir()] == [".lock"]


def test_lock_files_pin_every_package_by_its_hash_and_name_no_registry():
    for lock in Path(npm.__file__).parent.glob("*/package-lock.json"):
        _, *packages = json.loads(lock.read_text())["packages"].values()
        assert packages
        assert all(package["integrity"].startswith("sha512-") for package in packages)
        assert not [package for package in packages if "resolved" in package]
