"""A loaded model with the scheduler that runs it: what a started engine has."""

from collections.abc import Callable
from random import getrandbits

import torch

from core.engine.checkpoint import Checkpoint
from core.engine.detokenizer import Detokenizer
from core.engine.prefixes import Prefixes
from core.engine.runner import Runner
from core.engine.sampler import Sampler, clamped
from core.engine.scheduler import Scheduler, Told
from core.engine.sequence import Event, Sequence
from core.engine.text import Reasoning, TextStream
from core.errors import Malformed, TooLong
from core.ports import Conversation
from core.turn import SamplingParams, Utterance

TINY = 64 * 2**20
"""Bytes of weights up to which one thread is as fast as several: 16 million parameters in float32."""


class Running:
    """Prompts are made by any thread, `run()` belongs to one.

    `kept` bytes at most hold what was read for a thread's next turn, for `kept_seconds`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        deliver: Callable[[Told], None],
        *,
        slots: int,
        threads: int,
        kept: int,
        kept_seconds: float,
    ) -> None:
        self.checkpoint = checkpoint
        runner = Runner(checkpoint.network, slots, checkpoint.model.context)
        self.scheduler = Scheduler(runner, slots, deliver, prefixes=Prefixes(kept, kept_seconds))
        self._threads = threads

    def run(self) -> None:
        if threads := self._threads or self._few():
            torch.set_num_threads(threads)
        self.scheduler.run()

    def count(self, conversation: Conversation) -> int:
        return len(self.checkpoint.prompts.ids(conversation.turns))

    def sequence(self, conversation: Conversation, params: SamplingParams, tell: Callable[[Event], None]) -> Sequence:
        """A request to be submitted; raises Malformed or TooLong."""
        model, prompts = self.checkpoint.model, self.checkpoint.prompts
        prompt = self.prompt(conversation.turns)
        params = clamped(params, self.checkpoint.vocabulary, room=model.context - len(prompt))
        seed = getrandbits(32) if params.seed is None else params.seed
        decode = Detokenizer(self.checkpoint.tokenizer.backend_tokenizer)
        return Sequence(
            prompt,
            Sampler(params, seed, [*prompt]),
            TextStream(decode, params.stop, self._reasoning(prompt)),
            self.checkpoint.ends,
            model.version,
            tell,
            conversation.thread,
            prompts.head(conversation.turns, prompt),
        )

    def prompt(self, turns: tuple[Utterance, ...]) -> list[int]:
        """The tokens to read; raises Malformed or TooLong."""
        if not turns or not turns[-1].text.strip():
            raise Malformed("there is no question")
        prompt = self.checkpoint.prompts.ids(turns)
        if len(prompt) >= (context := self.checkpoint.model.context):
            raise TooLong(f"it has {len(prompt)} tokens; the model reads and writes {context} together")
        return prompt

    def _few(self) -> int:
        """1 for a tiny model on a processor, else 0, torch's own choice.

        Its steps are so short that several threads would mostly wait for each other, and for whatever else runs here.
        """
        return int(self.checkpoint.network.device.type == "cpu" and self.checkpoint.weights <= TINY)

    def _reasoning(self, prompt: list[int]) -> Reasoning | None:
        prompts = self.checkpoint.prompts
        return Reasoning(is_open=prompts.opens_reasoning(prompt)) if prompts.reasons else None
