"""The end of the line: the engine's deltas as chunks."""

from contextlib import aclosing
from dataclasses import replace

from core.message import NO_USAGE, Chunk, Reasoning, Replace, Source, Status, StatusKind, Text, Written
from core.ports import Conversation, Delta, Engine
from core.reading import composed
from core.tools import quoted
from core.turn import Answer, Chunks, SamplingParams, Turn, Utterance


def conversation(turn: Turn) -> Conversation:
    """What the engine is asked: system prompt, history, and the question with what was read and found out besides.

    What came of tools stands behind the question, so that it begins the same with and without.
    """
    system = (Utterance("system", turn.system),) if turn.system else ()
    asked = composed(turn.message.text, turn.reading, turn.language)
    text = "\n\n".join(filter(None, (asked, quoted(turn.results, turn.language))))
    said = (*system, *turn.history, Utterance("user", text))
    return Conversation(str(turn.message.thread), said, model=turn.model, tools=turn.tools)


def within_context(params: SamplingParams, context: int) -> SamplingParams:
    """At most half of the model's context is kept for the answer, so that there is room for the question."""
    return replace(params, max_new_tokens=min(params.max_new_tokens, max(1, context // 2)))


def answer_with(engine: Engine) -> Answer:
    """The answer that the engine itself gives."""

    async def answer(turn: Turn) -> Chunks:
        is_thinking = False
        async with aclosing(engine.stream(conversation(turn), turn.params)) as deltas:
            async for delta in deltas:
                if delta.reasoning and (delta.is_anew or not is_thinking):
                    is_thinking = True
                    yield Status(StatusKind.THINKING)
                for chunk in _chunks(delta, engine):
                    yield chunk

    return answer


def _chunks(delta: Delta, engine: Engine) -> tuple[Chunk, ...]:
    queued = (Status(StatusKind.QUEUED, delta.position),) if delta.position else ()
    thought = (Reasoning(delta.reasoning),) if delta.reasoning else ()
    text = (Text(delta.text),) if delta.text and not delta.is_anew else ()
    anew = (Replace(delta.text, Source.ENGINE),) if delta.is_anew else ()
    called = (delta.tool_call,) if delta.tool_call else ()
    chunks = (*queued, *anew, *thought, *text, *called)
    if delta.finish is None:
        return chunks
    model = delta.model or engine.model.version
    return (*chunks, Written(model, delta.finish, delta.seed, delta.usage or NO_USAGE, delta.is_fallback))
