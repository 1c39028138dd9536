"""What an AI bot's messages and events mean, by either way. Shapes after documents 100719 and 101027."""

import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.content import without_mention
from adapters.wecom.heard import NOTHING, Card, Heard, Welcome
from adapters.wecom.parse import MAX_COMMENT, parse_bot
from adapters.wecom.payload import object_of
from core.codec import dumps, loads
from core.errors import Malformed
from core.message import (
    Attachment,
    Author,
    Command,
    CommandName,
    Feedback,
    Message,
    Origin,
    ReplyId,
    ThreadId,
    Visibility,
)

BOT, CHAT = "aibTESTbot", "wrGROUP01"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED, CREATED_AT = 1700000000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
REPLY = "0123456789abcdef" * 2
URL = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=R"
FILE = "https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com/a?sign=1"
ANNA = Author("wecom", BOT, "anna", locale="zh-CN")

Body = dict[str, Any]


def said(kind: str = "text", content: object = None, **changes: Any) -> Body:
    """A message of Anna's to the bot alone; None takes a field out."""
    usual = {"content": "What is 6 times 7?"} if content is None else content
    body = {"msgid": "m1", "aibotid": BOT, "chattype": "single", "from": {"userid": "anna"}, "response_url": URL}
    whole: Body = {**body, "msgtype": kind, kind: usual, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def in_group(text: str, **changes: Any) -> Body:
    return said(content={"content": text}, **{"chatid": CHAT, "chattype": "group"} | changes)


def happened(kind: str, told: object = None, **changes: Any) -> Body:
    return said("event", {"eventtype": kind, kind: told or {}}, create_time=CREATED, **changes)


def heard(body: object, mode: Any = "callback", name: str = "Parley") -> Heard:
    return parse_bot(body, mode=mode, bot_id=BOT, name=name, req_id="R1", now=NOW)


def event_of(body: Body, **options: Any) -> Any:
    (event,) = heard(body, **options).events
    return event


def address(**changes: Any) -> dict[str, Any]:
    usual = {"mode": "callback", "response_url": URL, "chat": "anna", "chat_type": 1, "at": "2030-01-02T03:04:05+00:00"}
    return usual | changes


def message(**changes: Any) -> Message:
    usual = Message(
        id=f"callback:{BOT}:m1",
        thread=ThreadId("wecom", BOT, "anna", "single"),
        author=ANNA,
        text="What is 6 times 7?",
        sent_at=NOW,
        visibility=Visibility.DIRECT,
        is_mention=True,
        return_address=address(),
    )
    return replace(usual, **changes)


def group_message(**changes: Any) -> Message:
    whole = {
        "thread": ThreadId("wecom", BOT, CHAT, "group"),
        "visibility": Visibility.PRIVATE,
        "return_address": address(chat=CHAT, chat_type=2),
    }
    return message(**whole | changes)


# ------------------------------------------------------------------------------------------------------------- messages


def test_a_question_by_callback():
    assert heard(said()) == Heard("message", (message(),))


def test_a_question_by_long_connection_keeps_the_request_it_came_with():
    way = {"mode": "socket", "req_id": "R1", "chat": "anna", "chat_type": 1, "at": "2030-01-02T03:04:05+00:00"}
    expected = message(id=f"socket:{BOT}:m1", return_address=way)
    assert heard(said(response_url=None), mode="socket") == Heard("message", (expected,))


def test_a_question_in_a_group_belongs_to_the_group():
    assert heard(in_group("@Parley What is 6 times 7?")) == Heard("message", (group_message(),))


def test_the_kind_of_a_chat_is_known_by_its_id_where_it_is_not_told():
    assert event_of(in_group("@Parley hi", chattype=None)).thread == ThreadId("wecom", BOT, CHAT, "group")
    assert event_of(said(chattype=None)).thread == ThreadId("wecom", BOT, "anna", "single")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Parley", "@Parley what is this?", "what is this?"),
        ("Parley", "@Parley\u2005what is this?", "what is this?"),
        ("Parley", "  @Parley，这是什么？", "这是什么？"),
        ("Parley", "@Parley这是什么？", "这是什么？"),
        ("Parley", "@Parleys are talks", "@Parleys are talks"),
        ("Parley", "@Parley", ""),
        ("Parley", "@bo @Parley what?", "@bo @Parley what?"),
        ("Parley", "ask @Parley or @bo", "ask @Parley or @bo"),
        ("Parley", "@Parley @bo says no", "@bo says no"),
        ("Parley", "@Parley - one\n- two", "- one\n- two"),
        ("小 助手", "@小 助手 你好", "你好"),
        ("小助手", "@小助手你好", "你好"),
        ("", "@Anything you like", "you like"),
        ("", "@小助手\u2005你好", "你好"),
        ("", "@小助手，你好", "你好"),
        ("", "@小助手你好吗", "@小助手你好吗"),  # who knows where the name ends
        ("", "@Anything", "@Anything"),
        ("", "mail a@b.example please", "mail a@b.example please"),
        ("", "@ you", "@ you"),
        ("", "", ""),
    ],
)
def test_only_the_name_at_the_beginning_is_no_part_of_the_question(name, text, expected):
    assert without_mention(text, name) == expected
    assert event_of(in_group(text), name=name).text == expected


