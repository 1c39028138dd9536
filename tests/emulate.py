"""A Slack server that was not written by us: npm's `emulate`, in a process of its own on the loopback interface.

It signs and delivers message, message_changed, message_deleted, file_share, reactions and joins. It has no app_mention,
no clicks, no slash commands, no retries, no chat.*Stream, no assistant.* and no Socket Mode.
"""

import asyncio
import json
import secrets
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from adapters.slack.posting import PostingClient as PostingClient
from bench.process import free_port
from tests.peers import npm

PEER = Path(__file__).parent / "peers" / "emulate"

# Its one workspace has this id, whatever it is told. People and channels get ids of its own making.
WORKSPACE = "T000000001"
BOT_USER, BOT, APP = "U0PARLEY1", "B0PARLEY1", "A0PARLEY1"
BOT_TOKEN = "xoxb-parley"  # an unknown token is not refused here: it speaks for the workspace's admin
CLIENT_ID, CLIENT_SECRET = "1000.2000", "invented-client-secret"

PEOPLE = ("anna", "bo")
CHANNELS = ("town", "harbour")
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "reactions:read",
    "reactions:write",
    "users:read",
)


@dataclass(frozen=True, slots=True)
class Emulate:
    """The running server. `people` and `channels` are ids by name; what `deliveries` tells is in the order sent."""

    url: str
    pid: int
    signing_secret: str = field(repr=False)
    people: Mapping[str, str]
    channels: Mapping[str, str]

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def bot(self) -> PostingClient:
        return PostingClient(BOT_TOKEN, base_url=self.api_url)

    def person(self, name: str) -> PostingClient:
        """A client that acts as this person, as Slack's own app would."""
        return PostingClient(_token(name), base_url=self.api_url)

    async def direct(self, name: str) -> str:
        """The channel id of this person's direct messages with the bot."""
        opened = await self.person(name).conversations_open(users=BOT_USER)
        return str(opened["channel"]["id"])

    async def subscribe(self, events_url: str) -> None:
        """From now on events go there. No url_verification is sent, and no app settings are asked."""
        await self._ask("POST", "/peer/subscriptions", json={"url": events_url})

    async def deliveries(self) -> list[dict[str, Any]]:
        """Each with `payload`, `status_code` and `success`. A delivery ends before the call that caused it does."""
        told = await self._ask("GET", "/peer/deliveries")
        return list(json.loads(told))

    async def approve(self, authorize_url: str, name: str) -> str:
        """Where this person's browser is sent after a click on their name, `authorize_url` being Slack's page."""
        asked = dict(parse_qsl(urlsplit(authorize_url).query))
        await self._ask("GET", "/oauth/v2/authorize", params=asked)
        form = {"user_scope": "", **asked, "user_id": self.people[name]}
        async with aiohttp.ClientSession() as session:
            answer = await session.post(f"{self.url}/oauth/v2/authorize/callback", data=form, allow_redirects=False)
            assert answer.status == 302, answer.status
            return answer.headers["Location"]

    async def _ask(self, method: str, path: str, **request: Any) -> str:
        async with (
            aiohttp.ClientSession(self.url, raise_for_status=True) as session,
            session.request(method, path, **request) as answer,
        ):
            return await answer.text()


def _token(name: str) -> str:
    return f"xoxp-{name}"


@cache
def _installed() -> Path | npm.Unreachable:
    try:
        return npm.installed(PEER)
    except npm.Unreachable as error:
        return error


def _home() -> Path:
    """Where it is installed; a loud skip where npm cannot get it."""
    if isinstance(found := _installed(), npm.Unreachable):
        pytest.skip(f"NO SLACK SERVER to test with: {PEER.name} comes from npm. {found}")
    return found


@asynccontextmanager
async def emulated(
    *,
    people: Sequence[str] = PEOPLE,
    channels: Sequence[str] = CHANNELS,
    scopes: Collection[str] = SCOPES,
    redirect_urls: Sequence[str] = (),
) -> AsyncGenerator[Emulate, None]:
    """A fresh one with `people` and the bot in every one of `channels`; skips where npm cannot get it.

    The bot's token may do what `scopes` say and nothing else, people may do all. `redirect_urls` are where an
    installation may end. Nothing is delivered before `subscribe`.
    """
    signing_secret = secrets.token_hex(16)
    settings = {"port": free_port(), "seed": {"slack": _seed(signing_secret, people, channels, scopes, redirect_urls)}}
    async with _process(_home(), settings) as (url, pid):
        slack = Emulate(url, pid, signing_secret, {}, {})
        slack = Emulate(url, pid, signing_secret, await _people(slack, people), await _channels(slack, channels))
        for channel in slack.channels.values():
            await slack.person(people[0]).conversations_invite(channel=channel, users=BOT_USER)
        yield slack


def _seed(
    signing_secret: str,
    people: Sequence[str],
    channels: Sequence[str],
    scopes: Collection[str],
    redirect_urls: Sequence[str],
) -> dict[str, Any]:
    bot = {"app_id": APP, "client_id": CLIENT_ID, "bot_id": BOT, "bot_user_id": BOT_USER, "scopes": sorted(scopes)}
    named = {"name": "Parley", "bot_name": "parley", "client_secret": CLIENT_SECRET}
    return {
        "signing_secret": signing_secret,
        "strict_scopes": True,
        "users": [{"name": name, "real_name": name.title()} for name in people],
        "channels": [{"name": name} for name in channels],
        "oauth_apps": [{**bot, **named, "redirect_uris": list(redirect_urls)}],
        "tokens": [
            {**bot, "token": BOT_TOKEN, "type": "bot", "user_id": BOT_USER},
            *({"token": _token(name), "type": "user", "user": name} for name in people),
        ],
    }


@asynccontextmanager
async def _process(home: Path, settings: Mapping[str, Any]) -> AsyncGenerator[tuple[str, int], None]:
    """Its address and pid. It ends with its standard input, so also when whoever started it is killed."""
    process = await asyncio.create_subprocess_exec(
        npm.NODE, PEER / "launch.mjs", home, env={}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        if not line:
            _, said = await process.communicate()
            raise RuntimeError(f"emulate did not start:\n{said.decode(errors='replace')}")
        yield json.loads(line)["url"], process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _people(slack: Emulate, names: Sequence[str]) -> dict[str, str]:
    known = (await slack.bot().users_list())["members"]
    return {user["name"]: user["id"] for user in known if user["name"] in names}


async def _channels(slack: Emulate, names: Sequence[str]) -> dict[str, str]:
    known = (await slack.bot().conversations_list())["channels"]
    return {channel["name"]: channel["id"] for channel in known if channel["name"] in names}
