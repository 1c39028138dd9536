"""Socket Mode: envelopes through WebSockets that the app opens, each acknowledged by its id."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from uuid import uuid4

from aiohttp import WSMsgType, web

from bench.platforms.slack.journal import Attempt, Journal
from bench.platforms.slack.payloads import APP, Payload

_MOST = 10  # connections of one app, "Using Socket Mode"
_CLOSE_SECONDS = 0.5
_HOST = {"host": "applink-parley"}
_KINDS = {"event_callback": "events_api", "block_actions": "interactive", "view_submission": "interactive"}


@dataclass(eq=False, slots=True)
class Link:
    """One open socket. `is_mute`: it stays open and says nothing; `is_retiring`: nothing new is sent through it."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    is_mute: bool = False
    is_retiring: bool = False
    pending: dict[str, "asyncio.Future[Payload]"] = field(default_factory=dict)

    async def send(self, payload: Payload) -> None:
        if not self.is_mute:
            with suppress(ConnectionError):
                await self.socket.send_str(json.dumps(payload))


class Sockets:
    """Every open socket. `ping_seconds` is how often Slack pings, `grace` how long a refreshed one stays."""

    def __init__(self, journal: Journal) -> None:
        self.links: list[Link] = []
        self.ping_seconds = 5.0
        self.grace = 0.5
        self._journal = journal
        self._turn = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One socket from its opening to its end."""
        socket = web.WebSocketResponse(autoping=False, timeout=_CLOSE_SECONDS)
        await socket.prepare(request)
        link = Link(socket, request.transport)
        if len(self.links) >= _MOST:
            await link.send({"type": "disconnect", "reason": "too_many_websockets", "debug_info": _HOST})
            await socket.close()
            return socket
        self.links.append(link)
        pings = asyncio.create_task(self._ping(link), name="pings of a socket")
        try:
            await self._welcome(link)
            await self._listen(link)
        finally:
            pings.cancel()
            self._forget(link)
        return socket

    async def send(self, payload: Payload, number: int, reason: str, timeout: float) -> tuple[Attempt, bytes]:
        """One try to have an envelope acknowledged; `number` and `reason` are those of a redelivery."""
        began = monotonic()
        try:
            async with asyncio.timeout(timeout):
                link = await self._journal.until(lambda: self._next(is_retry=number > 0), timeout)
                answer = await self._exchange(link, _envelope(payload, number, reason))
        except TimeoutError:
            return Attempt(None, "timeout", monotonic() - began), b""
        except ConnectionError:
            return Attempt(None, "connection_failed", monotonic() - began), b""
        return Attempt(200, "", monotonic() - began), json.dumps(answer).encode() if answer else b""

    async def disconnect(self, reason: str) -> None:
        """Slack's announcement; only after a mere warning the socket goes on ("Using Socket Mode")."""
        for link in self._open():
            await link.send({"type": "disconnect", "reason": reason, "debug_info": _HOST})
            if reason != "warning":
                link.is_retiring = True
                asyncio.get_running_loop().call_later(self.grace, _end, link)

    def mute(self) -> None:
        for link in self._open():
            link.is_mute = True

    def cut(self) -> None:
        """Ends them as a broken wire does: without a word."""
        for link in self._open():
            _end(link)

    async def close(self) -> None:
        for link in self._open():
            await link.socket.close()

    def _open(self) -> Iterable[Link]:
        return [link for link in self.links if not link.socket.closed]

    def _next(self, *, is_retry: bool) -> Link | None:
        """Whose turn it is. A redelivery goes where somebody answers, if there is such a socket."""
        ready = [link for link in self._open() if not link.is_retiring]
        if is_retry:
            ready = [link for link in ready if not link.is_mute] or ready
        if not ready:
            return None
        self._turn += 1
        return ready[self._turn % len(ready)]

    async def _exchange(self, link: Link, envelope: Payload) -> Payload:
        acknowledged: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        link.pending[envelope["envelope_id"]] = acknowledged
        try:
            await link.send(envelope)
            return await acknowledged
        finally:
            link.pending.pop(envelope["envelope_id"], None)

    async def _welcome(self, link: Link) -> None:
        hello: Payload = {"type": "hello", "num_connections": len(self.links), "debug_info": _HOST}
        await link.send(hello | {"connection_info": {"app_id": APP}})
        self._journal.tell()

    async def _listen(self, link: Link) -> None:
        async for message in link.socket:
            if link.is_mute:
                continue
            if message.type is WSMsgType.PING:
                await link.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                _acknowledge(link, message.data)

    async def _ping(self, link: Link) -> None:
        while not link.socket.closed:
            await asyncio.sleep(self.ping_seconds)
            if not link.is_mute:
                with suppress(ConnectionError):
                    await link.socket.ping(b"Ping from applink-parley")

    def _forget(self, link: Link) -> None:
        self.links.remove(link)
        for acknowledged in link.pending.values():
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionResetError())
        self._journal.tell()


def _envelope(payload: Payload, number: int, reason: str) -> Payload:
    kind = "slash_commands" if "command" in payload else _KINDS.get(payload["type"], "interactive")
    envelope: Payload = {"envelope_id": str(uuid4()), "payload": payload, "type": kind}
    if kind == "events_api":
        return envelope | {"accepts_response_payload": False, "retry_attempt": number, "retry_reason": reason}
    return envelope | {"accepts_response_payload": True}


def _acknowledge(link: Link, text: str) -> None:
    try:
        told = json.loads(text)
        acknowledged = link.pending[told["envelope_id"]]
    except (ValueError, TypeError, KeyError):  # of an envelope that was given up, or of none
        return
    if not acknowledged.done():
        payload = told.get("payload")
        acknowledged.set_result(payload if isinstance(payload, dict) else {})


def _end(link: Link) -> None:
    if link.transport is not None:
        link.transport.abort()
