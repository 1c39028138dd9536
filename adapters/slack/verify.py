"""Whether a request is Slack's own: signed with our secret over its raw body, and not older than five minutes."""

import logging
from datetime import datetime, timedelta
from http import HTTPStatus

from slack_sdk.signature import Clock, SignatureVerifier

from core.ports import Metrics, Received, Webhook

log = logging.getLogger(__name__)

_NAMES = ("x-slack-signature", "x-slack-request-timestamp")
_TELL_AGAIN = timedelta(minutes=1)
_DIGITS = 12  # of a Unix time; a longer one is no time at all


class _At(Clock):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return self._seconds


def refusal(webhook: Webhook, secret: str) -> Received | None:
    """What to answer where this is not Slack speaking, None where it is.

    Slack signs `v0:TIMESTAMP:BODY` with HMAC-SHA256 and asks to refuse what is older than five minutes
    (docs.slack.dev, "Verifying requests from Slack"). The body is read only after that.
    """
    if webhook.method != "POST":
        return Received(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    signature, timestamp = (webhook.headers.get(name, "") for name in _NAMES)
    if not (secret.strip() and signature.isascii() and _is_time(timestamp)):
        return Received(HTTPStatus.UNAUTHORIZED)
    verifier = SignatureVerifier(secret, _At(webhook.received_at.timestamp()))
    try:
        is_genuine = verifier.is_valid(webhook.body, timestamp, signature)
    except UnicodeDecodeError:  # Slack writes UTF-8
        is_genuine = False
    return None if is_genuine else Received(HTTPStatus.UNAUTHORIZED)


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


class Unsigned:
    """Requests that are not Slack's, or that did not arrive as Slack signed them: counted, and told now and then."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told_at: datetime | None = None

    def note(self, received_at: datetime) -> None:
        """One more; the operator reads of it once a minute at most, for anybody may send such a request."""
        self._metrics.count("events", channel="slack", outcome="unsigned")
        if self._told_at is None or received_at - self._told_at >= _TELL_AGAIN:
            self._told_at = received_at
            log.warning(
                "a request to /channels/slack had a wrong or old signature: PARLEY_SLACK_SIGNING_SECRET is not this "
                "app's, the clock is off, a proxy changes the body, or it was not Slack's"
            )
