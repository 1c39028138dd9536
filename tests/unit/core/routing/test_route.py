"""Which model a turn goes to: its own question, its thread, its command, and nothing that can be thrown at it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.message import Author, Message, ReplyId, Text, ThreadId
from core.routing import Decision, Route, decide, route_of
from core.routing.route import EARLIER
from core.turn import SamplingParams, Turn, Utterance, compose

THREAD = ThreadId("console", "local", "web", "t1")
ADA = Author("console", "local", "ada")
QUESTION = Message(id="m1", thread=THREAD, author=ADA, sent_at=datetime(2026, 1, 1, tzinfo=UTC), text="hello")
TURN = Turn(message=QUESTION, reply_id=ReplyId("0" * 32))

CODE = "write a Python script that renames my files"
CHAT = "write a poem about the sea"
EITHER = "a bit shorter please"


def said(*texts: str) -> tuple[Utterance, ...]:
    """A thread in which people said these, each answered with code."""
    pairs = ((Utterance("user", text), Utterance("assistant", "```python\nx = 1\n```")) for text in texts)
    return tuple(utterance for pair in pairs for utterance in pair)


async def routed(turn: Turn, route: Route | None = None) -> Turn:
    """The turn as the engine's side of Route sees it."""
    seen: list[Turn] = []

    async def answer(turn: Turn):
        seen.append(turn)
        yield Text("done")

    assert [chunk async for chunk in compose([route or Route()], answer)(turn)] == [Text("done")]
    return seen[0]


def asking(text: str) -> Turn:
    return replace(TURN, message=replace(QUESTION, text=text))


# ----------------------------------------------------------------------------------------------------------- decisions


def test_a_rule_is_sure():
    assert decide(CODE) == Decision("code", 1.0)
    assert decide(CHAT) == Decision("chat", 1.0)


def test_what_may_follow_either_kind_decides_nothing():
    assert decide(EITHER) is None


@pytest.mark.parametrize("text", ["how do I center a div", "my loop never ends and the tab freezes", "列表怎么去重"])
def test_the_classifier_finds_code_that_no_rule_finds(text):
    assert route_of(text) == "code"


@pytest.mark.parametrize("text", ["", "hello", "你好", "?", "how warm is Lisbon in May?", "今晚吃什么", EITHER])
def test_chat_is_the_default(text):
    assert route_of(text) == "chat"


# -------------------------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize(("earlier", "route"), [(CODE, "code"), (CHAT, "chat")])
def test_a_question_that_says_nothing_stays_where_its_thread_was(earlier, route):
    assert route_of(EITHER, said(earlier)) == route


def test_the_newest_earlier_question_that_says_something_counts():
    assert route_of(EITHER, said(CHAT, CODE, EITHER)) == "code"
    assert route_of(EITHER, said(CODE, CHAT, EITHER)) == "chat"


def test_a_clear_question_leaves_its_thread():
    assert route_of(CHAT, said(CODE)) == "chat"
    assert route_of(CODE, said(CHAT)) == "code"


def test_what_the_assistant_wrote_decides_nothing():
    assert route_of(EITHER, said(EITHER)) == "chat"


def test_only_so_much_of_a_thread_is_looked_at():
    assert route_of(EITHER, said(CODE, *[EITHER] * (EARLIER - 1))) == "code"
    assert route_of(EITHER, said(CODE, *[EITHER] * EARLIER)) == "chat"


# ------------------------------------------------------------------------------------------------------------- the turn


async def test_the_turn_goes_on_with_its_model():
    assert (await routed(asking(CODE))).model == "code"
    assert (await routed(asking(CHAT))).model == "chat"


async def test_the_turn_brings_its_thread():
    assert (await routed(replace(asking(EITHER), history=said(CODE)))).model == "code"


@pytest.mark.parametrize(("command", "question"), [("code", CHAT), ("chat", CODE)])
async def test_a_command_overrides_what_the_question_says(command, question):
    assert (await routed(replace(asking(question), model=command))).model == command


async def test_each_model_is_sampled_as_it_recommends():
    params = {"code": SamplingParams(temperature=0.0), "chat": SamplingParams(temperature=0.7)}
    route = Route(params_of=params.__getitem__)
    assert (await routed(asking(CODE), route)).params == params["code"]
    assert (await routed(asking(CHAT), route)).params == params["chat"]
    assert (await routed(replace(asking(CHAT), model="code"), route)).params == params["code"]


async def test_without_recommendations_the_turn_keeps_its_own_sampling():
    own = SamplingParams(temperature=0.1)
    assert (await routed(replace(asking(CODE), params=own))).params == own


async def test_nothing_else_of_the_turn_changes():
    turn = replace(asking(CODE), history=said(CHAT), system="be kind", language="zh", attempt=2, skips_cache=True)
    assert await routed(turn) == replace(turn, model="code")


# -------------------------------------------------------------------------------------------------------- hostile input


@pytest.mark.parametrize("character", [*'a1 .\t-_=(`"“中；;:@$^/\\<{|', "\x00", "\ud800", "\u2028", "🙂", "ﷺ"])
def test_the_same_character_a_hundred_thousand_times_is_answered(character):
    assert route_of(character * 100_000) in ("chat", "code")


@pytest.mark.parametrize(
    "piece", ["a.", "a_", "A.b", '{"', 'a"b ', "write a ", "select a, ", "```\n", "x = ", "写一个"]
)
def test_the_same_piece_a_hundred_thousand_times_is_answered(piece):
    assert route_of(piece * 100_000) in ("chat", "code")


@pytest.mark.parametrize("text", ["\x00", "\ud83d", "\udc00 lone", "a\x00b\ud800", "\r\n\r\n", "\u200b"])
def test_broken_text_is_chat(text):
    assert route_of(text) == "chat"


def test_a_megabyte_of_prose_is_chat_and_of_source_is_code():
    assert route_of("the sea was calm and the cook made soup for all of us. " * 20_000) == "chat"
    assert route_of("x = foo(1)\n" * 100_000) == "code"
