"""Whose work is being done: the turn and the thread that each line of the log and each report of an error tells.

A reply's id is known where its event is stored, and to whichever process takes it up later, so it is the one id that
everything between a webhook and the answer goes by. Tasks and threads of asyncio hand it on; other threads are told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.message import Event, Feedback, ThreadId


@dataclass(frozen=True, slots=True)
class Trail:
    """`turn` is the id of the reply that is worked for, "" for work that is nobody's."""

    turn: str = ""
    thread: ThreadId | None = None


_NOBODYS = Trail()
_TRAIL: ContextVar[Trail] = ContextVar("trail", default=_NOBODYS)


def follow(turn: str, thread: ThreadId | None = None) -> None:
    """From here on this task works for that reply, and so does whatever it starts."""
    _TRAIL.set(Trail(turn, thread))


def thread_of(event: Event) -> ThreadId | None:
    """Where it was said; None for a vote, which names an answer alone."""
    return None if isinstance(event, Feedback) else event.thread


def trail() -> Trail:
    """Whom this task works for."""
    return _TRAIL.get()


@contextmanager
def apart() -> Iterator[None]:
    """Work that begins for nobody; what is followed within is followed no further."""
    token = _TRAIL.set(_NOBODYS)
    try:
        yield
    finally:
        _TRAIL.reset(token)
