"""WeCom's signature and cipher: the published examples to the byte, and everything that is almost like them."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom import crypto as module
from adapters.wecom.crypto import Crypto, Forged, decrypted, key_of
from adapters.wecom.settings import Callback
from core.errors import Malformed, Misconfigured

VECTORS = json.loads((Path(__file__).parents[3] / "data/wecom/vectors.json").read_text(encoding="utf-8"))["vectors"]
BY_ID = {vector["id"]: vector for vector in VECTORS}
XML = BY_ID["tencent-post-xml"]

KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
BOT = Callback(token="token", aes_key=KEY)
APP = replace(BOT, receive_id="ww00000000000000aa")
TIME, NONCE = "1700000000", "abcDEF123"


def callback_of(vector: dict[str, Any], **changes: str) -> Callback:
    told = {"token": vector["token"], "aes_key": vector["encoding_aes_key"], "receive_id": vector["receive_id"]}
    return Callback(**told | changes)


def verified(vector: dict[str, Any], callback: Callback | None = None, **changes: str) -> bytes:
    told = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce", "encrypt")} | changes
    return Crypto(callback or callback_of(vector)).verify(
        told["msg_signature"], told["timestamp"], told["nonce"], told["encrypt"]
    )


def sealed(plain: bytes, *, size: int | None = None, pad: bytes | None = None, key: str = KEY) -> str:
    """Plain bytes encrypted with any padding, as only who has the key can."""
    filler = bytes([size or 32 - len(plain) % 32]) * (size or 32 - len(plain) % 32)
    cipher = AES.new(key_of(key), AES.MODE_CBC, iv=key_of(key)[:16])
    return base64.b64encode(cipher.encrypt(plain + (filler if pad is None else pad))).decode()


def framed(message: bytes, receive_id: bytes = b"", length: int | None = None) -> bytes:
    return b"r" * 16 + (len(message) if length is None else length).to_bytes(4) + message + receive_id


def opened(encrypted: str, callback: Callback = BOT) -> bytes:
    """Signed rightly, whatever it is."""
    crypto = Crypto(callback)
    return crypto.verify(crypto._signature(TIME, NONCE, encrypted), TIME, NONCE, encrypted)


# ------------------------------------------------------------------------------------------------- published examples


@pytest.mark.parametrize("vector", VECTORS, ids=list(BY_ID))
def test_the_published_examples_open(vector):
    assert verified(vector) == vector["plaintext"].encode()


@pytest.mark.parametrize("vector", VECTORS, ids=list(BY_ID))
def test_sealing_the_published_examples_gives_their_very_bytes(vector, monkeypatch):
    monkeypatch.setattr(module, "token_bytes", lambda size: bytes.fromhex(vector["random16_hex"]))
    answer = Crypto(callback_of(vector)).seal(
        vector["plaintext"].encode(), timestamp=int(vector["timestamp"]), nonce=vector["nonce"]
    )
    assert answer.encrypt == vector["encrypt"]
    assert answer.signature == vector["msg_signature"]
    assert (answer.timestamp, answer.nonce) == (int(vector["timestamp"]), vector["nonce"])


def test_with_another_token_the_example_has_the_other_published_signature():
    vector = BY_ID["sbzhu-verify-url"]
    other = vector["alt_signature"]
    callback = callback_of(vector, token=other["token"])
    assert verified(vector, callback, msg_signature=other["msg_signature"]) == vector["plaintext"].encode()


def test_the_examples_have_a_padding_that_sixteen_bytes_cannot_hold():
    assert {vector["pkcs7_pad"] for vector in VECTORS} == {7, 22, 30}


# ---------------------------------------------------------------------------------------------------- what is no more


@pytest.mark.parametrize("vector", VECTORS, ids=list(BY_ID))
@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce", "encrypt"])
def test_no_character_of_what_is_signed_may_be_another_or_missing_or_more(vector, name):
    whole = vector[name]
    for at in range(len(whole)):
        for changed in (
            whole[:at] + chr(ord(whole[at]) ^ 1) + whole[at + 1 :],
            whole[:at] + whole[at + 1 :],
            whole[:at] + "0" + whole[at:] if whole[at] != "0" else "",
        ):
            with pytest.raises(Forged):
                verified(vector, None, **{name: changed})


@pytest.mark.parametrize(
    "changes",
    [
        {"msg_signature": ""},
        {"msg_signature": XML["msg_signature"].upper()},
        {"msg_signature": XML["msg_signature"] + "\n"},
        {"msg_signature": "é" * 40},
        {"msg_signature": "\ud800"},
        {"timestamp": ""},
        {"timestamp": XML["timestamp"] + " "},
        {"timestamp": "٢" * 10},
        {"nonce": ""},
        {"nonce": "\ud800"},
        {"nonce": "n" * 129},
        {"encrypt": ""},
        {"encrypt": XML["encrypt"] + "\n"},
        {"encrypt": " " + XML["encrypt"]},
        {"encrypt": XML["encrypt"] + "\ud800"},
    ],
)
def test_what_is_almost_signed_is_forged(changes):
    with pytest.raises(Forged):
        verified(XML, **changes)


@pytest.mark.parametrize("cut", [1, 2, 9, -1])
def test_time_and_nonce_cannot_be_cut_at_another_place(cut):
    vector = XML
    assert vector["nonce"] < vector["timestamp"]  # in this order they are signed
    both = vector["nonce"] + vector["timestamp"]
    at = len(vector["nonce"]) + cut
    with pytest.raises(Forged):
        verified(vector, nonce=both[:at], timestamp=both[at:])


def test_time_and_nonce_exchanged_say_the_same_message():
    """WeCom's signature cannot tell: it sorts. Nothing but the message is believed, and that is the same."""
    assert verified(XML, nonce=XML["timestamp"], timestamp=XML["nonce"]) == XML["plaintext"].encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("receive_id", "wx0000000000000000"),
        ("receive_id", ""),
        ("receive_id", "wx5823bf96d3bd56c"),
        ("receive_id", "wx5823bf96d3bd56c77"),
        ("token", "QDG6eL"),
        ("token", ""),
        ("aes_key", KEY),
    ],
)
def test_what_is_meant_for_another_is_forged(name, value):
    with pytest.raises(Forged):
        verified(XML, callback_of(XML, **{name: value}))


