"""The stand-in for Slack (bench/platforms/slack), vouched for by Slack's own libraries.

No emulator implements `chat.*Stream`, `assistant.*` or Socket Mode, and none sends mentions, clicks, modals, commands
or redeliveries, so this one is ours: written from Slack's documentation and from what others report, never compared
with Slack itself. What vouches for it is that Slack's own, unchanged libraries work against it: slack_sdk's
AsyncWebClient with its `chat_stream` and `files_upload_v2` helpers and its token rotator, its Socket Mode client, and a
bare slack_bolt app that checks every signature. What an emulator by others covers is tested against that one as well.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bench.platforms.slack import APP_TOKEN, SIGNING_SECRET, Platform, payloads
from bench.platforms.slack.shapes import ACTIONS, BUTTONS, shapes

# slack_sdk hands aiohttp the app's name and secret in a way that aiohttp is about to leave behind.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")

ANNA, BORIS, EVE = "U0ANNA001", "U0BORIS01", "U0EVE0001"
GENERAL, SECRET, DM, ELSEWHERE = "C0GENERAL", "G0SECRET1", "D0ANNA001", "C0ELSE001"
FENCE = {"type": "markdown", "text": "**bold**"}


@pytest.fixture
async def slack() -> AsyncGenerator[Platform, None]:
    async with Platform() as platform:
        platform.courier.retry_delays = (0.01, 0.01, 0.01)
        platform.add_user(ANNA, "Anna Example")
        platform.add_user(BORIS, "Boris Example", is_guest=True, locale="de-DE")
        platform.add_user(EVE, "Eve Example", team="T0ELSE001")
        platform.add_channel(GENERAL, members=[ANNA, BORIS, EVE], shared_with=["T0ELSE001"])
        platform.add_channel(SECRET, "group", [ANNA])
        platform.add_channel(DM, "im", [ANNA])
        platform.add_channel(ELSEWHERE, members=[ANNA], with_bot=False)
        yield platform


def client_of(slack: Platform, token: str | None = None, **options: Any) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot.token if token is None else token, base_url=slack.api_url, **options)


@pytest.fixture
def client(slack: Platform) -> AsyncWebClient:
    slack.courier.echoes = False
    return client_of(slack, retry_handlers=[])


@pytest.fixture
async def question(slack: Platform) -> str:
    """A message in #general that nobody is told of."""
    slack.courier.subscriptions = frozenset()
    ts = await slack.say(GENERAL, ANNA, "What is 6 times 7?")
    slack.courier.subscriptions = None
    return ts


@asynccontextmanager
async def refused(error: str) -> AsyncIterator[None]:
    with pytest.raises(SlackApiError) as raised:
        yield
    assert raised.value.response["error"] == error


def stream_of(client: AsyncWebClient, thread_ts: str, **options: Any) -> Any:
    return client.chat_stream(
        channel=GENERAL, thread_ts=thread_ts, recipient_team_id=payloads.TEAM, recipient_user_id=ANNA, **options
    )


