"""Slack as somebody else understood it: npm's `emulate`, and what of it can be relied on.

It was written without us, so what passes here is no echo of our own reading of Slack. What it leaves out is listed in
the last tests; for that there is only the stand-in of ours.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulate import APP, BOT, BOT_TOKEN, BOT_USER, CLIENT_ID, CLIENT_SECRET, WORKSPACE, Emulate, emulated

pytestmark = pytest.mark.peers

REDIRECT = "http://127.0.0.1:1/channels/slack/oauth"
MODAL = {"type": "modal", "callback_id": "feedback", "title": {"type": "plain_text", "text": "Why?"}, "blocks": []}


@pytest.fixture
async def slack() -> AsyncGenerator[Emulate, None]:
    async with emulated(redirect_urls=[REDIRECT]) as running:
        yield running


def serving(bolt: AsyncApp) -> AbstractAsyncContextManager[str]:
    """Its events URL."""

    async def receive(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await bolt.async_dispatch(await to_bolt_request(request)))

    return listening(receive)


@asynccontextmanager
async def listening(receive: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_post("/channels/slack", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/channels/slack"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_bot(slack: Emulate, secret: str = "") -> AsyncGenerator["asyncio.Queue[dict[str, Any]]", None]:
    """A bare Bolt app that is told of everything; the bodies it took for genuine, in order."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bolt = AsyncApp(client=slack.bot(), signing_secret=secret or slack.signing_secret)

    @bolt.event(re.compile(".*"))
    async def hear(body: dict[str, Any]) -> None:
        heard.put_nowait(body)

    async with serving(bolt) as events_url:
        await slack.subscribe(events_url)
        yield heard


async def next_event(heard: "asyncio.Queue[dict[str, Any]]", kind: str) -> dict[str, Any]:
    """The next event of this type (or subtype, after a dot), whatever came before it."""
    async with asyncio.timeout(10):
        while True:
            event: dict[str, Any] = (await heard.get())["event"]
            if ".".join(filter(None, (event["type"], event.get("subtype")))) == kind:
                return event


async def texts(slack: Emulate, channel: str, ts: str) -> list[str]:
    """What stands in a thread, as the bot reads it."""
    replies = await slack.bot().conversations_replies(channel=channel, ts=ts)
    return [message["text"] for message in replies["messages"]]


async def test_a_question_posted_there_reaches_a_bare_bolt_app_and_its_answer_stands_in_the_thread(slack):
    answered = asyncio.Event()
    bolt = AsyncApp(client=slack.bot(), signing_secret=slack.signing_secret)

    @bolt.event("message")
    async def answer(event: dict[str, Any]) -> None:
        await bolt.client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text="An answer.")
        answered.set()

    async with serving(bolt) as events_url, asyncio.timeout(10):
        await slack.subscribe(events_url)
        town = slack.channels["town"]
        asked = await slack.person("anna").chat_postMessage(channel=town, text=f"<@{BOT_USER}> a question")
        await answered.wait()
    assert await texts(slack, town, asked["ts"]) == [f"<@{BOT_USER}> a question", "An answer."]
    # The answer itself was delivered too, and did not set the app off again: Bolt drops what its own user wrote.
    assert [(sent["payload"]["event"]["user"], sent["status_code"]) for sent in await slack.deliveries()] == [
        (slack.people["anna"], 200),
        (BOT_USER, 200),
    ]


async def test_an_event_comes_in_slacks_envelope(slack):
    async with a_bot(slack) as heard:
        posted = await slack.person("bo").chat_postMessage(channel=slack.channels["harbour"], text="Ships?")
        body = await asyncio.wait_for(heard.get(), 10)
    assert {"type", "team_id", "event_id", "event_time", "event"} <= body.keys()
    assert (body["type"], body["team_id"]) == ("event_callback", WORKSPACE)
    assert body["event"] == {
        "type": "message",
        "user": slack.people["bo"],
        "text": "Ships?",
        "ts": posted["ts"],
        "channel": slack.channels["harbour"],
    }


async def test_a_delivery_is_signed_and_bolt_refuses_it_under_another_secret(slack):
    async with a_bot(slack, secret="another-secret") as heard:
        await slack.person("anna").chat_postMessage(channel=slack.channels["town"], text="Hello")
        assert heard.empty()
    assert [(sent["status_code"], sent["success"]) for sent in await slack.deliveries()] == [(401, False)]


async def test_a_direct_message_is_known_by_its_channels_letter(slack):
    direct = await slack.direct("anna")
    assert direct.startswith("D")
    async with a_bot(slack) as heard:
        await slack.person("anna").chat_postMessage(channel=direct, text="Between us")
        event = await next_event(heard, "message")
    assert (event["channel"], event["user"]) == (direct, slack.people["anna"])
    with pytest.raises(SlackApiError, match="not_in_channel"):
        await slack.person("bo").conversations_history(channel=direct)


