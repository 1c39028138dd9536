"""What has the form of an activity, and where answers may go."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.teams.settings import TeamsSettings
from adapters.teams.verify import MAX_BODY, activity_of, is_answerable, is_loopback, is_safe, refusal
from core.errors import Malformed
from core.ports import Received, Webhook

APP = "22222222-2222-4222-8222-222222222222"
LIVE, DEV = TeamsSettings(app_id=APP), TeamsSettings(is_dev=True)
LIVE_DEV = TeamsSettings(app_id=APP, is_dev=True)


def nested(depth: int) -> bytes:
    return b'{"type":"message","value":' + b"[" * depth + b"]" * depth + b"}"


def webhook(method: str = "POST", body: bytes = b"{}") -> Webhook:
    return Webhook(method, "/channels/teams", {}, {}, body, datetime(2026, 1, 1, tzinfo=UTC))


def test_an_activity_is_an_object_with_a_type():
    assert activity_of('{"type": "message", "text": "你好"}'.encode()) == {"type": "message", "text": "你好"}
    assert activity_of(nested(60))["type"] == "message"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"message"', b"7", b"{}", b'{"type": 7}', b'{"type": ""}', b'{"type": null}',
        b'{"type": "message", "value": NaN}', b'{"type": "message", "value": -Infinity}', b"\xff\xfe{}",
        b'{"type": "\xff"}', b'{"type": "message"} {}', '{"type": "message"}'.encode("utf-16"),
        json.dumps({"type": "m" * 65}).encode(), nested(100), nested(100_000), b"[" * 200_000,
        b'{"type": "message", "value": ' + b"9" * 10_000 + b"}",
        b'{"type": "message", "text": "' + b"a" * MAX_BODY + b'"}',
    ],
)  # fmt: skip
def test_what_is_no_activity_is_malformed(body):
    with pytest.raises(Malformed):
        activity_of(body)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_bring_anything_but_an_activity_or_malformed(body):
    with suppress(Malformed):
        assert isinstance(activity_of(body)["type"], str)


def test_only_a_post_of_a_sensible_size_may_be_teams():
    assert refusal(webhook()) is None
    assert refusal(webhook("GET")) == Received(405, headers={"Allow": "POST"})
    assert refusal(webhook(body=b" " * (MAX_BODY + 1))) == Received(413)


@pytest.mark.parametrize(
    "url",
    [
        "https://smba.trafficmanager.net/emea/",
        "https://smba.trafficmanager.net/emea/11111111-1111-4111-8111-111111111111/",
        "https://SMBA.TRAFFICMANAGER.NET/teams",
        "https://webchat.botframework.com/",
    ],
)
def test_microsofts_hosts_are_answered_over_https_by_who_has_an_app_id(url):
    assert is_answerable(url, LIVE)
    assert is_answerable(url, LIVE_DEV)
    assert not is_answerable(url, DEV)
    assert not is_answerable(url.replace("https", "http"), LIVE)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/", "https://smba.trafficmanager.net.example.com/", "https://evilbotframework.com/",
        "https://botframework.com/", "https://a@smba.trafficmanager.net/", "https://smba.trafficmanager.net@example.com/",
        "https://example.com\\@smba.trafficmanager.net/", "https://example.com#@smba.trafficmanager.net/",
        "https://example.com?.botframework.com", "https://smba.trafficmanager.net\n.example.com/", "https:///x",
        "//smba.trafficmanager.net/", "ftp://smba.trafficmanager.net/", "https://smba.trafficmanager.net:99999/",
        "https://[smba.trafficmanager.net/", "https://smba.trafficmanager.net./", "", " ", None, 7, ["https://x"],
        "https://169.254.169.254/", "https://smba.trafficmanager.net/" + "a" * 2000,
    ],
)  # fmt: skip
def test_nobody_else_is_answered(url):
    assert not any(is_answerable(url, settings) for settings in (LIVE, DEV, LIVE_DEV))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:56150", "http://localhost:1/x", "https://127.0.0.2", "http://[::1]:8"]
)
def test_this_machine_is_answered_in_development_alone(url):
    assert is_loopback(url)
    assert [is_answerable(url, settings) for settings in (LIVE, DEV, LIVE_DEV)] == [False, True, True]


def test_other_clouds_have_their_own_hosts():
    settings = TeamsSettings(app_id=APP, services=("smba.infra.gov.teams.microsoft.us",))
    assert is_answerable("https://smba.infra.gov.teams.microsoft.us/gcch", settings)
    assert not is_answerable("https://smba.trafficmanager.net/", settings)


def test_secrets_travel_over_https_or_stay_on_this_machine():
    assert is_safe("https://login.botframework.com/v1/.well-known/openidconfiguration")
    assert is_safe("http://127.0.0.1:8000/keys")
    assert not is_safe("http://login.botframework.com/")
    assert not is_safe("file:///etc/passwd")
    assert not is_safe(None)