class TestTheWebApi:
    async def test_the_client_learns_who_it_is_and_what_it_may(self, slack, client):
        told = await client.auth_test()
        assert (told["team_id"], told["user_id"], told["bot_id"]) == ("T0PARLEY1", "U0PARLEY1", "B0PARLEY1")
        assert "chat:write" in told.headers["x-oauth-scopes"].split(",")
        assert (await client.bots_info(bot=told["bot_id"]))["bot"]["user_id"] == told["user_id"]

    @pytest.mark.parametrize(("token", "error"), [("", "not_authed"), ("xoxb-nobody", "invalid_auth")])
    async def test_a_token_that_nobody_issued_is_refused(self, slack, token, error):
        async with refused(error):
            await client_of(slack, token).auth_test()

    async def test_a_scope_that_was_not_granted_is_named(self, slack, client):
        slack.bot.scopes = ("chat:write",)
        with pytest.raises(SlackApiError) as raised:
            await client.users_info(user=ANNA)
        told = raised.value.response
        assert (told["error"], told["needed"], told["provided"]) == ("missing_scope", "users:read", "chat:write")
        assert slack.calls[-1].error == "missing_scope"

    async def test_each_kind_of_channel_has_its_own_scope(self, slack, client):
        slack.bot.scopes = ("channels:history", "channels:read", "chat:write")
        await client.conversations_history(channel=GENERAL)
        for read in (client.conversations_history, client.conversations_info):
            async with refused("missing_scope"):
                await read(channel=SECRET)

    async def test_an_unknown_method_says_so(self, client):
        async with refused("unknown_method"):
            await client.api_call("chat.postTelegram")

    async def test_a_message_is_posted_read_changed_and_deleted(self, slack, client, question):
        sent = await client.chat_postMessage(channel=GENERAL, text="4 & 2", thread_ts=question)
        assert [m["ts"] for m in await replies(client, question)] == [question, sent["ts"]]
        await client.chat_update(channel=GENERAL, ts=sent["ts"], markdown_text="**42**")
        answer = slack.answers(GENERAL, question)[0]
        assert (answer.markdown, answer.edits) == ("**42**", 1)
        await client.chat_delete(channel=GENERAL, ts=sent["ts"])
        assert [m["ts"] for m in await replies(client, question)] == [question]
        async with refused("message_not_found"):
            await client.chat_update(channel=GENERAL, ts=sent["ts"], text="again")

    async def test_form_bodies_are_understood_as_well_as_json(self, slack, client, question):
        blocks = json.dumps([FENCE])
        await client.api_call("chat.postMessage", data={"channel": GENERAL, "blocks": blocks, "thread_ts": question})
        started = {"channel": GENERAL, "thread_ts": question, "markdown_text": "42"}
        started |= {"recipient_team_id": payloads.TEAM, "recipient_user_id": ANNA}
        await client.api_call("chat.startStream", data=started)
        assert [m.markdown for m in slack.answers(GENERAL)] == ["**bold**", "42"]

    async def test_a_thread_is_read_in_pages_with_metadata_on_request(self, client, question):
        metadata = {"event_type": "parley_reply", "event_payload": {"reply": "reply-1"}}
        for number in range(5):
            await client.chat_postMessage(channel=GENERAL, text=f"{number}", thread_ts=question, metadata=metadata)
        asked = await client.conversations_replies(channel=GENERAL, ts=question, limit=4)
        pages = [page["messages"] async for page in asked]
        assert [len(page) for page in pages] == [4, 2]
        assert not any("metadata" in message for page in pages for message in page)
        whole = await client.conversations_replies(channel=GENERAL, ts=question, include_all_metadata=True)
        assert whole["messages"][0]["reply_count"] == 5
        assert [m["metadata"] for m in whole["messages"][1:]] == [metadata] * 5
        later = await client.conversations_replies(channel=GENERAL, ts=question, oldest=whole["messages"][4]["ts"])
        assert [m["text"] for m in later["messages"]] == ["What is 6 times 7?", "4"]

    async def test_a_history_is_without_replies_and_the_newest_first(self, slack, client, question):
        await client.chat_postMessage(channel=GENERAL, text="hidden", thread_ts=question)
        await client.chat_postMessage(channel=GENERAL, text="seen")
        told = await client.conversations_history(channel=GENERAL)
        assert [m["text"] for m in told["messages"]] == ["seen", "What is 6 times 7?"]

    async def test_people_are_guests_strangers_and_speak_a_language(self, client):
        anna, boris, eve = [
            (await client.users_info(user=user, include_locale=True))["user"] for user in (ANNA, BORIS, EVE)
        ]
        assert (anna["is_restricted"], anna.get("is_stranger"), anna["locale"]) == (False, None, "en-US")
        assert (boris["is_restricted"], boris["locale"], boris["team_id"]) == (True, "de-DE", "T0PARLEY1")
        assert (eve["is_stranger"], eve["team_id"], eve["profile"]["real_name"]) == (True, "T0ELSE001", "Eve Example")
        async with refused("user_not_found"):
            await client.users_info(user="U0NOBODY1")

    async def test_a_channel_without_the_bot_is_closed_to_it(self, slack, client):
        async with refused("not_in_channel"):
            await client.chat_postMessage(channel=ELSEWHERE, text="hello")
        async with refused("channel_not_found"):
            await client.chat_postMessage(channel="C0NOWHERE", text="hello")
        assert not (await client.conversations_info(channel=ELSEWHERE))["channel"]["is_member"]

    async def test_a_direct_conversation_is_opened_once(self, slack, client):
        opened = await client.conversations_open(users=BORIS)
        await client.chat_postMessage(channel=BORIS, text="hello")
        assert [m.text for m in slack.messages(opened["channel"]["id"])] == ["hello"]
        assert (await client.conversations_open(users=ANNA))["channel"]["id"] == DM
        told = (await client.conversations_info(channel=DM))["channel"]
        assert (told["is_im"], told["user"]) == (True, ANNA)

    async def test_an_ephemeral_message_is_for_one_person(self, slack, client):
        await client.chat_postEphemeral(channel=GENERAL, user=ANNA, text="thanks")
        assert [(m.text, m.ephemeral_to) for m in slack.ephemeral] == [("thanks", ANNA)]
        assert slack.messages(GENERAL) == []
        async with refused("user_not_in_channel"):
            await client.chat_postEphemeral(channel=SECRET, user=BORIS, text="thanks")

    async def test_reactions_come_and_go(self, client, question):
        where = {"channel": GENERAL, "timestamp": question}
        await client.reactions_add(name="eyes", **where)
        async with refused("already_reacted"):
            await client.reactions_add(name="eyes", **where)
        told = await client.reactions_get(**where)
        assert told["message"]["reactions"] == [{"name": "eyes", "users": ["U0PARLEY1"], "count": 1}]
        await client.reactions_remove(name="eyes", **where)
        async with refused("no_reaction"):
            await client.reactions_remove(name="eyes", **where)

    async def test_a_file_goes_up_into_a_thread_and_down_with_the_token_alone(self, slack, client, question):
        sent = await client.files_upload_v2(
            channel=GENERAL, thread_ts=question, filename="plot.png", content=b"\x89PNG", title="A plot", alt_txt="up"
        )
        (upload,) = slack.uploads
        assert (upload.file.content, upload.channel, upload.thread_ts) == (b"\x89PNG", GENERAL, question)
        assert (upload.file.title, upload.file.alt_text, upload.file.mimetype) == ("A plot", "up", "image/png")
        assert [m.files for m in slack.answers(GENERAL, question)] == [(upload.file,)]
        url = (await client.files_info(file=sent["file"]["id"]))["file"]["url_private_download"]
        assert await download(url, slack.bot.token) == ("image/png", b"\x89PNG")
        kind, page = await download(url, "xoxb-nobody")
        assert kind == "text/html"
        assert b"Sign in" in page

    async def test_a_status_stands_until_the_app_writes(self, slack, client, question):
        where = {"channel_id": GENERAL, "thread_ts": question}
        await client.assistant_threads_setStatus(status="is thinking…", loading_messages=["Reading"], **where)
        assert slack.status(GENERAL, question) == "is thinking…"
        await client.chat_postMessage(channel=GENERAL, text="42", thread_ts=question)
        assert slack.status(GENERAL, question) == ""
        assert [s.status for s in slack.statuses] == ["is thinking…", ""]

    async def test_prompts_are_at_most_four(self, slack, client, question):
        prompts = [{"title": f"Ask {number}", "message": "Why?"} for number in range(5)]
        where = {"channel_id": DM, "thread_ts": question}
        await client.assistant_threads_setSuggestedPrompts(prompts=prompts[:4], **where)
        async with refused("invalid_arguments"):
            await client.assistant_threads_setSuggestedPrompts(prompts=prompts, **where)
        assert [len(told["prompts"]) for told in slack.prompts] == [4]

    async def test_the_manifest_needs_the_configuration_token(self, slack, client):
        slack.state.manifest = {"display_information": {"name": "Parley"}}
        async with refused("invalid_auth"):
            await client.apps_manifest_export(app_id=payloads.APP)
        owner = client_of(slack, slack.state.config_token)
        assert (await owner.apps_manifest_export(app_id=payloads.APP))["manifest"] == slack.state.manifest

    async def test_several_workspaces_keep_to_themselves(self, slack, client):
        other = slack.install("T0OTHER01")
        slack.add_channel("C0OTHER01", team="T0OTHER01")
        theirs = client_of(slack, other.token)
        assert (await theirs.auth_test())["team_id"] == "T0OTHER01"
        await theirs.chat_postMessage(channel="C0OTHER01", text="hello")
        async with refused("channel_not_found"):
            await client.chat_postMessage(channel="C0OTHER01", text="hello")
        async with refused("channel_not_found"):
            await theirs.conversations_history(channel=GENERAL)
        assert [call.team for call in slack.called("chat.postMessage")] == ["T0OTHER01", "T0PARLEY1"]

    async def test_tokens_are_not_kept_with_the_calls(self, slack, client):
        await client.auth_test()
        await client.api_call("auth.test", data={"token": slack.bot.token})
        assert slack.bot.token not in repr(slack.calls)
        assert slack.bot.token not in repr(slack.bot)


