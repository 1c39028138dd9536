"""Steps of the scheduler, taken one by one."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from core.engine.cache import SlotCache
from core.engine.pace import Pace
from core.engine.prefixes import Prefixes
from core.engine.runner import Runner
from core.engine.sampler import Sampler
from core.engine.scheduler import Scheduler
from core.engine.sequence import Event, Sequence
from core.engine.text import TextStream
from core.errors import TooLong, Unavailable
from core.message import Usage
from core.ports import Delta
from core.trail import apart, follow
from core.turn import SamplingParams
from tests.fakes.networks import SMALL, network


class Bench:
    """A scheduler whose steps the test takes itself, and what each request was told."""

    def __init__(
        self, network, slots: int = 4, chunk: int = 32, context: int = 2048, kept: int = 0, least: int = 0
    ) -> None:
        self.network = network
        self.told: dict[Sequence, list[Event]] = {}
        self.prefixes = Prefixes(kept, 3600)
        pace = Pace(least=least or chunk, most=chunk)
        pace.size = chunk
        runner = Runner(network, slots, context)
        self.scheduler = Scheduler(runner, slots, self._deliver, prefixes=self.prefixes, pace=pace)

    def _deliver(self, told) -> None:
        for sequence, event in told:
            self.told[sequence].append(event)

    def ask(self, prompt: list[int], thread: str = "", head: int = 0, **params) -> Sequence:
        sampler = Sampler(SamplingParams(**{"temperature": 0, "max_new_tokens": 20} | params), 0, [*prompt])
        text = TextStream(lambda token: f"{token} ", sampler.params.stop)
        sequence = Sequence(prompt, sampler, text, frozenset({7}), "model@1", lambda event: None, thread, head)
        self.told[sequence] = []
        self.scheduler.submit(sequence)
        return sequence

    @staticmethod
    def size_of_a_token() -> int:
        """Bytes that one token takes in the cache."""
        config: Any = LlamaConfig(**SMALL)
        return int(2 * 4 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim)

    def run(self) -> None:
        self.scheduler.step()
        while not self.scheduler.is_idle:
            self.scheduler.step()

    def deltas(self, sequence: Sequence) -> list[Delta]:
        return [event for event in self.told[sequence] if isinstance(event, Delta)]

    def answer(self, sequence: Sequence) -> list[int]:
        return sequence.sampler.tokens[len(sequence.prompt) :]

    def generate(self, sequence: Sequence) -> list[int]:
        """What the library itself answers."""
        prompt = torch.tensor([sequence.prompt])
        limit = sequence.sampler.params.max_new_tokens
        penalty = sequence.sampler.params.repetition_penalty
        whole = self.network.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=limit,
            do_sample=False,
            repetition_penalty=penalty,
        )
        return list(whole[0, len(sequence.prompt) :].tolist())


def prompts(count: int, longest: int = 150) -> list[list[int]]:
    dice = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, longest, (count,), generator=dice).tolist()
    return [torch.randint(8, 200, (length,), generator=dice).tolist() for length in lengths]


@pytest.mark.parametrize("kind", ["llama", "llama, scaled positions", "qwen2", "qwen3", "deepseek v2"])
def test_greedy_answers_are_those_of_generate_token_by_token(kind):
    bench = Bench(network(kind))
    asked = [
        bench.ask(prompt, max_new_tokens=5 + 7 * (index % 6), repetition_penalty=1.0 + (index % 3) / 4)
        for index, prompt in enumerate(prompts(14))
    ]
    bench.run()
    assert [bench.answer(sequence) for sequence in asked] == [bench.generate(sequence) for sequence in asked]


def test_neighbours_that_draw_do_not_change_who_is_greedy(llama):
    bench = Bench(llama)
    asked = [bench.ask(prompt, temperature=(index % 2) * 1.5) for index, prompt in enumerate(prompts(10))]
    bench.run()
    greedy = asked[::2]
    assert [bench.answer(sequence) for sequence in greedy] == [bench.generate(sequence) for sequence in greedy]


def test_requests_that_come_and_go_at_any_step_keep_each_other_whole(llama):
    bench = Bench(llama, slots=3, chunk=16)
    asked = []
    for index, prompt in enumerate(prompts(24, longest=60)):
        asked.append(bench.ask(prompt))
        if index % 3 == 2:
            asked[index - 1].cancel()
        bench.scheduler.step()
    bench.run()
    whole = [sequence for sequence in asked if not sequence.is_cancelled]
    assert [bench.answer(sequence) for sequence in whole] == [bench.generate(sequence) for sequence in whole]


def test_a_long_prompt_never_stalls_those_who_speak(llama):
    bench = Bench(llama, chunk=32)
    speaker = bench.ask([20, 21, 22], max_new_tokens=60, repetition_penalty=2.0)
    bench.scheduler.step()
    bench.ask(prompts(1)[0] * 20, max_new_tokens=1)
    for _ in range(10):
        before = speaker.generated
        bench.scheduler.step()
        assert speaker.generated == before + 1


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 9])
def test_a_cancelled_request_frees_its_slot_within_two_steps(llama, steps):
    bench = Bench(llama, slots=1, chunk=16)
    sequence = bench.ask([9] * 64, max_new_tokens=500)
    for _ in range(steps):
        bench.scheduler.step()
    sequence.cancel()
    bench.scheduler.step()
    assert bench.scheduler.slots_in_use == 0
    assert bench.scheduler.is_idle


def test_nothing_is_left_in_the_cache_by_those_who_left(llama):
    bench = Bench(llama)
    for prompt in prompts(9):
        bench.ask(prompt)
    bench.run()
    cache = bench.scheduler._runner.cache
    assert not any(tensor.any() for tensor in (*cache._keys, *cache._values))
    assert not any(cache.lengths)


def test_who_waits_is_told_each_new_place_once(llama):
    bench = Bench(llama, slots=1)
    asked = [bench.ask([9, 10, 11 + index], max_new_tokens=4 + index) for index in range(4)]
    bench.run()
    places = [[delta.position for delta in bench.deltas(sequence) if delta.position] for sequence in asked]
    assert places == [[], [1], [2, 1], [3, 2, 1]]


def test_the_last_delta_tells_the_usage(llama):
    bench = Bench(llama)
    sequence = bench.ask([9, 10, 11], max_new_tokens=3)
    bench.run()
    deltas = bench.deltas(sequence)
    assert (deltas[-1].usage, deltas[-1].finish) == (Usage(3, 3), "length")
    assert "".join(delta.text for delta in deltas) == "".join(f"{token} " for token in bench.answer(sequence))


def test_a_row_without_numbers_fails_alone(llama):
    bench = Bench(llama)
    others = [bench.ask(prompt) for prompt in prompts(3, longest=30)]
    bench.scheduler.step()
    poisoned = bench.ask([30, 31, 32])
    while poisoned not in bench.scheduler._speaking:
        bench.scheduler.step()
    row = bench.scheduler._speaking.index(poisoned)
    with torch.inference_mode():
        bench.scheduler._runner.cache._values[0][row, :, 1] = float("nan")
    bench.run()
    again = bench.ask([30, 31, 32])
    bench.run()
    assert isinstance(bench.told[poisoned][-1], Unavailable)
    for sequence in (*others, again):
        assert bench.answer(sequence) == bench.generate(sequence)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_prompt_there_is_no_memory_for_fails_alone(llama, monkeypatch, layer):
    bench = Bench(llama, chunk=16)
    others = [bench.ask(prompt) for prompt in prompts(3, longest=30)]
    for _ in range(8):
        bench.scheduler.step()
    cache = bench.scheduler._runner.cache
    update, width = cache.update, 16

    def without_memory(keys, values, layer_idx, *args, **kwargs):
        if keys.shape[2] == width and layer_idx == layer:
            raise RuntimeError("out of memory")
        return update(keys, values, layer_idx, *args, **kwargs)

    monkeypatch.setattr(cache, "update", without_memory)
    unlucky = bench.ask([9] * 64)
    bench.run()
    monkeypatch.undo()
    again = bench.ask([9] * 64)
    bench.run()
    assert isinstance(bench.told[unlucky][-1], TooLong)
    for sequence in (*others, again):
        assert bench.answer(sequence) == bench.generate(sequence)


def test_a_cache_that_cannot_grow_is_as_it_was(llama, monkeypatch):
    bench = Bench(llama, chunk=512)
    speaker = bench.ask([9, 10, 11], max_new_tokens=60, repetition_penalty=2.0)
    bench.scheduler.step()
    cache = bench.scheduler._runner.cache
    grown, calls = cache._grown, []

    def nearly(*args):
        calls.append(args)
        if len(calls) == 3:  # the keys are there, the values are not
            raise RuntimeError("out of memory")
        return grown(*args)

    monkeypatch.setattr(cache, "_grown", nearly)
    unlucky = bench.ask([9] * 400)
    bench.run()
    assert len(calls) > 3
    assert bench.answer(unlucky) == bench.generate(unlucky)
    assert bench.answer(speaker) == bench.generate(speaker)


def test_text_that_can_not_be_decoded_fails_alone_and_is_told_by_its_turn(llama, caplog):
    bench = Bench(llama)
    other = bench.ask([9, 10, 11])
    with apart():
        follow("0f" * 16)
        broken = bench.ask([12, 13])
    broken.text = TextStream(lambda token: str(1 // 0))
    bench.run()
    assert isinstance(bench.told[broken][-1], Unavailable)
    assert bench.answer(other) == bench.generate(other)
    assert [record.trail.turn for record in caplog.records] == ["0f" * 16]


def test_a_request_that_ends_at_its_first_token_never_takes_a_row_for_longer(llama):
    bench = Bench(llama, slots=2)
    asked = [bench.ask(prompt, max_new_tokens=1) for prompt in prompts(7, longest=40)]
    bench.run()
    assert [bench.answer(sequence) for sequence in asked] == [bench.generate(sequence) for sequence in asked]
    assert all(isinstance(bench.told[sequence][-1], Delta) for sequence in asked)


# ---------------------------------------------------------------------------------------- kept for a thread's next turn


def turns(bench: Bench, thread: str, prompt: list[int], count: int) -> list[Sequence]:
    """So many turns of a thread, each with all that was said before."""
    asked = []
    for number in range(count):
        asked.append(bench.ask(prompt, thread, max_new_tokens=10))
        bench.run()
        prompt = [*asked[-1].tokens, 20 + number, 30, 40]
    return asked


@pytest.mark.parametrize("kind", ["llama", "llama, scaled positions", "qwen2", "qwen3", "deepseek v2"])
def test_the_next_turn_reads_only_what_is_new_and_says_what_generate_says(kind):
    bench = Bench(network(kind), kept=2**24)
    asked = turns(bench, "thread", prompts(1)[0] * 2, 4)
    assert [sequence.reused for sequence in asked] == [0, *(len(before.tokens) - 1 for before in asked[:-1])]
    assert [bench.answer(sequence) for sequence in asked] == [bench.generate(sequence) for sequence in asked]


def test_a_prompt_asked_again_reads_its_last_token_alone(llama):
    bench = Bench(llama, kept=2**24)
    prompt = prompts(1)[0]
    first, again = bench.ask(prompt, "thread"), None
    bench.run()
    again = bench.ask(prompt, "thread")
    bench.run()
    assert (again.reused, bench.answer(again)) == (len(prompt) - 1, bench.answer(first))


def test_a_changed_history_is_kept_up_to_where_it_changed(llama):
    bench = Bench(llama, kept=2**24)
    prompt = [*range(20, 100)]
    turns(bench, "thread", prompt, 1)
    changed = bench.ask([*prompt[:50], 150, *prompt[51:]], "thread")
    bench.run()
    assert (changed.reused, bench.answer(changed)) == (50, bench.generate(changed))


def test_only_the_head_of_a_prompt_is_shared_between_threads(llama):
    bench = Bench(llama, kept=2**24)
    head, question = [*range(20, 60)], [*range(100, 140)]
    for thread in ("one", "two", "three"):
        bench.ask([*head, *question], thread, head=len(head))
    bench.run()
    other = bench.ask([*head, *question, 150], "four", head=len(head))
    stranger = bench.ask([*head, *question, 150], "five")
    bench.run()
    assert (other.reused, stranger.reused) == (len(head), 0)
    assert bench.answer(other) == bench.answer(stranger) == bench.generate(other)


def test_those_who_were_not_here_for_longest_are_forgotten_first_and_the_budget_holds(llama):
    one = 60 * Bench.size_of_a_token()
    bench = Bench(llama, kept=3 * one)
    prompt = [*range(20, 80)]
    for thread in ("a", "b", "c", "a", "d"):
        bench.ask(prompt, thread, max_new_tokens=1)
        bench.run()
        assert bench.prefixes.size <= 3 * one
    reused = {}
    for thread in "dcab":
        again = bench.ask(prompt, thread, max_new_tokens=1)
        bench.run()
        reused[thread] = again.reused
    assert reused == {"d": 59, "c": 59, "a": 59, "b": 0}


def test_what_nobody_came_back_to_is_forgotten_in_time():
    now = 0.0
    bench = Bench(network("llama"), kept=2**24)
    bench.prefixes._clock = lambda: now
    turns(bench, "early", [*range(20, 80)], 1)
    now = 3000.0
    turns(bench, "late", [*range(20, 80)], 1)
    now = 4000.0
    bench.prefixes.expire()
    assert len(bench.prefixes) == 1
    assert bench.prefixes.size == bench.prefixes._kept["late"].size


def test_nothing_is_kept_of_who_asked_for_no_thread_or_whose_row_cannot_be_trusted(llama):
    bench = Bench(llama, kept=2**24)
    bench.ask([*range(20, 80)])
    broken = bench.ask([*range(20, 80)], "thread")
    broken.text = TextStream(lambda token: str(1 // 0))
    bench.run()
    assert len(bench.prefixes) == 0


# ------------------------------------------------------------------------------------------------------ when steps fail


class Failing:
    """A network some of whose passes fail."""

    def __init__(self, network, fails) -> None:
        self._network, self._fails, self.device = network, fails, network.device

    def __call__(self, **arguments):
        if error := self._fails(arguments["input_ids"]):
            raise error
        return self._network(**arguments)


def test_one_whose_every_step_fails_is_found_and_the_others_are_answered(llama):
    bench = Bench(llama, slots=8)
    asked = [bench.ask(prompt, max_new_tokens=12) for prompt in prompts(8, longest=40)]
    culprit = asked[3]

    def fails(ids):
        speaks = ids.shape[1] == 1 and any(
            row < len(bench.scheduler._speaking) and bench.scheduler._speaking[row] is culprit
            for row in range(len(ids))
        )
        return RuntimeError("simulated") if speaks and len(culprit.tokens) > len(culprit.prompt) + 3 else None

    bench.scheduler._runner._network = Failing(llama, fails)
    bench.run()
    others = [sequence for sequence in asked if sequence is not culprit]
    assert isinstance(bench.told[culprit][-1], Unavailable)
    assert [bench.answer(sequence) for sequence in others] == [bench.generate(sequence) for sequence in others]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_where_memory_lasts_for_few_all_are_answered_by_and_by(llama, most):
    bench = Bench(llama, slots=8, kept=2**24)
    asked = [bench.ask(prompt, max_new_tokens=12) for prompt in prompts(12, longest=40)]
    bench.scheduler._runner._network = Failing(
        llama, lambda ids: torch.OutOfMemoryError("simulated") if ids.shape[0] > most else None
    )
    bench.run()
    assert [bench.answer(sequence) for sequence in asked] == [bench.generate(sequence) for sequence in asked]
    for sequence in asked:
        said = "".join(delta.text for delta in bench.deltas(sequence))
        assert said == "".join(f"{token} " for token in bench.answer(sequence))


def test_who_was_sent_back_to_wait_is_not_told_a_place_in_the_middle_of_an_answer(llama):
    bench = Bench(llama, slots=4)
    asked = [bench.ask(prompt) for prompt in prompts(4, longest=20)]
    bench.scheduler._runner._network = Failing(
        llama, lambda ids: torch.OutOfMemoryError("simulated") if ids.shape[0] > 2 else None
    )
    bench.run()
    for sequence in asked:
        texts = [index for index, delta in enumerate(bench.deltas(sequence)) if delta.text]
        assert not any(delta.position for delta in bench.deltas(sequence)[texts[0] :])


def test_after_a_want_of_memory_more_and_more_speak_again(llama):
    bench = Bench(llama, slots=4)
    failing = [True]
    bench.scheduler._runner._network = Failing(
        llama, lambda ids: torch.OutOfMemoryError("simulated") if failing[0] and ids.shape[0] > 1 else None
    )
    for prompt in prompts(4, longest=20):
        bench.ask(prompt, max_new_tokens=400).ends = frozenset()
    for _ in range(20):
        bench.scheduler.step()
    assert bench.scheduler.slots_in_use == 1
    failing[0] = False
    for _ in range(250):
        bench.scheduler.step()
    assert bench.scheduler.slots_in_use == 4


def test_short_prompts_go_first_but_nobody_waits_for_long(llama):
    bench = Bench(llama, slots=3, chunk=16)
    long, short = bench.ask([9] * 200, max_new_tokens=1), bench.ask([9, 10, 11], max_new_tokens=1)
    bench.scheduler.step()
    assert short.generated
    assert not long.generated
    early, later = bench.ask([9] * 200, max_new_tokens=1), bench.ask([9, 10, 11], max_new_tokens=1)
    long.cancel()
    early.asked_at -= 60
    bench.scheduler.step()
    assert bench.scheduler._reading is early
    assert not later.generated


def test_one_who_waits_for_the_next_step_to_be_read_needs_no_row_yet(llama):
    bench = Bench(llama, chunk=32, least=1)
    first = bench.ask([*range(1, 21)], max_new_tokens=2)
    second = bench.ask([*range(20, 180)])
    bench.run()
    assert bench.answer(first) == bench.generate(first)
    assert bench.answer(second) == bench.generate(second)


def test_one_who_leaves_before_the_first_part_was_read_harms_nobody(llama):
    bench = Bench(llama, chunk=32, least=1)
    first = bench.ask([*range(1, 21)])
    second = bench.ask([*range(20, 180)])
    bench.scheduler.step()
    assert bench.scheduler._reading is second
    second.cancel()
    bench.run()
    assert bench.answer(first) == bench.generate(first)
    assert bench.scheduler.slots_in_use == 0


def test_no_memory_to_keep_what_was_read_costs_nobody_an_answer(llama, monkeypatch):
    bench = Bench(llama, kept=2**24)
    monkeypatch.setattr(SlotCache, "copied", _without_memory)
    asked = [bench.ask(prompt, thread=f"thread {index}") for index, prompt in enumerate(prompts(6))]
    bench.run()
    assert [bench.answer(sequence) for sequence in asked] == [bench.generate(sequence) for sequence in asked]
    assert len(bench.prefixes) == 0


def test_no_memory_for_the_first_rows_is_no_lasting_harm(llama, monkeypatch):
    bench = Bench(llama)
    room, calls = SlotCache._room, []

    def once_without_memory(self, states, capacity):
        calls.append(capacity)
        if len(calls) == 2:  # the keys of the first layer have their place, its values have none
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return room(self, states, capacity)

    monkeypatch.setattr(SlotCache, "_room", once_without_memory)
    lost = bench.ask([1, 2, 3])
    bench.run()
    assert isinstance(bench.told[lost][-1], TooLong)
    after = bench.ask([4, 5, 6])
    bench.run()
    assert bench.answer(after) == bench.generate(after)


def test_a_prompt_there_is_no_memory_for_waits_until_others_have_left(llama, monkeypatch):
    bench = Bench(llama)
    speaking = bench.ask([1, 2, 3], max_new_tokens=6)
    bench.scheduler.step()
    read = Runner.read

    def short(self, row, tokens):
        if row > 0:
            raise torch.OutOfMemoryError
        return read(self, row, tokens)

    monkeypatch.setattr(Runner, "read", short)
    late = bench.ask([4, 5, 6, 8])
    bench.run()
    assert bench.answer(speaking) == bench.generate(speaking)
    assert bench.answer(late) == bench.generate(late)


def _without_memory(self, row, length):
    raise torch.OutOfMemoryError
