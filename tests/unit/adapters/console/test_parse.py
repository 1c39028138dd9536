"""What a payload means, and what is said about one that means nothing."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.console.parse import (
    ACTIONS,
    event_id_of,
    parse,
    payload_of,
    reply_id_of,
    thread_id,
    thread_name,
    thread_of,
)
from adapters.console.problem import Problem
from adapters.console.texts import say
from core.codec import dumps, loads
from core.message import (
    Author,
    Command,
    CommandName,
    Event,
    Feedback,
    Message,
    Origin,
    ReplyId,
    ThreadId,
    Visibility,
)

ANN = Author("console", "local", "browser-ann")
THREAD = ThreadId("console", "local", "browser-ann", "a" * 26)
REPLY = ReplyId("0123456789abcdef" * 2)


@pytest.fixture
def parsed(now):
    def parsed(action: str, payload: dict[str, object], **more):
        return parse(action, payload, author=ANN, thread=THREAD, event_id="id", now=now, **more)

    return parsed


def refused(status: int, name: str):
    return pytest.raises(Problem, check=lambda problem: (problem.status, problem.name) == (status, name))


def test_a_prompt_is_a_direct_message(parsed, now):
    expected = Message(
        id="id", thread=THREAD, author=ANN, sent_at=now, text="你好\nthere", visibility=Visibility.DIRECT
    )
    assert parsed("chat", {"prompt": " 你好\r\nthere\n"}) == (expected,)


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("/help", CommandName.HELP, ""),
        ("/code ", CommandName.CODE, ""),
        ("停止", CommandName.STOP, ""),
        ("Stop", CommandName.STOP, ""),
    ],
)
def test_what_is_typed_as_a_command_is_one(parsed, now, text, name, args):
    expected = Command(
        id="id", thread=THREAD, author=ANN, sent_at=now, name=name, args=args, visibility=Visibility.DIRECT
    )
    assert parsed("chat", {"prompt": text}) == (expected,)


def test_the_buttons_are_commands_too(parsed):
    (stop,) = parsed("stop", {})
    (again,) = parsed("regenerate", {"reply_id": REPLY})
    assert (stop.name, stop.lane) == (CommandName.STOP, "control")
    assert (again.name, again.args) == (CommandName.REGENERATE, REPLY)


@pytest.mark.parametrize(("rating", "score"), [("up", 5), ("down", 1), ("none", None)])
def test_a_thumb_is_a_vote_on_that_very_reply(parsed, now, rating, score):
    payload = {"reply_id": REPLY, "rating": rating, "reason": "incomplete", "comment": " too short "}
    assert parsed("feedback", payload) == (
        Feedback(
            id="id",
            target=REPLY,
            author=ANN,
            origin=Origin.BUTTON,
            score=score,
            sent_at=now,
            reason="incomplete",
            comment="too short",
        ),
    )


def test_reason_and_comment_may_be_left_out(parsed):
    (feedback,) = parsed("feedback", {"reply_id": REPLY, "rating": "up", "comment": "", "reason": None})
    assert (feedback.reason, feedback.comment) == ("", "")


@pytest.mark.parametrize(
    ("action", "payload", "name"),
    [
        ("chat", {}, "missing"),
        ("chat", {"prompt": None}, "missing"),
        ("chat", {"prompt": 7}, "not_a_string"),
        ("chat", {"prompt": ["What"]}, "not_a_string"),
        ("chat", {"prompt": True}, "not_a_string"),
        ("chat", {"prompt": ""}, "empty"),
        ("chat", {"prompt": " \n\t\u3000 "}, "empty"),
        ("chat", {"prompt": "a\0b"}, "unreadable"),
        ("chat", {"prompt": "\ud800"}, "unreadable"),
        ("chat", {"prompt": "a\udfffb"}, "unreadable"),
        ("chat", {"prompt": "x" * 32_001}, "too_long"),
        ("feedback", {"reply_id": REPLY}, "missing"),
        ("feedback", {"reply_id": REPLY, "rating": "five"}, "bad_choice"),
        ("feedback", {"reply_id": REPLY, "rating": 5}, "not_a_string"),
        ("feedback", {"rating": "up"}, "missing"),
        ("feedback", {"reply_id": REPLY, "rating": "up", "reason": "mood"}, "bad_choice"),
        ("feedback", {"reply_id": REPLY, "rating": "up", "comment": 3}, "not_a_string"),
        ("feedback", {"reply_id": REPLY, "rating": "up", "comment": "a\0"}, "unreadable"),
        ("feedback", {"reply_id": REPLY, "rating": "up", "comment": "x" * 4_001}, "too_long"),
        ("regenerate", {}, "missing"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(parsed, action, payload, name):
    with refused(422, name):
        parsed(action, payload)


def test_the_longest_prompt_is_read_and_the_limit_is_told(parsed):
    assert parsed("chat", {"prompt": "字" * 32_000})
    with pytest.raises(Problem) as caught:
        parsed("chat", {"prompt": "x" * 11}, max_prompt=10)
    assert caught.value.values == {"field": "prompt", "length": 11, "limit": 10}


@pytest.mark.parametrize("value", ["", "x", REPLY.upper(), REPLY + "0", "\ud800", "../../etc", REPLY + "\n"])
def test_a_reply_id_that_can_not_be_ours_is_unknown(value):
    with refused(404, "no_reply"):
        reply_id_of({"reply_id": value})


@pytest.mark.parametrize("value", ["", "x", "A" * 26, "a" * 27, "1" * 26, "\udcff" * 26, "a" * 26 + "\n"])
def test_a_thread_that_can_not_be_ours_is_unknown(value):
    with refused(404, "no_thread"):
        thread_of({"thread": value}, ANN)


def test_a_persons_threads_lie_in_a_channel_of_their_own():
    bob = Author("console", "local", "browser-bob")
    assert thread_id(ANN, "a" * 26) == THREAD
    assert thread_id(bob, "a" * 26) != THREAD


def test_a_thread_is_named_by_26_letters_and_digits():
    assert thread_id(ANN, thread_name(bytes(range(16)))).thread == thread_name(bytes(range(32)))


def test_a_repeated_call_has_the_id_of_the_first_and_of_nobody_elses():
    key = event_id_of("chat", ANN, "", "k1")
    assert key == event_id_of("chat", ANN, "", "k1")
    others = [("chat", ANN, "", "k2"), ("chat", ANN, "t", "k1"), ("regenerate", ANN, "", "k1")]
    bob = Author("console", "local", "browser-bob")
    assert key not in {event_id_of(*other) for other in [*others, ("chat", bob, "", "k1")]}


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "ключ", "\udcff"])
def test_a_key_is_a_plain_word(key):
    with refused(422, "bad_key"):
        event_id_of("chat", ANN, "", key)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"prompt=Hi", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 50_000, "not_json"),
        (b"1" * 10_000, "not_json"),
        (b'{"prompt": "\xff"}', "not_utf8"),
        ('{"prompt": "Hi"}'.encode("utf-16"), "not_utf8"),
        (b"[]", "not_an_object"),
        (b'"Hi"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"NaN", "not_an_object"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body, name):
    with refused(400, name):
        payload_of(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([REPLY, "up", "a" * 26]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = ("prompt", "thread", "reply_id", "rating", "reason", "comment")


@given(st.binary() | st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sent_is_understood_or_refused_in_a_sentence(body):
    for action in ACTIONS:
        result = understood_or_refused(action, body)
        if isinstance(result, Problem):
            assert result.status in (400, 404, 422)
            assert say(result.name, "zh", **result.values)
        else:
            assert [loads(dumps(event)) for event in result] == list(result)


def understood_or_refused(action: str, body: bytes) -> tuple[Event, ...] | Problem:
    moment = datetime(2030, 1, 2, tzinfo=UTC)
    try:
        return parse(action, payload_of(body), author=ANN, thread=THREAD, event_id="id", now=moment)
    except Problem as problem:
        return problem


def test_a_body_is_read_as_the_object_it_is():
    assert payload_of(json.dumps({"prompt": "你好"}).encode()) == {"prompt": "你好"}
