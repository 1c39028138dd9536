"""`parley check` of each way into WeCom, against a stand-in for WeCom and the house itself."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from bench.platforms.wecom import AGENT, APP_SECRET, BOT_AES_KEY, BOT_ID, BOT_SECRET, Platform
from bot import config
from bot.check import examine
from core.store import Keys
from tests.fakes.engine import ScriptedEngine
from tests.house import house_with
from tests.postgres import database
from tests.wecom import told_of

RULES = {"PARLEY_ACCESS": '{"wecom": {"admins": ["anna"]}, "wecom-app": {"admins": ["anna"]}}'}
SOMEBODY = "203.0.113.7"


@pytest.fixture
async def wecom():
    async with Platform() as platform:
        yield platform


@pytest.fixture
def check(wecom, monkeypatch, tmp_path):
    """Examines a sound set-up of `way` but for these variables; None takes one out. `url` is where WeCom calls back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_ENGINE__BACKEND", "echo")

    async def examined(way: str, language: str = "en", *, url: str = "", **changed: str | None) -> tuple[int, str]:
        monkeypatch.setenv("LC_ALL", {"en": "en_GB.UTF-8", "zh": "zh_CN.UTF-8"}[language])
        for name, value in (told_of(wecom, way) | RULES | changed).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        page = io.StringIO()
        loaded = config.load(must_do=False)
        if url:  # which is on this machine, and so not https
            there = loaded.settings.wecom.model_copy(update={"public_url": url})
            loaded = replace(loaded, settings=loaded.settings.model_copy(update={"wecom": there}))
        status = await examine(loaded, Console(file=page, width=800), production=False)
        assert not any(secret in page.getvalue() for secret in (BOT_SECRET, APP_SECRET, BOT_AES_KEY))
        return status, page.getvalue()

    return examined


@pytest.fixture
async def stored(monkeypatch):
    """A database and keys, without which nobody knows who has the connection."""
    monkeypatch.setenv("PARLEY_KEYS", Keys.generate().dump())
    with database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield


@pytest.fixture
def house(wecom, monkeypatch, tmp_path):
    """The address of a running house with the door `way` open."""

    @asynccontextmanager
    async def opened(way: str) -> AsyncIterator[str]:
        for name, value in told_of(wecom, way).items():
            monkeypatch.setenv(name, value)
        async with house_with(ScriptedEngine(), tmp_path, monkeypatch) as url:
            yield url

    return opened


# ------------------------------------------------------------------------------------------------ the long connection


@pytest.mark.parametrize(
    ("language", "told"), [("en", f"WeCom lets the AI bot {BOT_ID} in"), ("zh", f"企业微信接受智能机器人 {BOT_ID}")]
)
async def test_a_sound_bot_subscribes_once_and_leaves_again(wecom, check, stored, language, told):
    status, page = await check("socket", language)
    assert status == 0
    assert told in page
    assert len(wecom.called("aibot_subscribe")) == 1
    await wecom.until(lambda: not wecom.is_connected)


@pytest.mark.parametrize(
    ("language", "told"), [("en", "a running Parley holds the connection"), ("zh", "正在运行的 Parley 持有")]
)
async def test_the_connection_of_a_running_house_is_left_alone(wecom, check, house, language, told):
    async with house("socket"):
        await wecom.connected()
        status, page = await check("socket", language)
        assert status == 0
        assert told in page
        assert wecom.is_connected
        assert len(wecom.called("aibot_subscribe")) == 1


@pytest.mark.parametrize(("language", "told"), [("en", "was not tried"), ("zh", "没有测试")])
async def test_without_a_database_the_bot_is_not_tried(wecom, check, language, told):
    status, page = await check("socket", language)
    assert status == 0
    assert f"{told}" in page
    assert f"connected to WeCom as bot {BOT_ID}" in page  # what the log of a house says that is let in
    assert not wecom.called("aibot_subscribe")


