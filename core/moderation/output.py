"""An answer on its way out: words are held back, and whatever else it has keeps its place among them."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.message import Ask, Chunk, Image, Reasoning, Replace, Source, Sources, Status, Text, Written
from core.moderation.findings import Findings
from core.moderation.rules import Action, Rule, Rules
from core.moderation.screen import Screen, screened

# Small pieces are screened together: an eighth of what was said already, and so many characters at most.
_SHARE, _GATHERED = 8, 1024
_NOTHING: Sequence[str] = ()
_Placed = Image | Sources | Ask


class Output:
    """Takes the chunks of an answer and gives back those that may be shown by now."""

    def __init__(self, rules: Rules, language: str, findings: Findings) -> None:
        self.refusal: Rule | None = None
        self.findings = findings
        self._rules = rules
        self._language = language
        self._source = Source.ENGINE
        self._said, self._thought = Flow(rules, language), Flow(rules, language)
        self._queue: deque[_Placed | Source] = deque()  # what stands at the marks of what was said

    def take(self, chunk: Chunk) -> list[Chunk]:
        match chunk:
            case Text(text, source):
                return [*self._end_thought(), *self._say(text, source)]
            case Reasoning(text):
                return self._thoughts(self._thought.feed(text))
            case Replace(text, source):
                return self._begin_anew(text, source)
            case Image() | Sources() | Ask():
                return self._place(chunk)
            case Status() | Written():
                return [chunk]
            case _:
                return [chunk]

    def close(self) -> list[Chunk]:
        """Nothing more will come."""
        return [*self._end_thought(), *self._release(self._said.close())]

    # -------------------------------------------------------------------------------------------------- what is said

    def _say(self, text: str, source: Source) -> list[Chunk]:
        if source is not self._source and self._said.length:
            self._said.mark()
            self._queue.append(source)
        elif not self._said.length:
            self._source = source
        return self._release(self._said.feed(text))

    def _release(self, pieces: Iterable[str]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for number, piece in enumerate(pieces):
            if number:
                chunks += self._pass_mark()
            if piece:
                chunks.append(Text(piece, self._source))
        self._note(self._said, "answer")
        self.refusal = self.refusal or self._said.refusal
        return chunks

    def _pass_mark(self) -> list[Chunk]:
        """What stands at the next mark; of a source, everything after it comes from there."""
        passed = self._queue.popleft()
        if isinstance(passed, Source):
            self._source = passed
            return []
        return [passed]

    def _place(self, extra: _Placed) -> list[Chunk]:
        plain = self._plain(extra)
        if plain is None:
            return []
        self._said.mark()
        self._queue.append(plain)
        return self._release(self._said.feed("", now=True))

    def _begin_anew(self, text: str, source: Source) -> list[Chunk]:
        """What was said is taken back; what still waits for its place is said first, and goes or stays as it would."""
        waiting: list[Chunk] = [item for item in self._queue if not isinstance(item, Source)]
        self._queue.clear()
        self._note(self._said, "answer")
        self._said, self._thought = Flow(self._rules, self._language), Flow(self._rules, self._language)
        self._source = source
        first, *rest = self._release(self._said.feed(text, now=True)) or [Text("", source)]
        return [*waiting, Replace(first.text if isinstance(first, Text) else "", source), *rest]

    # ---------------------------------------------------------------------------------------------- what is thought

    def _thoughts(self, pieces: Iterable[str]) -> list[Chunk]:
        """A thought that may not be read ends there: the answer is judged by its own words."""
        self._note(self._thought, "thought")
        return [] if self._thought.refusal else [Reasoning(piece) for piece in pieces if piece]

    def _end_thought(self) -> list[Chunk]:
        if not self._thought.held:
            return []
        chunks = self._thoughts(self._thought.close())
        if not self._thought.refusal:  # what is thought later begins anew
            self._thought = Flow(self._rules, self._language)
        return chunks

    # ------------------------------------------------------------------------------------------------- what is found

    def _note(self, flow: "Flow", where: str) -> None:
        for rule, excerpt in flow.news():
            self.findings.note(where, rule, excerpt)

    def _plain(self, extra: _Placed) -> _Placed | None:
        """With the masks its words need; None where they may not be shown."""
        match extra:
            case Ask(_, text):
                whole = self._whole(text)
                if whole == text:
                    return extra
                self.refusal = self.refusal or self._masking(text)  # nobody can say yes to what they can't read
                return None
            case Image(_, _, alt):
                return replace(extra, alt=self._whole(alt))
            case Sources(items):
                cited = tuple(
                    replace(item, title=self._whole(item.title), excerpt=self._whole(item.excerpt)) for item in items
                )
                for item in items:
                    self._whole(item.url)
                return replace(extra, items=cited)

    def _masking(self, text: str) -> Rule | None:
        """The first rule that masks anything in it."""
        hits = screened(text, self._rules, self._language).hits
        return next((hit.rule for hit in hits if hit.rule.action is Action.MASK), None)

    def _whole(self, text: str) -> str:
        screening = screened(text, self._rules, self._language)
        self.findings.add("answer", screening.hits)
        if screening.refusal:
            self.refusal = self.refusal or screening.refusal.rule
        return screening.text


class Flow:
    """One screen, fed no more often than pays: small pieces are gathered first, so many characters at the beginning."""

    def __init__(self, rules: Rules, language: str, *, gathers: int = 0) -> None:
        self._screen = Screen(rules, language)
        self._waiting: list[str] = []
        self._size, self._due = 0, gathers
        self._told = 0

    @property
    def length(self) -> int:
        return self._screen.length + self._size

    @property
    def refusal(self) -> Rule | None:
        return self._screen.refusal.rule if self._screen.refusal else None

    @property
    def held(self) -> int:
        return self._screen.held + self._size

    def mark(self) -> None:
        """Something that is no text comes next."""
        self._screen.mark(self._size)

    def feed(self, text: str, *, now: bool = False) -> Sequence[str]:
        self._waiting.append(text)
        self._size += len(text)
        if self._size < self._due and not now:
            return _NOTHING
        gathered = "".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        pieces = self._screen.feed(gathered)
        self._due = min(_GATHERED, self._screen.length // _SHARE)
        return pieces

    def close(self) -> Sequence[str]:
        *marked, last = self.feed("", now=True) or [""]
        first, *rest = self._screen.close() or [""]
        return [*marked, last + first, *rest]

    def news(self) -> list[tuple[Rule, str]]:
        """What was hit since this was asked, with the words where they are kept."""
        hits = self._screen.hits[self._told :]
        self._told = len(self._screen.hits)
        return [(hit.rule, hit.words) for hit in hits]
