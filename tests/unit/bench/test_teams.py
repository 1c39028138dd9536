"""The eye on the event loop sees what holds it up."""

import asyncio
import time

import pytest

from bench.platforms.teams import Platform
from bench.process import free_port
from bench.teams import CONVERSATIONS, LAG, _figures, _is_answered, _settle_in
from bench.teams_watch import Watch, looks


async def test_a_loop_that_was_held_up_is_seen_once():
    watch, port = Watch(), free_port()
    watching = asyncio.create_task(watch.run())
    async with await asyncio.start_server(watch.tell, "127.0.0.1", port):
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # noqa: ASYNC251 - what no server may do
        await asyncio.sleep(0.02)
        first, second = await looks(port), await looks(port)
    watching.cancel()
    # What others did to the processor meanwhile is taken off.
    assert max(late - waited for late, waited in first) > 100
    assert all(waited <= late for late, waited in first)
    assert not [late for late, _ in second if late > 190]


async def test_nobody_has_an_answer_before_it_was_written():
    teams = Platform()
    _settle_in(teams)
    assert len(teams.conversations.all) == CONVERSATIONS
    assert not _is_answered(teams, "a:person0", "round 1 question 0")


@pytest.mark.parametrize(("late", "is_good"), [(LAG - 1, True), (LAG + 1, False)])
def test_the_goal_is_for_what_the_server_itself_held_up(late, is_good):
    busy = [(1.0, 0.0), (late + 500, 500.0)]
    figures = _figures([(1.0, 0.0)], busy, [6.0, 7.0], 2 * CONVERSATIONS, 200)
    assert all(figure.ok for figure in figures) is is_good


def test_one_without_an_answer_is_a_failure():
    figures = _figures([(1.0, 0.0)], [(1.0, 0.0)], [6.0], CONVERSATIONS - 1, 200)
    assert [figure.ok for figure in figures].count(False) == 1