@pytest.mark.parametrize(
    ("changed", "language", "remedy"),
    [
        ({"PARLEY_WECOM_BOT_SECRET": "canary"}, "en", "Copy both again from the bot's page"),
        ({"PARLEY_WECOM_BOT_SECRET": "canary"}, "zh", "重新复制到 wecom.bot.id"),
        ({"PARLEY_WECOM__BOT__SOCKET_URL": "ws://127.0.0.1:9/openws"}, "en", "cannot be reached at ws://127.0.0.1:9"),
        ({"PARLEY_WECOM__BOT__SOCKET_URL": "ws://127.0.0.1:9/openws"}, "zh", "无法连接企业微信：ws://127.0.0.1:9"),
    ],
)
async def test_a_bot_that_is_not_let_in_is_the_one_fault(check, stored, capfd, changed, language, remedy):
    status, page = await check("socket", language, **changed)
    assert status == 1
    assert remedy in page
    assert "1 thing needs attention" in page or "有 1 项需要处理" in page
    assert "canary" not in page
    assert capfd.readouterr().err == ""  # it is said in the report, and nowhere else


async def test_a_bot_that_is_refused_for_another_reason_says_which_in_one_language(wecom, check, stored):
    wecom.fail("aibot_subscribe", 45009, times=2)
    assert "WeCom's rate limit is reached; answers wait [errcode 45009]" in (await check("socket", "en"))[1]
    assert "已达到企业微信的频率限制，回答将稍后发送 [errcode 45009]" in (await check("socket", "zh"))[1]


@pytest.mark.parametrize(("language", "told"), [("en", "A bot has one of the two"), ("zh", "只能使用两种模式之一")])
async def test_keys_of_the_other_way_are_said_to_be_of_no_use(check, stored, language, told):
    keys = {"PARLEY_WECOM_BOT_TOKEN": "Token1", "PARLEY_WECOM_BOT_AES_KEY": BOT_AES_KEY}
    status, page = await check("socket", language, **keys)
    assert status == 0
    assert told in page


# ------------------------------------------------------------------------------------------------------- the callbacks

_PATHS = {"callback": "/channels/wecom", "app": "/channels/wecom-app"}


@pytest.mark.parametrize("way", _PATHS)
@pytest.mark.parametrize(
    ("language", "page_told", "told"),
    [("en", "has to be {url}", "answers a signed check as WeCom wants it"), ("zh", "URL 应为 {url}", "能够正确回应")],
)
async def test_the_url_of_a_running_house_answers_and_is_the_one_to_enter(check, house, way, language, page_told, told):
    async with house(way) as url:
        status, page = await check(way, language, url=url)
        assert status == 0
        assert page_told.format(url=f"{url}{_PATHS[way]}") in page
        assert f"{url}{_PATHS[way]}" in page
        assert told in page


@pytest.mark.parametrize("way", _PATHS)
@pytest.mark.parametrize(("language", "told"), [("en", "was started with others"), ("zh", "使用的是另一组")])
async def test_a_house_that_was_started_with_other_keys_is_found_out(check, house, way, language, told):
    async with house(way) as url:
        status, page = await check(way, language, url=url, **{f"PARLEY_WECOM_{_NAMES[way]}_TOKEN": "Token2"})
        assert status == 1
        assert told in page


_NAMES = {"callback": "BOT", "app": "APP"}


@pytest.mark.parametrize("way", _PATHS)
@pytest.mark.parametrize("key", ["short", "a" * 44, "a" * 42 + "?"])
async def test_a_key_of_another_form_is_the_one_fault(check, way, key):
    status, page = await check(way, url="http://127.0.0.1:9", **{f"PARLEY_WECOM_{_NAMES[way]}_AES_KEY": key})
    assert status == 1
    assert f"PARLEY_WECOM_{_NAMES[way]}_AES_KEY is not an EncodingAESKey" in page
    assert "1 thing needs attention" in page


@pytest.mark.parametrize(("language", "told"), [("en", "perhaps the channel is off there"), ("zh", "没有启用该频道")])
async def test_a_house_whose_door_is_shut_is_found_out(check, house, language, told):
    async with house("callback") as url:
        status, page = await check("app", language, url=url)
        assert status == 1
        assert told in page


