"""WeCom's cipher and signature, written for the stand-in alone (documents 90238, 90968 and 101033).

Not the door's: what the two agree on is what the document says, and Tencent's SDK agrees, too.
"""

import base64
import hashlib
import os
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_PAD_BITS = 256  # PKCS#7 to 32 bytes, twice what AES itself would need


class Unreadable(Exception):
    """It was not sealed with this key, or not for this receiver."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One callback's Token, EncodingAESKey (43 characters) and receive id."""

    token: str
    aes_key: str = field(repr=False)
    receive_id: str = ""

    @property
    def key(self) -> bytes:
        return base64.b64decode(self.aes_key + "=")

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        return hashlib.sha1("".join(sorted([self.token, timestamp, nonce, encrypted])).encode()).hexdigest()  # noqa: S324

    def seal(self, message: bytes, *, receive_id: str | None = None, prefix: bytes = b"") -> str:
        """`receive_id` and the 16 random bytes may be given: a forgery, and an example that others published."""
        receiver = self.receive_id if receive_id is None else receive_id
        plain = (prefix or os.urandom(16)) + struct.pack(">I", len(message)) + message + receiver.encode()
        return base64.b64encode(encrypted(plain, self.key)).decode()

    def open(self, sealed: str) -> bytes:
        """Raises Unreadable."""
        try:
            plain = decrypted(base64.b64decode(sealed, validate=True), self.key)
            (size,) = struct.unpack(">I", plain[16:20])
        except (ValueError, struct.error) as error:
            raise Unreadable(str(error)) from None
        message, receiver = plain[20 : 20 + size], plain[20 + size :]
        if len(message) != size or receiver != self.receive_id.encode():
            raise Unreadable("for another receiver")
        return message


def encrypted(data: bytes, key: bytes) -> bytes:
    """AES-256-CBC; the first half of the key is the initialisation vector. Media have the same form."""
    pad = PKCS7(_PAD_BITS).padder()
    work = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return work.update(pad.update(data) + pad.finalize()) + work.finalize()


def decrypted(data: bytes, key: bytes) -> bytes:
    """Raises ValueError."""
    work = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    plain = work.update(data) + work.finalize()
    pad = PKCS7(_PAD_BITS).unpadder()
    return pad.update(plain) + pad.finalize()
