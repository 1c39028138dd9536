"""What a benchmark says of itself."""

import math

import pytest

from bench.report import Progress, at_least, at_most, machine, none_of, percentile, report, told


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 5), (0.9, 9), (0.99, 10), (1.0, 10)])
def test_a_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


def test_nothing_measured_has_no_percentile_and_reaches_no_goal():
    assert math.isnan(percentile([], 0.5))
    assert not at_most("p50", percentile([], 0.5), "ms", 25).ok
    assert not at_least("rate", percentile([], 0.5), "1/s", 120).ok


def test_a_goal_includes_its_bound():
    assert at_most("p50", 25, "ms", 25).ok
    assert not at_most("p50", 25.0001, "ms", 25).ok
    assert at_least("rate", 120, "1/s", 120).ok
    assert not at_least("rate", 119.9999, "1/s", 120).ok


def test_what_must_not_happen_did_not_happen():
    assert none_of("lost", 0).ok
    assert not none_of("lost", 1).ok
    assert not none_of("lost", -1).ok


def test_a_report_is_one_plain_object_that_names_no_machine():
    made = report("pipeline", [told("messages", 12.345, "count"), at_most("p50", 3, "ms", 25)], postgres="18.4")
    assert list(made) == ["bench", "machine", "figures"]
    assert made["machine"]["postgres"] == "18.4"
    assert made["figures"] == [
        {"name": "messages", "value": 12.3, "unit": "count", "goal": "", "ok": True},
        {"name": "p50", "value": 3, "unit": "ms", "goal": "<= 25", "ok": True},
    ]
    assert not {"host", "hostname", "node", "user"} & set(machine())


def test_progress_goes_to_standard_error(capsys):
    Progress("pipeline")("half way")
    out, err = capsys.readouterr()
    assert out == ""
    assert "half way" in err
