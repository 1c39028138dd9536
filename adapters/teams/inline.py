"""The Markdown within a line as Teams shows it: all stays as it is but pictures, HTML and bad links. Pure."""

import re
from collections.abc import Iterator
from functools import cached_property

_JOINER = "\u2060"  # shows nothing, and works in code, where an escape would be seen

_MAX_LABEL, _MAX_ADDRESS, _MAX_CODE = 400, 2_000, 1_000  # what is longer is no link and no code within a line

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_MARK = re.compile(r"([\\`*_\[\]~|])")
_UNFIT = re.compile(r"[()<>\\\x00-\x20\x7f]")  # in the address of a link

# A mention needs an entity beside the text, and no message of ours has one; this keeps its tag from being one at all.
_MENTION = re.compile(r"<(?=/?at\b)", re.IGNORECASE)

# What would begin another block if it stood at the start of its line: here it was indented too far to be one.
_BLOCK = re.compile(
    r"[|:-][-:| \t]*(?=\n|\Z)|(?:[-+*]|#{1,6}|\d{1,9}[.)])(?=[ \t\n]|\Z)|>|`{3,}(?=[^`\n]*(?:\n|\Z))|~{3}"
    r"|(?:(?:_[ \t]*){3,}|(?:\*[ \t]*){3,}|=+[ \t]*)(?=\n|\Z)|\[(?=[^\]\n]*\]:)"
)
_SPACES = re.compile(r"[ \t]*")
_SPECIAL = re.compile(r"\\|`+|!\[|\[|!+(?=!\[|<|\Z)|<|\n")
_BRACKET = re.compile(r"[\[\]]|\\.|`+", re.DOTALL)
_TICKS = re.compile("`+")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]{1,2000})>", re.IGNORECASE)
_TAG_BEGUN = re.compile(r"<[^\s<>]{0,2000}\Z")
_ADDRESS = re.compile(
    r"\(\s{0,9}(?:<([^<>\n]*)>|((?:[^\s()<\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))"
    r"(?:\s{1,9}(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?\s{0,9}\)",
    re.DOTALL,
)


def inline(content: str, *, is_open: bool = False) -> str:
    """The content of a paragraph, a heading or a cell.

    Where it `is_open` it may go on, and ends before the first thing of which it is not certain yet what it is.
    """
    return _Inline(content, is_open=is_open).write()


def harmless(code: str) -> str:
    """Code in which nothing looks like a mention."""
    return _MENTION.sub(f"<{_JOINER}", code)


def without_fences(code: str, length: int = 3) -> str:
    """Harmless code with nothing in it that would end a block fenced by this many backticks."""
    return re.sub(rf"^([ \t]*`)(?=`{{{length - 1}}})", rf"\1{_JOINER}", harmless(code), flags=re.MULTILINE)


def escaped(words: str) -> str:
    """Words of which none is read as a mark."""
    return _MARK.sub(r"\\\1", words).replace("&", "&amp;").replace("<", "&lt;")


