"""Events survive the inbox."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import codec
from core.errors import Malformed
from core.message import (
    Attachment,
    Author,
    Command,
    CommandName,
    Deleted,
    Edited,
    Event,
    Feedback,
    LastReplyTo,
    Message,
    Origin,
    PartId,
    ReplyId,
    ThreadId,
    Visibility,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
THREAD = ThreadId("teams", "tenant", "19:abc@thread.tacv2", "1:2%3")
AUTHOR = Author("teams", "tenant", "29:x", name="Ada", locale="zh-CN", is_guest=True)
COMMON: dict[str, Any] = {"id": "e1", "thread": THREAD, "author": AUTHOR, "sent_at": NOW}
FILE = Attachment("f1", "a.txt", "text/plain", 3, {"url": "x", "deep": {"n": [1, None]}})

EVENTS: list[Event] = [
    Message(
        **COMMON, text="你好", visibility=Visibility.DIRECT, is_mention=True, return_address={"a": {"b": [1]}},
        attachments=(FILE, Attachment("f2", "", "")),
    ),
    Command(**COMMON, name=CommandName.CODE, args="sort a list"),
    Edited(**COMMON, message_id="m1", text="new"),
    Deleted(**COMMON, message_id="m1"),
    Feedback(
        id="f", target=ReplyId("ab" * 16), author=AUTHOR, origin=Origin.BUTTON, score=5, sent_at=NOW,
        return_address={"user": {"id": "29:a"}, "kind": "personal"},
    ),
    Feedback(id="f", target=PartId("s", "T", "C", "1"), author=AUTHOR, origin=Origin.REACTION, score=1, sent_at=NOW),
    Feedback(
        id="f", target=LastReplyTo(AUTHOR, THREAD), author=AUTHOR, origin=Origin.BUTTON, score=None, sent_at=NOW,
        reason="wrong", comment="3 and 4 were swapped",
    ),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_went_in(event):
    assert codec.loads(codec.dumps(event)) == event
    assert type(codec.loads(codec.dumps(event))) is type(event)


@given(st.text(), st.text())
def test_any_text_survives(text, name):
    message = Message(**{**COMMON, "author": Author("a", "w", "i", name=name)}, text=text)
    try:
        data = codec.dumps(message)
    except UnicodeEncodeError:
        assert any("\ud800" <= character <= "\udfff" for character in text + name)
    else:
        assert codec.loads(data) == message


def test_fields_of_a_newer_release_are_skipped():
    data = codec.dumps(EVENTS[0]).replace(b'"text":', b'"mood":"calm","text":')
    assert codec.loads(data) == EVENTS[0]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"$":"Message"}', b'{"$":"os"}', b"\xff", b'{"$":["x"]}'])
def test_what_is_no_event_is_malformed(data):
    with pytest.raises(Malformed):
        codec.loads(data)


@given(*[st.text(alphabet=st.characters(exclude_categories=["Cs"])) for _ in range(4)])
def test_a_thread_id_comes_back_from_its_string(adapter, workspace, channel, thread):
    thread_id = ThreadId(adapter, workspace, channel, thread)
    assert ThreadId.parse(str(thread_id)) == thread_id
    assert str(thread_id).count(":") == 3


def test_an_id_of_the_wrong_shape_is_malformed():
    with pytest.raises(Malformed):
        ThreadId.parse("a:b:c")
