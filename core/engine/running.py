"""A loaded model with the scheduler that runs it: what a started engine has."""

from collections.abc import Callable
from random import getrandbits

import torch

from core.engine.checkpoint import Checkpoint
from core.engine.detokenizer import Detokenizer
from core.engine.runner import Runner
from core.engine.sampler import Sampler, clamped
from core.engine.scheduler import Scheduler, Told
from core.engine.sequence import Event, Sequence
from core.engine.text import Reasoning, TextStream
from core.errors import Malformed, TooLong
from core.ports import Conversation
from core.turn import SamplingParams

TINY = 64 * 2**20
"""Bytes of weights up to which one thread is as fast as several: 16 million parameters in float32."""


class Running:
    """Prompts are made by any thread, `run()` belongs to one."""

    def __init__(self, checkpoint: Checkpoint, slots: int, threads: int, deliver: Callable[[Told], None]) -> None:
        self.checkpoint = checkpoint
        runner = Runner(checkpoint.network, slots, checkpoint.model.context)
        self.scheduler = Scheduler(runner, slots, deliver)
        self._threads = threads

    def run(self) -> None:
        if threads := self._threads or self._few():
            torch.set_num_threads(threads)
        self.scheduler.run()

    def count(self, conversation: Conversation) -> int:
        return len(self.checkpoint.prompts.ids(conversation.turns))

    def prompt(self, conversation: Conversation) -> list[int]:
        """The tokens to read; raises Malformed or TooLong."""
        if not conversation.turns or not conversation.turns[-1].text.strip():
            raise Malformed("there is no question")
        prompt = self.checkpoint.prompts.ids(conversation.turns)
        if len(prompt) >= (context := self.checkpoint.model.context):
            raise TooLong(f"it has {len(prompt)} tokens; the model reads and writes {context} together")
        return prompt

    def submit(self, prompt: list[int], params: SamplingParams, tell: Callable[[Event], None]) -> Sequence:
        """Puts a request into the queue; raises Unavailable once the scheduler has ended."""
        model = self.checkpoint.model
        params = clamped(params, self.checkpoint.vocabulary, room=model.context - len(prompt))
        seed = getrandbits(32) if params.seed is None else params.seed
        decode = Detokenizer(self.checkpoint.tokenizer.backend_tokenizer)
        text = TextStream(decode, params.stop, self._reasoning(prompt))
        sampler = Sampler(params, seed, [*prompt])
        sequence = Sequence(prompt, sampler, text, self.checkpoint.ends, model.version, tell)
        self.scheduler.submit(sequence)
        return sequence

    def _few(self) -> int:
        """1 for a tiny model on a processor, else 0, torch's own choice.

        Its steps are so short that several threads would mostly wait for each other, and for whatever else runs here.
        """
        network = self.checkpoint.network
        return int(network.device.type == "cpu" and network.get_memory_footprint() <= TINY)

    def _reasoning(self, prompt: list[int]) -> Reasoning | None:
        prompts = self.checkpoint.prompts
        return Reasoning(is_open=prompts.opens_reasoning(prompt)) if prompts.reasons else None
