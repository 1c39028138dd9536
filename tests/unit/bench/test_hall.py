"""What the benchmarks count, and what they would not overlook."""

import json
from datetime import UTC, datetime

import pytest

from bench.channel import Channel, Posted
from bench.door import parse
from bench.faults import out_of_order as posted_out_of_order
from bench.hall import message, number_of, out_of_order
from core.errors import Malformed
from core.message import Message

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("threads", "expected"),
    [([], 0), ([[1]], 0), ([[1, 2, 5], [1, 3]], 0), ([[2, 1]], 1), ([[1, 1]], 1), ([[1, 3, 2], [2, 1]], 2)],
)
def test_every_number_that_is_not_above_the_one_before_counts(threads, expected):
    assert out_of_order(threads) == expected


def test_a_message_says_its_number_first_and_is_the_same_each_time():
    said = message("thread 7", 12)
    assert number_of(said.text) == 12
    assert said.id == "thread 7/12"
    assert said.text == message("thread 7", 12).text
    assert len(said.text.split()) == 21
    assert message("thread 8", 12).author != said.author


def posted(text: str, at: float, finished: float | None, thread: str = "t") -> Posted:
    return Posted("id", thread, f"reply {text}", text, at, finished)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([posted("0", 1, 2), posted("1", 2, 3)], 0),
        ([posted("1", 1, 2), posted("0", 2, 3)], 1),
        ([posted("1", 1, 2), posted("Sorry, something went wrong.", 2, 3)], 0),  # says no number
        ([posted("", 1, None), posted("1", 2, 3)], 1),
        ([posted("0", 1, 2.5), posted("1", 2, 3)], 1),  # begun before the one before it was finished
        ([posted("0", 1, None), posted("1", 2, 3)], 1),
        ([posted("0", 1, 2), posted("0", 1, 2, thread="u")], 0),
    ],
)
def test_a_channel_shows_what_was_said_too_early(messages, expected):
    assert posted_out_of_order(Channel(posted=messages)) == expected


def test_a_webhook_becomes_messages():
    event = {"id": "1", "thread": "t", "author": "ann", "text": "hello"}
    (said,) = parse(json.dumps({"events": [event]}).encode(), NOW)
    assert isinstance(said, Message)
    assert (said.id, said.thread.thread, said.author.id, said.text, said.sent_at) == ("1", "t", "ann", "hello", NOW)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b'{"events": 7}', b'{"events": [{}]}', b'{"events": ' + b"[" * 100_000, b"\xff"]
)
def test_anything_else_is_malformed(body):
    with pytest.raises(Malformed):
        parse(body, NOW)
