"""Parameters of the wrong type are told from those that are only out of range."""

import math
from dataclasses import replace
from typing import Any

import pytest

from core.engine.parameters import checked
from core.errors import Malformed
from core.turn import SamplingParams

WRONG: list[dict[str, Any]] = [
    {"temperature": "hot"},
    {"top_p": None},
    {"repetition_penalty": [1.0]},
    {"top_k": 2.5},
    {"max_new_tokens": "many"},
    {"seed": "seven"},
    {"stop": "END"},
    {"stop": ("END", 7)},
    {"stop": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_another_type_is_malformed(wrong):
    with pytest.raises(Malformed, match="wrong type"):
        checked(replace(SamplingParams(), **wrong))


@pytest.mark.parametrize("odd", [{"temperature": 1}, {"top_p": math.nan}, {"max_new_tokens": -1}, {"seed": 7}], ids=str)
def test_what_is_only_out_of_range_passes(odd):
    params = replace(SamplingParams(), **odd)
    assert checked(params) is params
