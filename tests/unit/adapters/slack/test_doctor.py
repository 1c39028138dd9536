"""What `parley check` says about Slack: found by asking Slack, with what to do, in both languages."""

import re
from collections.abc import AsyncGenerator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from slack_sdk.oauth.installation_store import Installation

from adapters.slack import doctor
from adapters.slack.doctor import TEXTS, Finding, examine
from adapters.slack.installations import Installations
from adapters.slack.manifest import EVENTS, SCOPES, manifest
from adapters.slack.settings import SlackSettings
from tests.fakes.store import MemoryStore
from tests.unit.adapters.slack.web_api import WebApi, web_api

TEAM, APP = "T0PARLEY1", "A0PARLEY1"
TOKEN, APP_TOKEN, CONFIG_TOKEN = "xoxb-of-the-tests", f"xapp-1-{APP}-7-of-the-tests", "xoxe.xoxp-1-of-the-tests"
ENDPOINT = "https://parley.example.com/channels/slack"


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        introduce(api)
        api.answer("bots.info", {"ok": True, "bot": {"id": "B0PARLEY1", "app_id": APP}})
        api.answer("apps.connections.open", {"ok": True, "url": "wss://example.com"})
        yield api


@pytest.fixture
def http(slack: WebApi) -> SlackSettings:
    return SlackSettings(
        signing_secret="a secret of the tests",
        bot_token=TOKEN,
        config_token=CONFIG_TOKEN,
        public_url="https://parley.example.com",
        api_url=slack.url,
    )


@pytest.fixture
def socket(http: SlackSettings) -> SlackSettings:
    return replace(http, signing_secret="", public_url="", app_token=APP_TOKEN)


@pytest.fixture
def several(http: SlackSettings) -> SlackSettings:
    return replace(http, bot_token="", client_id="1.2", client_secret="s", workspaces=frozenset({TEAM}))


def introduce(slack: WebApi, scopes: str = ", ".join(SCOPES), **changes: Any) -> None:
    identity = {"ok": True, "team": "Example", "team_id": TEAM, "user": "parley", "bot_id": "B0PARLEY1", **changes}
    slack.answer("auth.test", identity, headers={"x-oauth-scopes": scopes})


def export(slack: WebApi, settings: SlackSettings, change: str = "", value: object = None) -> None:
    """Slack knows the app by our own manifest, but for one place that is changed, or taken out."""
    made = deepcopy(manifest(settings, mode="socket" if settings.is_socket else "http"))
    if change:
        *above, last = change.split(".")
        inner = made
        for name in above:
            inner = inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    slack.answer("apps.manifest.export", {"ok": True, "manifest": made})


async def found(slack: WebApi, settings: SlackSettings, **more: Any) -> list[Finding]:
    return list(await examine(settings, slack.client, **more))


def names(findings: list[Finding], *kinds: str) -> list[str]:
    return [finding.name for finding in findings if finding.kind in (kinds or ("hint", "fault"))]


def said(findings: list[Finding], name: str) -> str:
    return next(finding.say("en") for finding in findings if finding.name == name)


# ------------------------------------------------------------------------------------------------------- all is well


async def test_a_set_up_over_http_without_a_fault(slack, http):
    export(slack, http)
    findings = await found(slack, http)
    assert names(findings) == []
    assert names(findings, "fine") == ["bot_ok", "scopes_ok", "manifest_ok"]
    assert said(findings, "bot_ok") == "@parley is in Example (T0PARLEY1)"
    assert [(call.method, call.token) for call in slack.calls] == [
        ("auth.test", TOKEN),
        ("bots.info", TOKEN),
        ("apps.manifest.export", CONFIG_TOKEN),
    ]
    assert slack.calls[-1].fields == {"app_id": APP}


async def test_a_set_up_with_socket_mode_without_a_fault(slack, socket):
    export(slack, socket)
    findings = await found(slack, socket)
    assert names(findings) == []
    assert "socket_ok" in names(findings, "fine")


async def test_a_set_up_of_several_workspaces_without_a_fault(slack, several):
    store = MemoryStore()
    installations = Installations(several, store.secrets, store.leader, slack.client)
    await installations.save(
        Installation(
            team_id=TEAM, bot_token="xoxb-installed", bot_id="B0PARLEY1", bot_user_id="U0PARLEY1", user_id="U0ANNA001"
        )
    )
    export(slack, several)
    findings = await found(slack, several, installations=installations)
    assert names(findings) == []
    assert slack.calls[0].token == "xoxb-installed"


async def test_no_token_is_sent_in_an_address(slack, socket):
    export(slack, socket)
    await found(slack, socket)
    assert not [call.path for call in slack.calls if "xox" in call.path or "xapp" in call.path]


