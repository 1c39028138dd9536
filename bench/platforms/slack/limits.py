"""How often a method may be called, and how long what it carries may be."""

import math
from collections import deque
from collections.abc import Callable

from bench.platforms.slack.errors import ApiError

MARKDOWN = 12_000  # of one call, "chat.postMessage" and "chat.appendStream"
TEXT = 40_000  # the rest is cut off, "Truncating content"
UPDATE = 4_000  # "chat.update": msg_too_long above

# Calls a minute ("Rate limits"); postMessage has a rule of its own: about one a second into one channel.
_TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
TIER_OF = {
    "apps.connections.open": 1,
    "apps.manifest.export": 3,
    "assistant.threads.setStatus": 3,
    "assistant.threads.setSuggestedPrompts": 3,
    "auth.revoke": 3,
    "bots.info": 3,
    "chat.appendStream": 4,
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.startStream": 2,
    "chat.stopStream": 2,
    "chat.update": 3,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.open": 3,
    "conversations.replies": 3,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "oauth.v2.access": 4,
    "reactions.add": 3,
    "reactions.get": 3,
    "reactions.remove": 2,
    "users.info": 4,
    "views.open": 4,
    "views.update": 4,
}
_BURST, _BURST_SECONDS = 10, 10


class Tiers:
    """Counts calls by method and workspace, a message also by its channel. `minute` may be shortened for a test."""

    def __init__(self, clock: Callable[[], float], minute: float = 60) -> None:
        self._clock = clock
        self.minute = minute
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def wait(self, method: str, team: str, channel: str = "") -> int:
        """How many whole seconds the caller has to wait, 0 where the call counts."""
        if method == "chat.postMessage":
            return self._wait((method, channel), _BURST, _BURST_SECONDS * self.minute / 60)
        if tier := TIER_OF.get(method):
            return self._wait((method, team), _TIERS[tier], self.minute)
        return 0

    def _wait(self, key: tuple[str, str], most: int, seconds: float) -> int:
        calls, now = self._calls.setdefault(key, deque(maxlen=most)), self._clock()
        if len(calls) == most and now - calls[0] < seconds:
            return max(1, math.ceil(seconds - (now - calls[0])))
        calls.append(now)
        return 0


def markdown(text: object) -> str:
    """The text, where it fits one call; else ApiError `msg_too_long` or `invalid_arguments`."""
    if not isinstance(text, str):
        raise ApiError("invalid_arguments")
    if len(text) > MARKDOWN:
        raise ApiError("msg_too_long")
    return text
