"""Two minutes of everything that people do: what is begun is ended, and nothing is left of it."""

import json

import pytest

from bench.soak import QUICK, RATE, measure, plan
from tests.postgres import server

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]


async def test_two_minutes_of_traffic_leave_no_task_descriptor_or_connection_behind(tmp_path):
    made = await measure(server(), plan(QUICK), tmp_path)
    figures = {figure["name"]: figure for figure in made["figures"]}
    assert [figure for figure in made["figures"] if not figure["ok"]] == []
    said = sum(figure["value"] for name, figure in figures.items() if name.startswith("messages: "))
    assert said > 0.1 * 60 * QUICK * RATE, "the machine was too busy for this to say anything"
    # What was to be tried was tried.
    for name in (
        "answers out of the cache",
        "answers of a plugin",
        "ratings",
        "turns stopped, deleted ones among them",
    ):
        assert figures[name]["value"] > 0, name
    assert figures["tasks at most, under load"]["value"] > 20
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len(rows) > 20
    assert (tmp_path / "soak.svg").read_text().startswith("<svg")
