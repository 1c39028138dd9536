"""How what grows is told from what only jumps, and what is drawn of it."""

import json
import math
import random
from datetime import UTC, datetime
from xml.etree import ElementTree

import aiohttp
import pytest

from bench.curve import Curve, drawn
from bench.door import parse
from bench.probe import counts, mallinfo, types
from bench.sink import sink
from bench.slope import envelope, slope
from bench.soak import plan
from core.message import Deleted, Edited, Message


def load(hours: float, *, growth: float, seed: int = 1) -> list[tuple[float, float]]:
    """140 MB and what is under way, sampled each ten seconds; `growth` in MB an hour."""
    chance = random.Random(seed)
    moments = [10 * number / 3600 for number in range(int(360 * hours))]
    return [(at, 140 + growth * at + chance.expovariate(1)) for at in moments]


@pytest.mark.parametrize("growth", [0.0, 0.5, 2.0, -1.0])
def test_a_slope_is_found_under_the_peaks_of_the_load(growth):
    found = slope(load(7, growth=growth))
    assert found.value == pytest.approx(growth, abs=0.05)
    assert found.low <= growth + 0.05
    assert found.high >= growth - 0.05
    assert found.high - found.low < 0.1


def test_one_jump_is_not_taken_for_growth():
    jumped = [(at, value + (8 if at > 1 else 0)) for at, value in load(7, growth=0)]
    assert abs(slope(jumped).value) < 0.1


def test_a_short_run_says_itself_how_little_it_knows():
    short = slope(load(0.02, growth=0))
    assert short.high - short.low > 2
    assert math.isnan(slope([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]).value)
    assert math.isnan(slope([]).value)


def test_the_envelope_keeps_the_least_of_each_stretch():
    points = [(0.0, 5.0), (1.0, 3.0), (2.0, 9.0), (3.0, 7.0)]
    assert envelope(points, 2) == [(1.0, 3.0), (3.0, 7.0)]
    assert envelope(points[:1], 2) == [(0.0, 5.0)]


def test_warming_up_takes_a_third_and_an_hour_at_most():
    assert (plan(2).whole, plan(2).warm_up, plan(2).rests) == (108, 36, 1)
    assert (plan(480).warm_up, plan(480).rests) == (3600, 14)


def test_a_curve_is_an_image_whatever_it_is_made_of():
    curves = [
        Curve("Memory of its own", "MB", tuple((minute, 140.0 + minute % 3) for minute in range(5000)), ((9, 139.0),)),
        Curve("Tasks & <more>", "", ((0, 13), (1, 13))),
        Curve("Nothing", "", ()),
        Curve("One moment", "", ((0, 0),)),
    ]
    image = ElementTree.fromstring(drawn(curves))
    lines = image.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3
    assert len(lines[0].attrib["points"].split()) <= 1300
    assert "nan" not in drawn(curves)


def test_the_door_hears_of_edits_and_deletions():
    said = {"id": "1", "thread": "a thread", "author": "somebody"}
    events = [said | {"text": "hello"}, said | {"edited": "1", "text": "hello there"}, said | {"deleted": "1"}]
    message, edited, deleted = parse(json.dumps({"events": events}).encode(), datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(message, Message)
    assert isinstance(edited, Edited)
    assert isinstance(deleted, Deleted)
    assert (edited.message_id, edited.text, deleted.message_id) == ("1", "hello there", "1")


async def test_a_look_inside_sees_what_is_held():
    class Held:
        pass

    before, name = mallinfo().uordblks + mallinfo().hblkhd, f"{__name__}.{Held.__qualname__}"
    held, bytes_ = [Held() for _ in range(70_000)], bytearray(32 * 2**20)
    after = counts()
    assert types()[name] == len(held)
    assert after["tasks"] == 1
    if before:  # where the C library can say it
        assert int(str(after["used"])) - before > len(bytes_) // 2


async def test_a_promise_is_awaited_until_it_is_kept():
    async with sink() as channel, aiohttp.ClientSession(channel.url) as http:
        is_whole = channel.expect("one")
        async with http.post("/messages", json={"thread": "a thread", "reply": "one", "text": "wh"}) as response:
            message = (await response.json())["id"]
        await http.put(f"/messages/{message}", json={"text": "who"})
        assert not is_whole.is_set()
        assert list(channel.awaited) == ["one"]
        await http.put(f"/messages/{message}", json={"text": "whole", "is_final": True})
        assert is_whole.is_set()
        assert channel.expect("one").is_set(), "whoever asked may hear late of the promise"
        assert channel.awaited == {}
        async with http.get("/messages", params={"reply": "one"}) as response:
            assert await response.json() == {"messages": [message]}
