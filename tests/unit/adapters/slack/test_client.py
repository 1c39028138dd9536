"""What slack_sdk's client meets on the wire, and what we make of it. Time is the test's own: nobody waits."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from adapters.slack import client as room
from adapters.slack.client import (
    Client,
    Clients,
    MissingScope,
    NotLetIn,
    Paces,
    SlackRefused,
    StreamEnded,
    Unsure,
    refusal,
)
from adapters.slack.posting import PostingClient
from core.errors import ChannelError, RateLimited, Undeliverable
from tests.unit.adapters.slack.web_api import Answer, WebApi, web_api

TEAM, OTHER_TEAM, CHANNEL = "T0PARLEY1", "T0PARLEY2", "C0GENERAL"
TOKEN = "xoxb-of-the-tests"
WORDS = "what somebody asked in confidence"
OK = Answer({"ok": True, "ts": "1700000000.000100"})
BUSY = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "7"})
BROKEN = Answer({"ok": False, "error": "internal_error"}, 500)

# Each of what is said once at most, and of what may be repeated.
ONCE = ["chat_postMessage", "chat_startStream", "chat_appendStream", "chat_postEphemeral", "views_open"]
REPEATED = ["chat_update", "chat_stopStream", "chat_delete", "users_info", "conversations_replies", "auth_test"]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "chat_postMessage": {"channel": CHANNEL, "text": WORDS},
    "chat_startStream": {"channel": CHANNEL, "thread_ts": "1.1"},
    "chat_appendStream": {"channel": CHANNEL, "ts": "1.1", "markdown_text": WORDS},
    "chat_postEphemeral": {"channel": CHANNEL, "user": "U0ANNA001", "text": WORDS},
    "views_open": {"trigger_id": "1.2.3", "view": {}},
    "chat_update": {"channel": CHANNEL, "ts": "1.1", "text": WORDS},
    "chat_stopStream": {"channel": CHANNEL, "ts": "1.1"},
    "chat_delete": {"channel": CHANNEL, "ts": "1.1"},
    "users_info": {"user": "U0ANNA001"},
    "conversations_replies": {"channel": CHANNEL, "ts": "1.1"},
    "auth_test": {},
}


class Time:
    """A clock that a sleep moves on, and what was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time(monkeypatch) -> Time:
    time = Time()
    monkeypatch.setattr(room, "monotonic", time.monotonic)
    monkeypatch.setattr(room, "asyncio", SimpleNamespace(sleep=time.sleep))
    return time


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        yield api


async def token_of(workspace: str) -> str | None:
    return {TEAM: TOKEN, OTHER_TEAM: f"{TOKEN}-2"}.get(workspace)


@pytest.fixture
async def clients(slack: WebApi) -> AsyncGenerator[Clients, None]:
    clients = Clients(slack.url, token_of)
    yield clients
    await clients.close()


@pytest.fixture
async def client(clients: Clients) -> Client:
    return await clients.of(TEAM)


def api_name(method: str) -> str:
    """As it stands in the address."""
    return method.replace("_", ".")


def in_turn(slack: WebApi, method: str, *answers: Answer) -> None:
    """Each call is answered by the next of these, and all further ones by the last."""
    left = list(answers)
    slack.answers[api_name(method)] = lambda _: left.pop(0) if len(left) > 1 else left[0]


def call(client: Client, method: str, **more: Any) -> Awaitable[Any]:
    return client.call(method, **ARGUMENTS[method], **more)


def asked(slack: WebApi) -> dict[str, int]:
    return dict(Counter(call.method for call in slack.calls))


async def test_the_answers_fields_come_back_and_the_token_goes_along(slack, client):
    slack.answers["chat.postMessage"] = lambda _: OK
    assert (await call(client, "chat_postMessage"))["ts"] == "1700000000.000100"
    assert [(call.method, call.token) for call in slack.calls] == [("chat.postMessage", TOKEN)]


