"""A model on other machines, against a small server that does what good servers do, and what they never do."""

import asyncio
import json
import logging
import math
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bench.process import free_port
from core.engine import REMOTE, RemoteEngine
from core.engine.remote.endpoints import shown
from core.engine.remote.request import bounded, estimate
from core.errors import Busy, Malformed, Misconfigured, TooLong, Unavailable
from core.message import ToolCall, Usage
from core.ports import Conversation, Delta
from core.trail import follow
from core.turn import SamplingParams, Tool, Utterance
from tests.fakes.wire import DONE, HELLO, USAGE, Refusal, Step, WireServer, call, piece, running
from tests.server import ROOT

QUESTION = Conversation("thread", (Utterance("system", "Be brief."), Utterance("user", "Where is my secret?")))
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
PARAMS = SamplingParams(temperature=0.5, top_p=0.9, max_new_tokens=50)


@asynccontextmanager
async def asking(*servers, **settings):
    """A started engine over these servers."""
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(running(server))).url for server in servers]
        engine = RemoteEngine(urls, "a-model", **settings)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()


async def ask(engine, conversation=QUESTION, params=PARAMS) -> list[Delta]:
    async with aclosing(engine.stream(conversation, params)) as deltas:
        return [delta async for delta in deltas]


def text(deltas) -> str:
    return "".join(delta.text for delta in deltas)


async def answered(*steps, params=PARAMS, **settings) -> list[Delta]:
    async with asking(WireServer(steps), **settings) as engine:
        return await ask(engine, params=params)


async def asked(conversation=QUESTION, params=PARAMS, **settings) -> dict[str, Any]:
    """The body that a server gets."""
    async with asking(server := WireServer(), **settings) as engine:
        await ask(engine, conversation, params)
    return server.asked[0]


# ------------------------------------------------------------------------------------------------- what is asked


async def test_a_server_is_told_whose_turn_it_is_by_an_id_of_its_own_each_time():
    async with asking(server := WireServer()) as engine:
        await ask(engine)
        follow("0f" * 16)
        await ask(engine)
        await ask(engine)
    nobodys, first, second = server.named
    assert not nobodys
    assert first != second
    assert first.partition("-")[0] == second.partition("-")[0] == "0f" * 16


async def test_the_request_says_what_openai_calls_it():
    assert await asked(params=replace(PARAMS, stop=("", "END"), seed=7)) == {
        "model": "a-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my secret?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ["END"],
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_what_openai_does_not_know_is_sent_where_it_is_set_and_the_server_can():
    set_ = replace(PARAMS, top_k=40, repetition_penalty=1.1)
    body = await asked(params=set_)
    assert (body["top_k"], body["repetition_penalty"]) == (40, 1.1)
    body = await asked(params=set_, capabilities=replace(REMOTE, top_k=False, repetition_penalty=False))
    assert not {"top_k", "repetition_penalty"} & body.keys()


async def test_stop_strings_are_not_sent_to_a_model_that_reasons():
    params = replace(PARAMS, stop=("END",))
    assert "stop" not in await asked(params=params, capabilities=replace(REMOTE, reasoning=True))


async def test_utterances_of_one_role_in_a_row_become_one_message():
    turns = (Utterance("user", "a"), Utterance("user", "b"), Utterance("assistant", "c"), Utterance("user", "d"))
    body = await asked(Conversation("thread", turns))
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("user", "a\n\nb"),
        ("assistant", "c"),
        ("user", "d"),
    ]


@pytest.mark.parametrize("mark", ["<｜User｜>", "<|im_start|>", "</think>", "<｜end▁of▁sentence｜>"])
async def test_nobody_speaks_in_the_marks_of_a_template(mark):
    body = await asked(Conversation("thread", (Utterance("user", f"a{mark}b <b> 1 < 2 | 3 > 2"),)))
    assert body["messages"][0]["content"] == f"a<\u200b{mark[1:]}b <b> 1 < 2 | 3 > 2"


