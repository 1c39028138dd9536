"""How an answer longer than one message becomes several: each stands by itself, and none changes once it is full."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

# Characters (and bytes) kept for the line that closes a fence: a newline, three spaces of indentation, sixty marks.
_FOOT = 64

# From where on a piece ends at the first place of its kind, in 32nds of its length. The best kind may end it early, the
# worst has to; looking forward only, what a growing piece shows is always the beginning of what it will say.
_BLANK_LINE, _LINE, _OPEN_LINE, _SPACE, _ANYWHERE, _END = 20, 25, 27, 29, 30, 32

_OPENING = re.compile(r" {0,3}(?:(`{3,60})[^`\n]{0,400}|(~{3,60})(?!~)[^\n]{0,400})\n")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t\r]*\n")
# A space before something that would not be read as the start of a list, a quotation, a heading or a fence.
_BREAK = re.compile(r"[ \t](?=[^\s`~#>|+*=\-\d])")


# The end of a sentence, and what may follow it so that the rest is not read as a list or the like.
_SENTENCE = re.compile(r"(?:[.!?;][ \t]|[。！？；…][”’」』）]?)(?=[^\s`~#>|+*=\-\d”’」』）])")

_WIDEST = "\U0010ffff"


def utf8_bytes(text: str) -> int:
    """How many bytes a text takes up in UTF-8: the size of pieces for a platform that counts these."""
    return len(text.encode(errors="surrogatepass"))


@dataclass(frozen=True, slots=True)
class Context:
    """What is open after a line: a code fence or a table, each by the lines that opened it, or else nothing.

    `line` is that line, perhaps the header of a table. Fences are those of CommonMark, indented by up to three spaces.
    """

    fence: str = ""
    table: str = ""
    line: str = ""

    @property
    def opening(self) -> str:
        """The lines that open it again."""
        return self.fence or self.table

    @property
    def closing(self) -> str:
        """The line that closes it, "" where nothing has to be closed."""
        opening = _OPENING.match(self.fence)
        return self.fence[: opening.end(opening.lastindex or 0)] if opening else ""

    def after(self, line: str) -> "Context":
        """What is open once this line, which ends with a newline, is read too."""
        if self.fence:
            return Context() if _closes(line, self.closing) else self
        if self.table and "|" in line:
            return self
        if _OPENING.fullmatch(line):
            return Context(fence=line)
        if "|" in self.line and _is_delimiter_row(line):
            return Context(table=self.line + line)
        return Context(line=line)


class Pager:
    """Splits one growing text; what it has split it does not look at again.

    `limit` is in the units of `size`, from 256 up: in characters, or with `Pager(20_480, size=utf8_bytes)` in bytes of
    UTF-8. Each character has a size of its own, at least 1, whatever stands beside it. A piece ends at a blank line if
    one comes late enough in it, else at the end of a line, else at a space, else between two characters that do not
    belong together. Where that is inside a code fence or a table, the fence is closed and the next piece begins with
    the lines that open it again, unless these alone would take up a quarter of it.
    """

    def __init__(self, limit: int, *, size: Callable[[str], int] = len) -> None:
        self._limit = limit
        self._size = size
        self._room = limit - _FOOT - (size(_WIDEST) - 1)  # a zone begins after the character that reaches it
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._fed, self._is_over = "", False
        self._pieces: list[str] = []
        self._head = ""  # the lines that this piece repeats
        self._rest = ""  # the text from the start of this piece on
        self._read = 0  # the length of its lines that are read
        self._apart = 0  # of these, of those that a piece may end with: no header of a table is the last one
        self._context = Context()
        self._measure()

    def feed(self, text: str, *, is_final: bool = False) -> list[str]:
        """The pieces of all the text there is so far; a text that does not go on from the last one starts anew.

        Only the last piece ever grows, and only at its end. With `is_final` a fence that is still open is closed.
        """
        if self._is_over or not text.startswith(self._fed):
            self._begin_anew()
        self._rest += text[len(self._fed) :]
        self._total += self._size(text[len(self._fed) :])
        self._fed, self._is_over = text, is_final
        while (place := self._end_of_piece()) is not None:
            self._finish(place)
        if is_final:
            self._read_to(len(self._rest))
            self._finish(len(self._rest))
        return [*self._pieces, *self._growing()]

    @property
    def full(self) -> int:
        """How many of the pieces grow no more."""
        return len(self._pieces)

    def cut(self) -> bool:
        """Ends the growing piece where it stands, for a message that has to end now; False where it cannot end yet.

        It ends with its last whole line, or within its first one after a sentence or a word. To feed another Pager the
        text there was by now and to cut it, too, ends the same piece at the same place.
        """
        place = self._apart or self._end_of_words()
        if not self._rest[:place].strip():
            return False
        if place > self._read:
            self._read_to(place)
        elif place < self._read:  # after it comes what may be the header of a table
            self._context = Context()
        self._finish(place)
        return True

    def _end_of_words(self) -> int:
        """Where the last sentence of the first line ends, or else its last word; 0 where nothing can end there."""
        if self._read or self._context.opening:
            return 0
        ends = [found.end() for found in _SENTENCE.finditer(self._rest)]
        return max(ends or [found.end() for found in _BREAK.finditer(self._rest)], default=0)

    def _growing(self) -> list[str]:
        return [self._head + self._rest] if self._rest.strip() and self._is_decided() else []

    def _is_decided(self) -> bool:
        """Whether it is certain that the repeated lines are wanted: the first line may end what they open."""
        if self._read or not self._head:
            return True
        return "|" in self._rest if self._context.table else bool(self._rest.strip("`~ \t\r"))

    # ------------------------------------------------------------------------------------------ where the piece ends

    def _end_of_piece(self) -> int | None:
        """Reads on line by line; where this piece ends, None while it may still grow."""
        while True:
            end = self._rest.find("\n", self._read) + 1
            place = self._break_in_line(end or len(self._rest))
            if place is None and not end:
                return None
            self._read_to(place or end)
            if place is not None or self._may_end_here():
                return self._read

    def _break_in_line(self, end: int) -> int | None:
        """Where the line up to `end` has to be broken for its length."""
        anywhere, last = max(self._zone(_ANYWHERE), self._read + 1), self._zone(_END)
        if space := _BREAK.search(self._rest, max(self._zone(_SPACE), self._read), min(anywhere + 1, end)):
            return space.end()
        for place in range(anywhere, min(last, end)):
            if not _belong_together(self._rest[place - 1], self._rest[place]):
                return place
        return last if end > last else None

    def _may_end_here(self) -> bool:
        if self._context.opening:
            return self._read >= self._zone(_OPEN_LINE)
        if "|" in self._context.line:  # perhaps the header of a table
            return False
        return self._read >= self._zone(_LINE if self._context.line.strip() else _BLANK_LINE)

    def _zone(self, part: int) -> int:
        """Where in the rest a zone begins; beyond its end as long as there is too little to tell."""
        if part not in self._zones:
            size = self._room * part // 32 - self._head_size
            if self._total < size:
                return len(self._rest) + 1
            places = range(min(len(self._rest), size) + 1)
            self._zones[part] = bisect_left(places, size, key=lambda place: self._size(self._rest[:place]))
        return self._zones[part]

    def _measure(self) -> None:
        """To be called where a piece begins, or begins otherwise than it did."""
        self._head_size, self._total = self._size(self._head), self._size(self._rest)
        self._zones: dict[int, int] = {}

    # ------------------------------------------------------------------------------------------------ from end to end

    def _read_to(self, end: int) -> None:
        line = self._rest[self._read : end]
        after = self._context.after(line if line.endswith("\n") else line + "\n")
        if self._head and not self._read and after.opening != self._head:
            self._head = ""  # What the last piece left open ends here,
            if self._context.fence:
                self._rest, end = self._rest[end:], 0  # and a fence was closed there already.
            self._measure()
        self._context, self._read = after, end
        if "|" not in after.line:
            self._apart = end

    def _finish(self, end: int) -> None:
        if (text := self._rest[:end]).strip():
            self._pieces.append(_closed(self._head + text, self._context.closing))
        if not 0 < self._size(self._context.opening) <= self._limit // 4:
            self._context = Context()
        self._head, self._rest, self._read, self._apart = self._context.opening, self._rest[end:], 0, 0
        self._measure()


def _closed(text: str, closing: str) -> str:
    if closing and not text.endswith("\n"):
        text += "\n"
    return text + closing


def _closes(line: str, closing: str) -> bool:
    found = _CLOSING.fullmatch(line)
    return found is not None and found[1].startswith(closing.lstrip())


def _is_delimiter_row(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip("|:- \t\r\n")


def _belong_together(left: str, right: str) -> bool:
    """Whether two neighbours make one sign: an accent, a joined emoji, a flag, an escape, a pair of a surrogate."""
    if left in "\\\u200d\u2060" or (_is_half_a_flag(left) and _is_half_a_flag(right)):
        return True
    # Sk are the skin tones, and the backtick besides: no fence ever begins where a line was broken.
    return unicodedata.category(right) in ("Mn", "Mc", "Me", "Cf", "Cs", "Sk")


def _is_half_a_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