async def test_whom_and_what_a_call_is_about_stands_in_no_address(slack, client):
    slack.answer("users.info", {"ok": True})
    slack.answer("conversations.replies", {"ok": True})
    await client.call("users_info", user="U0ANNA001", include_locale=True)
    await client.call("conversations_replies", channel=CHANNEL, ts="1.1", limit=200, cursor=None)
    assert [call.path for call in slack.calls] == ["/api/users.info", "/api/conversations.replies"]
    assert [dict(call.fields) for call in slack.calls] == [
        {"user": "U0ANNA001", "include_locale": "true"},
        {"channel": CHANNEL, "ts": "1.1", "limit": "200"},
    ]


# ------------------------------------------------------------------------------------------------------- 429


@pytest.mark.parametrize("method", ["chat_postMessage", "chat_update"])
async def test_where_slack_asks_to_wait_the_call_is_repeated_after_that(slack, client, time, method):
    in_turn(slack, method, BUSY, BUSY, OK)
    assert (await call(client, method))["ok"]
    assert asked(slack) == {api_name(method): 3}
    assert len(time.slept) == 2
    assert all(7 <= seconds <= 7.2 for seconds in time.slept)


async def test_a_wait_beyond_all_patience_is_told_at_once(slack, client, time):
    in_turn(slack, "chat_postMessage", Answer({"ok": False}, 429, {"Retry-After": "61"}))
    with pytest.raises(RateLimited) as caught:
        await call(client, "chat_postMessage")
    assert caught.value.retry_after == timedelta(seconds=61)
    assert (slack.count("chat.postMessage"), time.slept) == (1, [])


async def test_patience_is_for_all_waits_together_and_not_a_number_of_tries(slack, client, time):
    in_turn(slack, "chat_postMessage", BUSY)
    with pytest.raises(RateLimited):
        await call(client, "chat_postMessage", patience=60)
    assert slack.count("chat.postMessage") == 9  # at 0, 7.1, ... and 57 s
    assert sum(time.slept) <= 60


async def test_who_has_no_patience_does_not_even_ask_before_the_time(slack, client, time):
    in_turn(slack, "chat_update", BUSY, OK)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await call(client, "chat_update", patience=0)
        assert timedelta(seconds=6) < caught.value.retry_after <= timedelta(seconds=7)
    assert slack.count("chat.update") == 1
    time.now += 7
    assert (await call(client, "chat_update", patience=0))["ok"]


async def test_the_limit_of_one_method_holds_all_its_callers_there_and_nobody_else(slack, clients, time):
    slack.answers |= {"chat.postMessage": lambda _: OK}
    in_turn(slack, "chat_update", BUSY, OK)
    with pytest.raises(RateLimited):
        await call(await clients.of(TEAM), "chat_update", patience=0)
    await call(await clients.of(TEAM), "chat_postMessage", patience=0)
    await call(await clients.of(OTHER_TEAM), "chat_update", patience=0)
    assert time.slept == []
    assert (await call(await clients.of(TEAM), "chat_update"))["ok"]
    assert len(time.slept) == 1
    assert time.slept[0] >= 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 1.0), ({"retry-after": "3"}, 3.0), ({"Retry-After": "soon"}, 1.0), ({"Retry-After": "0"}, 0.1)],
)
async def test_how_long_is_read_from_the_header_whatever_else_is_answered(slack, client, time, headers, seconds):
    for answer in (Answer("", 429, headers), Answer("{", 429, headers | {"Content-Type": "application/json"})):
        in_turn(slack, "chat_postMessage", answer)
        with pytest.raises(RateLimited) as caught:
            await call(client, "chat_postMessage", patience=0)
        assert caught.value.retry_after.total_seconds() == pytest.approx(seconds)
        time.now += seconds


async def test_the_limit_told_with_status_200_is_waited_for_as_well(slack, client, time):
    in_turn(slack, "chat_postMessage", Answer({"ok": False, "error": "ratelimited"}), OK)
    assert (await call(client, "chat_postMessage"))["ok"]
    assert len(time.slept) == 1
    assert time.slept[0] >= 1


