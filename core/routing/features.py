"""What a text looks like to the classifier: hashed words and characters of both languages, topics and structure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations, pairwise
from math import sqrt
from zlib import crc32

from core.routing.lexicon import kind_of, topics

BUCKETS = 1 << 16
HEAD, TAIL = 600, 300  # characters: a question is asked at the start or at the end, also of a long paste
MANY = 3  # more words of a topic than this count as this many
_TOPIC = 0.3  # how much one topic or one trait counts against all the words together, which count 1

_TOKEN = re.compile(r"[a-z]+(?:\+\+|#|\.js)?|[\u3400-\u9fff]+|\d+|[^\w\s]")
_TRAITS = {
    name: re.compile(pattern)
    for name, pattern in {
        "call": r"[a-z_]\w*\([^()\s]{0,40}\)",
        "snake": r"\b[a-z]{1,30}_[a-z_]{1,40}\b",
        "camel": r"\b[a-z]{2,20}[A-Z][a-zA-Z]{1,30}\b|\b[A-Z][a-z]{1,20}[A-Z][a-zA-Z]{1,30}\b",
        "braces": r"[{}\[\]]",
        "semicolon": r";\s*(?:\n|$)",
        "backtick": r"`[^`\n]{1,80}`",
        "flag": r"(?:^|\s)--?[a-z][\w-]*",
        "path": r"(?:^|\s)[~.]?/\w[\w./-]*",
        "file": r"\b[\w-]{1,40}\.(?:py|js|ts|java|c|cpp|h|go|rs|sh|sql|json|ya?ml|xml|csv|txt|log)\b",
        "operator": r"[=!<>]=|=>|->|::|&&|\|\||\+=",
        "assigned": r"\b[a-z_]\w{0,40} ?= ?\S",
        "dotted": r"\b[a-z_]{2,30}\.[a-z_]{2,30}\b(?!\.)",
        "capitals": r"\b[A-Z]{2,10}\b",
        "quoted": r"[“”「」《》]",
        "lines": r"\n",
        "question": r"[?？]\s*$",
    }.items()
}


def features(text: str) -> dict[int, float]:
    """Bucket → value. Linear in the text's length and bounded: only its head and its tail are read."""
    seen = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
    values: dict[int, float] = {}
    grams = set(_grams(unicodedata.normalize("NFKC", seen).casefold()))
    _add(values, grams, 1 / sqrt(len(grams) or 1))
    _add(values, set(_marks(seen)), _TOPIC)
    return values


def _add(values: dict[int, float], names: set[str], value: float) -> None:
    # In order: a sum of floats depends on it, and a set's own differs from run to run.
    for bucket in sorted(map(_bucket, names)):
        values[bucket] = values.get(bucket, 0.0) + value


@lru_cache(maxsize=1 << 14)
def _bucket(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) % BUCKETS


def _grams(text: str) -> Iterator[str]:
    """Words and pairs of words; for Chinese, one to three characters."""
    words: list[str] = []
    for token in _TOKEN.findall(text):
        if "\u3400" <= token[0] <= "\u9fff":
            yield from _characters(token)
            words.append(token[-2:])
        else:
            yield from _inside(token)
            words.append(_stem(token))
    yield from words
    padded = ["^", *map(kind_of, words), "$"]
    yield from padded
    yield from map(" ".join, pairwise(padded))


def _characters(run: str) -> Iterator[str]:
    for size in (1, 2, 3):
        yield from (run[at : at + size] for at in range(len(run) - size + 1))


def _inside(word: str) -> Iterator[str]:
    """Five letters at a time: what "scheduler", "rescheduled" and "scheduling" have in common."""
    yield from (f"<{word}>"[at : at + 5] for at in range(len(word) - 2))


def _stem(word: str) -> str:
    """A word without its commonest English ending; a number is any number."""
    if word.isdigit():
        return "0"
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _marks(text: str) -> Iterable[str]:
    """Topics with their pairs, and traits of structure."""
    found = topics(text)
    yield "every text"
    yield from (f"{topic} {count}" for topic, hits in found.items() for count in range(1, min(hits, MANY) + 1))
    yield from (f"{first} and {second}" for first, second in combinations(sorted(found), 2))
    yield from (f"trait {name}" for name, pattern in _TRAITS.items() if pattern.search(text))
    yield f"topics: {min(len(found), MANY)}"
