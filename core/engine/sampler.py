"""Which token comes next: greedy, or drawn by each request's own temperature, top-k, top-p, penalty and seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import torch
from torch import Tensor

from core.turn import SamplingParams

CANDIDATES = 256
"""How many of the likeliest tokens are looked at first; more only where their mass does not suffice."""

COLDEST = 1e-3
"""At or below this temperature the likeliest token is taken."""


def clamped(params: SamplingParams, vocabulary: int, room: int) -> SamplingParams:
    """The nearest parameters that can be computed; `room` is how many tokens the context has left."""
    return replace(
        params,
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
    """The next token of each row of `logits` [rows, vocabulary]; -1 where the model computed no number."""
    logits = _penalised(logits.float(), samplers)
    highest, chosen = logits.max(-1)
    drawing = [row for row, sampler in enumerate(samplers) if sampler.params.temperature > 0]
    if drawing:
        rows = torch.tensor(drawing, device=logits.device)
        chosen[rows] = _draw(logits[rows], [samplers[row] for row in drawing])
    return chosen.where(highest.isfinite(), -1).tolist()


def _penalised(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    penalised = [row for row, sampler in enumerate(samplers) if sampler.params.repetition_penalty != 1]
    if penalised:
        logits = logits.clone()
    for row in penalised:
        seen = torch.tensor(samplers[row].tokens, device=logits.device)
        scores, penalty = logits[row, seen], samplers[row].params.repetition_penalty
        logits[row, seen] = torch.where(scores < 0, scores * penalty, scores / penalty)
    return logits


def _draw(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    vocabulary = logits.shape[1]
    temperature = _column([sampler.params.temperature for sampler in samplers], logits)
    top_k = _column([sampler.params.top_k or vocabulary for sampler in samplers], logits)
    top_p = _column([sampler.params.top_p for sampler in samplers], logits)
    dice = _column([sampler.random.random() for sampler in samplers], logits)
    probabilities = torch.softmax(logits / temperature, -1)
    weights, ids = probabilities.topk(min(CANDIDATES, vocabulary))
    is_covered = (top_k == vocabulary) & (weights.sum(-1, keepdim=True) >= top_p)
    enough = (top_k <= weights.shape[1]) | is_covered
    if not bool(enough.all()):
        weights, ids = probabilities.sort(descending=True)
    weights = _nucleus(weights, top_k, top_p)
    return ids.gather(1, _pick(weights, dice))[:, 0]


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


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None]