# ------------------------------------------------------------------------------------------------ what is configured


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"signing_secret": " "}, "no_signing_secret"),
        ({"public_url": ""}, "no_public_url"),
        ({"public_url": "http://parley.example.com"}, "plain_public_url"),
        ({"bot_token": ""}, "no_token"),
    ],
)
async def test_what_http_needs_and_is_missing_is_a_fault(slack, http, changes, expected):
    settings = replace(http, config_token="", **changes)
    assert names(await found(slack, settings), "fault") == [expected]


async def test_socket_mode_needs_neither_secret_nor_address(slack, socket):
    assert names(await found(slack, replace(socket, config_token="")), "fault") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_secret": ""}, ["no_client_secret"]),
        ({"workspaces": frozenset()}, ["nobody_may_install"]),
        ({"public_url": ""}, ["install_needs_https"]),
        ({"public_url": "http://parley.example.com"}, ["install_needs_https"]),
    ],
)
async def test_what_installing_needs_and_is_missing_is_a_fault(slack, several, changes, expected):
    settings = replace(several, app_token=APP_TOKEN, config_token="", **changes)
    assert names(await found(slack, settings), "fault") == expected


async def test_a_client_id_beside_a_bot_token_is_a_hint(slack, http):
    assert "unused_client_id" in names(await found(slack, replace(http, client_id="1.2")), "hint")


# ---------------------------------------------------------------------------------------------------------- the token


@pytest.mark.parametrize(
    "code", ["invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_allowed_token_type"]
)
async def test_a_rejected_token_is_a_fault_with_a_reason_and_a_remedy(slack, http, code):
    slack.refuse("auth.test", code)
    findings = await found(slack, http)
    assert names(findings, "fault") == ["token_refused"]
    assert "PARLEY_SLACK_BOT_TOKEN" in said(findings, "token_refused")
    assert f"({code})" in said(findings, "token_refused")
    assert "OAuth & Permissions" in said(findings, "token_refused")
    assert TOKEN not in str(findings)


@pytest.mark.parametrize("code", ["org_login_required", "some_code_of_tomorrow"])
async def test_any_other_refusal_is_a_fault_that_names_the_code(slack, http, code):
    slack.refuse("auth.test", code)
    findings = await found(slack, http)
    assert names(findings, "fault") == ["refused"]
    assert code in said(findings, "refused")


async def test_each_missing_scope_says_what_will_not_work(slack, http):
    introduce(slack, ",".join(set(SCOPES) - {"chat:write", "reactions:read"}))
    findings = await found(slack, replace(http, config_token=""))
    missing = [(finding.kind, finding.facts["scope"]) for finding in findings if finding.name == "scope_missing"]
    assert missing == [("fault", "chat:write"), ("hint", "reactions:read")]
    assert "Parley cannot answer" in said(findings, "scope_missing")
    assert "Parley 无法回答" in next(f.say("zh") for f in findings if f.name == "scope_missing")


async def test_scopes_that_slack_does_not_tell_are_a_hint(slack, http):
    introduce(slack, "")
    assert "scopes_unseen" in names(await found(slack, http), "hint")


async def test_a_workspace_off_the_list_is_a_fault(slack, http):
    settings = replace(http, config_token="", workspaces=frozenset({"T0OTHER01"}))
    assert names(await found(slack, settings), "fault") == ["foreign_workspace"]


async def test_a_persons_token_is_a_fault(slack, http):
    introduce(slack, bot_id=None)
    assert names(await found(slack, replace(http, config_token="")), "fault") == ["no_bot"]


async def test_a_token_that_will_expire_and_cannot_be_renewed_is_a_fault(slack, http):
    settings = replace(http, config_token="", bot_token="xoxe.xoxb-1-of-the-tests")
    assert names(await found(slack, settings), "fault") == ["rotating_token"]


@pytest.mark.parametrize(("seconds", "kind"), [(90, "hint"), (-90, "hint"), (400, "fault"), (30, "")])
async def test_a_clock_that_is_off_is_told_before_slacks_requests_are_refused(slack, http, seconds, kind):
    findings = await found(
        slack, replace(http, config_token=""), now=lambda: datetime.now(UTC) + timedelta(seconds=seconds)
    )
    assert [finding.kind for finding in findings if finding.name == "clock"] == ([kind] if kind else [])
    if kind:
        assert ("ahead" if seconds > 0 else "behind") in said(findings, "clock")


