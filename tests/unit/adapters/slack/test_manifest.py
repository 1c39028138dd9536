"""The manifest asks for what the app uses, at the addresses it listens at, and for nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.slack.manifest import ESSENTIAL, ESSENTIAL_EVENTS, EVENTS, SCOPES, manifest
from adapters.slack.settings import SlackSettings
from adapters.slack.texts import suggestions
from core.errors import Misconfigured

ONE = SlackSettings(bot_token="xoxb-of-the-tests", public_url="https://parley.example.com", command="/ask")
SEVERAL = replace(ONE, bot_token="", client_id="1.2", client_secret="a secret of the tests")
URL = "https://parley.example.com/channels/slack"

# docs.slack.dev, each event's "Required scopes".
NEEDS = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


def urls(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [url for each in value.values() for url in urls(each)]
    if isinstance(value, list):
        return [url for each in value for url in urls(each)]
    return [value] if isinstance(value, str) and value.startswith("http") else []


def test_over_http_everything_comes_to_one_address():
    made = manifest(ONE, mode="http")
    assert made["settings"]["event_subscriptions"]["request_url"] == URL
    assert made["settings"]["interactivity"] == {"is_enabled": True, "request_url": URL}
    assert made["features"]["slash_commands"][0]["url"] == URL
    assert made["settings"]["socket_mode_enabled"] is False


@pytest.mark.parametrize("public_url", ["https://parley.example.com", ""])
def test_with_socket_mode_there_is_no_address(public_url):
    made = manifest(replace(ONE, public_url=public_url), mode="socket")
    assert urls(made) == []
    assert made["settings"]["socket_mode_enabled"] is True
    assert made["settings"]["interactivity"] == {"is_enabled": True}


@pytest.mark.parametrize("mode", ["http", "socket"])
def test_installing_adds_the_way_back_and_tokens_that_expire(mode):
    made = manifest(SEVERAL, mode=mode)
    assert made["oauth_config"]["redirect_urls"] == [f"{URL}/oauth"]
    assert made["settings"]["token_rotation_enabled"] is True
    assert made["settings"]["org_deploy_enabled"] is True
    one = manifest(ONE, mode=mode)
    assert "redirect_urls" not in one["oauth_config"]
    assert one["settings"]["token_rotation_enabled"] is False


def test_a_slash_at_the_end_of_the_address_is_not_doubled():
    assert set(urls(manifest(replace(SEVERAL, public_url="https://parley.example.com/"), mode="http"))) == {
        URL,
        f"{URL}/oauth",
    }


@pytest.mark.parametrize(("settings", "mode"), [(ONE, "http"), (SEVERAL, "http"), (SEVERAL, "socket")])
def test_an_address_that_is_needed_and_missing_is_said(settings, mode):
    with pytest.raises(Misconfigured, match=r"public_url is empty(?s:.*)public_url 为空"):
        manifest(replace(settings, public_url=""), mode=mode)


def test_it_asks_for_every_scope_and_event_and_no_other():
    made = manifest(ONE, mode="http")
    assert made["oauth_config"]["scopes"] == {"bot": list(SCOPES)}
    assert made["settings"]["event_subscriptions"]["bot_events"] == list(EVENTS)
    assert SCOPES.keys() >= ESSENTIAL
    assert EVENTS.keys() >= ESSENTIAL_EVENTS


def test_every_event_has_its_scope():
    assert {NEEDS[event] for event in EVENTS if event in NEEDS} <= SCOPES.keys()
    assert EVENTS.keys() - NEEDS.keys() == {"app_home_opened", "app_uninstalled", "tokens_revoked"}


@pytest.mark.parametrize("reason", [*SCOPES.values(), *EVENTS.values()])
def test_every_reason_is_given_in_both_languages(reason):
    english, chinese = reason
    assert english.isascii() or "👍" in english
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_people_may_write_to_it_directly():
    features = manifest(ONE, mode="http")["features"]
    assert features["app_home"]["messages_tab_enabled"] is True
    assert features["app_home"]["messages_tab_read_only_enabled"] is False
    assert features["app_home"]["home_tab_enabled"] is False, "it would be empty"
    assert "assistant_view" not in features
    assert features["slash_commands"][0]["command"] == "/ask"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_app_describes_itself_in_one_language(language):
    features = manifest(ONE, mode="http", language=language)["features"]
    said = [
        manifest(ONE, mode="http", language=language)["display_information"]["description"],
        features["agent_view"]["agent_description"],
        *(prompt["message"] for prompt in features["agent_view"]["suggested_prompts"]),
        features["slash_commands"][0]["description"],
        features["slash_commands"][0]["usage_hint"],
    ]
    assert [any("\u4e00" <= character <= "\u9fff" for character in each) for each in said] == [language == "zh"] * 8
    assert features["agent_view"]["suggested_prompts"] == suggestions(language)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_keeps_slacks_limits_and_holds_no_secret(language):
    made = manifest(SEVERAL, mode="http", language=language)
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140
    assert 0 < len(made["features"]["agent_view"]["suggested_prompts"]) <= 4
    text = json.dumps(made)
    assert SEVERAL.client_secret not in text
    assert SEVERAL.client_id not in text


def test_two_manifests_share_nothing_that_can_be_changed():
    manifest(ONE, mode="http")["oauth_config"]["scopes"]["bot"].clear()
    assert manifest(ONE, mode="http")["oauth_config"]["scopes"]["bot"] == list(SCOPES)