class TestAnInstallation:
    async def test_a_code_becomes_a_token_once(self, slack, client):
        code = slack.code("T0OTHER01", redirect_uri="https://parley.example.com/oauth")
        asked = {"client_id": "100.200", "client_secret": "client-secret", "code": code}
        async with refused("bad_redirect_uri"):
            await client.oauth_v2_access(**asked)
        told = await client.oauth_v2_access(redirect_uri="https://parley.example.com/oauth", **asked)
        assert (told["team"]["id"], told["token_type"], told["authed_user"]["id"]) == ("T0OTHER01", "bot", ANNA)
        assert (await client_of(slack, told["access_token"]).auth_test())["bot_id"] == "B0OTHER01"
        async with refused("code_already_used"):
            await client.oauth_v2_access(redirect_uri="https://parley.example.com/oauth", **asked)
        async with refused("bad_client_secret"):
            await client.oauth_v2_access(**asked | {"client_secret": "wrong"})

    async def test_the_rotator_of_the_sdk_renews_a_token(self, slack, client):
        slack.state.grants.is_rotating = True
        told = await client.oauth_v2_access(
            client_id="100.200", client_secret="client-secret", code=slack.code("T0OTHER01")
        )
        assert told["expires_in"] == 43_200
        installation = Installation(
            team_id="T0OTHER01",
            user_id=ANNA,
            bot_token=told["access_token"],
            bot_refresh_token=told["refresh_token"],
            bot_token_expires_in=0,
        )
        rotator = AsyncTokenRotator(client_id="100.200", client_secret="client-secret", client=client)
        renewed = await rotator.perform_token_rotation(installation=installation)
        assert renewed is not None
        assert renewed.bot_token
        assert renewed.bot_token != told["access_token"]
        slack.expire_token(told["access_token"])
        async with refused("token_expired"):
            await client_of(slack, told["access_token"]).auth_test()
        assert (await client_of(slack, renewed.bot_token).auth_test())["team_id"] == "T0OTHER01"

    async def test_a_refresh_token_is_good_once(self, slack, client):
        slack.state.grants.is_rotating = True
        app = {"client_id": "100.200", "client_secret": "client-secret"}
        told = await client.oauth_v2_access(code=slack.code("T0OTHER01"), **app)
        again = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]} | app
        await client.oauth_v2_access(**again)
        async with refused("invalid_refresh_token"):
            await client.oauth_v2_access(**again)

    async def test_a_revoked_token_is_gone(self, slack, client):
        assert (await client.auth_revoke(test=True))["revoked"] is False
        assert (await client.auth_revoke())["revoked"] is True
        async with refused("token_revoked"):
            await client.auth_test()

    @pytest.mark.parametrize(("is_declined", "told"), [(False, "code=code-1"), (True, "error=access_denied")])
    async def test_the_consent_page_sends_back_what_the_person_said(self, slack, is_declined, told):
        slack.state.grants.is_declined = is_declined
        slack.code("T0OTHER01")
        asked = {"client_id": "100.200", "state": "s1", "redirect_uri": "https://parley.example.com/oauth"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{slack.url}/oauth/v2/authorize", params=asked, allow_redirects=False) as response,
        ):
            assert response.headers["Location"] == f"https://parley.example.com/oauth?{told}&state=s1"


class TestAStream:
    async def test_the_helper_of_the_sdk_streams_and_finishes_with_buttons(self, slack, client, question):
        stream = await stream_of(client, question, buffer_size=8)
        assert await stream.append(markdown_text="**4") is None
        await stream.append(markdown_text="2** is ")
        await stream.append(markdown_text="the answer")
        (answer,) = slack.answers(GENERAL, question)
        assert (answer.markdown, answer.is_streaming, answer.ts) == ("**42** is the answer", True, stream.ts)
        metadata = {"event_type": "parley_reply", "event_payload": {"reply": "reply-1"}}
        told = await stream.stop(markdown_text=".", blocks=[BUTTONS], metadata=metadata)
        assert told["message"]["ts"] == stream.ts
        assert (answer.markdown, answer.is_streaming, answer.was_streamed) == ("**42** is the answer.", False, True)
        assert (answer.blocks, answer.metadata) == ([BUTTONS], metadata)
        assert [call.method for call in slack.calls] == ["chat.startStream", "chat.appendStream", "chat.stopStream"]
        assert (await replies(client, question))[1]["streaming_state"] == "completed"

    async def test_a_short_answer_starts_empty_and_comes_with_the_end(self, slack, client, question):
        stream = await stream_of(client, question)
        await stream.append(markdown_text="42")
        await stream.stop()
        assert [call.args.get("chunks") for call in slack.calls] == [None, [{"type": "markdown_text", "text": "42"}]]
        assert [m.markdown for m in slack.answers(GENERAL, question)] == ["42"]

    async def test_steps_are_shown_by_their_id(self, slack, client, question):
        stream = await stream_of(client, question, task_display_mode="plan")
        task = {"type": "task_update", "id": "t1", "title": "Read", "status": "in_progress"}
        await stream.append(chunks=[{"type": "plan_update", "title": "A plan"}, task])
        await stream.append(chunks=[task | {"status": "complete"}])
        await stream.stop(markdown_text="done")
        (answer,) = slack.answers(GENERAL, question)
        assert (answer.plan, answer.tasks["t1"]["status"], answer.markdown) == ("A plan", "complete", "done")

    async def test_an_expired_stream_takes_no_more_but_can_be_changed(self, slack, client, question):
        stream = await stream_of(client, question, buffer_size=1)
        await stream.append(markdown_text="4")
        assert slack.expire_streams() == 1
        async with refused("message_not_in_streaming_state"):
            await stream.append(markdown_text="2")
        async with refused("message_not_in_streaming_state"):
            await stream.stop()
        await client.chat_update(channel=GENERAL, ts=stream.ts, markdown_text="42")
        assert [m.markdown for m in slack.answers(GENERAL, question)] == ["42"]

    async def test_a_stream_ends_by_itself_however_busy_it_is(self, slack, client, question):
        slack.state.stream_seconds = 0.05
        stream = await stream_of(client, question, buffer_size=1)
        async with refused("message_not_in_streaming_state"):
            while True:
                await stream.append(markdown_text="4")

    async def test_an_open_stream_is_neither_changed_nor_deleted(self, client, question):
        stream = await stream_of(client, question, buffer_size=1)
        await stream.append(markdown_text="4")
        async with refused("streaming_state_conflict"):
            await client.chat_update(channel=GENERAL, ts=stream.ts, markdown_text="42")
        async with refused("cant_delete_message"):
            await client.chat_delete(channel=GENERAL, ts=stream.ts)

    async def test_a_stream_keeps_to_its_first_kind_of_content(self, client, question):
        to = {"recipient_team_id": payloads.TEAM, "recipient_user_id": ANNA}
        started = await client.chat_startStream(channel=GENERAL, thread_ts=question, markdown_text="4", **to)
        chunk = {"type": "markdown_text", "text": "2"}
        async with refused("streaming_mode_mismatch"):
            await client.chat_appendStream(channel=GENERAL, ts=started["ts"], chunks=[chunk])
        await client.chat_appendStream(channel=GENERAL, ts=started["ts"], markdown_text="2")

    @pytest.mark.parametrize(
        ("missing", "error"),
        [
            ("recipient_team_id", "missing_recipient_team_id"),
            ("recipient_user_id", "missing_recipient_user_id"),
            ("thread_ts", "invalid_arguments"),
        ],
    )
    async def test_a_stream_in_a_channel_is_for_somebody_and_in_a_thread(self, client, question, missing, error):
        asked = {"channel": GENERAL, "thread_ts": question, "recipient_team_id": payloads.TEAM}
        asked |= {"recipient_user_id": ANNA, missing: None}
        async with refused(error):
            await client.chat_startStream(**asked)

    async def test_a_direct_stream_needs_no_recipient(self, slack, client):
        slack.courier.subscriptions = frozenset()
        ts = await slack.say(DM, ANNA, "hello")
        await client.chat_startStream(channel=DM, thread_ts=ts)
        assert len(slack.answers(DM, ts)) == 1

    @pytest.mark.parametrize(
        ("chunk", "error"),
        [
            ({"type": "markdown_text", "text": "a" * 12_001}, "msg_too_long"),
            ({"type": "confetti"}, "invalid_chunks"),
            ({"type": "task_update", "id": "t1", "title": "Read", "status": "done"}, "invalid_chunks"),
            ({"type": "task_update", "id": "t1", "title": "a" * 257, "status": "complete"}, "invalid_chunks"),
        ],
    )
    async def test_a_call_takes_all_of_its_chunks_or_none(self, slack, client, question, chunk, error):
        stream = await stream_of(client, question, buffer_size=1)
        await stream.append(markdown_text="4")
        async with refused(error):
            await client.chat_appendStream(
                channel=GENERAL, ts=stream.ts, chunks=[{"type": "markdown_text", "text": "2"}, chunk]
            )
        assert [m.markdown for m in slack.answers(GENERAL, question)] == ["4"]

    async def test_nobody_else_continues_a_stream(self, slack, client, question):
        other = slack.install("T0ELSE001")
        slack.state.conversations.channels[GENERAL].members.add(other.user)
        stream = await stream_of(client, question, buffer_size=1)
        await stream.append(markdown_text="4")
        async with refused("message_not_owned_by_app"):
            await client_of(slack, other.token).chat_appendStream(channel=GENERAL, ts=stream.ts, markdown_text="2")


