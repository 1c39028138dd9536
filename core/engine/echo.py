"""The simplest engine: it says the question back, at once. A token is a word."""

import re
from collections.abc import AsyncGenerator

from core.engine.parameters import checked
from core.engine.text import Scanner
from core.errors import Malformed, TooLong, Unavailable
from core.message import Usage
from core.ports import Capabilities, Conversation, Delta, Model
from core.turn import SamplingParams


def words(text: str) -> list[str]:
    """Words with the space that follows them; joined, they are the text again, without the space before it."""
    return re.findall(r"\S+\s*", text)


class EchoEngine:
    """Says the last utterance back, word by word, up to max_new_tokens words."""

    def __init__(self, context: int = 1_000_000) -> None:
        self._model = Model("echo", "echo@1", context)
        self._is_running = False

    @property
    def model(self) -> Model:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(seed=False, top_k=False, repetition_penalty=False, queue_position=False)

    async def start(self) -> None:
        self._is_running = True

    async def stop(self) -> None:
        self._is_running = False

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Unavailable, Malformed or TooLong, before the first delta."""
        if not self._is_running:
            raise Unavailable
        if not conversation.turns or not (said := words(conversation.turns[-1].text)):
            raise Malformed("there is no question")
        prompt = await self.count(conversation)
        if prompt >= self._model.context:
            raise TooLong(f"it has {prompt} words, and fewer than {self._model.context} can be read")
        limit = max(1, min(checked(params).max_new_tokens, self._model.context - prompt))
        scanner, is_stopped, spoken = Scanner(params.stop), False, 0
        for word in said[:limit]:
            spoken += 1
            text, is_stopped = scanner.feed(word)
            if text:
                yield Delta(text)
            if is_stopped:
                break
        finish = "stop" if is_stopped or spoken == len(said) else "length"
        last = "" if is_stopped else scanner.rest()
        yield Delta(last, finish=finish, usage=Usage(prompt, spoken), model=self._model.version)

    async def count(self, conversation: Conversation) -> int:
        return sum(len(words(turn.text)) for turn in conversation.turns)