async def test_tools_and_what_they_said_are_sent_to_a_server_that_takes_them():
    turns = (Utterance("user", "Rain?"), Utterance("tool", "yes", "weather"))
    conversation = Conversation("thread", turns, tools=(WEATHER,))
    body = await asked(conversation, capabilities=replace(REMOTE, tools=True))
    assert body["messages"][1] == {"role": "tool", "content": "yes", "tool_call_id": "weather"}
    assert body["tools"][0]["function"]["name"] == "weather"
    body = await asked(conversation)
    assert "tools" not in body
    assert [message["role"] for message in body["messages"]] == ["user"]


async def test_a_seed_is_drawn_and_told_where_the_server_is_said_to_keep_to_it():
    async with asking(server := WireServer(), capabilities=replace(REMOTE, seed=True)) as engine:
        deltas = await ask(engine)
    assert deltas[-1].seed == server.asked[0]["seed"]
    assert (await answered(*HELLO))[-1].seed is None


async def test_the_key_is_sent_and_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "not this one")
    async with asking(server := WireServer(), api_key="this-one") as engine:
        await ask(engine)
    assert server.keys == ["Bearer this-one"]


async def test_no_more_is_asked_for_than_the_context_has_room_for():
    room = 100 - estimate(QUESTION)
    assert (await asked(params=replace(PARAMS, max_new_tokens=10**9), context=100))["max_tokens"] == room


async def test_the_context_is_the_servers_where_it_is_less():
    async with asking(WireServer(models=[{"id": "a-model", "max_model_len": 64}])) as engine:
        assert engine.model.context == 64


async def test_what_cannot_be_asked_is_refused_before_anything_is_sent():
    async with asking(server := WireServer(), context=100) as engine:
        for conversation, error in [
            (Conversation("thread", ()), Malformed),
            (Conversation("thread", (Utterance("user", " \n"),)), Malformed),
            (Conversation("thread", (Utterance("user", "half a pair: \ud83d"),)), Malformed),
            (Conversation("thread", (Utterance("user", "word " * 100),)), TooLong),
        ]:
            with pytest.raises(error):
                await ask(engine, conversation)
        hot: Any = "hot"
        with pytest.raises(Malformed):
            await ask(engine, params=replace(PARAMS, temperature=hot))
    assert not server.asked


def test_parameters_are_bounded_to_what_every_server_takes():
    odd = SamplingParams(math.nan, math.nan, -1, math.nan, 0, ("", "x"), -1)
    assert bounded(odd, 10) == SamplingParams(0.0, 1.0, 0, 1.0, 1, ("x",), 2**31 - 1)
    large = SamplingParams(math.inf, 7, 10**9, math.inf, 10**9, (), 2**80)
    assert bounded(large, 10) == SamplingParams(2.0, 1.0, 0, 2.0, 10, (), 0)
    assert bounded(PARAMS, 100) == PARAMS


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ("the weather", 3),
        ("你好！", 3),
        ("2026", 4),
        ("🙂", 3),
        ("getUserName", 3),
        ("a\n\n    b", 3),
    ],
)
def test_tokens_are_estimated_rather_too_many(said, tokens):
    assert estimate(Conversation("thread", (Utterance("user", said),))) == 7 + tokens


# --------------------------------------------------------------------------------------------- what is answered


async def test_an_answer_comes_in_pieces_with_its_usage_at_the_end():
    deltas = await answered(*HELLO)
    assert [delta.text for delta in deltas] == ["Hello", " there", ""]
    last = deltas[-1]
    assert (last.finish, last.usage, last.model) == ("stop", Usage(11, 3), "a-model")
    assert last.timings is not None
    assert 0 < last.timings.begun <= last.timings.first <= last.timings.whole


async def test_where_the_server_counts_nothing_the_pieces_are_counted():
    last = (await answered(piece("Hello"), piece(" there", "length")))[-1]
    assert (last.finish, last.usage) == ("length", Usage(estimate(QUESTION), 2))


