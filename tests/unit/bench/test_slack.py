"""The rival answers as the libraries' pages say, and what the benchmark counts is what stands in Slack."""

import argparse
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web

from bench.model_peer import make_app as make_model
from bench.platforms.slack import SIGNING_SECRET, Platform
from bench.platforms.slack.payloads import CHANNEL
from bench.report import Progress
from bench.slack import Contestant, Workspace

pytest.importorskip("openai")


class Nobody:
    """Stands where a process would: the app runs in this one."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture
async def served() -> AsyncGenerator[object, None]:
    """Serves applications on this machine; gives their addresses."""
    runners: list[web.AppRunner] = []

    async def serve(app: web.Application) -> str:
        runners.append(runner := web.AppRunner(app, shutdown_timeout=0.1))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def slack() -> AsyncGenerator[Platform, None]:
    async with Platform() as platform:
        yield platform


async def rival(served, slack: Platform) -> Contestant:
    from bench.slack_rival import PATH, make_app

    model = await served(make_model(0))
    options = argparse.Namespace(slack=slack.api_url, model=f"{model}/v1", secret=SIGNING_SECRET, token=slack.bot.token)
    return Contestant("the bare app", Nobody(await served(make_app(options))), PATH, 0)  # type: ignore[arg-type]


async def test_the_bare_app_answers_each_mention_in_its_thread(served, slack):
    workspace = Workspace(slack, Progress("test"))
    app = await rival(served, slack)
    asked = await workspace.ask(app, 5)
    assert workspace.answered(app.asked) == 5
    assert workspace.repeated(app.asked) == 0
    latencies = workspace.latencies(asked)
    assert len(latencies) == 5
    assert all(0 < latency < 60_000 for latency in latencies)
    assert {delivery.kind for delivery in slack.deliveries} == {"app_mention"}


async def test_the_bare_app_checks_who_speaks(served, slack):
    workspace = Workspace(slack, Progress("test"))
    app = await rival(served, slack)
    slack.courier.signing_secret = "another secret"
    slack.courier.retry_delays = ()
    workspace.patience = 0.2
    await workspace.ask(app, 1)
    assert [delivery.status for delivery in slack.deliveries] == [401]
    assert workspace.answered(app.asked) == 0


async def test_half_an_answer_is_none_and_a_second_one_is_counted(slack):
    workspace = Workspace(slack, Progress("test"))
    nobody = Contestant("nobody", Nobody("http://127.0.0.1:9"), "/", 0)  # type: ignore[arg-type]
    slack.courier.retry_delays = ()
    workspace.patience = 0.1
    (ts,) = await workspace.ask(nobody, 1)
    said = nobody.asked[ts]
    assert (workspace.answered(nobody.asked), workspace.repeated(nobody.asked)) == (0, 0)
    await post(slack, ts, said[:-3])
    assert (workspace.answered(nobody.asked), workspace.repeated(nobody.asked)) == (0, 0)
    await post(slack, ts, said)
    assert (workspace.answered(nobody.asked), workspace.repeated(nobody.asked)) == (1, 1)


async def post(slack: Platform, thread_ts: str, text: str) -> None:
    from slack_sdk.web.async_client import AsyncWebClient

    client = AsyncWebClient(token=slack.bot.token, base_url=slack.api_url)
    await client.chat_postMessage(channel=CHANNEL, thread_ts=thread_ts, text=text)
