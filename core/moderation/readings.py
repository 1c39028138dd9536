"""The ways a text is read: as it stands, with digits and symbols as the letters they look like, and by its sound."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TypeVar

from core.errors import Misconfigured
from core.moderation.fold import SEPARATORS
from core.moderation.views import Word, is_latin

T = TypeVar("T")

# i, l, 1, ! and | are told apart by nobody.
_LEET = dict(zip("0134578@$!|l", "oieastbasiii", strict=True))
# Signs that are taken for letters.
GUESSES = frozenset(sign for sign in _LEET if not sign.isalpha())
_SHORTEST_GUESS = 4


def plainly(sign: str) -> str:
    return "" if SEPARATORS[sign] else sign


def as_letters(sign: str) -> str:
    return _LEET.get(sign) or plainly(sign)


def is_guessable(word: Word[T]) -> bool:
    """Short words would be seen in every number."""
    return len(word.letters) >= _SHORTEST_GUESS and all(is_latin(sign) and sign.isalpha() for sign in word.letters)


def is_fair_guess(letters: str, signs: Sequence[str]) -> bool:
    """Some signs stand for letters, most are the word's own: neither another word nor a number is taken for it."""
    pairs = zip(letters, signs, strict=True)
    own = sum(sign.isalpha() for sign in signs)
    return len(signs) > own >= len(signs) / 2 and all(sign == letter or not sign.isalpha() for letter, sign in pairs)


def by_sound(sign: str) -> str:
    """A Chinese character's usual syllable without its tone; any other sign as it is."""
    return plainly(sign) if sign.isascii() else _syllable(sign)


def sounded(word: Word[T]) -> Word[T]:
    """The word as its sound is found: its syllables may stand apart, and in Latin letters it ends as a word does."""
    joints, length = set[int](), 0
    for sign in word.letters[:-1]:
        length += len(by_sound(sign))
        joints.add(length)
    return replace(word, joints=frozenset(joints), begins_word=True, ends_word=True)


@cache
def _syllable(sign: str) -> str:
    try:
        from pypinyin import Style, lazy_pinyin
    except ModuleNotFoundError:
        raise Misconfigured("rules by sound need pypinyin: pip install -c constraints.txt -e '.[pinyin]'") from None
    return "" if SEPARATORS[sign] else "".join(lazy_pinyin(sign, style=Style.NORMAL)).replace("ü", "v")
