"""A look inside a server that a benchmark started: a door at /channels/probe, which no product has."""

import asyncio
import ctypes
import gc
import json
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import psutil

from core.errors import Undeliverable
from core.message import Chunk
from core.ports import Accept, Delivery, Ledger, Received, Webhook

_TYPES = 400  # of objects: the most frequent ones
_MALLOC = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]


class _Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`, over all of its arenas."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLOC]


class Probe:
    """Tells of its own process as JSON; GET /channels/probe?look=NAME, where NAME is one of these.

    light: what costs next to nothing to count, under load. settled: garbage is collected first, and objects are
    counted by their types. Without a name, or trimmed: what the allocator holds free is given back as well.
    """

    name = "probe"

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        match webhook.query.get("look", "trimmed"):
            case "light":
                facts = counts()
            case "settled":
                gc.collect()
                facts = counts() | {"types": types()}
            case _:
                gc.collect()
                trim()
                facts = counts() | {"objects": len(gc.get_objects())}
        return Received(200, json.dumps(facts).encode())

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        raise Undeliverable("nobody asks anything at the probe")


def counts() -> dict[str, object]:
    """Sizes in bytes. `blocks` are what Python's own allocator has given out; `used` and `unused` are glibc's."""
    process, malloc = psutil.Process(), mallinfo()
    return {
        "rss": process.memory_info().rss,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "blocks": sys.getallocatedblocks(),
        "used": malloc.uordblks + malloc.hblkhd,
        "unused": malloc.fordblks,
    }


def types() -> dict[str, int]:
    """How many objects there are of each type that the garbage collector knows of."""
    found = Counter(type(each) for each in gc.get_objects())
    return {f"{kind.__module__}.{kind.__qualname__}": number for kind, number in found.most_common(_TYPES)}


def trim() -> None:
    """What is free and only kept for later by the allocator has not stayed."""
    with suppress(AttributeError, OSError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)


def mallinfo() -> _Mallinfo:
    """Zeros where the C library can't say."""
    try:
        ask: Callable[[], _Mallinfo] = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return _Mallinfo()
    ask.restype = _Mallinfo  # type: ignore[attr-defined]
    return ask()