def test_nothing_is_decrypted_before_the_signature_is_believed(monkeypatch):
    monkeypatch.setattr(module, "decrypted", lambda data, key: pytest.fail("it was decrypted"))
    with pytest.raises(Forged):
        verified(XML, msg_signature=XML["msg_signature"][:-1] + "0")


@pytest.mark.parametrize("length", [0, 1, 5, 7, 2**31, 2**32 - 1])
def test_a_length_that_is_not_the_messages_is_forged(length):
    with pytest.raises(Forged):
        opened(sealed(framed(b"{'a'}!", b"", length)))


def test_the_length_decides_where_the_receive_id_begins():
    assert opened(sealed(framed(b"hello", b"ww00000000000000aa")), APP) == b"hello"
    for receive_id in (b"", b"ww00000000000000a", b"ww00000000000000ab", b"ww00000000000000aa\0"):
        with pytest.raises(Forged):
            opened(sealed(framed(b"hello", receive_id)), APP)


@pytest.mark.parametrize("size", range(1, 33))
def test_a_padding_of_one_to_thirty_two_bytes_opens(size):
    message = b"m" * (32 + 12 - size)
    assert opened(sealed(framed(message))) == message


@pytest.mark.parametrize(
    "pad",
    [
        b"\0" * 32,  # none
        b"\x21" * 33 + b"\x21" * 31,  # more than a block
        b"\xff" * 32,
        b"\x1f" + b"\x20" * 31,  # not all of it the same
        b"\x20" * 30 + b"\x1f\x20",
        b"\x02" * 31 + b"\x03",
    ],
)
def test_a_padding_that_is_not_whole_is_forged(pad):
    plain = framed(b"m" * 12)
    assert len(plain) == 32
    with pytest.raises(Forged):
        opened(sealed(plain, pad=pad))


