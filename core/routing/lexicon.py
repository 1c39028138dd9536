"""Words by topic, in both languages: what lets a question be placed whose very wording was never seen.

A topic is evidence, never a verdict: the classifier learns what each one, and each pair of them, is worth.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

# "topics": topic → words (a_b is two words in a row); "kinds": kind → names of languages, frameworks, tools.
_LEXICON = json.loads((Path(__file__).parent / "lexicon.json").read_text(encoding="utf-8"))
_HAN = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z0-9][a-z0-9.+#-]*")


def _inverted(groups: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Word → the groups it stands in."""
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for group, words in groups.items():
        for word in words:
            found[word] += (group,)
    return dict(found)


_TOPICS = _inverted(_LEXICON["topics"])
_KINDS = {name: kinds[0] for name, kinds in _inverted(_LEXICON["kinds"]).items()}
# Chinese has no spaces: its words are looked for everywhere, and the longest wins where two begin at one place.
_SIZES = sorted({len(word) for word in _TOPICS if _HAN.search(word)}, reverse=True)


def topics(text: str) -> dict[str, int]:
    """The topics whose words stand in the text, each with how many of its words do."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = [word.rstrip(".-") for word in _WORD.findall(plain)]
    phrases = (f"{first}_{second}" for first, second in pairwise(words))
    found = {*words, *phrases, *(word for run in _HAN.findall(plain) for word in _words(run))}
    return Counter(topic for word in found for topic in _TOPICS.get(word, ()))


def _words(run: str) -> Iterator[str]:
    at = 0
    while at < len(run):
        size = next((size for size in _SIZES if run[at : at + size] in _TOPICS), 0)
        if size:
            yield run[at : at + size]
        at += size or 1


def kind_of(word: str) -> str:
    """The kind that the name of a language or a tool stands for, else the word itself.

    What is asked about one language may be asked about any other.
    """
    return _KINDS.get(word, word)
