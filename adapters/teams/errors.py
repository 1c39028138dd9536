"""What Teams refuses, and what that means to us."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from core.errors import ChannelError, RateLimited, Undeliverable, Unreached

# What is tried again, with jitter (learn.microsoft.com, "Optimize your bot with rate limiting in Teams").
TRANSIENT = frozenset({412, 429, 502, 504})
DEFAULT_WAIT = 1.0  # seconds, where Teams says 429 and not how long
_LONGEST_WAIT = 3600.0  # no limit of Teams lasts longer
_TOKEN_WAIT = timedelta(seconds=30)

# How the message of a 403 ContentStreamNotAllowed goes (learn.microsoft.com, "Stream bot messages", error codes).
_ENDINGS = (
    ("canceled by user", "canceled"),
    ("cancelled by user", "canceled"),
    ("exceeded streaming time", "too_long"),
    ("message size too large", "too_large"),
    ("completed streamed message", "completed"),
    ("should contain the previously streamed content", "rewritten"),
    ("content stream is not allowed", "not_allowed"),
)
# Teams' codes for a bot that may not write here (any more), and what the operator is told.
_CLOSED = {
    "BotDisabledByAdmin": "an administrator has blocked the app",
    "BotNotInConversationRoster": "the bot was removed from this conversation; add the app again",
    "ConversationBlockedByUser": "the person has blocked the bot",
    "ConversationNotFound": "the conversation is gone, or the bot was removed from it",
    "ForbiddenOperationException": "the bot was removed from this conversation; add the app again",
    "InvalidBotApiHost": "the service URL is not that of this conversation",
    "MessageWritesBlocked": "the person has blocked the bot, or an administrator has",
    "NotEnoughPermissions": "the app may not write here",
    "TenantNotFound": "the tenant is gone",
    "UserNotFound": "Teams does not know this person",
}
# What Microsoft's sign-in answers, by AADSTS number (learn.microsoft.com, "Microsoft Entra authentication and
# authorization error codes").
_SIGN_IN = {
    700016: ("unknown_app", "this tenant does not know the app id; check teams.app_id and teams.tenant_id"),
    7000215: ("wrong_password", "the password is wrong; it takes the secret's value, not its id"),
    7000222: ("expired_password", "the password has expired; make a new client secret in Azure"),
    90002: ("unknown_tenant", "there is no such tenant; check teams.tenant_id"),
    900023: ("unknown_tenant", "there is no such tenant; check teams.tenant_id"),
}


class TeamsRefused(ChannelError):
    """Teams refuses this."""

    def __init__(self, status: int, code: str = "", detail: str = "") -> None:
        self.status = status
        self.code = code
        super().__init__(detail or _seen(status, code))


class StreamEnded(TeamsRefused):
    """Teams has ended the stream of this message."""

    def __init__(self, why: str, detail: str = "") -> None:
        """`why`: canceled, too_long (after two minutes), too_large, completed, not_allowed or rewritten."""
        self.why = why
        super().__init__(HTTPStatus.FORBIDDEN, "ContentStreamNotAllowed", detail or why.replace("_", " "))


class NotAPersonalChat(TeamsRefused):
    """Teams streams in personal chats alone."""


class TooLarge(TeamsRefused):
    """The message is larger than Teams takes."""


class Unsure(ChannelError):
    """Teams did not say whether it took the message."""


class NotSent(Unreached):
    """Teams could not be reached, and nothing was sent."""


class NotLetIn(RateLimited):
    """Microsoft does not let the bot in, and answers wait until it does."""

    def __init__(self, code: str, detail: str) -> None:
        """`code`: expired_password, rejected, turned_away, unknown_app, unknown_tenant, unreachable, wrong_password."""
        self.code = code
        super().__init__(_TOKEN_WAIT, detail)


def refusal(status: int, body: Any, headers: Mapping[str, str], *, is_stream: bool) -> ChannelError:
    """What an answer other than 2xx means. `is_stream`: a part of a streamed message was refused."""
    code, message = _told(body)
    if status in TRANSIENT:
        wait = retry_after(headers)
        return RateLimited(timedelta(seconds=wait), f"{_seen(status, code)}; again in {wait:.0f} s")
    match status:
        case 403 if code not in _CLOSED and (is_stream or code == "ContentStreamNotAllowed"):
            return StreamEnded(_ending(message))
        case 403 | 404:
            return Undeliverable(f"{_CLOSED.get(code, 'the bot may not write here, or what it names is gone')} "
                                 f"({_seen(status, code)})")  # fmt: skip
        case 405 if is_stream:
            return NotAPersonalChat(status, code, "this answer goes out as one message")
        case 413:
            return TooLarge(status, code)
        case status if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
            return Unsure(_seen(status, code))
        case _ if "(serviceerror) unknown" in message:
            return TeamsRefused(status, code, f"it does not know the message ({_seen(status, code)})")
        case _:
            return TeamsRefused(status, code)


def not_let_in(status: int, answer: Any) -> NotLetIn:
    """What the sign-in's refusal means. Its description stays out: it quotes ids."""
    fields = answer if isinstance(answer, Mapping) else {}
    listed = fields.get("error_codes")
    numbers = [number for number in listed if isinstance(number, int)] if isinstance(listed, list) else []
    known = [_SIGN_IN[number] for number in numbers if number in _SIGN_IN]
    if known:
        return NotLetIn(*known[0])
    if status >= 500 or status == HTTPStatus.TOO_MANY_REQUESTS:
        return NotLetIn("unreachable", f"the sign-in answers HTTP status {status}")
    numbered = f", AADSTS{numbers[0]}" if numbers else ""
    return NotLetIn("rejected", f"check app id, password and tenant (HTTP status {status}{numbered})")


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that Teams asks to wait."""
    try:
        return min(max(0.1, float(headers.get("Retry-After", ""))), _LONGEST_WAIT)
    except ValueError:
        return DEFAULT_WAIT


def _told(body: Any) -> tuple[str, str]:
    """Code and message, the latter in small letters, of {"error": {"code", "message"}}."""
    error = body.get("error") if isinstance(body, Mapping) else None
    fields = error if isinstance(error, Mapping) else {}
    code = fields.get("code")
    code = code if isinstance(code, str) and code.isascii() and code.isalnum() and len(code) <= 80 else ""
    return code, str(fields.get("message", "")).lower()


def _ending(message: str) -> str:
    return next((why for words, why in _ENDINGS if words in message), "not_allowed")


def _seen(status: int, code: str) -> str:
    return f"HTTP status {status}{f', {code}' if code else ''}"
