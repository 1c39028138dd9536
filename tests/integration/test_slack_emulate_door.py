"""Our door in front of a Slack that somebody else wrote: npm's `emulate`, for what that covers.

It knows no streams, no status, no clicks and no sockets: there the door falls back as it does in an old workspace.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.emulate import BOT_TOKEN, BOT_USER, Emulate, emulated
from tests.fakes.engine import ScriptedEngine, say
from tests.house import house_with

pytestmark = [pytest.mark.peers, pytest.mark.timeout(60)]


@asynccontextmanager
async def door_of(
    engine: ScriptedEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Emulate, None]:
    async with emulated() as slack:
        given = {
            "PARLEY_SLACK__ENABLED": "true",
            "PARLEY_SLACK__API_URL": slack.api_url,
            "PARLEY_SLACK_BOT_TOKEN": BOT_TOKEN,
            "PARLEY_SLACK_SIGNING_SECRET": slack.signing_secret,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        async with house_with(engine, folder, monkeypatch) as house:
            await slack.subscribe(f"{house}/channels/slack")
            yield slack


async def thread(slack: Emulate, channel: str, ts: str, count: int) -> list[dict[str, Any]]:
    """The thread, once so many messages stand in it."""
    messages: list[dict[str, Any]] = []
    for _ in range(400):
        messages = (await slack.bot().conversations_replies(channel=channel, ts=ts))["messages"]
        if len(messages) >= count:
            return messages
    raise AssertionError(f"{[message['text'] for message in messages]}, and no more")


async def test_a_mention_is_answered_in_its_thread_and_a_follow_up_too(tmp_path, monkeypatch):
    engine = ScriptedEngine(scripts=[say("An **answer**."), say("Another one.")])
    async with door_of(engine, tmp_path, monkeypatch) as slack:
        town, anna = slack.channels["town"], slack.person("anna")
        asked = await anna.chat_postMessage(channel=town, text=f"<@{BOT_USER}> a question")
        question, answer = await thread(slack, town, asked["ts"], 2)
        assert (answer["user"], answer["thread_ts"]) == (BOT_USER, question["ts"])
        assert answer["blocks"][0] == {"type": "markdown", "text": "An **answer**."}
        assert [block["type"] for block in answer["blocks"][1:]] == ["context_actions", "actions"]
        await anna.chat_postMessage(channel=town, text="and then?", thread_ts=asked["ts"])
        assert (await thread(slack, town, asked["ts"], 4))[-1]["blocks"][0]["text"] == "Another one."
    assert [turn.text for turn in engine.asked[1].conversation.turns[-3:]] == [
        "a question",
        "An **answer**.",
        "and then?",
    ]


async def test_a_direct_message_is_answered_and_the_talk_of_others_is_not(tmp_path, monkeypatch):
    engine = ScriptedEngine(say("Between us."))
    async with door_of(engine, tmp_path, monkeypatch) as slack:
        town, direct = slack.channels["town"], await slack.direct("anna")
        await slack.person("bo").chat_postMessage(channel=town, text="Lunch, anybody?")
        asked = await slack.person("anna").chat_postMessage(channel=direct, text="a question")
        assert (await thread(slack, direct, asked["ts"], 2))[1]["blocks"][0]["text"] == "Between us."
    assert len(engine.asked) == 1


async def test_a_slow_answer_grows_by_edits_where_there_are_no_streams(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.slack.writer._EDIT_EVERY", 0.1)
    monkeypatch.setattr("adapters.slack.writer._EDIT_TIER", 6000)
    engine = ScriptedEngine(say("word " * 30), delay=0.03)
    async with door_of(engine, tmp_path, monkeypatch) as slack:
        town = slack.channels["town"]
        asked = await slack.person("anna").chat_postMessage(channel=town, text=f"<@{BOT_USER}> a long one")
        answer = (await thread(slack, town, asked["ts"], 2))[1]
        while len(answer["blocks"]) < 3:
            answer = (await thread(slack, town, asked["ts"], 2))[1]
        assert answer["blocks"][0]["text"].split() == ["word"] * 30
        changes = [
            sent["payload"]["event"]
            for sent in await slack.deliveries()
            if sent["payload"]["event"].get("subtype") == "message_changed"
        ]
        lengths = [len(change["message"]["blocks"][0]["text"]) for change in changes]
        assert len(lengths) > 1
        assert lengths == sorted(lengths)


async def test_a_reaction_is_a_vote_and_its_removal_takes_it_back(tmp_path, monkeypatch):
    async with door_of(ScriptedEngine(), tmp_path, monkeypatch) as slack:
        town, anna = slack.channels["town"], slack.person("anna")
        asked = await anna.chat_postMessage(channel=town, text=f"<@{BOT_USER}> a question")
        answer = (await thread(slack, town, asked["ts"], 2))[1]
        await anna.reactions_add(channel=town, timestamp=answer["ts"], name="thumbsup")
        await anna.reactions_remove(channel=town, timestamp=answer["ts"], name="thumbsup")
        told = [(sent["payload"]["event"]["type"], sent["status_code"]) for sent in await slack.deliveries()]
        assert told[-2:] == [("reaction_added", 200), ("reaction_removed", 200)]


async def test_a_text_file_is_read_with_our_token(tmp_path, monkeypatch):
    engine = ScriptedEngine()
    async with door_of(engine, tmp_path, monkeypatch) as slack:
        direct = await slack.direct("anna")
        await slack.person("anna").files_upload_v2(
            channel=direct, filename="harbour.txt", content="Three ships came in.", initial_comment="What came in?"
        )
        for _ in range(400):
            if engine.asked and engine.asked[0].is_finished:
                break
            await slack.deliveries()
        prompt = engine.asked[0].conversation.turns[-1].text
    assert "Three ships came in." in prompt
    assert "harbour.txt" in prompt
    assert "What came in?" in prompt
