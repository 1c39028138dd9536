"""How much may be asked, as app.yaml says it, and what `parley check` says of that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.check import _limits
from bot.config import Config, load
from bot.limits import moment, said
from bot.texts import say, speak
from core.errors import Misconfigured
from core.limits import Allowance, Limits, Quota

NONE = Allowance()


@pytest.fixture(autouse=True)
def english():
    speak("en")


def settings(folder: Path, text: str) -> Config:
    path = folder / "app.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("{}", Limits(concurrency=4)),
        (
            "limits: {person: {messages: 9, concurrency: null}, workspace: {tokens: 99}}",
            Limits(Quota(Allowance(9), Allowance(None, 99))),
        ),
        (
            "limits: {person: {messages: 9, tokens: 90}, workspaces: {'slack:T1': {person: {messages: null}},"
            " 'wecom:a:b': {workspace: {messages: 5}}}}",
            Limits(
                Quota(Allowance(9, 90)),
                {
                    ("slack", "T1"): Quota(Allowance(None, 90)),
                    ("wecom", "a:b"): Quota(Allowance(9, 90), Allowance(5)),
                },
                4,
            ),
        ),
    ],
)
def test_a_workspace_is_told_apart_by_what_stands_there_and_has_the_rest_from_everywhere(tmp_path, text, limits):
    config = settings(tmp_path, text)
    assert config.settings.within() == config.settings.terms().limits == limits


def test_one_value_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PARLEY_LIMITS__PERSON__MESSAGES", "7")
    assert settings(tmp_path, "{}").settings.within() == Limits(Quota(Allowance(7)), concurrency=4)


@pytest.mark.parametrize("name", ["slack", ":T1", "slack:"])
def test_a_workspace_that_is_none_is_told(tmp_path, name):
    with pytest.raises(Misconfigured) as caught:
        settings(tmp_path, f"limits: {{workspaces: {{'{name}': {{}}}}}}")
    assert say("config_workspace", name=name) in caught.value.detail


@pytest.mark.parametrize("text", ["person: {concurrency: 0}", "person: {messages: -1}", "workspace: {concurrency: 2}"])
def test_what_makes_no_sense_is_refused(tmp_path, text):
    with pytest.raises(Misconfigured):
        settings(tmp_path, f"limits: {{{text}}}")


def test_the_limits_are_told_in_a_line():
    assert said(Limits()) == say("limits_none")
    line = said(Limits(Quota(Allowance(1000, 5), Allowance(7)), {("slack", "T1"): Quota()}, 4))
    assert line == say(
        "limits_are",
        limits="1,000 questions a day for each person; 5 tokens a day for each person; 7 questions a day for each "
        "workspace; 4 answers at once for each person; otherwise in slack:T1",
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{}", "fine"),
        ("limits: {person: {concurrency: null}}", "hint"),
        ("engine: {slots: 6}", "hint"),
        ("engine: {slots: 1}\nlimits: {person: {concurrency: 1}}", "fine"),
        ("turns: {concurrency: 7}", "hint"),
        ("engine: {backend: remote, slots: 1}\nremote: {urls: ['http://gpu:8000/v1']}", "fine"),
    ],
)
def test_check_says_where_one_person_could_take_all_the_places(tmp_path, text, kind):
    finding = _limits(settings(tmp_path, text))
    assert (finding.kind, finding.what) == (kind, say("check_limits"))


def test_a_day_ends_with_its_last_moment_and_a_moment_is_one():
    year = datetime.now(UTC).year + 1
    assert moment(f"{year}-12-31") == datetime(year, 12, 31, 23, 59, 59, 999999, UTC)
    assert moment(f"{year}-12-31T18:00+08:00") == datetime(year, 12, 31, 10, tzinfo=UTC)
    assert moment(datetime.now(UTC).date().isoformat()) - datetime.now(UTC) < timedelta(days=1)


@pytest.mark.parametrize("text", ["tomorrow", "2001-01-01", "2026-13-01", "12:00"])
def test_what_is_no_moment_to_come_is_told(text):
    with pytest.raises(Misconfigured):
        moment(text)
