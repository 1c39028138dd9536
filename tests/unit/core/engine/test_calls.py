"""Calls of tools within the text of an answer."""

import json
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.engine.calls import DEEPSEEK, DSML, HERMES, LARGEST, MOST, Calls, Form, form_of
from core.engine.text import Piece, Reasoning, TextStream
from core.message import ToolCall

FORMS = {"hermes": HERMES, "deepseek": DEEPSEEK, "dsml": DSML}
V3 = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{}\n```json\n{}\n```<｜tool▁call▁end｜>"
V31 = "<｜tool▁call▁begin｜>{}<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
BLOCK = "<｜tool▁calls▁begin｜>{}<｜tool▁calls▁end｜>"
HERMES_CALL = '<tool_call>\n{{"name": "{}", "arguments": {}}}\n</tool_call>'
INVOKE = '<｜DSML｜invoke name="{}">\n{}</｜DSML｜invoke>\n'
PARAMETER = '<｜DSML｜parameter name="{}" string="{}">{}</｜DSML｜parameter>\n'
PARAMETERS = PARAMETER.format("city", "true", 'To<k"yo') + PARAMETER.format("days", "false", "[1, 2]")
DSML_BLOCK = "<｜DSML｜function_calls>\n{}</｜DSML｜function_calls>"
V4_BLOCK = "<｜DSML｜tool_calls>\n{}</｜DSML｜tool_calls>"
ARGUMENTS = {"city": 'To<k"yo', "days": [1, 2]}
JSON = json.dumps(ARGUMENTS)

WRITTEN = [
    (HERMES, HERMES_CALL.format("weather", JSON)),
    (HERMES, f'<tool_call>{{"arguments": {json.dumps(JSON)}, "name": "weather"}}</tool_call>'),
    (HERMES, f'<tool_call>\n{{"name": "weather", "arguments": {JSON}}}'),
    (DEEPSEEK, BLOCK.format(V3.format("weather", JSON))),
    (DEEPSEEK, BLOCK.format(V3.format("weather", JSON.replace(", ", ",\n ")))),
    (DEEPSEEK, BLOCK.format(V31.format("weather", JSON))),
    (DEEPSEEK, V31.format("weather", JSON)),
    (DEEPSEEK, "<｜tool▁calls▁begin｜>" + V3.format("weather", JSON).removesuffix("\n```<｜tool▁call▁end｜>")),
    (DSML, DSML_BLOCK.format(INVOKE.format("weather", PARAMETERS))),
    (DSML, V4_BLOCK.format(INVOKE.format("weather", PARAMETERS))),
]

Told = tuple[str, list[ToolCall], bool]


def parted(form: Form, *pieces: str) -> Told:
    """The words, the calls, and whether the answer was over before the last piece was read."""
    calls, words = Calls(form), ""
    called: list[ToolCall] = []
    for piece in pieces:
        more, found = calls.feed(piece)
        words += more
        called += found
        assert len(calls._held) < max(map(len, form.marks))
    is_over = calls.is_over
    more, found = calls.flush()
    return words + more, [*called, *found], is_over


def cut(text: str, seed: int) -> list[str]:
    dice, pieces = random.Random(seed), []
    while text:
        size = dice.randint(1, 12)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize(("form", "text"), WRITTEN)
def test_a_call_is_read_however_the_text_is_cut(form, text):
    text = f"I look. {text}"
    for end in range(len(text) + 1):
        words, calls, _ = parted(form, text[:end], text[end:])
        assert words == "I look. "
        assert [(call.id, call.name, json.loads(call.arguments)) for call in calls] == [
            ("call_0", "weather", ARGUMENTS)
        ]
    assert parted(form, *text) == parted(form, text)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, "{}\n{}".format(*[HERMES_CALL] * 2).format("one", '{"a": 1}', "two", "{}")),
        (HERMES, '<tool_call>{"name": "one", "arguments": {"a": 1}}<tool_call>{"name": "two"}</tool_call>'),
        (DEEPSEEK, BLOCK.format(V3.format("one", '{"a": 1}') + "\n" + V3.format("two", "{}"))),
        (DEEPSEEK, BLOCK.format(V31.format("one", '{"a": 1}') + V31.format("two", ""))),
        (DSML, DSML_BLOCK.format(INVOKE.format("one", PARAMETER.format("a", "false", 1)) + INVOKE.format("two", ""))),
    ],
)
def test_several_calls_are_told_apart(form, text, seed):
    words, calls, _ = parted(form, *cut(text, seed))
    assert words == ""
    assert calls == [ToolCall("call_0", "one", '{"a": 1}'), ToolCall("call_1", "two", "{}")]