def test_alone_with_the_bot_nothing_is_taken_from_the_text():
    assert event_of(said(content={"content": " @Parley is your name? "})).text == "@Parley is your name?"


@pytest.mark.parametrize("text", ["stop", "@Parley 停止", "@Parley\u2005STOP"])
def test_a_stop_word_orders_and_asks_for_no_answer(text):
    told = heard(in_group(text))
    assert told.kind == "control"
    (event,) = told.events
    assert isinstance(event, Command)
    assert event.name is CommandName.STOP
    assert event.thread == ThreadId("wecom", BOT, CHAT, "group")


def test_a_slash_command_is_answered():
    told = heard(in_group("@Parley /code print it"))
    assert told.kind == "message"
    assert [(event.name, event.args) for event in told.events if isinstance(event, Command)] == [("code", "print it")]


def test_the_text_is_taken_as_it_is_but_for_what_no_database_takes():
    assert event_of(said(content={"content": "a\0b \ud800 <b>&amp;</b>"})).text == "ab ? <b>&amp;</b>"


# --------------------------------------------------------------------------------------------------------------- files


def attachment(**changes: Any) -> Attachment:
    usual = Attachment(id=f"callback:{BOT}:m1:0", name="图片", media_type="image/*", address={"url": FILE})
    return replace(usual, **changes)


def test_a_mixed_message_is_its_texts_and_its_pictures():
    items = [
        {"msgtype": "text", "text": {"content": "@Parley Compare"}},
        {"msgtype": "image", "image": {"url": FILE, "aeskey": "K"}},
        {"msgtype": "text", "text": {"content": "with"}},
        {"msgtype": "image", "image": {"url": FILE}},
        "no item",
    ]
    event = event_of(said("mixed", {"msg_item": items}, chatid=CHAT, chattype="group"))
    assert event.text == "Compare\nwith"
    assert event.attachments == (
        attachment(name="picture", address={"url": FILE, "aeskey": "K"}),
        attachment(id=f"callback:{BOT}:m1:1", name="picture"),
    )


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("image", {"url": FILE}, attachment()),
        ("video", {"url": FILE}, attachment(name="视频", media_type="video/*")),
        ("file", {"url": FILE}, attachment(name="文件", media_type="text/*")),
        ("file", {"url": FILE, "filename": "a.txt"}, attachment(name="a.txt", media_type="application/octet-stream")),
        ("voice", {"url": FILE}, attachment(name="语音", media_type="audio/*")),
        ("voice", {}, attachment(name="语音", media_type="audio/*", address={})),
        ("image", {"url": "file:///etc/passwd"}, attachment(address={})),
        ("image", {"url": FILE + "\n"}, attachment(address={})),
        ("image", None, attachment(address={})),
        ("hologram", {"depth": 3}, attachment(name="hologram", media_type="application/octet-stream", address={})),
        ("mixed", {"msg_item": [{"msgtype": "hologram"}]},
         attachment(name="hologram", media_type="application/octet-stream", address={})),
    ],
)  # fmt: skip
def test_what_is_no_text_is_attached_so_that_it_is_not_met_with_silence(kind, content, expected):
    assert event_of(said(kind, content or {})) == message(text="", attachments=(expected,))


def test_a_voice_message_comes_written_down():
    assert event_of(said("voice", {"content": "六乘七等于几"})) == message(text="六乘七等于几")


# -------------------------------------------------------------------------------------------------------------- quotes


def test_a_quotation_comes_before_the_question():
    quote = {"msgtype": "text", "text": {"content": "The answer is 41.\n\nIs it?\n"}}
    event = event_of(in_group("@Parley really?", quote=quote))
    assert event == group_message(text="> The answer is 41.\n>\n> Is it?\n\nreally?")


