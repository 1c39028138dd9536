"""Whether a request is Slack's own."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from adapters.slack.verify import Unsigned, refusal
from core.ports import Webhook
from tests.fakes.metrics import Numbers

SECRET = "a-signing-secret-of-the-tests"
NOW = datetime(2030, 1, 2, tzinfo=UTC)
BODY = '{"type": "event_callback", "text": "你好"}'.encode()


def at(seconds: float) -> str:
    """The time of a request that was made so many seconds ago, as Slack writes it."""
    return str(int((NOW - timedelta(seconds=seconds)).timestamp()))


def signed(body: bytes = BODY, timestamp: str = "", secret: str = SECRET) -> dict[str, str]:
    """The headers of a genuine request, by Slack's description of them and without its library."""
    timestamp = timestamp or at(0)
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={digest}"}


def answered(headers: dict[str, str], body: bytes = BODY, *, method: str = "POST", secret: str = SECRET) -> int | None:
    """The status of a refusal, None where there is none."""
    refused = refusal(Webhook(method, "/channels/slack", {}, headers, body, NOW), secret)
    assert refused is None or not refused.body
    return refused.status if refused else None


def test_a_genuine_request_is_let_in():
    assert answered(signed()) is None


def test_what_slacks_own_library_signs_is_let_in():
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=at(0), body=BODY)
    assert answered({"x-slack-request-timestamp": at(0), "x-slack-signature": str(signature)}) is None


@pytest.mark.parametrize("seconds", [300, 299, 1, -1, -300])
def test_a_request_of_the_last_five_minutes_is_let_in(seconds):
    assert answered(signed(timestamp=at(seconds))) is None


@pytest.mark.parametrize("seconds", [301, 86_400, -301, -86_400])
def test_a_request_of_another_time_is_refused_though_its_signature_is_right(seconds):
    assert answered(signed(timestamp=at(seconds))) == HTTPStatus.UNAUTHORIZED


def test_another_secret_another_body_or_another_time_makes_another_signature():
    assert answered(signed(secret="another")) == HTTPStatus.UNAUTHORIZED
    assert answered(signed(), BODY + b" ") == HTTPStatus.UNAUTHORIZED
    assert answered(signed() | {"x-slack-request-timestamp": at(1)}) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("missing", ["x-slack-signature", "x-slack-request-timestamp"])
def test_a_missing_header_is_refused(missing):
    headers = signed()
    del headers[missing]
    assert answered(headers) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        " ",
        "now",
        "1.5",
        "-1",
        "+1",
        "1_0",
        "1e9",
        "0x10",
        "١٢٣",
        "²",
        "nan",
        "9" * 13,
        "9" * 5_000,
        "\udcff",
        "1\n",
    ],
)
def test_a_timestamp_that_is_no_time_is_refused(timestamp):
    headers = {"x-slack-request-timestamp": timestamp, "x-slack-signature": signed()["x-slack-signature"]}
    assert answered(headers) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("signature", ["", "v0=", "v0=ü", "v0=" + "\udcff" * 64, "0" * 64, "v1=" + "0" * 64])
def test_a_signature_that_is_none_is_refused(signature):
    assert answered(signed() | {"x-slack-signature": signature}) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_without_a_secret_nobody_is_let_in(secret):
    assert answered(signed(secret=secret), secret=secret) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("body", [b"\xff", b'{"text": "\xed\xa0\x80"}', "text=Hi".encode("utf-16")])
def test_a_body_that_is_no_utf_8_is_refused_whoever_signed_it(body):
    assert answered(signed(body), body) == HTTPStatus.UNAUTHORIZED


def test_an_empty_body_is_slacks_where_it_is_signed():
    assert answered(signed(b""), b"") is None
    assert answered(signed(), b"") == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "post"])
def test_slack_only_posts(method):
    assert answered(signed(), method=method) == HTTPStatus.METHOD_NOT_ALLOWED
    refused = refusal(Webhook(method, "/channels/slack", {}, signed(), BODY, NOW), SECRET)
    assert refused is not None
    assert refused.headers["Allow"] == "POST"


@given(st.binary(), st.text(st.characters()), st.text(st.characters()) | st.integers(0, 10**13).map(str))
def test_nothing_that_was_not_signed_is_let_in(body, signature, timestamp):
    headers = {"x-slack-signature": signature, "x-slack-request-timestamp": timestamp}
    assert answered(headers, body) == HTTPStatus.UNAUTHORIZED


def test_each_unsigned_request_is_counted_and_told_once_a_minute(caplog):
    numbers = Numbers()
    unsigned = Unsigned(numbers)
    for seconds in (0, 1, 59, 60, 61):
        unsigned.note(NOW + timedelta(seconds=seconds))
    assert numbers.counts == {("events", "slack", "unsigned"): 5}
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "had a wrong or old signature" in caplog.text