def test_the_later_of_two_limits_counts(time):
    paces = Paces()
    paces.hold("chat_update", 5)
    paces.hold("chat_update", 2)
    assert paces.wait_of("chat_update") == 5
    assert paces.wait_of("chat_delete") == 0
    time.now += 6
    assert paces.wait_of("chat_update") == 0


# ------------------------------------------------------------------------------------------- where Slack itself fails


@pytest.mark.parametrize("method", REPEATED)
async def test_what_may_be_repeated_is_tried_again_where_slack_failed(slack, client, time, method):
    in_turn(slack, method, BROKEN, BROKEN, BROKEN, OK)
    assert (await call(client, method))["ok"]
    assert asked(slack) == {api_name(method): 4}
    assert sorted(time.slept) == time.slept
    assert 0.5 <= min(time.slept) <= max(time.slept) <= 4


async def test_four_tries_are_enough(slack, client, time):
    in_turn(slack, "chat_update", BROKEN)
    with pytest.raises(Unsure, match=r"chat\.update: HTTP status 500"):
        await call(client, "chat_update")
    assert (slack.count("chat.update"), len(time.slept)) == (4, 3)


@pytest.mark.parametrize(("patience", "calls"), [(0, 1), (0.4, 1), (1.1, 2), (60, 4)])
async def test_no_pause_between_two_tries_is_longer_than_patience(slack, client, time, patience, calls):
    in_turn(slack, "chat_update", BROKEN)
    with pytest.raises(Unsure):
        await call(client, "chat_update", patience=patience)
    assert slack.count("chat.update") == calls
    assert sum(time.slept) <= patience


def test_what_may_be_repeated_is_what_slack_sdk_can_do():
    assert all(hasattr(PostingClient, method) for method in room._REPEATABLE)
    assert set(REPEATED) <= room._REPEATABLE
    assert not set(ONCE) & room._REPEATABLE


@pytest.mark.parametrize("method", ONCE)
@pytest.mark.parametrize("answer", [BROKEN, Answer({"ok": False, "error": "fatal_error"}), Answer("", 503)])
async def test_what_would_be_said_twice_is_never_repeated(slack, client, time, method, answer):
    in_turn(slack, method, answer)
    with pytest.raises(Unsure):
        await call(client, method)
    assert (asked(slack), time.slept) == ({api_name(method): 1}, [])


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html>", 200, {"Content-Type": "text/html"}),
        Answer("ok", 200),
        Answer("", 200),
        Answer("{", 200, {"Content-Type": "application/json"}),
        Answer("[1]", 200, {"Content-Type": "application/json"}),
        Answer("null", 200, {"Content-Type": "application/json"}),
        Answer("{}", 200, {"Content-Type": "application/json"}),
        Answer("1" * 5_000, 200, {"Content-Type": "application/json"}),
        Answer('"\xff"', 200, {"Content-Type": "application/json; charset=ascii"}),
    ],
)
async def test_an_answer_that_cannot_be_read_says_nothing_of_what_was_taken(slack, client, time, answer):
    in_turn(slack, "chat_postMessage", answer)
    with pytest.raises(Unsure):
        await call(client, "chat_postMessage")
    assert slack.count("chat.postMessage") == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html>", 404, {"Content-Type": "text/html"}),
        Answer("no", 404),
        Answer("{", 404, {"Content-Type": "application/json"}),
        Answer("[1]", 404, {"Content-Type": "application/json"}),
    ],
)
@pytest.mark.parametrize("method", ["chat_postMessage", "chat_update"])
async def test_where_there_is_no_slack_at_that_address_the_operator_is_told(slack, client, time, method, answer):
    in_turn(slack, method, answer)
    with pytest.raises(SlackRefused, match=rf"HTTP status {answer.status}; check slack\.api_url"):
        await call(client, method)
    assert asked(slack) == {api_name(method): 1}


