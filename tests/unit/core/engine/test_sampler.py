"""The choice of the next token, against the library's own processors."""

import math
from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from core.engine import sampler as module
from core.engine.sampler import Sampler, clamped, sample
from core.errors import Malformed
from core.turn import SamplingParams

VOCABULARY = 40


def sampler(seed: int = 0, tokens: tuple[int, ...] = (1,), **params) -> Sampler:
    return Sampler(clamped(SamplingParams(**params), VOCABULARY, 100), seed, list(tokens))


def logits(rows: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 2


def expected(scores: torch.Tensor, tokens: tuple[int, ...], params: dict[str, Any]) -> torch.Tensor:
    steps = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(params.get("repetition_penalty", 1.0))])
    steps.append(TemperatureLogitsWarper(params.get("temperature", 1.0)))
    if params.get("top_k"):
        steps.append(TopKLogitsWarper(params["top_k"]))
    if params.get("top_p", 1.0) < 1:
        steps.append(TopPLogitsWarper(params["top_p"]))
    return torch.softmax(steps(torch.LongTensor([tokens]), scores), -1)[0]


@pytest.mark.parametrize("candidates", [8, 256])
@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 0.7, "top_p": 0.8},
        {"temperature": 1.5, "top_p": 1.0, "top_k": 5},
        {"temperature": 1.2, "top_p": 0.7, "top_k": 12},
        {"temperature": 1.0, "top_p": 0.95, "repetition_penalty": 1.8},
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_the_library_would(params, candidates, monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", candidates)
    scores, tokens, draws = logits(), (3, 4, 5, 6), 4_000
    rows = sample(scores.expand(draws, -1), [sampler(seed, tokens, **params) for seed in range(draws)])
    drawn = torch.bincount(torch.tensor(rows), minlength=VOCABULARY) / draws
    wanted = expected(scores, tokens, params)
    assert not drawn[wanted == 0].any()
    assert float((drawn - wanted).abs().sum()) < 0.12


def test_each_row_is_chosen_by_its_own_parameters_whoever_its_neighbours_are():
    scores = logits(4)
    kinds: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 2.0},
        {"temperature": 1, "top_k": 3},
        {"repetition_penalty": 2.0},
    ]
    together = sample(scores, [sampler(seed, **kind) for seed, kind in enumerate(kinds)])
    alone = [sample(scores[row, None], [sampler(row, **kind)])[0] for row, kind in enumerate(kinds)]
    assert together == alone
    assert together[0] == int(scores[0].argmax())


def test_a_row_that_holds_no_number_is_told_apart_and_harms_no_neighbour():
    scores = logits(3)
    scores[1, 7] = math.nan
    chosen = sample(scores, [sampler(temperature=0), sampler(temperature=1), sampler(temperature=0)])
    assert chosen == [int(scores[0].argmax()), -1, int(scores[2].argmax())]


def test_parameters_become_the_nearest_that_can_be_computed():
    wild = SamplingParams(math.nan, -1, 10**9, 0, 10**9, ("", "END"))
    assert clamped(wild, 50, room=7) == SamplingParams(0.0, 1e-3, 0, 1.0, 7, ("END",))
    tame = SamplingParams(0.6, 0.95, 20, 1.1, 7, ("END",), 3)
    assert clamped(tame, 50, room=100) == tame


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens"])
def test_what_is_no_number_is_malformed(name):
    wrong: dict[str, Any] = {name: "hot"}
    with pytest.raises(Malformed):
        clamped(SamplingParams(**wrong), 50, room=10)
