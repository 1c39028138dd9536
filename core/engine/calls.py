"""The tools that a model calls within its answer, in the form that its chat template teaches it."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from core.message import ToolCall

MOST = 8
"""An answer ends with so many calls."""

LARGEST = 16 * 1024
"""Bytes of a call, in UTF-8; a larger one is none."""

_NAME = re.compile(r"[\w./:-]{1,128}")

Read = Callable[[str], tuple[str, Any]]
"""Gives the name of a call and its arguments, as JSON text or read. Raises ValueError, KeyError or TypeError."""


@dataclass(frozen=True, slots=True)
class Form:
    """How some models write their calls; `read` reads one.

    A call stands between one of `opens` and one of `closes`, and `ends` stand behind the last; `inner` marks are part
    of a call. Where something else than `first` comes after the opening mark, it was words. `tells_its_end`: where
    the arguments can be read they are whole, whether or not the call was closed.
    """

    read: Read
    opens: tuple[str, ...]
    closes: tuple[str, ...]
    ends: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    first: str = ""
    tells_its_end: bool = True

    @property
    def marks(self) -> tuple[str, ...]:
        return (*self.opens, *self.closes, *self.ends, *self.inner)


def _hermes(body: str) -> tuple[str, Any]:
    call = _object(body)
    return call["name"], call.get("arguments")


def _deepseek(body: str) -> tuple[str, Any]:
    """V3 and R1 write `function`, the mark, the name and fenced JSON; V3.1 writes the name, the mark and JSON."""
    before, mark, after = body.partition(_SEPARATOR)
    after = after.strip()
    if not mark:
        raise ValueError
    if not after or after.startswith("{"):
        return before, after
    name, _, fenced = after.partition("\n")
    return name, fenced.strip().removeprefix("```json").removeprefix("```").removesuffix("```")


def _dsml(body: str) -> tuple[str, Any]:
    """Behind `<｜DSML｜invoke`: the name, then parameters, each of which says whether it is a string."""
    head = _must(_HEAD.match(body))
    *parameters, rest = body[head.end() :].split(f"</{_DSML}parameter>")
    if rest.strip():
        raise ValueError
    found = [_must(_PARAMETER.fullmatch(parameter)) for parameter in parameters]
    values = {name: text if is_string == "true" else json.loads(text) for name, is_string, text in map(_groups, found)}
    if len(values) < len(found):
        raise ValueError
    return head[1], values


_SEPARATOR, _DSML = "<｜tool▁sep｜>", "｜DSML｜"
_HEAD = re.compile(r'\s*name="([^"]*)"\s*>')
_PARAMETER = re.compile(rf'\s*<{_DSML}parameter name="([^"]*)" string="(true|false)">(.*)', re.DOTALL)
_BLOCKS = ("function_calls>", "tool_calls>")  # V3.2 and V4

# Qwen and whoever follows Nous Research's Hermes: https://github.com/NousResearch/Hermes-Function-Calling
HERMES = Form(_hermes, ("<tool_call>",), ("</tool_call>",), first="{")
# The chat templates of V3 and R1, and the model card of V3.1.
DEEPSEEK = Form(
    _deepseek,
    ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"),
    ("<｜tool▁call▁end｜>",),
    ("<｜tool▁calls▁end｜>",),
    (_SEPARATOR,),
)
# encoding/encoding_dsv32.py, which comes with the weights of V3.2.
DSML = Form(
    _dsml,
    (*(f"<{_DSML}{block}" for block in _BLOCKS), f"<{_DSML}invoke"),
    (f"</{_DSML}invoke>",),
    tuple(f"</{_DSML}{block}" for block in _BLOCKS),
    (f"<{_DSML}parameter", f"</{_DSML}parameter>"),
    tells_its_end=False,
)


def form_of(text: str) -> Form | None:
    """The form that a chat template teaches, known by its marks; None for one that is not known here."""
    if _DSML in text:
        return DSML
    if DEEPSEEK.opens[0] in text:
        return DEEPSEEK
    # Qwen3-Coder and GLM write something else between the same marks.
    is_hermes = "<tool_call>" in text and "arguments" in text and "<function=" not in text and "<arg_key>" not in text
    return HERMES if is_hermes else None


class _Place(Enum):
    WORDS = auto()
    CALL = auto()
    AFTER = auto()


class Calls:
    """Parts the calls of an answer from its words, however the text is cut; each sign is looked at a few times.

    What stands where a call should and is none is left out, and so is half a call at the end. What follows the calls
    is left out too, since it was written without their results: the answer `is_over`.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._marks = _either(form.marks)
        self._beginnings = {mark[:size] for mark in form.marks for size in range(1, len(mark))}
        self._longest = max(map(len, form.marks)) - 1
        self._held = ""
        self._place = _Place.WORDS
        self._body: list[str] = []
        self._size = self._count = 0
        self.is_over = False

    def feed(self, text: str) -> tuple[str, tuple[ToolCall, ...]]:
        """The next words and, after them, the calls that are whole now."""
        words, calls = [], []
        for piece, mark in self._cut(self._held + text):
            words.append(self._say(piece))
            if not self.is_over and mark and (call := self._meet(mark)):
                calls.append(call)
            if self.is_over:
                self._held = ""
                break
        return "".join(words), tuple(calls)

    def flush(self) -> tuple[str, tuple[ToolCall, ...]]:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        words = "" if self.is_over else self._say(held)
        call = self._take(is_closed=False) if self._place is _Place.CALL and not self.is_over else None
        self.is_over = True
        return words, (call,) if call else ()

    def without_marks(self, text: str) -> str:
        """For what was thought: nothing is called there."""
        return self._marks.sub("", text)

    def _cut(self, text: str) -> Iterator[tuple[str, str]]:
        """Pieces with the mark that follows each; the last has none, and what may become one is held back."""
        start = 0
        for found in self._marks.finditer(text):
            yield text[start : found.start()], found[0]
            start = found.end()
        sizes = range(min(self._longest, len(text) - start), 0, -1)
        end = len(text) - next((size for size in sizes if text[-size:] in self._beginnings), 0)
        self._held = text[end:]
        yield text[start:end], ""

    def _say(self, text: str) -> str:
        match self._place:
            case _Place.WORDS:
                return text
            case _Place.CALL:
                return self._collect(text)
        if not (text := text.lstrip()):
            return ""
        if self._count:
            self.is_over = True
            return ""
        self._place = _Place.WORDS
        return text

    def _collect(self, text: str) -> str:
        if not self._size and not (text := text.lstrip()):
            return ""
        if not self._size and not text.startswith(self._form.first):
            self._place = _Place.WORDS
            return text
        self._size += len(text.encode(errors="replace"))
        if self._size <= LARGEST:
            self._body.append(text)
        return ""

    def _meet(self, mark: str) -> ToolCall | None:
        is_call, form = self._place is _Place.CALL, self._form
        if mark in form.inner:
            if is_call:
                self._collect(mark)
            return None
        call = self._take(is_closed=mark in form.closes) if is_call else None
        if mark in form.opens:
            self._place = _Place.CALL
        elif is_call:
            self._place = _Place.AFTER
        if self._count and mark in form.ends:
            self.is_over = True
        return call

    def _take(self, *, is_closed: bool) -> ToolCall | None:
        body, size = "".join(self._body), self._size
        self._body, self._size = [], 0
        if size > LARGEST or not (is_closed or self._ends(body)):
            return None
        try:
            name, arguments = _checked(*self._form.read(body))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        self._count += 1
        self.is_over = self._count == MOST
        return ToolCall(f"call_{self._count - 1}", name, arguments)

    def _ends(self, body: str) -> bool:
        """Whether a call that was not closed may be whole: its arguments are, if they can be read."""
        return self._form.tells_its_end and body.rstrip("`\n ").endswith("}")


def _checked(name: object, arguments: object) -> tuple[str, str]:
    """A name and JSON text that anybody can read."""
    if isinstance(arguments, str):
        arguments = json.loads(arguments.strip() or "{}")
    if not isinstance(arguments, dict | None) or not isinstance(name, str) or not _NAME.fullmatch(name := name.strip()):
        raise ValueError
    text = json.dumps(arguments or {}, ensure_ascii=False, allow_nan=False)
    text.encode()  # half of a character pair is an error
    return name, text


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError
    return value


def _must(found: re.Match[str] | None) -> re.Match[str]:
    if not found:
        raise ValueError
    return found


def _groups(found: re.Match[str]) -> tuple[str, str, str]:
    return found[1], found[2], found[3]


def _either(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(marks, key=len, reverse=True))))
