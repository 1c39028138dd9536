"""Two processes renew one Slack token on a real database: once; and nothing of it can be read there."""

import asyncio
import re
from collections.abc import AsyncGenerator
from time import time

import pytest
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.installations import Installations
from adapters.slack.sealed import SealedStates
from adapters.slack.settings import SlackSettings
from core.store import PostgresStore
from tests.integration.conftest import OpenStore
from tests.integration.test_store_sealed import dump
from tests.unit.adapters.slack.web_api import Answer, Call, WebApi, web_api

TEAM, ORG = "T0CANARY1", "E0CANARY1"
SETTINGS = SlackSettings(client_id="1.2", client_secret="a-canary-secret", public_url="https://parley.example.com")


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        yield api


def renew_once(slack: WebApi) -> None:
    """A refresh token is good once."""

    def respond(call: Call) -> Answer:
        if call.fields["refresh_token"] != "xoxe-canary-1":
            return Answer({"ok": False, "error": "invalid_refresh_token"})
        fresh = {"access_token": "xoxb-canary-2", "refresh_token": "xoxe-canary-2", "expires_in": 43_200}
        return Answer({"ok": True, "token_type": "bot", **fresh})

    slack.answers["oauth.v2.access"] = respond


def installations(store: PostgresStore, slack: WebApi) -> Installations:
    return Installations(SETTINGS, store.secrets, store.leader, slack.client)


def installation(lives: int) -> Installation:
    return Installation(
        enterprise_id=ORG,
        team_id=TEAM,
        team_name="Canary Ltd",
        bot_token="xoxb-canary-1",
        bot_id="B0CANARY1",
        bot_user_id="U0CANARY1",
        bot_refresh_token="xoxe-canary-1",
        bot_token_expires_at=int(time()) + lives,
        user_id="U0CANARY2",
    )


async def test_two_processes_renew_one_token_once(open_store: OpenStore, slack: WebApi):
    renew_once(slack)
    one, two = [installations(await open_store(), slack) for _ in range(2)]
    await one.save(installation(lives=3600))
    slack.gate.clear()
    waiting = [asyncio.create_task(each.bot(ORG, TEAM)) for each in (one, two) * 4]
    await slack.arrived.wait()
    slack.gate.set()
    await asyncio.gather(*waiting)
    await asyncio.gather(one.stop(), two.stop())
    bots = [await each.of_workspace(TEAM) for each in (one, two, installations(await open_store(), slack))]
    assert [bot.token if bot else "" for bot in bots] == ["xoxb-canary-2"] * 3
    assert slack.count("oauth.v2.access") == 1


async def test_an_uninstall_while_a_token_is_renewed_is_the_last_word(open_store: OpenStore, slack: WebApi):
    renew_once(slack)
    one, two = [installations(await open_store(), slack) for _ in range(2)]
    await one.save(installation(lives=3600))
    slack.gate.clear()
    waiting = asyncio.create_task(one.bot(ORG, TEAM))
    await slack.arrived.wait()
    leaving = asyncio.create_task(two.forget(ORG, TEAM))
    slack.gate.set()
    await asyncio.gather(waiting, leaving)
    await one.stop()
    assert await installations(await open_store(), slack).bot(ORG, TEAM) is None


async def test_a_state_is_good_once_over_all_processes(open_store: OpenStore):
    stores = [await open_store() for _ in range(2)]
    one, two = [SealedStates(store.secrets, store.leader, SETTINGS.client_secret) for store in stores]
    state = await one.async_issue()
    assert sorted(await asyncio.gather(one.async_consume(state), two.async_consume(state))) == [False, True]


async def test_a_dump_tells_no_token_and_no_workspace(open_store: OpenStore, slack: WebApi, database_url: str):
    store = await open_store()
    await installations(store, slack).save(installation(lives=36_000))
    await installations(store, slack).bot(ORG, TEAM)
    states = SealedStates(store.secrets, store.leader, SETTINGS.client_secret)
    state = await states.async_issue()
    assert await states.async_consume(state)
    text = dump(database_url)
    assert text.count("INSERT INTO public.secrets") == 3
    in_hex = "".join(bytes.fromhex(found).decode("latin-1") for found in re.findall(r"'\\x([0-9a-f]+)'", text))
    for word in ("canary", "xox", "slack", state[:8]):
        assert word not in (text + in_hex).lower()