async def test_tokens_that_were_read_before_are_told():
    usage = {"prompt_tokens": 11, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    timings = (await answered(piece("Hello", "stop"), {"choices": [], "usage": usage}))[-1].timings
    assert timings is not None
    assert timings.reused == 8


async def test_tokens_that_nobody_can_have_counted_do_no_harm():
    details = {"cached_tokens": -3}
    usage = {"prompt_tokens": 2**31, "completion_tokens": -1, "prompt_tokens_details": details}
    last = (await answered(piece("Hello", "stop"), {"choices": [], "usage": usage}))[-1]
    assert last.usage == Usage(2**31 - 1, 0)
    assert last.timings is not None
    assert last.timings.reused == 0


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
async def test_reasoning_is_read_under_its_new_and_its_old_name(name):
    deltas = await answered(piece(**{name: "Hm"}), piece(**{name: "."}), piece("\n\n"), piece("Yes"), piece("", "stop"))
    assert ("".join(delta.reasoning for delta in deltas), text(deltas)) == ("Hm.", "Yes")


async def test_reasoning_that_a_server_sends_under_both_names_is_read_once():
    deltas = await answered(piece(reasoning="Hm.", reasoning_content="Hm."), piece("Yes", "stop"))
    assert "".join(delta.reasoning for delta in deltas) == "Hm."


async def test_reasoning_that_a_server_leaves_in_the_text_is_parted_from_it():
    deltas = await answered(piece("<th"), piece("ink>Hm"), piece(".</thi"), piece("nk>\n\nYes"), piece("", "stop"))
    assert ("".join(delta.reasoning for delta in deltas), text(deltas)) == ("Hm.", "Yes")


async def test_a_text_that_only_begins_like_reasoning_is_shown():
    assert text(await answered(piece("<thi", "stop"))) == "<thi"


async def test_a_stop_string_across_pieces_is_never_shown_and_ends_the_request():
    never = asyncio.Event()
    async with asking(server := WireServer([piece("One E"), piece("N"), piece("D two"), never])) as engine:
        deltas = await ask(engine, params=replace(PARAMS, stop=("END",)))
        await asyncio.wait_for(server.left.wait(), 5)
    assert (text(deltas), deltas[-1].finish) == ("One ", "stop")


async def test_the_beginning_of_a_stop_string_that_never_comes_is_shown_at_last():
    deltas = await answered(piece("One E"), piece("N", "stop"), params=replace(PARAMS, stop=("END",)))
    assert text(deltas) == "One EN"


async def test_tool_calls_are_put_together_from_their_fragments():
    deltas = await answered(
        call(0, "one", "weather", ""),
        call(0, arguments='{"city": '),
        call(1, None, "time"),
        call(0, arguments='"Tokyo"}'),
        piece("", "tool_calls"),
        USAGE,
        DONE,
        capabilities=replace(REMOTE, tools=True),
    )
    calls = [delta.tool_call for delta in deltas if delta.tool_call]
    assert calls == [ToolCall("one", "weather", '{"city": "Tokyo"}'), ToolCall("call_1", "time", "{}")]
    assert deltas[-1].finish == "stop"


@pytest.mark.parametrize(
    "steps",
    [
        (piece("Hel"), None),
        (piece("Hel"), DONE),
        (piece("Hel"), "data: {garbage\n\n"),
        (piece("Hel"), "data: 5\n\n"),
        (piece("Hel"), 'data: {"choices": [{"delta": 3}]}\n\n'),
        (piece("Hel"), 'data: {"choices": 7}\n\n'),
        (piece("Hel"), 'data: {"error": "out of memory"}\n\n'),
        ("<html>Welcome</html>",),
        (),
    ],
    ids=str,
)
async def test_half_an_answer_and_garbage_are_unavailable(steps):
    async with asking(server := WireServer(steps)) as engine:
        with pytest.raises(Unavailable):
            await ask(engine)
        server.answer = HELLO
        assert text(await ask(engine)) == "Hello there"


async def test_a_whole_answer_counts_though_its_usage_never_comes(monkeypatch):
    monkeypatch.setattr("core.engine.remote.engine.GRACE", 0.05)
    assert text(await answered(piece("Hello", "stop"), asyncio.Event())) == "Hello"
    assert text(await answered(piece("Hello", "stop"), None)) == "Hello"


async def test_a_server_that_hangs_before_its_first_word_is_given_up():
    async with asking(server := WireServer([piece(role="assistant"), asyncio.Event()]), silence=0.1) as engine:
        with pytest.raises(Unavailable, match="too long"):
            await ask(engine)
        await asyncio.wait_for(server.left.wait(), 5)


async def test_a_server_that_falls_silent_in_the_middle_of_an_answer_is_given_up():
    async with asking(server := WireServer([piece("Once upon"), asyncio.Event()]), silence=0.1) as engine:
        with pytest.raises(Unavailable, match="too long"):
            await ask(engine)
        await asyncio.wait_for(server.left.wait(), 5)


async def test_an_answer_that_takes_too_long_ends_with_what_was_said():
    deltas = await answered(piece("Once upon"), asyncio.Event(), timeout=1)
    assert (text(deltas), deltas[-1].finish) == ("Once upon", "timeout")


# ------------------------------------------------------------------------------------------------------ closing


@pytest.mark.parametrize(
    "steps", [(), (piece(role="assistant"),), (piece("Once upon"),)], ids=["headers", "role", "text"]
)
async def test_a_cancelled_reader_hangs_up_wherever_the_server_is(steps):
    async with asking(server := WireServer([*steps, asyncio.Event()])) as engine:
        reader = asyncio.create_task(ask(engine))
        while not server.asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await asyncio.wait_for(server.left.wait(), 5)
        assert not any(endpoint.outstanding for endpoint in engine._endpoints)


async def test_a_closed_stream_hangs_up():
    async with asking(server := WireServer([piece("Once upon"), asyncio.Event()])) as engine:
        async with aclosing(engine.stream(QUESTION, PARAMS)) as deltas:
            assert (await anext(deltas)).text == "Once upon"
        await asyncio.wait_for(server.left.wait(), 5)


async def test_stopping_tells_whoever_has_no_answer_yet():
    async with asking(server := WireServer([piece("Once upon"), asyncio.Event()])) as engine:
        reader = asyncio.create_task(ask(engine))
        while not server.asked:
            await asyncio.sleep(0.01)
        await engine.stop()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(reader, 5)


async def test_only_so_many_are_asked_at_once():
    gate = asyncio.Event()
    async with asking(server := WireServer([gate, *HELLO]), limit=2) as engine:
        readers = [asyncio.create_task(ask(engine)) for _ in range(2)]
        while len(server.asked) < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await ask(engine)
        gate.set()
        assert [text(deltas) for deltas in await asyncio.gather(*readers)] == ["Hello there"] * 2
        assert text(await ask(engine)) == "Hello there"


# ------------------------------------------------------------------------------------------------ several servers


async def test_the_server_with_the_fewest_requests_is_asked():
    gate = asyncio.Event()
    slow, quick = WireServer([gate, *HELLO]), WireServer()
    async with asking(slow, quick) as engine:
        readers = []
        while not slow.asked:
            readers.append(asyncio.create_task(ask(engine)))
            await asyncio.sleep(0.05)
        before = len(quick.asked)
        for _ in range(5):
            await ask(engine)
        assert (len(slow.asked), len(quick.asked)) == (1, before + 5)
        gate.set()
        await asyncio.gather(*readers)


async def test_servers_that_have_nothing_to_do_are_asked_in_turn():
    one, other = WireServer(), WireServer()
    async with asking(one, other) as engine:
        for _ in range(6):
            await ask(engine)
    assert (len(one.asked), len(other.asked)) == (3, 3)


@pytest.mark.parametrize(
    "answer", [Refusal(502), Refusal(503), Refusal(504), (None,), (piece(role="assistant"), None)], ids=str
)
async def test_the_next_server_is_asked_where_one_is_away_and_it_rests_for_a_while(answer):
    away, there = WireServer(answer), WireServer()
    async with asking(away, there) as engine:
        for _ in range(6):
            assert text(await ask(engine)) == "Hello there"
    assert (len(away.asked), len(there.asked)) == (1, 6)


async def test_a_server_is_asked_again_once_it_has_rested(monkeypatch):
    monkeypatch.setattr("core.engine.remote.engine.REST", 0.05)
    away, there = WireServer(Refusal(503)), WireServer()
    async with asking(away, there) as engine:
        while not away.asked:
            await ask(engine)
        away.answer = HELLO
        await asyncio.sleep(0.1)
        await asyncio.gather(ask(engine), ask(engine))
    assert len(away.asked) == 2


async def test_where_all_rest_they_are_asked_all_the_same():
    async with asking(server := WireServer(Refusal(503))) as engine:
        with pytest.raises(Unavailable):
            await ask(engine)
        server.answer = HELLO
        assert text(await ask(engine)) == "Hello there"


async def test_nobody_else_is_asked_once_something_was_said():
    one, other = (WireServer([piece("Hel"), None]) for _ in range(2))
    async with asking(one, other) as engine, aclosing(engine.stream(QUESTION, PARAMS)) as deltas:
        assert (await anext(deltas)).text == "Hel"
        with pytest.raises(Unavailable):
            await anext(deltas)
    assert len(one.asked) + len(other.asked) == 1


# --------------------------------------------------------------------------------------------------------- errors


VLLM = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
SGLANG = "Requested token count exceeds the model's maximum context length of 4096 tokens."
LLAMA = "the request exceeds the available context size, try increasing it"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal(400, VLLM), TooLong),
        (Refusal(400, SGLANG), TooLong),
        (Refusal(400, LLAMA), TooLong),
        (Refusal(413), TooLong),
        (Refusal(400), Unavailable),
        (Refusal(422), Unavailable),
        (Refusal(401), Unavailable),
        (Refusal(403), Unavailable),
        (Refusal(404), Unavailable),
        (Refusal(500), Unavailable),
        (Refusal(307), Unavailable),
    ],
    ids=str,
)
async def test_a_refusal_is_understood_and_nobody_else_is_asked(refusal, error):
    one, other = WireServer(refusal), WireServer(refusal)
    async with asking(one, other) as engine:
        with pytest.raises(error):
            await ask(engine)
    assert len(one.asked) + len(other.asked) == 1


