"""The Teams channel in the household: what keeps it from opening, its package, and what is said without Microsoft."""

import io
import json
import sys
from zipfile import ZipFile

import pytest
from rich.console import Console
from typer.testing import CliRunner

import bot.teams  # noqa: F401 - so that what a test takes away is put back
from bot import config
from bot.__main__ import app
from bot.app import _teams_door
from bot.check import examine
from core.errors import Misconfigured
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

TENANT = "11111111-1111-4111-8111-111111111111"
APP = "22222222-2222-4222-8222-222222222222"
ON = {"PARLEY_TEAMS__ENABLED": "true"}
BOT = {"PARLEY_TEAMS__APP_ID": APP}
HOME = {"PARLEY_TEAMS__TENANT_ID": TENANT}
PASSWORD = {"PARLEY_TEAMS_APP_PASSWORD": "password-canary"}
URL = {"PARLEY_TEAMS__PUBLIC_URL": "https://parley.example.com/"}
DEV = {"PARLEY_TEAMS__DEV": "true"}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets these variables, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def given(values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return given


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (ON, "docs/teams.md has every step"),
        (ON | PASSWORD, "teams.app_id"),
        (ON | BOT | PASSWORD, "teams.tenant_id"),
        (ON | DEV | {"PARLEY_SERVER__HOST": "0.0.0.0"}, "must be 127.0.0.1"),
        (ON | PASSWORD | {"PARLEY_TEAMS__APP_ID": "parley"}, "as the Azure portal shows it"),
    ],
)
def test_what_keeps_the_door_shut_is_said_with_its_remedy_and_without_a_secret(environment, given, remedy):
    environment({"PARLEY_CONSOLE__TOKENS": json.dumps({"ada": "0" * 64})} | given)
    with pytest.raises(Misconfigured, match=remedy) as refused:
        config.load()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("given", [ON | BOT | HOME | PASSWORD, ON | BOT | HOME, ON | DEV])
def test_what_is_complete_is_taken_and_shown_to_nobody(environment, given):
    environment(given)
    loaded = config.load()
    assert loaded.settings.teams.enabled
    assert "canary" not in repr(loaded)


# -------------------------------------------------------------------------------------------------------- the package


def packed(*options):
    return CliRunner().invoke(app, ["teams", "package", *options])


def manifest(file):
    with ZipFile(file) as zipped:
        return json.loads(zipped.read("manifest.json"))


def test_the_package_names_our_bot_and_our_address_and_the_command_says_where_it_is(environment, tmp_path):
    environment(BOT | URL)
    done = packed()
    assert done.exit_code == 0
    assert str(tmp_path / "parley-teams.zip") in done.output
    assert "Upload an app" in done.output
    told = manifest(tmp_path / "parley-teams.zip")
    assert told["bots"][0]["botId"] == APP
    assert told["developer"]["websiteUrl"] == "https://parley.example.com"


def test_it_is_written_where_one_says_and_a_second_time_too(environment, tmp_path):
    environment(BOT | URL)
    assert [packed("--out", str(tmp_path / "app.zip")).exit_code for _ in range(2)] == [0, 0]
    assert manifest(tmp_path / "app.zip")["id"] == APP


@pytest.mark.parametrize(("locale", "language"), [("zh_CN.UTF-8", "zh"), ("en_GB.UTF-8", "en")])
def test_the_app_describes_itself_in_the_operators_language(environment, tmp_path, locale, language):
    environment(BOT | URL | {"LC_ALL": locale})
    assert packed().exit_code == 0
    assert manifest(tmp_path / "parley-teams.zip")["localizationInfo"]["defaultLanguageTag"] == language


@pytest.mark.parametrize(
    ("given", "options", "remedy"),
    [
        (URL | ON, [], "teams.app_id is not set"),
        (BOT | ON, [], "teams.public_url is not set"),
        (BOT | URL, ["--out", "no/such/folder/app.zip"], "--out"),
    ],
)
def test_a_package_that_cannot_be_made_is_refused_with_what_to_do(environment, given, options, remedy):
    environment(given)
    refused = packed(*options)
    assert refused.exit_code == 1
    assert remedy in refused.output


# ---------------------------------------------------------------------------------------------------------- the check


async def checked() -> tuple[int, str]:
    page = io.StringIO()
    return await examine(config.load(must_do=False), Console(file=page, width=500), production=False), page.getvalue()


async def test_a_channel_that_is_off_is_a_hint_with_the_guide(environment):
    environment({})
    status, page = await checked()
    assert status == 0
    assert "docs/teams.md" in page
    assert "no teams channel" not in page


async def test_for_the_playground_nothing_is_missing_and_nobody_is_verified(environment):
    environment(ON | DEV)
    status, page = await checked()
    assert status == 0
    assert "nobody is verified" in page


async def test_an_id_that_is_missing_is_said_once(environment):
    environment(ON | PASSWORD)
    status, page = await checked()
    assert status == 1
    assert page.count("teams.app_id") == 1


def not_found(monkeypatch, module):
    """The channel is imported anew, and this module is not there."""
    gone = ("bot.teams", "adapters.teams", module)
    for name in [name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in gone)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


async def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(environment, monkeypatch):
    not_found(monkeypatch, "botframework.connector.auth")
    environment(ON | BOT | HOME | PASSWORD | URL)
    status, page = await checked()
    assert status == 1
    assert "-e '.[teams]'" in page
    assert "-e '.[teams]'" in packed().output
    with pytest.raises(Misconfigured, match=r"-e '\.\[teams\]'"):
        _teams_door(config.load(), MemoryStore(), Numbers())


async def test_a_module_that_is_missing_by_mistake_is_not_taken_for_the_package(environment, monkeypatch):
    not_found(monkeypatch, "adapters.teams.verify")
    environment(ON | BOT | HOME | PASSWORD)
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.teams\.verify"):
        await checked()
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.teams\.verify"):
        _teams_door(config.load(), MemoryStore(), Numbers())
