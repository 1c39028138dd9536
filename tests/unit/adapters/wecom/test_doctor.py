"""What `parley check` says of WeCom, for each way in which a set-up can be wrong."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from string import Formatter
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.wecom import doctor
from adapters.wecom.api import Agent
from adapters.wecom.crypto import Crypto
from adapters.wecom.doctor import TEXTS, Finding, examine_app, examine_bot
from adapters.wecom.errors import NotSent, Unsure, failure
from adapters.wecom.settings import BotSettings, Callback
from adapters.wecom.verify import Forged, echo_of
from core.errors import ChannelError
from core.ports import Leader, Webhook
from tests.fakes.store import MemoryStore, now
from tests.unit.adapters.wecom.qyapi import AES_KEY, CALLBACK, settings

BOT = BotSettings(bot_id="aibTESTbot", secret="an-invented-bot-secret")
BY_URL = BotSettings(bot_id="aibTESTbot", callback=Callback(token="an-invented-token", aes_key=AES_KEY))
APP = settings("https://qyapi.weixin.qq.com")


def answering(error: Exception | None = None) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if error is not None:
            raise error

    return check


def agent(answer: Agent | Exception) -> Callable[[], Awaitable[Agent]]:
    async def check() -> Agent:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return check


async def never() -> None:
    raise AssertionError("nobody was to be asked")


async def of_bot(
    bot: BotSettings, check: Callable[[], Awaitable[None]] = never, lead: Leader | None = None, **more: Any
) -> dict[str, Finding]:
    known: dict[str, Any] = {"public_url": "", "has_rule": True}
    return {found.name: found for found in await examine_bot(bot, check, lead, **known | more)}


async def of_app(answer: Agent | Exception, **more: Any) -> dict[str, Finding]:
    known: dict[str, Any] = {"public_url": "", "has_rule": True}
    return {found.name: found for found in await examine_app(APP, agent(answer), **known | more)}


# ------------------------------------------------------------------------------------------------- the long connection


async def test_a_bot_that_is_let_in_is_fine():
    findings = await of_bot(BOT, answering(), MemoryStore().leader("wecom aibTESTbot"))
    assert {name: finding.kind for name, finding in findings.items()} == {"bot_ok": "fine"}
    assert "aibTESTbot" in findings["bot_ok"].say("zh")


async def test_a_running_connection_is_never_tried(monkeypatch):
    monkeypatch.setattr(doctor, "_LEAD_WITHIN", 0.01)
    store = MemoryStore()
    async with store.leader("wecom aibTESTbot").hold():
        findings = await of_bot(BOT, never, store.leader("wecom aibTESTbot"))
    assert {name: finding.kind for name, finding in findings.items()} == {"bot_held": "fine"}


async def test_a_slow_answer_is_waited_for_once_the_name_is_ours(monkeypatch):
    monkeypatch.setattr(doctor, "_LEAD_WITHIN", 0.01)

    async def slow() -> None:
        await asyncio.sleep(0.05)

    assert "bot_ok" in await of_bot(BOT, slow, MemoryStore().leader("wecom aibTESTbot"))


async def test_without_the_database_nothing_is_tried():
    assert (await of_bot(BOT, never, None))["bot_untried"].kind == "hint"


@pytest.mark.parametrize(
    ("error", "name", "remedy"),
    [
        (failure(853000), "wrong_bot", "PARLEY_WECOM_BOT_SECRET"),
        (failure(45009), "bot_refused", "errcode 45009"),
        (failure(12345), "bot_refused", "errcode 12345"),
        (Unsure("there was no answer"), "bot_refused", "there was no answer"),
        (NotSent("ClientConnectorError"), "bot_unreachable", "wss://openws.work.weixin.qq.com"),
    ],
)
async def test_what_keeps_a_bot_out_is_a_fault_with_its_remedy_and_without_the_secret(error, name, remedy):
    findings = await of_bot(BOT, answering(error), MemoryStore().leader("wecom aibTESTbot"))
    assert findings[name].kind == "fault"
    for language in ("en", "zh"):
        assert remedy in findings[name].say(language)
        assert BOT.secret not in findings[name].say(language)


async def test_keys_that_the_long_connection_does_not_need_are_pointed_out():
    both = BotSettings(bot_id="aibTESTbot", secret="an-invented-bot-secret", callback=CALLBACK)
    findings = await of_bot(both, answering(), MemoryStore().leader("wecom aibTESTbot"))
    assert findings["both_modes"].kind == "hint"


# ------------------------------------------------------------------------------------------------------------ the app


async def test_an_app_that_is_let_in_is_fine_and_called_by_its_name():
    findings = await of_app(Agent("Parley"))
    assert findings["app_ok"].kind == "fine"
    assert "Parley" in findings["app_ok"].say("en")


@pytest.mark.parametrize(
    ("answer", "name", "remedy"),
    [
        (Agent("Parley", is_closed=True), "app_closed", "Parley"),
        (failure(40001), "wrong_secret", "PARLEY_WECOM_APP_SECRET"),
        (failure(40013), "wrong_corp", "wecom.app.corp_id"),
        (failure(301002), "wrong_agent", "wecom.app.agent_id"),
        (failure(40056), "wrong_agent", "wecom.app.agent_id"),
        (failure(60020, "not allow, from ip: 203.0.113.7, more"), "untrusted_ip", "203.0.113.7"),
        (failure(48002), "app_refused", "48002"),
        (failure(45009), "app_refused", "45009"),
        (Unsure(), "app_refused", "Unsure"),
        (NotSent("ClientConnectorError"), "app_unreachable", "https://qyapi.weixin.qq.com"),
    ],
)
async def test_what_keeps_an_app_out_is_a_fault_with_its_remedy_and_without_the_secret(answer, name, remedy):
    findings = await of_app(answer)
    assert findings[name].kind == "fault"
    for language in ("en", "zh"):
        assert remedy in findings[name].say(language)
        assert APP.secret not in findings[name].say(language)


async def test_access_that_nobody_decided_is_a_hint():
    assert (await of_app(Agent("Parley"), has_rule=False))["no_rule"].kind == "hint"
    assert "access.wecom-app" in (await of_app(Agent("Parley"), has_rule=False))["no_rule"].say("en")
    assert "access.wecom " in (await of_bot(BOT, has_rule=False))["no_rule"].say("en")


# ------------------------------------------------------------------------------------------------------- the callback


@asynccontextmanager
async def parley(callback: Callback, status: int | None = None, delay: float = 0.0) -> AsyncGenerator[str, None]:
    """A door at both paths that answers as ours do, or with `status`."""

    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        if status is not None:
            return web.Response(status=status)
        webhook = Webhook("GET", request.path, dict(request.query), {}, b"", now())
        try:
            return web.Response(body=echo_of(webhook, Crypto(callback)))
        except Forged:
            return web.Response(status=401)

    app = web.Application()
    for path in ("/channels/wecom", "/channels/wecom-app"):
        app.router.add_get(path, handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_a_callback_that_answers_as_wecom_wants_it_is_fine():
    async with parley(CALLBACK) as url:
        findings = await of_app(Agent("Parley"), public_url=url)
    assert {name: finding.kind for name, finding in findings.items()} == {
        "app_ok": "fine",
        "app_page": "fine",
        "callback_ok": "fine",
    }
    assert f"{url}channels/wecom-app" in findings["app_page"].say("en")


async def test_a_bot_by_url_is_asked_at_its_own_path_and_not_subscribed():
    assert BY_URL.callback is not None
    async with parley(BY_URL.callback) as url:
        findings = await of_bot(BY_URL, never, public_url=url)
    assert {name: finding.kind for name, finding in findings.items()} == {"bot_page": "fine", "callback_ok": "fine"}
    assert f"{url}channels/wecom " in findings["bot_page"].say("en") + " "


@pytest.mark.parametrize("other", [{"token": "another-token"}, {"aes_key": "B" * 43}, {"receive_id": "another"}])
async def test_a_parley_with_other_keys_is_a_fault(other):
    fields = {"token": CALLBACK.token, "aes_key": CALLBACK.aes_key, "receive_id": CALLBACK.receive_id}
    async with parley(Callback(**fields | other)) as url:
        findings = await of_app(Agent("Parley"), public_url=url)
    assert findings["callback_other_keys"].kind == "fault"


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_an_answer_of_somebody_else_is_a_fault(status):
    async with parley(CALLBACK, status) as url:
        findings = await of_app(Agent("Parley"), public_url=url)
    assert findings["callback_elsewhere"].kind == "fault"


async def test_a_parley_that_is_not_started_yet_is_a_hint():
    async with parley(CALLBACK, 502) as url:
        assert (await of_app(Agent("Parley"), public_url=url))["callback_away"].kind == "hint"
    assert (await of_app(Agent("Parley"), public_url=url))["callback_away"].kind == "hint"


async def test_a_slow_answer_is_a_hint(monkeypatch):
    monkeypatch.setattr(doctor, "_PROMPT", 0.01)
    async with parley(CALLBACK, delay=0.05) as url:
        assert (await of_app(Agent("Parley"), public_url=url))["callback_slow"].kind == "hint"


async def test_a_certificate_that_is_none_is_a_fault():
    async with parley(CALLBACK) as url:
        findings = await of_app(Agent("Parley"), public_url=url.replace("http://", "https://"))
    assert findings["callback_no_tls"].kind == "fault"


async def test_without_a_public_address_it_is_not_tried():
    assert (await of_app(Agent("Parley")))["no_public_url"].kind == "hint"


async def test_a_key_that_is_none_is_left_to_the_line_of_the_settings():
    bot = BotSettings(bot_id="aibTESTbot", callback=Callback(token="t", aes_key="short"))
    findings = await of_bot(bot, never, public_url="https://parley.example.com")
    assert list(findings) == ["bot_page"]


# ------------------------------------------------------------------------------------------------------------ the rest


def test_every_sentence_says_the_same_facts_in_both_languages():
    for english, chinese in TEXTS.values():
        facts = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, chinese)]
        assert facts[1] <= facts[0]
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


async def test_nothing_but_channel_errors_is_expected():
    class Odd(ChannelError):
        """Odd."""

    assert (await of_app(Odd()))["app_refused"].kind == "fault"