@pytest.mark.parametrize("full", [Refusal(429), Refusal(408)], ids=str)
async def test_the_next_server_is_asked_where_one_is_full(full):
    one, other = WireServer(full), WireServer()
    async with asking(one, other) as engine:
        assert [text(await ask(engine)) for _ in range(2)] == ["Hello there"] * 2
    assert (len(one.asked), len(other.asked)) == (1, 2)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([Refusal(429), Refusal(429)], Busy),
        ([Refusal(429), Refusal(503)], Busy),
        ([Refusal(503), Refusal(429)], Busy),
        ([Refusal(429), Refusal(500)], Unavailable),
        ([Refusal(429), Refusal(413)], TooLong),
        ([Refusal(503), Refusal(503)], Unavailable),
    ],
    ids=str,
)
async def test_it_is_busy_where_all_are_full_or_away(answers, error):
    servers = [WireServer(answer) for answer in answers]
    async with asking(*servers) as engine:
        with pytest.raises(error):
            await ask(engine)
    assert [len(server.asked) for server in servers] == [1, 1]


async def test_the_operator_reads_which_settings_a_server_that_takes_less_needs(caplog):
    async with asking(WireServer(Refusal(400))) as engine:
        with pytest.raises(Unavailable):
            await ask(engine)
    assert "set remote.top_k: false and remote.repetition_penalty: false" in caplog.text


