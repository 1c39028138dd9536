"""What a self-built app's messages and events mean. Shapes after documents 90239 and 90240."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.heard import NOTHING, Card, Heard, Welcome
from adapters.wecom.parse_app import parse_app
from adapters.wecom.xml import fields_of
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

CORP, AGENT = "ww00000000000000aa", 1000002
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED, CREATED_AT = "1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
REPLY = "0123456789abcdef" * 2
ANNA = Author("wecom-app", CORP, "anna", locale="zh-CN")
THREAD = ThreadId("wecom-app", CORP, str(AGENT), "anna")
ADDRESS = {"mode": "app", "user": "anna", "agent": AGENT, "at": "2030-01-02T03:04:05+00:00"}
OCCASION = f"app:{AGENT}:anna:{CREATED}"

Fields = dict[str, str]


def said(kind: str = "text", **fields: str) -> Fields:
    """A message of Anna's; "" takes a field out."""
    whole = {"ToUserName": CORP, "FromUserName": "anna", "CreateTime": CREATED, "MsgType": kind, "AgentID": str(AGENT)}
    usual = {"MsgId": "4561255354251345929"} if kind != "event" else {}
    return {name: value for name, value in (whole | usual | fields).items() if value}


def heard(fields: Fields) -> Heard:
    return parse_app(fields, corp_id=CORP, agent_id=AGENT, now=NOW)


def event_of(fields: Fields) -> Any:
    (event,) = heard(fields).events
    return event


def message(**changes: Any) -> Message:
    usual = Message(
        id=f"{OCCASION}:4561255354251345929",
        thread=THREAD,
        author=ANNA,
        text="6 乘 7 等于几？",
        sent_at=CREATED_AT,
        visibility=Visibility.DIRECT,
        is_mention=True,
        return_address=ADDRESS,
    )
    return replace(usual, **changes)


def attachment(**changes: Any) -> Attachment:
    address = {"media_id": "MEDIA-1"}
    usual = Attachment(id=f"{message().id}:0", name="图片", media_type="image/*", address=address)
    return replace(usual, **changes)


def test_a_question_as_it_comes():
    body = f"""<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[anna]]></FromUserName>
    <CreateTime>{CREATED}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[6 乘 7 等于几？]]></Content>
    <MsgId>4561255354251345929</MsgId><AgentID>{AGENT}</AgentID></xml>"""
    assert heard(dict(fields_of(body.encode()))) == Heard("message", (message(),))


def test_two_people_with_one_message_id_have_two_messages():
    anna, bo = event_of(said(Content="hi")), event_of(said(Content="hi", FromUserName="bo"))
    later = event_of(said(Content="hi", CreateTime="1700000001"))
    assert len({anna.id, bo.id, later.id}) == 3
    assert event_of(said(Content="hi")).id == anna.id


def test_a_stop_word_orders_and_a_slash_command_is_answered():
    told = heard(said(Content=" 停止 "))
    assert told.kind == "control"
    assert isinstance(told.events[0], Command)
    assert told.events[0].name is CommandName.STOP
    assert heard(said(Content="/reset")).kind == "message"
    assert event_of(said(Content="/reset")).name is CommandName.RESET


def test_nothing_is_taken_from_a_text_that_begins_with_a_name():
    assert event_of(said(Content="@bo says no")).text == "@bo says no"


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("location", {"Location_X": "23.1", "Location_Y": "113.3", "Scale": "15", "Label": "广州塔"},
         "广州塔 (23.1, 113.3)"),
        ("location", {"Label": "广州塔"}, "广州塔"),
        ("link", {"Title": "Parley", "Description": "a house", "Url": "https://a.example/", "PicUrl": "https://b.example/"},
         "Parley\na house\nhttps://a.example/"),
        ("link", {"Url": "https://a.example/"}, "https://a.example/"),
    ],
)  # fmt: skip
def test_places_and_links_are_their_words(kind, fields, text):
    assert event_of(said(kind, **fields)) == message(text=text)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("image", {"PicUrl": "https://a.example/p"}, attachment()),
        ("voice", {"Format": "amr"}, attachment(name="语音", media_type="audio/amr")),
        ("voice", {"Format": "opus"}, attachment(name="语音", media_type="audio/*")),
        ("video", {"ThumbMediaId": "MEDIA-2"}, attachment(name="视频", media_type="video/*")),
        ("file", {"FileName": "a.txt"}, attachment(name="a.txt", media_type="application/octet-stream")),
        ("image", {"MediaId": "a b"}, attachment(address={})),
        ("hologram", {"MediaId": ""}, attachment(name="hologram", media_type="application/octet-stream", address={})),
    ],
)
def test_what_is_no_text_is_attached_so_that_it_is_not_met_with_silence(kind, fields, expected):
    sent = said(kind, **{"MediaId": "MEDIA-1"} | fields)
    assert event_of(sent) == message(text="", attachments=(expected,))


