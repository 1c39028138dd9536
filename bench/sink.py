"""A channel for hours of traffic: takes messages and edits over HTTP as bench/channel.py does, and keeps hardly any."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web

from bench.channel import listening

V = TypeVar("V")

_RECENT = 5_000  # answers whose message can be found again


class Sink:
    """Counts what was posted; `awaited` are the answers that were promised and are not whole yet."""

    def __init__(self) -> None:
        self.url = ""
        self.posted = 0
        self.awaited: dict[str, asyncio.Event] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()  # the answers
        self._messages: OrderedDict[str, str] = OrderedDict()  # the answer that each carries

    def expect(self, reply: str) -> asyncio.Event:
        """What is set once the promised answer is whole, which may be before anybody has heard of the promise."""
        is_whole = self.awaited.get(reply) or asyncio.Event()
        if reply in self._finished:
            is_whole.set()
        else:
            self.awaited[reply] = is_whole
        return is_whole

    async def post(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.posted += 1
        message = str(self.posted)
        _remember(self._messages, message, body["reply"])
        return web.json_response({"id": message})

    async def edit(self, request: web.Request) -> web.Response:
        body = await request.json()
        reply = self._messages.get(request.match_info["id"])
        if reply is not None and body.get("is_final"):
            _remember(self._finished, reply, None)
            if is_whole := self.awaited.pop(reply, None):
                is_whole.set()
        return web.json_response({})

    async def read(self, request: web.Request) -> web.Response:
        reply = request.query["reply"]
        return web.json_response({"messages": [each for each, carried in self._messages.items() if carried == reply]})


def _remember(memory: OrderedDict[str, V], key: str, value: V) -> None:
    memory[key] = value
    if len(memory) > _RECENT:
        memory.popitem(last=False)


@asynccontextmanager
async def sink() -> AsyncGenerator[Sink, None]:
    """A channel that listens on this machine until it is left."""
    opened = Sink()
    async with listening(opened) as opened.url:
        yield opened
