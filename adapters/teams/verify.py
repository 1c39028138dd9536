"""Whether a request has the form of Teams' own, and where an answer may be sent. Whose it is, the client finds out."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from adapters.teams.settings import TeamsSettings
from core.errors import Malformed, ParleyError
from core.ports import Received, Webhook

MAX_BODY = 1024 * 1024  # bytes: a message of 100 KB comes twice, as text and as HTML, each character escaped
_MAX_DEPTH = 64
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via", "origin")
_TYPE = re.compile(r"[!-~]{1,64}")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/\[\]%-]{1,1024}")


class Forged(ParleyError):
    """This request does not come from Teams."""


def refusal(webhook: Webhook) -> Received | None:
    """What to answer where this is no call of Teams at all, None where it may be one."""
    if webhook.method != "POST":
        return Received(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    if len(webhook.body) > MAX_BODY:
        return Received(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def activity_of(body: bytes) -> Mapping[str, Any]:
    """The activity in a body: a JSON object with a `type`. Raises Malformed; nothing in it is believed yet."""
    if len(body) > MAX_BODY:
        raise Malformed("the body is larger than any activity")
    try:
        activity = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or a number of thousands of digits
        raise Malformed("the body is no JSON") from None
    if not isinstance(activity, dict) or not _is_flat(activity):
        raise Malformed("the body is no activity")
    kind = activity.get("type")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Malformed("the activity has no type")
    return activity


def is_answerable(url: object, settings: TeamsSettings) -> bool:
    """Whether our answers, and the token that goes with them, may be sent there.

    Over https to a host of `settings.services`. On loopback only where `is_dev`; without an app id nowhere else, for
    then anybody could have named the address.
    """
    parts = _parts_of(url)
    if parts is None:
        return False
    if is_loopback(url):
        return settings.is_dev
    host = parts.hostname or ""
    return bool(settings.app_id) and parts.scheme == "https" and _is_among(host, settings.services)


def is_loopback(url: object) -> bool:
    """Whether an address is on this machine."""
    parts = _parts_of(url)
    host = (parts.hostname or "") if parts else ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_from_here(webhook: Webhook) -> bool:
    """Whether a program on this machine sent it, to this machine by name: no proxy, and no page in a browser."""
    host = webhook.headers.get("host", "")
    is_direct = not any(name in webhook.headers for name in _FORWARDED)
    return is_direct and is_loopback(f"http://{host}") and is_loopback(f"http://{_bracketed(webhook.remote)}")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def is_safe(url: object) -> bool:
    """Whether keys and tokens may be fetched there: over https, or from this machine."""
    parts = _parts_of(url)
    return parts is not None and (parts.scheme == "https" or is_loopback(url))


def _parts_of(url: object) -> SplitResult | None:
    """None where it is no plain web address: no user, no query, nothing that two readers could read in two ways."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts if parts.hostname else None


def _is_among(host: str, services: Iterable[str]) -> bool:
    return any(host.endswith(name) if name.startswith(".") else host == name for name in services)


def _is_flat(activity: Mapping[str, Any]) -> bool:
    """Whether it is nested no deeper than anybody writes by hand: whoever reads on may recurse."""
    layer: Sequence[Any] = [activity]
    for _ in range(_MAX_DEPTH):
        layer = [inner for outer in layer for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not layer:
            return True
    return False


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