class _Inline:
    def __init__(self, content: str, *, is_open: bool = False, is_label: bool = False) -> None:
        self._content = content
        self._is_open = is_open
        self._is_label = is_label
        self._place = 0
        self._is_cut_by_code = False

    def write(self) -> str:
        return "".join(self._parts())

    def _parts(self) -> Iterator[str]:
        yield self._line_start()
        while (found := _SPECIAL.search(self._content, self._place)) is not None:
            yield self._content[self._place : found.start()]
            self._place = found.end()
            part = self._special(found)
            if part is None:
                return
            yield part
        yield self._content[self._place :]

    def _special(self, found: re.Match[str]) -> str | None:
        """What becomes of it; None where that is not certain."""
        match found[0][0]:
            case "\\":
                return self._escape()
            case "`":
                return self._ticks(found)
            case "<":
                return self._angle(found.start())
            case "\n":
                return "\n" + self._line_start()
        return self._bracket(found) if found[0].endswith("[") else self._exclaimed(found[0])

    def _is_held(self, start: int, longest: int) -> bool:
        """Whether what began there and has no end yet may still get one."""
        return self._is_open and len(self._content) - start <= longest

    @property
    def _is_at_end(self) -> bool:
        return self._is_open and self._place >= len(self._content)

    def _line_start(self) -> str:
        """An escape, where the line would be read as another block now that it is not indented."""
        if spaces := _SPACES.match(self._content, self._place):
            self._place = spaces.end()
        found = _BLOCK.match(self._content, self._place)
        if not found or self._is_label:
            return ""
        number = found[0].rstrip(".)") if found[0][0].isdigit() else ""
        self._place += len(number) + 1
        return f"{number}\\{self._content[self._place - 1]}"

    def _escape(self) -> str | None:
        if self._is_at_end:
            return None
        following = self._content[self._place : self._place + 1]
        self._place += 1
        if following == "\n":
            return "\\\n" + self._line_start()
        return "&lt;" if following == "<" else f"\\{following}"

    def _exclaimed(self, marks: str) -> str | None:
        """Marks with nothing before a link that would make it a picture."""
        if self._place == len(self._content):
            return None if self._is_open else marks
        return marks[:-1] + "\\!"

    # ---- code

    def _ticks(self, opening: re.Match[str]) -> str | None:
        if self._is_at_end:
            return None
        end = self._end_of_code(opening)
        if end is None:
            return None if self._is_held(opening.end(), _MAX_CODE) else opening[0]
        if self._is_open and end == len(self._content):
            return None
        self._place = end
        return harmless(self._content[opening.start() : end].replace("\n", " "))

    def _end_of_code(self, opening: re.Match[str]) -> int | None:
        for closing in _TICKS.finditer(self._content, opening.end(), opening.end() + _MAX_CODE):
            if len(closing[0]) == len(opening[0]):
                return closing.end()
        return None

    # ---- links

    def _angle(self, start: int) -> str | None:
        if link := _AUTOLINK.match(self._content, start):
            self._place = link.end()
            return escaped(link[1]) if self._is_label else _link(escaped(link[1]), link[1])
        return None if self._is_open and _TAG_BEGUN.match(self._content, start) else "&lt;"

    def _bracket(self, opening: re.Match[str]) -> str | None:
        literal, start = "\\![" if opening[0] == "![" else "[", opening.end()
        end = self._pairs.get(start - 1)
        if end is None or end - start > _MAX_LABEL:
            is_uncertain = end is None and self._is_cut_by_code
            return None if is_uncertain or self._is_held(start, _MAX_LABEL) else literal
        if self._is_open and end + 1 == len(self._content):
            return None
        if self._content[end + 1 : end + 2] != "(":
            return literal
        address = _ADDRESS.match(self._content, end + 1, end + 1 + _MAX_ADDRESS)
        if address is None:
            return None if self._is_held(end + 1, _MAX_ADDRESS) else f"{literal[:-1]}\\["
        return self._linked(self._content[start:end], address) or f"{literal[:-1]}\\["

    def _linked(self, content: str, address: re.Match[str]) -> str | None:
        """The link; None where it leads nowhere it should."""
        url = _ESCAPED.sub(r"\1", address[1] if address[1] is not None else address[2])
        if not _SAFE_LINK.match(url):
            return None
        self._place = address.end()
        label = _Inline(content.replace("\n", " "), is_label=True).write().strip() or escaped(url)
        return label if self._is_label else _link(label, url)

    @cached_property
    def _pairs(self) -> dict[int, int]:
        """Where each bracket is closed, counting none in code."""
        pairs, opened, place = {}, [], 0
        while found := _BRACKET.search(self._content, place):
            place = found.end()
            if found[0][0] == "`":
                end = self._end_of_code(found)
                if end == len(self._content) or (end is None and self._is_held(place, _MAX_CODE)):
                    self._is_cut_by_code = self._is_open
                    break
                place = end or place
            elif found[0] == "[":
                opened.append(found.start())
            elif found[0] == "]" and opened:
                pairs[opened.pop()] = found.start()
        return pairs


def _link(label: str, url: str) -> str:
    return f"[{label}]({_UNFIT.sub(_percent, url)})"


def _percent(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
