"""Words found with one automaton per way of reading a text: without separators, with digits as letters, as pinyin."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Generic, TypeVar

import ahocorasick

from core.moderation.fold import SEPARATORS, folded

T = TypeVar("T")

# What separates sentences and clauses: with one of these between two words, they were not meant as one.
_STOPS = frozenset(',。!?;:、\n\r\u2028()[]{}《》〈〉「」『』【】“”‘’"…')
_PIECE = 128  # signs: so many are passed over at once where none of them is a guess
_SHORTEST_CUT = 4  # letters of a Latin word that is seen with signs in it


@dataclass(frozen=True, slots=True)
class Word(Generic[T]):
    """A word as it is searched for: its letters alone, and at which of them a separator is its own (`joints`).

    A Latin word ends where a word ends (`is_open` where it may go on); a Chinese one has no such bounds.
    """

    letters: str
    tag: T
    joints: frozenset[int] = frozenset()
    begins_word: bool = False
    ends_word: bool = False


def word_of(text: str, tag: T) -> Word[T] | None:
    """A word of a rules file; a trailing `*` lets it go on. None where nothing of it is left to search for."""
    is_open = text.endswith("*")
    letters, joints, has_gap = "", set[int](), False
    for sign in folded(text.removesuffix("*").strip()):
        if SEPARATORS[sign]:
            has_gap = bool(letters)
        else:
            joints |= {len(letters)} if has_gap else set()
            letters, has_gap = letters + sign, False
    if not letters:
        return None
    ends = is_latin(letters[-1]) and not is_open
    return Word(letters, tag, frozenset(joints), is_latin(letters[0]), ends)


def is_latin(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()


class View(Generic[T]):
    """One reading of a text. `read` gives for each folded sign what is searched in its place, "" where nothing is.

    `accepts` has the last word on the signs that were read as a word; it takes none without one of the `guesses`.
    """

    def __init__(
        self,
        words: Iterable[Word[T]],
        read: Callable[[str], str],
        *,
        accepts: Callable[[str, Sequence[str]], bool] | None = None,
        guesses: frozenset[str] | None = None,
    ) -> None:
        self.reading: Callable[[str], str] = _Readings(read).__getitem__
        self.accepts = accepts
        self.guesses = guesses
        by_letters: dict[str, list[Word[T]]] = {}
        for word in words:
            by_letters.setdefault("".join(map(self.reading, word.letters)), []).append(word)
        by_letters.pop("", None)
        self.longest = max(map(len, by_letters), default=0)
        self._automaton = ahocorasick.Automaton()
        for letters, found in by_letters.items():
            self._automaton.add_word(letters, (len(letters), tuple(found)))
        self._automaton.make_automaton()
        self.begins: Callable[[str], bool] = self._automaton.match

    def search(self) -> "Search[T]":
        return Search(self)

    def iterate(self) -> "ahocorasick.AutomatonSearchIter":
        return self._automaton.iter("")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A word and the places of its signs in the folded text."""

    word: Word[T]
    places: list[int]
    view: View[T]


class _Readings(dict[str, str]):
    def __init__(self, read: Callable[[str], str]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, sign: str) -> str:
        reading = self[sign] = _narrow(self._read(sign))
        return reading


def _narrow(reading: str) -> str:
    """Without signs beyond U+FFFF, each of which becomes two.

    The automaton's iterator writes beyond its memory where narrow and wide strings follow each other (pyahocorasick
    2.3.1, github.com/WojciechMula/pyahocorasick/issues/221).
    """
    if all(sign <= "\uffff" for sign in reading):
        return reading
    data = reading.encode("utf-16-be", "surrogatepass")
    return "".join(chr(int.from_bytes(data[at : at + 2])) for at in range(0, len(data), 2))


