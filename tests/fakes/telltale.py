"""A server whose Sentry client collects all that it can: `python -m tests.fakes.telltale DSN` says what it sends.

One JSON object: what was `collected`, and what of it was `sent`.
"""

import asyncio
import json
import logging
import os
import sys

import sentry_sdk
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sentry_sdk.integrations.aiohttp import AioHttpIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from bot import config
from bot.sentry import harmless, options

WORDS = "canary-金丝雀-7f3a"

log = logging.getLogger("core.telltale")
collected: list[str] = []
sent: list[str] = []


class Recorder(Transport):
    def capture_envelope(self, envelope) -> None:
        sent.append(envelope.serialize().decode())


def seen(event):
    collected.append(repr(event))
    return event


COLLECTING = {
    "transport": Recorder,
    "default_integrations": True,
    "integrations": [AioHttpIntegration(), LoggingIntegration()],
    "data_collection": {"user_info": True, "stack_frame_variables": True},
    "include_local_variables": True,
    "include_source_context": True,
    "max_request_body_size": "always",
    "max_breadcrumbs": 100,
    "attach_stacktrace": True,
    "traces_sample_rate": 1.0,
    "enable_logs": True,
    "before_breadcrumb": None,
    "before_send": lambda event, hint: harmless(seen(event), hint),
}


async def handle(request: web.Request) -> web.Response:
    body = await request.text()
    logging.getLogger("core.room").info("heard %s", body)
    sentry_sdk.set_user({"id": WORDS, "username": "canary-name"})
    sentry_sdk.set_tag("said", WORDS)
    sentry_sdk.set_extra("said", WORDS)
    sentry_sdk.set_context("said", {"text": WORDS})
    sentry_sdk.add_breadcrumb(message=WORDS, data={"text": WORDS})
    sentry_sdk.get_isolation_scope().add_attachment(bytes=WORDS.encode(), filename=WORDS)
    task = asyncio.current_task()
    assert task is not None
    task.set_name(WORDS)
    sentry_sdk.capture_message(WORDS)
    sentry_sdk.metrics.count(WORDS, 1)
    log.error("could not answer %s", body)
    raise ValueError(f"{body} is wrong")


async def main() -> None:
    logging.getLogger("core").setLevel("INFO")
    app = web.Application()
    app.router.add_post("/{place}", handle)
    async with TestServer(app) as server, ClientSession() as http:
        headers = {"X-Said": "canary-header", "Authorization": "Bearer canary-token", "Cookie": "said=canary-cookie"}
        url = server.make_url(f"/{WORDS}").with_query(said=WORDS)
        async with http.post(url, data=WORDS, headers=headers) as response:
            assert response.status == 500


if __name__ == "__main__":
    os.environ["PARLEY_SENTRY_DSN"] = sys.argv[1]
    sentry_sdk.init(**(options(config.load()) | COLLECTING))
    asyncio.run(main())
    sentry_sdk.flush(5)
    print(json.dumps({"collected": collected, "sent": sent}))
