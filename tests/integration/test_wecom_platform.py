"""The stand-in for WeCom (bench/platforms/wecom), vouched for by Tencent's own SDKs of the AI bot.

Written from developer.work.weixin.qq.com, never compared with WeCom itself.

Vouched for by the unchanged `@wecom/aibot-node-sdk` (npm) and `wecom-aibot-python-sdk` (PyPI): the long connection, so
subscribing, pings, messages and events, streams, cards and their change, welcomes, pushes, uploads, what an error and
another connection look like, and the files that people send; and by the former's WecomCrypto what callbacks are sealed
and signed with.

Not vouched for by anybody: limits, times, what is refused and with which code, callbacks but for their cipher, and the
server API. Below these are tested against what is documented.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bench.platforms.wecom import (
    AGENT,
    APP_AES_KEY,
    APP_SECRET,
    APP_TOKEN,
    BOT_AES_KEY,
    BOT_ID,
    BOT_SECRET,
    BOT_TOKEN,
    CORP,
    Message,
    Platform,
    Wire,
)
from bench.platforms.wecom.courier import tree
from bench.platforms.wecom.crypto import Unreadable
from bench.platforms.wecom.limits import STREAM_BYTES, TEXT_BYTES
from bench.platforms.wecom.payloads import xml
from tests.wecom_sdk import OPENERS, Client, SdkError, node, node_client

ANNA, BO, GROUP, APP_ANNA, APP_BO = "anna", "bo", "wrGROUP01", "app:anna", "app:bo"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
VECTORS = Path(__file__).parents[1] / "data" / "wecom" / "vectors.json"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncGenerator[Platform, None]:
    async with Platform(clock=clock) as platform:
        platform.add_user(ANNA)
        platform.add_user(BO)
        platform.add_user("eve", is_visible=False)
        platform.add_group(GROUP, [ANNA, BO])
        yield platform


def card(task: str = "task-1", title: str = "How was it?") -> dict[str, Any]:
    buttons = [{"text": "👍", "style": 1, "key": "fb:up:R1"}, {"text": "👎", "style": 2, "key": "fb:down:R1"}]
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title},
        "task_id": task,
        "button_list": buttons,
    }


# Tencent's SDKs.


@pytest.fixture(params=sorted(OPENERS))
async def client(request: pytest.FixtureRequest, wecom: Platform) -> AsyncGenerator[Client, None]:
    async with OPENERS[request.param](wecom.ws_url) as opened:
        await opened.heard.next("authenticated")
        yield opened


@pytest.mark.peers
class TestTencentsSdksGetAlongWithIt:
    async def test_a_question_is_answered_by_a_stream_of_one_message_that_can_be_rated(self, wecom, client):
        said = await wecom.say(ANNA, ANNA, "What is 6 times 7?")
        frame = await client.heard.next("message.text")
        assert (frame["cmd"], frame["headers"]["req_id"]) == ("aibot_msg_callback", said.req_id)
        body = frame["body"]
        assert (body["text"]["content"], body["chattype"], body["from"]["userid"]) == (
            "What is 6 times 7?",
            "single",
            ANNA,
        )
        assert (body["msgid"], body["aibotid"], "chatid" in body) == (said.id, BOT_ID, False)

        told = await client.stream(frame, "s1", "Six", False, "feedback-1")
        assert (told["errcode"], told["headers"]["req_id"], "cmd" in told) == (0, said.req_id, False)
        (growing,) = wecom.answers(ANNA)
        assert growing.is_streaming
        await client.stream(frame, "s1", "Six times seven is 42.", True)
        (answer,) = wecom.answers(ANNA)
        assert (answer.texts, answer.is_streaming) == (["Six", "Six times seven is 42."], False)
        assert answer.feedback == "feedback-1"

        await wecom.rate(ANNA, answer, ANNA, 2, "Too short.", [2])
        rated = (await client.heard.next("event.feedback_event"))["body"]
        assert rated["event"]["feedback_event"] == {
            "id": "feedback-1",
            "type": 2,
            "content": "Too short.",
            "inaccurate_reason_list": [2],
        }
        assert (rated["from"], rated["msgtype"]) == ({"userid": ANNA}, "event")
        assert type(rated["create_time"]) is int

    async def test_in_a_group_it_hears_what_names_it_with_what_was_quoted(self, wecom, client):
        quote = {"msgtype": "text", "text": {"content": "Lunch at one."}}
        unheard = await wecom.say(GROUP, ANNA, "Lunch, anybody?")
        await wecom.say(GROUP, BO, "@Parley when?", quote=quote)
        body = (await client.heard.next("message.text"))["body"]
        assert (body["text"]["content"], body["chattype"], body["chatid"]) == ("@Parley when?", "group", GROUP)
        assert (body["quote"], unheard.reason) == (quote, "the bot is not mentioned")
        assert len(client.heard.all("message")) == 1

    async def test_a_picture_a_file_and_a_voice_message_arrive_and_can_be_opened(self, wecom, client):
        await wecom.send(ANNA, ANNA, "image", PNG, "one.png")
        image = (await client.heard.next("message.image"))["body"]["image"]
        assert await client.download(image["url"], image["aeskey"]) == (PNG, "one.png")
        await wecom.send(ANNA, ANNA, "file", b"a report", "报告.txt")
        file = (await client.heard.next("message.file"))["body"]["file"]
        assert await client.download(file["url"], file["aeskey"]) == (b"a report", "报告.txt")
        await wecom.send(ANNA, ANNA, "voice", words="Hello there.")
        assert (await client.heard.next("message.voice"))["body"]["voice"] == {"content": "Hello there."}
        await wecom.mix(GROUP, ANNA, ["@Parley what is this?", PNG])
        items = (await client.heard.next("message.mixed"))["body"]["mixed"]["msg_item"]
        assert [item["msgtype"] for item in items] == ["text", "image"]
        assert await client.download(items[1]["image"]["url"], items[1]["image"]["aeskey"]) == (PNG, "image.png")

    async def test_whoever_enters_is_welcomed_within_five_seconds(self, wecom, client, clock):
        await wecom.enter(ANNA, ANNA)
        frame = await client.heard.next("event.enter_chat")
        await client.welcome(frame, {"msgtype": "text", "text": {"content": "Hello."}})
        assert [(m.text, m.kind) for m in wecom.answers(ANNA)] == [("Hello.", "text")]
        await wecom.enter(BO, BO)
        frame = await client.heard.next("event.enter_chat", 1)
        clock.now += 5.1
        with pytest.raises(SdkError, match="846605"):
            await client.welcome(frame, {"msgtype": "text", "text": {"content": "Too late."}})
        assert wecom.answers(BO) == []

    async def test_a_card_is_clicked_and_changed(self, wecom, client):
        await wecom.say(GROUP, ANNA, "@Parley ask us")
        asked = await client.heard.next("message.text")
        await client.reply(asked, {"msgtype": "template_card", "template_card": card()})
        (message,) = wecom.cards(GROUP)
        await wecom.click(GROUP, message, BO, "👎")
        clicked = await client.heard.next("event.template_card_event")
        assert clicked["body"]["event"]["template_card_event"] == {
            "card_type": "button_interaction",
            "event_key": "fb:down:R1",
            "task_id": "task-1",
        }
        assert (clicked["body"]["chatid"], clicked["body"]["from"]["userid"]) == (GROUP, BO)
        await client.update_card(clicked, card(title="Thank you, Bo."), [BO])
        assert [message.card_for(id)["main_title"]["title"] for id in (ANNA, BO)] == ["How was it?", "Thank you, Bo."]
        await client.update_card(clicked, card(title="Thank you all."))
        assert [message.card_for(id)["main_title"]["title"] for id in (ANNA, BO)] == ["Thank you all."] * 2

    async def test_it_writes_on_its_own_accord_where_somebody_wrote_before(self, wecom, client):
        body = {"msgtype": "markdown", "markdown": {"content": "**More**"}}
        with pytest.raises(SdkError, match="93006"):
            await client.send(ANNA, body | {"chat_type": 1})
        await wecom.say(ANNA, ANNA, "hello")
        await client.send(ANNA, body | {"chat_type": 1})
        await wecom.say(GROUP, ANNA, "@Parley hello")
        await client.send(GROUP, body)
        with pytest.raises(SdkError, match="chat_type"):
            await client.send(GROUP, body | {"chat_type": 1})
        assert [(m.text, m.kind, m.req_id) for m in wecom.answers(ANNA)] == [("**More**", "markdown", "")]
        assert len(wecom.answers(GROUP)) == 1

    async def test_a_refusal_reaches_the_caller_with_its_code(self, wecom, client, clock):
        await wecom.say(ANNA, ANNA, "hello")
        frame = await client.heard.next("message.text")
        wecom.fail("aibot_respond_msg", 6000)
        with pytest.raises(SdkError, match="6000"):
            await client.stream(frame, "s1", "one", False)
        await client.stream(frame, "s1", "one", False)
        clock.now += 361
        with pytest.raises(SdkError, match="846608"):
            await client.stream(frame, "s1", "one two", False)
        (answer,) = wecom.answers(ANNA)
        assert (answer.text, answer.is_streaming) == ("one", False)
        with pytest.raises(SdkError, match="40058"):
            await client.stream(frame, "s2", "x" * (STREAM_BYTES + 1), False)
        with pytest.raises(SdkError, match="846605"):
            await client.stream({"headers": {"req_id": "unknown"}}, "s1", "one", True)

    async def test_a_broken_line_is_dialled_again(self, wecom, client):
        wecom.cut_sockets()
        await client.heard.next("authenticated", 1)
        await wecom.say(ANNA, ANNA, "Are you back?")
        assert (await client.heard.next("message.text"))["body"]["text"]["content"] == "Are you back?"

    async def test_another_connection_of_the_same_bot_ends_the_first(self, wecom, client):
        async with node_client(wecom.ws_url) as other:
            await other.heard.next("authenticated")
            body = (await client.heard.next("event.disconnected_event"))["body"]
            assert (body["aibotid"], body["event"]) == (BOT_ID, {"eventtype": "disconnected_event"})
            await wecom.until(lambda: wecom.sockets.live)


@pytest.mark.peers
@pytest.mark.parametrize("name", sorted(OPENERS))
async def test_an_sdk_with_the_wrong_secret_is_told_so(wecom, name):
    async with OPENERS[name](wecom.ws_url, secret="wrong") as client:
        assert "853000" in str(await client.heard.next("error"))
    assert [call.code for call in wecom.called("aibot_subscribe")] == [853000]
    assert "secret" not in wecom.called("aibot_subscribe")[0].args


@pytest.mark.peers
@pytest.mark.parametrize("name", sorted(OPENERS))
async def test_an_sdks_pings_are_answered_and_one_that_hears_nothing_gives_the_line_up(wecom, name):
    async with OPENERS[name](wecom.ws_url, 50) as client:
        await client.heard.next("authenticated")
        await wecom.until(lambda: len([call for call in wecom.called("ping") if call.is_ok]) >= 4)
        assert [call.link for call in wecom.called("aibot_subscribe")] == [1]
        wecom.mute_sockets()
        if name == "node":  # the other one's heartbeat ends itself before it ends the line
            await client.heard.next("disconnected")


@pytest.mark.peers
class TestTencentsNodeSdk:
    async def test_what_it_uploads_is_shown_and_sent(self, wecom):
        content = PNG * 4000  # three chunks
        async with node_client(wecom.ws_url) as client:
            await client.heard.next("authenticated")
            await wecom.say(ANNA, ANNA, "A picture, please.")
            frame = await client.heard.next("message.text")
            stored = await client.upload(content, "image", "one.png")
            image = {"msgtype": "image", "image": {"media_id": stored["media_id"]}}
            await client.reply(frame, image)
            await client.send(ANNA, image)
            with pytest.raises(SdkError, match="40007"):
                await client.send(ANNA, {"msgtype": "file", "file": {"media_id": stored["media_id"]}})
        assert [(m.kind, m.media == content) for m in wecom.answers(ANNA)] == [("image", True)] * 2
        assert [len(wecom.called(f"aibot_upload_media_{step}")) for step in ("init", "chunk", "finish")] == [1, 3, 1]

    async def test_after_another_connection_it_does_not_come_back(self, wecom):
        async with node_client(wecom.ws_url) as first:
            await first.heard.next("authenticated")
            async with node_client(wecom.ws_url) as second:
                await first.heard.next("event.disconnected_event")
                await first.heard.next("disconnected")
                await second.heard.next("authenticated")
                await wecom.say(ANNA, ANNA, "Who is there?")
                await second.heard.next("message.text")
        assert len(wecom.called("aibot_subscribe")) == 2
        assert first.heard.all("reconnecting") == []

    @pytest.mark.parametrize("receiver", ["", CORP])
    async def test_its_cipher_opens_what_the_stand_in_seals_and_the_other_way_round(self, receiver):
        wire = Wire(BOT_TOKEN, BOT_AES_KEY, receiver)
        keys = [wire.token, wire.aes_key, receiver]
        async with node() as client:
            for text in ("", "x", "Grüße, 你好 🦊", "y" * 31, "z" * 5000):
                sealed = wire.seal(text.encode())
                assert await client.crypto(keys, "decrypt", sealed) == text
                theirs = await client.crypto(keys, "encrypt", text, "1409659813", "nonce-1")
                assert wire.open(theirs["encrypt"]) == text.encode()
                assert theirs["signature"] == wire.sign("1409659813", "nonce-1", theirs["encrypt"])
                assert await client.crypto(keys, "verifySignature", *_signed(wire, sealed)) is True
                assert await client.crypto(keys, "verifySignature", *_signed(wire, sealed + "A")[:3], sealed) is False


def _signed(wire: Wire, sealed: str) -> tuple[str, str, str, str]:
    return wire.sign("1409659813", "nonce-1", sealed), "1409659813", "nonce-1", sealed


# What is documented: the cipher.


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["vectors"], ids=lambda vector: vector["id"])
def test_the_published_examples_are_sealed_and_signed_to_the_byte(vector):
    wire = Wire(vector["token"], vector["encoding_aes_key"], vector["receive_id"])
    plain = vector["plaintext"].encode()
    assert wire.open(vector["encrypt"]) == plain
    assert wire.seal(plain, prefix=bytes.fromhex(vector["random16_hex"])) == vector["encrypt"]
    assert wire.sign(vector["timestamp"], vector["nonce"], vector["encrypt"]) == vector["msg_signature"]
    with pytest.raises(Unreadable):
        Wire(wire.token, wire.aes_key, "ww00000000000000bb").open(vector["encrypt"])


# The long connection, by hand.


class Line:
    """A socket of which every frame is written and read by the test."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._count = 0

    async def ask(self, cmd: str, body: Any, req_id: str = "") -> Any:
        await self.write(cmd, body, req_id)
        return await self.read()

    async def write(self, cmd: str, body: Any, req_id: str = "") -> None:
        self._count += 1
        headers = {"req_id": req_id or f"{cmd}_{self._count}"}
        await self.socket.send_json({"cmd": cmd, "headers": headers, "body": body})

    async def read(self) -> Any:
        return await self.socket.receive_json(timeout=10)

    async def subscribe(self) -> Any:
        return await self.ask("aibot_subscribe", {"bot_id": BOT_ID, "secret": BOT_SECRET})

    async def stream(self, req_id: str, content: str, finish: bool = False, id: str = "s1", **more: Any) -> Any:
        stream = {"id": id, "finish": finish, "content": content} | more
        told = await self.ask("aibot_respond_msg", {"msgtype": "stream", "stream": stream}, req_id)
        return told["errcode"]


