"""Patterns of bounded width, found in a text that is still growing."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import thread_time
from typing import Any, Generic, TypeVar

import regex

from core.errors import Malformed
from core.moderation.views import Text

T = TypeVar("T")

MAX_WIDTH = 5_000  # signs of the folded text
# Of the processor, that one search may take: a pattern that took more is looked for no more until the rules load again.
# Not by the clock: where the machine is busy, an innocent one would be given up for what others took.
SECONDS = 0.05
# Those of a search are of the whole process: what its other threads take is in them.
_TIMEOUTS = tuple(SECONDS * 2**times for times in range(4 + (os.cpu_count() or 1).bit_length()))


@dataclass(slots=True)
class Pattern(Generic[T]):
    """A regular expression over the folded text. `width` is the most signs it can match.

    `is_right` looks at what was matched once more (a checksum). `starts` are the signs it can begin with, None where
    it could be any; what it `needs` is a sign with nothing but those before it. With `is_plain`, what it found is final
    as soon as the sign after it is known. A search of one that `is_timed` is ended after SECONDS; one with `has_edges`
    looks at what stands beside it.
    """

    expression: "regex.Pattern[str]"
    tag: T
    width: int
    is_right: Callable[[str], bool] | None = None
    starts: frozenset[str] | None = None
    needs: str = ""
    is_plain: bool = False
    is_timed: bool = False
    has_edges: bool = False
    is_off: bool = False


def pattern_of(source: str, tag: T, width: int | None = None) -> Pattern[T]:
    """A pattern of a rules file; raises Malformed where its width has no bound, or is more than it declares."""
    greatest, has_edges = _width(source)
    declared = greatest if width is None else width
    if greatest > declared:
        raise Malformed(f"it can match {greatest} characters, and declares {declared}")
    try:
        expression = regex.compile(source, regex.VERSION0)
    except regex.error as error:
        raise Malformed(f"no regular expression: {error}") from None
    return Pattern(expression, tag, declared, is_timed=True, has_edges=has_edges)


def _width(source: str) -> tuple[int, bool]:
    """The most signs an expression can match, and whether it looks at what stands beside them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parsed = re._parser.parse(source)  # type: ignore[attr-defined]
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise Malformed(f"no regular expression: {error}") from None
    low, high = parsed.getwidth()
    if low == 0:
        raise Malformed("it matches nothing at all, everywhere")
    if high > MAX_WIDTH:
        raise Malformed(f"its width has no bound below {MAX_WIDTH}: write {{0,40}} in place of * and {{1,40}} of +")
    return int(high), _has_edges(parsed)


def _has_edges(parsed: Any) -> bool:
    """Whether there are looks ahead or behind (of one sign at most) or word bounds. Other anchors are refused."""
    found = False
    for name, value in _nodes(parsed):
        if name in ("ASSERT", "ASSERT_NOT"):
            if value[1].getwidth()[1] > 1:
                raise Malformed("it may look one character ahead or behind, not more")
            found = True
        elif name == "AT":
            if str(value) not in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
                raise Malformed("^ and $ mean nothing here: a text may come in pieces")
            found = True
        elif name in ("GROUPREF", "GROUPREF_EXISTS"):
            raise Malformed("it may not refer to its own groups: their width is not known")
    return found


def _nodes(parsed: Any) -> Iterator[tuple[str, Any]]:
    stack = [parsed]
    while stack:
        item = stack.pop()
        if isinstance(item, re._parser.SubPattern):  # type: ignore[attr-defined]
            for name, value in item.data:
                yield str(name), value
                stack.append(value)
        elif isinstance(item, tuple | list):
            stack.extend(item)


class Hunt(Generic[T]):
    """One pattern's place in one text."""

    def __init__(self, pattern: Pattern[T], on_slow: Callable[[T], None] | None) -> None:
        self._pattern = pattern
        self._on_slow = on_slow
        self._next = 0  # where it is looked for next, a place of the folded text
        self._seen = 0  # what was new before ends here
        self._starts = pattern.starts

    @property
    def tag(self) -> T:
        return self._pattern.tag

    def is_vain(self, fresh: frozenset[str], end: int) -> bool:
        """Whether nothing is under way and nothing can begin with these signs, up to `end`: then it need not be fed."""
        if self._next < self._seen or self._starts is None or not self._starts.isdisjoint(fresh):
            return False
        self._next = self._seen = end
        return True

    def feed(self, text: Text, *, is_whole: bool) -> Iterator[tuple[int, int]]:
        """What is found for good: places of the first sign and of the one after the last."""
        pattern = self._pattern
        if pattern.is_off:
            self._next = text.end
        self._seen = text.end
        while self._next < text.end:
            if pattern.needs and text.signs.find(pattern.needs, self._next - text.base) < 0:
                self._next = self._run(text) if not is_whole else text.end
                return
            match = self._search(text, is_whole)
            if match is None or match.start() == len(text.signs):
                is_open = pattern.has_edges and not is_whole
                self._next = max(self._next, text.end - pattern.width) if is_open else text.end
                return
            start, end = text.base + match.start(), text.base + match.end()
            if not (is_whole or self._is_final(match, start, end, text.end)):
                self._next = start if match.partial else max(self._next, min(start, text.end - pattern.width))
                return
            is_right = pattern.is_right is None or pattern.is_right(match[0])
            self._next = end if is_right else start + 1
            if is_right:
                yield start, end

    def pending(self, text: Text) -> int | None:
        """The place of the first sign that a match still to come may begin with; None where there is none."""
        return self._next if self._next < text.end else None

    def _run(self, text: Text) -> int:
        """The place where the signs begin that stand at the end and may come before the one that is needed."""
        at, signs, starts = len(text.signs), text.signs, self._pattern.starts or ()
        least = max(0, self._next - text.base, at - self._pattern.width)
        while at > least and signs[at - 1] in starts:
            at -= 1
        return text.base + at

    def _is_final(self, match: "regex.Match[str]", start: int, end: int, known: int) -> bool:
        if match.partial:
            return False
        return start + self._pattern.width < known or (self._pattern.is_plain and end < known)

    def _search(self, text: Text, is_whole: bool) -> "regex.Match[str] | None":
        pattern, at = self._pattern, self._next - text.base
        if not pattern.is_timed:
            return pattern.expression.search(text.signs, at, partial=not is_whole)
        # Whether an edge at the end of an unfinished text holds is not known: then the whole width is held back.
        is_partial = not is_whole and not pattern.has_edges
        match = None
        for timeout in _TIMEOUTS:
            began, has_ended = thread_time(), True
            try:
                match = pattern.expression.search(text.signs, at, partial=is_partial, timeout=timeout)
            except TimeoutError:
                has_ended = False
            if thread_time() - began >= SECONDS:
                break
            if has_ended:
                return match
        self._put_aside()
        return match

    def _put_aside(self) -> None:
        self._pattern.is_off = True
        if self._on_slow:
            self._on_slow(self._pattern.tag)
