"""What the operator reads line by line: whose turn it is about, and never anybody's words.

The house's own lines are written without words of anybody. What a library says is told as far as it stands in the
library's own source; what it fills in, and the messages of exceptions, may quote what a person wrote.
"""

import json
import linecache
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath
from typing import Any, TextIO

from core.errors import Traced, trace
from core.message import ThreadId
from core.trail import Trail, trail

Blind = Callable[[ThreadId], str]

OWN = ("adapters", "bench", "bot", "core")
"""The loggers of this project's rooms, whose level is the operator's to choose."""

_SHORT = 8
_THREADS = 2_000  # whose names are remembered
_JSON = json.JSONEncoder(ensure_ascii=False)  # one for all lines: to make it takes longer than to use it
_NO_WORDS = "(its words are kept out of the log)"
_blinds: list[Blind] = []


@contextmanager
def threads_called(blind: Blind) -> Iterator[None]:
    """Within, threads are told by the names that `blind` gives them: the platform's ids would tell who it is."""
    names = lru_cache(_THREADS)(blind)
    _blinds.append(names)
    try:
        yield
    finally:
        _blinds.remove(names)


def called(thread: ThreadId | None) -> str:
    """The name of a thread, "" where there is none."""
    return _blinds[-1](thread) if thread and _blinds else ""


class Trailed(logging.Filter):
    """Adds `turn` and `thread` to each record, "" where it is nobody's. Another thread's work names its `trail`."""

    def filter(self, record: logging.LogRecord) -> bool:
        whose: Trail = getattr(record, "trail", None) or trail()
        record.turn, record.in_thread = whose.turn, called(whose.thread)
        return True


def words(record: logging.LogRecord) -> str:
    """What the record says, without anything that a person may have written; below it, the trace of its error."""
    if is_own(record):
        said = record.getMessage()
    else:
        said = record.msg if is_constant(record) else f"{_NO_WORDS} {place(record)}"
    if record.exc_info and record.exc_info[1] is not None:
        said += f": {trace(record.exc_info[1])}"
    return said


def is_own(record: logging.LogRecord) -> bool:
    """Whether the house itself says it."""
    return record.name.partition(".")[0] in OWN


def is_constant(record: logging.LogRecord) -> bool:
    """Whether what it says, without what is filled in, stands in the source: then nobody else has written it."""
    text = record.msg
    if not isinstance(text, str) or not text:
        return False
    written = "".join(linecache.getlines(record.pathname))
    return any(f"{quote}{text}{quote}" in written for quote in "\"'")


def place(record: logging.LogRecord) -> str:
    """Where in the source it is said."""
    return f"{'/'.join(PurePath(record.pathname).parts[-2:])}:{record.lineno} in {record.funcName}"


def error_of(record: logging.LogRecord) -> BaseException | None:
    """The error that the record is about."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    filled = record.args if isinstance(record.args, tuple) else ()
    return next((value.error for value in filled if isinstance(value, Traced)), None)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; turn, thread and error where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        error = error_of(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": words(record),
            "turn": getattr(record, "turn", ""),
            "thread": getattr(record, "in_thread", ""),
            "error": type(error).__name__ if error else "",
        }
        for name in ("turn", "thread", "error"):
            if not line[name]:
                del line[name]
        return _JSON.encode(line)


class ConsoleFormatter(logging.Formatter):
    """A line for people, with the beginnings of the turn and the thread at its end."""

    def format(self, record: logging.LogRecord) -> str:
        said, *below = words(record).split("\n")
        names = {"turn": getattr(record, "turn", ""), "thread": getattr(record, "in_thread", "")}
        whose = ", ".join(f"{name} {value[:_SHORT]}" for name, value in names.items() if value)
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{at} {record.levelname:7} {record.name}: {said}{f' [{whose}]' if whose else ''}"
        return "\n".join([line, *below])


class _Lines(logging.StreamHandler[TextIO]):
    """A line that can't be put together is told by its place; logging itself would show all that was filled in."""

    def handleError(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            self.stream.write(f"a line of the log could not be written: {place(record)}\n")


def set_up_logging(level: str, form: str) -> None:
    """Logs to standard error; libraries only from warnings on."""
    handler = _Lines(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    handler.addFilter(Trailed())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in OWN:
        logging.getLogger(room).setLevel(level.upper())
