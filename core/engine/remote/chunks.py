"""What a server answers: the chunks of an OpenAI chat completion, as deltas."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from core.engine.text import Reasoning, Scanner
from core.errors import Unavailable
from core.message import ToolCall, Usage
from core.ports import Delta, Timings

_MOST_TOKENS = 2**31 - 1  # what the database holds


class Answer:
    """Makes deltas of one answer's chunks; `prompt` is its estimate, for servers that count nothing."""

    def __init__(self, stop: tuple[str, ...], prompt: int) -> None:
        self._scanner, self._reasoning = Scanner(stop), Reasoning(is_open=False)
        self._calls: dict[int, _Call] = {}
        self._has_thought = self._has_answered = False
        self._pieces, self._prompt = 0, prompt
        self._usage: Usage | None = None
        self._reused, self._asked_at = 0, monotonic()
        self._begun_at = self._first_at = self._asked_at
        self._finish: str | None = None
        self.has_begun = self.is_stopped = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing but, perhaps, the count of its tokens."""
        return self.is_stopped or self._finish is not None

    def begin(self) -> None:
        """A server has taken the question."""
        self._begun_at = monotonic()

    def expire(self) -> bool:
        """Its time is up; whether there is anything to end with."""
        self._finish = "timeout" if self.has_begun else None
        return self.has_begun

    def feed(self, chunk: Any) -> Iterator[Delta]:
        """The deltas of one ChatCompletionChunk; stops at a stop string."""
        if chunk.usage:
            self._count(chunk.usage)
        for choice in (chunk.choices or ())[:1]:
            self._begin(choice.delta)
            thought, text = self._parted(choice.delta)
            text, self.is_stopped = self._scanner.feed(text)
            if text or thought:
                yield Delta(text, reasoning=thought)
            self._collect(choice.delta.tool_calls or ())
            if choice.finish_reason:
                self._finish = "length" if choice.finish_reason == "length" else "stop"

    def last(self, model: str, seed: int | None) -> Iterator[Delta]:
        """The tools it calls and the last delta. Raises Unavailable for half an answer."""
        if not self.is_whole:
            raise Unavailable("the answer broke off")
        yield from (Delta(tool_call=call.whole(index)) for index, call in sorted(self._calls.items()) if call.name)
        thought, rest = ("", "") if self.is_stopped else self._reasoning.flush()
        text, is_stopped = ("", True) if self.is_stopped else self._scanner.feed(rest)
        text += "" if is_stopped else self._scanner.rest()
        finish = "stop" if is_stopped else self._finish
        usage = self._usage or Usage(self._prompt, self._pieces)
        yield Delta(
            text, reasoning=thought, finish=finish, usage=usage, model=model, seed=seed, timings=self._timings()
        )

    def _begin(self, delta: Any) -> None:
        # The first chunk often names the role alone.
        if not self.has_begun and (delta.content or _thought(delta) or delta.tool_calls):
            self.has_begun, self._first_at = True, monotonic()

    def _count(self, usage: Any) -> None:
        self._usage = Usage(_tokens(usage.prompt_tokens), _tokens(usage.completion_tokens))
        details = getattr(usage, "prompt_tokens_details", None)
        self._reused = _tokens(getattr(details, "cached_tokens", None))

    def _timings(self) -> Timings:
        asked = self._asked_at
        begun, first = max(self._begun_at, asked), max(self._first_at, self._begun_at)
        return Timings(begun - asked, first - asked, monotonic() - asked, self._reused)

    def _parted(self, delta: Any) -> tuple[str, str]:
        """What was thought and what was said."""
        thought, text = _thought(delta), str(delta.content or "")
        self._pieces += bool(thought or text)
        if thought:
            self._has_thought = True
        elif not self._has_thought:
            return self._reasoning.feed(text)
        if not self._has_answered:  # servers leave the blank lines between both
            text = text.lstrip()
            self._has_answered = bool(text)
        return thought, text

    def _collect(self, fragments: Iterable[Any]) -> None:
        for fragment in fragments:
            call = self._calls.setdefault(fragment.index or 0, _Call())
            call.id = call.id or fragment.id or ""
            if function := fragment.function:
                call.name += function.name or ""
                call.arguments += function.arguments or ""


@dataclass(slots=True)
class _Call:
    """A tool call that is still being written."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def whole(self, index: int) -> ToolCall:
        return ToolCall(self.id or f"call_{index}", self.name, self.arguments or "{}")


def _thought(delta: Any) -> str:
    # The field's newer and its older name; some servers send both, with the same words.
    return str(getattr(delta, "reasoning", None) or getattr(delta, "reasoning_content", None) or "")


def _tokens(said: Any) -> int:
    """What a server says, as far as it can be: whatever else it counts, nobody has to keep."""
    return min(max(int(said or 0), 0), _MOST_TOKENS)
