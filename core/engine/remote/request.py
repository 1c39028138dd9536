"""What a server is asked: a conversation and its parameters as the body of an OpenAI chat completion."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from core.engine.parameters import checked
from core.errors import Malformed
from core.ports import Capabilities, Conversation
from core.turn import SamplingParams, Tool, Utterance

# A word or a part of one in "camelCase", a single capital, a gap, or any other character.
_PIECES = re.compile(r"(?P<word>[A-Z]?[a-z]+)|(?P<gap>\s+)|.", re.DOTALL)
# The marks that the templates of this model family and its relatives speak in; which of them are a server's own it
# does not tell.
_MARKS = re.compile(r"<[|｜][^<>|｜]{1,40}[|｜]>|</?think>")
_STOPS = 4  # OpenAI takes no more; the others are found by the reader of the answer
SEEDS = 2**31
_LARGEST_TOP_K = 2**20  # no vocabulary has more tokens


def estimate(conversation: Conversation) -> int:
    """Tokens of the prompt, without its tokenizer: rather too many than too few.

    A word counts one for each four letters begun, the single space before it nothing, any other gap one; every other
    character counts one, those beyond the basic plane three; each utterance four more for its role and its marks.
    """
    tools = json.dumps([_tool(tool) for tool in conversation.tools]) if conversation.tools else ""
    return 3 + _tokens(tools) + sum(4 + _tokens(turn.text) for turn in conversation.turns)


def bounded(params: SamplingParams, room: int) -> SamplingParams:
    """The nearest parameters that any server takes; `room` is how many tokens the context has left.

    Raises Malformed.
    """
    return replace(
        checked(params),
        temperature=min(params.temperature, 2.0) if params.temperature > 1e-3 else 0.0,  # NaN is greedy too
        top_p=min(max(params.top_p, 1e-3), 1.0) if params.top_p == params.top_p else 1.0,
        top_k=params.top_k if 0 < params.top_k < _LARGEST_TOP_K else 0,
        repetition_penalty=min(max(params.repetition_penalty, 0.1), 2.0) if params.repetition_penalty > 0 else 1.0,
        max_new_tokens=max(1, min(params.max_new_tokens, room)),
        stop=tuple(filter(None, params.stop)),
        seed=None if params.seed is None else params.seed % SEEDS,
    )


def body(model: str, conversation: Conversation, params: SamplingParams, able: Capabilities) -> dict[str, Any]:
    """What `chat.completions.create` is called with; `params` are bounded. Raises Malformed."""
    extra = {
        "top_k": params.top_k if able.top_k else 0,
        "repetition_penalty": params.repetition_penalty if able.repetition_penalty and _penalises(params) else 0,
    }
    optional = {
        # A server looks for them in the reasoning too, and would end the answer before it begins.
        "stop": list(params.stop[:_STOPS]) if able.stop and not able.reasoning else None,
        "tools": [_tool(tool) for tool in conversation.tools] if able.tools else None,
        "extra_body": {name: value for name, value in extra.items() if value},
    }
    return {
        "model": model,
        "messages": _messages(conversation.turns, able),
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_new_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **({} if params.seed is None else {"seed": params.seed}),
        **{name: value for name, value in optional.items() if value},
    }


def _tokens(text: str) -> int:
    return sum(map(_weight, _PIECES.finditer(text)))


def _weight(piece: re.Match[str]) -> int:
    if piece["word"]:
        return -(-len(piece[0]) // 4)
    if piece["gap"]:
        return 0 if piece[0] == " " else 1 + len(piece[0]) // 16
    return 3 if piece[0] > "\uffff" else 1


def _penalises(params: SamplingParams) -> bool:
    return params.repetition_penalty != 1.0


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _messages(turns: Sequence[Utterance], able: Capabilities) -> list[dict[str, str]]:
    # Some templates refuse two utterances of one role in a row.
    runs = groupby(turns, key=lambda turn: _role(turn, able))
    return [_message(role, name, "\n\n".join(_defused(turn.text) for turn in run)) for (role, name), run in runs]


def _role(turn: Utterance, able: Capabilities) -> tuple[str, str]:
    if turn.role == "tool":
        return ("tool", turn.name or "tool") if able.tools else ("user", "")
    return turn.role, ""


def _message(role: str, name: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content} | ({"tool_call_id": name} if name else {})


def _defused(text: str) -> str:
    """Nobody may speak in a template's own marks and so put words into another's mouth."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("the text holds half of a character pair") from None
    return _MARKS.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", text)
