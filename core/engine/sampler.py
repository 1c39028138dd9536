"""Which token comes next: greedy, or drawn by each request's own temperature, top-k, top-p, penalty and seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

import torch
from torch import Tensor

from core.engine.parameters import checked
from core.turn import SamplingParams

CANDIDATES = 256
"""How many of the likeliest tokens are looked at first; more only where their mass does not suffice."""

COLDEST = 1e-3
"""At or below this temperature the likeliest token is taken."""


def clamped(params: SamplingParams, vocabulary: int, room: int) -> SamplingParams:
    """The nearest parameters that can be computed; `room` is how many tokens the context has left.

    Raises Malformed for what is no number.
    """
    return replace(
        checked(params),
        temperature=min(params.temperature, 5.0) if params.temperature > COLDEST else 0.0,  # NaN is greedy too
        top_p=min(max(params.top_p, COLDEST), 1.0) if params.top_p == params.top_p else 1.0,
        top_k=params.top_k if 0 < params.top_k < vocabulary else 0,
        repetition_penalty=min(max(params.repetition_penalty, 0.1), 5.0) if params.repetition_penalty > 0 else 1.0,
        max_new_tokens=max(1, min(params.max_new_tokens, room)),
        stop=tuple(filter(None, params.stop)),
    )


@dataclass(slots=True)
class Sampler:
    """One request's way of choosing. `tokens` is the growing list of all its tokens, the prompt's too.

    The draw takes one number of the request's own generator per token, so that neighbours never change it.
    """

    params: SamplingParams
    seed: int
    tokens: list[int]
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)


@torch.inference_mode()
def sample(logits: Tensor, samplers: Sequence[Sampler]) -> list[int]:
    """The next token of each row of `logits` [rows, vocabulary]; -1 where the model computed no number.

    The tokens come back in one copy. Only where the likeliest CANDIDATES do not suffice, which is seldom, there is a
    second one.
    """
    logits = _penalised(logits, samplers)
    highest, likeliest = logits.max(-1)
    if all(sampler.params.temperature == 0 for sampler in samplers):
        return likeliest.where(highest.isfinite(), -1).tolist()
    draw = _Draw(samplers, logits.float())
    chosen, is_enough = draw.among_candidates()
    tokens, enough = torch.stack((draw.where_drawn(chosen, likeliest, highest), is_enough)).tolist()
    if all(enough):
        return cast(list[int], tokens)
    return draw.where_drawn(draw.among_all(), likeliest, highest).tolist()


def _penalised(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    penalised = [row for row, sampler in enumerate(samplers) if sampler.params.repetition_penalty != 1]
    if penalised:
        logits = logits.float().clone()
    for row in penalised:
        tokens = torch.tensor(samplers[row].tokens, pin_memory=logits.is_cuda)
        seen = tokens.to(logits.device, non_blocking=True)
        scores, penalty = logits[row, seen], samplers[row].params.repetition_penalty
        logits[row, seen] = torch.where(scores < 0, scores * penalty, scores / penalty)
    return logits


class _Draw:
    """One draw of a token for each row; rows that take the likeliest take part, and are put right in the end."""

    def __init__(self, samplers: Sequence[Sampler], logits: Tensor) -> None:
        self._vocabulary = logits.shape[1]
        wishes = [self._wishes(sampler) for sampler in samplers]
        columns = torch.tensor(wishes, pin_memory=logits.is_cuda).to(logits.device, non_blocking=True)
        temperature, self._top_k, self._top_p, self._dice = columns.T[:, :, None]
        self._is_greedy = (temperature == 0)[:, 0]
        self._probabilities = torch.softmax(logits / temperature.where(temperature > 0, 1), -1)

    def _wishes(self, sampler: Sampler) -> tuple[float, float, float, float]:
        params = sampler.params
        if params.temperature == 0:
            return 0.0, 1.0, 1.0, 0.0
        return params.temperature, float(params.top_k or self._vocabulary), params.top_p, sampler.random.random()

    def among_candidates(self) -> tuple[Tensor, Tensor]:
        """A token for each row, and whether it may be trusted: the rest of the vocabulary would not change it."""
        weights, ids = self._probabilities.topk(min(CANDIDATES, self._vocabulary))
        is_covered = (self._top_k == self._vocabulary) & (weights.sum(-1, keepdim=True) >= self._top_p)
        is_enough = (self._top_k <= weights.shape[1]) | is_covered
        return self._pick(weights, ids), is_enough[:, 0]

    def among_all(self) -> Tensor:
        return self._pick(*self._probabilities.sort(descending=True))

    def where_drawn(self, chosen: Tensor, likeliest: Tensor, highest: Tensor) -> Tensor:
        return torch.where(self._is_greedy, likeliest, chosen).where(highest.isfinite(), -1)

    def _pick(self, weights: Tensor, ids: Tensor) -> Tensor:
        weights = _nucleus(weights, self._top_k, self._top_p)
        return ids.gather(1, _pick(weights, self._dice))[:, 0]


def _nucleus(weights: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Keeps the top_k likeliest, and of these the fewest whose share is at least top_p; `weights` are descending."""
    rank = torch.arange(weights.shape[1], device=weights.device)
    weights = weights.where(rank < top_k, 0)
    # Without top_k the candidates are only the head of the distribution, whose whole mass is 1.
    mass = weights.sum(-1, keepdim=True).where(top_k <= weights.shape[1], 1)
    before = weights.cumsum(-1) - weights
    return weights.where(before < top_p * mass, 0)


def _pick(weights: Tensor, dice: Tensor) -> Tensor:
    """The index into each row that a number in [0, 1) falls on, [rows, 1]."""
    heights = weights.cumsum(-1)
    picked = torch.searchsorted(heights, dice * heights[:, -1:], right=True)
    last = (weights > 0).sum(-1, keepdim=True) - 1
    return torch.minimum(picked, last).clamp(min=0)
