"""The channel of the fault benchmarks: takes messages and edits over HTTP, can be read back, and forgets nothing."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from aiohttp import web

# What was taken is confirmed a moment later: whoever is killed in between does not know that it was sent.
_ANSWER_SECONDS = 0.01


@dataclass(slots=True)
class Posted:
    """One message in the channel; `finished_at` is the moment of the last edit's arrival, None before."""

    id: str
    thread: str
    reply: str
    text: str
    posted_at: float
    finished_at: float | None = None
    edits: int = 0


@dataclass(slots=True)
class Channel:
    """All that was posted, in the order of its arrival."""

    url: str = ""
    posted: list[Posted] = field(default_factory=list)

    def threads(self) -> dict[str, list[Posted]]:
        found: defaultdict[str, list[Posted]] = defaultdict(list)
        for message in self.posted:
            found[message.thread].append(message)
        return found

    def finished(self) -> dict[str, Posted]:
        """The finished messages by reply; the last one where there are several."""
        return {message.reply: message for message in self.posted if message.finished_at is not None}

    async def post(self, request: web.Request) -> web.Response:
        body = await request.json()
        message = Posted(str(len(self.posted)), body["thread"], body["reply"], body["text"], monotonic())
        self.posted.append(message)
        await asyncio.sleep(_ANSWER_SECONDS)
        return web.json_response({"id": message.id})

    async def edit(self, request: web.Request) -> web.Response:
        body = await request.json()
        message = self.posted[int(request.match_info["id"])]
        message.text = body["text"]
        message.edits += 1
        if body.get("is_final") and message.finished_at is None:
            message.finished_at = monotonic()
        await asyncio.sleep(_ANSWER_SECONDS)
        return web.json_response({})

    async def read(self, request: web.Request) -> web.Response:
        reply = request.query["reply"]
        return web.json_response({"messages": [message.id for message in self.posted if message.reply == reply]})


class Takes(Protocol):
    """What a server of this house sends to: a message, an edit of it, and what it asks to find a message again."""

    async def post(self, request: web.Request) -> web.Response: ...
    async def edit(self, request: web.Request) -> web.Response: ...
    async def read(self, request: web.Request) -> web.Response: ...


@asynccontextmanager
async def listening(takes: Takes) -> AsyncGenerator[str, None]:
    """The address on this machine under which it listens until it is left."""
    app = web.Application()
    app.add_routes(
        [web.post("/messages", takes.post), web.put("/messages/{id}", takes.edit), web.get("/messages", takes.read)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def channel() -> AsyncGenerator[Channel, None]:
    """A channel that listens on this machine until it is left."""
    opened = Channel()
    async with listening(opened) as opened.url:
        yield opened
