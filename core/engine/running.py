"""A loaded model with the scheduler that runs it: what a started engine has."""

import logging
from collections.abc import Callable
from random import getrandbits

import torch

from core.engine.calls import Calls
from core.engine.checkpoint import Checkpoint
from core.engine.detokenizer import Detokenizer
from core.engine.footprint import fits
from core.engine.machine import Machine, look_at
from core.engine.prefixes import Prefixes
from core.engine.runner import Runner
from core.engine.sampler import Sampler, clamped
from core.engine.scheduler import Scheduler, Told
from core.engine.sequence import Event, Sequence
from core.engine.text import Reasoning, TextStream
from core.errors import Malformed, TooLong
from core.ports import Conversation
from core.turn import SamplingParams, Tool, Utterance

log = logging.getLogger(__name__)

TINY = 64 * 2**20
"""Bytes of weights up to which one thread is as fast as several: 16 million parameters in float32."""

KEPT = 8
"""How many times the weights' size what is kept of threads may have, even where there is more memory: a small model
reads again faster than a large one."""


class Running:
    """Prompts are made by any thread, `run()` belongs to one.

    `kept` bytes at most hold what was read for a thread's next turn, for `kept_seconds`; None is a quarter of the
    memory that would otherwise lie idle. `share` of the free memory is this model's, 0 to 1.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        deliver: Callable[[Told], None],
        *,
        slots: int,
        share: float,
        threads: int,
        kept: int | None,
        kept_seconds: float,
    ) -> None:
        self.checkpoint = checkpoint
        context = checkpoint.model.context
        is_known = checkpoint.footprint.weights > 0
        room = fits(checkpoint.footprint, round(checkpoint.free * share), context, slots)
        if is_known and room.contexts < slots:
            slots = max(1, room.contexts)
            log.warning("There is memory for %d whole conversations: so many are answered at once.", slots)
        if kept is None:
            kept = min(room.prefixes // 4, KEPT * checkpoint.weights)
        self._runner = Runner(checkpoint.network, slots, context, is_reserved=is_known)
        self._prefixes = Prefixes(kept, kept_seconds)
        self.scheduler = Scheduler(self._runner, slots, deliver, prefixes=self._prefixes)
        self._threads = threads

    @property
    def machine(self) -> Machine:
        return look_at(self.checkpoint.network, self.checkpoint.weights)

    def warm_up(self) -> None:
        """Called by the thread that runs it, before it does."""
        self._runner.warm_up()

    def release(self) -> None:
        """Gives back the memory of a thread that is given up; should it come back, its step fails, and it ends."""
        self._runner.release()
        self._prefixes.drop()

    def run(self) -> None:
        if threads := self._threads or self._few():
            torch.set_num_threads(threads)
        self.scheduler.run()

    def count(self, conversation: Conversation) -> int:
        return len(self.checkpoint.prompts.ids(conversation.turns, conversation.tools))

    def sequence(self, conversation: Conversation, params: SamplingParams, tell: Callable[[Event], None]) -> Sequence:
        """A request to be submitted; raises Malformed or TooLong."""
        model, prompts = self.checkpoint.model, self.checkpoint.prompts
        prompt = self.prompt(conversation.turns, conversation.tools)
        calls = prompts.calls if conversation.tools else None
        params = clamped(params, self.checkpoint.vocabulary, room=model.context - len(prompt))
        seed = getrandbits(32) if params.seed is None else params.seed
        decode = Detokenizer(self.checkpoint.tokenizer.backend_tokenizer, prompts.call_tokens if calls else None)
        return Sequence(
            prompt,
            Sampler(params, seed, [*prompt]),
            TextStream(decode, params.stop, self._reasoning(prompt), Calls(calls) if calls else None),
            self.checkpoint.ends,
            model.version,
            tell,
            conversation.thread,
            prompts.head(conversation.turns, prompt, conversation.tools),
        )

    def prompt(self, turns: tuple[Utterance, ...], tools: tuple[Tool, ...] = ()) -> list[int]:
        """The tokens to read; raises Malformed or TooLong."""
        if not turns or not turns[-1].text.strip():
            raise Malformed("there is no question")
        prompt = self.checkpoint.prompts.ids(turns, tools)
        if max(prompt) >= self.checkpoint.vocabulary:
            raise Malformed("the tokenizer and the model do not belong together")
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
