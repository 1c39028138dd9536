"""How much a step reads."""

from core.engine.pace import Pace


def test_a_slow_machine_is_known_after_one_measurement():
    pace = Pace(least=16, most=1024, seconds=0.2)
    pace.measured(48, 10.0)
    assert pace.size == 16


def test_a_fast_machine_is_trusted_by_and_by():
    pace = Pace(least=16, most=1024, seconds=0.2)
    sizes = []
    for _ in range(12):
        pace.measured(pace.size, 0.001)
        sizes.append(pace.size)
    assert sizes[0] <= 64
    assert sizes == sorted(sizes)
    assert sizes[-1] == 1024


def test_a_handful_of_tokens_tells_nothing():
    pace = Pace(least=16)
    before = pace.size
    pace.measured(3, 1.0)
    assert pace.size == before


def test_a_prompt_that_nearly_fits_is_not_cut():
    assert Pace().part(140, left=100, budget=100) == 140
    assert Pace().part(160, left=100, budget=100) == 100


def test_no_prompt_is_begun_with_a_crumb_of_the_budget():
    assert Pace().part(160, left=20, budget=100) == 0
    assert Pace().part(60, left=20, budget=100) == 60


def test_no_part_is_longer_than_the_most():
    pace = Pace(most=1024)
    assert pace.part(1100, left=1024, budget=1024) == 1024


def test_more_is_read_where_nobody_speaks():
    pace = Pace(least=16, most=64)
    assert pace.budget(is_heard=False) > pace.budget(is_heard=True)
    assert pace.budget(is_heard=False) <= 64


def test_short_prompts_cost_what_the_weights_do():
    assert [Pace(least=16).cost(tokens) for tokens in (2, 16, 40)] == [16, 16, 40]
