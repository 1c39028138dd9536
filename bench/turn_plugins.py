"""How well plugins tell what is theirs from what is for the model, whether sums come out right, and what it costs."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from random import Random
from time import perf_counter, thread_time_ns
from typing import Any

import bot.plugins
from bench.database import Server
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, told
from core.errors import Refused
from core.message import Author, Message, ThreadId, Visibility
from core.plugin import Asked, Http, HttpAnswer, Setup
from core.plugins.choosing import choose
from core.plugins.files import found
from core.plugins.line import arguments
from core.plugins.outcome import Runner
from core.plugins.registry import Loaded, Registry
from core.ports import Metrics

DATA = Path(__file__).parents[1] / "tests/data"
TUNING, HELD_OUT = DATA / "intents.jsonl", DATA / "intents_held_out.jsonl"
PLUGINS = ("calculator", "weather", "time", "help")
RIGHT, FALSE = 0.95, 0.01
LENGTH = 200  # characters
NASTY_MS = 100
_LANGUAGES = ("en", "zh")
_NOWHERE = "http://127.0.0.1:9"
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
# Long before they are done, and long before they are read.
_NASTY = (
    "9**9**9",
    "9^9^9^9",
    "2**(2**40)",
    "(10**10)**(10**10)",
    "7**-9999999",
    "0.0000001**99999",
    "1.0000001**(10**15)",
    "factorial(100000)",
    "170!",
    "3!!!!!!!!!",
    "factorial(factorial(20))",
    "exp(10**9)",
    "sin(10**100000)",
    "sqrt(10**99999)",
    "log(0)",
    "sqrt(-1)",
    "1/0",
    "0**-1",
    "10 % 0",
    "1e999999 * 1e999999",
    "9" * 5_000,
    "9" * 100 + "*" + "9" * 90,
    "10**10**8 m",
    "10**10**8 m in km",
    "1e99999999 km to m",
    "5 km**99999999 to m",
    "5 m**9**9**9 in km",
    "5 " + "kilo" * 40 + "metres to m",
    "3 m/s" + "/s" * 90 + " in km",
    "999999999999 years in attoseconds",
    "99999999999999999999亿亿亿亿亿的99999999次方",
    "九的九次方的九次方的九次方",
    "亿" * 190,
    "零" * 190,
    "(" * 95 + "1" + ")" * 95,
    "(" * 2_000 + "1" + ")" * 2_000,
    "-" * 190 + "1",
    "-" * 5_000 + "1",
    "+".join("1" * 95),
    "**".join("9" * 60),
    "sqrt(" * 38 + "2" + ")" * 38,
    "1" + "%" * 190,
    "1" + " " * 5_000 + "+ 1",
    "__import__('time').sleep(9)",
    "[1] * 10**9",
    "'a' * 10**9",
    "max(" + "9**9," * 35 + "1)",
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message, and the plugin that can answer it alone; None where the model is to. `answer` is what a sum makes."""

    text: str
    language: str
    plugin: str | None
    is_trap: bool
    answer: str = ""


async def figures(progress: Progress, _: Server | None, is_quick: bool) -> list[Figure]:
    """Shares on both labelled sets, sums through their worker, and milliseconds."""
    held_out, tuning = labelled(HELD_OUT), labelled(TUNING)
    async with opened() as registry:
        progress(f"choosing for {len(held_out)} messages held out, and {len(tuning)} that were not")
        measured = [*judged(held_out, registry), *tuned(tuning, registry, progress)]
        progress("timing the choice")
        measured += choosing(texts_of(tuning), registry, rounds=2 if is_quick else 20)
        progress("doing sums")
        calculator = registry.by_name("calculator")
        assert calculator is not None
        sums = Sums(registry, calculator)
        measured += [await sums.right("held out", held_out), await sums.right("tuning", tuning)]
        measured += await sums.speed(rounds=20 if is_quick else 500)
        progress(f"doing {len(_NASTY)} nasty sums")
        return [*measured, *await sums.nasty(_NASTY, rounds=1 if is_quick else 3)]


