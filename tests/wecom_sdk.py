"""Tencent's two SDKs of the AI bot, as clients that know nothing of us: npm's in a process of its own, PyPI's in ours.

The one from PyPI has no upload, no cipher for callbacks and no word of another connection; it is given no TLS context,
because it has no option for a plain address.
"""

import asyncio
import base64
import itertools
import json
import warnings
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from bench.platforms.wecom import BOT_ID, BOT_SECRET
from tests.peers import npm

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports what its own library no longer recommends
    import aibot
    import aibot.ws

PEER = Path(__file__).parent / "peers" / "wecom"
LINE_BYTES = 1 << 24
SECONDS = 15.0

Frame = dict[str, Any]


class SdkError(Exception):
    """What the SDK raised, in its own words."""


@dataclass(eq=False)
class Heard:
    """What an SDK emitted, in order: the event's name and its frame, or the words that came with it."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, name: str, frame: Any) -> None:
        self.events.append((name, frame))
        self.changed.set()

    def all(self, name: str) -> list[Any]:
        return [frame for event, frame in self.events if event == name]

    async def next(self, name: str, number: int = 0) -> Any:
        """The frame of the event of this name that came as the `number`th."""
        try:
            async with asyncio.timeout(SECONDS):
                while len(self.all(name)) <= number:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} in {SECONDS} s; heard: {self.events}") from None
        return self.all(name)[number]


class Client(Protocol):
    """What both can do. Each method returns the acknowledging frame, or raises SdkError."""

    heard: Heard

    async def stream(self, frame: Frame, id: str, text: str, finish: bool, feedback: str = "") -> Any: ...
    async def reply(self, frame: Frame, body: Frame) -> Any: ...
    async def welcome(self, frame: Frame, body: Frame) -> Any: ...
    async def update_card(self, frame: Frame, card: Frame, people: Sequence[str] = ()) -> Any: ...
    async def send(self, chat: str, body: Frame) -> Any: ...
    async def download(self, url: str, key: str) -> tuple[bytes, str]: ...


@dataclass(eq=False)
class NodeClient:
    """npm's, driven line by line."""

    process: Process
    heard: Heard = field(default_factory=Heard)
    _ids: Any = field(default_factory=itertools.count)
    _waiting: dict[int, "asyncio.Future[Any]"] = field(default_factory=dict)

    def open(self, url: str, **options: Any) -> None:
        self._write({"open": {"botId": BOT_ID, "secret": BOT_SECRET, "wsUrl": url} | options})

    async def stream(self, frame: Frame, id: str, text: str, finish: bool, feedback: str = "") -> Any:
        told = {"id": feedback} if feedback else None
        return await self.call("replyStream", frame, id, text, finish, [], told)

    async def reply(self, frame: Frame, body: Frame) -> Any:
        return await self.call("reply", frame, body)

    async def welcome(self, frame: Frame, body: Frame) -> Any:
        return await self.call("replyWelcome", frame, body)

    async def update_card(self, frame: Frame, card: Frame, people: Sequence[str] = ()) -> Any:
        return await self.call("updateTemplateCard", frame, card, *([list(people)] if people else []))

    async def send(self, chat: str, body: Frame) -> Any:
        return await self.call("sendMessage", chat, body)

    async def download(self, url: str, key: str) -> tuple[bytes, str]:
        told = await self.call("downloadFile", url, key)
        return base64.b64decode(told["buffer"]["base64"]), told["filename"]

    async def upload(self, content: bytes, kind: str, name: str) -> Any:
        return await self.call("uploadMedia", _bytes(content), {"type": kind, "filename": name})

    async def call(self, method: str, *args: Any) -> Any:
        return await self._asked({"call": method, "args": args})

    async def crypto(self, wire: Sequence[str], method: str, *args: Any) -> Any:
        """A method of WecomCrypto; `wire` is token, EncodingAESKey and receive id."""
        return await self._asked({"crypto": wire, "call": method, "args": args})

    async def listen(self) -> None:
        """Takes what it says, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            if "event" in told:
                self.heard.take(told["event"], told.get("frame"))
            else:
                self._answer(self._waiting.pop(told["id"]), told)

    def _answer(self, waiting: "asyncio.Future[Any]", told: Frame) -> None:
        if "refused" in told:
            waiting.set_exception(SdkError(told["refused"]))
        else:
            waiting.set_result(told["told"])

    async def _asked(self, asked: Frame) -> Any:
        id = next(self._ids)
        self._waiting[id] = asyncio.get_running_loop().create_future()
        self._write(asked | {"id": id})
        async with asyncio.timeout(SECONDS):
            return await self._waiting[id]

    def _write(self, asked: Frame) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")


class Silent:
    def debug(self, message: str, *args: object) -> None: ...

    info = warn = error = debug


class PythonClient:
    """PyPI's, in this very process."""

    def __init__(self, url: str, heartbeat_ms: int, secret: str) -> None:
        self.heard = Heard()
        options = aibot.WSClientOptions(
            bot_id=BOT_ID,
            secret=secret,
            ws_url=url,
            heartbeat_interval=heartbeat_ms,
            reconnect_interval=50,
            logger=Silent(),
        )
        self.client = aibot.WSClient(options)
        emit = self.client.emit

        def emitted(event: str, *args: Any) -> Any:
            self.heard.take(event, args[0] if args else None)
            return emit(event, *args)

        self.client.emit = emitted
        self.client.on("error", lambda error: None)

    async def stream(self, frame: Frame, id: str, text: str, finish: bool, feedback: str = "") -> Any:
        told = {"id": feedback} if feedback else None
        return await self._asked(self.client.reply_stream(frame, id, text, finish, feedback=told))

    async def reply(self, frame: Frame, body: Frame) -> Any:
        return await self._asked(self.client.reply(frame, body))

    async def welcome(self, frame: Frame, body: Frame) -> Any:
        return await self._asked(self.client.reply_welcome(frame, body))

    async def update_card(self, frame: Frame, card: Frame, people: Sequence[str] = ()) -> Any:
        return await self._asked(self.client.update_template_card(frame, card, list(people) or None))

    async def send(self, chat: str, body: Frame) -> Any:
        return await self._asked(self.client.send_message(chat, body))

    async def download(self, url: str, key: str) -> tuple[bytes, str]:
        content, name = await self.client.download_file(url, key)
        return content, name or ""

    async def _asked(self, work: Any) -> Any:
        try:
            return await work
        except (RuntimeError, TimeoutError) as error:
            raise SdkError(str(error)) from None


