"""How the self-built app speaks to WeCom: tokens, tries, refusals, files, and what never leaves."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from adapters.wecom.api import Agent, Api, Sent
from adapters.wecom.errors import NotLetIn, NotSent, Unsure, WecomRefused
from core.errors import ChannelError, Misconfigured, NotFound, NotStored, RateLimited, Refused, Undeliverable
from core.message import Image
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.unit.adapters.wecom.qyapi import AGENT, CORP, SECRET, Qyapi, serving, settings

HELLO = {"touser": "anna", "msgtype": "text", "text": {"content": "你好"}}
OK = {"errcode": 0, "errmsg": "ok", "msgid": "m7", "response_code": "code"}
PICTURE = Image(b"\x89PNG....", "image/png", "a boat")


def refusal(code: int, message: str = "refused") -> dict[str, Any]:
    return {"errcode": code, "errmsg": message}


@pytest.fixture
async def qyapi() -> AsyncGenerator[Qyapi, None]:
    async with serving() as server:
        yield server


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def api(qyapi: Qyapi, store: MemoryStore, clock: Clock) -> AsyncGenerator[Api, None]:
    api = another(qyapi, store, clock)
    yield api
    await api.close()


def another(qyapi: Qyapi, store: MemoryStore, clock: Clock) -> Api:
    return Api(settings(qyapi.url), Numbers(), secrets=store.secrets, leader=store.leader, clock=clock, backoff=0.0)


# ------------------------------------------------------------------------------------------------------------ messages


async def test_a_message_goes_out_for_this_app_with_the_duplicate_check(api, qyapi):
    qyapi.answer("message/send", OK)
    assert await api.send(HELLO) == Sent("m7", "code")
    (call,) = qyapi.of("message/send")
    assert call.query == {"access_token": "token-1"}
    assert call.body == {
        **HELLO,
        "agentid": AGENT,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 14400,
    }


async def test_what_is_sent_again_is_the_same_to_the_letter_and_not_escaped(api, qyapi):
    qyapi.answer("message/send", 502, OK)
    await api.send(HELLO)
    first, second = qyapi.of("message/send")
    assert first.raw == second.raw
    assert "你好".encode() in first.raw


async def test_half_a_character_becomes_a_question_mark(api, qyapi):
    await api.send({**HELLO, "text": {"content": "a\ud800b"}})
    assert qyapi.of("message/send")[0].body["text"]["content"] == "a?b"


@pytest.mark.parametrize("busy", [-1, 6000])
async def test_a_busy_platform_is_asked_three_times_in_all(api, qyapi, busy):
    qyapi.answer("message/send", refusal(busy))
    with pytest.raises(RateLimited):
        await api.send(HELLO)
    assert len(qyapi.of("message/send")) == 3
    qyapi.answer("message/send", refusal(busy), OK)
    assert (await api.send(HELLO)).msgid == "m7"


async def test_an_answer_nobody_understands_leaves_it_unsure_after_three_tries(api, qyapi):
    for answer in (500, "<html>", '{"errcode": "none"}', "[" * 100_000):
        qyapi.answer("message/send", answer)
        with pytest.raises(Unsure):
            await api.send(HELLO)
    assert len(qyapi.of("message/send")) == 12


async def test_a_platform_out_of_reach_took_nothing(store, clock):
    api = Api(settings("http://127.0.0.1:1"), Numbers(), secrets=store.secrets, leader=store.leader, backoff=0.0)
    with pytest.raises(NotSent):
        await api.send(HELLO)
    await api.close()


@pytest.mark.parametrize(
    ("code", "error"),
    [(45009, RateLimited), (81013, Undeliverable), (60011, Undeliverable), (60020, NotLetIn), (40058, WecomRefused)],
)
async def test_what_wecom_refuses_is_an_error_of_its_kind_and_asked_once(api, qyapi, code, error):
    qyapi.answer("message/send", refusal(code, f"no, hint: [1234], access_token=token-1, more {SECRET}"))
    with pytest.raises(error) as caught:
        await api.send(HELLO)
    assert SECRET not in str(caught.value)
    assert "token-1" not in str(caught.value)
    assert len(qyapi.of("message/send")) == 1


async def test_a_person_outside_the_visible_range_is_not_reached_though_the_call_went_well(api, qyapi):
    for field in ("invaliduser", "unlicenseduser"):
        qyapi.answer("message/send", {**OK, field: "anna"})
        with pytest.raises(Undeliverable):
            await api.send(HELLO)


async def test_the_operator_is_told_once_of_an_untrusted_address_and_of_which_it_is(api, qyapi, caplog):
    qyapi.answer("message/send", refusal(60020, "not allow to access from your ip, hint: [1], from ip: 203.0.113.7, x"))
    for _ in range(3):
        with pytest.raises(NotLetIn):
            await api.send(HELLO)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "203.0.113.7" in record.getMessage()
    qyapi.answer("message/send", OK)
    await api.send(HELLO)
    qyapi.answer("message/send", refusal(60020))
    with pytest.raises(NotLetIn):
        await api.send(HELLO)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


async def test_a_message_is_recalled_by_its_id(api, qyapi):
    await api.recall("m7")
    assert qyapi.of("message/recall")[0].body == {"msgid": "m7"}


# -------------------------------------------------------------------------------------------------------------- tokens


async def test_one_token_serves_all_calls_of_all_processes_at_once(api, qyapi, store, clock):
    other = another(qyapi, store, clock)
    await asyncio.gather(*(each.send({**HELLO, "touser": f"u{n}"}) for n in range(10) for each in (api, other)))
    assert len(qyapi.of("gettoken")) == 1
    assert qyapi.of("gettoken")[0].query == {"corpid": CORP, "corpsecret": SECRET}
    await other.close()


async def test_a_token_is_fetched_anew_before_its_end(api, qyapi, clock):
    await api.send(HELLO)
    clock.now += 6_800
    await api.send(HELLO)
    assert len(qyapi.of("gettoken")) == 1
    clock.now += 150
    await api.send(HELLO)
    assert len(qyapi.of("gettoken")) == 2
    assert qyapi.of("message/send")[-1].query == {"access_token": "token-2"}


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_died_early_is_replaced_once_and_the_call_repeated(api, qyapi, clock, code):
    await api.send(HELLO)
    clock.now += 60
    qyapi.answer("message/send", refusal(code), OK)
    assert (await api.send(HELLO)).msgid == "m7"
    assert len(qyapi.of("gettoken")) == 2
    clock.now += 60
    qyapi.answer("message/send", refusal(code))
    with pytest.raises(NotLetIn):
        await api.send(HELLO)
    assert len(qyapi.of("gettoken")) == 3


async def test_a_token_that_was_fetched_just_now_is_not_fetched_again(api, qyapi):
    qyapi.answer("message/send", refusal(40014))
    for _ in range(5):
        with pytest.raises(NotLetIn):
            await api.send(HELLO)
    assert len(qyapi.of("gettoken")) == 1


async def test_what_another_process_fetched_is_used_in_place_of_the_token_that_died(api, qyapi, store, clock):
    other = another(qyapi, store, clock)
    await api.send(HELLO)
    await other.send(HELLO)
    clock.now += 60
    qyapi.answer("message/send", refusal(42001), OK)
    await api.send(HELLO)
    qyapi.answer("message/send", refusal(42001), OK)
    await other.send(HELLO)
    assert len(qyapi.of("gettoken")) == 2
    await other.close()


async def test_a_wrong_secret_is_not_tried_again_at_once(api, qyapi, clock, caplog):
    qyapi.answer("gettoken", refusal(40001, f"invalid credential, secret {SECRET}"))
    for _ in range(4):
        with pytest.raises(NotLetIn) as caught:
            await api.send(HELLO)
        assert caught.value.code == 40001
    assert len(qyapi.of("gettoken")) == 1
    assert SECRET not in caplog.text
    clock.now += 31
    del qyapi.answers["gettoken"]
    assert (await api.send(HELLO)).msgid


async def test_any_refusal_of_the_sign_in_waits_for_the_operator(api, qyapi):
    qyapi.answer("gettoken", refusal(40013))
    with pytest.raises(NotLetIn) as caught:
        await api.send(HELLO)
    assert caught.value.code == 40013


@pytest.mark.parametrize(
    "answer",
    [{"errcode": 0}, {"errcode": 0, "access_token": "x"}, {"errcode": 0, "access_token": "x", "expires_in": -1}],
)
async def test_a_grant_without_a_token_or_an_end_is_none(api, qyapi, answer):
    qyapi.answer("gettoken", answer)
    with pytest.raises(NotSent):
        await api.send(HELLO)


async def test_a_kept_token_that_cannot_be_read_is_fetched_anew(api, qyapi, store):
    for value in (b"?", b"{}", b'{"token": "x", "odd": 1}'):
        await store.secrets.put(f"wecom/token/{CORP}/{AGENT}", value)
        await api.send(HELLO)
    assert len(qyapi.of("gettoken")) == 1


async def test_without_the_store_nothing_is_fetched(api, qyapi, store):
    store.is_down = True
    with pytest.raises(NotStored):
        await api.send(HELLO)
    assert qyapi.calls == []


async def test_nothing_of_token_or_secret_is_ever_told(api, qyapi, store, caplog):
    caplog.set_level(logging.DEBUG)
    told = []
    for path in ("gettoken", "message/send"):
        for answer in (500, "<html>", refusal(40001, f"{SECRET} token-1")):
            qyapi.answers = {path: [answer]}
            stranger = another(qyapi, MemoryStore(), Clock())
            with pytest.raises(ChannelError) as caught:
                await stranger.send(HELLO)
            await stranger.close()
            told.append(f"{caught.value!r} {caught.value} {caught.value.__cause__!r}")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("adapters", "core"))]
    assert SECRET not in "\n".join([*told, *ours])
    assert "token-1" not in "\n".join([*told, *ours])


# --------------------------------------------------------------------------------------------------------------- media


async def test_a_picture_is_uploaded_as_a_file_with_a_name(api, qyapi):
    qyapi.answer("media/upload", {"errcode": 0, "errmsg": "ok", "media_id": "media-1", "type": "image"})
    assert await api.upload(PICTURE) == "media-1"
    (call,) = qyapi.of("media/upload")
    assert call.query == {"access_token": "token-1", "type": "image"}
    assert call.body == {"name": "picture.png", "type": "image/png", "data": PICTURE.data}


async def test_a_picture_is_uploaded_once_more_where_that_failed(api, qyapi):
    qyapi.answer("media/upload", 502, {"errcode": 0, "media_id": "media-1"})
    assert await api.upload(PICTURE) == "media-1"
    assert [call.body["data"] for call in qyapi.of("media/upload")] == [PICTURE.data] * 2


@pytest.mark.parametrize(
    "image",
    [
        Image(b"GIF89a....", "image/gif", ""),
        Image(b"1234", "image/png", ""),
        Image(b"x" * 10_485_761, "image/jpeg", ""),
    ],
)
async def test_a_picture_that_wecom_does_not_show_is_not_uploaded(api, qyapi, image):
    with pytest.raises(Refused):
        await api.upload(image)
    assert qyapi.calls == []


async def test_a_file_is_fetched_up_to_a_limit(api, qyapi):
    qyapi.answer("media/get", b'{"errcode": 40007}')
    assert await api.media("media-1", 100) == b'{"errcode": 40007}'
    assert qyapi.of("media/get")[0].query == {"access_token": "token-1", "media_id": "media-1"}
    with pytest.raises(Refused):
        await api.media("media-1", 17)


async def test_a_file_that_is_gone_is_not_found(api, qyapi):
    with pytest.raises(NotFound):
        await api.media("", 100)
    qyapi.answer("media/get", refusal(40007))
    with pytest.raises(NotFound):
        await api.media("media-1", 100)
    qyapi.answer("media/get", refusal(48002))
    with pytest.raises(NotLetIn):
        await api.media("media-1", 100)


# ------------------------------------------------------------------------------------------------------------ the rest


async def test_the_check_asks_for_a_token_and_for_the_app_and_needs_no_store(api, qyapi, store):
    store.is_down = True
    qyapi.answer("agent/get", {"errcode": 0, "agentid": AGENT, "name": "Parley", "close": 0})
    assert await api.check() == Agent("Parley")
    assert qyapi.of("agent/get")[0].query == {"access_token": "token-1", "agentid": str(AGENT)}
    qyapi.answer("agent/get", {"errcode": 0, "name": "Parley", "close": 1})
    assert (await api.check()).is_closed
    qyapi.answer("agent/get", refusal(301002))
    with pytest.raises(WecomRefused):
        await api.check()


@pytest.mark.parametrize("url", ["http://qyapi.example.com", "ftp://127.0.0.1", "qyapi.weixin.qq.com", "http://[bad"])
def test_no_address_gives_the_token_away(store, url):
    with pytest.raises(Misconfigured):
        Api(settings(url), Numbers(), secrets=store.secrets, leader=store.leader)
