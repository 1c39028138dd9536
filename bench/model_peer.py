"""An OpenAI-compatible server that says the question back, at once or in so many seconds: a model to measure with.

`python -m bench.model_peer --port 8000 --seconds 2`; prints one JSON line once it answers.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import Iterator
from typing import Any

from aiohttp import web

NAME = "peer"
_FILL = " in words that take their time to come, so that there is something to see while they do, one after the other."


class ModelPeer:
    """Every answer takes `seconds`, whole or in pieces; there may be any number at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": NAME, "object": "model"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        words = list(_words(answer_to(body["messages"][-1]["content"], self._seconds)))
        if body.get("stream"):
            return await self._stream(request, words)
        await asyncio.sleep(self._seconds)
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(_envelope("chat.completion", [choice]) | {"usage": _usage(len(words))})

    async def _stream(self, request: web.Request, words: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in words:
            if self._seconds:
                await asyncio.sleep(self._seconds / len(words))
            await response.write(_event([{"index": 0, "delta": {"content": word}, "finish_reason": None}]))
        await response.write(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        await response.write(_event([], usage=_usage(len(words))) + b"data: [DONE]\n\n")
        return response


def answer_to(question: str, seconds: float) -> str:
    """What it says: the question, and where it takes its time some more words."""
    return question + _FILL if seconds else question


def _words(text: str) -> Iterator[str]:
    first, *others = text.split(" ")
    yield first
    for word in others:
        yield f" {word}"


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    return b"data: " + json.dumps(_envelope("chat.completion.chunk", choices) | more).encode() + b"\n\n"


def _envelope(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-peer", "object": kind, "created": 0, "model": NAME, "choices": choices}


def _usage(words: int) -> dict[str, int]:
    return {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words}


def make_app(seconds: float) -> web.Application:
    peer, app = ModelPeer(seconds), web.Application()
    app.add_routes([web.get("/v1/models", peer.models), web.post("/v1/chat/completions", peer.chat)])
    return app


async def serve(port: int, seconds: float) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    runner = web.AppRunner(make_app(seconds), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(json.dumps({"owner": NAME}), flush=True)
    await ended.wait()
    await runner.cleanup()


def run() -> None:
    parser = argparse.ArgumentParser("python -m bench.model_peer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0, help="how long an answer takes")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.seconds))


if __name__ == "__main__":
    run()
