"""The Slack channel in the household: what keeps it from opening, its manifest, and what `parley check` says of it."""

import io
import json
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

import bot.slack  # noqa: F401 - so that what a test takes away is put back
from bench.platforms.slack import Platform
from bot import config
from bot.__main__ import app
from bot.app import _slack_door
from bot.check import examine
from core.errors import Misconfigured
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

ON = {"PARLEY_SLACK__ENABLED": "true"}
SIGNED = ON | {"PARLEY_SLACK_SIGNING_SECRET": "signing-canary"}
BOT = {"PARLEY_SLACK_BOT_TOKEN": "xoxb-canary"}
CLIENT = {"PARLEY_SLACK__CLIENT_ID": "1.2", "PARLEY_SLACK_CLIENT_SECRET": "client-canary"}
URL = {"PARLEY_SLACK__PUBLIC_URL": "https://parley.example.com/"}
TOWN = {"PARLEY_ACCESS": '{"slack": {"workspaces": ["T0PARLEY1"]}}'}


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
        (ON | BOT, "PARLEY_SLACK_SIGNING_SECRET"),
        (ON | BOT | {"PARLEY_SLACK_SIGNING_SECRET": ""}, "PARLEY_SLACK_APP_TOKEN"),
        (ON | BOT | {"PARLEY_SLACK_SIGNING_SECRET": "  "}, "docs/slack.md has every step"),
        (SIGNED, "PARLEY_SLACK_BOT_TOKEN"),
        (SIGNED | {"PARLEY_SLACK__CLIENT_ID": "1.2"}, "PARLEY_SLACK_CLIENT_SECRET"),
        (SIGNED | CLIENT, "access.slack.workspaces"),
        (SIGNED | BOT | {"PARLEY_SLACK__PUBLIC_URL": "http://parley.example.com"}, "https://parley.example.com"),
        (SIGNED | BOT | {"PARLEY_SLACK__COMMAND": "parley"}, "/parley"),
        (SIGNED | BOT | {"PARLEY_SLACK__API_URL": "slack.com"}, "must be a web address"),
    ],
)
def test_what_keeps_the_door_shut_is_said_with_its_remedy_and_without_a_secret(environment, given, remedy):
    environment(given)
    with pytest.raises(Misconfigured, match=remedy) as refused:
        config.load()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("given", [SIGNED | BOT, SIGNED | CLIENT | TOWN, ON | BOT | {"PARLEY_SLACK_APP_TOKEN": "xapp"}])
def test_what_is_complete_is_taken_and_shown_to_nobody(environment, given):
    environment(given)
    loaded = config.load()
    assert loaded.settings.slack.enabled
    assert "canary" not in repr(loaded)


def test_emoji_are_named_with_or_without_colons(environment):
    environment({"PARLEY_SLACK__UP": '[":Heart:", "tada"]'})
    assert config.load().settings.slack.up == {"heart", "tada"}


def test_the_manifest_names_our_address(environment):
    environment(URL)
    printed = json.loads(CliRunner().invoke(app, ["slack", "manifest"]).stdout)
    assert printed["settings"]["event_subscriptions"]["request_url"] == "https://parley.example.com/channels/slack"


def test_the_manifest_for_socket_mode_needs_no_address(environment):
    environment({})
    printed = json.loads(CliRunner().invoke(app, ["slack", "manifest", "--socket"]).stdout)
    assert printed["settings"]["socket_mode_enabled"]
    assert "http" not in json.dumps(printed)


@pytest.mark.parametrize(
    ("given", "options", "remedy"),
    [({}, [], "--socket"), (CLIENT, [], "with Socket Mode too"), (CLIENT, ["--socket"], "with Socket Mode too")],
)
def test_a_manifest_without_an_address_is_refused_with_what_to_do(environment, given, options, remedy):
    environment(given)
    refused = CliRunner().invoke(app, ["slack", "manifest", *options])
    assert refused.exit_code == 1
    assert "slack.public_url" in refused.output
    assert remedy in refused.output


@pytest.mark.parametrize(("locale", "word"), [("zh_CN.UTF-8", "您"), ("en_GB.UTF-8", "you")])
def test_the_app_describes_itself_in_the_operators_language(environment, locale, word):
    environment(URL | {"LC_ALL": locale})
    printed = json.loads(CliRunner().invoke(app, ["slack", "manifest"]).stdout)
    assert word in printed["features"]["slash_commands"][0]["description"]


