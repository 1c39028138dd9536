"""The small pure pieces of the hall."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.access import Access, Rule
from core.answer import answer_with, within_context
from core.commands import command_of, understood
from core.errors import Busy, NotStored, Unavailable, trace
from core.extras import Placed
from core.history import within_budget
from core.language import language_of
from core.manuscript import MAX_REASONING, Manuscript
from core.message import (
    Ask,
    Author,
    Citation,
    Command,
    CommandName,
    Image,
    Message,
    Reasoning,
    Replace,
    Reply,
    ReplyId,
    Screened,
    Source,
    Sources,
    Status,
    StatusKind,
    Text,
    ThreadId,
    Verdict,
    Written,
)
from core.ports import Delta, Exchange, State
from core.texts import _TEXTS, say
from core.turn import SamplingParams, Turn, compose
from tests.fakes.engine import ScriptedEngine

THREAD = ThreadId("console", "local", "web", "t1")
ADA = Author("console", "local", "ada")
QUESTION = Message(id="m1", thread=THREAD, author=ADA, sent_at=datetime(2026, 1, 1, tzinfo=UTC), text="why?")
PICTURE = Image(b"\x89PNG", "image/png", "a boat")
SOURCES = Sources((Citation("A page", "https://example.com/"),))
TURN = Turn(message=QUESTION, reply_id=ReplyId("0" * 32))


# ---------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("text", ["stop", " STOP ", "Stop!", "停止", "停止！", "/stop", "／stop", "停止。"])
def test_a_stop_word_alone_stops(text):
    assert command_of(text) == (CommandName.STOP, "")


@pytest.mark.parametrize(
    "text", ["stop the server", "how do I stop?", "怎么停止服务", "/unknown", "/", "//help", "help", "confirm"]
)
def test_what_is_no_order_is_a_question(text):
    assert command_of(text) is None


@pytest.mark.parametrize("text", ["/Help", "/HELP", "／help", "／Help "])
def test_a_command_may_be_written_large_or_wide(text):
    assert command_of(text) == (CommandName.HELP, "")


def test_a_slash_command_keeps_the_rest_of_its_line():
    assert command_of("/code  write\nquicksort ") == (CommandName.CODE, "write\nquicksort")


def test_an_understood_command_keeps_who_where_and_when():
    message = Message(
        id="m9", thread=THREAD, author=ADA, sent_at=QUESTION.sent_at, text="/reset", return_address={"a": 1}
    )
    command = understood(message)
    assert isinstance(command, Command)
    assert (command.id, command.thread, command.author, command.return_address) == ("m9", THREAD, ADA, {"a": 1})
    assert understood(QUESTION) is QUESTION


def test_only_stop_has_the_control_lane():
    lanes = {
        name: Command(id="1", thread=THREAD, author=ADA, sent_at=QUESTION.sent_at, name=name).lane
        for name in CommandName
    }
    assert [name for name, lane in lanes.items() if lane == "control"] == [CommandName.STOP]


# ---------------------------------------------------------------------------------------------------------- language


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [
        ("你好", "", "zh"),
        ("hello", "zh-CN", "en"),
        ("👍", "zh-CN", "zh"),
        ("42", "", "en"),
        ("Slack 怎么连接", "en", "zh"),
        ("こんにちは世界", "", "en"),
    ],
)
def test_the_text_chooses_the_language_and_then_the_locale(text, locale, language):
    assert language_of(text, locale) == language


@pytest.mark.parametrize("name", sorted(_TEXTS))
def test_every_sentence_exists_in_both_languages(name):
    english, chinese = say(name, "en"), say(name, "zh")
    assert english.isascii() or "👍" in english or "–" in english
    assert language_of(chinese) == "zh"
    assert english != chinese


# ------------------------------------------------------------------------------------------------------------ access


@pytest.mark.parametrize(
    ("rule", "author", "allowed"),
    [
        (Rule(), ADA, True),
        (Rule(), Author("console", "local", "b", is_bot=True), False),
        (Rule(), Author("console", "local", "g", is_guest=True), False),
        (Rule(guests=True), Author("console", "local", "g", is_guest=True), True),
        (Rule(), Author("console", "local", "x", is_external=True), False),
        (Rule(externals=True), Author("console", "local", "x", is_external=True), True),
        (Rule(workspaces=frozenset({"other"})), ADA, False),
        (Rule(channels=frozenset({"web"})), ADA, True),
        (Rule(channels=frozenset({"lobby"})), ADA, False),
    ],
)
def test_only_who_may(rule, author, allowed):
    assert Access({"console": rule}).allows(author, THREAD) is allowed


@pytest.mark.parametrize(
    ("rule", "author", "depends"),
    [
        (Rule(), ADA, True),
        (Rule(guests=True), ADA, True),
        (Rule(externals=True), ADA, True),
        (Rule(guests=True, externals=True), ADA, False),
        (Rule(), Author("console", "local", "g", is_guest=True), False),
        (Rule(guests=True), Author("console", "local", "g", is_guest=True), True),
        (Rule(channels=frozenset({"lobby"})), ADA, False),
    ],
)
def test_who_somebody_is_matters_where_a_stranger_would_fare_otherwise(rule, author, depends):
    assert Access({"console": rule}).depends(author, THREAD) is depends


def test_admins_are_named_by_id():
    access = Access({"console": Rule(admins=frozenset({"ada"}))})
    assert access.is_admin(ADA)
    assert not access.is_admin(Author("slack", "local", "ada"))


# -------------------------------------------------------------------------------------------------------------- turn


async def _echo(turn):
    yield Text(turn.message.text)


async def test_the_first_middleware_is_outermost():
    seen = []

    def named(name):
        async def middleware(turn, call_next):
            seen.append(f"{name} in")
            async for chunk in call_next(turn):
                assert isinstance(chunk, Text)
                yield Text(f"{name}({chunk.text})")
            seen.append(f"{name} out")

        return middleware

    answer = compose([named("a"), named("b")], _echo)
    assert [chunk async for chunk in answer(TURN)] == [Text("a(b(why?))")]
    assert seen == ["a in", "b in", "b out", "a out"]


async def test_a_middleware_may_answer_by_itself():
    async def cached(turn, call_next):
        yield Text("from the cache", Source.CACHE)

    assert [chunk async for chunk in compose([cached], _echo)(TURN)] == [Text("from the cache", Source.CACHE)]


async def test_what_is_thought_is_told_apart_from_what_is_said():
    script = [Delta(reasoning="Six by "), Delta("4", reasoning="nine."), Delta("2", finish="stop", model="deep@1")]
    engine = ScriptedEngine(script)
    await engine.start()
    chunks = [chunk async for chunk in answer_with(engine)(TURN)]
    assert chunks[:-1] == [
        Status(StatusKind.THINKING),
        Reasoning("Six by "),
        Reasoning("nine."),
        Text("4"),
        Text("2"),
    ]
    assert isinstance(chunks[-1], Written)


def test_the_answer_leaves_half_of_the_context_to_the_question():
    assert within_context(SamplingParams(max_new_tokens=1024), 512).max_new_tokens == 256
    assert within_context(SamplingParams(max_new_tokens=100), 512).max_new_tokens == 100


# ----------------------------------------------------------------------------------------------------------- history


def _pages(count, size):
    exchanges = [Exchange(n, f"q{n}", ADA, f"a{n}") for n in range(count, 0, -1)]
    reads = []

    async def read_more(cursor):
        reads.append(cursor)
        start = 0 if cursor is None else next(i for i, e in enumerate(exchanges) if e.cursor == cursor) + 1
        return exchanges[start : start + size]

    return read_more, reads


async def _one_each(history):
    return 10 + len(history)


@pytest.mark.parametrize("budget", [9, 10, 11, 12, 13, 17, 26, 27, 30, 1000])
@pytest.mark.parametrize("size", [1, 3, 8])
async def test_history_is_the_newest_whole_exchanges_that_fit(budget, size):
    read_more, _ = _pages(20, size)
    history = await within_budget(read_more, _one_each, budget)
    expected = max(0, min(20, (budget - 10) // 2))
    assert [u.text for u in history] == [t for n in range(21 - expected, 21) for t in (f"q{n}", f"a{n}")]
    assert [u.role for u in history] == ["user", "assistant"] * expected


async def test_no_more_pages_are_read_than_the_budget_holds():
    read_more, reads = _pages(5000, 8)
    await within_budget(read_more, _one_each, 10 + 2 * 12)
    assert len(reads) == 2


# -------------------------------------------------------------------------------------------------------- manuscript


def _written(*chunks):
    manuscript = Manuscript()
    for chunk in chunks:
        manuscript.take(chunk)
    return manuscript


def test_a_manuscript_adds_up_and_takes_back():
    manuscript = _written(Text("a"), Text("b"), Replace("c"), Text("d", Source.HOUSE))
    assert (manuscript.text, manuscript.source) == ("cd", Source.MODERATION)


def test_what_is_thought_is_never_counted_as_the_answer():
    manuscript = _written(Reasoning("Six by "), Reasoning("nine.\n"))
    assert (manuscript.text, manuscript.reasoning, manuscript.thought) == ("", "Six by nine.\n", "Six by nine.")
    assert manuscript.is_empty
    assert manuscript.source is None
    reply = Reply(id=ReplyId("1"), thread=THREAD, asker=ADA, in_reply_to="m1")
    assert manuscript.fill(reply).text == ""


def test_what_was_thought_is_taken_back_with_what_was_said():
    taken_back = _written(Reasoning("Six by nine."), Text("42"), Replace("43"))
    assert (taken_back.text, taken_back.thought) == ("43", "")
    assert _written(Reasoning("a"), Replace("b"), Reasoning("c")).thought == "c"


async def test_what_a_model_thought_that_gave_way_to_another_is_forgotten():
    script = [Delta(reasoning="Wrong."), Delta("4"), Delta(reasoning="Right.", is_anew=True), Delta("42")]
    engine = ScriptedEngine(script)
    await engine.start()
    manuscript = _written(*[chunk async for chunk in answer_with(engine)(TURN)])
    assert (manuscript.text, manuscript.thought) == ("42", "Right.")


def test_thinking_without_a_thought_leaves_none():
    assert _written(Reasoning("\n\n"), Text("42")).thought == ""


@pytest.mark.parametrize(
    ("verdict", "thought"),
    [(Verdict.CLEAN, "Hm."), (Verdict.FLAGGED, "Hm."), (Verdict.MASKED, ""), (Verdict.REFUSED, "")],
)
def test_what_moderation_changed_is_not_said_by_the_thought_before_it(verdict, thought):
    assert _written(Reasoning("Hm."), Text("42"), Screened(verdict)).thought == thought


@pytest.mark.parametrize("size", [1000, MAX_REASONING, MAX_REASONING + 1])
def test_a_thought_without_end_is_cut(size):
    endless = _written(*[Reasoning("思" * size)] * (MAX_REASONING // size + 2))
    assert endless.thought == "思" * (MAX_REASONING - 1) + "…"
    assert _written(Reasoning(endless.thought)).thought == endless.thought
    assert len(_written(Reasoning("思" * MAX_REASONING)).thought) == MAX_REASONING


def test_a_manuscript_knows_how_it_ends():
    assert _written(Text("a")).state is State.DELIVERING
    assert _written(Text("a"), Screened(Verdict.REFUSED)).state is State.REFUSED
    assert _written(Ask("1", "really?")).state is State.ASKED
    assert _written(Status(StatusKind.QUEUED, 3)).status == "queued:3"
    assert _written(Text("  \n")).is_empty


def test_what_is_taken_back_leaves_nothing_beside_the_words():
    taken_back = _written(Text("a"), PICTURE, SOURCES, Ask("1", "Really?"), Replace("b"))
    assert (taken_back.text, taken_back.extras, taken_back.state) == ("b", (), State.DELIVERING)
    assert _written(PICTURE, Replace("b"), SOURCES, Text("c")).extras == (Placed(1, SOURCES),)


def test_what_was_refused_has_nothing_beside_its_words():
    assert _written(SOURCES, Text("No."), Screened(Verdict.REFUSED)).extras == ()
    assert _written(SOURCES, Text("Yes."), Screened(Verdict.MASKED)).extras == (Placed(0, SOURCES),)


def test_an_engine_that_begins_anew_takes_back_its_own_alone():
    own = replace(PICTURE, source=Source.ENGINE)
    anew = _written(Text("a"), SOURCES, own, PICTURE, Ask("1", "Really?"), Replace("b", Source.ENGINE))
    assert (anew.extras, anew.state) == ((Placed(0, SOURCES), Placed(0, PICTURE)), State.DELIVERING)


def test_a_filled_reply_says_who_wrote_it():
    reply = Reply(id=ReplyId("1"), thread=THREAD, asker=ADA, in_reply_to="m1")
    filled = _written(Text("a"), Written("demo@1", "stop", 7)).fill(reply)
    assert (filled.text, filled.model, filled.source) == ("a", "demo@1", Source.ENGINE)


# ------------------------------------------------------------------------------------------------------------ errors


def test_an_error_speaks_in_its_docstring():
    assert str(NotStored()) == "The database did not take it; nothing was acknowledged, please send it again."
    assert str(Busy("96 are waiting.")).endswith("can take. 96 are waiting.")
    assert str(Unavailable("it took too long; please ask again later")) == (
        "The engine did not answer: it took too long; please ask again later"
    )


def test_a_trace_keeps_foreign_messages_out():
    try:
        raise ValueError("canary words of a person")
    except ValueError as error:
        told = trace(error)
    assert "ValueError" in told
    assert "canary words" not in told.replace('raise ValueError("canary words of a person")', "")
    assert "test_hall.py" in told
