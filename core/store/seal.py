"""How a value is sealed: AES-256-GCM under a data key, bound to its key and to the very row it stands in.

Blob: `0x01 | kid u32 | nonce 12 | commit 16 | ciphertext | tag 16`. The message key is HMAC-SHA512 of the nonce under
the data key, its next 16 bytes commit to that key. A wrapped data key:
`0x01 | kid u32 | nonce 12 | ciphertext 32 | tag 16`.
"""

import hmac
import secrets
import struct
from hashlib import sha512
from typing import NamedTuple

from Crypto.Cipher import AES
from Crypto.Cipher._mode_gcm import GcmMode

from core.errors import Unreadable

VERSION = 1
KEY_BYTES = 32
OVERHEAD = 49
_NONCE, _COMMIT, _TAG = 12, 16, 16
_HEADER = struct.Struct(">BI12s")
_WRAPPED = _HEADER.size + KEY_BYTES + _TAG


class DataKey(NamedTuple):
    """The key of one scope. `id` is its row, below 2**32."""

    id: int
    secret: bytes


class Place(NamedTuple):
    """Where a sealed value stands; it opens nowhere else. `scope` and `row` are 16 bytes each."""

    table: str
    column: str
    scope: bytes
    row: bytes

    def bound(self) -> bytes:
        fields = (bytes([VERSION]), self.table.encode(), self.column.encode(), self.scope, self.row)
        return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def seal(key: DataKey, place: Place, plain: bytes) -> bytes:
    """`plain` under `key`, 49 bytes longer."""
    header = _HEADER.pack(VERSION, key.id, secrets.token_bytes(_NONCE))
    message_key, commit = _derive(key, header)
    cipher = AES.new(message_key, AES.MODE_GCM, nonce=header[-_NONCE:], mac_len=_TAG)
    cipher.update(header + commit + place.bound())
    sealed, tag = cipher.encrypt_and_digest(plain)
    return header + commit + sealed + tag


def unseal(key: DataKey, place: Place, blob: bytes) -> bytes:
    """The inverse of `seal`; raises Unreadable where anything of key, place or blob is another."""
    if len(blob) < OVERHEAD or key_id(blob) != key.id:
        raise Unreadable
    header, commit = blob[: _HEADER.size], blob[_HEADER.size : _HEADER.size + _COMMIT]
    message_key, expected = _derive(key, header)
    if not hmac.compare_digest(commit, expected):
        raise Unreadable
    cipher = AES.new(message_key, AES.MODE_GCM, nonce=header[-_NONCE:], mac_len=_TAG)
    cipher.update(header + commit + place.bound())
    return _verified(cipher, blob[_HEADER.size + _COMMIT : -_TAG], blob[-_TAG:])


def wrap(kid: int, kek: bytes, scope: bytes, secret: bytes) -> bytes:
    """A data key of 32 bytes under a key encryption key, as 65 bytes."""
    header = _HEADER.pack(VERSION, kid, secrets.token_bytes(_NONCE))
    cipher = AES.new(kek, AES.MODE_GCM, nonce=header[-_NONCE:], mac_len=_TAG)
    cipher.update(b"dek|" + scope)
    sealed, tag = cipher.encrypt_and_digest(secret)
    return header + sealed + tag


def unwrap(kek: bytes, scope: bytes, wrapped: bytes) -> bytes:
    """The inverse of `wrap`; raises Unreadable."""
    if len(wrapped) != _WRAPPED:
        raise Unreadable
    cipher = AES.new(kek, AES.MODE_GCM, nonce=wrapped[_HEADER.size - _NONCE : _HEADER.size], mac_len=_TAG)
    cipher.update(b"dek|" + scope)
    return _verified(cipher, wrapped[_HEADER.size : -_TAG], wrapped[-_TAG:])


def key_id(blob: bytes) -> int:
    """The id of the key a blob or a wrapped key was made with; raises Unreadable."""
    if len(blob) < _HEADER.size or blob[0] != VERSION:
        raise Unreadable
    return int.from_bytes(blob[1:5])


def _derive(key: DataKey, header: bytes) -> tuple[bytes, bytes]:
    material = hmac.digest(key.secret, b"msg" + header[-_NONCE:], sha512)
    return material[:KEY_BYTES], material[KEY_BYTES : KEY_BYTES + _COMMIT]


def _verified(cipher: GcmMode, sealed: bytes, tag: bytes) -> bytes:
    try:
        return bytes(cipher.decrypt_and_verify(sealed, tag))
    except ValueError:
        raise Unreadable from None
