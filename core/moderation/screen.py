"""A text on its way to be shown: held back as long as something that begins in it could still be a hit."""

from dataclasses import dataclass

from core.moderation.fold import FOLDS
from core.moderation.patterns import Hunt
from core.moderation.rules import Action, Hit, Rule, Rules
from core.moderation.views import Found, Search, Text, holds

_RANK = {Action.REFUSE: 0, Action.MASK: 1, Action.FLAG: 2}


@dataclass(frozen=True, slots=True)
class Screening:
    """What became of a whole text: its words as they may be shown, and every hit. `refusal` is the first that refuses.

    What may be shown ends before a refusal.
    """

    text: str
    hits: tuple[Hit, ...]
    refusal: Hit | None

    @property
    def is_masked(self) -> bool:
        return any(hit.rule.action is Action.MASK for hit in self.hits)


def screened(text: str, rules: Rules, language: str = "en") -> Screening:
    """A whole text at once."""
    screen = Screen(rules, language)
    shown = "".join((*screen.feed(text), *screen.close()))
    return Screening(shown, tuple(screen.hits), screen.refusal)


class Screen:
    """Takes a text in pieces and gives it back in pieces, none of which a later piece can make a hit.

    `feed` and `close` return what may be shown now, one string for each mark passed and one for the rest; after a
    refusal they return nothing. Every sign is read once, however the text is cut.
    """

    def __init__(self, rules: Rules, language: str = "en") -> None:
        self.hits: list[Hit] = []
        self.refusal: Hit | None = None
        self._language = language
        self._folded = Text()
        self._at: list[int] = []  # of each folded sign that is kept, the place of the character it comes from
        self._raw, self._raw_base = "", 0  # what is not released yet
        self._searches: list[Search[Rule]] = [view.search() for view in rules.views]
        self._hunts: list[Hunt[Rule]] = [Hunt(pattern, rules.on_slow) for pattern in rules.patterns]
        self._found: list[Found[Rule]] = []
        self._hits: list[tuple[int, int, Rule]] = []  # places in the folded text
        self._harmless: list[tuple[int, int]] = []  # exceptions that may still cover something
        self._masks: list[tuple[int, int, Rule]] = []  # places in the text, in order, none within another
        self._marks: list[int] = []

    @property
    def length(self) -> int:
        """Characters taken in so far."""
        return self._raw_base + len(self._raw)

    @property
    def held(self) -> int:
        """Characters not released yet."""
        return len(self._raw)

    def mark(self, ahead: int = 0) -> None:
        """Something that is no text stands `ahead` characters from here: what comes after it is released apart."""
        self._marks.append(self.length + ahead)

    def feed(self, text: str) -> list[str]:
        """The next piece."""
        return self._advance(text, is_whole=False)

    def close(self) -> list[str]:
        """Nothing more will come."""
        return self._advance("", is_whole=True)

    def _advance(self, text: str, *, is_whole: bool) -> list[str]:
        if self.refusal:
            return []
        fresh = frozenset(self._take(text))
        for hunt in self._hunts:
            if not hunt.is_vain(fresh, self._folded.end):
                self._hits.extend((*place, hunt.tag) for place in hunt.feed(self._folded, is_whole=is_whole))
        settled = self._folded.end if is_whole else self._settled()
        if self._found or self._hits:
            self._judge(settled, is_whole)
        end = self.length if is_whole else self._place(settled)
        released = self._release(end)
        self._forget(settled)
        return released

    # ---------------------------------------------------------------------------------------------------- what is read

    def _take(self, text: str) -> str:
        """Reads the next piece; what it is folded to."""
        folds = list(map(FOLDS.__getitem__, text))
        signs = "".join(folds)
        start, raw = self._folded.end, self.length
        if len(signs) == len(text) and all(folds):
            self._at.extend(range(raw, raw + len(text)))
        else:
            self._at.extend([raw + i for i, fold in enumerate(folds) for _ in fold])
        self._raw += text
        self._folded.signs += signs
        for search in self._searches:
            self._found.extend(search.feed(signs, start))
        return signs

    def _settled(self) -> int:
        """The place before which nothing can begin that is not found yet."""
        places = [search.pending() for search in self._searches]
        places += [hunt.pending(self._folded) for hunt in self._hunts]
        return min((place for place in places if place is not None), default=self._folded.end)

    def _place(self, folded: int) -> int:
        """The place of a folded sign in the text as it was written."""
        index = folded - self._folded.base
        return self._at[index] if index < len(self._at) else self.length

    def _forget(self, settled: int) -> None:
        """Keeps one sign before what is not settled: words end where they end."""
        surplus = settled - 1 - self._folded.base
        if surplus > 0:
            self._folded.signs = self._folded.signs[surplus:]
            self._folded.base += surplus
            del self._at[:surplus]
        for search in self._searches:
            search.forget()

    # ------------------------------------------------------------------------------------------------- what is decided

    def _judge(self, settled: int, is_whole: bool) -> None:
        ripe = [found for found in self._found if found.places[0] < settled or is_whole]
        self._found = [found for found in self._found if not (found.places[0] < settled or is_whole)]
        hits = {(f.places[0], f.places[-1] + 1, f.word.tag) for f in ripe if holds(f, self._folded)}
        hits |= {hit for hit in self._hits if hit[0] < settled or is_whole}
        self._hits = [hit for hit in self._hits if not (hit[0] < settled or is_whole)]
        self._harmless += [(start, end) for start, end, rule in hits if rule.is_exception]
        for start, end, rule in sorted(hits, key=_order):
            if rule.is_exception or any(first <= start and end <= last for first, last in self._harmless):
                continue
            hit = self._hit(self._place(start), self._place(end - 1) + 1, rule)
            self.hits.append(hit)
            if rule.action is Action.REFUSE:
                self.refusal = hit
                return
            if rule.action is Action.MASK:
                self._cover(hit)
        self._harmless = [(start, end) for start, end in self._harmless if end > settled]

    def _hit(self, start: int, end: int, rule: Rule) -> Hit:
        is_kept = rule.action is not Action.MASK
        return Hit(start, end, rule, self._raw[start - self._raw_base : end - self._raw_base] if is_kept else "")

    def _cover(self, hit: Hit) -> None:
        """A mask that meets the one before it makes it longer."""
        if self._masks and hit.start < self._masks[-1][1]:
            start, end, rule = self._masks.pop()
            self._masks.append((start, max(end, hit.end), rule))
        else:
            self._masks.append((hit.start, hit.end, hit.rule))

    # ------------------------------------------------------------------------------------------------ what is released

    def _release(self, end: int) -> list[str]:
        """What stands before `end`, or before a mask that reaches beyond it, or before what is refused."""
        if self.refusal:
            end = min(end, self.refusal.start)
        end = next((start for start, last, _ in self._masks if last > end), end)
        pieces, start = list[str](), self._raw_base
        while self._marks and self._marks[0] <= end:
            cut = self._marks.pop(0)
            pieces.append(self._shown(start, cut))
            start = max(start, cut)
        pieces.append(self._shown(start, end))
        self._raw = self._raw[max(0, end - self._raw_base) :]
        self._raw_base = max(self._raw_base, end)
        self._masks = [mask for mask in self._masks if mask[1] > end]
        return pieces

    def _shown(self, start: int, end: int) -> str:
        """The text with its masks; each is said where it begins."""
        shown = ""
        for first, last, rule in self._masks:
            if first < end and last > start:
                name = f"[{rule.called(self._language)}]" if first >= start else ""
                shown += self._raw[start - self._raw_base : max(start, first) - self._raw_base] + name
                start = last
        return shown + self._raw[start - self._raw_base : max(start, end) - self._raw_base]


def _order(hit: tuple[int, int, Rule]) -> tuple[int, int, int, int, str]:
    """By their place, the gravest first."""
    start, end, rule = hit
    return start, _RANK[rule.action], -rule.severity, -end, rule.name