FRAGMENTS = {
    name: st.sampled_from(
        [
            *form.marks,
            "{",
            "}",
            " ",
            "\n",
            "<",
            "</",
            "<｜",
            "a word",
            '{"name": "x", "arguments": {}}',
            "x",
            "{}",
            "```",
        ]
        + [text for known, text in WRITTEN if known is form]
        + ["<｜tool▁call▁begin｜>x<｜tool▁sep｜>{}", '<｜DSML｜invoke name="x">', PARAMETERS]
    )
    for name, form in FORMS.items()
}


@pytest.mark.parametrize("name", FORMS)
@given(data=st.data())
def test_how_the_text_is_cut_changes_nothing(name, data):
    text = "".join(data.draw(st.lists(FRAGMENTS[name], max_size=12)))
    whole = parted(FORMS[name], text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=20)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parted(FORMS[name], *pieces) == whole
    assert parted(FORMS[name], *text) == whole


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(st.text(st.sampled_from('<>/｜|▁_{}[]":, \ntolcaDSMLinvke')))
def test_text_without_a_mark_is_shown_as_it_is(form, text):
    assume(not any(mark in text for mark in form.marks))
    assert parted(form, *text) == (text, [], False)


def test_only_what_may_become_a_mark_is_held_back():
    calls = Calls(HERMES)
    assert calls.feed("1 < 2 <") == ("1 < 2 ", ())
    assert calls.feed("tool") == ("", ())
    assert calls.feed("box>") == ("<toolbox>", ())


@pytest.mark.parametrize(("form", "text"), WRITTEN[:2] + WRITTEN[3:5])
def test_what_follows_a_call_was_said_without_its_result_and_ends_the_answer(form, text):
    words, calls, is_over = parted(form, text, "\n", "It is sunny.", text)
    assert (words, len(calls), is_over) == ("", 1, True)


@pytest.mark.parametrize(("form", "text"), [pair for pair in WRITTEN if pair[1].endswith(pair[0].ends)])
def test_the_mark_behind_the_last_call_ends_the_answer(form, text):
    assert parted(form, text)[2]


MALFORMED = [
    (HERMES, "<tool_call>{}</tool_call>"),
    (HERMES, '<tool_call>{"name": "weather", "arguments": {"city"</tool_call>'),
    (HERMES, '<tool_call>{"name": 7, "arguments": {}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "", "arguments": {}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "two words", "arguments": {}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "arguments": [1]}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "arguments": "Tokyo"}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "arguments": {"a": NaN}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "arguments": {"a": 1e999}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "arguments": {"a": "\\ud800"}}</tool_call>'),
    (HERMES, f'<tool_call>{{"name": "weather", "arguments": {{"a": {"9" * 5000}}}}}</tool_call>'),
    (HERMES, f'<tool_call>{{"name": {"[" * 10000}</tool_call>'),
    (HERMES, f'<tool_call>{{"name": "weather", "arguments": {{"a": "{"x" * LARGEST}"}}}}</tool_call>'),
    (HERMES, f'<tool_call>{{"name": "weather", "arguments": {{"a": "{"好" * (LARGEST // 3)}"}}}}</tool_call>'),
    (HERMES, "<tool_call>\n</tool_call>"),
    (HERMES, "</tool_call>"),
    (DEEPSEEK, BLOCK.format("")),
    (DEEPSEEK, BLOCK.format("Nothing.")),
    (DEEPSEEK, BLOCK.format("<｜tool▁call▁begin｜>weather<｜tool▁call▁end｜>")),
    (DEEPSEEK, BLOCK.format(V3.format("weather", '{"city": '))),
    (DEEPSEEK, BLOCK.format(V3.format("weather", "Tokyo"))),
    (DEEPSEEK, BLOCK.format(V31.format("two words", "{}"))),
    (DEEPSEEK, BLOCK.format(V31.format("weather", "{}<｜tool▁sep｜>"))),
    (DEEPSEEK, "<｜tool▁sep｜>"),
    (DSML, DSML_BLOCK.format("")),
    (DSML, DSML_BLOCK.format("<｜DSML｜invoke></｜DSML｜invoke>")),
    (DSML, DSML_BLOCK.format(INVOKE.format("weather", "Tokyo"))),
    (DSML, DSML_BLOCK.format(INVOKE.format("weather", PARAMETER.format("days", "false", "many")))),
    (DSML, DSML_BLOCK.format(INVOKE.format("weather", PARAMETER.format("days", "maybe", "1")))),
    (DSML, DSML_BLOCK.format(INVOKE.format("weather", PARAMETERS * 2))),
    (DSML, DSML_BLOCK.format('<｜DSML｜invoke name="weather">\n' + PARAMETERS)),
]


