"""A Teams client that was not written by us: npm's Microsoft 365 Agents Playground, on the loopback interface.

It installs the bot, talks in all three kinds of chats, shows streams and cards, and rates. It signs nothing, names no
message in a vote, sends a vote's words as bare text, and checks neither the sizes nor the pace of what it is sent.
"""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.process import free_port
from tests.peers import npm

PEER = Path(__file__).parent / "peers" / "playground"
CLI = Path("node_modules") / "@microsoft" / "m365agentsplayground" / "cli.js"

# Who sits before it; its other people cannot speak.
PERSON = "user-id-0"
_STREAM = "/_ws_conversation/v1/conversations/stream"


@dataclass(eq=False)
class Shown:
    """A message as the person sees it `now`. `texts` are all it ever said, `kinds` the streamType of each or ""."""

    id: str
    chat: str
    now: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.now.get("text") or ""

    @property
    def is_streaming(self) -> bool:
        return self.kinds[-1] in ("informative", "streaming")

    @property
    def card(self) -> dict[str, Any] | None:
        """The Adaptive Card it carries."""
        contents = [
            each["content"] for each in self.now["attachments"] if each["contentType"].endswith("card.adaptive")
        ]
        return contents[0] if contents else None


@dataclass(eq=False)
class Playground:
    """The running client, with the bot's answers as they came. `personal`, `group` and `channel` are chats' ids."""

    url: str
    pid: int
    session: aiohttp.ClientSession
    bot: str
    tenant: str
    person: dict[str, Any]
    personal: str
    group: str
    channel: str
    shown: dict[str, Shown] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def install(self, chat: str) -> None:
        """The person adds the bot there."""
        await self._post(f"/_debug/conversation/{chat}/installation", {})

    async def say(self, chat: str, text: str, *, is_mention: bool = False) -> tuple[str, str]:
        """The message's id, and the chat where answers to it appear: in a channel, the post that it began."""
        mention = f"<at>{self.bot}</at>"
        said: dict[str, Any] = {
            "type": "text",
            "textFormat": "plain",
            "from": {"id": PERSON},
            "text": f"{mention} {text}" if is_mention else text,
            "mentions": [{"mentioned": {"id": self.bot}, "text": mention}] if is_mention else [],
        }
        told = await self._post(f"/_conversation/v1/conversations/{chat}/messages", said)
        return told["messageId"], told.get("postConversationId") or chat

    async def rate(self, chat: str, reaction: str, words: str = "") -> Any:
        """A thumb, `like` or `dislike`, and what the person says with it. Raises where the bot does not take it."""
        value = {"actionName": "feedback", "actionValue": {"reaction": reaction, "feedback": words}}
        vote = {"name": "message/submitAction", "from": {"id": PERSON}, "conversation": {"id": chat}, "value": value}
        return await self._post("/_conversation/v1/invoke", vote)

    async def press(self, message: Shown, action: dict[str, Any]) -> Any:
        """An Action.Execute of a card."""
        value = {"action": action, "trigger": "manual"}
        pressed = {"name": "adaptiveCard/action", "from": {"id": PERSON}, "value": value, "replyToId": message.id}
        return await self._post("/_conversation/v1/invoke", {**pressed, "conversation": {"id": message.chat}})

    async def react(self, message: Shown, kind: str, *reactions: str, is_removal: bool = False) -> None:
        """It has no picker for reactions, and so is told what Teams would send: `kind` is a conversationType."""
        activity = {
            "type": "messageReaction",
            "id": f"f:{message.id}:{'-'.join(reactions)}:{is_removal}",
            "channelId": "msteams",
            "serviceUrl": f"{self.url}/_connector",
            "from": {"id": PERSON, "aadObjectId": self.person["aadObjectId"], "name": self.person["name"]},
            "recipient": {"id": self.bot},
            "conversation": {"id": message.chat, "conversationType": kind, "tenantId": self.tenant},
            "replyToId": message.id,
            ("reactionsRemoved" if is_removal else "reactionsAdded"): [{"type": each} for each in reactions],
        }
        await self._post("/_internal/v1/customActivities", activity)

    def answers(self, chat: str) -> list[Shown]:
        """What the bot said there, oldest first, cards left out."""
        return [each for each in self.shown.values() if each.chat == chat and not each.card]

    def cards(self, chat: str) -> list[Shown]:
        return [each for each in self.shown.values() if each.chat == chat and each.card]

    async def until(self, found: Callable[[], bool], seconds: float = 20) -> None:
        """Returns once `found` holds; asked whenever something new is shown."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(found)
        except TimeoutError:
            told = [(each.chat, each.texts, each.kinds) for each in self.shown.values()]
            raise AssertionError(f"not seen in {seconds} s; shown: {told}") from None

    async def answer(self, chat: str, text: str) -> Shown:
        """The whole answer that says this."""

        def there() -> list[Shown]:
            return [each for each in self.answers(chat) if each.text == text and not each.is_streaming]

        await self.until(lambda: bool(there()))
        return there()[-1]

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Notes what is shown, until the socket closes."""
        async for frame in socket:
            await self._note(frame.json())

    async def _note(self, told: dict[str, Any]) -> None:
        if (message := told.get("message")) is None or message["from"]["id"] == PERSON:
            return
        async with self.changed:
            chat = message.get("postConversationId") or told["actionConversationId"]
            shown = self.shown.setdefault(message["messageId"], Shown(message["messageId"], chat))
            shown.now = message
            shown.texts.append(message.get("text") or "")
            shown.kinds.append((message.get("streamEntity") or {}).get("streamType", ""))
            self.changed.notify_all()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.session.post(path, json=body) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{path}: {answer.status} {text}"
            return await answer.json() if "json" in answer.content_type else text