@pytest.mark.parametrize("status", [400, 403, 407, 408, 425])
async def test_what_is_refused_without_a_word_of_slacks_own_may_be_taken_later(slack, client, time, status):
    in_turn(slack, "chat_postMessage", Answer("{}", status, {"Content-Type": "application/json"}))
    with pytest.raises(ChannelError, match=rf"HTTP status {status}; check slack\.api_url") as refused:
        await call(client, "chat_postMessage")
    assert not isinstance(refused.value, SlackRefused | Unsure)


@asynccontextmanager
async def a_peer(behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Something on a free port that is no web server; its address as that of an API."""
    server = await asyncio.start_server(behave, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/"


@pytest.mark.parametrize(("method", "requests"), [("chat_postMessage", 1), ("chat_update", 4)])
async def test_a_connection_that_breaks_leaves_open_what_was_taken(time, method, requests):
    received: list[bytes] = []

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    async with a_peer(break_off) as url:
        clients = Clients(url, token_of)
        with pytest.raises(Unsure):
            await call(await clients.of(TEAM), method)
        await clients.close()
    assert len(received) == requests
    assert all(f"POST /api/{api_name(method)} ".encode() in request for request in received)


async def test_a_call_that_is_not_answered_ends_and_leaves_open_what_was_taken(monkeypatch, slack, time):
    monkeypatch.setattr(room, "_TIMEOUT", 0.05)
    slack.answers["chat.postMessage"] = lambda _: OK
    slack.gate.clear()
    clients = Clients(slack.url, token_of)
    with pytest.raises(Unsure, match="no answer in time"):
        await call(await clients.of(TEAM), "chat_postMessage")
    slack.gate.set()
    await clients.close()
    assert slack.count("chat.postMessage") == 1


async def test_where_nobody_listens_nothing_is_certain_either(time):
    async with a_peer(lambda reader, writer: asyncio.sleep(0)) as url:
        pass
    clients = Clients(url, token_of)
    with pytest.raises(Unsure):
        await call(await clients.of(TEAM), "chat_postMessage")
    await clients.close()


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        ("invalid_auth", "install the app again"),
        ("token_revoked", "install the app again"),
        ("token_expired", "install the app again"),
        ("account_inactive", "install it again"),
        ("channel_not_found", "invite it"),
        ("not_in_channel", "invite it"),
        ("msg_blocks_too_long", "please report this"),
        ("invalid_blocks", "please report this"),
        ("no_text", "please report this"),
        ("is_archived", "was archived"),
        ("thread_not_found", "was deleted"),
        ("message_not_found", "was deleted"),
        ("user_not_found", "does not know this person"),
        ("restricted_action", "a rule of this workspace"),
        ("an_error_of_tomorrow", "its error code tells why"),
    ],
)
async def test_a_refusal_says_what_to_do_and_is_not_repeated(slack, client, time, code, todo):
    slack.refuse("chat.update", code)
    with pytest.raises(SlackRefused) as caught:
        await call(client, "chat_update")
    assert caught.value.code == code
    assert str(caught.value).startswith("Slack refuses this: chat.update: ")
    assert str(caught.value).endswith(f"({code})")
    assert todo in str(caught.value)
    assert isinstance(caught.value, Undeliverable)
    assert slack.count("chat.update") == 1


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        ("invalid_auth", "replace PARLEY_SLACK_APP_TOKEN"),
        ("not_allowed_token_type", "replace PARLEY_SLACK_APP_TOKEN"),
        ("missing_scope", "lacks the scope connections:write"),
    ],
)
async def test_a_refused_socket_is_put_down_to_the_app_token(slack, client, code, todo):
    slack.refuse("apps.connections.open", code, needed="connections:write")
    with pytest.raises(SlackRefused) as caught:
        await client.call("apps_connections_open", app_token="xapp-of-the-tests")
    assert todo in str(caught.value)
    assert "BOT_TOKEN" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "is_about_token"),
    [
        ("account_inactive", True),
        ("invalid_auth", True),
        ("not_authed", True),
        ("token_expired", True),
        ("token_revoked", True),
        ("missing_scope", False),
        ("not_in_channel", False),
    ],
)
def test_what_another_token_would_mend_is_known(code, is_about_token):
    refused = refusal("chat_update", code, {})
    assert isinstance(refused, SlackRefused)
    assert refused.is_about_token is is_about_token


def test_an_answer_that_waits_for_another_token_says_why():
    waiting = NotLetIn(SlackRefused("token_revoked"))
    assert waiting.retry_after == timedelta(seconds=30)
    assert "the token was revoked; install the app again (token_revoked)" in str(waiting)
    assert not isinstance(waiting, Undeliverable)


async def test_a_stream_that_has_ended_is_told_from_other_refusals(slack, client, time):
    slack.refuse("chat.appendStream", "message_not_in_streaming_state")
    with pytest.raises(StreamEnded, match="the stream has ended"):
        await call(client, "chat_appendStream")


async def test_a_missing_scope_is_named(slack, client, time):
    slack.refuse("users.info", "missing_scope", needed="users:read", provided="chat:write")
    with pytest.raises(MissingScope, match=r"users\.info needs the scope users:read; add it to the manifest"):
        await call(client, "users_info")
    assert str(refusal("chat_update", "missing_scope", {})).count("scope ?") == 1


@pytest.mark.parametrize("code", sorted(room._TRANSIENT))
def test_a_fault_of_slacks_own_is_no_refusal(code):
    error = refusal("chat_update", code, {})
    assert isinstance(error, Unsure)
    assert not isinstance(error, Undeliverable)


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        Answer({"ok": False, "error": "invalid_auth"}),
        Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "600"}),
        Answer({"ok": False, "error": "missing_scope", "needed": "chat:write"}),
        Answer(f"{TOKEN} {WORDS}", 500),
        Answer(f"{TOKEN} {WORDS}", 200),
        Answer(f"{TOKEN} {WORDS}", 200, {"Content-Type": "application/json"}),
    ],
)
async def test_no_error_and_no_line_of_the_log_tells_the_token_or_what_was_said(slack, client, time, caplog, answer):
    caplog.set_level(logging.DEBUG)
    in_turn(slack, "chat_postMessage", answer)
    with pytest.raises(ChannelError) as caught:
        await call(client, "chat_postMessage")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    for secret in (TOKEN, WORDS):
        assert secret not in str(caught.value)
        assert secret not in caplog.text


# -------------------------------------------------------------------------------------------- a token that is refused


def told(caplog) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if "token" in record.getMessage()]


@pytest.mark.parametrize("code", ["account_inactive", "invalid_auth", "token_revoked"])
async def test_a_token_that_is_refused_is_told_once_until_it_works_again(slack, clients, time, caplog, code):
    caplog.set_level(logging.INFO, logger="adapters")
    for _ in range(2):
        for method in ("chat_postMessage", "users_info", "chat_postMessage"):
            slack.refuse(method.replace("_", "."), code)
            with pytest.raises(SlackRefused):
                await call(await clients.of(TEAM), method)
        ((level, sentence),) = told(caplog)
        assert level == "ERROR"
        assert f"the token of {TEAM} ({code})" in sentence
        assert "Install the app there again, or replace PARLEY_SLACK_BOT_TOKEN" in sentence
        caplog.clear()
        slack.answers["users.info"] = lambda _: OK
        for _ in range(2):
            await call(await clients.of(TEAM), "users_info")
        assert told(caplog) == [("INFO", f"Slack accepts the token of {TEAM} again")]
        caplog.clear()


async def test_each_workspaces_token_is_told_for_itself(slack, clients, time, caplog):
    slack.refuse("auth.test", "token_revoked")
    for workspace in (TEAM, OTHER_TEAM, TEAM):
        with pytest.raises(SlackRefused):
            await call(await clients.of(workspace), "auth_test")
    assert [sentence.split(" (")[0][-len(TEAM) :] for _, sentence in told(caplog)] == [TEAM, OTHER_TEAM]


async def test_another_refusal_says_nothing_of_the_token(slack, clients, time, caplog):
    slack.refuse("chat.postMessage", "not_in_channel")
    with pytest.raises(SlackRefused):
        await call(await clients.of(TEAM), "chat_postMessage")
    assert told(caplog) == []


# ------------------------------------------------------------------------------------------------------ workspaces


async def test_each_workspace_is_told_with_its_own_token_over_one_pool_of_connections(slack, clients):
    slack.answers["auth.test"] = lambda _: OK
    for workspace in (TEAM, OTHER_TEAM, TEAM):
        await call(await clients.of(workspace), "auth_test")
    assert [call.token for call in slack.calls] == [TOKEN, f"{TOKEN}-2", TOKEN]
    assert clients.session is clients.session


async def test_a_workspace_without_the_app_is_told_nothing(slack, clients):
    with pytest.raises(SlackRefused, match="not installed") as caught:
        await clients.of("T0NOBODY1")
    assert caught.value.code == "not_installed"
    assert slack.calls == []


async def test_a_pool_that_was_closed_is_opened_anew(slack, clients):
    slack.answers["auth.test"] = lambda _: OK
    first = clients.session
    await clients.close()
    assert first.closed
    assert (await call(await clients.of(TEAM), "auth_test"))["ok"]


async def test_closing_what_was_never_opened_does_nothing():
    await Clients("https://slack.com/api/", token_of).close()


# --------------------------------------------------------------------------------------------------- whose address


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com/files-pri/T0PARLEY1-F0NOTES01/notes.txt",
        "https://hooks.slack.com/actions/T0PARLEY1/1/invented",
        "https://parley-test.enterprise.slack.com/files/1",
        "https://slack.com/api/files.info",
        "https://FILES.SLACK.COM/x",
        "https://files.slack.com:443/x",
    ],
)
def test_slacks_own_addresses_are_known(url):
    assert Clients("https://slack.com/api/", token_of).is_slacks(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files.slack.com",
        "//files.slack.com/x",
        "http://files.slack.com/x",
        "http://slack.com/x",
        "ftp://files.slack.com/x",
        "file:///etc/passwd",
        "https:///files.slack.com/",
        "https://slack.com.evil.example/x",
        "https://evil-slack.com/x",
        "https://slack.com-evil.example/x",
        "https://evil.example/files.slack.com",
        "https://evil.example?.slack.com",
        "https://evil.example#.slack.com",
        "https://files.slack.com@evil.example/x",
        "https://files.slack.com:443@evil.example/x",
        "https://evil.example@files.slack.com/x",
        "https://user:word@files.slack.com/x",
        "https://evil.example\\@files.slack.com/x",
        "https://evil.example／.slack.com/x",
        "https://[::1/x",
        "https://127.0.0.1/x",
        "\ud800",
    ],
)
def test_nobody_elses_address_is_slacks(url):
    assert not Clients("https://slack.com/api/", token_of).is_slacks(url)


async def test_where_the_api_itself_is_counts_as_slacks_host_and_port(slack, clients):
    assert clients.is_slacks(slack.url + "files/1")
    here = URL(slack.url)
    assert not clients.is_slacks(str(here.with_port(1)))
    assert not clients.is_slacks(str(here.with_host("localhost")))
    assert not clients.is_slacks(str(here.with_scheme("https")))


HOSTS = ["files.slack.com", ".slack.com", "slack.com", "evil.example", "user", "[::1]", "443"]
SIGNS = ["@", ":", "/", "\\", "?", "#", "[", "]", "%2f", "%40", "\t", "\n", " ", ".", ";", "。", "／", "\u00ad", "\0"]


@given(st.lists(st.sampled_from(HOSTS + SIGNS), max_size=6).map(lambda pieces: "https://" + "".join(pieces)))
def test_the_library_that_sends_never_reads_another_host_out_of_it(url):
    if not Clients("https://slack.com/api/", token_of).is_slacks(url):
        return
    try:
        sent_to = URL(url)
    except ValueError:
        return  # then it is sent nowhere
    assert sent_to.scheme == "https"
    assert sent_to.host == "slack.com" or str(sent_to.host).endswith(".slack.com")
    assert sent_to.user is None
