"""Passwords of local admins: made, hashed with scrypt, and compared without telling anything by the time it takes."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unicodedata import normalize

# OWASP, Password Storage Cheat Sheet: as good as N=2**17 with p=1, in a quarter of the memory (32 MiB).
_N, _R, _P = 2**15, 8, 3
_BYTES = 32
_MEMORY = 128 * _N * _R + 2**20 * 2
LEAST, MOST = 12, 1024  # characters

_AT_ONCE = 2  # whoever floods the sign-in takes two cores and 64 MiB at most
PLACES = 32  # at work or waiting for it, a few seconds at most


def make_password() -> str:
    """One that nobody guesses: 120 bits, in groups that can be read out."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look like others
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(5))


def hashed(password: str, *, n: int = _N) -> str:
    """What is kept of it: `scrypt$N$r$p$salt$key`, the last two in base64."""
    salt = secrets.token_bytes(16)
    return "$".join(("scrypt", str(n), str(_R), str(_P), _text(salt), _text(_key(password, salt, n, _R, _P))))


class Judge:
    """Compares off the event loop, a few at a time."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Held by whoever is about to compare one; False where so many do that nobody can wait for all of them."""
        if self._taken >= PLACES:
            yield False
            return
        self._taken += 1
        try:
            yield True
        finally:
            self._taken -= 1

    async def is_right(self, password: str, kept: str | None) -> bool:
        """Whether it is the one; where there is none to compare with, as much work is done and the answer is no."""
        if len(password) > MOST:
            password, kept = "", None
        async with self._gate:
            return await asyncio.to_thread(_compare, password, kept or _nobodys()) and kept is not None


def _compare(password: str, kept: str) -> bool:
    _, n, r, p, salt, key = kept.split("$")
    ours = base64.b64decode(key)
    return hmac.compare_digest(_key(password, base64.b64decode(salt), int(n), int(r), int(p)), ours)


def _key(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    plain = normalize("NFKC", password).encode("utf-8", "surrogatepass")  # however a keyboard composes it
    return hashlib.scrypt(plain, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=_BYTES)


@cache
def _nobodys() -> str:
    return "$".join(("scrypt", str(_N), str(_R), str(_P), _text(bytes(16)), _text(bytes(_BYTES))))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
