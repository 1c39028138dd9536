"""How long things are kept, as app.yaml says it."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import load
from bot.texts import say
from core.errors import Misconfigured
from core.retention import Retention

DAY = timedelta(days=1)


def written(folder: Path, text: str) -> Path:
    path = folder / "app.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("{}", Retention()),
        ("retention: {days: 30}", Retention(30 * DAY)),
        (
            "retention: {days: 30, workspaces: {'slack:T1': 7, 'wecom:a:b': null}}",
            Retention(30 * DAY, {("slack", "T1"): 7 * DAY, ("wecom", "a:b"): None}),
        ),
    ],
)
def test_it_is_read_in_days_by_workspace(tmp_path, text, kept):
    assert load(written(tmp_path, text)).settings.kept_for() == kept


@pytest.mark.parametrize("name", ["slack", ":T1", "slack:"])
def test_a_workspace_that_is_none_is_told(tmp_path, name):
    with pytest.raises(Misconfigured) as caught:
        load(written(tmp_path, f"retention: {{workspaces: {{'{name}': 7}}}}"))
    assert say("config_workspace", name=name) in caught.value.detail


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_less_than_a_day_is_refused(tmp_path, days):
    with pytest.raises(Misconfigured, match="days"):
        load(written(tmp_path, f"retention: {{days: {days}}}"))


def test_the_shortest_says_what_there_is_to_look_for():
    assert Retention().shortest is None
    assert Retention(None, {("slack", "T1"): 7 * DAY}).shortest == 7 * DAY
    assert Retention(3 * DAY, {("slack", "T1"): 7 * DAY}).shortest == 3 * DAY
