"""Strong signals: what is code, or asks for code or for prose, by its form. No single keyword decides."""

import re

from core.routing.asks import asks_for_code, asks_for_prose
from core.routing.reading import Lines, lines_of
from core.routing.source import is_fenced, is_source
from core.routing.traces import is_trace

CODE, CHAT = "code", "chat"

# Three words or more: "id" in {"id": 1} is part of the code, "SELECT a FROM b" is what somebody read on a T-shirt.
_QUOTED = re.compile(r"\"(?:[^\s\"]{1,80} ){2,40}[^\s\"]{1,80}\"|“(?:[^\s“”]{1,80} ){2,40}[^\s“”]{1,80}”")


def rule(text: str) -> str | None:
    """The route that the form of a text demands; None where it demands none. What is pasted speaks before the ask."""
    lines = lines_of(text)
    pasted = _unquoted(lines)
    if is_fenced(lines) or is_trace(pasted) or is_source(pasted) or asks_for_code(lines):
        return CODE
    return CHAT if asks_for_prose(lines) else None


def _unquoted(lines: Lines) -> Lines:
    """A single line without what it quotes: a sentence about code is no paste of it."""
    return (_QUOTED.sub('""', lines[0]),) if len(lines) == 1 else lines
