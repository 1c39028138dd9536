"""A small embedder of our own: which pieces of words and which neighbours a text has, hashed into one vector.

It needs no weights, no network and about a millisecond, gives the same vector on every machine, and knows no
synonyms: it finds the same question with a word more or less, not the same thought in other words. Pieces are words,
pairs of neighbouring words and three letters in a row; of Chinese one, two and three characters in a row. Each is
hashed to a few places of the vector with a sign, a sparse random projection, which keeps cosines as they were but for
noise of about 1/√dimension (Achlioptas, "Database-friendly random projections", 2003). Words that stand in every
question count a tenth, and no pair is made of them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise

from core.embedding.script import HAN, WORDS
from core.errors import Refused

DIMENSION = 384
UNKNOWN = 0.1  # the share of words it has no pieces for, from which on it says nothing of a text
_PLACES = 4  # of each piece
_COMMON_WEIGHT = 0.1
_COMMON = frozenset(
    (
        "a",
        "an",
        "the",
        "is",
        "are",
        "do",
        "does",
        "i",
        "you",
        "we",
        "one",
        "of",
        "it",
        "that",
        "there",
        "please",
        "just",
    )
)
_COMMON_HAN = re.compile("[的了呢吗啊呀吧请您你]")
_HAN_RUN = re.compile(rf"[{HAN}]+")


class NgramEmbedder:
    """`ports.Embedder` for English and Chinese."""

    name = f"ngrams-1-{DIMENSION}"
    dimension = DIMENSION

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Unit vectors; raises Refused for a text of which more than a tenth is in other scripts, or that is empty."""
        return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    words = WORDS.findall(text.casefold())
    unknown = sum(not word.isascii() and word.isalpha() and not _is_ours(word) for word in words)
    if not words or unknown > UNKNOWN * len(words):
        raise Refused("this embedder reads English and Chinese.")
    vector = [0.0] * DIMENSION
    for piece, weight in _weighed(words).items():
        for place, sign in _places(piece):
            vector[place] += sign * weight
    length = math.sqrt(math.fsum(value * value for value in vector))
    if not length:  # all pieces have cancelled each other out
        raise Refused
    return [value / length for value in vector]


def _is_ours(word: str) -> bool:
    return bool(_HAN_RUN.fullmatch(word)) or all(sign <= "\u024f" for sign in word)


def _weighed(words: Sequence[str]) -> dict[str, float]:
    """The pieces with what each counts: less than twice as much for being there twice."""
    common = [word for word in words if word in _COMMON]
    said = [kept for word in words if word not in _COMMON and (kept := _COMMON_HAN.sub("", word))]
    weights = {piece: 1 + math.log(count) for piece, count in Counter(_pieces(said)).items()}
    return {f"={word}": _COMMON_WEIGHT for word in common} | weights


def _pieces(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if _HAN_RUN.fullmatch(word):
            yield from (word[at : at + size] for size in (1, 2, 3) for at in range(len(word) - size + 1))
        else:
            yield f"={word}"
            marked = f"<{word}>"
            yield from (marked[at : at + 3] for at in range(len(marked) - 2))
    yield from (f"{first[-8:]} {second[:8]}" for first, second in pairwise(words))


def _places(piece: str) -> Iterator[tuple[int, float]]:
    digest = blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=4 * _PLACES).digest()
    for at in range(0, len(digest), 4):
        number = int.from_bytes(digest[at : at + 4])
        yield number % DIMENSION, 1.0 if number & 0x80000000 else -1.0
