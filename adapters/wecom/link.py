"""One open WebSocket to WeCom: frames out, each with its answer, and frames in."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from time import time
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from adapters.wecom.errors import NotLetIn, Unsure, failure
from adapters.wecom.tempo import Tempo
from core.errors import ChannelError, DoorLost, RateLimited, trace

log = logging.getLogger(__name__)

_MISSED = 2  # pings in a row without an answer

Frame = Mapping[str, Any]
Take = Callable[[Frame], None]


class Kicked(ChannelError):
    """Another program has opened the connection of this bot."""


class Closed(ChannelError):
    """The connection was lost."""


@dataclass(slots=True, eq=False)
class _Turn:
    """Whose turn it is to send with one req_id; `users` are the one that sends and those that wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Link:
    """Frames are JSON objects; an answer names nothing but the req_id of what it answers."""

    def __init__(self, socket: ClientWebSocketResponse, tempo: Tempo) -> None:
        self._socket = socket
        self._tempo = tempo
        self._awaited: dict[str, asyncio.Future[Frame | None]] = {}
        self._turns: dict[str, _Turn] = {}
        self._is_over = False

    @property
    def is_open(self) -> bool:
        return not (self._is_over or self._socket.closed)

    async def send(self, cmd: str, body: Mapping[str, Any] | None, req_id: str = "") -> Mapping[str, Any]:
        """Sends one frame, after those with the same req_id; the body of its answer.

        Raises DoorLost where it was not sent, Unsure where no answer came, else what WeCom refuses it with.
        """
        req_id = req_id or f"{cmd}_{int(time() * 1000)}_{token_hex(4)}"
        frame = {"cmd": cmd, "headers": {"req_id": req_id}} | ({} if body is None else {"body": body})
        async with self._turn(req_id):
            answer = await self._answer(frame, req_id)
        if code := answer.get("errcode"):
            raise failure(code if isinstance(code, int) else 0, str(answer.get("errmsg", "")))
        told = answer.get("body")
        return told if isinstance(told, Mapping) else {}

    async def read(self, take: Take) -> None:
        """Hands on what WeCom has to say, until it is closed: raises Closed, or Kicked.

        Nothing is waited for here: whatever waits for an answer waits for this.
        """
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._read(_frame(message.data), take)
        raise Closed(f"WebSocket code {self._socket.close_code}")

    async def ping(self) -> None:
        """Asks for a sign of life again and again; raises Closed where there is none."""
        missed = 0
        while True:
            await asyncio.sleep(0.0 if missed else self._tempo.ping_every)
            try:
                await self.send("ping", None)
                missed = 0
            except Unsure:
                missed += 1
            except ChannelError as error:
                if not isinstance(error, RateLimited) or isinstance(error, NotLetIn):
                    raise Closed(str(error)) from error
                missed = 0  # whoever asks us to wait is there
            if missed == _MISSED:
                raise Closed("two pings went unanswered")

    def close(self) -> None:
        """No answer will come any more, and nothing is sent."""
        self._is_over = True
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_result(None)
        self._awaited.clear()

    def _read(self, frame: Frame, take: Take) -> None:
        if not frame.get("cmd"):
            answer = self._awaited.pop(_req_id(frame), None)
            if answer is not None and not answer.done():
                answer.set_result(frame)
        elif _is_kick(frame):
            raise Kicked
        else:
            try:
                take(frame)
            except Exception as error:
                log.error("a frame of WeCom was not understood: %s", trace(error))

    async def _answer(self, frame: Frame, req_id: str) -> Frame:
        if late := self._awaited.get(req_id):  # of the frame before, and not to be taken for the answer to this one
            await asyncio.wait({late}, timeout=self._tempo.late_within)
        if self._is_over:
            raise DoorLost
        answer = self._awaited[req_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._tempo.ack_within):
                await self._socket.send_str(_encoded(frame))
                told: Frame | None = await asyncio.shield(answer)
        except TimeoutError:
            raise Unsure(f"there was no answer to {frame['cmd']}") from None
        except ConnectionError:
            self._awaited.pop(req_id, None)
            raise DoorLost from None
        if told is None:
            raise Unsure(f"the connection was lost before {frame['cmd']} was answered")
        return told

    @asynccontextmanager
    async def _turn(self, req_id: str) -> AsyncIterator[None]:
        """WeCom takes one frame of a req_id at a time, and names nothing else in its answer."""
        turn = self._turns.setdefault(req_id, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[req_id]


def _encoded(frame: Frame) -> str:
    """As JSON in UTF-8, in which half a character has no place."""
    return json.dumps(frame, ensure_ascii=False).encode(errors="replace").decode()


def _frame(text: str) -> Frame:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        frame = None
    if isinstance(frame, dict):
        return frame
    log.error("WeCom sent a frame that is no JSON object")
    return {}


def _req_id(frame: Frame) -> str:
    headers = frame.get("headers")
    return str(headers.get("req_id", "")) if isinstance(headers, Mapping) else ""


def _is_kick(frame: Frame) -> bool:
    body = frame.get("body")
    event = body.get("event") if isinstance(body, Mapping) else None
    return isinstance(event, Mapping) and event.get("eventtype") == "disconnected_event"