def test_who_gets_the_app_is_welcomed():
    told = heard(said("event", Event="subscribe"))
    assert told == Heard(
        "welcome",
        welcome=Welcome(
            id=f"welcome:{OCCASION}:subscribe",
            thread=THREAD,
            author=ANNA,
            sent_at=CREATED_AT,
            visibility=Visibility.DIRECT,
            return_address=ADDRESS,
        ),
    )


def click(key: str) -> Heard:
    told = {"EventKey": key, "TaskId": "task-1", "CardType": "button_interaction", "ResponseCode": "CODE-1"}
    return heard(said("event", Event="template_card_event", **told))


def test_the_thumbs_under_an_answer_are_votes_and_change_their_card():
    key = f"fb:down:{REPLY}"
    assert click(key) == Heard(
        "click",
        (
            Feedback(
                id=f"{OCCASION}:template_card_event:{key}:task-1",
                target=ReplyId(REPLY),
                author=ANNA,
                origin=Origin.BUTTON,
                score=1,
                sent_at=CREATED_AT,
            ),
        ),
        Card(task_id="task-1", event_key=key, card_type="button_interaction", user="anna", response_code="CODE-1"),
    )


def test_a_mind_that_is_changed_twice_within_a_second_is_heard_each_time():
    told = {"EventKey": f"fb:up:{REPLY}", "CardType": "button_interaction"}
    first, again, second = (
        heard(said("event", Event="template_card_event", TaskId=task, **told)).events[0].id
        for task in ("task-1", "task-1", "task-2")
    )
    assert first == again != second


def test_the_other_buttons_ask_anew_and_confirm():
    for key, name, args in ((f"again:{REPLY}", "regenerate", REPLY), ("ask:a-1", "confirm", "a-1")):
        (event,) = click(key).events
        assert event == Command(
            id=f"{OCCASION}:template_card_event:{key}:task-1",
            name=CommandName(name),
            args=args,
            thread=THREAD,
            author=ANNA,
            sent_at=CREATED_AT,
            visibility=Visibility.DIRECT,
            return_address=ADDRESS,
        )


def test_a_button_of_somebody_elses_card_is_a_click_without_an_event():
    told = click("buy:1")
    assert (told.kind, told.events) == ("click", ())


@pytest.mark.parametrize("event", ["unsubscribe", "enter_agent", "click", "view", "change_contact", "LOCATION", ""])
def test_other_events_are_nothing_whoever_they_are_from(event):
    assert heard({"MsgType": "event", "Event": event, "FromUserName": "sys"}) == NOTHING


@pytest.mark.parametrize(
    "changes",
    [
        {"ToUserName": "ww00000000000000bb"},
        {"ToUserName": ""},
        {"AgentID": "1000003"},
        {"AgentID": "01000002"},
        {"AgentID": ""},
        {"FromUserName": ""},
        {"FromUserName": "a b"},
        {"CreateTime": ""},
        {"MsgId": ""},
        {"MsgId": "4 5"},
        {"MsgType": ""},
    ],
)
def test_a_message_for_another_or_without_what_everything_depends_on_is_malformed(changes):
    with pytest.raises(Malformed):
        heard(said(Content="hi", **changes))


@given(
    st.dictionaries(
        st.sampled_from(
            ["MsgType", "Event", "EventKey", "Content", "CreateTime", "MsgId", "MediaId", "Label", "Format"]
        ),
        st.sampled_from(["text", "event", "location", "template_card_event", f"again:{REPLY}"])
        | st.text(st.characters()),
    )
)
def test_whatever_stands_in_any_field_there_are_events_that_can_be_stored_or_it_is_malformed(changes):
    with suppress(Malformed):
        for event in heard(said() | changes).events:
            assert loads(dumps(event)) == event
            dumps(event).decode()