async def test_an_answer_can_be_changed_by_its_author_alone(slack):
    town, bot = slack.channels["town"], slack.bot()
    sent = await bot.chat_postMessage(channel=town, text="One", metadata={"event_type": "p", "event_payload": {"n": 1}})
    await bot.chat_update(channel=town, ts=sent["ts"], text="Two")
    (message,) = (await bot.conversations_replies(channel=town, ts=sent["ts"]))["messages"]
    assert (message["text"], message["edited"]["user"]) == ("Two", BOT_USER)
    assert message["metadata"] == {"event_type": "p", "event_payload": {"n": 1}}
    with pytest.raises(SlackApiError, match="cant_update_message"):
        await slack.person("anna").chat_update(channel=town, ts=sent["ts"], text="Three")


async def test_what_a_person_edits_and_deletes_arrives_with_what_it_was(slack):
    town, anna = slack.channels["town"], slack.person("anna")
    async with a_bot(slack) as heard:
        ts = (await anna.chat_postMessage(channel=town, text="Frist"))["ts"]
        await anna.chat_update(channel=town, ts=ts, text="First")
        await anna.chat_delete(channel=town, ts=ts)
        changed = await next_event(heard, "message.message_changed")
        deleted = await next_event(heard, "message.message_deleted")
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("Frist", "First")
    assert (changed["message"]["ts"], changed["message"]["user"]) == (ts, slack.people["anna"])
    assert (deleted["deleted_ts"], deleted["previous_message"]["text"]) == (ts, "First")


async def test_a_reaction_arrives_when_it_is_added_and_when_it_is_taken_back(slack):
    town, anna = slack.channels["town"], slack.person("anna")
    ts = (await slack.bot().chat_postMessage(channel=town, text="An answer."))["ts"]
    async with a_bot(slack) as heard:
        await anna.reactions_add(channel=town, timestamp=ts, name="+1")
        await anna.reactions_remove(channel=town, timestamp=ts, name="+1")
        added, removed = await next_event(heard, "reaction_added"), await next_event(heard, "reaction_removed")
    assert added == {
        "type": "reaction_added",
        "user": slack.people["anna"],
        "reaction": "+1",
        "item": {"type": "message", "channel": town, "ts": ts},
    }
    assert removed == {**added, "type": "reaction_removed"}


async def test_a_persons_file_arrives_and_is_handed_out_to_a_token_alone(slack):
    direct = await slack.direct("anna")
    async with a_bot(slack) as heard:
        await slack.person("anna").files_upload_v2(
            channel=direct, filename="notes.txt", content="Tide at noon.", initial_comment="Please read"
        )
        event = await next_event(heard, "message.file_share")
    (file,) = event["files"]
    assert (event["text"], file["name"], file["mimetype"], file["size"]) == (
        "Please read",
        "notes.txt",
        "text/plain",
        13,
    )
    address = file["url_private_download"]
    assert address.startswith(f"{slack.url}/")
    assert await fetched(address, BOT_TOKEN) == (200, "Tide at noon.")
    assert (await fetched(address, ""))[0] == 401