def not_found(monkeypatch, module):
    """The channel is imported anew, and this module is not there."""
    gone = ("bot.slack", "adapters.slack", module)
    for name in [name for name in sys.modules if any(f"{name}.".startswith(f"{each}.") for each in gone)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("module", ["slack_bolt", "slack_sdk.web.async_client"])
async def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(environment, monkeypatch, module):
    not_found(monkeypatch, module)
    environment(SIGNED | BOT)
    status, page = await checked()
    assert status == 1
    assert "-e '.[slack]'" in page
    with pytest.raises(Misconfigured, match=r"-e '\.\[slack\]'"):
        _slack_door(config.load(), MemoryStore(), Numbers())


async def test_a_module_that_is_missing_by_mistake_is_not_taken_for_the_package(environment, monkeypatch):
    not_found(monkeypatch, "adapters.slack.intake")
    environment(SIGNED | BOT)
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.slack\.intake"):
        await checked()
    with pytest.raises(ModuleNotFoundError, match=r"adapters\.slack\.intake"):
        _slack_door(config.load(), MemoryStore(), Numbers())


async def checked() -> tuple[int, str]:
    page = io.StringIO()
    return await examine(config.load(must_do=False), Console(file=page, width=500), production=False), page.getvalue()


async def test_a_channel_that_is_off_is_a_hint(environment):
    environment({})
    status, page = await checked()
    assert status == 0
    assert "docs/slack" in page


async def test_what_is_missing_is_found_out_by_asking_slack(environment):
    async with Platform() as slack:
        slack.bot.scopes = tuple(scope for scope in slack.bot.scopes if scope != "im:history")
        environment(SIGNED | URL | {"PARLEY_SLACK_BOT_TOKEN": slack.bot.token, "PARLEY_SLACK__API_URL": slack.api_url})
        status, page = await checked()
    assert status == 1
    assert "im:history" in page
    assert slack.bot.team in page
    assert slack.bot.token not in page


async def test_a_token_that_slack_does_not_know_is_a_fault(environment):
    async with Platform() as slack:
        environment(SIGNED | URL | BOT | {"PARLEY_SLACK__API_URL": slack.api_url})
        status, page = await checked()
    assert status == 1
    assert "PARLEY_SLACK_BOT_TOKEN" in page
    assert "canary" not in page


async def test_all_that_is_missing_is_said_at_once(environment):
    environment(ON | {"PARLEY_PRODUCTION": "true", "PARLEY_SERVER__HOST": "0.0.0.0"})
    status, page = await checked()
    assert status == 1
    missing = (
        "PARLEY_SLACK_SIGNING_SECRET", "PARLEY_SLACK_BOT_TOKEN", "slack.public_url", "PARLEY_KEYS", "DATABASE_URL",
        "console.tokens", "server.trusted_proxies",
    )  # fmt: skip
    assert [name for name in missing if name not in page] == []
    assert page.count("✗") == len(missing) + 2  # what it means, and how many there are


async def test_installed_tokens_that_cannot_be_seen_are_named_with_what_lets_them_be(environment):
    async with Platform() as slack:
        environment(SIGNED | CLIENT | TOWN | URL | {"PARLEY_SLACK__API_URL": slack.api_url})
        status, page = await checked()
    assert status == 0
    assert "Set DATABASE_URL and PARLEY_KEYS to have them checked" in page
    assert "Nothing is known to be missing." in page


def test_the_manifest_needs_no_secret(environment):
    environment(ON | URL)
    assert json.loads(CliRunner().invoke(app, ["slack", "manifest"]).stdout)["display_information"]["name"] == "Parley"


@pytest.mark.parametrize(("guests", "status"), [("true", 0), ("false", 1)])
async def test_without_users_read_it_depends_on_whether_guests_may_ask(environment, guests, status):
    async with Platform() as slack:
        slack.bot.scopes = tuple(scope for scope in slack.bot.scopes if scope != "users:read")
        token = {"PARLEY_SLACK_BOT_TOKEN": slack.bot.token, "PARLEY_SLACK__API_URL": slack.api_url}
        environment(SIGNED | URL | token | {"PARLEY_ACCESS": f'{{"slack": {{"guests": {guests}}}}}'})
        assert (await checked())[0] == status
