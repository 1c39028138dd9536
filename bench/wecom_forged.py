"""What WeCom did not sign like this, or not for this door: nothing may come of it, and all is answered alike."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from bench.platforms.wecom.crypto import Wire, encrypted
from bench.platforms.wecom.platform import CORP
from bench.wecom_posts import CANARY, Post, post

Change = Callable[[Post, Random], None]

_SIGNED = ("msg_signature", "timestamp", "nonce")
_PRINTED = "".join(map(chr, range(0x21, 0x7F)))
_STRANGE = (" ", "+", "%00", "\0", "\n", "é", "人", "=", "A", "0", "\u200b", "\ufeff")
_BLOCK = 32


def _parameter(post: Post, chance: Random) -> None:
    """A parameter of the address is not as it was."""
    name = chance.choice(_SIGNED)
    post.query[name] = _spoiled(post.query[name], chance)


def _ciphertext(post: Post, chance: Random) -> None:
    post.wrap(_spoiled(post.encrypt, chance))


def _block(post: Post, chance: Random) -> None:
    """Whole blocks of the cipher are exchanged, gone or twice there."""
    sealed = base64.b64decode(post.encrypt)
    blocks = [sealed[at : at + 16] for at in range(0, len(sealed), 16)]
    while (shuffled := chance.choices(blocks, k=chance.choice((2, len(blocks), len(blocks) + 2)))) == blocks:
        pass
    post.wrap(base64.b64encode(b"".join(shuffled)).decode())


def _spoiled(text: str, chance: Random) -> str:
    """With a character changed, gone or added; never the same."""
    at = chance.randrange(len(text))
    printed = chance.choice(_PRINTED)
    spoiled = chance.choice(
        (
            text[:at] + printed + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[:at] + chance.choice((printed, *_STRANGE)) + text[at:],
            text[:at],
            text[at + 1 :],
            text + text,
            text.swapcase(),
        )
    )
    return spoiled if spoiled != text else text + "x"


def _missing(post: Post, chance: Random) -> None:
    for name in chance.sample(_SIGNED, chance.randrange(1, 4)):
        del post.query[name]


def _cut_anew(post: Post, chance: Random) -> None:
    """The same characters are signed, with another end of the time, the nonce or the cipher."""
    timestamp, nonce, encrypt = post.query["timestamp"], post.query["nonce"], post.encrypt
    many = chance.randrange(1, min(len(timestamp), len(nonce)) + 1)
    match chance.randrange(4):
        case 0:
            post.query |= {"timestamp": timestamp + nonce[:many], "nonce": nonce[many:]}
        case 1:
            post.query |= {"nonce": nonce + timestamp[:many], "timestamp": timestamp[many:]}
        case 2:
            post.query["nonce"] = nonce + encrypt[: 4 * many]
            post.wrap(encrypt[4 * many :])
        case _:
            post.query["nonce"] = nonce[:-many]
            post.wrap(nonce[-many:] + encrypt)


def _garbage(post: Post, chance: Random) -> None:
    for name in _SIGNED:
        if chance.random() < 0.7:
            post.query[name] = "".join(chance.choices((*_STRANGE, *_PRINTED, CANARY), k=chance.randrange(60)))
    post.query["msg_signature"] += "0"


def _other_hash(post: Post, chance: Random) -> None:
    parts = sorted((post.wire.token, post.query["timestamp"], post.query["nonce"], post.encrypt))
    whole = chance.choice(("", "\n", "&")).join(parts).encode()
    hashes = (hashlib.sha256, hashlib.md5, hashlib.sha512)
    post.query["msg_signature"] = chance.choice(hashes)(whole).hexdigest()[: chance.choice((40, 128))]


def _own_token(post: Post, chance: Random) -> None:
    token = chance.choice(("", " ", "token", post.wire.token[:-1], f"{post.wire.token} ", post.wire.token.swapcase()))
    query, wire = post.query, replace(post.wire, token=token)
    query["msg_signature"] = wire.sign(query["timestamp"], query["nonce"], post.encrypt)


def _of_another(made: Post, chance: Random) -> None:
    """A part of another message, which is as good."""
    other = post(chance)
    while other.way != made.way:
        other = post(chance)
    name = chance.choice((*_SIGNED, "encrypt"))
    if name == "encrypt":
        made.wrap(other.encrypt)
    elif other.query[name] != made.query[name]:
        made.query[name] = other.query[name]
    else:
        made.query[name] += "0"


def _crossed(post: Post, chance: Random) -> None:
    """The bot's at the app's door, the app's at the bot's."""
    post.path = "/channels/wecom-app" if post.way == "wecom" else "/channels/wecom"
    if chance.random() < 0.5:  # in the envelope that is usual there
        encrypt = post.encrypt
        post.way = "wecom-app" if post.way == "wecom" else "wecom"
        post.wrap(encrypt)


def _other_receiver(post: Post, chance: Random) -> None:
    """Rightly signed and sealed, and for somebody else."""
    usual = post.wire.receive_id
    others = [id for id in ("", CORP, f"{CORP} ", CORP[:-1], f"{CORP}0", CORP.upper(), "\0", "人") if id != usual]
    post.seal(post.wire.seal(post.message, receive_id=chance.choice(others), prefix=chance.randbytes(16)))


def _other_key(post: Post, chance: Random) -> None:
    """Rightly signed, by who does not know the key."""
    key = base64.b64encode(chance.randbytes(32)).decode()[:-1]
    wire = Wire(post.wire.token, key, post.wire.receive_id)
    post.seal(wire.seal(post.message, prefix=chance.randbytes(16)))


def _padding(post: Post, chance: Random) -> None:
    """Rightly signed, under the right key, and not padded as WeCom does."""
    wire = post.wire
    head = chance.randbytes(16) + len(post.message).to_bytes(4)
    plain = head + post.message + wire.receive_id.encode()
    size = _BLOCK - len(plain) % _BLOCK
    match chance.randrange(3):
        case 0:
            padding = bytes([chance.choice((0, 33, 64, 255))]) * size
        case 1:
            padding = bytes([size ^ 1]) * (size - 1) + bytes([size]) if size > 1 else b"\0"
        case _:
            padding = b"\0" * (size - 1) + bytes([size + _BLOCK])
    data = encrypted(plain + padding, wire.key)
    post.seal(base64.b64encode(data[: len(plain) + len(padding)]).decode())  # without what is right in it


def _length(post: Post, chance: Random) -> None:
    """Rightly signed, under the right key, and another length is told."""
    wire, true = post.wire, len(post.message)
    told = chance.choice((0, true - 1, true + 1, 2**31, 2**32 - 1, 2**31 - 1))
    plain = chance.randbytes(16) + told.to_bytes(4) + post.message + wire.receive_id.encode()
    post.seal(base64.b64encode(encrypted(plain, wire.key)).decode())


def _short(post: Post, chance: Random) -> None:
    """Rightly signed, and nothing that was ever sealed."""
    data = chance.randbytes(chance.choice((0, 1, 15, 16, 31, 32, 48, 64)))
    text = base64.b64encode(data).decode()
    post.seal(chance.choice((text, text.rstrip("="), text + "=", "人", "%", " " * 64, CANARY, text * 2)))


def _naked(post: Post, chance: Random) -> None:
    """The message itself, as if nobody had to sign or to seal it."""
    post.body = post.message
    if chance.random() < 0.5:
        post.query = {}


def _envelope(post: Post, chance: Random) -> None:
    """A good signature, and no envelope with what it signs."""
    encrypt = json.dumps(post.encrypt).encode()
    bodies = (b"", b"{}", b"<xml/>", b"null", b"[" + encrypt + b"]", b'{"encrypt": [' + encrypt + b"]}", encrypt,
              b'{"encrypt": ' + encrypt, b"<xml><Encrypt>", b"\xff" + post.body, post.body.decode().encode("utf-16"),
              b"<xml><A><Encrypt>" + encrypt[1:-1] + b"</Encrypt></A></xml>",
              b"<html><Encrypt>" + encrypt[1:-1] + b"</Encrypt></html>", post.body[: len(post.body) // 2])  # fmt: skip
    post.body = chance.choice(bodies)


def _grammar(post: Post, chance: Random) -> None:
    """A good callback that brings a grammar and entities along."""
    entities = chance.choice(
        (
            "<!DOCTYPE xml>",
            '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
            '<!DOCTYPE xml [<!ENTITY c SYSTEM "file:///etc/passwd">]>',
            f'<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/{CANARY}">',
            '<!DOCTYPE xml [<!ENTITY % c SYSTEM "http://127.0.0.1:1/"> %c;]>',
        )
    )
    post.body = entities.encode() + post.body


def _deep(post: Post, chance: Random) -> None:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<xml>", b"</xml>"), (b"<a>", b"</a>")))
    depth = chance.choice((100, 1_000, 100_000))
    post.body = opening * depth + b"1" + closing * chance.choice((0, depth))
    post.answers = (401, 413)


def _large(post: Post, chance: Random) -> None:
    post.body += b" " * chance.choice((1_048_577, 1_500_000, 3_000_000))
    post.answers, post.more = (401, 413), {"is_last": True}


def _echo(post: Post, chance: Random) -> None:
    """A message with its own signature, sent as the check of the address: it must not be given away."""
    post.method = "GET"
    post.query["echostr"] = post.encrypt
    post.body = b""


def _false_echo(post: Post, chance: Random) -> None:
    post.method = "GET"
    post.write(str(chance.getrandbits(60)).encode())
    post.body = b""
    post.query["echostr"] = _spoiled(post.encrypt, chance)
    if post.query["echostr"].replace(" ", "+") == post.encrypt:
        post.query["echostr"] += "0"


def _raw(post: Post, chance: Random) -> None:
    """An address with what no address has."""
    bits: tuple[Any, ...] = (
        b"msg_signature=",
        b"&",
        b"timestamp=",
        b"nonce=",
        b"%",
        b"%ff",
        b"%00",
        b";",
        b"=",
        b"\xff",
    )
    post.raw_query = b"".join(chance.choices(bits, k=chance.randrange(1, 30)))
    post.answers = (400, 401)


def _method(post: Post, chance: Random) -> None:
    post.method = chance.choice(("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"))
    post.answers, post.more = (400, 405), {"is_head": post.method == "HEAD"}


def _elsewhere(post: Post, chance: Random) -> None:
    post.path = f"/channels/{post.way}{chance.choice(('/', '/x', '%00', '/..', '.xml', '//'))}"
    post.answers = (400, 404)


FORGED: dict[str, Change] = {
    "another parameter": _parameter,
    "another character of the cipher": _ciphertext,
    "another block of the cipher": _block,
    "a parameter missing": _missing,
    "cut at another place": _cut_anew,
    "parameters of no sense": _garbage,
    "another hash": _other_hash,
    "another token": _own_token,
    "a part of another message": _of_another,
    "at the other door": _crossed,
    "for another receiver": _other_receiver,
    "under another key": _other_key,
    "another padding": _padding,
    "another length": _length,
    "never sealed": _short,
    "neither signed nor sealed": _naked,
    "no envelope": _envelope,
    "a grammar of its own": _grammar,
    "nested without end": _deep,
    "a message as an echo": _echo,
    "a forged echo": _false_echo,
}
ASTRAY: dict[str, Change] = {"an address of no sense": _raw, "another method": _method, "another path": _elsewhere}
LARGE: dict[str, Change] = {"megabytes": _large}
