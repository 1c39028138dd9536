"""A small real server that speaks OpenAI's streaming wire as it is told to: for what a good server never does."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Step = dict[str, Any] | str | asyncio.Event | None
"""A chunk, raw text, something to wait for, or the end of the connection in the middle of the stream."""


def piece(text: str = "", finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of an answer; further fields of its delta by name."""
    return {"choices": [{"index": 0, "delta": {"content": text} | delta, "finish_reason": finish}]}


def call(index: int, id: str | None = None, name: str | None = None, arguments: str | None = None) -> dict[str, Any]:
    """A chunk with a fragment of a tool call."""
    return piece(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}
DONE = "data: [DONE]\n\n"
HELLO: tuple[Step, ...] = (piece(role="assistant"), piece("Hello"), piece(" there"), piece("", "stop"), USAGE, DONE)


@dataclass
class Refusal:
    """An answer with an HTTP status in place of a stream."""

    status: int
    message: str = "no"
    location: str = ""


@dataclass
class WireServer:
    """Answers with `answer`. `asked` are the bodies that came, `named` what they were called by; `left` is set once a
    caller has hung up.
    """

    answer: Sequence[Step] | Refusal = HELLO
    models: Sequence[dict[str, Any]] | Refusal = ({"id": "a-model"},)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        self.named.append(request.headers.get("X-Request-Id", ""))
        if isinstance(self.answer, Refusal):
            return _refused(self.answer)
        try:
            return await self._stream(request, self.answer)
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise

    async def list(self, request: web.Request) -> web.Response:
        if isinstance(self.models, Refusal):
            return _refused(self.models)
        return web.json_response({"object": "list", "data": list(self.models)})

    async def _stream(self, request: web.Request, steps: Sequence[Step]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        for step in steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            if not response.prepared:
                await response.prepare(request)
            if step is None:
                assert request.transport is not None
                request.transport.abort()
                break
            data = step if isinstance(step, str) else f"data: {json.dumps(step)}\n\n"
            await response.write(data.encode())
        return response


def _refused(refusal: Refusal) -> web.Response:
    headers = {"Location": refusal.location} if refusal.location else {}
    return web.json_response({"error": {"message": refusal.message}}, status=refusal.status, headers=headers)


@asynccontextmanager
async def running(server: WireServer, port: int = 0) -> AsyncIterator[WireServer]:
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", server.chat), web.get("/v1/models", server.list)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
