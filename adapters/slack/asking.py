"""Calls through slack_sdk's own helpers: their errors in our words, never with what was sent."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.client import SlackRefused, in_words, refusal
from core.errors import ChannelError, RateLimited

ClientFactory = Callable[[str | None], AsyncWebClient]
"""Makes a Web API client that speaks with this token; None for the calls that are made with none."""

_DEFAULT_WAIT = 30.0  # seconds, where Slack says 429 and not how long


class SlackAway(ChannelError):
    """Slack did not answer."""


@contextmanager
def asking(method: str) -> Iterator[None]:
    """Around one call of slack_sdk: raises RateLimited, SlackRefused or SlackAway in place of its errors.

    The library's messages may quote what was sent or answered, tokens too, so nothing of them is kept.
    """
    try:
        yield
    except SlackApiError as error:
        raise _told(method, error) from None
    except (ClientError, OSError, SlackClientError, TimeoutError) as error:
        raise SlackAway(f"{method}: {in_words(error)}") from None
    except (AttributeError, KeyError, TypeError, ValueError):  # what the library meets in an answer that is no JSON
        raise _unreadable(method) from None


async def exchange(client: AsyncWebClient, client_id: str, client_secret: str, **fields: str) -> AsyncSlackResponse:
    """A code or a refresh token for a token (docs.slack.dev, "oauth.v2.access").

    slack_sdk's own method, and the token rotator that calls it, need aiohttp's BasicAuth, which is going away.
    """
    basic = b64encode(f"{client_id}:{client_secret}".encode()).decode()
    return await client.api_call("oauth.v2.access", data=fields, headers={"Authorization": f"Basic {basic}"})


def _told(method: str, error: SlackApiError) -> ChannelError:
    response = error.response
    status = getattr(response, "status_code", HTTPStatus.OK)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = _retry_after(response.headers)
        return RateLimited(timedelta(seconds=seconds), f"{method} in {seconds:.0f} s")
    data = getattr(response, "data", None)
    if not isinstance(data, Mapping) or not isinstance(data.get("error"), str):
        return _unreadable(method) if status == HTTPStatus.OK else SlackAway(f"{method} (HTTP status {status})")
    told = refusal(method, data["error"], data)
    return told if isinstance(told, SlackRefused | RateLimited) else SlackAway(f"{method} ({data['error']})")


def _unreadable(method: str) -> SlackAway:
    return SlackAway(f"{method} gave an answer that cannot be read")


def _retry_after(headers: Mapping[str, Any]) -> float:
    try:
        return max(float(headers.get("Retry-After", _DEFAULT_WAIT)), 1.0)
    except ValueError:
        return _DEFAULT_WAIT
