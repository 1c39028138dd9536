"""What people attach is fetched with the bot's token from Slack alone; what we attach goes where it belongs."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.slack.client import Clients, SlackRefused, Unsure
from adapters.slack.files import described, fetch, upload
from core.errors import ChannelError, NotFound, Refused
from core.message import Attachment, Image, ThreadId

TEAM, TOKEN = "T0PARLEY1", "xoxb-of-the-tests"
THREAD = ThreadId("slack", TEAM, "C0GENERAL", "1700000000.000100")
LIMIT = 64 * 1024


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    authorization: str
    fields: Mapping[str, str]
    body: bytes


@dataclass
class Host:
    """A server with files and as much of the Web API as files need; `answers` are by path."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=dict)

    def file(self, path: str, body: bytes, *, status: int = 200, **headers: str) -> str:
        """Puts one there; its address."""
        given = {"Content-Type": "text/plain"} | {name.replace("_", "-"): value for name, value in headers.items()}

        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=body, status=status, headers=given)

        self.answers[path] = answer
        return self.at(path)

    def method(self, name: str, answer: Mapping[str, Any]) -> None:
        async def respond(request: web.Request) -> web.Response:
            return web.json_response(dict(answer))

        self.answers[f"/api/{name}"] = respond

    def at(self, path: str) -> str:
        return self.url + path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fields = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        self.asked.append(Asked(request.path, request.headers.get("Authorization", ""), fields, body))
        return await self.answers[request.path](request)


async def a_host() -> AsyncGenerator[Host, None]:
    host = Host()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", host.handle)
    async with TestServer(app) as server:
        host.url = str(server.make_url("/")).rstrip("/")
        yield host


@pytest.fixture
async def slack() -> AsyncGenerator[Host, None]:
    async for host in a_host():
        yield host


@pytest.fixture
async def elsewhere() -> AsyncGenerator[Host, None]:
    async for host in a_host():
        host.file("/notes.txt", b"a trap")
        yield host


async def token_of(workspace: str) -> str | None:
    return TOKEN if workspace == TEAM else None


@pytest.fixture
async def clients(slack) -> AsyncGenerator[Clients, None]:
    clients = Clients(slack.at("/api/"), token_of)
    yield clients
    await clients.close()


def attached(url: str, media_type: str = "text/plain") -> Attachment:
    return Attachment("F0NOTES01", "notes.txt", media_type, 12, {"workspace": TEAM, "url": url})


async def test_a_file_is_fetched_with_the_bots_token(slack, clients):
    url = slack.file("/notes.txt", b"flour\nmilk\n")
    assert await fetch(clients, attached(url), LIMIT) == b"flour\nmilk\n"
    assert [(asked.path, asked.authorization) for asked in slack.asked] == [("/notes.txt", f"Bearer {TOKEN}")]


async def test_an_empty_file_has_no_bytes(slack, clients):
    assert await fetch(clients, attached(slack.file("/empty.txt", b"")), LIMIT) == b""


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
async def test_a_file_up_to_the_limit_is_fetched_whole(slack, clients, size):
    assert len(await fetch(clients, attached(slack.file("/notes.txt", b"x" * size)), LIMIT)) == size


async def test_a_file_above_the_limit_is_refused(slack, clients):
    url = slack.file("/notes.txt", b"x" * (LIMIT + 1))
    with pytest.raises(Refused, match="more than 65536 bytes"):
        await fetch(clients, attached(url), LIMIT)


async def test_a_file_without_end_is_not_read_to_its_end(slack, clients):
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 16_384)
        except (ConnectionResetError, asyncio.CancelledError):
            left.set()
            raise

    slack.answers["/endless.txt"] = endless
    with pytest.raises(Refused):
        await fetch(clients, attached(slack.at("/endless.txt")), LIMIT)
    async with asyncio.timeout(10):
        await left.wait()


async def test_what_was_packed_is_measured_unpacked(slack, clients):
    async def packed(request: web.Request) -> web.Response:
        response = web.Response(body=b"x" * 10 * LIMIT, content_type="text/plain")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    slack.answers["/packed.txt"] = packed
    with pytest.raises(Refused):
        await fetch(clients, attached(slack.at("/packed.txt")), LIMIT)


# ----------------------------------------------------------------------------------------------------- no token for


async def test_nobody_but_slack_is_asked_for_a_file(slack, elsewhere, clients):
    with pytest.raises(NotFound):
        await fetch(clients, attached(elsewhere.at("/notes.txt")), LIMIT)
    assert elsewhere.asked == slack.asked == []


async def test_a_redirect_is_not_followed(slack, elsewhere, clients):
    for status in (301, 302, 303, 307, 308):
        url = slack.file("/moved.txt", b"", status=status, Location=elsewhere.at("/notes.txt"))
        with pytest.raises(NotFound):
            await fetch(clients, attached(url), LIMIT)
    assert elsewhere.asked == []


