"""What the metrics are told of how long a person waited, and of which kind of answer it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.engine import EchoEngine
from core.errors import Unavailable
from core.hall import Hall
from core.manuscript import Manuscript
from core.message import Image, Reasoning, Replace, ReplyId, Source, Status, StatusKind, Text
from core.ports import Claim, State
from core.stopwatch import Stopwatch, is_demo, kind_of
from tests.fakes.metrics import Numbers
from tests.store_moves import message

PICTURE = Image(b"", "image/png", "a picture")


class Demo(EchoEngine):
    @property
    def model(self):
        return replace(super().model, is_demo=True)


class Away(EchoEngine):
    @property
    def model(self):
        raise Unavailable


def written(*chunks) -> Manuscript:
    manuscript = Manuscript()
    for chunk in chunks:
        manuscript.take(chunk)
    return manuscript


def watch(numbers: Numbers, ago: float, engine=None) -> Stopwatch:
    received = datetime.now(UTC) - timedelta(seconds=ago)
    claim = Claim(1, message(), ReplyId("0" * 32), "me", 1, received)
    hall = Hall(None, {}, engine or EchoEngine(), None, numbers)  # type: ignore[arg-type]
    return Stopwatch(hall, claim)


def first_of(stopwatch: Stopwatch) -> datetime | None:
    return stopwatch._first


def test_the_first_words_count_and_neither_what_is_shown_before_nor_what_follows():
    numbers, manuscript = Numbers(), written(Status(StatusKind.THINKING), Text("\n"))
    stopwatch = watch(numbers, ago=1.5)
    stopwatch.look(manuscript)
    assert first_of(stopwatch) is None
    manuscript.take(Text("Yes"))
    stopwatch.look(manuscript)
    spoke_at = first_of(stopwatch)
    assert spoke_at is not None
    manuscript.take(Text(", of course"))
    stopwatch.look(manuscript)
    assert first_of(stopwatch) is spoke_at
    stopwatch._first = datetime.now(UTC) - timedelta(seconds=1)  # a second goes by
    stopwatch.stop(manuscript, State.DELIVERING)
    (spoke,) = numbers.observed["first_text_seconds", "console", "text", "false"]
    (whole,) = numbers.observed["turn_seconds", "console", "text", "false"]
    assert 0.5 <= spoke < 1.5
    assert whole >= spoke + 1
    assert numbers.counts["turns", "console", "done"] == 1


def test_an_answer_without_words_was_waited_for_to_its_end():
    numbers = Numbers()
    watch(numbers, ago=3).stop(written(PICTURE), State.FAILED)
    assert numbers.counts["turns", "console", "failed"] == 1
    (spoke,) = next(values for key, values in numbers.observed.items() if key[0] == "first_text_seconds")
    assert spoke >= 3


def test_a_clock_that_is_behind_the_database_makes_no_negative_time():
    numbers = Numbers()
    watch(numbers, ago=-5).stop(written(Text("Yes")), State.DELIVERING)
    assert numbers.observed["turn_seconds", "console", "text", "false"] == [0.0]


@pytest.mark.parametrize(("engine", "label"), [(EchoEngine(), "false"), (Demo(), "true"), (Away(), "false")])
def test_the_answers_of_the_demo_model_are_apart_and_an_engine_that_is_away_is_no_error(engine, label):
    assert is_demo(engine) == label
    numbers = Numbers()
    watch(numbers, ago=0, engine=engine).stop(written(Text("Yes")), State.DELIVERING)
    assert ("turn_seconds", "console", "text", label) in numbers.observed


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ((Text("Yes"),), "text"),
        ((Text("36", Source.PLUGIN),), "text"),
        ((Text("Yes", Source.CACHE),), "text"),
        ((Reasoning("Hm"), Text("Yes")), "thought"),
        ((Text("Here it is."), PICTURE), "image"),
        ((Text("Help", Source.HOUSE),), "sentence"),
        ((Reasoning("Hm"), Text("Ye"), Replace("It failed.", Source.HOUSE)), "sentence"),
        ((Replace("Not that.", Source.MODERATION),), "sentence"),
        ((), "sentence"),
    ],
)
def test_an_answer_is_compared_with_its_like(chunks, kind):
    assert kind_of(written(*chunks)) == kind