class Search(Generic[T]):
    """One view's place in one text. The automaton goes on where it was: nothing is read twice."""

    def __init__(self, view: View[T]) -> None:
        self._view = view
        self._iterator = view.iterate()
        self._tail = ""
        self._at: list[int] = []  # of each letter that may still matter, the place of its sign in the folded text
        self._base = 0  # the number of letters before the first of them
        self._origin = 0  # the number of letters before the first that the iterator has read
        self._near = view.longest  # letters since the last sign that stands for one
        self._is_behind = True

    def feed(self, signs: str, start: int) -> list[Found[T]]:
        """The words that end within `signs`, which stand at `start` of the folded text, with the places of their signs.

        Whether each is the word, `holds` can tell once the sign after it is known.
        """
        if self._view.guesses is None:
            return self._scan(signs, start)
        pieces = range(0, len(signs), _PIECE)
        return [found for at in pieces for found in self._scan(signs[at : at + _PIECE], start + at)]

    def _scan(self, signs: str, start: int) -> list[Found[T]]:
        if self._is_vain(signs):
            self._pass_over(signs, start)
            return []
        letters, before = self._read(signs, start), self._tail
        self._tail = (before + letters)[-self._view.longest :]
        if self._view.guesses is not None:
            self._near = self._near + len(letters) if self._view.guesses.isdisjoint(signs) else 0
        if self._is_behind:  # what may have begun before is read again
            self._origin = self._base + len(self._at) - len(letters) - len(before)
            self._iterator, self._is_behind = self._view.iterate(), False
            self._iterator.set(before)
            deque(self._iterator, maxlen=0)
        self._iterator.set(letters)
        shift = self._origin - self._base
        return [found for end, (length, words) in self._iterator for found in self._found(end + shift, length, words)]

    def _read(self, signs: str, start: int) -> str:
        readings = list(map(self._view.reading, signs))
        letters, known = "".join(readings), len(self._at)
        self._at.extend(compress(range(start, start + len(signs)), readings))
        if len(self._at) - known != len(letters):  # some are read as several letters
            self._at[known:] = [start + i for i, reading in enumerate(readings) for _ in reading]
        return letters

    def _is_vain(self, signs: str) -> bool:
        """Whether no sign is near that stands for a letter, and without one nothing is found in this view."""
        guesses = self._view.guesses
        return guesses is not None and self._near >= self._view.longest and guesses.isdisjoint(signs)

    def _pass_over(self, signs: str, start: int) -> None:
        """Reads no more of them than a word may begin with that goes on in the next."""
        longest, known, self._is_behind = self._view.longest, len(self._at), True
        cut = max(0, len(signs) - 2 * longest)
        letters = self._read(signs[cut:], start + cut)
        if cut and len(letters) < longest:
            del self._at[known:]
            letters = self._read(signs, start)
        elif cut:
            del self._at[:known]
            self._base += known
        self._tail = (self._tail + letters)[-longest:]

    def _found(self, last: int, length: int, words: Sequence[Word[T]]) -> Iterator[Found[T]]:
        first = last - length + 1
        if not self._is_cut(first) and not self._is_cut(last + 1):
            places = self._at[first : last + 1]
            yield from (Found(word, places, self._view) for word in words)

    def _is_cut(self, index: int) -> bool:
        """Whether one sign's reading stands on both sides."""
        return 0 < index < len(self._at) and self._at[index - 1] == self._at[index]

    def pending(self) -> int | None:
        """The place of the first sign that a word still to come may begin with; None where there is none."""
        begins, tail = self._view.begins, self._tail
        for i in range(len(tail)):
            if begins(tail[i:]):
                return self._at[len(self._at) - len(tail) + i]
        return None

    def forget(self) -> None:
        """Drops what no word to come can reach back to."""
        surplus = len(self._at) - self._view.longest - 1
        if surplus > 0:
            del self._at[:surplus]
            self._base += surplus


def holds(found: Found[T], text: "Text") -> bool:
    """Whether what was found is the word, and not letters of its neighbours that happen to stand side by side."""
    word, first, last = found.word, found.places[0], found.places[-1]
    if word.begins_word and is_latin(text.at(first - 1)) and is_latin(text.at(first)):
        return False
    if word.ends_word and is_latin(text.at(last + 1)) and is_latin(text.at(last)):
        return False
    accepts = found.view.accepts
    if accepts and not accepts(word.letters, [text.at(place) for place in found.places]):
        return False
    return _is_one_word(word, _gaps(found.places, text))


def _gaps(places: Sequence[int], text: "Text") -> list[str]:
    return [text.between(before, after) for before, after in pairwise(places)]


def _is_one_word(word: Word[T], gaps: Sequence[str]) -> bool:
    if not any(gaps):
        return True
    own = [gap for at, gap in enumerate(gaps, start=1) if at not in word.joints]
    if len(own) >= 2 and all(own):  # spelt, sign by sign
        return True
    if any(map(_is_end, (gap for at, gap in enumerate(gaps, start=1) if at in word.joints))):
        return False
    if not any(own):
        return True
    if word.begins_word or word.ends_word:
        return len(word.letters) >= _SHORTEST_CUT and not any(map(_is_wide, own))
    return not any(sign in _STOPS for gap in own for sign in gap)


def _is_end(gap: str) -> bool:
    """Whether a clause ends here; a phrase may go on in the next line."""
    return any(sign in _STOPS and sign not in "\r\n\u2028" for sign in gap) or (
        "." in gap and any(map(str.isspace, gap))
    )


def _is_wide(gap: str) -> bool:
    """Whether words stand on both sides: a space, or what ends a sentence."""
    return any(sign.isspace() or sign in _STOPS for sign in gap)


class Text:
    """The folded text, as far back as it may still matter."""

    def __init__(self) -> None:
        self.signs = ""
        self.base = 0

    @property
    def end(self) -> int:
        return self.base + len(self.signs)

    def at(self, place: int) -> str:
        """The sign at a place, "" outside of the text."""
        index = place - self.base
        return self.signs[index] if 0 <= index < len(self.signs) else ""

    def between(self, before: int, after: int) -> str:
        return self.signs[before + 1 - self.base : after - self.base]
