"""How often may be written, and how much of it is taken."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Windows = Sequence[tuple[int, float]]

CONVERSATION: Windows = ((30, 60.0), (1000, 3600.0))  # documents 101463 and 90236
STREAM_BYTES = 20480  # of UTF-8; documents 101031, 101138 and 101463
TEXT_BYTES = 2048  # document 90236
FEEDBACK_BYTES = 256
STREAM_SECONDS = 360.0
REPLY_SECONDS = 24 * 3600.0  # how long a callback may be answered through the long connection
CLICK_SECONDS = 5.0  # how long a welcome may be said and a card be changed
RESPONSE_URL_SECONDS = 3600.0
MEDIA_URL_SECONDS = 300.0
CODE_SECONDS = 72 * 3600.0
RECALL_SECONDS = 24 * 3600.0
MOST_AT_ONCE = 3  # messages of one person that a bot by callback has in hand


@dataclass(slots=True)
class Limits:
    """What is written into one conversation, by `clock`; the windows may be changed for a test.

    Whether every frame of a stream counts or its first alone is not documented: see `counts_frames`.
    """

    clock: Callable[[], float]
    windows: Windows = CONVERSATION
    counts_frames: bool = True
    _calls: dict[str, deque[float]] = field(default_factory=dict)

    def takes(self, conversation: str) -> bool:
        """Counts one message, where there is room for it."""
        calls = self._calls.setdefault(conversation, deque(maxlen=max(most for most, _ in self.windows)))
        now = self.clock()
        if any(len(calls) >= most and now - calls[-most] < seconds for most, seconds in self.windows):
            return False
        calls.append(now)
        return True
