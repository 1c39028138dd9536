"""What goes wrong on request: each fault is for one kind of call and for a number of them."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final, TypeAlias

from bench.platforms.wecom.errors import ApiError

UPLOADS: Final = ("aibot_upload_media_init", "aibot_upload_media_chunk", "aibot_upload_media_finish")
COMMANDS: Final = (
    "aibot_subscribe",
    "ping",
    "aibot_respond_msg",
    "aibot_respond_welcome_msg",
    "aibot_respond_update_msg",
    "aibot_send_msg",
    *UPLOADS,
)
METHODS: Final = (
    "gettoken",
    "message/send",
    "message/recall",
    "message/update_template_card",
    "media/upload",
    "media/get",
    "getcallbackip",
    "agent/get",
)
KINDS: Final = (*COMMANDS, *METHODS, "response_url", "file")


@dataclass(frozen=True, slots=True)
class Refused:
    """Answered with this error, before anything was done."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class Broken:
    """Answered with an HTTP status and a page; a frame is not answered."""

    status: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Never answered: after all was done, or before. A request's connection ends, the long one stays."""

    is_done: bool


Fault: TypeAlias = Refused | Broken | Lost


class Faults:
    """What awaits the next calls. A kind may also be slow until it is made quick again."""

    def __init__(self) -> None:
        self._next: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._seconds: dict[str, float] = {}

    def add(self, kind: str, fault: Fault, times: int) -> None:
        self._next[known(kind)].extend([fault] * times)

    def slow(self, kind: str, seconds: float) -> None:
        self._seconds[known(kind)] = seconds

    def clear(self) -> None:
        self._next.clear()
        self._seconds.clear()

    def take(self, kind: str) -> Fault | None:
        waiting = self._next.get(kind)
        return waiting.popleft() if waiting else None

    async def pause(self, kind: str) -> None:
        if seconds := self._seconds.get(kind, 0):
            await asyncio.sleep(seconds)

    def pending(self, kind: str) -> int:
        return len(self._next.get(known(kind), ()))


def known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"no such kind of call: {kind}")
    return kind
