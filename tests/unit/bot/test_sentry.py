"""What is reported of an error says where it was and what kind it is, and repeats nobody's words."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from sentry_sdk.transport import Transport

from bot import config
from bot.logs import threads_called
from bot.sentry import reporting
from core.errors import Misconfigured, NotStored, trace
from core.message import ThreadId
from core.trail import follow
from tests.server import ROOT

CANARY = "canary-" + "金丝雀-7f3a"
DSN = "https://0123abcd@sentry.example.com/7"
HERE = "test_sentry.py"

log = logging.getLogger("core.test_sentry")


class Recorder(Transport):
    """Keeps what would be sent."""

    sent: ClassVar[list[bytes]] = []

    def capture_envelope(self, envelope):
        self.sent.append(envelope.serialize())


@pytest.fixture
def sent(monkeypatch):
    """Each report, as it would leave the house."""
    monkeypatch.setattr(Recorder, "sent", [])
    return Recorder.sent


def settings(monkeypatch, dsn=DSN) -> config.Config:
    monkeypatch.setenv("PARLEY_SENTRY_DSN", dsn)
    return config.load()


@pytest.fixture
def reported(sent, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with reporting(settings(monkeypatch), Recorder):
        yield lambda: [json.loads(each.splitlines()[2]) for each in sent]


def holds_canary(sent: list[bytes]) -> bool:
    """Be it as it stands, in Python's or in JSON's escapes, or a half of it."""
    everything = b"".join(sent)
    return any(form.encode() in everything for form in (CANARY, ascii(CANARY)[1:-1], "canary-", "金丝雀", r"\u91d1"))


def fail(text: str) -> None:
    said_by_somebody = {"text": text, "list": [text]}
    raise ValueError(f"{text} {said_by_somebody}")


def fail_twice() -> None:
    try:
        fail(CANARY)
    except ValueError as error:
        raise RuntimeError(CANARY) from error


def fail_in_a_group() -> None:
    errors = []
    for attempt in (fail, lambda text: Path(f"/nowhere/{text}").read_bytes()):
        try:
            attempt(CANARY)
        except Exception as error:
            error.add_note(CANARY)
            errors.append(error)
    raise ExceptionGroup(CANARY, [*errors, ExceptionGroup(CANARY, errors)])


@pytest.mark.parametrize("failing", [lambda: fail(CANARY), fail_twice, fail_in_a_group])
@pytest.mark.parametrize(
    "tell",
    [
        lambda error: log.error("it failed: %s", trace(error)),
        lambda error: log.exception("it failed"),
        lambda error: log.error(f"it failed: {CANARY} {error}", exc_info=error),
        lambda error: log.error("it failed: %s %r %s", CANARY, error, trace(error), extra={"request": CANARY}),
        lambda error: logging.getLogger("slack_sdk").error("%s", error, exc_info=error, stack_info=True),
    ],
)
def test_an_error_is_reported_without_what_was_said(reported, sent, failing, tell):
    try:
        failing()
    except Exception as error:
        tell(error)
    (report,) = reported()
    assert not holds_canary(sent)
    frames = [frame for value in report["exception"]["values"] for frame in value["stacktrace"]["frames"]]
    assert any(frame["filename"].endswith(HERE) and frame["lineno"] > 1 for frame in frames)
    assert not any(
        {"vars", "context_line", "pre_context", "post_context", "abs_path"} & frame.keys() for frame in frames
    )


def test_the_kinds_of_a_chain_and_of_a_group_are_told(reported, sent):
    for failing in (fail_twice, fail_in_a_group):
        try:
            failing()
        except Exception as error:
            log.error("it failed: %s", trace(error))
    chain, group = reported()
    assert {value["type"] for value in chain["exception"]["values"]} == {"ValueError", "RuntimeError"}
    assert {"ExceptionGroup", "ValueError", "FileNotFoundError"} == {
        value["type"] for value in group["exception"]["values"]
    }
    assert not holds_canary(sent)


def test_a_sentence_of_the_program_is_told_and_what_was_filled_in_is_not(reported, sent):
    log.error("a reply of %s was lost", CANARY)
    log.error(f"another of {CANARY} too")
    constant, made_up = reported()
    assert constant["logentry"] == {"message": "a reply of %s was lost"}
    assert "logentry" not in made_up
    assert HERE in made_up["tags"]["place"]
    assert not holds_canary(sent)


async def test_whose_turn_it_was_is_told_by_ids_that_mean_nothing(reported, sent):
    thread = ThreadId("slack", "T1", "C1", CANARY)
    with threads_called(lambda it: "abc123" if it == thread else ""):
        follow("0f" * 16, thread)
        log.error("it failed")
    (report,) = reported()
    assert report["tags"].items() >= {"turn": "0f" * 16, "thread": "abc123"}.items()
    assert report["server_name"] == "parley"
    assert "user" not in report
    assert not holds_canary(sent)


async def test_an_error_nobody_waits_for_is_reported_without_the_name_of_its_task(reported, sent):
    async def work():
        fail(CANARY)

    task = asyncio.create_task(work(), name=CANARY)
    await asyncio.wait({task})
    del task
    gc.collect()
    (report,) = reported()
    assert "ValueError" in {value["type"] for value in report["exception"]["values"]}
    assert not holds_canary(sent)


def test_nothing_of_a_request_leaves_even_where_the_library_collects_all_it_can():
    """In a process of its own: the library changes others for good."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.telltale", DSN], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    said = json.loads(done.stdout)
    for way in ("heard canary", "canary-header", "vars", "query_string", "breadcrumbs", "extra", "user", "canary-name"):
        assert any(way in event for event in said["collected"]), way
    assert len(said["collected"]) == 3  # the message, the line of the log, the failure of the handler
    assert len(said["sent"]) == 3
    assert "ValueError" in said["sent"][-1]
    assert not holds_canary([each.encode() for each in said["sent"]])


def test_the_same_error_of_the_same_place_is_reported_seldom(reported, monkeypatch):
    for _ in range(3):
        log.error("the same")
    log.error("another")
    assert len(reported()) == 2
    monkeypatch.setattr("bot.sentry._SELDOM", 0.0)
    log.error("and again")
    assert len(reported()) == 3


def test_warnings_are_not_reported(reported):
    log.warning("it is slow")
    assert not reported()


def test_what_ends_the_house_is_reported_and_goes_on(sent, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="canary"), reporting(settings(monkeypatch), Recorder):
        fail(CANARY)
    assert len(sent) == 1
    assert not holds_canary(sent)


def test_what_is_said_in_a_sentence_to_whoever_starts_it_is_not_reported(sent, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotStored), reporting(settings(monkeypatch), Recorder):
        raise NotStored
    assert not sent


def test_without_an_address_nothing_listens(sent, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARLEY_SENTRY_DSN", raising=False)
    handlers = list(logging.getLogger().handlers)
    with reporting(config.load(), Recorder):
        assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize("dsn", ["sentry.example.com", "https://sentry.example.com/7", "https://key@host/", "x"])
def test_what_is_no_address_is_said_before_the_start(monkeypatch, tmp_path, dsn):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Misconfigured, match="PARLEY_SENTRY_DSN is no address"):
        settings(monkeypatch, dsn)


def test_a_wrong_address_that_looks_right_is_said_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    right = settings(monkeypatch)
    wrong = replace(right, secrets=replace(right.secrets, sentry_dsn="nonsense"))
    with pytest.raises(Misconfigured), reporting(wrong, Recorder):
        pass


def test_the_address_is_never_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "0123abcd" not in repr(settings(monkeypatch))
