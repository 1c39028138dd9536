"""Choosing a model changes one line of app.yaml and nothing else."""

import asyncio
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.process import free_port
from bot import config as configuration
from bot import model
from bot.check import examine
from bot.config import Config, HouseSecrets, Settings
from bot.texts import speak
from core.engine import demo_folder
from core.engine.footprint import needs
from core.errors import Misconfigured, NotFound
from tests.fakes.wire import WireServer, running


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Config(Settings(data_dir=tmp_path / "var"), HouseSecrets(), None)


def _put(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_pulled_model_is_found_by_its_name(here):
    assert model.locate(here, "org/some-model") == "org/some-model"
    folder = _put(here.data_dir / "models" / "org" / "some-model")
    assert model.locate(here, "org/some-model") == folder
    assert [name for name, _, _ in model.installed(here)] == ["demo", "org/some-model"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "engine:\n  model: org/m\n"),
        ("log:\n  level: info\n", "log:\n  level: info\nengine:\n  model: org/m\n"),
        ("engine:\n  slots: 4\n", "engine:\n  model: org/m\n  slots: 4\n"),
        ("engine:\n  model: demo    # which one\n  slots: 4\n", "engine:\n  model: org/m    # which one\n  slots: 4\n"),
    ],
)
def test_using_a_model_changes_one_line(here, before, after):
    _put(here.data_dir / "models" / "org" / "m")
    file = Path("app.yaml")
    if before:
        file.write_text(before)
    assert model.use(replace(here, file=file if before else None), "org/m") == file
    assert file.read_text() == after
    assert configuration.load(file).settings.engine.model == "org/m"


def test_a_coder_is_chosen_beside_the_model(here):
    _put(here.data_dir / "models" / "org" / "m")
    file = Path("app.yaml")
    file.write_text('engine:\n  model: demo\n  coder: ""  # a second one\n')
    model.use(replace(here, file=file), "org/m", "coder")
    assert file.read_text() == "engine:\n  model: demo\n  coder: org/m  # a second one\n"
    chosen = Settings(data_dir=here.settings.data_dir, engine={"coder": "org/m"})
    _, demo, coder, _ = model.table(replace(here, settings=chosen))
    assert demo.startswith("*  demo ")
    assert coder.startswith("*  org/m ")


def test_a_folder_with_marks_in_its_name_is_written_so_that_it_is_read_again(here, tmp_path):
    folder = _put(tmp_path / "a model: the # first" / "m")
    file = model.use(here, str(folder))
    assert configuration.load(file).settings.engine.model == str(folder)


def test_a_folder_without_a_model_is_told_to_be_one(here):
    with pytest.raises(NotFound, match="no model in the folder /nonexistent"):
        model.use(here, "/nonexistent")


def test_a_chosen_folder_is_listed_with_the_others(here, tmp_path):
    folder = _put(tmp_path / "elsewhere" / "m")
    chosen = replace(here, settings=Settings(data_dir=here.settings.data_dir, engine={"model": str(folder)}))
    assert [(name, path) for name, path, _ in model.installed(chosen)][1:] == [("m", folder)]


def test_the_commented_file_keeps_its_comments(here):
    _put(here.data_dir / "models" / "org" / "m")
    original = (Path(configuration.__file__).parents[1] / "app.yaml").read_text(encoding="utf-8")
    Path("app.yaml").write_text(original, encoding="utf-8")
    model.use(replace(here, file=Path("app.yaml")), "org/m")
    changed = Path("app.yaml").read_text(encoding="utf-8").splitlines()
    assert [(a, b) for a, b in zip(original.splitlines(), changed, strict=True) if a != b] != []
    assert sum(a != b for a, b in zip(original.splitlines(), changed, strict=True)) == 1


def test_a_folder_may_be_named(here, tmp_path):
    folder = _put(tmp_path / "mine")
    model.use(here, "mine")
    assert configuration.load().settings.engine.model == str(folder)


def test_what_is_not_here_is_told_with_the_remedy(here):
    with pytest.raises(NotFound, match="parley model pull org/absent"):
        model.use(here, "org/absent")


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "", "a b", "a;b"])
def test_a_name_that_is_none_is_refused_before_anything_is_fetched(here, name):
    with pytest.raises(Misconfigured):
        model.pull(here, name)