def test_a_quoted_picture_is_attached_and_a_quotation_alone_is_a_message():
    items = [{"msgtype": "text", "text": {"content": "see"}}, {"msgtype": "image", "image": {"url": FILE}}]
    event = event_of(in_group("@Parley", quote={"msgtype": "mixed", "mixed": {"msg_item": items}}))
    assert event == group_message(text="> see", attachments=(attachment(),))


def test_a_quoted_answer_of_whatever_kind_is_read_where_it_has_words():
    for kind in ("stream", "markdown", "voice"):
        assert event_of(said(quote={"msgtype": kind, kind: {"content": "42"}})).text == "> 42\n\nWhat is 6 times 7?"


def test_who_quotes_an_answer_and_orders_to_stop_orders_to_stop():
    quote = {"msgtype": "text", "text": {"content": "The answer is"}}
    assert heard(in_group("@Parley 停止", quote=quote)).kind == "control"
    assert event_of(in_group("@Parley /reset", quote=quote)).args == ""
    assert event_of(in_group("@Parley /code explain", quote=quote)).args == "> The answer is\n\nexplain"


@pytest.mark.parametrize("quote", [{}, [], "text", {"msgtype": "text", "text": {"content": " "}}, None])
def test_a_quotation_of_nothing_changes_nothing(quote):
    assert event_of(said(quote=quote)) == message()


# -------------------------------------------------------------------------------------------------------------- events


def test_who_opens_the_chat_for_the_first_time_of_a_day_is_welcomed():
    told = heard(happened("enter_chat", msgid="e1"))
    assert told == Heard(
        "welcome",
        welcome=Welcome(
            id=f"welcome:callback:{BOT}:e1",
            thread=ThreadId("wecom", BOT, "anna", "single"),
            author=ANNA,
            sent_at=CREATED_AT,
            visibility=Visibility.DIRECT,
            return_address=address(),
        ),
    )


def click(key: str) -> Heard:
    card = {"card_type": "button_interaction", "event_key": key, "task_id": "task-1", "selected_items": {}}
    return heard(happened("template_card_event", card, msgid="e1"))


def test_the_button_of_a_question_confirms_it():
    told = click("ask:a-1")
    assert told.kind == "click"
    assert told.card == Card(task_id="task-1", event_key="ask:a-1", card_type="button_interaction", user="anna")
    assert told.events == (
        Command(
            id=f"callback:{BOT}:e1",
            name=CommandName.CONFIRM,
            args="a-1",
            thread=ThreadId("wecom", BOT, "anna", "single"),
            author=ANNA,
            sent_at=CREATED_AT,
            visibility=Visibility.DIRECT,
            return_address=address(),
        ),
    )


def test_the_other_buttons_vote_and_ask_anew():
    (again,) = click(f"again:{REPLY}").events
    assert isinstance(again, Command)
    assert (again.name, again.args) == (CommandName.REGENERATE, REPLY)
    votes = [click(f"fb:{way}:{REPLY}").events[0] for way in ("up", "down")]
    assert [(vote.score, vote.target) for vote in votes if isinstance(vote, Feedback)] == [
        (5, ReplyId(REPLY)),
        (1, ReplyId(REPLY)),
    ]


@pytest.mark.parametrize(
    "key", ["", "ask:", "ask:a b", "fb:up:", f"fb:sideways:{REPLY}", f"again:{REPLY.upper()}", "again:x", REPLY, "ask"]
)
def test_a_button_of_somebody_elses_card_is_a_click_without_an_event(key):
    told = click(key)
    assert (told.kind, told.events) == ("click", ())
    assert told.card
    assert told.card.event_key == key


def rated(**told: Any) -> Body:
    return happened("feedback_event", {"id": REPLY, "content": "", "inaccurate_reason_list": []} | told, msgid="e1")