@pytest.mark.parametrize("way", _PATHS)
@pytest.mark.parametrize(
    ("url", "language", "told"),
    [
        ("http://127.0.0.1:9", "en", "Start Parley and check again"),
        ("http://127.0.0.1:9", "zh", "请先启动 Parley 再检查"),
        ("", "en", "wecom.public_url is empty"),
        ("", "zh", "wecom.public_url 为空"),
    ],
)
async def test_what_cannot_be_known_before_the_start_is_a_hint(check, way, url, language, told):
    status, page = await check(way, language, url=url)
    assert status == 0
    assert told in page


async def test_the_url_can_be_saved_at_wecom_before_the_bot_has_an_id(wecom, house, monkeypatch):
    monkeypatch.setattr("tests.wecom.BOT_ID", "pending")
    async with house("callback") as url:
        wecom.bot_url = f"{url}/channels/wecom"
        assert await wecom.check_url("callback") == ""


# ------------------------------------------------------------------------------------------------ the app, and who asks


@pytest.mark.parametrize(("language", "told"), [("en", f"(agent {AGENT}) in"), ("zh", f"（AgentId {AGENT}）")])
async def test_a_sound_app_is_let_in(check, language, told):
    status, page = await check("app", language)
    assert status == 0
    assert told in page


@pytest.mark.parametrize(
    ("changed", "language", "remedy"),
    [
        ({"PARLEY_WECOM_APP_SECRET": "canary"}, "en", f"is not the Secret of the app {AGENT}"),
        ({"PARLEY_WECOM_APP_SECRET": "canary"}, "zh", f"不是应用 {AGENT} 的 Secret"),
        ({"PARLEY_WECOM__APP__CORP_ID": "wwNOBODY"}, "en", "There is no corporation wwNOBODY"),
        ({"PARLEY_WECOM__APP__CORP_ID": "wwNOBODY"}, "zh", "没有企业 wwNOBODY"),
        ({"PARLEY_WECOM__APP__AGENT_ID": "1000009"}, "en", "belongs to another app than 1000009"),
        ({"PARLEY_WECOM__APP__AGENT_ID": "1000009"}, "zh", "不属于应用 1000009"),
        ({"PARLEY_WECOM__APP__API_URL": "http://127.0.0.1:9"}, "en", "cannot be reached at http://127.0.0.1:9"),
        ({"PARLEY_WECOM__APP__API_URL": "http://127.0.0.1:9"}, "zh", "无法连接企业微信：http://127.0.0.1:9"),
    ],
)
async def test_what_is_wrong_with_the_app_is_the_one_fault(check, changed, language, remedy):
    status, page = await check("app", language, **changed)
    assert status == 1
    assert remedy in page
    assert "1 thing needs attention" in page or "有 1 项需要处理" in page
    assert "canary" not in page


@pytest.mark.parametrize(
    ("language", "told", "other"), [("en", "add it under 企业可信IP", "请在"), ("zh", "请在应用详情页添加", "add it")]
)
async def test_an_untrusted_address_is_named_with_where_to_add_it_in_one_language(wecom, check, language, told, other):
    wecom.fail("agent/get", 60020, f"not allow to access from your ip, hint: [1], from ip: {SOMEBODY}, more info at x")
    status, page = await check("app", language)
    assert status == 1
    line = next(line for line in page.splitlines() if SOMEBODY in line)
    assert told in line
    assert other not in line


@pytest.mark.parametrize(("way", "rule"), [("callback", "access.wecom is"), ("app", "access.wecom-app is")])
async def test_who_may_ask_is_said_where_nobody_decided_it(check, way, rule):
    status, page = await check(way, PARLEY_ACCESS=None)
    assert status == 0
    assert f"{rule} not set: everybody who can see it in WeCom may ask" in page
    assert "not set" not in (await check(way))[1]


async def test_both_doors_are_examined_each_under_its_name(wecom, check, monkeypatch):
    for name, value in told_of(wecom, "app").items():
        monkeypatch.setenv(name, value)
    _, page = await check("callback", PARLEY_ACCESS=None)
    assert {"wecom", "wecom-app"} <= {line.split()[1] for line in page.splitlines() if len(line.split()) > 1}
