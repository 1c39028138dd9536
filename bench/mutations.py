"""Bad input made of good: anything in any place of a JSON document, and bytes that are not what they were."""

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

Document: TypeAlias = Any
Container: TypeAlias = dict[str, Any] | list[Any]
Place: TypeAlias = tuple[Container, Any]

_WORDS = ("", " ", "0", "-1", "null", "true", "undefined", "NaN", "../../etc/passwd", "%00", "%ff", "a\nb", "\r\n\r\n")
_CHARACTERS = ("\0", "\ud800", "\udfff", "\ufeff", "\u202e", "😀", "é", "\x1b", "\u2028", "ß", "人")
_NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf"))
_DEPTH, _DIGITS = 2_000, 5_000  # beyond what Python reads, and what it makes a number of

# What no encoder writes: put in place of a word once all else is text.
_RAW = {
    "\ue000deep": b"[" * _DEPTH + b"]" * _DEPTH,
    "\ue000deep object": b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH,
    "\ue000endless number": b"9" * _DIGITS,
    "\ue000two keys": b'{"id": "one", "id": {"id": 2}}',
    "\ue000large exponent": b"1e99999",
}


def spoiled(document: Document, chance: Random) -> Document:
    """A copy of a JSON document in which one to three places are not as they were."""
    root = [copy.deepcopy(document)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(root))
        container, key = chance.choice(places)
        chance.choice(_CHANGES)(container, key, places, chance)
        if not root:
            root.append(None)
    return root[0]


def encoded(document: Document, chance: Random) -> bytes:
    """Its text; of characters that are no character sometimes the bytes, which are no UTF-8 then."""
    is_escaped = chance.random() < 0.8
    data = json.dumps(document, ensure_ascii=is_escaped).encode(errors="surrogatepass")
    for word, raw in _RAW.items():
        data = data.replace(json.dumps(word, ensure_ascii=is_escaped).encode(), raw)
    return data


def damaged(data: bytes, chance: Random) -> bytes:
    """Bytes that differ from these: some flipped, some gone, some put in."""
    changed = chance.choice((_flipped, _cut, _filled))(data, chance)
    return changed if changed != data else data + b"\0"


def any_value(chance: Random) -> Any:
    """Whatever JSON can hold."""
    kind = chance.randrange(8)
    match kind:
        case 0:
            return None
        case 1:
            return chance.choice((True, False))
        case 2:
            return chance.choice(_NUMBERS)
        case 3:
            return chance.choice((*_WORDS, *_CHARACTERS))
        case 4:
            return chance.choice("aU9\ud800人") * chance.choice((81, 256, 5_000))
        case 5:
            return chance.choice(([], {}, [[]], [None], [{}], {"": ""}, {"id": None}, [[[[{}]]]]))
        case 6:
            return [any_value(chance) for _ in range(chance.randrange(4))]
        case _:
            return chance.choice(tuple(_RAW))


def _places(root: Container) -> Iterator[Place]:
    """Every value in it: what holds it, and under which key."""
    waiting: list[Container] = [root]
    while waiting:
        container = waiting.pop()
        pairs: list[tuple[Any, Any]] = list(container.items() if isinstance(container, dict) else enumerate(container))
        for key, value in pairs:
            yield container, key
            if isinstance(value, dict | list):
                waiting.append(value)


# ------------------------------------------------------------------------------------------------ changes of a document


def _replaced(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    container[key] = any_value(chance)


def _removed(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    del container[key]


def _renamed(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    if isinstance(container, dict):
        container[chance.choice((*_WORDS, *_CHARACTERS, str(key).upper(), f"{key}s"))] = container.pop(key)
    else:
        container.append(container[key])


def _exchanged(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    """With a copy: what holds itself is no JSON."""
    other, other_key = chance.choice(places)
    container[key] = copy.deepcopy(other[other_key])


def _wrapped(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    value = container[key]
    container[key] = chance.choice(([value], [value] * 3, {"id": value}, {str(key): value}, json.dumps(value)))


def _twisted(container: Container, key: Any, places: list[Place], chance: Random) -> None:
    value = container[key]
    if not isinstance(value, str):
        return _replaced(container, key, places, chance)
    at = chance.randrange(len(value) + 1)
    strange = chance.choice((*_CHARACTERS, *_WORDS))
    container[key] = chance.choice((value[:at], value[:at] + strange + value[at:], strange + value, value + strange))


_CHANGES: tuple[Callable[[Container, Any, list[Place], Random], None], ...] = (
    _replaced,
    _replaced,
    _removed,
    _renamed,
    _exchanged,
    _wrapped,
    _twisted,
    _twisted,
)


# --------------------------------------------------------------------------------------------------- changes of bytes


def _flipped(data: bytes, chance: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(data), chance.choice((1, 1, 2, 8)))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return chance.choice((data[:at], data[at:]))


def _filled(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    strange = chance.choice((b"\0", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80", b"\xef\xbb\xbf", b"\n"))
    return data[:at] + strange * chance.choice((1, 1, 100)) + data[at:]