def labelled(path: Path) -> list[Labelled]:
    return [Labelled(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


@asynccontextmanager
async def opened() -> AsyncIterator[Registry]:
    """The plugins that come with Parley, the weather among them: it is chosen here, and never asked."""
    registry = await Registry.open(found([bot.plugins]), _setup, seconds=30)
    try:
        assert not registry.problems, registry.problems
        assert {loaded.plugin.name for loaded in registry.plugins} >= set(PLUGINS)
        yield registry
    finally:
        await registry.close()


class _NoWay:
    """No way out to the network."""

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise Refused("a benchmark asks nobody")

    async def post(self, url: str, *, json: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        raise Refused("a benchmark asks nobody")


_NO_WAY: Http = _NoWay()


def _setup(name: str) -> Setup:
    settings = {"url": f"{_NOWHERE}/forecast", "geocoding_url": f"{_NOWHERE}/search"} if name == "weather" else {}
    return Setup(http=_NO_WAY, settings=settings)


# ------------------------------------------------------------------------------------------------------------- intent


def chosen(text: str, registry: Registry) -> str | None:
    """The name of the plugin that the words set off."""
    choice = choose(text, registry, False)
    return choice.loaded.plugin.name if choice else None


def judged(rows: Sequence[Labelled], registry: Registry) -> Iterator[Figure]:
    """What is measured on messages that nobody who writes plugins has seen."""
    names = [chosen(row.text, registry) for row in rows]
    yield at_least("plugins: intents right", _right(rows, names), "share", RIGHT)
    yield at_most("plugins: false triggers", _false(rows, names), "share", FALSE)
    for language in _LANGUAGES:
        of_it = [(row, name) for row, name in zip(rows, names, strict=True) if row.language == language]
        yield told(f"plugins: intents right, {language}", _right(*zip(*of_it, strict=True)), "share")
        yield told(f"plugins: false triggers, {language}", _false(*zip(*of_it, strict=True)), "share")
    for plugin in PLUGINS:
        of_it = [(row, name) for row, name in zip(rows, names, strict=True) if row.plugin == plugin]
        yield told(f"plugins: intents right, {plugin}", _right(*zip(*of_it, strict=True)), "share")
    traps = [(row, name) for row, name in zip(rows, names, strict=True) if row.is_trap]
    yield told("plugins: false triggers, traps", _false(*zip(*traps, strict=True)), "share")
    yield told("plugins: messages", len(rows), "count")
    yield told("plugins: messages for the model", sum(row.plugin is None for row in rows), "count")
    yield told("plugins: traps", len(traps), "count")


def tuned(rows: Sequence[Labelled], registry: Registry, progress: Progress) -> Iterator[Figure]:
    """On the messages that plugins may be written after, so each that goes wrong is named."""
    names = [chosen(row.text, registry) for row in rows]
    for row, name in zip(rows, names, strict=True):
        if name != row.plugin:
            progress(f"tuning: {name or 'the model'} instead of {row.plugin or 'the model'} for {row.text!r}")
    yield told("plugins: intents right, tuning", _right(rows, names), "share")
    yield told("plugins: false triggers, tuning", _false(rows, names), "share")


def _right(rows: Sequence[Labelled], names: Sequence[str | None]) -> float:
    return sum(row.plugin == name for row, name in zip(rows, names, strict=True)) / len(rows)


def _false(rows: Sequence[Labelled], names: Sequence[str | None]) -> float:
    """The share of messages for the model that set a plugin off."""
    for_model = [name for row, name in zip(rows, names, strict=True) if row.plugin is None]
    return sum(name is not None for name in for_model) / len(for_model)


def texts_of(rows: Iterable[Labelled]) -> list[str]:
    """Messages of `LENGTH` characters: labelled ones behind each other, one repeated, and signs without end."""
    texts = [row.text for row in rows]
    mixed = list(texts)
    Random(7).shuffle(mixed)
    joined = [" ".join(islice(cycle(mixed), at, at + LENGTH))[:LENGTH] for at in range(len(mixed))]
    repeated = [(f"{text} " * LENGTH)[:LENGTH] for text in texts]
    return [*joined, *repeated, *((sign * LENGTH)[:LENGTH] for sign in ("1+", "(", "-", "9", "请", " ", "天气", "in "))]


def choosing(texts: Sequence[str], registry: Registry, rounds: int) -> list[Figure]:
    """Milliseconds of processor time, which other turns wait for; each text at its quickest of `rounds`."""
    taken = [min(_timed(choose, text, registry, False) for _ in range(rounds)) for text in texts]
    return [
        told(f"plugins: choosing for {LENGTH} characters, p50", percentile(taken, 0.5), "ms"),
        told(f"plugins: choosing for {LENGTH} characters, p99", percentile(taken, 0.99), "ms"),
    ]


def _timed(work: Callable[..., object], *given: object) -> float:
    began = thread_time_ns()
    work(*given)
    return (thread_time_ns() - began) / 1e6


# --------------------------------------------------------------------------------------------------------------- sums


@dataclass(eq=False)
class Sums:
    """The calculator, asked as a turn asks it: through its worker."""

    registry: Registry
    calculator: Loaded
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._runner = Runner(self.registry, _Outcomes(self.outcomes))

    async def right(self, name: str, rows: Sequence[Labelled]) -> Figure:
        """The share of sums that are taken for one, and come out as they should."""
        sums = [row for row in rows if row.answer]
        came = sum([is_right(await self._said(row), row.answer) for row in sums])
        return told(f"plugins: sums right, {name}", came / len(sums), "share")

    async def _said(self, row: Labelled) -> str:
        choice = choose(row.text, self.registry, False)
        if choice is None or choice.loaded is not self.calculator:
            return ""
        return await self._run(choice.arguments, row.language)

    async def speed(self, rounds: int) -> list[Figure]:
        given = arguments("12 * 3", self.calculator.signature)
        taken = [await self._took(given) for _ in range(rounds)]
        return [told("plugins: a sum through its worker, mean", sum(taken) / len(taken), "ms")]

    async def nasty(self, texts: Sequence[str], rounds: int) -> list[Figure]:
        """The slowest, each at its quickest of `rounds`: another process may have had the processor meanwhile."""
        self.outcomes.clear()
        givens = [arguments(json.dumps({self._first: text}), self.calculator.signature) for text in texts]
        slowest = max([min([await self._took(given) for _ in range(rounds)]) for given in givens])
        unanswered = sum(count for outcome, count in self.outcomes.items() if outcome not in {"ok", "refused"})
        choices = max(_timed(choose, text, self.registry, False) for text in texts)
        return [
            at_most("plugins: slowest nasty sum", slowest, "ms", NASTY_MS),
            none_of("plugins: nasty sums without an answer", unanswered),
            told("plugins: slowest choice for a nasty sum", choices, "ms"),
        ]

    @property
    def _first(self) -> str:
        """The parameter that a slash command's line goes to."""
        first: str = next(iter(self.calculator.signature.parameters["properties"]))
        return first

    async def _took(self, given: Mapping[str, Any]) -> float:
        """Milliseconds."""
        began = perf_counter()
        await self._run(given, "en")
        return (perf_counter() - began) * 1000

    async def _run(self, given: Mapping[str, Any], language: str) -> str:
        return (await self._runner.run(self.calculator, given, _asked(language))).text


@dataclass(frozen=True)
class _Outcomes(Metrics):
    """Counts how calls went."""

    counts: Counter[str]

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        if name == "plugin_calls":
            self.counts[labels["outcome"]] += int(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        pass

    def gauge(self, name: str, value: float, **labels: str) -> None:
        pass


def is_right(said: str, answer: str) -> bool:
    """Whether what is said ends in the number: behind the last sign of equality, where there is one."""
    numbers = [Decimal(n.replace(",", "").replace("−", "-")) for n in _NUMBER.findall(re.split("[=≈]", said)[-1])]
    expected = Decimal(answer)
    return any(abs(number - expected) <= abs(expected) / 10_000 for number in numbers)


def _asked(language: str) -> Asked:
    message = Message(
        id="m",
        thread=ThreadId("bench", "w", "c", "t"),
        author=Author("bench", "w", "ann"),
        sent_at=datetime.now(UTC),
        visibility=Visibility.PUBLIC,
        text="",
    )
    return Asked(http=_NO_WAY, message=message, language=language, now=datetime.now(UTC))