async def fetched(url: str, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_the_bot_sends_a_file_into_a_thread(slack):
    town, bot = slack.channels["town"], slack.bot()
    asked = await slack.person("anna").chat_postMessage(channel=town, text="Draw it")
    await bot.files_upload_v2(channel=town, thread_ts=asked["ts"], filename="sea.png", content=b"\x89PNG", title="Sea")
    replies = (await bot.conversations_replies(channel=town, ts=asked["ts"]))["messages"]
    assert [file["title"] for file in replies[1]["files"]] == ["Sea"]
    assert replies[1]["user"] == BOT_USER


async def test_people_and_channels_are_told_to_who_asks(slack):
    bot, anna = slack.bot(), slack.people["anna"]
    assert (await bot.users_info(user=anna))["user"]["profile"]["display_name"] == "anna"
    assert (await bot.bots_info(bot=BOT))["bot"]["name"] == "parley"
    town = (await bot.conversations_info(channel=slack.channels["town"]))["channel"]
    assert (town["name"], town["is_member"], town["is_private"]) == ("town", True, False)
    who = await bot.auth_test()
    assert (who["user_id"], who["bot_id"], who["team_id"]) == (BOT_USER, BOT, WORKSPACE)


async def test_a_note_for_one_person_needs_that_person_in_the_channel(slack):
    bot, town = slack.bot(), slack.channels["town"]
    assert (await bot.chat_postEphemeral(channel=town, user=slack.people["bo"], text="Thank you"))["message_ts"]
    assert (await bot.conversations_history(channel=town))["messages"] == []
    await slack.person("bo").conversations_leave(channel=town)
    with pytest.raises(SlackApiError, match="user_not_in_channel"):
        await bot.chat_postEphemeral(channel=town, user=slack.people["bo"], text="Thank you")


async def test_a_modal_opens_once_for_a_click(slack):
    bot = slack.bot()
    trigger = (await bot.api_call("views.generateTriggerId", data={"user_id": slack.people["anna"]}))["trigger_id"]
    opened = await bot.views_open(trigger_id=trigger, view=MODAL)
    assert (opened["view"]["callback_id"], opened["view"]["app_id"]) == ("feedback", APP)
    with pytest.raises(SlackApiError, match="trigger"):
        await bot.views_open(trigger_id=trigger, view=MODAL)


@pytest.mark.filterwarnings(
    "ignore:BasicAuth is deprecated:DeprecationWarning"
)  # slack_sdk 3.47 still asks aiohttp for it
async def test_a_workspace_installs_the_app_and_the_token_it_gets_works(slack):
    query = {"client_id": CLIENT_ID, "scope": "chat:write,users:read", "state": "s1", "redirect_uri": REDIRECT}
    sent_to = await slack.approve(f"{slack.url}/oauth/v2/authorize?{urlencode(query)}", "anna")
    assert sent_to.startswith(f"{REDIRECT}?")
    arrived = parse_qs(urlsplit(sent_to).query)
    assert arrived["state"] == ["s1"]
    told = {"client_id": CLIENT_ID, "code": arrived["code"][0], "redirect_uri": REDIRECT}
    client = AsyncWebClient(base_url=slack.api_url)
    with pytest.raises(SlackApiError, match="invalid_client_id"):
        await client.oauth_v2_access(client_secret="a-guess", **told)
    installed = await client.oauth_v2_access(client_secret=CLIENT_SECRET, **told)
    assert (installed["team"]["id"], installed["bot_user_id"], installed["app_id"]) == (WORKSPACE, BOT_USER, APP)
    assert (installed["scope"], installed["authed_user"]["id"]) == ("chat:write,users:read", slack.people["anna"])
    who = await client.auth_test(token=installed["access_token"])
    assert (who["user_id"], who["bot_id"]) == (BOT_USER, BOT)
    with pytest.raises(SlackApiError, match="invalid_code"):
        await client.oauth_v2_access(client_secret=CLIENT_SECRET, **told)


async def test_an_installation_ends_nowhere_but_where_the_app_said(slack):
    query = {"client_id": CLIENT_ID, "scope": "chat:write", "state": "s1", "redirect_uri": "http://127.0.0.1:1/else"}
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await slack.approve(f"{slack.url}/oauth/v2/authorize?{urlencode(query)}", "anna")


async def test_a_missing_scope_is_named():
    async with emulated(scopes=["chat:write", "users:read", "channels:read"]) as slack:
        with pytest.raises(SlackApiError) as refused:
            await slack.bot().conversations_history(channel=slack.channels["town"])
    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "channels:history"
    assert refused.value.response["provided"] == "channels:read,chat:write,users:read"


async def test_the_stock_client_is_understood_where_it_sends_a_body_and_nowhere_else(slack):
    stock, town = AsyncWebClient(BOT_TOKEN, base_url=slack.api_url), slack.channels["town"]
    ts = (await stock.chat_postMessage(channel=town, text="One"))["ts"]
    await stock.chat_update(channel=town, ts=ts, text="Two")
    assert (await stock.auth_test())["user_id"] == BOT_USER
    for call in (
        stock.users_info(user=BOT_USER),
        stock.conversations_info(channel=town),
        stock.conversations_replies(channel=town, ts=ts),
        stock.reactions_add(channel=town, timestamp=ts, name="eyes"),
        stock.files_upload_v2(channel=town, filename="a.txt", content="a"),
    ):
        with pytest.raises(SlackApiError):
            await call


@pytest.mark.parametrize("method", ["chat.startStream", "assistant.threads.setStatus", "apps.connections.open"])
async def test_there_are_no_streams_no_assistant_and_no_socket(slack, method):
    with pytest.raises(SlackApiError) as refused:
        await slack.bot().api_call(method, json={"channel": slack.channels["town"]})
    assert refused.value.response.status_code == 404


async def test_standard_markdown_alone_is_not_understood(slack):
    with pytest.raises(SlackApiError, match="no_text"):
        await slack.bot().chat_postMessage(channel=slack.channels["town"], markdown_text="**Hello**")


async def test_a_mention_comes_as_a_message_alone(slack):
    async with a_bot(slack) as heard:
        await slack.person("anna").chat_postMessage(channel=slack.channels["town"], text=f"<@{BOT_USER}> hello")
        body = await asyncio.wait_for(heard.get(), 10)
    assert [sent["payload"]["event"]["type"] for sent in await slack.deliveries()] == ["message"]
    assert not {"api_app_id", "authorizations", "event_context"} & body.keys()
    assert not {"channel_type", "event_ts", "client_msg_id", "team", "blocks"} & body["event"].keys()


async def test_a_delivery_that_failed_is_not_sent_again(slack):
    """So a 503 of ours loses the event here: redelivery has to be played by the stand-in."""
    refusals = 0

    async def refuse(request: web.Request) -> web.Response:
        nonlocal refusals
        refusals += 1
        return web.Response(status=503)

    async with listening(refuse) as events_url:
        await slack.subscribe(events_url)
        await slack.person("anna").chat_postMessage(channel=slack.channels["town"], text="Hello")
        await slack.person("anna").chat_postMessage(channel=slack.channels["town"], text="Hello?")
    assert refusals == 2
    assert {sent["payload"]["event"]["text"] for sent in await slack.deliveries()} == {"Hello", "Hello?"}
