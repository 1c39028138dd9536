"""Slack stops accepting our token while answers are on their way: they wait, and the operator reads of it once."""

import logging
from datetime import timedelta

import pytest

from tests.fakes.engine import say
from tests.slack import ANNA, BEN, TOWN, town_with
from tests.slack_moves import HaltingEngine, answer, asked_for, at_rest

pytestmark = pytest.mark.timeout(60)


async def test_answers_wait_for_a_token_that_works_and_the_operator_is_told_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("adapters.slack.client._TOKEN_WAIT", timedelta(seconds=0.1))
    caplog.set_level(logging.INFO, logger="adapters.slack")
    engine = HaltingEngine(say("An answer."), before=0)
    async with town_with(engine, tmp_path, monkeypatch) as town:
        slack = town.slack
        asked = [await slack.say(TOWN, who, f"{town.mention} a question") for who in (ANNA, BEN)]
        await asked_for(engine, 2)
        slack.state.workspaces.end(slack.bot.token, "token_revoked")
        engine.go.set()
        refused = len(slack.calls)
        await slack.until(lambda: len(slack.calls) > refused + 10)
        assert [record.levelname for record in caplog.records if record.name == "adapters.slack.client"] == ["ERROR"]
        slack.state.workspaces.admit(slack.bot.token, slack.bot)
        for question in asked:
            await answer(town, question, "An answer.")
        await at_rest(town)
        assert len(slack.answers(TOWN)) == 2
    assert f"the token of {slack.bot.team} (token_revoked)" in caplog.text
    assert caplog.text.count(f"Slack accepts the token of {slack.bot.team} again") == 1
    assert slack.bot.token not in caplog.text