def button(**more: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Stop"}
    return {"type": "button", "action_id": "stop", "text": text, "value": "reply-1"} | more


def actions(*elements: dict[str, Any], kind: str = "actions") -> dict[str, Any]:
    return {"type": kind, "elements": list(elements)}


def feedback(**more: Any) -> dict[str, Any]:
    return {**BUTTONS["elements"][0], **more}


SIDE = BUTTONS["elements"][0]["positive_button"]
TOO_MUCH = {
    "an unknown kind": {"type": "confetti"},
    "an unknown key": FENCE | {"colour": "red"},
    "no text": {"type": "markdown"},
    "a long markdown block": {"type": "markdown", "text": "a" * 12_001},
    "a long section": {"type": "section", "text": {"type": "mrkdwn", "text": "a" * 3001}},
    "a section of nothing": {"type": "section"},
    "a header in mrkdwn": {"type": "header", "text": {"type": "mrkdwn", "text": "a"}},
    "an input in a message": {"type": "input", "label": {"type": "plain_text", "text": "a"}, "element": button()},
    "a long label": actions(button(text={"type": "plain_text", "text": "a" * 76})),
    "a label in mrkdwn": actions(button(text={"type": "mrkdwn", "text": "a"})),
    "a long value": actions(button(value="a" * 2001)),
    "a long action_id": actions(button(action_id="a" * 256)),
    "one action_id twice": actions(button(), button()),
    "too many actions": actions(*(button(action_id=f"a{n}") for n in range(26))),
    "a button among feedback": actions(button(), kind="context_actions"),
    "feedback among buttons": actions(feedback()),
    "too much feedback": actions(*(feedback(action_id=f"a{n}") for n in range(6)), kind="context_actions"),
    "half of the feedback": actions(feedback(negative_button=None), kind="context_actions"),
    "feedback without a value": actions(
        feedback(negative_button={"text": {"type": "plain_text", "text": "a"}}), kind="context_actions"
    ),
    "a long hint for a screen reader": actions(
        feedback(positive_button=SIDE | {"accessibility_label": "a" * 76}), kind="context_actions"
    ),
    "an unknown icon": actions(
        {"type": "icon_button", "icon": "bell", "action_id": "a", "text": {"type": "plain_text", "text": "a"}},
        kind="context_actions",
    ),
    "an image of nothing": {"type": "image", "alt_text": "a"},
    "a context of too much": actions(*({"type": "mrkdwn", "text": "a"} for _ in range(11)), kind="context"),
}


class TestItsLimits:
    @pytest.mark.parametrize("block", TOO_MUCH.values(), ids=TOO_MUCH)
    async def test_blocks_that_slack_would_not_show_are_refused(self, slack, client, block):
        async with refused("invalid_blocks"):
            await client.chat_postMessage(channel=GENERAL, text="a", blocks=[FENCE, block])
        assert slack.messages(GENERAL) == []

    async def test_everything_just_within_the_limits_is_shown(self, slack, client):
        text = {"type": "plain_text", "text": "a" * 75}
        side = {"text": text, "value": "a" * 2000, "accessibility_label": "a" * 75}
        blocks = [
            {"type": "section", "text": {"type": "mrkdwn", "text": "a" * 3000}},
            actions(*(button(action_id=f"a{n}", text=text, value="a" * 2000) for n in range(25))),
            actions(
                *(feedback(action_id=f"a{n}", positive_button=side, negative_button=side) for n in range(5)),
                kind="context_actions",
            ),
            {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a"},
            *({"type": "divider"} for _ in range(46)),
        ]
        await client.chat_postMessage(channel=GENERAL, text="a", blocks=blocks)
        assert len(slack.messages(GENERAL)[0].blocks) == 50
        async with refused("invalid_blocks"):
            await client.chat_postMessage(channel=GENERAL, text="a", blocks=[*blocks, {"type": "divider"}])

    async def test_all_blocks_together_have_a_limit_too(self, client):
        sections = [{"type": "section", "text": {"type": "mrkdwn", "text": "a" * 2640}}] * 5
        await client.chat_postMessage(channel=GENERAL, text="a", blocks=sections)
        async with refused("msg_blocks_too_long"):
            more = {"type": "section", "text": {"type": "mrkdwn", "text": "a"}}
            await client.chat_postMessage(channel=GENERAL, text="a", blocks=[*sections, more])
        async with refused("invalid_blocks"):
            await client.chat_postMessage(channel=GENERAL, text="a", blocks=[FENCE | {"text": "a" * 6001}] * 2)

    async def test_a_block_id_is_there_once(self, client):
        async with refused("invalid_blocks"):
            await client.chat_postMessage(channel=GENERAL, text="a", blocks=[BUTTONS, BUTTONS])

    @pytest.mark.parametrize(
        ("content", "error"),
        [
            ({}, "no_text"),
            ({"text": ""}, "no_text"),
            ({"blocks": []}, "no_text"),
            ({"markdown_text": "a" * 12_001}, "msg_too_long"),
            ({"markdown_text": "a", "text": "a"}, "markdown_text_conflict"),
            ({"text": "a", "metadata": {"event_type": "a"}}, "invalid_metadata_schema"),
            ({"text": "a", "thread_ts": "1700000000.000001"}, "invalid_thread_ts"),
        ],
    )
    async def test_a_message_needs_content_that_fits(self, client, content, error):
        async with refused(error):
            await client.api_call("chat.postMessage", json={"channel": GENERAL} | content)

    async def test_a_change_is_short_and_a_message_cut_off(self, slack, client):
        sent = await client.chat_postMessage(channel=GENERAL, text="a" * 40_001)
        assert len(slack.messages(GENERAL)[0].text) == 40_000
        async with refused("msg_too_long"):
            await client.chat_update(channel=GENERAL, ts=sent["ts"], text="a" * 4001)
        await client.chat_update(channel=GENERAL, ts=sent["ts"], text="a" * 4000)

    async def test_nobody_changes_what_others_wrote(self, client, question):
        async with refused("cant_update_message"):
            await client.chat_update(channel=GENERAL, ts=question, text="a")
        async with refused("cant_delete_message"):
            await client.chat_delete(channel=GENERAL, ts=question)

    async def test_a_reply_is_no_root(self, client, question):
        sent = await client.chat_postMessage(channel=GENERAL, text="a", thread_ts=question)
        async with refused("invalid_thread_ts"):
            await client.chat_postMessage(channel=GENERAL, text="a", thread_ts=sent["ts"])

    async def test_text_is_kept_escaped(self, slack, client):
        text = "1 < 2 & 3 &gt; 2, <@U0ANNA001>, <https://example.com|here> <b>"
        await client.chat_postMessage(channel=GENERAL, text=text)
        assert slack.messages(GENERAL)[0].text == (
            "1 &lt; 2 &amp; 3 &gt; 2, <@U0ANNA001>, <https://example.com|here> &lt;b&gt;"
        )

    @pytest.mark.parametrize(
        "content",
        [
            {"text": "<!channel>"},
            {"text": "a", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here>"}}]},
            {"markdown_text": "<!everyone>"},
            {"text": "a", "blocks": [{"type": "markdown", "text": "<!subteam^S0TEAM001>"}]},
            {"text": "hello <@U0ANNA001>"},
            {"text": "@channel", "link_names": True},
        ],
    )
    async def test_whoever_is_called_is_written_down(self, slack, client, content):
        await client.chat_postMessage(channel=GENERAL, **content)
        assert len(slack.pings) == 1

    async def test_what_calls_nobody_is_not(self, slack, client):
        plain = {"type": "header", "text": {"type": "plain_text", "text": "<!channel>"}}
        await client.chat_postMessage(channel=GENERAL, text="&lt;!channel&gt; @channel <#C0GENERAL>", blocks=[plain])
        assert slack.pings == []

    async def test_a_call_in_two_pieces_is_one(self, slack, client, question):
        stream = await stream_of(client, question, buffer_size=1)
        for piece in ("a <!chan", "nel> b", " c"):
            await stream.append(markdown_text=piece)
        await stream.stop()
        assert [ping.what for ping in slack.pings] == ["<!channel>"]

    async def test_the_tiers_hold_on_request(self, slack, client, question):
        slack.tiers = True
        for _ in range(20):
            await (await stream_of(client, question)).stop()
        with pytest.raises(SlackApiError) as raised:
            await (await stream_of(client, question)).stop()
        assert raised.value.response.status_code == 429
        assert 0 < int(raised.value.response.headers["Retry-After"]) <= 60


class TestItsFaults:
    async def test_a_refusal_is_counted(self, slack, client):
        slack.fail("auth.test", error="team_access_not_granted", times=2)
        for _ in range(2):
            async with refused("team_access_not_granted"):
                await client.auth_test()
        await client.auth_test()
        assert [call.is_ok for call in slack.calls] == [False, False, True]

    async def test_the_retry_handler_of_the_sdk_waits_as_it_is_told(self, slack):
        slack.rate_limit("auth.test", seconds=0, times=1)
        await client_of(slack, retry_handlers=[AsyncRateLimitErrorRetryHandler()]).auth_test()
        assert [call.status for call in slack.calls] == [429, 200]

    async def test_a_broken_call_does_nothing(self, slack, client):
        slack.break_("chat.postMessage", status=503)
        with pytest.raises(SlackApiError) as raised:
            await client.chat_postMessage(channel=GENERAL, text="a")
        assert raised.value.response.status_code == 503
        assert slack.messages(GENERAL) == []

    @pytest.mark.parametrize(("fault", "there"), [("swallow", 1), ("drop", 0)])
    async def test_a_lost_answer_leaves_the_caller_in_the_dark(self, slack, client, fault, there):
        getattr(slack, fault)("chat.postMessage")
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=GENERAL, text="a")
        assert len(slack.messages(GENERAL)) == there
        assert slack.calls[-1].status == 0

    async def test_the_default_client_posts_twice_where_an_answer_is_lost(self, slack):
        """Why our client has no handler that tries again by itself."""
        slack.courier.echoes = False
        slack.swallow("chat.postMessage")
        await client_of(slack).chat_postMessage(channel=GENERAL, text="a")
        assert len(slack.messages(GENERAL)) == 2

    async def test_a_slow_call_is_slow_until_it_is_healed(self, slack, client):
        slack.delay("auth.test", 0.2)
        began = monotonic()
        await client.auth_test()
        assert monotonic() - began >= 0.2
        slack.delay("auth.test", 60)
        slack.heal()
        await asyncio.wait_for(client.auth_test(), timeout=30)

    async def test_whoever_waits_is_told(self, slack, client):
        waiting = asyncio.create_task(slack.until(lambda: slack.called("auth.test")))
        await client.auth_test()
        assert [call.method for call in await waiting] == ["auth.test"]
        with pytest.raises(TimeoutError):
            await slack.until(lambda: slack.called("auth.revoke"), timeout=0.01)


class Heard:
    """A bare Bolt app that writes down all it hears."""

    def __init__(self, slack: Platform, secret: str = SIGNING_SECRET) -> None:
        self.app = AsyncApp(client=client_of(slack), token=slack.bot.token, signing_secret=secret)
        self.bodies: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.status = 200
        self.app.action(re.compile(".*"))(self._take)
        self.app.view(re.compile(".*"))(self._take)
        self.app.view_closed(re.compile(".*"))(self._take)
        self.app.command(re.compile(".*"))(self._take)
        self.app.event(re.compile(".*"))(self._take)

    async def _take(self, ack: Any, body: dict[str, Any]) -> None:
        self.bodies.append(body)
        await ack()

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        events = [body["event"] for body in self.bodies if "event" in body]
        return [e for e in events if not kinds or ".".join(filter(None, (e["type"], e.get("subtype")))) in kinds]

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.status != 200:
            return web.Response(status=self.status)
        answer: web.Response = await to_aiohttp_response(await self.app.async_dispatch(await to_bolt_request(request)))
        return answer


@asynccontextmanager
async def serving(handle: Any) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/slack/events"
    finally:
        await runner.cleanup()


@pytest.fixture
async def bolt(slack: Platform) -> AsyncGenerator[Heard, None]:
    heard = Heard(slack)
    async with serving(heard.handle) as slack.events_url:
        yield heard
        await slack.settle()


class TestWhatBoltHears:
    def test_a_signature_is_what_the_sdk_takes_for_one(self):
        signature = payloads.sign(b"a=1", "secret", 1_700_000_000)
        verifier = SignatureVerifier("secret", clock=type("", (), {"now": lambda self: 1_700_000_000.0})())
        assert verifier.is_valid(b"a=1", "1700000000", signature)
        assert not verifier.is_valid(b"a=2", "1700000000", signature)

    @pytest.mark.parametrize("name", shapes())
    async def test_every_shape_is_signed_and_understood(self, slack, bolt, name):
        delivery = await slack.deliver(shapes()[name])
        told = delivery.kind in ("url_verification", "app_rate_limited")
        assert delivery.status == (200 if delivery.kind != "app_rate_limited" else 404)
        assert told or bolt.bodies == [delivery.payload] or is_our_own(delivery.payload)

    async def test_another_secret_is_not_believed(self, slack):
        heard = Heard(slack, "another secret")
        async with serving(heard.handle) as slack.events_url:
            await slack.say(DM, ANNA, "hello")
        assert [attempt.status for attempt in slack.deliveries[0].attempts] == [401] * 4
        assert heard.bodies == []

    async def test_a_mention_comes_as_two_events(self, slack, bolt):
        ts = await slack.say(GENERAL, ANNA, "<@U0PARLEY1> is 1 < 2 &amp; 3?")
        mention, message = sorted((body["event"] for body in bolt.bodies), key=lambda event: event["type"])
        assert (mention["type"], message["type"], message["channel_type"]) == ("app_mention", "message", "channel")
        assert mention["ts"] == message["ts"] == ts
        assert mention["text"] == "<@U0PARLEY1> is 1 &lt; 2 &amp;amp; 3?"
        assert "channel_type" not in mention
        assert len({body["event_id"] for body in bolt.bodies}) == 2

    async def test_a_direct_message_is_one_event_whoever_it_names(self, slack, bolt):
        await slack.say(DM, ANNA, "<@U0PARLEY1> hello")
        assert [(event["type"], event["channel_type"]) for event in bolt.events()] == [("message", "im")]

    async def test_where_the_bot_is_not_nothing_is_heard(self, slack, bolt):
        await slack.say(ELSEWHERE, ANNA, "<@U0PARLEY1> hello")
        assert bolt.bodies == []

    async def test_only_what_was_subscribed_to_is_heard(self, slack, bolt):
        slack.courier.subscriptions = frozenset({"app_mention", "message.im"})
        await slack.say(GENERAL, ANNA, "<@U0PARLEY1> hello")
        await slack.say(DM, ANNA, "hello")
        assert [event["type"] for event in bolt.events()] == ["app_mention", "message"]

    async def test_a_stranger_is_known_by_their_team(self, slack, bolt):
        await slack.say(GENERAL, EVE, "hello")
        (body,) = bolt.bodies
        assert (body["event"]["user_team"], body["team_id"]) == ("T0ELSE001", "T0PARLEY1")
        assert body["is_ext_shared_channel"]

    async def test_files_come_whole_or_by_their_id(self, slack, bolt):
        file = slack.add_file(ANNA, "notes.txt", b"Buy milk")
        hidden = slack.add_file(ANNA, "more.txt", b"And bread", is_id_only=True)
        await slack.say(DM, ANNA, "See here", files=[file, hidden])
        (event,) = bolt.events("message.file_share")
        whole, by_id = event["files"]
        assert await download(whole["url_private_download"], slack.bot.token) == ("text/plain", b"Buy milk")
        assert (by_id["id"], by_id["file_access"]) == (hidden.id, "check_file_info")
        told = await client_of(slack).files_info(file=hidden.id)
        assert await download(told["file"]["url_private"], slack.bot.token) == ("text/plain", b"And bread")

    async def test_an_edit_tells_before_and_after(self, slack, bolt):
        ts = await slack.say(GENERAL, ANNA, "6 times 7?")
        await slack.edit(GENERAL, ts, "<@U0PARLEY1> 6 times 7?")
        (changed,) = bolt.events("message.message_changed")
        assert (changed["message"]["ts"], changed["previous_message"]["text"]) == (ts, "6 times 7?")
        assert changed["ts"] != ts
        (mention,) = bolt.events("app_mention")
        assert (mention["ts"], mention["edited"]["user"]) == (ts, ANNA)

    async def test_a_link_that_is_unfurled_is_a_change_that_nobody_made(self, slack, bolt):
        ts = await slack.say(GENERAL, ANNA, "see https://example.com/")
        await slack.unfurl(GENERAL, ts)
        (changed,) = bolt.events("message.message_changed")
        assert changed["message"]["text"] == changed["previous_message"]["text"]
        assert "edited" not in changed["message"]

    async def test_a_deleted_message_is_gone_or_leaves_a_tombstone(self, slack, bolt):
        root, other = await slack.say(GENERAL, ANNA, "a"), await slack.say(GENERAL, ANNA, "b")
        await client_of(slack).chat_postMessage(channel=GENERAL, text="c", thread_ts=root)
        await slack.delete(GENERAL, other)
        await slack.delete(GENERAL, root)
        (gone,), (left,) = bolt.events("message.message_deleted"), bolt.events("message.message_changed")
        assert (gone["deleted_ts"], left["message"]["subtype"], left["message"]["ts"]) == (other, "tombstone", root)
        assert [m.text for m in slack.messages(GENERAL)] == ["c"]

    async def test_a_reply_can_be_for_the_whole_channel(self, slack, bolt):
        root = await slack.say(GENERAL, ANNA, "a")
        await slack.say(GENERAL, BORIS, "b", thread_ts=root, is_broadcast=True)
        (event,) = bolt.events("message.thread_broadcast")
        assert (event["thread_ts"], event["root"]["text"], event["parent_user_id"]) == (root, "a", ANNA)

    async def test_whoever_joins_is_told_of(self, slack, bolt):
        await slack.join(SECRET, BORIS)
        assert [event["user"] for event in bolt.events("message.group_join")] == [BORIS]

    async def test_reactions_name_the_author_of_the_message(self, slack, bolt):
        sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42")
        await slack.react(GENERAL, sent["ts"], ANNA, "+1::skin-tone-2")
        await slack.unreact(GENERAL, sent["ts"], ANNA, "+1::skin-tone-2")
        added, removed = bolt.events("reaction_added")[0], bolt.events("reaction_removed")[0]
        assert (added["reaction"], added["item_user"], added["item"]["ts"]) == (
            "+1::skin-tone-2",
            "U0PARLEY1",
            sent["ts"],
        )
        assert removed["event_ts"] > added["event_ts"]

    async def test_the_app_hears_of_its_own_messages(self, slack):
        heard = Heard(slack)
        own: list[bytes] = []

        async def handle(request: web.Request) -> web.Response:
            own.append(await request.read())
            return await heard.handle(request)

        async with serving(handle) as slack.events_url:
            await client_of(slack).chat_postMessage(channel=DM, text="hello")
            await slack.settle()
        (body,) = map(json.loads, own)
        assert (body["event"]["bot_id"], body["event"]["text"]) == ("B0PARLEY1", "hello")
        assert heard.bodies == []  # Bolt passes over them by itself

    async def test_the_home_is_opened_on_a_tab(self, slack, bolt):
        await slack.open_home(ANNA)
        (event,) = bolt.events("app_home_opened")
        assert (event["tab"], event["channel"], event["user"]) == ("messages", DM, ANNA)

    async def test_an_app_that_is_removed_hears_so_and_nothing_after(self, slack, bolt):
        await slack.uninstall()
        assert sorted(event["type"] for event in bolt.events()) == ["app_uninstalled", "tokens_revoked"]
        await slack.say(DM, ANNA, "hello")
        assert len(bolt.bodies) == 2


class TestWhatPeoplePress:
    async def test_a_thumb_says_which_one_and_is_answered_by_its_url(self, slack, bolt):
        pressed: list[dict[str, Any]] = []

        @bolt.app.middleware
        async def thank(body: Any, respond: Any, next: Any) -> None:
            if body.get("type") == "block_actions":
                pressed.append(body)
                await respond("thanks")
            await next()

        sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42", blocks=[BUTTONS, ACTIONS])
        delivery = await slack.click(GENERAL, sent["ts"], ANNA, "feedback", is_positive=False)
        assert delivery.status == 200
        (body,) = pressed
        assert (body["actions"][0]["value"], body["actions"][0]["type"]) == ("down:reply-1", "feedback_buttons")
        assert (body["container"]["message_ts"], body["message"]["ts"]) == (sent["ts"], sent["ts"])
        assert [(m.text, m.ephemeral_to) for m in slack.ephemeral] == [("thanks", ANNA)]

    async def test_a_press_on_an_ephemeral_message_does_not_tell_the_message(self, slack, bolt):
        sent = await client_of(slack).chat_postEphemeral(channel=GENERAL, user=ANNA, text="stop?", blocks=[ACTIONS])
        await slack.click(GENERAL, sent["message_ts"], ANNA, "stop")
        (body,) = bolt.bodies
        assert body["container"] == {
            "type": "message",
            "message_ts": sent["message_ts"],
            "channel_id": GENERAL,
            "is_ephemeral": True,
        }
        assert "message" not in body

    async def test_a_button_that_is_not_there_cannot_be_pressed(self, slack, bolt):
        sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42", blocks=[BUTTONS])
        with pytest.raises(LookupError, match="stop"):
            await slack.click(GENERAL, sent["ts"], ANNA, "stop")

    async def test_a_press_is_told_once(self, slack, bolt):
        bolt.status = 503
        slack.courier.echoes = False
        sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42", blocks=[ACTIONS])
        delivery = await slack.click(GENERAL, sent["ts"], ANNA, "stop")
        assert (delivery.status, delivery.retries) == (503, 0)

    async def test_a_modal_opens_complains_and_closes(self, slack, bolt):
        await slack.click(GENERAL, await self._answer(slack), ANNA, "stop")
        client, trigger = client_of(slack), bolt.bodies[-1]["trigger_id"]
        await client.views_open(trigger_id=trigger, view=MODAL)
        async with refused("exchanged_trigger_id"):
            await client.views_open(trigger_id=trigger, view=MODAL)
        (view,) = slack.open_views(ANNA)
        with pytest.raises(LookupError, match="comment"):
            await slack.submit(view, ANNA, {"reason": {"reason": "wrong"}})
        filled = {"reason": {"reason": "wrong"}, "comment": {"comment": "It is 41."}}
        answer: dict[str, Any] = {"response_action": "errors", "errors": {"comment": "No."}}
        bolt.app.middleware(answering(answer))
        await slack.submit(view, ANNA, filled)
        assert (view.errors, view.is_open) == ({"comment": "No."}, True)
        answer.clear()
        await slack.submit(view, ANNA, filled)
        assert slack.open_views(ANNA) == []

    async def test_a_modal_tells_what_was_written_and_chosen(self, slack, bolt):
        await slack.click(GENERAL, await self._answer(slack), ANNA, "stop")
        opened = await client_of(slack).views_open(trigger_id=bolt.bodies[-1]["trigger_id"], view=MODAL)
        view = slack.views[opened["view"]["id"]]
        await slack.submit(view, ANNA, {"reason": {"reason": "wrong"}, "comment": {"comment": "It is 41."}})
        told = bolt.bodies[-1]["view"]
        assert told["state"]["values"]["comment"]["comment"]["value"] == "It is 41."
        assert told["state"]["values"]["reason"]["reason"]["selected_option"]["value"] == "wrong"
        assert (told["private_metadata"], told["callback_id"]) == ('{"reply": "reply-1"}', "feedback")

    async def test_a_modal_is_changed_unless_somebody_was_faster(self, slack, bolt):
        await slack.click(GENERAL, await self._answer(slack), ANNA, "stop")
        client = client_of(slack)
        opened = (await client.views_open(trigger_id=bolt.bodies[-1]["trigger_id"], view=MODAL))["view"]
        thanks = {"type": "modal", "title": {"type": "plain_text", "text": "Thanks"}, "blocks": [{"type": "divider"}]}
        await client.views_update(view_id=opened["id"], hash=opened["hash"], view=thanks)
        async with refused("hash_conflict"):
            await client.views_update(view_id=opened["id"], hash=opened["hash"], view=thanks)
        assert slack.views[opened["id"]].body["title"]["text"] == "Thanks"

    @pytest.mark.parametrize(
        "more",
        [
            {"title": {"type": "plain_text", "text": "a" * 25}},
            {"private_metadata": "a" * 3001},
            {"submit": None},
            {"colour": "red"},
        ],
    )
    async def test_a_modal_that_slack_would_not_open_is_refused(self, slack, bolt, more):
        async with refused("invalid_arguments"):
            await client_of(slack).views_open(trigger_id="1.1.trigger", view=MODAL | more)

    async def test_a_command_is_answered_at_once_and_later(self, slack, bolt):
        bolt.app.middleware(answering({"response_type": "ephemeral", "text": "at once"}))
        delivery = await slack.command(GENERAL, ANNA, "/parley", "what is 1 < 2 & ü?")
        assert (delivery.payload["text"], delivery.status) == ("what is 1 < 2 & ü?", 200)
        statuses = []
        async with aiohttp.ClientSession() as session:
            for number in range(5):
                said = {"text": f"later {number}", "response_type": "in_channel"}
                async with session.post(delivery.payload["response_url"], json=said) as response:
                    statuses.append(response.status)
        assert [(m.text, m.ephemeral_to) for m in slack.ephemeral] == [("at once", ANNA)]
        assert [m.text for m in slack.messages(GENERAL)] == [f"later {number}" for number in range(4)]
        assert statuses == [200] * 4 + [404]  # five uses, and the answer at once was one of them

    async def test_the_pressed_message_is_replaced_or_deleted_by_its_url(self, slack, bolt):
        ts = await self._answer(slack)
        for said in ({"replace_original": True, "text": "stopped"}, {"delete_original": True}):
            slack.messages(GENERAL)[0].blocks = [ACTIONS]
            await slack.click(GENERAL, ts, ANNA, "stop")
            url = bolt.bodies[-1]["response_url"]
            async with aiohttp.ClientSession() as session, session.post(url, json=said) as response:
                assert response.status == 200
            assert [m.text for m in slack.messages(GENERAL)] == (["stopped"] if "text" in said else [])

    async def _answer(self, slack: Platform) -> str:
        slack.courier.echoes = False
        sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42", blocks=[ACTIONS])
        return str(sent["ts"])


class TestRedelivery:
    async def test_an_event_is_told_again_until_it_is_taken(self, slack, bolt):
        bolt.status = 503
        waiting = asyncio.create_task(slack.say(DM, ANNA, "hello"))
        await slack.until(lambda: len(bolt.requests) == 2)
        bolt.status = 200
        await waiting
        told = [(r.headers.get("X-Slack-Retry-Num"), r.headers.get("X-Slack-Retry-Reason")) for r in bolt.requests]
        assert told == [(None, None), ("1", "http_error"), ("2", "http_error")]
        assert [body["event"]["text"] for body in bolt.bodies] == ["hello"]
        assert slack.deliveries[0].retries == 2

    async def test_after_three_more_times_it_is_given_up(self, slack, bolt):
        bolt.status = 500
        await slack.say(DM, ANNA, "hello")
        assert [attempt.status for attempt in slack.deliveries[0].attempts] == [500] * 4

    async def test_whoever_is_too_slow_is_told_again(self, slack, bolt):
        slack.courier.ack_seconds = 0.05
        slack.courier.retry_delays = (0,)
        hang = asyncio.Event()

        async def slow(request: web.Request) -> web.Response:
            bolt.requests.append(request)
            await hang.wait()
            return web.Response()

        async with serving(slow) as slack.events_url:
            await slack.say(DM, ANNA, "hello")
            hang.set()
        assert [(a.status, a.reason) for a in slack.deliveries[0].attempts] == [(None, "http_timeout")] * 2
        assert bolt.requests[1].headers["X-Slack-Retry-Reason"] == "http_timeout"

    async def test_whoever_is_not_there_is_told_again(self, slack, bolt):
        async with serving(bolt.handle) as gone:
            pass
        slack.events_url = gone
        await slack.say(DM, ANNA, "hello")
        assert {attempt.reason for attempt in slack.deliveries[0].attempts} == {"connection_failed"}

    async def test_an_app_can_ask_to_be_spared(self, slack):
        async def no(request: web.Request) -> web.Response:
            return web.Response(status=400, headers={"x-slack-no-retry": "1"})

        async with serving(no) as slack.events_url:
            await slack.say(DM, ANNA, "hello")
        assert slack.deliveries[0].retries == 0

    async def test_three_hundred_messages_are_told_at_once(self, slack, bolt):
        slack.courier.ack_seconds = 60
        await asyncio.gather(*(slack.say(DM, ANNA, f"{number}") for number in range(300)))
        assert sorted(int(event["text"]) for event in bolt.events()) == list(range(300))
        assert all(delivery.is_accepted for delivery in slack.deliveries)


class Socket:
    """The Socket Mode client of the SDK, which takes or passes over what it is sent."""

    def __init__(self, slack: Platform) -> None:
        self.client = SocketModeClient(
            app_token=APP_TOKEN, web_client=client_of(slack, ""), ping_interval=0.2, auto_reconnect_enabled=True
        )
        self.requests: list[SocketModeRequest] = []
        self.is_acknowledging = True
        self.client.socket_mode_request_listeners.append(self._take)

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.requests.append(request)
        if self.is_acknowledging:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))


