"""Reads what came with a question: the thread it was first mentioned in, and its text files."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from core.answer import conversation
from core.errors import NotFound, NotStored, ParleyError, Refused, trace
from core.files import decoded, is_text
from core.history import most
from core.message import Attachment, Message, Utterance
from core.ports import Adapter, Engine
from core.reading import MAX_FILE, MAX_FILES, ReadFile, Reading, UnreadFile, Why
from core.turn import Turn

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds, for all of it
EARLIER = 50  # messages

Fetch = Callable[[Attachment, int], Awaitable[bytes]]
ReadThread = Callable[[Message, int], Awaitable[tuple[Utterance, ...]]]


async def read(door: Adapter, message: Message, *, with_thread: bool) -> Reading:
    """What `door` can show of it within PATIENCE seconds, and what of it was not read.

    Raises NotStored.
    """
    deadline = _deadline()
    earlier = await _earlier(door, message, deadline) if with_thread else ()
    files: list[ReadFile] = []
    unread: list[UnreadFile] = []
    for attachment in message.attachments:
        name = _whole(attachment.name or attachment.id)
        content = await _content(door, attachment, deadline, is_full=len(files) == MAX_FILES)
        if isinstance(content, Why):
            unread.append(UnreadFile(name, content))
        else:
            files.append(ReadFile(name, content))
    return Reading(earlier or (), tuple(files), tuple(unread), misses_thread=earlier is None)


async def read_missed(door: Adapter, message: Message, reading: Reading) -> Reading:
    """The reading with the thread that it misses, where that can be read now. Raises NotStored."""
    earlier = await _earlier(door, message, _deadline())
    return reading if earlier is None else replace(reading, earlier=earlier, misses_thread=False)


async def within_context(turn: Turn, engine: Engine, budget: int) -> Turn:
    """The turn without the oldest of what was said before, where all of it makes a prompt of over `budget` tokens."""
    earlier = turn.reading.earlier

    def with_newest(count: int) -> Turn:
        return replace(turn, reading=replace(turn.reading, earlier=earlier[len(earlier) - count :]))

    async def fits(count: int) -> bool:
        return await engine.count(conversation(with_newest(count))) <= budget

    return with_newest(await most(len(earlier), fits))


def _deadline() -> float:
    return asyncio.get_running_loop().time() + PATIENCE


async def _earlier(door: Adapter, message: Message, deadline: float) -> tuple[Utterance, ...] | None:
    """What was said before; None where that could not be read."""
    ask: ReadThread | None = getattr(door, "earlier", None)
    if ask is None:
        return ()
    try:
        async with asyncio.timeout_at(deadline):
            said = await ask(message, EARLIER)
    except NotStored:
        raise
    except Exception as error:
        _report("a thread", door, error)
        return None
    return tuple(replace(each, text=_whole(each.text), name=_whole(each.name)) for each in said if each.text.strip())


async def _content(door: Adapter, attachment: Attachment, deadline: float, *, is_full: bool) -> str | Why:
    """The text of a file, or why there is none."""
    fetch: Fetch | None = getattr(door, "fetch", None)
    if fetch is None:
        return Why.NOT_HERE
    if not is_text(attachment):
        return Why.NOT_TEXT
    if attachment.size is not None and attachment.size > MAX_FILE:
        return Why.TOO_LARGE
    if is_full:
        return Why.TOO_MANY
    data = await _fetched(door, fetch, attachment, deadline)
    if isinstance(data, Why):
        return data
    text = decoded(data)
    return Why.NOT_TEXT if text is None else text


async def _fetched(door: Adapter, fetch: Fetch, attachment: Attachment, deadline: float) -> bytes | Why:
    try:
        async with asyncio.timeout_at(deadline):
            return await fetch(attachment, MAX_FILE)
    except Refused:
        return Why.TOO_LARGE
    except NotFound:
        return Why.GONE
    except NotStored:
        raise
    except Exception as error:
        _report("a file", door, error)
        return Why.NOT_FETCHED


def _report(what: str, door: Adapter, error: Exception) -> None:
    """The answer goes on without it, whatever went wrong at the door."""
    if isinstance(error, ParleyError):  # it speaks to the operator: of a scope that is missing, say
        log.warning("%s that came through %s was not read, %s: %s", what, door.name, type(error).__name__, error)
    elif isinstance(error, TimeoutError):
        log.warning("%s that came through %s was not read within %g s", what, door.name, PATIENCE)
    else:
        log.error("%s that came through %s was not read, the adapter failed: %s", what, door.name, trace(error))


def _whole(text: str) -> str:
    """Without halves of a character pair: one in somebody else's words must not make the question unreadable."""
    return text.encode("utf-8", "replace").decode()