@pytest.mark.parametrize(
    "encrypted",
    [
        "AAAA", "", "=", "A", "%%%%", base64.b64encode(b"x" * 16).decode(), base64.b64encode(b"x" * 48).decode(),
        sealed(b"", size=32), sealed(b"r" * 16), sealed(b"r" * 19), sealed(framed(b"m"))[:-1],
        sealed(framed(b"m")).replace("=", "") + "==\n", "人" * 64, sealed(framed(b"hello")) * 2,
    ],
)  # fmt: skip
def test_what_is_signed_and_was_never_encrypted_like_this_is_forged(encrypted):
    with pytest.raises(Forged):
        opened(encrypted)


def test_every_refusal_reads_the_same():
    refusals = set()
    attempts = (
        lambda: verified(XML, msg_signature="0" * 40),
        lambda: verified(XML, timestamp="now"),
        lambda: verified(XML, callback_of(XML, receive_id="wx0")),
        lambda: opened(sealed(framed(b"m" * 12), pad=b"\0" * 32)),
        lambda: opened(sealed(framed(b"m", length=9))),
        lambda: opened("A"),
    )
    for attempt in attempts:
        with pytest.raises(Forged) as caught:
            attempt()
        refusals.add((str(caught.value), caught.value.__cause__))
    assert refusals == {("This callback is not WeCom's.", None)}


# ------------------------------------------------------------------------------------------------------- there and back


@given(message=st.binary(max_size=200), receive_id=st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_is_sealed_opens_for_the_same_receiver(message, receive_id):
    crypto = Crypto(replace(BOT, receive_id=receive_id))
    told = crypto.seal(message, timestamp=1700000000, nonce=NONCE)
    assert crypto.verify(told.signature, "1700000000", NONCE, told.encrypt) == message


def test_the_same_message_is_never_sealed_twice_in_the_same_way():
    crypto = Crypto(BOT)
    assert len({crypto.seal(b"hello", timestamp=1, nonce="n").encrypt for _ in range(20)}) == 20


@given(st.binary(max_size=300))
def test_no_bytes_decrypt_to_anything_but_what_was_padded(data):
    try:
        plain = decrypted(data, key_of(KEY))
    except Malformed:
        return
    assert sealed(plain) == base64.b64encode(data).decode()


def test_a_file_is_decrypted_with_its_own_key():
    data = base64.b64decode(sealed(b"\x89PNG" * 100))
    assert decrypted(data, key_of(KEY)) == b"\x89PNG" * 100
    for wrong in (b"", data[:-1], data[:-16], b"x" * 32):
        with pytest.raises(Malformed):
            decrypted(wrong, key_of(KEY))


def test_a_key_is_written_with_or_without_its_last_sign():
    assert key_of(KEY) == key_of(KEY + "=") == bytes(range(32))
    assert len(key_of(XML["encoding_aes_key"])) == 32  # its last sign says more than there is room for


@pytest.mark.parametrize(
    "text", ["", "=", "short", KEY[:-1], KEY + "A", KEY + "==", KEY[:-1] + "!", "人" * 43, "\ud800"]
)
def test_what_is_no_key_is_malformed(text):
    with pytest.raises(Malformed):
        key_of(text)
    with pytest.raises(Misconfigured) as caught:
        Crypto(replace(BOT, aes_key=text))
    assert not text or text not in str(caught.value)


def test_neither_token_nor_key_is_shown():
    shown = repr(Callback(token="a-token", aes_key=KEY))
    assert "a-token" not in shown
    assert KEY not in shown