async def test_a_limit_is_a_hint_to_wait(slack, http):
    slack.answer("auth.test", {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"})
    findings = await found(slack, http)
    assert "30 s" in said(findings, "limited")
    assert names(findings, "fault") == []


@pytest.mark.parametrize(("body", "status"), [("<html>", 502), ("no JSON", 200), ({}, 503)])
async def test_slack_out_of_reach_is_one_fault(slack, socket, body, status):
    slack.answer("auth.test", body, status=status)
    findings = await found(slack, socket)
    assert names(findings, "fault") == ["away"]
    assert slack.url in said(findings, "away")
    assert len(slack.calls) == 1


async def test_no_server_at_all_is_one_fault(http):
    nowhere = WebApi(url="http://127.0.0.1:9/api/")
    findings = await found(nowhere, replace(http, api_url=nowhere.url))
    assert names(findings, "fault") == ["away"]
    assert "no connection" in said(findings, "away")
    assert "无法建立连接" in next(finding.say("zh") for finding in findings if finding.name == "away")


async def test_without_users_read_nobody_is_answered_unless_guests_are(slack, http):
    introduce(slack, ", ".join(scope for scope in SCOPES if scope != "users:read"))
    slack.refuse("bots.info", "missing_scope", needed="users:read")
    findings = await found(slack, http)
    assert names(findings, "fault") == ["members_unknown"]
    assert "everybody counts as a guest, so nobody is answered" in said(findings, "members_unknown")
    findings = await found(slack, http, guests_may_ask=True)
    assert names(findings, "fault") == []
    assert "users:read" in said(findings, "scope_missing")


# --------------------------------------------------------------------------------------------------------- the socket


@pytest.mark.parametrize("code", ["missing_scope", "no_permission"])
async def test_an_app_token_without_its_scope_is_a_fault(slack, socket, code):
    slack.refuse("apps.connections.open", code, needed="connections:write")
    findings = await found(slack, replace(socket, config_token=""))
    assert names(findings, "fault") == ["app_scope"]
    assert "connections:write" in said(findings, "app_scope")


async def test_a_wrong_app_token_is_a_fault_with_its_own_remedy(slack, socket):
    slack.refuse("apps.connections.open", "not_allowed_token_type")
    findings = await found(slack, replace(socket, config_token=""))
    assert "PARLEY_SLACK_APP_TOKEN" in said(findings, "token_refused")
    assert "App-Level Tokens" in said(findings, "token_refused")


async def test_tokens_of_two_apps_are_a_fault(slack, socket):
    slack.answer("bots.info", {"ok": True, "bot": {"app_id": "A0OTHER01"}})
    findings = await found(slack, replace(socket, config_token=""))
    assert names(findings, "fault") == ["other_app"]
    assert APP in said(findings, "other_app")


# -------------------------------------------------------------------------------------------------------- the manifest


async def test_without_a_configuration_token_the_events_are_a_hint(slack, http):
    findings = await found(slack, replace(http, config_token=""))
    assert names(findings) == ["events_unseen"]
    assert "PARLEY_SLACK_CONFIG_TOKEN" in said(findings, "events_unseen")


async def test_a_configuration_token_that_is_over_breaks_nothing(slack, http):
    slack.refuse("apps.manifest.export", "token_expired")
    findings = await found(slack, http)
    assert names(findings, "fault") == []
    assert "12 hours" in said(findings, "token_refused")


async def test_an_app_that_cannot_be_named_is_a_hint(slack, http):
    slack.refuse("bots.info", "missing_scope", needed="users:read")
    assert names(await found(slack, http), "hint") == ["app_unknown"]


async def test_the_app_token_names_the_app_too(slack, socket):
    slack.refuse("bots.info", "missing_scope", needed="users:read")
    export(slack, socket)
    assert names(await found(slack, socket)) == []
    assert slack.calls[-1].fields == {"app_id": APP}


@pytest.mark.parametrize("event", EVENTS)
async def test_each_missing_event_says_what_will_not_work(slack, http, event):
    export(slack, http, "settings.event_subscriptions.bot_events", [name for name in EVENTS if name != event])
    findings = await found(slack, http)
    assert names(findings) == ["event_missing"]
    assert event in said(findings, "event_missing")
    assert EVENTS[event][0] in said(findings, "event_missing")
    is_essential = event in ("app_mention", "message.im")
    assert names(findings, "fault") == (["event_missing"] if is_essential else [])


OTHER = "https://old.example.com/slack/events"


@pytest.mark.parametrize(
    ("change", "value", "expected"),
    [
        ("settings.event_subscriptions.request_url", OTHER, "other_url"),
        ("settings.event_subscriptions.request_url", None, "other_url"),
        ("settings.interactivity.request_url", OTHER, "other_url"),
        ("settings.interactivity.is_enabled", False, "no_interactivity"),
        ("settings.socket_mode_enabled", True, "socket_on"),
        ("features.app_home.messages_tab_enabled", False, "no_messages_tab"),
        ("features.app_home.messages_tab_read_only_enabled", True, "no_messages_tab"),
        ("features.slash_commands", [{"command": "/parley", "url": OTHER}], "other_url"),
    ],
)
async def test_what_the_app_has_otherwise_over_http_is_a_fault(slack, http, change, value, expected):
    export(slack, http, change, value)
    findings = await found(slack, http)
    assert names(findings) == [expected]
    assert names(findings, "fault") == [expected]
    if expected == "other_url":
        assert ENDPOINT in said(findings, "other_url")


@pytest.mark.parametrize(
    ("change", "value", "expected"),
    [("features.slash_commands", [], "no_command"), ("features.agent_view", None, "no_agent_view")],
)
async def test_what_one_can_do_without_is_a_hint(slack, http, change, value, expected):
    export(slack, http, change, value)
    assert names(await found(slack, http), "hint") == [expected]


async def test_a_slash_at_the_end_of_an_address_is_no_difference(slack, http):
    export(slack, http, "settings.event_subscriptions.request_url", f"{ENDPOINT}/")
    assert names(await found(slack, http)) == []


async def test_socket_mode_that_is_off_at_slack_is_a_fault(slack, socket):
    export(slack, socket, "settings.socket_mode_enabled", False)
    assert names(await found(slack, socket)) == ["socket_off"]


@pytest.mark.parametrize("body", [{}, {"manifest": None}, {"manifest": {"settings": [], "features": {}}}])
async def test_a_manifest_of_another_form_is_no_crash(slack, http, body):
    slack.answer("apps.manifest.export", {"ok": True, **body})
    assert "no_interactivity" in names(await found(slack, http))


# --------------------------------------------------------------------------------------------------- several workspaces


async def test_a_workspace_that_has_not_installed_is_told_where_to(slack, several):
    store = MemoryStore()
    installations = Installations(several, store.secrets, store.leader, slack.client)
    findings = await found(slack, replace(several, config_token=""), installations=installations)
    assert f"{ENDPOINT}/install" in said(findings, "not_installed")
    assert names(findings, "fault") == []


async def test_installs_that_cannot_be_read_are_a_hint(slack, several):
    store = MemoryStore()
    store.is_down = True
    installations = Installations(several, store.secrets, store.leader, slack.client)
    settings = replace(several, config_token="")
    assert "installs_unseen" in names(await found(slack, settings, installations=installations), "hint")
    assert "installs_unseen" in names(await found(slack, settings), "hint")


async def test_an_installed_token_that_is_refused_is_told_with_its_workspace(slack, several):
    store = MemoryStore()
    installations = Installations(several, store.secrets, store.leader, slack.client)
    await installations.save(
        Installation(team_id=TEAM, bot_token=TOKEN, bot_id="B", bot_user_id="U", user_id="U0ANNA001")
    )
    slack.refuse("auth.test", "token_revoked")
    findings = await found(slack, replace(several, config_token=""), installations=installations)
    assert said(findings, "token_refused").startswith(f"The token of {TEAM} was refused (token_revoked)")


@pytest.mark.parametrize(
    ("change", "value", "kind", "expected"),
    [
        ("oauth_config.redirect_urls", ["https://old.example.com/"], "fault", "no_redirect_url"),
        ("settings.token_rotation_enabled", False, "hint", "no_rotation"),
    ],
)
async def test_what_installing_needs_of_the_app(slack, socket, change, value, kind, expected):
    settings = replace(socket, client_id="1.2", client_secret="s", public_url="https://parley.example.com")
    export(slack, replace(settings, bot_token=""), change, value)
    findings = await found(slack, replace(settings, bot_token="", workspaces=frozenset({TEAM})))
    assert expected in names(findings, kind)


# ---------------------------------------------------------------------------------------------------------- the words


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_facts(name):
    english, chinese = (
        {field for _, field, _, _ in Formatter().parse(text) if field is not None} for text in TEXTS[name]
    )
    assert english == chinese
    assert all(text.strip() for text in TEXTS[name])


def test_every_text_is_used_and_every_name_has_a_text():
    source = Path(doctor.__file__).read_text(encoding="utf-8")
    above = source[: source.index("TEXTS: Final")]
    used = set(re.findall(r'"([a-z_]+)"', above))
    assert TEXTS.keys() <= used
    named = set(re.findall(r'(?:Finding\(|add\()(?:kind|"\w+"), "([a-z_]+)"', above))
    assert named <= TEXTS.keys()
    assert len(named) > 25
