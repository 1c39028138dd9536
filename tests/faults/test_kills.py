"""kill -9 while messages arrive: nothing is lost, nothing is said twice, and everything in its order."""

import pytest

from bench.database import Server
from bench.faults import Plan, storm
from bench.report import Progress
from tests.postgres import server

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.mark.parametrize("servers", [1, 2])
async def test_five_kills_lose_nothing_repeat_nothing_and_mix_nothing_up(servers):
    plan = Plan(messages=150, threads=30, kills=5, servers=servers)
    figures = await storm(Server(server()), plan, Progress("kills"))
    assert [figure for figure in figures if not figure.ok and figure.unit != "s"] == []  # seconds: parley bench faults
    facts = {figure.name.partition(": ")[2]: figure.value for figure in figures}
    assert facts["messages acknowledged"] == 150
    assert facts["turns and deliveries interrupted"] > 0, "the kills hit nothing, so nothing was tested"
    assert facts["of them delivered to us again"] > 0
