"""How WeCom signs and encrypts what passes by URL: SHA-1 over sorted parts, AES-256-CBC, padding to 32 bytes."""

import base64
import binascii
import hmac
import re
import struct
from dataclasses import dataclass
from hashlib import sha1
from secrets import token_bytes

from Crypto.Cipher import AES
from Crypto.Cipher._mode_cbc import CbcMode

from adapters.wecom.settings import Callback
from core.errors import Malformed, Misconfigured, ParleyError

KEY_BYTES = 32
_IV, _SALT, _PAD = 16, 16, 32
_LENGTH = struct.Struct(">I")
_HEAD = _SALT + _LENGTH.size
# The signature does not say where the time ends and the nonce begins; ten digits (2001 to 2286) leave no choice.
_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z_.~+/=-]{1,128}")  # nothing that could mean something in the envelope of an answer


class Forged(ParleyError):
    """This callback is not WeCom's."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted message with its signature, as it goes back to WeCom in a JSON or XML envelope."""

    encrypt: str
    signature: str
    timestamp: int
    nonce: str


class Crypto:
    """Opens and seals with the Token and the EncodingAESKey of one callback.

    The plaintext is `16 random bytes | length, 4 bytes in network order | message | receive id`, its key is the
    EncodingAESKey decoded from Base64, the IV are the key's first 16 bytes (developer.work.weixin.qq.com, documents
    90238 and 101033). Raises Misconfigured where the EncodingAESKey is none.
    """

    def __init__(self, callback: Callback) -> None:
        self._token = callback.token
        self._receive_id = callback.receive_id.encode()
        try:
            self.key = key_of(callback.aes_key)
        except Malformed:
            raise Misconfigured("The EncodingAESKey is not the 43 letters and digits that WeCom shows.") from None

    def verify(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> bytes:
        """The message, once signature, padding, length and receive id are right; raises Forged and says no more.

        Nothing is decrypted before the signature is believed. WeCom's signature cannot tell the time from the nonce
        where each could be the other; neither decides anything here.
        """
        has_form = _TIMESTAMP.fullmatch(timestamp) and _NONCE.fullmatch(nonce)
        if not has_form or not _is_same(self._signature(timestamp, nonce, encrypted), signature):
            raise Forged
        try:
            sealed = base64.b64decode(encrypted, validate=True)
            return self._message(decrypted(sealed, self.key))
        except (binascii.Error, ValueError, Malformed):
            raise Forged from None

    def seal(self, message: bytes, *, timestamp: int, nonce: str) -> Sealed:
        """What `verify` opens; in an answer the nonce is that of the callback's URL."""
        plain = token_bytes(_SALT) + _LENGTH.pack(len(message)) + message + self._receive_id
        sealed = _cipher(self.key).encrypt(_padded(plain))
        encrypted = base64.b64encode(sealed).decode()
        return Sealed(encrypted, self._signature(str(timestamp), nonce, encrypted), timestamp, nonce)

    def _message(self, plain: bytes) -> bytes:
        if len(plain) < _HEAD:
            raise Forged
        (length,) = _LENGTH.unpack(plain[_SALT:_HEAD])
        message, receive_id = plain[_HEAD : _HEAD + length], plain[_HEAD + length :]
        if len(message) != length or not hmac.compare_digest(receive_id, self._receive_id):
            raise Forged
        return message

    def _signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        parts = sorted((self._token, timestamp, nonce, encrypted))
        return sha1("".join(parts).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def decrypted(data: bytes, key: bytes) -> bytes:
    """What was encrypted with a key of 32 bytes, as callbacks and media are; raises Malformed.

    The IV are the key's first 16 bytes, the padding is PKCS#7 to 32 (document 100719).
    """
    if not data or len(data) % _PAD:
        raise Malformed("what WeCom encrypts is made of blocks of 32 bytes")
    plain = _cipher(key).decrypt(data)
    size = plain[-1]
    if not 1 <= size <= _PAD or plain[-size:] != bytes([size]) * size:
        raise Malformed("the padding is not WeCom's")
    return plain[:-size]


def key_of(text: str) -> bytes:
    """The 32 bytes of an EncodingAESKey or of a file's `aeskey`: Base64, with or without its "="; raises Malformed."""
    try:
        key = base64.b64decode(text.removesuffix("=") + "=", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a key of WeCom's is written in Base64") from None
    if len(key) != KEY_BYTES:
        raise Malformed("a key of WeCom's has 32 bytes")
    return key


def _padded(plain: bytes) -> bytes:
    size = _PAD - len(plain) % _PAD
    return plain + bytes([size]) * size


def _cipher(key: bytes) -> CbcMode:
    return AES.new(key, AES.MODE_CBC, iv=key[:_IV])


def _is_same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