@asynccontextmanager
async def dialled(wecom: Platform) -> AsyncGenerator[Line, None]:
    async with aiohttp.ClientSession() as session, session.ws_connect(wecom.ws_url) as socket:
        yield Line(socket)


@pytest.fixture
async def line(wecom: Platform) -> AsyncGenerator[Line, None]:
    async with dialled(wecom) as dial:
        assert (await dial.subscribe())["errcode"] == 0
        yield dial


async def asked(wecom: Platform, line: Line, text: str = "hello", chat: str = ANNA) -> str:
    """The req_id of a question that has arrived."""
    said = await wecom.say(chat, ANNA, text)
    assert (await line.read())["headers"]["req_id"] == said.req_id
    return said.req_id


class TestTheLongConnection:
    async def test_nothing_is_done_for_whoever_has_not_subscribed(self, wecom):
        async with dialled(wecom) as line:
            assert (await line.ask("ping", None))["errcode"] != 0
            assert not wecom.is_connected
            await wecom.say(ANNA, ANNA, "Is anybody there?")
            assert (await line.subscribe())["errcode"] == 0
            await wecom.connected()
            assert (await line.ask("ping", None))["errcode"] == 0
        assert not wecom.deliveries[0].is_accepted

    async def test_a_kick_tells_the_bot_and_closes_the_line(self, wecom, line):
        await wecom.kick()
        assert (await line.read())["body"]["event"] == {"eventtype": "disconnected_event"}
        assert (await line.socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert not wecom.is_connected

    async def test_subscribing_too_often_is_refused(self, wecom, clock):
        wecom.sockets.subscribe_limit = 2
        async with dialled(wecom) as line:
            assert [(await line.subscribe())["errcode"] for _ in range(3)] == [0, 0, 45009]
            clock.now += 60
            assert (await line.subscribe())["errcode"] == 0

    async def test_a_second_frame_of_a_request_that_is_not_acknowledged_yet_is_refused(self, wecom, line):
        req_id = await asked(wecom, line)
        wecom.delay("aibot_respond_msg", 0.1)
        await line.write("aibot_respond_msg", _stream("one"), req_id)
        assert (await line.ask("aibot_respond_msg", _stream("two"), req_id))["errcode"] == 6000
        assert (await line.read())["errcode"] == 0
        wecom.delay("aibot_respond_msg", 0)
        assert await line.stream(req_id, "one two", True) == 0
        assert wecom.answers(ANNA)[0].texts == ["one", "one two"]

    async def test_a_frame_that_is_swallowed_is_shown_and_one_that_is_dropped_is_not(self, wecom, line):
        req_id = await asked(wecom, line)
        wecom.swallow("aibot_respond_msg")
        wecom.drop("aibot_respond_msg")
        await line.write("aibot_respond_msg", _stream("one"), req_id)
        await line.write("aibot_respond_msg", _stream("two"), req_id)
        assert (await line.ask("ping", None))["errcode"] == 0
        assert [call.code for call in wecom.called("aibot_respond_msg")] == [None, None]
        assert wecom.answers(ANNA)[0].texts == ["one"]

    async def test_a_stream_ends_with_its_last_frame_or_after_six_minutes(self, wecom, line, clock):
        first = await asked(wecom, line)
        assert [await line.stream(first, "one", True), await line.stream(first, "two", True)] == [0, 846608]
        wecom.bot.is_open_again = True
        assert await line.stream(first, "two", True) == 0
        second = await asked(wecom, line)
        assert await line.stream(second, "one") == 0
        clock.now += 359
        assert await line.stream(second, "one two") == 0
        clock.now += 2
        assert await line.stream(second, "one two three", True) == 846608
        assert wecom.answers(ANNA)[1].text == "one two"
        third = await asked(wecom, line)
        assert await line.stream(third, "one") == 0
        assert wecom.expire_streams() == 1
        assert await line.stream(third, "one two") == 846608

    async def test_a_request_can_be_answered_for_a_day(self, wecom, line, clock):
        req_id = await asked(wecom, line)
        clock.now += 24 * 3600 - 1
        assert await line.stream(req_id, "one", True) == 0
        clock.now += 2
        assert await line.stream(req_id, "two", True, id="s2") == 846605

    async def test_bytes_are_counted_and_not_characters(self, wecom, line):
        req_id = await asked(wecom, line)
        most = "你" * (STREAM_BYTES // 3)
        assert await line.stream(req_id, most) == 0
        assert await line.stream(req_id, most + "你") == 40058
        push = {"chatid": ANNA, "chat_type": 1, "msgtype": "markdown", "markdown": {"content": most + "你"}}
        assert (await line.ask("aibot_send_msg", push))["errcode"] == 40058

    async def test_the_feedback_id_counts_in_the_first_frame_alone(self, wecom, line):
        req_id = await asked(wecom, line)
        assert await line.stream(req_id, "one", feedback={"id": "x" * 257}) == 40058
        assert await line.stream(req_id, "one") == 0
        assert await line.stream(req_id, "one two", True, feedback={"id": "f1"}) == 0
        (answer,) = wecom.answers(ANNA)
        with pytest.raises(LookupError):
            await wecom.rate(ANNA, answer, ANNA, 1)

    async def test_pictures_in_a_stream_and_unknown_forms_are_refused(self, wecom, line):
        req_id = await asked(wecom, line)
        items = [_picture(PNG)]
        assert await line.stream(req_id, "one", True, msg_item=items) == 40058
        for body in ({"msgtype": "text", "text": {"content": "x"}}, {"msgtype": "stream"}, {"msgtype": "markdown"}, {}):
            assert (await line.ask("aibot_respond_msg", body, req_id))["errcode"] == 40058
        assert (await line.ask("aibot_unknown", {}))["errcode"] == 40058
        assert wecom.answers(ANNA) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"task_id": "no spaces"},
            {"task_id": None},
            {"task_id": "x" * 129},
            {"button_list": []},
            {"button_list": [{"text": "a", "key": str(n)} for n in range(7)]},
            {"button_list": [{"text": "a", "key": "你" * 342}]},
            {"main_title": {}},
            {"card_type": "other"},
        ],
    )
    async def test_a_card_that_wecom_would_not_take_is_refused(self, wecom, line, change):
        req_id = await asked(wecom, line)
        body = {"msgtype": "template_card", "template_card": card() | change}
        assert (await line.ask("aibot_respond_msg", body, req_id))["errcode"] == 40058

    async def test_a_task_id_is_used_once(self, wecom, line):
        req_id = await asked(wecom, line)
        body = {"msgtype": "template_card", "template_card": card()}
        codes = [(await line.ask("aibot_respond_msg", body, req_id))["errcode"] for _ in range(2)]
        assert codes == [0, 40058]

    async def test_a_conversation_takes_thirty_a_minute_of_everything(self, wecom, line, clock):
        wecom.has_limits = True
        req_id = await asked(wecom, line)
        codes = [await line.stream(req_id, "x" * n) for n in range(1, 31)]
        push = {"chatid": ANNA, "chat_type": 1, "msgtype": "markdown", "markdown": {"content": "more"}}
        assert codes == [0] * 30
        assert await line.stream(req_id, "end", True) == 45009
        assert (await line.ask("aibot_send_msg", push))["errcode"] == 45009
        other = await asked(wecom, line, "@Parley", GROUP)
        assert await line.stream(other, "one", True) == 0
        clock.now += 59
        assert await line.stream(req_id, "end", True) == 45009
        clock.now += 1
        assert await line.stream(req_id, "end", True) == 0

    async def test_frames_of_a_stream_may_count_once(self, wecom, line):
        wecom.has_limits, wecom.limits.counts_frames = True, False
        req_id = await asked(wecom, line)
        assert {await line.stream(req_id, "x" * n) for n in range(1, 60)} == {0}

    @pytest.mark.parametrize("first", [0, 1])
    async def test_chunks_are_counted_from_either_number(self, wecom, line, first):
        content = PNG * 3
        body = {"type": "file", "filename": "a.bin", "total_size": len(content), "total_chunks": 2}
        begun = await line.ask("aibot_upload_media_init", body | {"md5": hashlib.md5(content).hexdigest()})
        upload = {"upload_id": begun["body"]["upload_id"]}
        for number, part in enumerate((content[:300], content[300:]), start=first):
            chunk = {"chunk_index": number, "base64_data": base64.b64encode(part).decode()}
            assert (await line.ask("aibot_upload_media_chunk", upload | chunk))["errcode"] == 0
        told = (await line.ask("aibot_upload_media_finish", upload))["body"]
        assert wecom.media.find(told["media_id"], "file") == content

    async def test_an_upload_that_is_not_what_was_announced_is_refused(self, line):
        body = {"type": "image", "filename": "a.png", "total_size": 8, "total_chunks": 1, "md5": "0" * 32}
        begun = await line.ask("aibot_upload_media_init", body)
        upload = {"upload_id": begun["body"]["upload_id"]}
        chunk = {"chunk_index": 0, "base64_data": base64.b64encode(b"12345678").decode()}
        await line.ask("aibot_upload_media_chunk", upload | chunk)
        assert (await line.ask("aibot_upload_media_finish", upload))["errcode"] == 40058
        assert (await line.ask("aibot_upload_media_init", body | {"total_chunks": 101}))["errcode"] == 40058
        assert (await line.ask("aibot_upload_media_init", body | {"total_size": 11 << 20}))["errcode"] == 40058

    async def test_a_file_of_a_person_is_gone_after_five_minutes(self, wecom, line, clock):
        said = await wecom.send(ANNA, ANNA, "file", b"a report", "a.txt")
        url = said.body["file"]["url"]
        async with aiohttp.ClientSession() as session:
            clock.now += 299
            async with session.get(url) as answer:
                assert (answer.status, await answer.read() == b"a report") == (200, False)
            clock.now += 2
            async with session.get(url) as answer:
                assert answer.status == 404