async def test_the_page_of_the_sign_in_is_no_file(slack, clients):
    url = slack.file("/notes.txt", b"<html>Sign in</html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(NotFound):
        await fetch(clients, attached(url), LIMIT)
    assert await fetch(clients, attached(url, "text/html"), LIMIT) == b"<html>Sign in</html>"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_file_that_is_gone_or_kept_from_us_is_not_found(slack, clients, status):
    with pytest.raises(NotFound):
        await fetch(clients, attached(slack.file("/notes.txt", b"no", status=status)), LIMIT)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_file_that_slack_cannot_give_now_may_be_had_later(slack, clients, status):
    with pytest.raises(ChannelError, match=f"HTTP status {status}"):
        await fetch(clients, attached(slack.file("/notes.txt", b"no", status=status)), LIMIT)


async def test_a_connection_that_breaks_leaves_no_half_of_a_file(slack, clients):
    async def breaking(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    slack.answers["/half.txt"] = breaking
    with pytest.raises(Unsure, match="a file"):
        await fetch(clients, attached(slack.at("/half.txt")), LIMIT)


async def test_a_workspace_without_the_app_has_no_files(clients):
    with pytest.raises(SlackRefused, match="not installed"):
        await fetch(clients, Attachment("F1", "", "", None, {"workspace": "T0NOBODY1", "url": ""}), LIMIT)


async def test_no_error_tells_the_token_or_the_address(slack, clients, caplog):
    caplog.set_level(logging.DEBUG, logger="adapters")
    url = slack.file("/secret-name.txt", b"no", status=500)
    with pytest.raises(ChannelError) as caught:
        await fetch(clients, attached(url), LIMIT)
    for text in (str(caught.value), caplog.text):
        assert TOKEN not in text
        assert "secret-name" not in text


# --------------------------------------------------------------------------------------------- known by its id alone


def bare(workspace: str = TEAM) -> Attachment:
    """As the event tells it."""
    return Attachment("F0NOTES01", "", "", None, {"workspace": workspace, "url": ""})


def told(**changes: Any) -> dict[str, Any]:
    """A file object."""
    return {"id": "F0NOTES01", "name": "notes.txt", "mimetype": "text/plain", "size": 12, **changes}


@pytest.mark.parametrize("key", ["url_private", "url_private_download"])
async def test_of_a_file_that_came_as_an_id_slack_is_asked_the_rest(slack, clients, key):
    url = slack.file("/notes.txt", b"flour")
    slack.method("files.info", {"ok": True, "file": told(**{key: url})})
    attachment = await described(clients, bare())
    assert attachment == attached(url)
    assert await fetch(clients, attachment, LIMIT) == b"flour"
    assert [asked.path for asked in slack.asked] == ["/api/files.info", "/notes.txt"]
    assert slack.asked[0].fields["file"] == "F0NOTES01"


async def test_also_then_nobody_but_slack_is_asked_for_it(slack, elsewhere, clients):
    slack.method("files.info", {"ok": True, "file": told(url_private=elsewhere.at("/notes.txt"))})
    with pytest.raises(NotFound):
        await fetch(clients, await described(clients, bare()), LIMIT)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": False, "error": "file_not_found"},
        {"ok": False, "error": "missing_scope", "needed": "files:read"},
        {"ok": False, "error": "ratelimited"},
        {"ok": True, "file": None},
        {"ok": True},
    ],
)
async def test_a_file_of_which_slack_says_no_more_stays_an_id_and_is_not_found(slack, clients, answer):
    slack.method("files.info", answer)
    assert await described(clients, bare()) == bare()
    with pytest.raises(NotFound):
        await fetch(clients, bare(), LIMIT)


async def test_a_file_without_an_address_is_not_found(slack, clients):
    slack.method("files.info", {"ok": True, "file": told()})
    attachment = await described(clients, bare())
    assert attachment == attached("")
    with pytest.raises(NotFound):
        await fetch(clients, attachment, LIMIT)


async def test_where_the_app_is_not_installed_a_file_stays_an_id(clients):
    assert await described(clients, bare("T0NOBODY1")) == bare("T0NOBODY1")


# ---------------------------------------------------------------------------------------------------------- our own


async def test_a_picture_goes_into_the_thread_with_its_description(slack, clients):
    slack.method("files.getUploadURLExternal", {"ok": True, "file_id": "F0BOAT001", "upload_url": slack.at("/up/1")})
    slack.method("files.completeUploadExternal", {"ok": True, "files": [{"id": "F0BOAT001"}]})
    slack.file("/up/1", b"OK - 4")
    await upload(await clients.of(TEAM), THREAD, Image(b"\x89PNG", "image/png", "a boat"))
    begun, sent, ended = slack.asked
    assert [asked.path for asked in slack.asked] == [
        "/api/files.getUploadURLExternal",
        "/up/1",
        "/api/files.completeUploadExternal",
    ]
    assert (begun.fields["filename"], begun.fields["length"]) == ("parley.png", "4")
    assert begun.fields["alt_txt"] == "a boat"
    assert (sent.body, sent.authorization) == (b"\x89PNG", "")
    assert (ended.fields["channel_id"], ended.fields["thread_ts"]) == (THREAD.channel, THREAD.thread)
    assert '"F0BOAT001"' in ended.fields["files"]


async def test_a_picture_of_an_unknown_kind_has_a_name_without_an_ending(slack, clients):
    slack.method("files.getUploadURLExternal", {"ok": False, "error": "invalid_arguments"})
    with pytest.raises(SlackRefused):
        await upload(await clients.of(TEAM), THREAD, Image(b"?", "image/of-tomorrow", "a boat"))
    assert slack.asked[0].fields["filename"] == "parley"


async def test_a_picture_that_does_not_arrive_is_told(slack, clients):
    slack.method("files.getUploadURLExternal", {"ok": True, "file_id": "F0BOAT001", "upload_url": slack.at("/up/1")})
    slack.file("/up/1", b"no", status=500)
    with pytest.raises(Unsure):
        await upload(await clients.of(TEAM), THREAD, Image(b"\x89PNG", "image/png", "a boat"))
    assert [asked.path for asked in slack.asked] == ["/api/files.getUploadURLExternal", "/up/1"]


async def test_a_picture_that_slack_does_not_want_is_refused(slack, clients):
    slack.method("files.getUploadURLExternal", {"ok": False, "error": "missing_scope", "needed": "files:write"})
    with pytest.raises(SlackRefused, match="files:write"):
        await upload(await clients.of(TEAM), THREAD, Image(b"\x89PNG", "image/png", "a boat"))
