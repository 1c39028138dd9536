"""The WeCom channel in the household: what keeps its doors shut, its package, and what is said without WeCom."""

import io
import sys

import pytest
from rich.console import Console

import bot.wecom  # noqa: F401 - so that what a test takes away is put back
from bot import config
from bot.app import _wecom_doors
from bot.check import examine
from core.errors import Misconfigured
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

KEY = "canary0123456789abcdefghijklmnopqrstuvwxyzA"
BOT_ON, BOT_ID = {"PARLEY_WECOM__BOT__ENABLED": "true"}, {"PARLEY_WECOM__BOT__ID": "aibTESTbot"}
BOT_SECRET = {"PARLEY_WECOM_BOT_SECRET": "secret-canary"}
BOT_TOKEN, BOT_KEY = {"PARLEY_WECOM_BOT_TOKEN": "token-canary"}, {"PARLEY_WECOM_BOT_AES_KEY": KEY}
APP_ON = {"PARLEY_WECOM__APP__ENABLED": "true"}
APP_IDS = {"PARLEY_WECOM__APP__CORP_ID": "ww00000000000000aa", "PARLEY_WECOM__APP__AGENT_ID": "1000002"}
APP_SECRET, APP_TOKEN = {"PARLEY_WECOM_APP_SECRET": "secret-canary"}, {"PARLEY_WECOM_APP_TOKEN": "token-canary"}
APP_KEY = {"PARLEY_WECOM_APP_AES_KEY": KEY}
APP_SECRETS = APP_SECRET | APP_TOKEN | APP_KEY
SOCKET = BOT_ON | BOT_ID | BOT_SECRET
CALLBACK = BOT_ON | BOT_ID | BOT_TOKEN | BOT_KEY
APP = APP_ON | APP_IDS | APP_SECRETS


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
        (BOT_ON | BOT_SECRET, "wecom.bot.id is not set"),
        (BOT_ON | BOT_ID, "neither PARLEY_WECOM_BOT_SECRET"),
        (BOT_ON | BOT_ID | BOT_TOKEN, "neither PARLEY_WECOM_BOT_SECRET"),
        (BOT_ON | BOT_ID | BOT_KEY, "neither PARLEY_WECOM_BOT_SECRET"),
        (CALLBACK | {"PARLEY_WECOM_BOT_AES_KEY": KEY[:-1]}, "PARLEY_WECOM_BOT_AES_KEY is not an EncodingAESKey"),
        (APP_ON | APP_SECRETS, "wecom.app.corp_id or wecom.app.agent_id is not set"),
        (APP | {"PARLEY_WECOM__APP__AGENT_ID": "0"}, "wecom.app.corp_id or wecom.app.agent_id is not set"),
        (APP_ON | APP_IDS | APP_TOKEN | APP_KEY, "PARLEY_WECOM_APP_SECRET, PARLEY_WECOM_APP_TOKEN"),
        (APP_ON | APP_IDS | APP_SECRET | APP_KEY, "PARLEY_WECOM_APP_SECRET, PARLEY_WECOM_APP_TOKEN"),
        (APP_ON | APP_IDS | APP_SECRET | APP_TOKEN, "PARLEY_WECOM_APP_SECRET, PARLEY_WECOM_APP_TOKEN"),
        (APP | {"PARLEY_WECOM_APP_AES_KEY": f"{KEY[:-1]}!"}, "PARLEY_WECOM_APP_AES_KEY is not an EncodingAESKey"),
        (SOCKET | {"PARLEY_WECOM__BOT__SOCKET_URL": "https://example.com"}, "must be a ws:// or wss:// address"),
        (APP | {"PARLEY_WECOM__APP__API_URL": "qyapi.example.com"}, "must be a web address"),
        (SOCKET | {"PARLEY_WECOM__BOT__SOCKET_URL": "ws://bot.example.com"}, "for a secret is sent there"),
        (APP | {"PARLEY_WECOM__APP__API_URL": "http://qyapi.example.com"}, "for a secret is sent there"),
        (APP | {"PARLEY_WECOM__PUBLIC_URL": "https://p.example.com/channels/wecom"}, "alone: https://p.example.com"),
    ],
)
def test_what_keeps_a_door_shut_is_said_with_its_remedy_and_without_a_secret(environment, given, remedy):
    environment(given)
    with pytest.raises(Misconfigured, match=remedy) as refused:
        config.load()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("given", [SOCKET, CALLBACK, APP, SOCKET | APP, SOCKET | BOT_TOKEN | {
    "PARLEY_WECOM_BOT_AES_KEY": "none-of-theirs"
}])  # fmt: skip
def test_what_is_complete_is_taken_and_shown_to_nobody(environment, given):
    environment(given)
    loaded = config.load()
    assert loaded.settings.wecom.bot.enabled or loaded.settings.wecom.app.enabled
    assert "canary" not in repr(loaded)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, []),
        (SOCKET, [("wecom", "SocketBot")]),
        (CALLBACK, [("wecom", "CallbackBot")]),
        (CALLBACK | BOT_SECRET, [("wecom", "SocketBot")]),
        (APP, [("wecom-app", "App")]),
        (CALLBACK | APP, [("wecom", "CallbackBot"), ("wecom-app", "App")]),
    ],
)
async def test_what_is_set_decides_which_doors_there_are(environment, given, names):
    environment(given)
    doors = _wecom_doors(config.load(), MemoryStore(), Numbers())
    assert [(door.name, type(door).__name__) for door in doors] == names
    for door in doors:
        await door.close()