def test_a_hub_that_cannot_be_reached_is_told(here):
    with pytest.raises(NotFound, match="run the command again"):
        model.pull(here, "org/absent")


def test_the_list_marks_the_model_that_answers_and_says_what_each_needs(here):
    _put(here.data_dir / "models" / "org" / "some-model")
    heads, demo, other, free = model.table(here)
    assert heads.split() == ["model", "on", "disk", "memory", "with", "nf4", "folder"]
    assert demo.startswith("*  demo ")
    assert demo.split()[2:7] == ["6", "MB", "39", "MB", "–"]  # it is too small to be worth rounding
    assert other.startswith("   org/some-model ")
    assert other.count("–") == 2  # nothing is known of it
    assert f"one conversation of {here.settings.engine.context} tokens" in free


def test_the_list_is_as_straight_in_chinese(here):
    speak("zh")
    try:
        heads, demo, *_ = model.table(here)
    finally:
        speak("en")
    before = heads[: heads.index("文件夹")]
    assert cell_len(before) == demo.index(str(demo_folder()))


async def checked(config: Config) -> tuple[int, str]:
    said = StringIO()
    status = await examine(config, Console(file=said, width=200), production=False)
    return status, said.getvalue()


async def test_the_check_asks_the_servers(here):
    urls = {"urls": [f"http://127.0.0.1:{free_port()}/v1"], "model": "a-model"}
    spare = replace(here, settings=Settings(data_dir=here.data_dir, remote=urls))
    first = replace(here, settings=Settings(data_dir=here.data_dir, engine={"backend": "remote"}, remote=urls))
    (_, as_spare), (status, as_first) = await asyncio.gather(checked(spare), checked(first))
    assert re.search(r"• +model servers +No model server answered at http", as_spare)
    assert re.search(r"✗ +model servers +No model server answered at http", as_first)
    assert status == 1
    async with running(WireServer()) as server:
        there = Settings(data_dir=here.data_dir, engine={"backend": "remote"}, remote={"urls": [server.url]})
        _, text = await checked(replace(here, settings=there))
    assert f"✓ model servers {server.url} answers as a-model" in re.sub(" +", " ", text)


async def test_the_check_says_what_the_model_needs(here, tmp_path):
    chosen = replace(here, settings=Settings(data_dir=tmp_path / "var", engine={"model": str(demo_folder())}))
    said = StringIO()
    await examine(chosen, Console(file=said, width=200), production=False)
    assert re.search(r"6 MB on disk, needs \d+ MB of memory", said.getvalue())


def _put_large(folder: Path) -> Path:
    """A model whose weights take a gigabyte in 16 bits."""
    folder.mkdir()
    config = {"vocab_size": 64, "hidden_size": 1024, "num_hidden_layers": 1, "num_attention_heads": 8}
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64, "dtype": "bfloat16"}))
    with (folder / "pytorch_model.bin").open("wb") as file:
        file.truncate(2**30)
    return folder


@pytest.mark.parametrize("quantisation", ["none", "int8", "nf4"])
async def test_a_model_is_judged_as_it_will_lie_in_memory(here, tmp_path, monkeypatch, quantisation):
    folder = _put_large(tmp_path / "large")
    need = needs(folder, 8192)
    chosen = replace(here, settings=Settings(engine={"model": str(folder), "quantisation": quantisation}))
    monkeypatch.setattr("bot.check.free_memory", lambda: need[quantisation])
    assert re.search(r"✓ +model +\S+large", (await checked(chosen))[1])
    monkeypatch.setattr("bot.check.free_memory", lambda: need[quantisation] - 1)
    assert re.search(r"• +model +\S+large", (await checked(chosen))[1])


async def test_two_models_are_judged_together(here, tmp_path, monkeypatch):
    folder = _put_large(tmp_path / "large")
    need = needs(folder, 8192)["none"]
    chosen = replace(here, settings=Settings(engine={"model": str(folder), "coder": str(folder)}))
    monkeypatch.setattr("bot.check.free_memory", lambda: 2 * need)
    assert re.search(r"✓ +both models +together they need 2\.\d GB", (await checked(chosen))[1])
    monkeypatch.setattr("bot.check.free_memory", lambda: 2 * need - 1)
    _, text = await checked(chosen)
    assert re.search(r"✓ +model .*✓ +coder model .*• +both models ", text, re.DOTALL)