@pytest.mark.parametrize(("form", "text"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_call_is_left_out_and_the_answer_goes_on(form, text):
    assert parted(form, "So: ", *cut(text, 1), "\n\nIt is sunny.") in [
        ("So: It is sunny.", [], False),
        ("So: \n\nIt is sunny.", [], False),  # a mark that nothing opened
    ]


@pytest.mark.parametrize(("form", "text"), WRITTEN)
def test_half_a_call_at_the_end_is_left_out(form, text):
    head = text[: text.index("weather") + len("weather")]
    words, calls, _ = parted(form, *cut(head, 2))
    assert (words, calls) == ("", [])


def test_words_about_the_mark_are_shown_at_once_without_it():
    calls = Calls(HERMES)
    assert calls.feed("Qwen writes `<tool_call>` and JSON") == ("Qwen writes `` and JSON", ())


@pytest.mark.parametrize("form", [HERMES, DEEPSEEK])
def test_an_answer_calls_only_so_many_tools(form):
    call = HERMES_CALL.format("more", "{}") if form is HERMES else V31.format("more", "{}")
    words, calls, is_over = parted(form, *[call] * MOST, call)
    assert (words, [call.id for call in calls], is_over) == ("", [f"call_{index}" for index in range(MOST)], True)


def test_a_call_may_be_as_large_as_allowed():
    call = '{"name": "a", "arguments": {"a": ""}}'
    text = call[:-3] + "x" * (LARGEST - len(call)) + call[-3:]
    assert len(parted(HERMES, f"<tool_call>{text}</tool_call>")[1]) == 1
    assert not parted(HERMES, f"<tool_call> {text[:-3]}x{text[-3:]}</tool_call>")[1]


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{{ bos_token }}{{ messages[0].content }}", None),
        ('<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>', HERMES),
        ("<tool_call>\n<function=name>\n<parameter=arguments>", None),
        ("<tool_call>{function-name}<arg_key>arguments</arg_key>", None),
        (BLOCK, DEEPSEEK),
        (DSML_BLOCK, DSML),
    ],
)
def test_a_template_tells_the_form_by_its_marks(template, form):
    assert form_of(template) is form


def stream(words: list[str], form: Form = HERMES, stop: tuple[str, ...] = (), is_open: bool = False) -> Piece:
    """The whole answer as one piece."""
    text = TextStream(lambda token: words[token], stop, Reasoning(is_open), Calls(form))
    pieces: list[Piece] = []
    for token in range(len(words)):
        pieces.append(text.feed(token))
        if pieces[-1].is_stopped:
            break
    else:
        pieces.append(text.flush())
    said, thought = ("".join(parts) for parts in zip(*((piece.text, piece.reasoning) for piece in pieces), strict=True))
    return Piece(said, thought, pieces[-1].is_stopped, sum((piece.calls for piece in pieces), ()))


CALL = HERMES_CALL.format("weather", '{"city": "END"}')
CALLED = (ToolCall("call_0", "weather", '{"city": "END"}'),)


def test_what_is_called_in_the_reasoning_is_no_call():
    thought = [V31.format("weather", "{}"), "</think>", "Yes."]
    assert stream(thought, DEEPSEEK, is_open=True) == Piece("Yes.", "weather{}")
    assert stream(["<think>", CALL, "hm</think>", CALL]).calls == CALLED


def test_a_stop_string_counts_in_the_words_and_not_in_the_call():
    assert stream([*CALL, "\n", "Done."], stop=("END",)) == Piece("", "", True, CALLED)
    assert stream(["The E", "ND ", *CALL], stop=("END",)) == Piece("The ", "", True)
    assert stream(["The END" + CALL], stop=("END",)) == Piece("The ", "", True)


def test_the_beginning_of_a_stop_string_before_a_call_is_shown():
    assert stream(["The EN", *CALL], stop=("END",)) == Piece("The EN", "", False, CALLED)


def test_a_call_that_only_the_end_makes_whole_is_made():
    assert stream([*CALL.removesuffix("\n</tool_call>")], stop=("END",)) == Piece("", "", False, CALLED)