@cache
def _installed() -> Path | npm.Unreachable:
    try:
        return npm.installed(PEER)
    except npm.Unreachable as error:
        return error


@asynccontextmanager
async def node() -> AsyncGenerator[NodeClient, None]:
    """The process, with no client open yet; skips where npm cannot get the package."""
    if isinstance(home := _installed(), npm.Unreachable):
        pytest.skip(f"NO SDK to vouch for the stand-in: {PEER.name} comes from npm. {home}")
    process = await asyncio.create_subprocess_exec(
        *(npm.NODE, PEER / "client.mjs", home), env={}, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES
    )
    client = NodeClient(process)
    listening = asyncio.create_task(client.listen(), name="what npm's SDK says")
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def node_client(
    url: str, heartbeat_ms: int = 30000, secret: str = BOT_SECRET
) -> AsyncGenerator[NodeClient, None]:
    async with node() as client:
        client.open(url, heartbeatInterval=heartbeat_ms, secret=secret, maxAuthFailureAttempts=0, reconnectInterval=50)
        yield client


@asynccontextmanager
async def python_client(url: str, heartbeat_ms: int = 30000, secret: str = BOT_SECRET) -> AsyncGenerator[Client, None]:
    aibot.ws._SSL_CONTEXT = None
    client = PythonClient(url, heartbeat_ms, secret)
    await client.client.connect()
    try:
        yield client
    finally:
        client.client.disconnect()
        await client.client._ws_manager._async_disconnect()


def _bytes(content: bytes) -> Frame:
    return {"base64": base64.b64encode(content).decode()}


OPENERS: dict[str, Callable[..., Any]] = {"node": node_client, "python": python_client}