@cache
def _installed() -> Path | npm.Unreachable:
    try:
        return npm.installed(PEER)
    except npm.Unreachable as error:
        return error


def _home() -> Path:
    """Where it is installed; a loud skip where npm cannot get it."""
    if isinstance(found := _installed(), npm.Unreachable):
        pytest.skip(f"NO TEAMS CLIENT to test with: {PEER.name} comes from npm. {found}")
    return found


@asynccontextmanager
async def playground(endpoint: str, folder: Path) -> AsyncGenerator[Playground, None]:
    """A fresh one for the bot at `endpoint`, with its log in `folder`; skips where npm cannot get it."""
    async with (
        _process(_home(), endpoint, folder) as (url, pid),
        aiohttp.ClientSession(url) as session,
        session.ws_connect(_STREAM) as socket,
    ):
        async with session.get("/_internal/v1/config") as answer:
            config = (await answer.json())["config"]
        client = Playground(
            url,
            pid,
            session,
            bot=config["bot"]["id"],
            tenant=config["tenantId"],
            person=config["currentUser"],
            personal=config["personalChat"]["id"],
            group=config["groupChats"][0]["id"],
            channel=config["teams"][0]["channels"][1]["id"],
        )
        listening = asyncio.create_task(client.listen(socket))
        try:
            yield client
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def _process(home: Path, endpoint: str, folder: Path) -> AsyncGenerator[tuple[str, int], None]:
    """Its address and pid. It ends with its standard input, so also when whoever started it is killed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    options = ("-e", endpoint, "-c", "msteams", "-p", str(port), "--su", f"{url}/_connector", "--dt")
    process = await asyncio.create_subprocess_exec(
        *(npm.NODE, "--require", PEER / "loopback.cjs", home / CLI, *options),
        cwd=folder,
        env={},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        if line.split() != [b"Listening", b"on", str(port).encode()]:
            process.kill()
            _, said = await process.communicate()
            raise RuntimeError(
                f"the Playground did not start on port {port}:\n{line!r} {said.decode(errors='replace')}"
            )
        yield url, process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
