"""What the demo model learns from: facts, questions that lead to them, and strangers' questions that lead nowhere."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from core.errors import ParleyError
from core.learning.demo.phrases import Pattern, parse, spelled

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
HONEST = "honest"
CORPUS = Path(__file__).parents[2] / "engine" / "demo" / "corpus"


class Leaked(ParleyError):
    """A prompt of the held-out files can occur in the training set, so the figures would not be honest."""


@dataclass(frozen=True)
class Probe:
    """A question of the held-out or out-of-scope set, and the fact its answer must state."""

    lang: Language
    prompt: str
    fact: str


@dataclass(frozen=True)
class Voice:
    """Everything the training set needs of one language."""

    answers: Mapping[str, str]
    questions: Mapping[str, tuple[Pattern, ...]]
    strangers: tuple[Pattern, ...]
    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Corpus:
    """The whole corpus, as read from its folder."""

    voices: Mapping[Language, Voice]
    heldout: tuple[Probe, ...]
    outofscope: tuple[Probe, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """Ids of all facts but the honest sentence."""
        return tuple(fact for fact in self.voices["en"].answers if fact != HONEST)

    def answer(self, probe: Probe) -> str:
        """The right answer to a probe."""
        return self.voices[probe.lang].answers[probe.fact]

    @cached_property
    def never_trained(self) -> frozenset[str]:
        """The canonical forms of every prompt that training must not see."""
        return frozenset(canonical(p.prompt) for p in (*self.heldout, *self.outofscope))


def load(folder: Path = CORPUS) -> Corpus:
    """Read the corpus folder. Raises ValueError where a fact lacks a language, a question or an answer."""
    facts: dict[str, dict[Language, str]] = _yaml(folder / "facts.yaml")
    voices = {lang: _voice(folder, lang, facts) for lang in LANGUAGES}
    probes = {name: _probes(folder / f"{name}.jsonl", facts) for name in ("heldout", "outofscope")}
    return Corpus(voices=voices, **probes)


def _voice(folder: Path, lang: Language, facts: Mapping[str, Mapping[Language, str]]) -> Voice:
    missing = [fact for fact, answer in facts.items() if not answer.get(lang)]
    questions: dict[str, str] = _yaml(folder / f"questions.{lang}.yaml")
    missing += sorted({*facts, HONEST} ^ {*questions, HONEST})
    if missing:
        raise ValueError(f"facts without an answer or a question in {lang!r}: {', '.join(missing)}")
    strangers: dict[str, str] = _yaml(folder / f"strangers.{lang}.yaml")
    patterns = strangers.pop("patterns")
    words = {name: tuple(text.splitlines()) for name, text in _yaml(folder / f"words.{lang}.yaml").items()}
    words |= {name: _list(name, text) for name, text in strangers.items()}
    return Voice(
        answers={fact: answer[lang].strip() for fact, answer in facts.items()},
        questions={fact: _patterns(text) for fact, text in questions.items()},
        strangers=_patterns(patterns),
        words=words,
    )


def _patterns(text: str) -> tuple[Pattern, ...]:
    return tuple(parse(line) for line in text.splitlines() if line.strip())


def _list(name: str, text: str) -> tuple[str, ...]:
    """A running list of words: by semicolons where there are any, else by commas; `char` by character."""
    text = text.strip()
    if name == "char":
        return tuple(text)
    mark = next((mark for mark in ("；", "; ", "，", ", ") if mark in text), "\n")
    return tuple(word for word in text.split(mark) if word)


def _probes(path: Path, facts: Mapping[str, object]) -> tuple[Probe, ...]:
    probes = tuple(Probe(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    unknown = sorted({probe.fact for probe in probes} - set(facts))
    if unknown:
        raise ValueError(f"{path.name} expects unknown facts: {', '.join(unknown)}")
    return probes


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def canonical(prompt: str) -> str:
    """A prompt without case, width, punctuation and spaces, so that two spellings of one question are equal."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", prompt).casefold())


def spelled_out(corpus: Corpus, probes: Iterable[Probe]) -> list[Probe]:
    """Those probes that the training patterns themselves can spell, polite words included: no test of anything."""
    matchers = {lang: _matchers(voice) for lang, voice in corpus.voices.items()}
    return [probe for probe in probes if any(m.fullmatch(canonical(probe.prompt)) for m in matchers[probe.lang])]


def _matchers(voice: Voice) -> list[re.Pattern[str]]:
    context, before, after = (
        f"(?:{'|'.join(map(canonical, voice.words[name]))})?" for name in ("context", "before", "after")
    )
    words = {**voice.words, "number": tuple(map(str, range(100)))}
    patterns = [p for patterns in (*voice.questions.values(), voice.strangers) for p in patterns]
    return [re.compile(f"{context}{before}{spelled(p, words, canonical)}{after}") for p in patterns]


def refuse_leaks(corpus: Corpus) -> None:
    """Raises Leaked where the training patterns can spell a prompt that must stay unseen."""
    leaked = spelled_out(corpus, (*corpus.heldout, *corpus.outofscope))
    if leaked:
        raise Leaked(
            f"The training patterns can spell {len(leaked)} held-out prompts, the first one is "
            f"{leaked[0].prompt!r}. Take the prompts out of the held-out files, or reword the patterns."
        )
