"""What the WeCom doors are attacked with: that it is what it says it is, and always the same."""

import json
from collections import Counter
from random import Random

import pytest

from bench.fuzz_wecom import _GROUPS, CANARY, request, total
from bench.platforms.wecom.crypto import Unreadable
from bench.wecom_forged import FORGED
from bench.wecom_posts import Post, post
from bench.wecom_rules import is_sound
from bench.wecom_signed import ELSEWHERE, WHOLE

SIGNED_APART = {
    "at the other door",
    "neither signed nor sealed",
    "no envelope",
    "nested without end",
    "a message as an echo",
}
SIGNED_APART |= {"a grammar of its own"}  # rightly signed, and wrapped as WeCom never does


def is_signed(post: Post) -> bool:
    """Whether it opens: judged by the stand-in's own cipher, not by the door's."""
    query = post.query
    if query.get("msg_signature") != post.wire.sign(query.get("timestamp", ""), query.get("nonce", ""), post.encrypt):
        return False
    try:
        post.wire.open(post.encrypt)
    except Unreadable:
        return False
    return len(query["timestamp"]) == 10


def made(seed: int) -> Post:
    return post(Random(seed))


@pytest.mark.parametrize("name", sorted(FORGED.keys() - SIGNED_APART - {"a forged echo"}))
def test_what_is_forged_does_not_open(name):
    for seed in range(50):
        forged = made(seed)
        assert is_signed(forged)
        FORGED[name](forged, Random(seed + 1_000))
        assert not is_signed(forged), seed


def test_a_forged_echo_does_not_open():
    for seed in range(50):
        forged = made(seed)
        FORGED["a forged echo"](forged, Random(seed + 1_000))
        forged.encrypt = forged.query["echostr"].replace(" ", "+")
        assert not is_signed(forged), seed


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_is_whole_opens_whatever_stands_around_it(name):
    for seed in range(50):
        whole = made(seed)
        WHOLE[name](whole, Random(seed))
        if name != "a check of the address":
            assert is_signed(whole), seed
            assert is_sound(whole.way, whole.message) or b"stream" in whole.message or b"event" in whole.message


def test_what_is_for_another_is_not_sound():
    for seed in range(50):
        astray = made(seed)
        ELSEWHERE["for another"](astray, Random(seed))
        assert is_signed(astray)
        assert not is_sound(astray.way, astray.message)


def test_a_number_and_a_seed_say_all_of_a_request():
    assert [request(number, Random(f"1/{number}")) for number in range(200)] == [
        request(number, Random(f"1/{number}")) for number in range(200)
    ]
    assert total(5_000) == 5_000


def test_every_kind_comes_and_most_of_it_carries_the_canary():
    requests = [request(number, Random(number)) for number in range(3_000)]
    kinds = Counter(each.kind for each in requests)
    assert len(kinds) >= sum(len(changes) for _, _, changes, _ in _GROUPS) - 3  # a few are rare
    assert not [each.kind for each in requests if each.kind.startswith(("forged", "astray")) and each.may_count]
    whole = [json.loads(made(seed).message) for seed in range(200) if made(seed).way == "wecom"]
    assert sum(CANARY in json.dumps(told) for told in whole) > len(whole) / 2