# ---------------------------------------------------------------------------------------------------------- the check


async def checked() -> tuple[int, str]:
    page = io.StringIO()
    return await examine(config.load(must_do=False), Console(file=page, width=500), production=False), page.getvalue()


async def test_a_channel_that_is_off_is_a_hint_with_the_guide(environment):
    environment({})
    status, page = await checked()
    assert status == 0
    assert "docs/wecom.md" in page


async def test_an_id_that_is_missing_is_said_once(environment):
    environment(BOT_ON | BOT_SECRET)
    status, page = await checked()
    assert status == 1
    assert page.count("wecom.bot.id") == 1
    assert "1 thing needs attention" in page


async def test_an_app_without_its_secrets_is_not_asked_for_at_wecom(environment):
    environment(APP_ON | APP_IDS | {"PARLEY_WECOM__APP__API_URL": "http://127.0.0.1:9"})
    status, page = await checked()
    assert status == 1
    assert "PARLEY_WECOM_APP_SECRET" in page
    assert "1 thing needs attention" in page


@pytest.mark.parametrize("given", [SOCKET, APP])
async def test_the_rules_of_both_doors_are_known_ones(environment, given):
    environment(given | {"PARLEY_ACCESS": '{"wecom": {"admins": ["anna"]}, "wecom-app": {"admins": ["anna"]}}'})
    environment({"PARLEY_WECOM__APP__API_URL": "http://127.0.0.1:9"})
    assert "there is no such channel" not in (await checked())[1]


def not_found(monkeypatch, module):
    """The channel is imported anew, and this module is not there."""
    gone = ("bot.wecom", "adapters.wecom", module)
    for name in [name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in gone)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("given", [SOCKET, APP])
async def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(environment, monkeypatch, given):
    not_found(monkeypatch, "defusedxml")
    environment(given)
    status, page = await checked()
    assert status == 1
    assert "-e '.[wecom]'" in page
    with pytest.raises(Misconfigured, match=r"-e '\.\[wecom\]'"):
        _wecom_doors(config.load(), MemoryStore(), Numbers())


async def test_a_module_that_is_missing_by_mistake_is_not_taken_for_the_package(environment, monkeypatch):
    not_found(monkeypatch, "adapters.wecom.verify")
    environment(SOCKET)
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.wecom\.verify"):
        await checked()
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.wecom\.verify"):
        _wecom_doors(config.load(), MemoryStore(), Numbers())
