"""The long connection: frames of JSON through a WebSocket that the bot opens (document 101463)."""

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiohttp import WSMsgType, web

from bench.platforms.wecom.bot import Bot
from bench.platforms.wecom.errors import CONCURRENT, LIMITED, WRONG_BOT, ApiError, invalid
from bench.platforms.wecom.faults import Broken, Faults, Lost, Refused
from bench.platforms.wecom.journal import Call, Journal, Payload
from bench.platforms.wecom.payloads import event_body

_CLOSE_SECONDS = 0.5
_FRAME_BYTES = 4 * 1024 * 1024


@dataclass(eq=False, slots=True)
class Link:
    """One open socket. `is_live`: it has subscribed and nobody has since; `is_mute`: it stays open, and that is all."""

    number: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    is_live: bool = False
    is_mute: bool = False
    busy: set[str] = field(default_factory=set)

    async def send(self, frame: Payload) -> bool:
        """Whether it could be sent."""
        if self.is_mute or self.socket.closed:
            return False
        with suppress(ConnectionError):
            await self.socket.send_str(json.dumps(frame, ensure_ascii=False))
            return True
        return False

    def end(self) -> None:
        """As a broken wire does it: without a word."""
        if self.transport is not None:
            self.transport.abort()


class Sockets:
    """Every open socket; one of them at most is live. `subscribe_limit` is how many may subscribe in a minute."""

    def __init__(self, bot: Bot, journal: Journal, faults: Faults) -> None:
        self.links: list[Link] = []
        self.subscribe_limit = 0
        self._bot = bot
        self._journal = journal
        self._faults = faults
        self._count = 0
        self._subscribed: list[float] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def live(self) -> Link | None:
        return next((link for link in self.links if link.is_live and not link.socket.closed), None)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One socket from its opening to its end."""
        socket = web.WebSocketResponse(timeout=_CLOSE_SECONDS, max_msg_size=_FRAME_BYTES)
        await socket.prepare(request)
        self._count += 1
        link = Link(self._count, socket, request.transport)
        self.links.append(link)
        self._journal.tell()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._in_background(self._take(link, message.data))
        finally:
            link.is_live = False
            self.links.remove(link)
            self._journal.tell()
        return socket

    async def push(self, cmd: str, req_id: str, body: Payload) -> bool:
        """Sends a callback through the live socket; False where there is none."""
        link = self.live
        return link is not None and await link.send({"cmd": cmd, "headers": {"req_id": req_id}, "body": body})

    async def kick(self) -> None:
        """As if another program had subscribed."""
        if (link := self.live) is not None:
            await self._kick(link)

    def mute(self) -> None:
        for link in self.links:
            link.is_mute = True

    def cut(self) -> None:
        for link in self.links:
            link.end()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in list(self.links):
            await link.socket.close()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="a frame of the long connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, link: Link, text: str) -> None:
        frame = _read(text)
        headers, args = frame.get("headers"), frame.get("body")
        req_id = str(headers.get("req_id", "")) if isinstance(headers, dict) else ""
        call = Call(str(frame.get("cmd")), args if isinstance(args, dict) else {}, req_id, link.number)
        if call.kind == "aibot_subscribe":
            call.args = {name: value for name, value in call.args.items() if name != "secret"}
        self._journal.calls.append(call)
        self._journal.tell()
        if link.is_mute:
            return
        told = await self._done(link, call, frame)
        if told is not None:
            call.told, call.code, call.ended = told, told["errcode"], monotonic()
            await link.send({"headers": {"req_id": req_id}, **told})
        self._journal.tell()

    async def _done(self, link: Link, call: Call, frame: Payload) -> Payload | None:
        """What is answered, None for nothing: one frame of a req_id at a time."""
        if call.req_id in link.busy:
            return ApiError(CONCURRENT).body
        link.busy.add(call.req_id)
        try:
            await self._faults.pause(call.kind)
            fault = self._faults.take(call.kind)
            if isinstance(fault, Refused):
                return fault.error.body
            if isinstance(fault, Broken) or (isinstance(fault, Lost) and not fault.is_done):
                return None
            told = await self._answer(link, call, frame)
            return None if isinstance(fault, Lost) else told
        finally:
            link.busy.discard(call.req_id)

    async def _answer(self, link: Link, call: Call, frame: Payload) -> Payload:
        try:
            if not call.req_id:
                raise invalid("req_id")
            body = await self._work(link, call, frame)
        except ApiError as error:
            return error.body
        return {"errcode": 0, "errmsg": "ok"} | ({"body": body} if body else {})

    async def _work(self, link: Link, call: Call, frame: Payload) -> Payload:
        if call.kind == "aibot_subscribe":
            return await self._subscribe(link, frame.get("body"))
        if not link.is_live:
            raise ApiError(WRONG_BOT, "not subscribed")
        if call.kind == "ping":
            return {}
        if not isinstance(frame.get("body"), dict):
            raise invalid("body")
        return self._command(call.kind)(call)

    def _command(self, kind: str) -> Callable[[Call], Payload]:
        bot, media = self._bot, self._bot.media
        commands: dict[str, Callable[[Call], Payload]] = {
            "aibot_respond_msg": lambda call: bot.respond(call.req_id, call.args),
            "aibot_respond_welcome_msg": lambda call: bot.welcome(call.req_id, call.args),
            "aibot_respond_update_msg": lambda call: bot.update(call.req_id, call.args),
            "aibot_send_msg": lambda call: bot.send(call.args),
            "aibot_upload_media_init": lambda call: media.begin(call.args),
            "aibot_upload_media_chunk": lambda call: media.add(call.args),
            "aibot_upload_media_finish": lambda call: media.finish(call.args),
        }
        if kind not in commands:
            raise invalid(f"cmd {kind}")
        return commands[kind]

    async def _subscribe(self, link: Link, body: Any) -> Payload:
        told = (body.get("bot_id"), body.get("secret")) if isinstance(body, dict) else ()
        now = self._bot.clock()
        self._subscribed = [at for at in self._subscribed if now - at < 60]
        if self.subscribe_limit and len(self._subscribed) >= self.subscribe_limit:
            raise ApiError(LIMITED)
        self._subscribed.append(now)
        if told != (self._bot.id, self._bot.secret):
            raise ApiError(WRONG_BOT)
        if (old := self.live) is not None and old is not link:
            await self._kick(old)
        link.is_live = True
        return {}

    async def _kick(self, link: Link) -> None:
        link.is_live = False
        headers = {"req_id": secrets.token_hex(16)}
        body = event_body(self._bot.id, "disconnected_event", {})
        await link.send({"cmd": "aibot_event_callback", "headers": headers, "body": body})
        self._in_background(_close(link))


async def _close(link: Link) -> None:
    with suppress(ConnectionError):
        await link.socket.close()


def _read(text: str) -> Payload:
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}
