"""What was said in a thread before we were asked into it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.slack.client import Clients, SlackRefused
from adapters.slack.installations import Bot
from adapters.slack.people import People
from adapters.slack.thread import earlier
from core.message import Author, Message, ThreadId, Utterance
from tests.unit.adapters.slack.web_api import Answer, Call, WebApi, web_api

TEAM, CHANNEL, US = "T0PARLEY1", "C0GENERAL", "U0PARLEY1"
BOT = Bot(TEAM, "", US, "B0PARLEY1", "xoxb-invented")
NAMES = {"U0ANNA001": "Anna", "U0BORIS01": "Boris"}
LIMIT = 50


def at(number: int) -> str:
    """The id of the thread's message of this number; its root is 0."""
    return f"1700000{number:03}.000100"


def said(number: int, text: str, user: str = "U0ANNA001", **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": at(number), "thread_ts": at(0), **more}


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        api.answers["users.info"] = user_of
        yield api


def user_of(call: Call) -> Answer:
    name = NAMES.get(call.fields["user"])
    if name is None:
        return Answer({"ok": False, "error": "user_not_found"})
    return Answer({"ok": True, "user": {"team_id": TEAM, "profile": {"display_name": name}}})


def holds(slack: WebApi, *pages: Sequence[dict[str, Any]]) -> None:
    """What the thread consists of, page by page."""

    def page(call: Call) -> Answer:
        number = int(call.fields.get("cursor", "0"))
        more = {"next_cursor": str(number + 1)} if number + 1 < len(pages) else {}
        return Answer({"ok": True, "messages": list(pages[number]), "response_metadata": more})

    slack.answers["conversations.replies"] = page


@pytest.fixture
async def read(slack):
    """Asks a question as message `number` of the thread and tells what was said before it."""
    clients = Clients(slack.url, token_of)
    people = People(clients)

    async def read(number: int = 9, *, limit: int = LIMIT, **changes: Any) -> tuple[Utterance, ...]:
        return await earlier(await clients.of(TEAM), people, BOT, question(number, **changes), limit)

    yield read
    await clients.close()


async def token_of(workspace: str) -> str:
    return "xoxb-of-the-tests"


def question(number: int, root: str = at(0), **changes: Any) -> Message:
    return Message(
        id=f"{TEAM}:{CHANNEL}:{at(number)}",
        thread=ThreadId("slack", TEAM, CHANNEL, root),
        author=Author("slack", TEAM, "U0ANNA001"),
        text="summarise this thread",
        sent_at=datetime(2030, 1, 2, tzinfo=UTC),
        return_address={"user": "U0ANNA001", "team": TEAM, "ts": at(number)} | changes,
    )


async def test_what_was_said_comes_oldest_first_with_names(slack, read):
    holds(slack, [said(0, "The boat leaves at nine."), said(1, "From where?", "U0BORIS01"), said(2, "The harbour.")])
    assert await read() == (
        Utterance("user", "The boat leaves at nine.", "Anna"),
        Utterance("user", "From where?", "Boris"),
        Utterance("user", "The harbour.", "Anna"),
    )
    call = next(call for call in slack.calls if call.method == "conversations.replies")
    asked = {name: call.fields.get(name) for name in ("channel", "ts", "latest", "cursor")}
    assert asked == {"channel": CHANNEL, "ts": at(0), "latest": at(9), "cursor": None}


async def test_our_own_answers_are_an_assistants(slack, read):
    ours = said(1, "At nine.", US, bot_id="B0PARLEY1", bot_profile={"name": "parley"})
    holds(slack, [said(0, f"<@{US}> when?"), ours])
    assert await read() == (Utterance("user", "when?", "Anna"), Utterance("assistant", "At nine."))


async def test_the_question_itself_and_what_came_after_it_are_left_out(slack, read):
    holds(slack, [said(number, str(number)) for number in range(6)])
    assert [each.text for each in await read(3)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("bot", "name"),
    [
        ({"bot_id": "B1", "bot_profile": {"name": "deploys"}}, "deploys"),
        ({"bot_id": "B1", "subtype": "bot_message", "username": "builds"}, "builds"),
        ({"bot_id": "B1", "bot_profile": None}, ""),
        ({"bot_id": "B1"}, ""),
    ],
)
async def test_bots_go_by_their_own_names(slack, read, bot, name):
    holds(slack, [{"ts": at(0), "text": "deployed", **bot}])
    assert await read() == (Utterance("user", "deployed", name),)
    assert slack.count("users.info") == 0


async def test_texts_are_decoded(slack, read):
    holds(slack, [said(0, f"1 &lt; 2, <@{US}>: see <https://example.com|this>\0")])
    assert [each.text for each in await read()] == ["1 < 2, see [this](https://example.com)"]


async def test_what_has_no_words_is_left_out(slack, read):
    holds(slack, [said(0, ""), said(1, "Yes"), {"ts": at(2), "user": "U0ANNA001"}])
    assert [each.text for each in await read()] == ["Yes"]


async def test_all_pages_are_read_and_of_them_the_newest_are_kept(slack, read):
    holds(slack, *([said(10 * page + number, str(10 * page + number)) for number in range(10)] for page in range(3)))
    assert [each.text for each in await read(999, limit=4)] == ["26", "27", "28", "29"]
    assert slack.count("conversations.replies") == 3


async def test_what_stands_on_several_pages_is_read_once(slack, read):
    root = said(0, "Why?")
    holds(slack, [root, said(1, "1")], [root, said(1, "1"), said(2, "2")], [root, said(3, "3")])
    assert [each.text for each in await read()] == ["Why?", "1", "2", "3"]


async def test_a_thread_without_end_is_not_read_to_its_end(slack, read):
    slack.answers["conversations.replies"] = lambda _: Answer(
        {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
    )
    assert await read() == ()
    assert slack.count("conversations.replies") == 10


async def test_whom_slack_does_not_know_any_more_spoke_all_the_same(slack, read):
    holds(slack, [said(0, "Bye", "U0GONE001"), said(1, "Who?")])
    assert await read() == (Utterance("user", "Bye", ""), Utterance("user", "Who?", "Anna"))


@pytest.mark.parametrize("changes", [{"ts": at(0)}, {"ts": ""}, {"ts": None}])
async def test_before_the_root_nothing_was_said(slack, read, changes):
    assert await read(**changes) == ()
    assert slack.calls == []


async def test_a_private_conversation_has_no_thread_to_read(slack, read):
    assert await read(root="/U0ANNA001") == ()
    assert slack.calls == []


@pytest.mark.parametrize("code", ["thread_not_found", "missing_scope", "channel_not_found"])
async def test_a_thread_that_slack_does_not_show_is_told(slack, read, code):
    slack.refuse("conversations.replies", code)
    with pytest.raises(SlackRefused):
        await read()
