"""The key encryption keys: where they come from, and which of them wraps new data keys."""

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import KeyMissing, Misconfigured
from core.store import seal

FORMAT = 'a list such as "1:BASE64" or "2:BASE64,1:BASE64", the first one wrapping new keys; 32 bytes each'


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """A ring of key encryption keys by id; `primary` wraps, all of them unwrap."""

    primary: int
    ring: Mapping[int, bytes]

    def __repr__(self) -> str:
        return f"Keys(primary={self.primary}, ids={sorted(self.ring)})"

    @classmethod
    def parse(cls, text: str) -> "Keys":
        """From `id:base64,id:base64`, the first being primary; raises Misconfigured without showing any of it."""
        ring: dict[int, bytes] = {}
        for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            kid, key = _entry(place, entry)
            if kid in ring:
                raise Misconfigured(f"The id {kid} stands for two encryption keys; give each its own.")
            ring[kid] = key
        if not ring:
            raise Misconfigured(f"There is no encryption key; expected is {FORMAT}.")
        return cls(next(iter(ring)), ring)

    @classmethod
    def generate(cls) -> "Keys":
        return cls(1, {1: secrets.token_bytes(seal.KEY_BYTES)})

    def dump(self) -> str:
        """The inverse of `parse`."""
        ids = [self.primary, *sorted(set(self.ring) - {self.primary})]
        return ",".join(f"{kid}:{base64.b64encode(self.ring[kid]).decode()}" for kid in ids)

    def wrap(self, scope: bytes, secret: bytes) -> bytes:
        return seal.wrap(self.primary, self.ring[self.primary], scope, secret)

    def unwrap(self, scope: bytes, wrapped: bytes) -> bytes:
        """Raises Unreadable, and KeyMissing with the id of a key that is not in the ring."""
        kid = seal.key_id(wrapped)
        if kid not in self.ring:
            raise KeyMissing(f"It needs the encryption key with id {kid}.")
        return seal.unwrap(self.ring[kid], scope, wrapped)


def _entry(place: int, entry: str) -> tuple[int, bytes]:
    kid, _, encoded = entry.partition(":")
    if not (kid.isascii() and kid.isdigit() and int(kid) < 2**32):
        raise Misconfigured(f"Encryption key {place} does not begin with its id and a colon; expected is {FORMAT}.")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured(f"Encryption key {place} (id {kid}) is not base64; expected is {FORMAT}.") from None
    if len(key) != seal.KEY_BYTES:
        raise Misconfigured(f"Encryption key {place} (id {kid}) has {len(key)} bytes instead of {seal.KEY_BYTES}.")
    return int(kid), key


def make_development_key(path: Path) -> Keys:
    """Loads the key file, or writes a new one that only its owner can read; raises Misconfigured where others can."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_whole(path, Keys.generate().dump() + "\n")
    return load(path)


def _write_whole(path: Path, text: str) -> None:
    """Writes the file at once or, where another process was first, not at all."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def load(path: Path) -> Keys:
    """Keys from a file of the form that `Keys.parse` reads; raises Misconfigured."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Misconfigured(f"Others can read the key file {path} (mode {mode:04o}); say: chmod 600 {path}")
    try:
        return Keys.parse(path.read_text(encoding="ascii"))
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is no key file; expected is {FORMAT}.") from None
