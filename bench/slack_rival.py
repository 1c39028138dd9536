"""What the Slack door is measured against: a bare Bolt app with an openai client, as the libraries' pages begin.

`python -m bench.slack_rival --port 3000 --slack URL --model URL --secret S --token T`; prints one JSON line once it
answers. It keeps nothing: what it was asked and has not answered is gone with it.
"""

import argparse
import asyncio
import json
import signal
from typing import Any

from aiohttp import web
from openai import AsyncOpenAI
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

PATH = "/slack/events"


def make_app(options: argparse.Namespace) -> web.Application:
    model = AsyncOpenAI(base_url=options.model, api_key="none")
    app = AsyncApp(signing_secret=options.secret, client=AsyncWebClient(token=options.token, base_url=options.slack))

    @app.event("app_mention")
    async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
        completion = await model.chat.completions.create(
            model="peer", messages=[{"role": "user", "content": event["text"]}]
        )
        await client.chat_postMessage(
            channel=event["channel"], thread_ts=event["ts"], text=completion.choices[0].message.content
        )

    async def close(_: web.Application) -> None:
        await model.close()

    made: web.Application = app.web_app(path=PATH)
    made.on_cleanup.append(close)
    return made


async def serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    runner = web.AppRunner(make_app(options), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port).start()
    print(json.dumps({"owner": "bare app"}), flush=True)
    await ended.wait()
    await runner.cleanup()


def run() -> None:
    parser = argparse.ArgumentParser("python -m bench.slack_rival", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slack", required=True, help="where the Web API is, with /api/ at its end")
    parser.add_argument("--model", required=True, help="where the OpenAI-compatible server is, with /v1 at its end")
    parser.add_argument("--secret", required=True, help="signs the events")
    parser.add_argument("--token", required=True, help="the bot's")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    run()
