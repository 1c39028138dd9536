"""The key encryption keys: read from text or file, with errors that help and never show a key."""

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import Misconfigured, Unreadable
from core.store.keys import Keys, load, make_development_key

ONE, TWO = (base64.b64encode(bytes([fill]) * 32).decode() for fill in (1, 2))


def test_the_first_key_wraps_and_all_unwrap():
    old = Keys.parse(f"1:{ONE}")
    both = Keys.parse(f" 2:{TWO}, 1:{ONE} ,")
    assert (both.primary, sorted(both.ring)) == (2, [1, 2])
    assert both.unwrap(b"scope", old.wrap(b"scope", b"k" * 32)) == b"k" * 32
    assert both.unwrap(b"scope", both.wrap(b"scope", b"k" * 32)) == b"k" * 32
    assert Keys.parse(both.dump()) == both


def test_a_key_that_is_missing_is_named():
    with pytest.raises(Unreadable, match="id 2"):
        Keys.parse(f"1:{ONE}").unwrap(b"scope", Keys.parse(f"2:{TWO}").wrap(b"scope", b"k" * 32))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "no encryption key"),
        (" , ", "no encryption key"),
        (ONE, "begin with its id"),
        (f"x:{ONE}", "begin with its id"),
        (f"4294967296:{ONE}", "begin with its id"),
        ("1:not base64", "not base64"),
        ("1:AAAA", "3 bytes instead of 32"),
        (f"1:{ONE},1:{TWO}", "id 1 stands for two"),
    ],
)
def test_a_wrong_key_is_told_without_showing_it(text: str, hint: str):
    with pytest.raises(Misconfigured, match=hint) as caught:
        Keys.parse(text)
    assert ONE not in str(caught.value)


def test_keys_do_not_show_in_a_log():
    keys = Keys.generate()
    assert base64.b64encode(keys.ring[1]).decode() not in f"{keys!r}{keys}"


def test_a_development_key_is_made_once_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "not there yet" / "key"
    keys = make_development_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert make_development_key(path) == keys
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_two_processes_that_make_a_key_at_once_have_the_same(tmp_path: Path):
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make_development_key, [path] * 16))
    assert all(keys == made[0] for keys in made)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "key"
    make_development_key(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        make_development_key(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "key"
    path.write_bytes(secrets.token_bytes(8) + b"\xff")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="no key file"):
        load(path)