def _stream(content: str, *, finish: bool = False) -> dict[str, Any]:
    return {"msgtype": "stream", "stream": {"id": "s1", "finish": finish, "content": content}}


def _picture(content: bytes) -> dict[str, Any]:
    image = {"base64": base64.b64encode(content).decode(), "md5": hashlib.md5(content).hexdigest()}
    return {"msgtype": "image", "image": image}


# Callbacks, answered by hand.

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


class House:
    """Called back at `url`: opens what comes with a cipher of its own, and answers what `answer` says, {} for empty.

    `answer` may raise HTTPException, too.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.heard: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.answer: Answer | None = None
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["House", None]:
        app = web.Application()
        app.router.add_get("/callback", self._check)
        app.router.add_post("/callback", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/callback"
        yield self
        await runner.cleanup()

    async def _check(self, request: web.Request) -> web.Response:
        return web.Response(body=self._opened(request, request.query["echostr"]))

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.raw.append(raw.decode())
        is_json = request.content_type == "application/json"
        sealed = json.loads(raw)["encrypt"] if is_json else tree(raw)["Encrypt"]
        plain = self._opened(request, sealed)
        self.heard.append(json.loads(plain) if is_json else tree(plain))
        answer = await self.answer(self.heard[-1]) if self.answer else None
        if not answer:
            return web.Response()
        if not is_json:
            return web.Response(text=self._xml(answer))
        return web.json_response(self._json(answer, request.query["nonce"]))

    def _opened(self, request: web.Request, sealed: str) -> bytes:
        query = request.query
        assert query["msg_signature"] == self.wire.sign(query["timestamp"], query["nonce"], sealed)
        return self.wire.open(sealed)

    def _json(self, answer: dict[str, Any], nonce: str) -> dict[str, Any]:
        sealed, signed = self.wire.seal(json.dumps(answer).encode()), 1409659813
        told = {"encrypt": sealed, "timestamp": signed, "nonce": nonce}
        return told | {"msgsignature": self.wire.sign(str(signed), nonce, sealed)}

    def _xml(self, answer: dict[str, Any]) -> str:
        sealed = self.wire.seal(xml(answer).encode())
        told = {"Encrypt": sealed, "TimeStamp": "1409659813", "Nonce": "n1"}
        return xml(told | {"MsgSignature": self.wire.sign("1409659813", "n1", sealed)})


@pytest.fixture
async def called(wecom: Platform) -> AsyncGenerator[House, None]:
    """A bot by callback."""
    async with House(Wire(BOT_TOKEN, BOT_AES_KEY)).open() as house:
        wecom.bot_url, wecom.callbacks.poll_interval = house.url, 0.01
        yield house


def answers(*contents: str, is_finished: bool = True, **first: Any) -> Answer:
    """A stream that says these one after the other, whoever asks."""
    left = list(contents)

    async def answer(body: dict[str, Any]) -> dict[str, Any]:
        more = {} if body["msgtype"] == "stream" else first
        content = left.pop(0) if len(left) > 1 else left[0]
        finish = is_finished and content == contents[-1]
        return {"msgtype": "stream", "stream": {"id": "s1", "finish": finish, "content": content} | more}

    return answer


class TestCallbacks:
    async def test_the_address_is_checked_with_an_echo(self, wecom, called):
        assert await wecom.check_url("callback") == ""
        called.wire = Wire(BOT_TOKEN, APP_AES_KEY)
        assert "500" in await wecom.check_url("callback")

    async def test_a_stream_is_asked_for_until_it_ends(self, wecom, called):
        called.answer = answers("", "Six", "Six times", "Six times seven.", feedback={"id": "f1"})
        said = await wecom.say(GROUP, ANNA, "@Parley 6 times 7?")
        await wecom.settle()
        (answer,) = wecom.answers(GROUP)
        assert (answer.texts, answer.is_streaming) == (["", "Six", "Six times", "Six times seven."], False)
        first, *polls = called.heard
        assert (first["msgid"], first["chatid"], first["text"]) == (said.id, GROUP, {"content": "@Parley 6 times 7?"})
        assert first["response_url"].startswith(wecom.api_url)
        assert [poll["stream"] for poll in polls] == [{"id": "s1"}] * 3
        assert len({body["msgid"] for body in called.heard}) == 4
        assert (said.is_accepted, said.problem, answer.feedback) == (True, "", "f1")

    async def test_a_message_that_nobody_answered_comes_again(self, wecom, called):
        count = 0

        async def third_time(body: dict[str, Any]) -> dict[str, Any]:
            nonlocal count
            count += 1
            if count < 3:
                raise web.HTTPServiceUnavailable
            return _stream("Here.", finish=True)

        called.answer = third_time
        said = await wecom.say(ANNA, ANNA, "hello")
        assert [attempt.status for attempt in said.attempts] == [503, 503, 200]
        assert len({body["msgid"] for body in called.heard}) == 1
        assert [m.text for m in wecom.answers(ANNA)] == ["Here."]
        assert (await wecom.repeat(said)).problem == ""
        called.answer = answers("Something else.")
        assert (await wecom.repeat(said)).problem == "stream message update expired"

    async def test_a_message_that_is_not_answered_in_time_comes_again_three_times(self, wecom, called):
        wecom.courier.ack_seconds = 0.05

        async def sleeps(body: dict[str, Any]) -> None:
            await asyncio.sleep(0.3)

        called.answer = sleeps
        said = await wecom.say(ANNA, ANNA, "hello")
        assert [attempt.reason for attempt in said.attempts] == ["timeout"] * 4

    async def test_the_same_message_has_to_get_the_same_stream(self, wecom, called):
        called.answer = answers("one", is_finished=False, feedback={"id": "f1"})
        said = await wecom.say(ANNA, ANNA, "hello")
        assert (await wecom.repeat(said)).problem == ""
        called.answer = answers("one", is_finished=False, feedback={"id": "f2"})
        assert (await wecom.repeat(said)).problem.endswith("another feedback id for the same message")

        async def other(body: dict[str, Any]) -> dict[str, Any]:
            return {"msgtype": "stream", "stream": {"id": "s2", "finish": True, "content": "x"}}

        called.answer = other
        assert (await wecom.repeat(said)).problem.endswith("another stream id for the same message")
        called.answer = answers("done", feedback={"id": "f1"})
        await wecom.settle()

    async def test_a_stream_ends_six_minutes_after_the_question(self, wecom, called, clock):
        called.answer = answers("one", is_finished=False)
        await wecom.say(ANNA, ANNA, "hello")
        await wecom.until(lambda: len(called.heard) > 2)
        clock.now += 361
        await wecom.settle()
        (answer,) = wecom.answers(ANNA)
        assert (answer.text, answer.stream.state) == ("one", "expired")

    async def test_pictures_come_with_the_end_of_a_stream(self, wecom, called):
        async def answer(body: dict[str, Any]) -> dict[str, Any]:
            stream = {"id": "s1", "finish": True, "content": "Look.", "msg_item": [_picture(PNG)]}
            return {"msgtype": "stream", "stream": stream}

        called.answer = answer
        await wecom.say(ANNA, ANNA, "A picture, please.")
        assert wecom.answers(ANNA)[0].images == [PNG]

    async def test_a_person_has_three_questions_in_hand(self, wecom, called):
        async def own(body: dict[str, Any]) -> dict[str, Any]:
            id = body["stream"]["id"] if "stream" in body else body["msgid"]
            return {"msgtype": "stream", "stream": {"id": id, "finish": is_over, "content": "one"}}

        called.answer, is_over = own, False
        for _ in range(3):
            assert (await wecom.say(ANNA, ANNA, "hello")).reason == ""
        assert (await wecom.say(ANNA, ANNA, "hello")).reason == "too many at once"
        assert (await wecom.say(BO, BO, "hello")).reason == ""
        is_over = True
        await wecom.settle()
        assert (await wecom.say(ANNA, ANNA, "hello")).reason == ""

    @pytest.mark.parametrize("spoil", ["nonce", "timestamp", "msgsignature", "encrypt"])
    async def test_an_answer_that_is_signed_wrongly_is_not_read(self, wecom, called, spoil):
        def spoiled(answer: dict[str, Any], nonce: str) -> dict[str, Any]:
            told = House._json(called, answer, nonce)
            return told | {spoil: str(told[spoil]) if spoil == "timestamp" else told[spoil][::-1]}

        called._json = spoiled
        called.answer = answers("one")
        said = await wecom.say(ANNA, ANNA, "hello")
        assert (said.is_accepted, said.attempts[0].reason) == (False, "forged")
        assert wecom.answers(ANNA) == []

    @pytest.mark.peers
    async def test_what_people_send_is_sealed_with_the_callbacks_own_key(self, wecom, called):
        await wecom.send(ANNA, ANNA, "image", PNG, "a.png")
        image = called.heard[0]["image"]
        assert list(image) == ["url"]
        async with aiohttp.ClientSession() as session, session.get(image["url"]) as answer:
            sealed = await answer.read()
        assert sealed != PNG
        async with node() as client:
            aes = base64.b64encode(called.wire.key).decode()
            assert (await client_download(client, wecom, image["url"], aes))[0] == PNG

    async def test_a_welcome_a_click_and_a_vote(self, wecom, called):
        async def answer(body: dict[str, Any]) -> dict[str, Any] | None:
            match body["msgtype"], body.get("event", {}).get("eventtype"):
                case "event", "enter_chat":
                    return {"msgtype": "template_card", "template_card": card()}
                case "event", "template_card_event":
                    return {"response_type": "update_template_card", "template_card": card(title="Thanks.")}
                case "event", "feedback_event":
                    return _stream("wrong", finish=True)
            return {"msgtype": "stream", "stream": _stream("one", finish=True)["stream"] | {"feedback": {"id": "f1"}}}

        called.answer = answer
        await wecom.enter(ANNA, ANNA)
        (welcome,) = wecom.cards(ANNA)
        assert (await wecom.click(ANNA, welcome, ANNA, "fb:up:R1")).problem == ""
        assert welcome.card["main_title"] == {"title": "Thanks."}
        with pytest.raises(LookupError):
            await wecom.click(ANNA, welcome, ANNA, "fb:up:R2")
        await wecom.say(ANNA, ANNA, "hello")
        voted = await wecom.rate(ANNA, wecom.answers(ANNA)[0], ANNA, 1)
        assert voted.problem.endswith("only an empty packet answers feedback_event")
        assert "response_url" not in voted.body

    async def test_a_click_is_sent_once(self, wecom, called):
        async def answer(body: dict[str, Any]) -> None:
            raise web.HTTPServiceUnavailable

        called.answer = answer
        told = await wecom.event(ANNA, ANNA, "template_card_event", {"task_id": "t"}, task="t")
        assert len(told.attempts) == 1

    async def test_a_response_url_takes_one_answer_within_an_hour(self, wecom, called, clock):
        urls = [(await wecom.say(ANNA, ANNA, "hello")).body["response_url"] for _ in range(3)]
        body = {"msgtype": "markdown", "markdown": {"content": "The rest.", "feedback": {"id": "f1"}}}
        async with aiohttp.ClientSession() as session:
            long = {"msgtype": "markdown", "markdown": {"content": "x" * (STREAM_BYTES + 1)}}
            assert await posted(session, urls[0], long) == 40058
            assert [await posted(session, urls[0], body) for _ in range(2)] == [0, 846605]
            clock.now += 3601
            assert await posted(session, urls[1], body) == 846605
            assert await posted(session, f"{wecom.api_url}/response/none", body) == 846605
        assert [(m.text, m.feedback) for m in wecom.answers(ANNA)] == [("The rest.", "f1")]

    async def test_a_card_by_response_url_is_for_single_chats(self, wecom, called):
        body = {"msgtype": "template_card", "template_card": card()}
        single, group = await wecom.say(ANNA, ANNA, "hello"), await wecom.say(GROUP, ANNA, "@Parley")
        async with aiohttp.ClientSession() as session:
            assert await posted(session, group.body["response_url"], body) == 40058
            assert await posted(session, single.body["response_url"], body) == 0

    async def test_an_empty_answer_asks_for_nothing(self, wecom, called):
        said = await wecom.say(ANNA, ANNA, "hello")
        await wecom.settle()
        assert (said.is_accepted, said.answer, len(called.heard)) == (True, {}, 1)


async def posted(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Any:
    async with session.post(url, json=body) as answer:
        return (await answer.json())["errcode"]


async def client_download(client: Any, wecom: Platform, url: str, key: str) -> Any:
    client.open(wecom.ws_url)
    await client.heard.next("authenticated")
    return await client.download(url, key)


# The app.


class Api:
    """The server API as an app calls it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.token = ""

    async def log_in(self, secret: str = APP_SECRET) -> Any:
        query = {"corpid": CORP, "corpsecret": secret}
        async with self._session.get(f"{self._url}/cgi-bin/gettoken", params=query) as answer:
            told = await answer.json()
        self.token = told.get("access_token", self.token)
        return told

    async def call(self, method: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        verb, query = "GET" if body is None else "POST", {"access_token": self.token} | query
        async with self._session.request(verb, f"{self._url}/cgi-bin/{method}", params=query, json=body) as answer:
            return await answer.json()

    async def send(self, content: str, kind: str = "text", **more: Any) -> Any:
        body = {"touser": ANNA, "msgtype": kind, "agentid": AGENT, kind: {"content": content}}
        return await self.call("message/send", body | more)

    async def send_card(self, given: dict[str, Any]) -> Any:
        body = {"touser": ANNA, "msgtype": "template_card", "agentid": AGENT, "template_card": given}
        return await self.call("message/send", body)

    async def upload(self, content: bytes, kind: str = "image") -> Any:
        form = aiohttp.FormData()
        form.add_field("media", content, filename="a.png", content_type="image/png")
        query = {"access_token": self.token, "type": kind}
        async with self._session.post(f"{self._url}/cgi-bin/media/upload", params=query, data=form) as answer:
            return await answer.json()

    async def fetch(self, id: str) -> tuple[bytes, str]:
        query = {"access_token": self.token, "media_id": id}
        async with self._session.get(f"{self._url}/cgi-bin/media/get", params=query) as answer:
            return await answer.read(), answer.content_type


@pytest.fixture
async def api(wecom: Platform) -> AsyncGenerator[Api, None]:
    async with aiohttp.ClientSession() as session:
        api = Api(session, wecom.api_url)
        await api.log_in()
        yield api


class TestTheServerApi:
    async def test_a_token_is_the_same_one_until_it_ends(self, wecom, api, clock):
        first = api.token
        clock.now += 7000
        assert (await api.log_in())["expires_in"] == 200
        assert api.token == first
        clock.now += 201
        assert (await api.send("hello"))["errcode"] == 42001
        await api.log_in()
        assert api.token != first
        assert (await api.send("hello"))["errcode"] == 0
        wecom.app.revoke()
        assert (await api.send("hello"))["errcode"] == 40014
        api.token = ""
        assert (await api.send("hello"))["errcode"] == 41001

    async def test_no_secret_is_written_down(self, wecom, api):
        assert (await api.log_in("wrong"))["errcode"] == 40001
        await api.send("hello")
        seen = str(wecom.calls)
        assert "wrong" not in seen
        assert APP_SECRET not in seen
        assert api.token not in seen

    async def test_a_message_is_seen_by_whom_the_app_may_write_to(self, wecom, api):
        told = await api.send("hello", touser=f"{ANNA}|eve|nobody")
        assert (told["errcode"], told["invaliduser"]) == (0, "eve|nobody")
        assert [(m.text, m.id) for m in wecom.answers(APP_ANNA)] == [("hello", told["msgid"])]
        assert wecom.answers(ANNA) == []
        assert (await api.send("hello", touser="eve"))["errcode"] == 81013
        assert (await api.send("hello", agentid=AGENT + 1))["errcode"] == 301002
        await api.send("all", touser="@all")
        assert [len(wecom.answers(chat)) for chat in (APP_ANNA, APP_BO, "app:eve")] == [2, 1, 0]

    async def test_a_text_is_cut_in_silence_and_markdown_is_refused(self, wecom, api):
        assert (await api.send("你" * 700))["errcode"] == 0
        (cut,) = wecom.answers(APP_ANNA)
        assert (cut.is_cut, len(cut.text)) == (True, TEXT_BYTES // 3)
        assert (await api.send("你" * 682, "markdown"))["errcode"] == 0
        assert (await api.send("你" * 683, "markdown"))["errcode"] == 40058
        assert (await api.send("", "markdown"))["errcode"] == 40058

    async def test_the_same_message_is_shown_once_where_that_is_asked_for(self, wecom, api, clock):
        more = {"enable_duplicate_check": 1, "duplicate_check_interval": 1800}
        first, second = [await api.send("hello", **more) for _ in range(2)]
        assert first["msgid"] == second["msgid"]
        assert len(wecom.answers(APP_ANNA)) == 1
        wecom.app.tells_duplicates = False
        assert "msgid" not in await api.send("hello", **more)
        await api.send("other", **more)
        await api.send("hello", touser=BO, **more)
        assert [len(wecom.answers(chat)) for chat in (APP_ANNA, APP_BO)] == [2, 1]
        clock.now += 1801
        await api.send("hello", **more)
        assert len(wecom.answers(APP_ANNA)) == 3
        for _ in range(2):
            await api.send("hello")
        assert len(wecom.answers(APP_ANNA)) == 5

    async def test_what_is_too_much_is_dropped_in_silence(self, wecom, api, clock):
        wecom.has_limits = True
        assert {(await api.send(f"message {n}"))["errcode"] for n in range(31)} == {0}
        assert len(wecom.answers(APP_ANNA)) == 30
        assert [m.text for m in wecom.chats.all[APP_ANNA].dropped] == ["message 30"]
        clock.now += 61
        await api.send("later")
        assert wecom.answers(APP_ANNA)[-1].text == "later"

    async def test_a_message_can_be_taken_back_for_a_day(self, wecom, api, clock):
        first, second = await api.send("one"), await api.send("two")
        assert (await api.call("message/recall", {"msgid": first["msgid"]}))["errcode"] == 0
        assert [m.text for m in wecom.answers(APP_ANNA)] == ["two"]
        clock.now += 24 * 3600 + 1
        await api.log_in()
        assert (await api.call("message/recall", {"msgid": second["msgid"]}))["errcode"] == 40058
        assert (await api.call("message/recall", {"msgid": "none"}))["errcode"] == 40058

    async def test_media_are_kept_for_three_days(self, wecom, api, clock):
        stored = await api.upload(PNG)
        assert (stored["errcode"], stored["type"]) == (0, "image")
        assert await api.fetch(stored["media_id"]) == (PNG, "application/octet-stream")
        body = {"touser": ANNA, "msgtype": "image", "agentid": AGENT, "image": {"media_id": stored["media_id"]}}
        assert (await api.call("message/send", body))["errcode"] == 0
        assert wecom.answers(APP_ANNA)[0].media == PNG
        assert (await api.upload(b"x" * 5))["errcode"] == 40058
        clock.now += 3 * 24 * 3600 + 1
        await api.log_in()
        content, kind = await api.fetch(stored["media_id"])
        assert (json.loads(content)["errcode"], kind) == (40007, "application/json")

    async def test_a_button_gets_another_name_once_for_each_code(self, wecom, api, clock):
        sent = await api.send_card(card())
        body = {"userids": [ANNA], "agentid": AGENT, "response_code": sent["response_code"]}
        change = body | {"button": {"replace_name": "Thank you"}}
        codes = [(await api.call("message/update_template_card", change))["errcode"] for _ in range(2)]
        assert codes == [0, 40058]
        (message,) = wecom.cards(APP_ANNA)
        assert message.card_for(ANNA)["replaced"] == "Thank you"
        with pytest.raises(LookupError):
            await wecom.click(APP_ANNA, message, ANNA, "👍")
        assert (await api.send_card(card()))["errcode"] == 40058  # the task_id is used
        late = (await api.send_card(card("task-2")))["response_code"]
        clock.now += 72 * 3600 + 1
        await api.log_in()
        told = await api.call("message/update_template_card", change | {"response_code": late})
        assert told["errcode"] == 40058

    async def test_the_rest_of_the_interface(self, wecom, api):
        assert (await api.call("getcallbackip"))["ip_list"] == wecom.app.ips
        assert (await api.call("agent/get", agentid=str(AGENT)))["name"] == "Parley"
        assert (await api.call("agent/get", agentid="1"))["errcode"] == 301002
        assert (await api.call("user/list"))["errcode"] == 40058

    async def test_what_is_asked_to_go_wrong_does(self, wecom, api):
        wecom.fail("message/send", 60020, "not allow to access from your ip, from ip: 203.0.113.7, hint: [1]")
        told = await api.send("one")
        assert (told["errcode"], "203.0.113.7" in told["errmsg"]) == (60020, True)
        wecom.drop("message/send")
        with pytest.raises(aiohttp.ClientError):
            await api.send("two")
        assert wecom.answers(APP_ANNA) == []
        wecom.swallow("message/send")
        with pytest.raises(aiohttp.ClientError):
            await api.send("three")
        assert [m.text for m in wecom.answers(APP_ANNA)] == ["three"]
        wecom.break_down("message/send")
        with pytest.raises(aiohttp.ContentTypeError):
            await api.send("four")
        wecom.fail("message/send", 45009, times=2)
        wecom.heal()
        assert (await api.send("five"))["errcode"] == 0
        with pytest.raises(ValueError, match="no such kind"):
            wecom.fail("message/sent", 1)


@pytest.fixture
async def app(wecom: Platform) -> AsyncGenerator[House, None]:
    """A self-built app that is called back."""
    async with House(Wire(APP_TOKEN, APP_AES_KEY, CORP)).open() as house:
        wecom.app_url = house.url
        yield house


class TestTheAppIsCalledBack:
    async def test_the_address_is_checked_with_an_echo(self, wecom, app):
        assert await wecom.check_url("app") == ""

    async def test_messages_come_as_xml_with_ids_of_64_bits(self, wecom, app):
        said = await wecom.say(APP_ANNA, ANNA, "What is ]]> 6 < 7?")
        (heard,) = app.heard
        assert (heard["Content"], heard["FromUserName"], heard["ToUserName"]) == ("What is ]]> 6 < 7?", ANNA, CORP)
        assert (heard["MsgId"], heard["AgentID"], heard["MsgType"]) == (said.id, str(AGENT), "text")
        assert 2**62 < int(heard["MsgId"]) < 2**63
        assert tree(app.raw[0].encode()).keys() == {"ToUserName", "AgentID", "Encrypt"}
        await wecom.send(APP_ANNA, ANNA, "image", PNG, "a.png")
        assert wecom.media.find(app.heard[1]["MediaId"], "image") == PNG
        await wecom.tell(APP_ANNA, ANNA, "location", {"Location_X": 23.1, "Location_Y": 113.3, "Label": "Harbour"})
        assert (app.heard[2]["Label"], app.heard[2]["Location_X"]) == ("Harbour", "23.1")
        await wecom.enter(APP_ANNA, ANNA)
        assert (app.heard[3]["MsgType"], app.heard[3]["Event"], "MsgId" in app.heard[3]) == (
            "event",
            "enter_agent",
            False,
        )

    async def test_what_is_not_answered_with_200_comes_again_three_times(self, wecom, app):
        async def answer(body: dict[str, Any]) -> None:
            raise web.HTTPNoContent

        app.answer = answer
        said = await wecom.say(APP_ANNA, ANNA, "hello")
        assert [attempt.status for attempt in said.attempts] == [204] * 4
        assert len({heard["MsgId"] for heard in app.heard}) == 1
        app.answer = None
        assert (await wecom.repeat(said)).is_accepted

    async def test_a_click_has_a_code_and_its_answer_renames_the_button_for_the_clicker(self, wecom, app, api):
        await api.send_card(card())
        (message,) = wecom.cards(APP_ANNA)

        async def answer(body: dict[str, Any]) -> dict[str, Any]:
            told = {"ToUserName": ANNA, "FromUserName": CORP, "CreateTime": 1, "MsgType": "update_button"}
            return told | {"Button": {"ReplaceName": "Thank you"}}

        app.answer = answer
        clicked = await wecom.click(APP_ANNA, message, ANNA, "👎")
        assert (clicked.problem, message.card_for(ANNA)["replaced"]) == ("", "Thank you")
        heard = app.heard[0]
        assert (heard["Event"], heard["EventKey"], heard["TaskId"]) == ("template_card_event", "fb:down:R1", "task-1")
        body = {"userids": [ANNA], "agentid": AGENT, "response_code": heard["ResponseCode"]}
        told = await api.call("message/update_template_card", body | {"button": {"replace_name": "Again"}})
        assert (told["errcode"], message.card_for(ANNA)["replaced"]) == (0, "Again")
        said = await wecom.say(APP_ANNA, ANNA, "hello")
        assert said.problem.endswith("update_button does not answer text")

    async def test_a_clicked_card_may_become_another_one_for_the_clicker(self, wecom, app, api):
        await api.send_card(card())
        await api.send_card(card("task-2"))
        (message, _), task = wecom.cards(APP_ANNA), "task-3"

        async def answer(body: dict[str, Any]) -> dict[str, Any]:
            buttons = [{"Text": text, "Style": 1, "Key": text} for text in ("again", "stop")]
            shown = {"CardType": "button_interaction", "MainTitle": {"Title": "Thanks."}, "TaskId": task}
            told = {"ToUserName": ANNA, "FromUserName": CORP, "CreateTime": 1, "MsgType": "update_template_card"}
            return told | {"TemplateCard": shown | {"ButtonList": buttons}}

        app.answer = answer
        assert (await wecom.click(APP_ANNA, message, ANNA, "👎")).problem == ""
        shown = message.card_for(ANNA)
        assert (shown["main_title"], shown["card_type"]) == ({"title": "Thanks."}, "button_interaction")
        assert [button["key"] for button in shown["button_list"]] == ["again", "stop"]
        task = "task-2"
        clicked = await wecom.click(APP_ANNA, message, ANNA, "stop")
        assert clicked.body["TaskId"] == "task-3"
        assert clicked.problem.endswith("task_id is used already")


def test_a_person_sees_only_what_stands_in_chats_they_are_in(wecom):
    wecom.chats.all[GROUP].add(Message("1", ANNA, "hello"))
    assert [m.text for m in wecom.messages(GROUP, viewer=ANNA)] == ["hello"]
    assert wecom.messages(GROUP, viewer="eve") == []
