"""What the bundled checkpoint answers is measured by the benchmark, and is good enough."""

import pytest

from bench.demo import main


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_bundled_checkpoint_reaches_its_goals(capsys):
    figures = main([])["figures"]
    assert [figure for figure in figures if not figure["ok"]] == [], capsys.readouterr().err
    judged = {figure["name"] for figure in figures if figure["goal"]}
    assert {"heldout_right", "outofscope_honest", "followup_right"} <= judged
