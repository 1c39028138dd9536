"""How a call fails: in Slack's own words."""

from typing import Any


class ApiError(Exception):
    """Answered as `{"ok": false, "error": code}` with status 200, as Slack does; `more` stands beside it."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


class RateLimited(Exception):
    """Answered with 429 and Retry-After: `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def refuse(code: str, *reasons: str) -> ApiError:
    """With reasons, which Slack puts into response_metadata.messages."""
    if not reasons:
        return ApiError(code)
    told = [f"[ERROR] {reason}" for reason in reasons]
    return ApiError(code, errors=list(reasons), response_metadata={"messages": told})
