"""Sealing: nothing opens but what was sealed, where it was sealed, with the key it was sealed with."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Unreadable
from core.store.seal import OVERHEAD, DataKey, Place, key_id, seal, unseal, unwrap, wrap

KEY = DataKey(7, bytes(range(32)))
PLACE = Place("messages", "body", b"s" * 16, b"r" * 16)


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again_and_is_49_bytes_longer(plain: bytes):
    blob = seal(KEY, PLACE, plain)
    assert unseal(KEY, PLACE, blob) == plain
    assert len(blob) == len(plain) + OVERHEAD
    assert key_id(blob) == 7


def test_equal_values_never_look_equal():
    assert seal(KEY, PLACE, b"same") != seal(KEY, PLACE, b"same")


@given(st.integers(min_value=0, max_value=(OVERHEAD + 20) * 8 - 1))
def test_no_flipped_bit_goes_unseen(bit: int):
    blob = bytearray(seal(KEY, PLACE, b"x" * 20))
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unreadable):
        unseal(KEY, PLACE, bytes(blob))


@given(st.binary(max_size=200))
def test_garbage_is_unreadable_and_nothing_worse(blob: bytes):
    with pytest.raises(Unreadable):
        unseal(KEY, PLACE, blob)


@pytest.mark.parametrize("length", range(OVERHEAD + 4))
def test_a_cut_value_is_unreadable(length: int):
    with pytest.raises(Unreadable):
        unseal(KEY, PLACE, seal(KEY, PLACE, b"four")[:length])


@pytest.mark.parametrize(
    "elsewhere",
    [
        PLACE._replace(table="replies"),
        PLACE._replace(column="about"),
        PLACE._replace(scope=b"t" * 16),
        PLACE._replace(row=b"q" * 16),
        PLACE._replace(table="message", column="sbody"),
    ],
)
def test_a_value_opens_in_its_own_place_alone(elsewhere: Place):
    with pytest.raises(Unreadable):
        unseal(KEY, elsewhere, seal(KEY, PLACE, b"x"))


def test_another_key_opens_nothing():
    blob = seal(KEY, PLACE, b"x")
    for other in (DataKey(7, secrets.token_bytes(32)), DataKey(8, KEY.secret)):
        with pytest.raises(Unreadable):
            unseal(other, PLACE, blob)


def test_a_wrapped_key_opens_under_its_key_and_scope_alone():
    kek, scope, secret = secrets.token_bytes(32), b"s" * 16, secrets.token_bytes(32)
    wrapped = wrap(3, kek, scope, secret)
    assert len(wrapped) == 65
    assert key_id(wrapped) == 3
    assert unwrap(kek, scope, wrapped) == secret
    for other_kek, other_scope, other in [
        (secrets.token_bytes(32), scope, wrapped),
        (kek, b"t" * 16, wrapped),
        (kek, scope, wrapped[:-1]),
        (kek, scope, wrapped[:-1] + bytes([wrapped[-1] ^ 1])),
    ]:
        with pytest.raises(Unreadable):
            unwrap(other_kek, other_scope, other)
