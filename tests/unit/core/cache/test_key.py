"""Who shares an answer with whom, and which questions nobody shares."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.cache.key import MAX_QUESTION, key_of
from core.message import Attachment, Author, Message, ReplyId, ThreadId, Utterance, Visibility
from core.reading import Reading
from core.turn import SamplingParams, Tool, Turn

ANN, BOB = Author("slack", "T1", "ann"), Author("slack", "T1", "bob")
PUBLIC, PRIVATE, DIRECT = Visibility.PUBLIC, Visibility.PRIVATE, Visibility.DIRECT
QUESTION = "What is Docker?"


def turn(text=QUESTION, *, author=ANN, channel="C1", workspace="T1", adapter="slack", visibility=PUBLIC, **more):
    thread = ThreadId(adapter, workspace, channel, "1.0")
    message = Message(id="m", thread=thread, author=author, sent_at=datetime.now(UTC), visibility=visibility, text=text)
    return Turn(message=message, reply_id=ReplyId("0" * 32), **more)


def key(turn, version="model@1"):
    return str(key_of(turn, lambda route: version + route))


def test_the_same_question_in_other_words_has_the_same_key():
    assert key(turn()) == key(turn("hi, what is docker please"))
    assert key(turn()) != key(turn("What is Podman?"))


def test_in_public_the_workspace_shares():
    assert key(turn()) == key(turn(author=BOB, channel="C2"))
    assert key(turn()) != key(turn(workspace="T2"))
    assert key(turn()) != key(turn(adapter="teams"))


def test_in_private_the_channel_shares():
    private = turn(visibility=PRIVATE)
    assert key(private) == key(turn(visibility=PRIVATE, author=BOB))
    assert key(private) != key(turn(visibility=PRIVATE, channel="C2"))
    assert key(private) != key(turn())


def test_what_was_said_to_us_alone_stays_with_whoever_said_it():
    alone = turn(visibility=DIRECT, channel="D1")
    assert key(alone) == key(turn(visibility=DIRECT, channel="D2"))
    assert key(alone) != key(turn(visibility=DIRECT, channel="D1", author=BOB))
    assert key(alone) not in (key(turn()), key(turn(channel="D1", visibility=PRIVATE)))


@pytest.mark.parametrize("stranger", [replace(BOB, is_guest=True), replace(BOB, is_external=True)])
def test_strangers_share_no_more_than_the_channel_they_ask_in(stranger):
    assert key(turn(author=stranger)) == key(turn(visibility=PRIVATE))
    assert key(turn(author=stranger)) != key(turn())


@pytest.mark.parametrize(
    "change",
    [
        {"model": "code"},
        {"system": "Answer in rhymes."},
        {"params": SamplingParams(temperature=0)},
        {"params": SamplingParams(stop=("x",))},
        {"language": "zh"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_shapes_an_answer_is_in_its_key(change):
    assert key(turn(**change)) != key(turn())


def test_another_model_is_another_key():
    assert key(turn(), "model@2") != key(turn())


@pytest.mark.parametrize(
    "change",
    [
        {"history": (Utterance("user", "What is a container?"),)},
        {"reading": Reading(earlier=(Utterance("user", "Look at this"),))},
        {"reading": Reading(misses_thread=True)},
        {"skips_cache": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_only_a_question_that_stands_alone_is_shared(change):
    assert key_of(turn(**change), str) is None


def test_a_question_with_a_file_is_not_shared():
    asked = turn()
    with_file = replace(asked.message, attachments=(Attachment("a", "b.txt", "text/plain"),))
    assert key_of(replace(asked, message=with_file), str) is None


@pytest.mark.parametrize(
    "text",
    [
        "What is my name?",
        "Why did we lose the deal?",
        "Am I allowed to park there?",
        "What is the weather today?",
        "What's the latest version of Python?",
        "Who is the current president?",
        "What time is it?",
        "Summarise this channel",
        "Tell me a joke",
        "Roll a dice",
        "What does @bob think of Docker?",
        "What does <@U0123> think of Docker?",
        "Continue",
        "我叫什么名字？",
        "我们公司有多少人？",
        "今天天气怎么样？",
        "现在几点？",
        "最新的版本是多少？",
        "上个月发生了什么？",
        "总结一下上面的内容",
        "讲个笑话",
        "附件里写了什么？",
        "Hi!",
        "你好！",
        "",
        "？",
        "x " * MAX_QUESTION,
    ],
)
def test_what_is_theirs_or_of_this_moment_is_not_shared(text):
    assert key_of(turn(text), str) is None


@pytest.mark.parametrize(
    "text",
    [
        "How do I install Docker?",
        "What is the capital of France?",
        "如何安装 Docker？",
        "法国的首都是哪里？",
        "解释一下 TCP",
    ],
)
def test_what_anybody_could_ask_is(text):
    assert key_of(turn(text), str)


def test_a_text_that_is_no_unicode_has_a_key_too():
    assert key_of(turn("what is \ud800"), str)


class Schema(dict[str, object]):
    """Counts how often it is read."""

    reads = 0

    def items(self):
        self.reads += 1
        return super().items()


def test_other_tools_are_another_key_and_the_same_ones_are_read_once():
    schema = Schema(type="object")
    tools = (Tool("dice", "Rolls dice.", schema),)
    with_tools = key(turn(tools=tools))
    reads = schema.reads
    assert reads
    assert {key(turn(tools=tools)) for _ in range(3)} == {with_tools}
    assert schema.reads == reads
    assert key(turn(tools=(Tool("dice", "Rolls dice.", Schema(schema)),))) == with_tools
    assert key(turn()) != with_tools
    assert key(turn(tools=(Tool("dice", "Rolls two dice.", schema),))) != with_tools