@pytest.mark.parametrize("code", [{}, {"code": 400}, {"code": "context_length_exceeded"}], ids=str)
async def test_a_prompt_that_is_refused_within_the_stream_is_too_long(code):
    event = json.dumps({"error": {"message": SGLANG} | code})
    with pytest.raises(TooLong):
        await answered(f"data: {event}\n\n")


async def test_a_question_is_not_carried_to_where_a_server_points():
    async with (
        running(WireServer()) as other,
        asking(WireServer(Refusal(307, location=f"{other.url}/chat/completions"))) as engine,
    ):
        with pytest.raises(Unavailable):
            await ask(engine)
    assert not other.asked


async def test_neither_a_word_nor_a_password_gets_into_the_log(caplog):
    caplog.set_level(logging.DEBUG, "core")
    secret = "Where is my secret?"
    event = json.dumps({"error": {"message": secret}})
    answers: list[Sequence[Step] | Refusal] = [
        Refusal(500, secret),
        Refusal(400, secret),
        (f"data: {event}\n\n",),
        (secret,),
        (None,),
    ]
    for answer in answers:
        async with running(WireServer(answer)) as server:
            engine = RemoteEngine([server.url.replace("//", "//user:pass@")], "a-model", api_key="the-key")
            await engine.start()
            with pytest.raises(Unavailable) as raised:
                await ask(engine)
            await engine.stop()
            assert "secret" not in str(raised.value)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("core")]
    assert told
    assert not [line for line in told if "secret" in line or "pass" in line or "the-key" in line]


