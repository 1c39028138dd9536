"""Plugins as they are set: which are used, what each is told, and what the operator reads of them."""

import io
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from rich.console import Console

from bot import config as configuration
from bot.check import examine
from bot.plugin import Desk, listed, open_plugins
from bot.texts import say
from core.errors import Misconfigured
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

OWN = '''
from core.plugin import *


@plugin(slash="own", about={"en": "mine", "zh": "我的"})
async def own(asked: Asked) -> str:
    """Tells what it was told."""
    return f"{asked.settings} {asked.secrets}"
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "mine/broken.py").write_text("1 / 0\n", encoding="utf-8")
    return tmp_path


def settings(folder: Path, text: str) -> configuration.Config:
    (folder / "app.yaml").write_text(text, encoding="utf-8")
    return configuration.load()


async def test_the_operator_sees_every_plugin_and_why_one_does_not_work(folder):
    config = settings(folder, "plugins: {folders: [mine], disabled: [time], admins: [own], confirm: [calculator]}")
    lines = await listed(config)
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert {"calculator", "help", "own", "broken", "time", "weather", "mcp"} <= told.keys()
    assert say("plugin_confirms") in told["calculator"]
    assert say("plugin_admins") in told["own"]
    assert "mine/own.py" in told["own"]
    assert "ZeroDivisionError" in told["broken"]
    assert told["time"] == say("plugin_off")
    assert told["weather"] == say("plugin_unset", guide="docs/plugins.md")


async def test_a_fault_is_told_by_the_table_and_not_by_the_log_as_well(folder, caplog):
    lines = await listed(settings(folder, "plugins: {folders: [mine]}"))
    assert sum("ZeroDivisionError" in line for line in lines) == 1
    assert "broken" not in caplog.text


async def test_the_notes_of_a_plugin_are_parted_as_its_reader_is_used_to(folder, monkeypatch):
    config = settings(folder, "plugins: {confirm: [calculator]}")
    assert any("asks first; " in line for line in await listed(config))
    monkeypatch.setattr("bot.texts._speaking", "zh")
    assert any("需确认；计算" in line for line in await listed(config))


@pytest.mark.parametrize(
    ("text", "setting", "name", "remedy"),
    [
        ("disabled: [calculater]", "plugins.disabled", "calculater", "Did you mean `calculator`?"),
        ("confirm: [calculater]", "plugins.confirm", "calculater", "Did you mean `calculator`?"),
        ("admins: [xyz]", "plugins.admins", "xyz", "`parley plugin list`"),
        ("settings: {wether: {key: x}}", "plugins.settings", "wether", "Did you mean `weather`?"),
        ("enabled: true", "PARLEY_PLUGIN_SECRETS", "tyme", "Did you mean `time`?"),
    ],
)
async def test_a_name_that_no_plugin_has_is_told_of_at_the_start_and_in_the_check(
    folder, monkeypatch, caplog, text, setting, name, remedy
):
    if setting == "PARLEY_PLUGIN_SECRETS":
        monkeypatch.setenv(setting, '{"tyme": {"key": "k-1"}, "mcp": {"desk": "k-2"}}')
    config = settings(folder, f"plugins: {{{text}}}")
    sentence = say("plugin_stranger", setting=setting, name=name, remedy=remedy)[:-1]
    async with AsyncExitStack() as stack:
        await open_plugins(config, MemoryStore(), Numbers(), stack)
    assert sum(sentence in record.getMessage() for record in caplog.records) == 1
    assert any(sentence in line for line in await listed(config))
    written = io.StringIO()
    await examine(config, Console(file=written, width=300), production=False)
    assert sentence in written.getvalue()
    assert "k-1" not in caplog.text + written.getvalue()


async def test_what_is_switched_off_and_what_a_server_may_offer_later_are_no_misspellings(folder):
    servers = "mcp: {wait: 1, servers: {desk: {command: /no/such/program, allow: [a]}}}"
    text = (
        f"plugins: {{folders: [mine], disabled: [own, time, broken, desk_a], settings: {{own: {{x: 1}}}}, {servers}}}"
    )
    lines = await listed(settings(folder, text))
    assert not any("no plugin of that name" in line for line in lines)
    assert any(line.startswith("desk ") and line.endswith(say("plugin_no_tools")) for line in lines)


async def test_plugins_can_be_turned_off_altogether(folder):
    config = settings(folder, "plugins: {enabled: false}")
    assert await listed(config) == [say("plugin_none")]
    async with AsyncExitStack() as stack:
        assert await open_plugins(config, MemoryStore(), Numbers(), stack) == ((), None)


async def test_each_plugin_is_told_its_own_and_nobody_elses(folder, monkeypatch):
    monkeypatch.setenv("PARLEY_PLUGIN_SECRETS", '{"own": {"key": "k-1"}, "weather": {"key": "k-2"}}')
    config = settings(folder, "plugins: {settings: {own: {colour: red}}, weather: {url: 'https://w.example'}}")
    desk = Desk(config)
    assert (desk.setup("own").settings, desk.setup("own").secrets) == ({"colour": "red"}, {"key": "k-1"})
    assert desk.setup("weather").settings["url"] == "https://w.example"
    assert desk.setup("weather").secrets == {"key": "k-2"}
    assert (desk.setup("else").settings, desk.setup("else").secrets) == ({}, {})
    assert "k-1" not in repr(desk.setup("own"))
    await desk.http.close()


@pytest.mark.parametrize("secrets", ["k-1", '["k-1"]', '{"own": "k-1"}', '{"own": {"key": 1}}'])
async def test_secrets_that_cannot_be_read_are_told_of_and_not_quoted(folder, monkeypatch, secrets):
    monkeypatch.setenv("PARLEY_PLUGIN_SECRETS", secrets)
    with pytest.raises(Misconfigured) as told:
        Desk(settings(folder, ""))
    assert "PARLEY_PLUGIN_SECRETS" in str(told.value)
    assert "k-1" not in str(told.value)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("{allow: [a]}", "`command`"),
        ("{command: x, url: 'https://x.example', allow: [a]}", "`command`"),
        ("{command: x}", "desk.allow` names no tool"),
        ("{command: x, allow: []}", "desk.allow` names no tool"),
        ("{url: 'http://x.example', allow: [a]}", "must begin with https://, for"),
        ("{url: 'https://u:p@x.example', allow: [a]}", "x.example"),
        ("{command: x, allow: [a], alow: [b]}", "`allow`"),
    ],
)
def test_an_mcp_server_that_is_set_up_wrong_is_told_of_where_it_stands(folder, server, problem):
    with pytest.raises(Misconfigured) as told:
        settings(folder, f"plugins:\n  mcp:\n    servers:\n      desk: {server}\n")
    assert "app.yaml:4" in str(told.value)
    assert problem in str(told.value)
    assert ":p@" not in str(told.value)


@pytest.mark.parametrize("name", ["My Server", "2nd", "a" * 33])
def test_a_server_whose_name_cannot_begin_a_tools_is_told_of(folder, name):
    with pytest.raises(Misconfigured) as told:
        settings(folder, f"plugins:\n  mcp:\n    servers:\n      {name}: {{command: x, allow: [a]}}\n")
    assert "app.yaml:3" in str(told.value)
    assert f"{name!r}: a name here is a small letter" in str(told.value)


@pytest.mark.parametrize("host", ["https://a.example/x", "a.example:0", "*.example"])
def test_a_private_host_that_is_none_is_told_of_where_it_stands(folder, host):
    with pytest.raises(Misconfigured) as told:
        settings(folder, f"plugins:\n  private_hosts: ['{host}']\n")
    assert "app.yaml:2" in str(told.value)
    assert "host" in str(told.value)


def test_hosts_of_every_form_may_be_private(folder):
    text = "plugins: {private_hosts: [a.example, .b.example, 'c.example:8443', '::1', '[::1]:80']}"
    assert len(settings(folder, text).settings.plugins.private_hosts) == 5


def test_all_tools_of_a_server_may_be_meant_by_a_star(folder):
    config = settings(folder, "plugins: {mcp: {servers: {desk: {command: x, allow: '*'}}}}")
    assert config.settings.plugins.mcp.servers["desk"].allow == ("*",)


async def test_the_check_names_what_is_left_out(folder):
    config = settings(folder, "plugins: {folders: [mine]}\nmoderation: {rules: [none]}")
    written = io.StringIO()
    await examine(config, Console(file=written, width=200), production=False)
    report = written.getvalue()
    assert "calculator, help, time, own" in report
    assert "broken: it could not be loaded: ZeroDivisionError" in report
    assert any("moderation" in line and "none" in line for line in report.splitlines())
