"""The figures of the answer cache that need no database."""

import json

from bench import turn_cache
from bench.turn_cache import NEAR_MISSES

PAIRS = [json.loads(line) for line in NEAR_MISSES.read_text(encoding="utf-8").splitlines()]


def named(figures):
    return {figure.name: figure for figure in figures}


def test_there_are_enough_near_misses_of_every_kind_and_none_is_there_twice():
    kinds = {(pair["kind"], pair["lang"]) for pair in PAIRS}
    assert len(kinds) == 8
    assert len(PAIRS) == len({(pair["a"], pair["b"]) for pair in PAIRS}) >= 200
    assert all(sum((pair["kind"], pair["lang"]) == kind for pair in PAIRS) >= 25 for kind in kinds)


def test_no_near_miss_hits():
    figures = named(turn_cache._near_misses(PAIRS))
    assert figures["cache: false hits by exact key, near misses"].value == 0
    assert all(figure.ok for figure in figures.values())


def test_a_key_that_is_too_coarse_is_found_out(monkeypatch):
    monkeypatch.setattr(turn_cache, "_key", lambda text: "the same")
    figures = named(turn_cache._near_misses(PAIRS))
    assert figures["cache: false hits by exact key, near misses"].value == len(PAIRS)
    assert not figures["cache: false hits by exact key, near misses"].ok


async def test_guards_leave_no_near_miss_among_close_vectors():
    close, false = await turn_cache._by_vector(PAIRS)
    assert close.value > 0
    assert (false.value, false.ok) == (0, True)


def test_most_ways_of_putting_a_question_hit():
    share, count = turn_cache._variants()
    assert count.value >= 1000
    assert share.value > 0.95
