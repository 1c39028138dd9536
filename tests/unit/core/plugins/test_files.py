"""Where plugins are found, and what is not loaded."""

import sys
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from core.errors import Misconfigured
from core.plugins.files import GROUP, Kind, Origin, found, installed

DICE = '''
from __future__ import annotations
from dataclasses import dataclass
from core.plugin import plugin

@dataclass
class Die:
    sides: int = 6

@plugin()
async def dice() -> str:
    """Throws a die."""
    return str(Die().sides)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


def write(path: Path, text: str = DICE) -> Path:
    path.write_text(text)
    return path


def only(origins: tuple[Origin, ...]) -> Origin:
    (origin,) = origins
    return origin


def content(origin: Origin) -> Any:
    return origin.load()


def test_a_file_in_a_folder_is_found_and_loaded(folder):
    path = write(folder / "dice.py")
    origin = only(found([folder]))
    assert (origin.kind, origin.name, str(origin)) == (Kind.FOLDER, "dice", str(path))
    assert content(origin).dice.name == "dice"


def test_finding_runs_nothing(folder):
    write(folder / "bad.py", "raise SystemExit")
    assert only(found([folder])).name == "bad"


def test_helpers_and_what_is_no_python_are_no_plugins(folder):
    write(folder / "_helper.py")
    write(folder / "readme.md")
    (folder / "data").mkdir()
    assert found([folder]) == ()


def test_files_of_one_name_in_two_folders_are_two_modules(folder, tmp_path):
    (tmp_path / "more").mkdir()
    write(folder / "dice.py")
    write(tmp_path / "more" / "dice.py", DICE.replace("6", "20"))
    one, two = (content(origin) for origin in found([folder, tmp_path / "more"]))
    assert (one.Die().sides, two.Die().sides) == (6, 20)
    assert one.__name__ != two.__name__


def test_a_file_named_like_a_module_hides_it_from_nobody(folder):
    write(folder / "json.py", "words = 1")
    assert content(only(found([folder]))).words == 1
    assert not hasattr(import_module("json"), "words")


def test_a_file_that_failed_is_no_module(folder):
    write(folder / "bad.py", "raise SystemExit")
    with pytest.raises(SystemExit):
        only(found([folder])).load()
    assert not [name for name in sys.modules if name.startswith("parley_plugin_bad")]


def test_nothing_compiled_is_left_or_read(folder):
    write(folder / "dice.py")
    only(found([folder])).load()
    assert [path.name for path in folder.iterdir()] == ["dice.py"]


def test_a_folder_that_everybody_may_write_to_is_refused(folder):
    write(folder / "dice.py")
    folder.chmod(0o777)
    origin = only(found([folder]))
    assert str(origin) == str(folder)
    with pytest.raises(Misconfigured, match="everybody may write"):
        origin.load()


def test_a_file_that_everybody_may_write_to_is_refused_alone(folder):
    write(folder / "dice.py").chmod(0o666)
    write(folder / "fine.py")
    dice, fine = found([folder])
    with pytest.raises(Misconfigured, match=r"dice\.py"):
        dice.load()
    assert fine.load()


def test_what_cannot_be_read_is_found_and_says_so(folder, tmp_path):
    (folder / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (folder / "heap.py").mkdir()
    write(folder / "words.py", "no python at all")
    gone, heap, words, missing = found([folder, tmp_path / "missing"])
    for origin, error in ((gone, FileNotFoundError), (heap, OSError), (words, SyntaxError), (missing, OSError)):
        with pytest.raises(error):
            origin.load()


def test_a_package_holds_the_built_in_ones(folder, monkeypatch):
    package = folder / "parley_test_house"
    (package / "_private").mkdir(parents=True)
    write(package / "__init__.py", "")
    write(package / "_private" / "__init__.py", "SIDES = 12")
    write(package / "dice.py", f"{DICE}\nfrom parley_test_house._private import SIDES")
    monkeypatch.syspath_prepend(folder)
    origin = only(found([import_module("parley_test_house")]))
    assert (origin.kind, origin.name, str(origin)) == (Kind.BUILTIN, "dice", "parley_test_house.dice")
    assert content(origin).SIDES == 12


def test_installed_packages_bring_plugins(folder, monkeypatch):
    info = folder / "invented-0.1.dist-info"
    info.mkdir()
    write(info / "METADATA", "Metadata-Version: 2.1\nName: invented\nVersion: 0.1\n")
    write(info / "entry_points.txt", f"[{GROUP}]\ndie = invented_dice:dice\n")
    write(folder / "invented_dice.py")
    monkeypatch.syspath_prepend(folder)
    assert [one.metadata["Name"] for one in distributions(path=[str(folder)])] == ["invented"]
    origin = only(found([], installed()))
    assert (origin.kind, origin.name, str(origin)) == (Kind.PACKAGE, "die", "invented 0.1, invented_dice:dice")
    assert content(origin).name == "dice"
