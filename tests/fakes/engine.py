"""An engine that says what it was told to say: for tests of everything around an engine."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from core.engine.parameters import checked
from core.engine.text import Scanner
from core.errors import Busy, Malformed, TooLong, Unavailable
from core.message import Usage
from core.ports import Capabilities, Conversation, Delta, Model
from core.turn import SamplingParams

Script = Sequence[Delta | Exception]


def say(text: str) -> tuple[Delta, ...]:
    """A script that says `text` word by word."""
    return tuple(Delta(word) for word in text.split(" ") for word in (word, " "))[:-1]


HELLO = say("Hello from the script.")
ABLE = Capabilities(tools=True, reasoning=True, seed=False, top_k=False, repetition_penalty=False, queue_position=False)


@dataclass(eq=False)
class Asked:
    """One call of `stream`: what was asked, and how it went. `is_closed` once its generator has ended, however."""

    conversation: Conversation
    params: SamplingParams
    is_closed: bool = False
    is_finished: bool = False


@dataclass(eq=False)
class ScriptedEngine:
    """Yields the deltas of `script`; each one with text or reasoning counts as one token.

    An exception in the script is raised at its place; a script that lacks a last delta (one with `finish`) gets one.
    Before each delta it waits `delay` seconds and, where given, for `gate`. `scripts` are used up first, one per call;
    at most `limit` calls are answered at once. Every call is kept in `asked`.
    """

    script: Script = HELLO
    scripts: list[Script] = field(default_factory=list)
    delay: float = 0.0
    gate: asyncio.Event | None = None
    context: int = 10_000
    limit: int = 1_000
    capabilities: Capabilities = ABLE
    model: Model = field(init=False)
    asked: list[Asked] = field(default_factory=list)
    is_running: bool = False

    def __post_init__(self) -> None:
        self.model = Model("scripted", "scripted@1", self.context)

    @property
    def is_idle(self) -> bool:
        return all(asked.is_closed for asked in self.asked)

    async def start(self) -> None:
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        with self._asked(conversation, params) as asked:
            prompt = await self._admit(conversation)
            scanner, spoken, last = Scanner(checked(params).stop), 0, Delta(finish="stop")
            for step in self.scripts.pop(0) if self.scripts else self.script:
                await self._wait()
                if isinstance(step, Exception):
                    raise step
                if step.finish:
                    last = step
                    break
                if spoken >= min(params.max_new_tokens, self.context - prompt):
                    last = Delta(finish="length")
                    break
                spoken += bool(step.text or step.reasoning)
                text, is_stopped = scanner.feed(step.text)
                if (delta := replace(step, text=text)) != Delta():
                    yield delta
                if is_stopped:
                    scanner.rest()
                    break
            asked.is_finished = True
            usage = last.usage or Usage(prompt, spoken)
            yield replace(last, text=scanner.rest() + last.text, usage=usage, model=last.model or self.model.version)

    async def count(self, conversation: Conversation) -> int:
        return sum(len(turn.text.split()) for turn in conversation.turns)

    @contextmanager
    def _asked(self, conversation: Conversation, params: SamplingParams) -> Iterator[Asked]:
        asked = Asked(conversation, params)
        self.asked.append(asked)
        try:
            yield asked
        finally:
            asked.is_closed = True

    async def _admit(self, conversation: Conversation) -> int:
        if not self.is_running:
            raise Unavailable
        if not conversation.turns or not conversation.turns[-1].text.strip():
            raise Malformed
        if sum(not asked.is_closed for asked in self.asked) > self.limit:
            raise Busy
        if (prompt := await self.count(conversation)) >= self.context:
            raise TooLong
        return prompt

    async def _wait(self) -> None:
        # Also without a delay others get their turn, as with a real engine; and stopping ends what runs.
        await asyncio.sleep(self.delay)
        if self.gate:
            await self.gate.wait()
        if not self.is_running:
            raise Unavailable
