"""Which files of a model are fetched, and what is believed of what a hub says."""

import shutil
from collections import namedtuple
from types import SimpleNamespace

import pytest

from bot import hub
from bot.hub import Damaged, File
from core.errors import Misconfigured


def files(*names: str) -> list[File]:
    return [File(name, size, "a" * 40) for size, name in enumerate(names, start=1)]


def wanted(*names: str) -> list[str]:
    return [file.name for file in hub._wanted(files(*names))]


def test_what_loading_needs_is_fetched_and_config_comes_last():
    names = ("config.json", "tokenizer.json", "chat_template.jinja", "LICENSE", "a.png", "sub/b.json", "w.safetensors")
    assert wanted(*names) == ["tokenizer.json", "chat_template.jinja", "LICENSE", "w.safetensors", "config.json"]


def test_pickles_are_fetched_only_where_there_is_nothing_safer():
    pickles = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")
    assert wanted(*pickles) == list(pickles)
    assert wanted(*pickles, "model.safetensors") == ["model.safetensors"]


def test_a_file_is_known_by_the_hash_of_what_it_holds():
    large = SimpleNamespace(rfilename="a", size=1, blob_id="c" * 40, lfs=SimpleNamespace(sha256="b" * 64))
    small = SimpleNamespace(rfilename="a", size=1, blob_id="c" * 40, lfs=None)
    assert hub._file(large) == File("a", 1, "b" * 64, "b" * 64)
    assert hub._file(small) == File("a", 1, "c" * 40)


@pytest.mark.parametrize("identity", ["", "../../etc/passwd", "c" * 39, None])
def test_a_hash_that_is_none_is_not_believed(identity):
    with pytest.raises(Damaged):
        hub._file(SimpleNamespace(rfilename="a", size=1, blob_id=identity, lfs=None))


def test_a_disk_without_room_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9))
    part = File("w.safetensors", 3 * 10**9, "d" * 64)
    with pytest.raises(Misconfigured, match=r"3\.0 GB more on disk, and 1\.0 GB"):
        hub._check_room("org/m", [part], tmp_path)
    with hub._part(part, tmp_path).open("wb") as opened:
        opened.truncate(2 * 10**9)  # what an earlier try left needs no more room
    hub._check_room("org/m", [part], tmp_path)
