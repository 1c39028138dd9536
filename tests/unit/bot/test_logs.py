"""Lines of the log tell whose turn it is, and nobody's words."""

import asyncio
import io
import json
import logging
import sys
import threading

import pytest

from bot.logs import OWN, ConsoleFormatter, JsonFormatter, Trailed, set_up_logging, threads_called
from core.errors import NotStored, trace
from core.message import ThreadId
from core.trail import apart, follow, trail

TURN = "0123456789abcdef" * 2
THREAD = ThreadId("slack", "T1", "C1", "canary-thread")
CANARY = "canary-words"

own = logging.getLogger("core.test_logs")
foreign = logging.getLogger("some_library")


@pytest.fixture
def page():
    return io.StringIO()


@pytest.fixture
def written(page):
    """What JSON says of a record, and what the console does."""
    plain = io.StringIO()
    handlers = [logging.StreamHandler(page), logging.StreamHandler(plain)]
    for handler, formatter in zip(handlers, (JsonFormatter(), ConsoleFormatter()), strict=True):
        handler.setFormatter(formatter)
        handler.addFilter(Trailed())
        logging.getLogger().addHandler(handler)
    yield lambda: ([json.loads(line) for line in page.getvalue().splitlines()], plain.getvalue())
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


async def test_a_line_tells_the_turn_and_the_thread_by_a_name_of_its_own(written):
    with threads_called(lambda thread: "ab12cd34ef56" if thread == THREAD else ""):
        follow(TURN, THREAD)
        own.error("it was late")
    (line,), plain = written()
    assert line["turn"] == TURN
    assert line["thread"] == "ab12cd34ef56"
    assert line["message"] == "it was late"
    assert "it was late [turn 01234567, thread ab12cd34]\n" in plain
    assert "canary" not in plain + json.dumps(line)


def test_work_for_nobody_names_nobody(written):
    own.error("it was late")
    (line,), plain = written()
    assert line.keys() == {"time", "level", "logger", "message"}
    assert plain.endswith("ERROR   core.test_logs: it was late\n")


async def test_a_task_works_for_whom_it_was_started_for_and_the_next_request_for_nobody():
    async def whose():
        return trail().turn

    with apart():
        follow("a")
        task = asyncio.create_task(whose())
        in_thread = await asyncio.to_thread(lambda: trail().turn)
    assert await task == "a"
    assert in_thread == "a"
    assert await whose() == ""


def test_another_thread_tells_whose_it_is(written):
    follow(TURN, THREAD)
    whose = trail()
    follow("")
    working = threading.Thread(target=lambda: own.error("it was late", extra={"trail": whose}))
    working.start()
    working.join()
    (line,), _ = written()
    assert line["turn"] == TURN
    assert "thread" not in line  # nobody has said how threads are called


def test_an_error_is_told_by_its_kind_and_its_place(written):
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        own.error("it failed: %s", trace(error))
        own.error("it failed", exc_info=True)
        foreign.error("it failed", exc_info=True)
    try:
        raise NotStored("The disk is full.")
    except NotStored as error:
        own.error("it failed: %s", trace(error))
    lines, plain = written()
    assert [line["error"] for line in lines] == ["ValueError", "ValueError", "ValueError", "NotStored"]
    assert all("test_logs.py" in line["message"] for line in lines)
    assert "The disk is full." in plain
    assert CANARY not in plain + json.dumps(lines)


@pytest.mark.parametrize(
    "tell",
    [
        lambda: foreign.error(f"could not send {CANARY}"),
        lambda: foreign.error("could not send %s", CANARY),
        lambda: foreign.error(ValueError(CANARY)),
        lambda: foreign.error(CANARY + "%s", 1),
        lambda: foreign.error("could not send", extra={"body": CANARY}),
    ],
)
def test_of_a_library_only_its_own_words_are_told(written, tell):
    tell()
    (line,), plain = written()
    assert "canary" not in json.dumps(line) + plain
    assert "could not send" in line["message"] or "test_logs.py" in line["message"]


async def test_an_error_nobody_waits_for_is_told_without_its_words(written):
    async def work():
        raise ValueError(CANARY)

    task = asyncio.create_task(work(), name=CANARY)
    await asyncio.wait({task})
    del task
    (line,), plain = written()
    assert line["error"] == "ValueError"
    assert "in work" in plain
    assert CANARY not in plain + json.dumps(line)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_that_cannot_be_written_is_told_without_what_was_filled_in(monkeypatch, form):
    root, handlers, page = logging.getLogger(), list(logging.getLogger().handlers), io.StringIO()
    monkeypatch.setattr(sys, "stderr", page)
    level = root.level
    try:
        set_up_logging("info", form)
        own.info("of %s", CANARY, CANARY)
        own.info("it goes on")
    finally:
        for handler in list(root.handlers):
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
        for room in OWN:
            logging.getLogger(room).setLevel(logging.NOTSET)
    assert "test_logs.py" in page.getvalue()
    assert "it goes on" in page.getvalue()
    assert CANARY not in page.getvalue()
