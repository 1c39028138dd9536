"""How WeCom calls a bot or an app back: sealed and signed, over HTTP, and again where nobody answered."""

import asyncio
import json
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import ParseError

import aiohttp
from defusedxml import ElementTree

from bench.platforms.wecom.crypto import Unreadable, Wire
from bench.platforms.wecom.journal import Attempt, Delivery, Journal, Payload
from bench.platforms.wecom.payloads import xml

ACK_SECONDS = 5.0  # documents 90238 and 101031
CHECK_SECONDS = 1.0


@dataclass(slots=True)
class Line:
    """Where one of the two is called back, and how it is sealed. `to` and `agent` stand unsigned in an app's XML."""

    way: str
    wire: Wire
    url: str = ""
    to: str = ""
    agent: str = ""

    def signed(self, encrypt: str, **more: str) -> tuple[str, str]:
        """The address with its query, and the nonce in it."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(8)
        query = {"msg_signature": self.wire.sign(timestamp, nonce, encrypt), "timestamp": timestamp, "nonce": nonce}
        return f"{self.url}?{urlencode(query | more)}", nonce

    def body(self, encrypt: str) -> bytes:
        if self.way == "callback":
            return json.dumps({"encrypt": encrypt}).encode()
        return xml({"ToUserName": self.to, "AgentID": self.agent, "Encrypt": encrypt}).encode()

    def plain(self, body: Payload) -> bytes:
        return json.dumps(body, ensure_ascii=False).encode() if self.way == "callback" else xml(body).encode()


class Courier:
    """Delivers to `bot.url` and `app.url`.

    What was not answered with 200 within `ack_seconds` is sent again, `redeliveries` times: messages and events of an
    app (document 90238), messages to a bot; a bot's events are sent once.
    """

    def __init__(self, journal: Journal, bot: Line, app: Line) -> None:
        self.bot = bot
        self.app = app
        self.ack_seconds = ACK_SECONDS
        self.redeliveries = 3
        self.retry_delay = 0.05
        self._journal = journal
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self) -> None:
        # A benchmark asks many things at once; whatever certificate the house has is good here.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, name="a delivery")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Returns once nothing is on its way any more, and no stream is asked for."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def send(self, delivery: Delivery, *, is_once: bool = False) -> Delivery:
        """Returns once it is answered or given up. Each try is sealed anew."""
        line = self._line(delivery)
        for number in range(1 if is_once else self.redeliveries + 1):
            if number:
                await asyncio.sleep(self.retry_delay)
            encrypt = line.wire.seal(line.plain(delivery.body))
            url, nonce = line.signed(encrypt)
            attempt, raw = await self.post(url, line.body(encrypt))
            if not attempt.reason and raw:
                attempt = self._opened(line, delivery, attempt, raw, nonce)
            delivery.attempts.append(attempt)
            self._journal.tell()
            if not attempt.reason or attempt.reason == "forged":
                break
        return delivery

    async def post(self, url: str, body: bytes, content_type: str = "") -> tuple[Attempt, bytes]:
        """One try with any bytes."""
        if self._session is None or not url:
            raise RuntimeError("the platform is not started, or knows no address to call back")
        kind = content_type or ("application/json" if body.startswith(b"{") else "text/xml")
        began, timeout = time.monotonic(), aiohttp.ClientTimeout(total=self.ack_seconds)
        try:
            async with self._session.post(
                url, data=body, headers={"Content-Type": kind}, timeout=timeout, allow_redirects=False
            ) as response:
                raw, status = await response.read(), response.status
        except TimeoutError:
            return Attempt(None, "timeout", began, time.monotonic() - began), b""
        except aiohttp.ClientError:
            return Attempt(None, "connection", began, time.monotonic() - began), b""
        reason = "" if status == 200 else "http_error"
        return Attempt(status, reason, began, time.monotonic() - began), raw

    async def check(self, line: Line, word: str = "") -> str:
        """What the console does when the address is saved: "" where all is well, else what is wrong with it."""
        if self._session is None:
            raise RuntimeError("the platform is not started")
        told = word or str(secrets.randbelow(10**19))
        echo = line.wire.seal(told.encode())
        url, _ = line.signed(echo, echostr=echo)
        began = time.monotonic()
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=self.ack_seconds)) as response:
                raw, status = await response.read(), response.status
        except (TimeoutError, aiohttp.ClientError) as error:
            return type(error).__name__
        if time.monotonic() - began > CHECK_SECONDS:
            return "slow"
        return "" if (status, raw) == (200, told.encode()) else f"{status}: {raw[:80]!r}"

    def _line(self, delivery: Delivery) -> Line:
        return self.bot if delivery.way == "callback" else self.app

    def _opened(self, line: Line, delivery: Delivery, attempt: Attempt, raw: bytes, nonce: str) -> Attempt:
        """The answer goes into `delivery`; one that WeCom could not open counts as forged."""
        try:
            delivery.answer = _open_json(line.wire, raw, nonce) if line.way == "callback" else _open_xml(line.wire, raw)
        except (Unreadable, ValueError, KeyError, TypeError, AttributeError, ParseError) as error:
            delivery.problem = f"unreadable answer: {error!r}"
            return Attempt(attempt.status, "forged", attempt.at, attempt.seconds)
        return attempt


def _open_json(wire: Wire, raw: bytes, nonce: str) -> Payload:
    """`{"encrypt", "msgsignature", "timestamp", "nonce"}`: the time is a number, the nonce the callback's."""
    told = json.loads(raw)
    if type(told["timestamp"]) is not int or told["nonce"] != nonce:
        raise Unreadable("timestamp or nonce")
    if told["msgsignature"] != wire.sign(str(told["timestamp"]), nonce, told["encrypt"]):
        raise Unreadable("msgsignature")
    answer = json.loads(wire.open(told["encrypt"]))
    if not isinstance(answer, dict):
        raise Unreadable("no object")
    return answer


def _open_xml(wire: Wire, raw: bytes) -> Payload:
    told = tree(raw)
    if told["MsgSignature"] != wire.sign(told["TimeStamp"], told["Nonce"], told["Encrypt"]):
        raise Unreadable("MsgSignature")
    return tree(wire.open(told["Encrypt"]))


def tree(raw: bytes) -> Payload:
    """The fields of an XML text: an element with others in it is a field of fields, one that is repeated a list."""
    return _fields(ElementTree.fromstring(raw))


def _fields(element: Any) -> Payload:
    fields: dict[str, list[Any]] = {}
    for child in element:
        fields.setdefault(child.tag, []).append(_fields(child) if len(child) else child.text or "")
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
