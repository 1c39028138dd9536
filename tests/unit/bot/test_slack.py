"""The Slack channel in the household: what keeps it from opening, its manifest, and what `parley check` says of it."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.platforms.slack import Platform
from bot import config
from bot.__main__ import app
from bot.check import examine
from core.errors import Misconfigured

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
        (SIGNED, "PARLEY_SLACK_BOT_TOKEN"),
        (SIGNED | {"PARLEY_SLACK__CLIENT_ID": "1.2"}, "PARLEY_SLACK_CLIENT_SECRET"),
        (SIGNED | CLIENT, "access.slack.workspaces"),
        (SIGNED | BOT | {"PARLEY_SLACK__PUBLIC_URL": "http://parley.example.com"}, "https://parley.example.com"),
        (SIGNED | BOT | {"PARLEY_SLACK__COMMAND": "parley"}, "/parley"),
        (SIGNED | BOT | {"PARLEY_SLACK__API_URL": "slack.com"}, "https://slack.com/api/"),
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


def test_a_manifest_without_an_address_is_refused_with_what_to_do(environment):
    environment({})
    refused = CliRunner().invoke(app, ["slack", "manifest"])
    assert refused.exit_code == 1
    assert "slack.public_url" in refused.output


async def checked() -> tuple[int, str]:
    page = io.StringIO()
    return await examine(config.load(), Console(file=page, width=500), production=False), page.getvalue()


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