# --------------------------------------------------------------------------------------------------------- starting


async def started(*servers, name="a-model", **settings):
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(running(server))).url for server in servers]
        engine = RemoteEngine(urls, name, **settings)
        await engine.start()
        await engine.stop()
        return engine.model.name


def test_the_library_is_imported_by_who_starts_the_engine():
    command = "import core.engine, sys; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=False).returncode == 0


async def test_the_only_model_of_a_server_needs_no_name():
    assert await started(WireServer(), name="") == "a-model"


async def test_a_server_that_lists_nothing_is_believed():
    assert await started(WireServer(models=[])) == "a-model"


@pytest.mark.parametrize(
    ("servers", "name", "sentence"),
    [
        ([WireServer()], "b-model", "does not have the model 'b-model'.* It has: a-model"),
        ([WireServer(models=[{"id": "a"}, {"id": "b"}])], "", "It has: a, b"),
        ([WireServer(models=[{"id": "a"}]), WireServer(models=[{"id": "b"}])], "", "different models: a, b"),
        ([WireServer(models=[])], "", "It has: none"),
        ([WireServer(models=Refusal(401))], "a-model", "PARLEY_ENGINE_KEY"),
        ([WireServer(models=Refusal(404))], "a-model", "end in /v1"),
    ],
    ids=range(6),
)
async def test_a_server_that_does_not_fit_is_named_at_once(servers, name, sentence):
    with pytest.raises(Misconfigured, match=sentence):
        await started(*servers, name=name)


async def test_a_server_that_never_comes_is_named_without_its_password():
    engine = RemoteEngine([f"http://user:pass@127.0.0.1:{free_port()}/v1"], "a-model", start_timeout=0.1)
    with pytest.raises(Misconfigured, match=r"No model server answered at http://127") as raised:
        await engine.start()
    assert "pass" not in str(raised.value)
    with pytest.raises(Unavailable):
        await ask(engine)


async def test_start_waits_for_a_server_that_is_still_coming_up(monkeypatch):
    monkeypatch.setattr("core.engine.remote.lobby.PAUSE", 0.02)
    async with running(server := WireServer(models=Refusal(503))) as there:
        engine = RemoteEngine([there.url], "a-model")
        start = asyncio.create_task(engine.start())
        await asyncio.sleep(0.1)
        assert not start.done()
        server.models = [{"id": "a-model"}]
        await asyncio.wait_for(start, 5)
        assert text(await ask(engine)) == "Hello there"
        await engine.stop()


async def test_one_server_that_is_up_is_enough_to_start():
    async with running(WireServer()) as there:
        engine = RemoteEngine([f"http://127.0.0.1:{free_port()}/v1", there.url], "a-model")
        await engine.start()
        for _ in range(3):
            assert text(await ask(engine)) == "Hello there"
        await engine.stop()


@pytest.mark.parametrize(
    "urls", [[], [""], ["gpu-1:8000/v1"], ["ftp://gpu-1/v1"], ["http://[::1"], ["http://"]], ids=str
)
async def test_an_address_that_is_none_is_misconfigured(urls):
    with pytest.raises(Misconfigured):
        await RemoteEngine(urls, "a-model").start()


def test_an_address_is_shown_without_what_is_secret():
    assert shown("https://user:pass@gpu-1:8000/v1?key=1#x") == "https://gpu-1:8000/v1"
