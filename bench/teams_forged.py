"""What Teams did not sign: tokens forged, damaged or another's, so that nothing may come of them."""

import base64
import json
from collections.abc import Callable
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

from bench import mutations
from bench.platforms.teams import APP_ID, FORGERIES
from bench.teams_posts import CANARY, Post, issuer, token

Change = Callable[[Post, Random], None]

_LONGEST = 6_000  # of what HTTP takes in one line
_PRINTED = bytes(range(0x21, 0x7F))
_STRANGE = (b"\xff", b"\xe9", b"\xc3\xa9", b"\t", b" ", b".", b"=", b"%00", b"{", b'"', b"-", b"_", b"+", b"/")
_ALGORITHMS: tuple[Any, ...] = (
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "HS256",
    "HS512",
    "RS384",
    "PS256",
    "ES256",
    "EdDSA",
    None,
    256,
    [],
)
_KEYS = ("jku", "x5u", "jwk", "x5c", "crit", "b64")
_NO_TIMES: tuple[Any, ...] = (None, "", "never", [], {}, -1, 0, 1_000_000_000)
_NOBODIES: tuple[Any, ...] = (
    None,
    "",
    "*",
    [],
    {},
    "33333333-3333-4333-8333-333333333333",
    f"{APP_ID} ",
    [APP_ID],
    True,
)
ELSEWHERE = ("https://smba.trafficmanager.net/emea/", "http://127.0.0.1:1/teams/", "", "http://[::1]/", "file:///etc")


def _known(name: str, post: Post, chance: Random) -> None:
    post.authorize(issuer().forged(name))


# ------------------------------------------------------------------------------------------------ damaged on its way


def _damaged(place: int, post: Post, chance: Random) -> None:
    """One of the three parts with a byte of it changed, gone or added."""
    parts = _parts()
    while _is_same(place, spoiled := _spoiled(parts[place], chance), parts[place]):
        pass
    parts[place] = spoiled
    post.authorize(b"Bearer " + b".".join(parts))


def _spoiled(part: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(part))
    printed = bytes([chance.choice(_PRINTED)])
    return chance.choice(
        (
            part[:at] + printed + part[at + 1 :],
            part[:at] + part[at + 1 :],
            part[:at] + chance.choice((printed, *_STRANGE)) + part[at:],
            part[:at],
            part[at + 1 :],
        )
    )


def _is_same(place: int, spoiled: bytes, part: bytes) -> bool:
    """A signature may be written in more than one way and still be the same number."""
    if place != 2 or spoiled == part:
        return spoiled == part
    try:
        # What comes after a space is no part of the token any more.
        return _decoded(spoiled.split()[0] if spoiled.split() else b"") == _decoded(part)
    except ValueError:
        return False


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part.rstrip(b"=") + b"=" * (-len(part.rstrip(b"=")) % 4))


def _reordered(post: Post, chance: Random) -> None:
    parts = _parts()
    orders = [list(order) for count in (1, 2, 3) for order in permutations(parts, count) if list(order) != parts]
    post.authorize(b"Bearer " + b".".join(chance.choice([*orders, [*parts, parts[2]], [b"", *parts], [*parts, b""]])))


def _exchanged(post: Post, chance: Random) -> None:
    """A part of one token in another that is as good."""
    parts, place = _parts(), chance.choice((1, 2))
    parts[place] = _parts(claims={"extra": chance.getrandbits(32)})[place]
    post.authorize(b"Bearer " + b".".join(parts))


def _garbage(post: Post, chance: Random) -> None:
    bits = (b"Bearer", b" ", b".", b"ey", b"e30", b"null", b"\xff", b"{}", b"=", b"W10", CANARY.encode(), b"Bearer ")
    post.authorize(b"".join(chance.choices(bits, k=chance.randrange(1, 12))))


def _endless(post: Post, chance: Random) -> None:
    """Longer than what HTTP takes, or than any token is."""
    size = chance.choice((4_000, 7_000, 20_000, 100_000))
    post.authorize(b"Bearer " + chance.choice((b"a", b".", b"=", b"e30.")) * size)
    post.answers, post.more = (400, 401), {"is_last": True}


# ------------------------------------------------------------------------------------------------------- made anew


def _algorithm(post: Post, chance: Random) -> None:
    """Says that it is signed in another way, or not at all; with the signature, or without."""
    _, claims, signature = _parts()
    head = {"alg": chance.choice(_ALGORITHMS), "typ": "JWT", "kid": issuer().key.id}
    post.authorize(b"Bearer " + b".".join((_json(head), claims, chance.choice((b"", signature, b"AAAA")))))


def _own_key(post: Post, chance: Random) -> None:
    """Brings the key along that it is to be verified with, and is signed by that."""
    stranger = issuer().stranger
    jwk = stranger.jwk()
    value = chance.choice((jwk, [jwk], "http://127.0.0.1:1/keys", ["jwk"], ""))
    head = {"alg": "RS256", "typ": "JWT", "kid": chance.choice((issuer().key.id, "own")), chance.choice(_KEYS): value}
    signed = _json(head) + b"." + _parts()[1]
    post.authorize(b"Bearer " + signed + b"." + _text(stranger.signature(signed)))


def _claims(post: Post, chance: Random) -> None:
    """Says something else than was signed."""
    parts = _parts()
    told = json.loads(_decoded(parts[1]))
    parts[1] = _text(mutations.encoded(mutations.spoiled(told, chance), chance) + b" ")[:_LONGEST]
    post.authorize(b"Bearer " + b".".join(parts))


def _signed_for_others(post: Post, chance: Random) -> None:
    """Truly Microsoft's, and not for us, not for here or not for now."""
    name = chance.choice(("exp", "aud", "iss", "serviceurl", "nbf"))
    values = {"exp": _NO_TIMES, "serviceurl": (*_NOBODIES, *ELSEWHERE), "nbf": (10**11, "x", [], {})}
    post.authorize(issuer().header(claims={name: chance.choice(values.get(name, _NOBODIES))}))


FORGED: dict[str, Change] = {
    **{f"a token, {name}": partial(_known, name) for name in FORGERIES},
    "a damaged header": partial(_damaged, 0),
    "damaged claims": partial(_damaged, 1),
    "a damaged signature": partial(_damaged, 2),
    "parts in another order": _reordered,
    "a part of another token": _exchanged,
    "what is no token": _garbage,
    "an endless token": _endless,
    "another algorithm": _algorithm,
    "a key of its own": _own_key,
    "claims that were not signed": _claims,
    "signed for others": _signed_for_others,
}


def _parts(**knobs: Any) -> list[bytes]:
    return (issuer().sign(**knobs) if knobs else token()).encode().split(b".")


def _json(told: Any) -> bytes:
    return _text(json.dumps(told).encode())


def _text(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
