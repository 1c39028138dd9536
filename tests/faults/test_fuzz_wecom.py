"""Thousands of forged and spoiled callbacks at both WeCom doors by URL: none is believed, nothing breaks."""

import pytest

from bench.database import Server
from bench.fuzz import attack
from bench.report import Progress
from tests.postgres import server

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(420)]

# How fast it was is a benchmark's question, and this machine has other things to do.
TIMED = "our answer, one request at a time, p99"


async def test_five_thousand_forged_and_spoiled_callbacks_change_nothing_and_break_nothing():
    figures = await attack(Server(server()), "wecom", 5_000, 4, Progress("fuzz"))
    assert [figure for figure in figures if not figure.ok and figure.name != TIMED] == []
    facts = {figure.name: figure.value for figure in figures}
    assert facts["requests"] == 5_000
    assert facts["answered with 401"] > 2_500, "hardly anything was forged"
    assert facts["stored of what was signed: the door was open"] > 250, "hardly anything came as far as the inbox"
