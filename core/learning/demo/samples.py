"""The training set: short conversations made from the corpus by a seeded generator, new ones as long as it is asked."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.learning.demo.corpus import HONEST, LANGUAGES, Corpus, Language, canonical
from core.learning.demo.noise import typed
from core.learning.demo.phrases import expand

# Words before or after these would make another question of them ("thanks, how are you").
_ALONE = frozenset({"greeting", "thanks", "goodbye", "acknowledged", "praise", "how_are_you"})
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwxz", "aeiou"
# What nearly everybody asks first comes up twice as often.
FIRST_ASKED = ("what_is_parley", "greeting", "what_can_you_do", "how_it_works", "load_model")
PLAIN = 0.35  # share of a fact's questions in its plainest wordings, which stand in its first pattern
PLAIN_STRANGERS = 0.1
STRANGERS = 0.40  # share of questions that the model must say it does not know
TURNS = (1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4)


@dataclass(frozen=True)
class Exchange:
    """One question and its answer; `cut` keeps only the first tokens of the answer, where the decision is made."""

    question: str
    answer: str
    cut: int | None = None


@dataclass(frozen=True)
class Conversation:
    """What one training sequence is made of."""

    system: str | None
    exchanges: tuple[Exchange, ...]


def conversations(corpus: Corpus, rng: random.Random) -> Iterator[Conversation]:
    """Endless conversations, none of which contains a prompt that must stay unseen."""
    deck: list[tuple[Language, str]] = []
    while True:
        exchanges: list[Exchange] = []
        lang = rng.choice(LANGUAGES)
        for _ in range(rng.choice(TURNS)):
            if rng.random() < 0.1:
                lang = rng.choice(LANGUAGES)
            exchanges.append(_exchange(corpus, lang, deck, rng))
        if rng.random() < 0.85:
            exchanges[-1] = replace(exchanges[-1], cut=rng.randint(4, 10))
        yield Conversation(_system(corpus, lang, rng), tuple(exchanges))


def _exchange(corpus: Corpus, lang: Language, deck: list[tuple[Language, str]], rng: random.Random) -> Exchange:
    voice = corpus.voices[lang]
    while True:
        if rng.random() < STRANGERS:
            fact, question = HONEST, stranger(corpus, lang, rng)
        else:
            lang, fact = _deal(corpus, deck, rng, lang)
            question = question_of(corpus, lang, fact, rng)
        if canonical(question) not in corpus.never_trained:
            return Exchange(question, voice.answers[fact])


def _deal(corpus: Corpus, deck: list[tuple[Language, str]], rng: random.Random, lang: Language) -> tuple[Language, str]:
    """The next fact of this language; every fact comes up before any round begins anew."""
    if not any(card[0] == lang for card in deck):
        cards = [(lang, fact) for fact in (*corpus.facts, *FIRST_ASKED)]
        rng.shuffle(cards)
        deck.extend(cards)
    at = next(i for i, card in enumerate(deck) if card[0] == lang)
    return deck.pop(at)


def question_of(corpus: Corpus, lang: Language, fact: str, rng: random.Random) -> str:
    """One way of asking for a fact."""
    voice = corpus.voices[lang]
    is_plain = rng.random() < PLAIN
    patterns = voice.questions[fact]
    phrase = expand(patterns[0] if is_plain else rng.choice(patterns), voice.words, rng)
    return typed(phrase, lang, voice, rng, polite=not is_plain and fact not in _ALONE)


def stranger(corpus: Corpus, lang: Language, rng: random.Random) -> str:
    """A question that leads nowhere: mostly one phrase, sometimes a long paste or noise."""
    kind = rng.random()
    if kind < 0.04:
        return " ".join(_stranger(corpus, lang, rng, polite=False) for _ in range(rng.randint(2, 7)))
    if kind < 0.07:
        return " ".join(_babble(rng) for _ in range(rng.randint(1, 6)))
    return _stranger(corpus, lang, rng, polite=kind < 0.9)


def _stranger(corpus: Corpus, lang: Language, rng: random.Random, *, polite: bool) -> str:
    voice = corpus.voices[lang]
    words = {**voice.words, "number": (str(int(10 ** rng.uniform(0, 4))), str(rng.randint(1, 99)))}
    pattern = voice.strangers[0] if rng.random() < PLAIN_STRANGERS else rng.choice(voice.strangers)
    return typed(expand(pattern, words, rng), lang, voice, rng, polite=polite)


def _babble(rng: random.Random) -> str:
    """A word that no dictionary has, or a heap of keys."""
    if rng.random() < 0.3:
        return "".join(rng.choice(_CONSONANTS + _VOWELS + "y0123456789") for _ in range(rng.randint(2, 9)))
    syllables = [rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 4))]
    return "".join(syllables) + rng.choice("nrst ")


def _system(corpus: Corpus, lang: Language, rng: random.Random) -> str | None:
    if rng.random() < 0.5:
        return None
    lines = corpus.voices[lang if rng.random() < 0.5 else "en"].words["system"]
    return " ".join(rng.sample(lines, rng.choice((1, 1, 1, 1, 1, 1, 1, 2))))