@pytest.fixture
async def socket(slack: Platform) -> AsyncGenerator[Socket, None]:
    opened = Socket(slack)
    await opened.client.connect()
    await slack.until(lambda: slack.sockets.links)
    yield opened
    await close(opened.client)


class TestSocketMode:
    async def test_a_bot_token_opens_no_socket(self, slack):
        async with refused("not_allowed_token_type"):
            await client_of(slack).apps_connections_open(app_token=slack.bot.token)
        async with refused("invalid_auth"):
            await client_of(slack).apps_connections_open(app_token="xapp-nobody")

    async def test_a_ticket_is_good_once(self, slack, socket):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await socket.client.aiohttp_client_session.ws_connect(socket.client.wss_uri)

    async def test_an_event_is_acknowledged(self, slack, socket):
        await slack.say(DM, ANNA, "hello")
        (request,) = socket.requests
        assert (request.type, request.payload["event"]["text"], request.retry_attempt) == ("events_api", "hello", 0)
        assert slack.deliveries[0].is_accepted

    async def test_what_is_not_acknowledged_is_sent_again(self, slack, socket):
        slack.courier.ack_seconds, socket.is_acknowledging = 0.05, False
        waiting = asyncio.create_task(slack.say(DM, ANNA, "hello"))
        await slack.until(lambda: len(socket.requests) == 2)
        socket.is_acknowledging = True
        await waiting
        assert [(r.retry_attempt, r.retry_reason) for r in socket.requests] == [
            (0, ""),
            (1, "timeout"),
            (2, "timeout"),
        ]
        assert len({request.payload["event_id"] for request in socket.requests}) == 1
        assert len({request.envelope_id for request in socket.requests}) == 3

    async def test_a_bolt_app_answers_through_the_socket(self, slack):
        heard = Heard(slack)
        heard.app.middleware(answering({"text": "at once"}, "command"))
        handler = AsyncSocketModeHandler(heard.app, APP_TOKEN, web_client=client_of(slack, ""), ping_interval=0.2)
        await handler.connect_async()
        try:
            await slack.say(GENERAL, ANNA, "<@U0PARLEY1> hello")
            await slack.command(GENERAL, ANNA, "/parley", "hello")
            slack.courier.echoes = False
            sent = await client_of(slack).chat_postMessage(channel=GENERAL, text="42", blocks=[BUTTONS])
            assert (await slack.click(GENERAL, sent["ts"], ANNA, "feedback")).is_accepted
        finally:
            await close(handler.client)
        assert sorted(event["type"] for event in heard.events()) == ["app_mention", "message"]
        assert [m.text for m in slack.ephemeral] == ["at once"]

    async def test_a_socket_that_is_refreshed_is_replaced_without_loss(self, slack, socket):
        (old,) = slack.sockets.links
        await slack.disconnect("refresh_requested")
        await slack.say(DM, ANNA, "hello")
        assert [request.payload["event"]["text"] for request in socket.requests] == ["hello"]
        await slack.until(lambda: old not in slack.sockets.links)

    async def test_a_socket_that_is_cut_is_replaced_without_loss(self, slack, socket):
        slack.cut_sockets()
        await slack.say(DM, ANNA, "hello")
        assert [request.payload["event"]["text"] for request in socket.requests] == ["hello"]

    async def test_a_silent_socket_loses_what_it_is_sent_until_it_is_replaced(self, slack, socket):
        slack.mute_sockets()
        slack.courier.ack_seconds, slack.courier.retry_delays = 0.05, ()
        await slack.say(DM, ANNA, "hello")
        assert (slack.deliveries[0].is_accepted, socket.requests) == (False, [])
        await slack.until(lambda: any(not link.is_mute for link in slack.sockets.links))
        slack.courier.ack_seconds = 3
        assert (await slack.deliver(slack.deliveries[0].payload)).is_accepted
        assert [request.payload["event"]["text"] for request in socket.requests] == ["hello"]

    async def test_events_go_round_the_open_sockets(self, slack, socket):
        other = Socket(slack)
        await other.client.connect()
        await slack.until(lambda: len(slack.sockets.links) == 2)
        for number in range(4):
            await slack.say(DM, ANNA, f"{number}")
        await close(other.client)
        assert (len(socket.requests), len(other.requests)) == (2, 2)

    async def test_slack_pings_its_sockets(self, slack):
        slack.sockets.ping_seconds = 0.01
        async with aiohttp.ClientSession() as session:
            url = (await client_of(slack).apps_connections_open(app_token=APP_TOKEN))["url"]
            async with session.ws_connect(url, autoping=False) as opened:
                kinds = [(await opened.receive(timeout=5)).type for _ in range(3)]
        assert kinds == [aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PING]