def vote(**changes: Any) -> Feedback:
    usual = Feedback(
        id=f"callback:{BOT}:e1",
        target=ReplyId(REPLY),
        author=ANNA,
        origin=Origin.BUTTON,
        score=5,
        sent_at=CREATED_AT,
        return_address=address(),
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(("kind", "score"), [(1, 5), (2, 1), (3, None), ("2", 1)])
def test_a_thumb_under_an_answer_is_a_vote_or_takes_it_back(kind, score):
    assert heard(rated(type=kind)) == Heard("control", (vote(score=score),))


def test_a_thumb_down_comes_with_reasons_and_words():
    event = event_of(rated(type=2, content=" It is 42. ", inaccurate_reason_list=[2, 3, 3, 9, "1", None]))
    assert event == vote(score=1, reason="incomplete, incorrect, off_topic", comment="It is 42.")
    assert event_of(rated(type=2, inaccurate_reason_list=[4], content="a" * 9_000)).comment == "a" * MAX_COMMENT


def test_words_of_an_earlier_thumb_down_are_none_of_a_thumb_up():
    assert event_of(rated(type=1, content="old", inaccurate_reason_list=[1])) == vote()


@pytest.mark.parametrize(
    "told", [{"type": 0}, {"type": 4}, {"type": None}, {"type": True}, {"type": 1.0}, {"type": 1, "id": "another's"},
             {"type": 1, "id": None}, {"type": [1]}, {"type": "１"}]
)  # fmt: skip
def test_a_vote_that_is_none_or_on_nothing_of_ours_is_nothing(told):
    assert heard(rated(**told)) == NOTHING


def test_a_connection_that_was_taken_over_is_known_without_anything_else():
    event = {"msgtype": "event", "event": {"eventtype": "disconnected_event"}}
    assert heard(event, mode="socket") == Heard("kicked")


@pytest.mark.parametrize(
    "event", [{}, None, "enter_chat", [], {"eventtype": "delete_robot"}, {"eventtype": 7}, {"eventtype": "\ud800"}]
)
def test_an_event_that_is_not_for_us_is_nothing(event):
    assert heard(said("event", event or {})) == NOTHING


@pytest.mark.parametrize(("created", "sent_at"), [("1700000000", CREATED_AT), (None, NOW), ("x", NOW), (10**30, NOW),
                                                  (-1, NOW), (1.5, NOW), (True, NOW), ([], NOW)])  # fmt: skip
def test_a_time_that_is_none_is_the_time_of_receiving(created, sent_at):
    told = heard(happened("enter_chat") | {"create_time": created})
    assert told.welcome
    assert told.welcome.sent_at == sent_at


# --------------------------------------------------------------------------------------------------------------- polls


def test_a_poll_asks_for_a_stream_of_ours():
    poll = {"msgid": "p1", "aibotid": BOT, "chattype": "single", "from": {"userid": "anna"}, "msgtype": "stream"}
    assert heard(poll | {"stream": {"id": REPLY}}) == Heard("poll", stream=REPLY)
    for stream in ({}, None, {"id": "lost"}, {"id": 7}, {"id": f"{REPLY}\n"}):
        assert heard(poll | {"stream": stream}) == Heard("poll")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"aibotid": "aibANOTHER"},
        {"aibotid": ""},
        {"aibotid": [BOT]},
        {"msgid": "m\0" + "1"},
        {"msgid": None},
        {"msgid": ""},
        {"msgid": 7},
        {"msgid": "a b"},
        {"msgid": "m" * 257},
        {"from": None},
        {"from": {}},
        {"from": "anna"},
        {"from": {"userid": "人"}},
        {"msgtype": None},
        {"msgtype": ["text"]},
        {"chattype": "crowd"},
        {"chattype": "group"},
    ],
)
def test_a_message_without_what_everything_depends_on_is_malformed(changes):
    with pytest.raises(Malformed):
        heard(said(**changes))


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_what_is_no_object_is_malformed(body):
    with pytest.raises(Malformed):
        heard(body)


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 100_000])
def test_bytes_that_are_no_object_are_malformed(data):
    with pytest.raises(Malformed):
        object_of(data)
    assert object_of('{"a": "你好"}'.encode()) == object_of('{"a": "你好"}') == {"a": "你好"}


BODIES = (
    said(),
    in_group("@Parley hi", quote={"msgtype": "text", "text": {"content": "a"}}),
    said("mixed", {"msg_item": [{"msgtype": "image", "image": {"url": FILE}}]}),
    happened("enter_chat"),
    happened("template_card_event", {"event_key": "ask:1", "task_id": "t", "card_type": "c"}),
    rated(type=2, inaccurate_reason_list=[1]),
    {"msgid": "p", "msgtype": "stream", "stream": {"id": REPLY}},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body["msgtype"]))
@given(data=st.data())
def test_whatever_stands_in_any_field_there_are_events_that_can_be_stored_or_it_is_malformed(body, data):
    changed: Any = deepcopy(body)
    inner = changed
    while True:
        key = data.draw(st.sampled_from(sorted(inner)))
        if not (isinstance(inner[key], dict) and data.draw(st.booleans())):
            break
        inner = inner[key]
        if not inner:
            return
    inner[key] = data.draw(JSON)
    with suppress(Malformed):
        for event in heard(changed).events:
            assert loads(dumps(event)) == event
            dumps(event).decode()


def test_the_return_address_is_plain_json():
    event = event_of(said())
    assert json.loads(json.dumps(event.return_address)) == event.return_address
