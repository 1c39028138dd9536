"""How well moderation tells what is meant from what is not, and what it costs, on a labelled set and on long texts."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from time import thread_time_ns

from bench.database import Server
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, told
from core.moderation.output import Flow
from core.moderation.personal import RECOGNISERS
from core.moderation.rulebook import compiled
from core.moderation.rules import Action, Rules
from core.moderation.screen import Screen, screened

DATA = Path(__file__).parents[1] / "tests/data"
RULES = Path(__file__).parents[1] / "bot/moderation/rules"
RECALL, FALSE_ALARMS = 0.95, 0.005
PATTERNS, TEXT, STREAM = 10_000, 2_048, 40_000  # patterns, and characters
WITHIN, OVERHEAD = 2.0, 1.2  # milliseconds, and parts of one pass
_TOKEN = 4  # characters that come at once
_SPLITS = 12  # characters around a hit that are split in every way of three


@dataclass(frozen=True, slots=True)
class Labelled:
    text: str
    kind: str
    language: str
    how: str


async def figures(progress: Progress, _: Server, is_quick: bool) -> list[Figure]:
    """Recall and false alarms on the labelled set, leaks over splits, and milliseconds of processor time."""
    rows = [Labelled(**json.loads(line)) for line in _lines(DATA / "moderation.jsonl")]
    rules = labelled_rules()
    progress(f"screening {len(rows)} labelled texts with {rules.count} rules")
    found = list(quality(rows, rules))
    progress("cutting what is refused in every way")
    found.append(none_of("moderation_leaks", leaks([row for row in rows if row.kind == "obfuscated"], rules, is_quick)))
    progress(f"timing {PATTERNS} patterns")
    return [*found, *speed(rounds=20 if is_quick else 100)]


def labelled_rules() -> Rules:
    """The rules that come with Parley, and the words made up for the set; every kind of personal data."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (*RULES.glob("*.yaml"), DATA / "moderation.yaml")}
    return compiled(texts, dict.fromkeys(RECOGNISERS, Action.MASK))


def quality(rows: Sequence[Labelled], rules: Rules) -> Iterator[Figure]:
    """A text meant to be refused that is not is a miss; an innocent one with any hit at all is a false alarm."""
    meant = [row for row in rows if row.kind == "obfuscated"]
    innocent = [row for row in rows if row.kind == "innocent"]
    yield at_least("moderation_recall", share(meant, lambda row: is_refused(row, rules)), "share", RECALL)
    alarms = share(innocent, lambda row: bool(screened(row.text, rules).hits))
    yield at_most("moderation_false_alarms", alarms, "share", FALSE_ALARMS)
    for language in ("en", "zh"):
        of_it = [row for row in meant if row.language == language]
        yield told(f"moderation_recall_{language}", share(of_it, lambda row: is_refused(row, rules)), "share")
    yield at_least("moderation_obfuscated", len(meant), "count", 500)
    yield at_least("moderation_innocent", len(innocent), "count", 500)


def share(rows: Sequence[Labelled], holds: Callable[[Labelled], bool]) -> float:
    return sum(map(holds, rows)) / (len(rows) or 1)


def is_refused(row: Labelled, rules: Rules) -> bool:
    return screened(row.text, rules).refusal is not None


def leaks(rows: Iterable[Labelled], rules: Rules, quick: bool) -> int:
    """How many ways of cutting a text in three show a sign of what is refused in it, or do not refuse it."""
    found = 0
    for row in list(rows)[:: 10 if quick else 1]:
        if hit := screened(row.text, rules).refusal:
            near = range(max(0, hit.start - 1), min(len(row.text), hit.start + _SPLITS))
            found += sum(not _holds(row.text, cut, hit.start, rules) for cut in product(near, near) if cut[0] <= cut[1])
    return found


def _holds(text: str, cut: tuple[int, int], start: int, rules: Rules) -> bool:
    screen, (first, second) = Screen(rules), cut
    shown = [*screen.feed(text[:first]), *screen.feed(text[first:second]), *screen.feed(text[second:]), *screen.close()]
    return screen.refusal is not None and len("".join(shown)) <= start


# ------------------------------------------------------------------------------------------------------------- speed


def speed(rounds: int) -> list[Figure]:
    rules = compiled({"words": "category: words\nfiles: [words.txt]"}, _masks(), {"words.txt": "\n".join(_words())})
    text = _prose(STREAM)
    whole, stream = [], []
    for _ in range(max(8, rounds // 5)):  # side by side: a busy machine slows both
        whole.append(_timed(lambda: _streamed(text, rules, is_once=True)))
        stream.append(_timed(lambda: _streamed(text, rules)))
    ratios = [slow / fast for slow, fast in zip(stream, whole, strict=True)]
    short = [_timed(lambda: screened(text[:TEXT], rules)) for _ in range(rounds)]
    return [
        at_most("moderation_2kb_p50", percentile(short, 0.5), "ms", WITHIN),
        at_most("moderation_stream_ratio", percentile(ratios, 0.5), "x", OVERHEAD),
        told("moderation_40k_whole", min(whole), "ms"),
        told("moderation_40k_stream", min(stream), "ms"),
        told("moderation_patterns", rules.count, "count"),
    ]


def _masks() -> dict[str, Action]:
    return dict.fromkeys(RECOGNISERS, Action.MASK)


def _streamed(text: str, rules: Rules, *, is_once: bool = False) -> None:
    """As the stage does it, which screens small pieces together; or all of them together at the end, in one pass."""
    flow = Flow(rules, "en", gathers=len(text) + 1 if is_once else 0)
    for at in range(0, len(text), _TOKEN):
        flow.feed(text[at : at + _TOKEN])
    flow.close()


def _words() -> list[str]:
    """Words of both scripts that are in no text."""
    random, signs = Random(7), [chr(code) for code in range(0x4E00, 0x9F00)]
    latin = {"".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(5, 12))) for _ in range(PATTERNS)}
    han = {"".join(random.choices(signs, k=random.randint(2, 5))) for _ in range(PATTERNS)}
    return [*sorted(latin)[: PATTERNS // 2], *sorted(han)[: PATTERNS - PATTERNS // 2]]


def _prose(length: int) -> str:
    """English and Chinese questions, one behind the other."""
    rows = [json.loads(line) for line in _lines(DATA / "moderation.jsonl")]
    innocent = [row["text"] for row in rows if row["kind"] == "innocent" and row["how"] == "question"]
    Random(7).shuffle(innocent)
    text = " ".join(innocent)
    return (text * (length // len(text) + 1))[:length]


def _timed(work: Callable[[], object]) -> float:
    began = thread_time_ns()
    work()
    return (thread_time_ns() - began) / 1e6


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