PLAIN = {"type": "plain_text", "text": "Reason"}
MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "feedback",
    "private_metadata": '{"reply": "reply-1"}',
    "title": {"type": "plain_text", "text": "Feedback"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": PLAIN,
            "element": {
                "type": "radio_buttons",
                "action_id": "reason",
                "options": [{"text": PLAIN, "value": value} for value in ("wrong", "slow")],
            },
        },
        {
            "type": "input",
            "block_id": "comment",
            "label": PLAIN,
            "element": {"type": "plain_text_input", "action_id": "comment", "multiline": True},
        },
    ],
}


def answering(answer: dict[str, Any], key: str = "token") -> Any:
    """A Bolt middleware that acknowledges with this what has the key."""

    async def answer_at_once(body: Any, ack: Any, next: Any) -> Any:
        if key not in body:
            return await next()
        return await ack(**answer)

    return answer_at_once


def is_our_own(payload: dict[str, Any]) -> bool:
    """What Bolt passes over by itself: messages of the app that it serves."""
    event = payload.get("event", {})
    messages = (event, event.get("message", {}), event.get("previous_message", {}))
    return any(message.get("user") == "U0PARLEY1" for message in messages)


async def replies(client: AsyncWebClient, ts: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await client.conversations_replies(channel=GENERAL, ts=ts))["messages"]
    return told


async def download(url: str, token: str) -> tuple[str, bytes]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(url) as response,
    ):
        assert response.status == 200
        return response.content_type, await response.read()


async def close(client: SocketModeClient) -> None:
    """Closes the client and waits for its tasks, which it cancels and forgets."""
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await client.close()
    await asyncio.gather(*filter(None, tasks), return_exceptions=True)
