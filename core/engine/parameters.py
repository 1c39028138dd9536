"""What nobody can compute with: parameters of another kind than they should be."""

from dataclasses import asdict
from types import UnionType
from typing import Any

from core.errors import Malformed
from core.turn import SamplingParams

_KINDS: dict[str, type | UnionType] = {
    "temperature": int | float,
    "top_p": int | float,
    "top_k": int,
    "repetition_penalty": int | float,
    "max_new_tokens": int,
    "stop": tuple | list,
    "seed": int | None,
}


def checked(params: SamplingParams) -> SamplingParams:
    """The same; raises Malformed where one is of another type. What is only out of range is bounded by the engine."""
    given: dict[str, Any] = asdict(params)
    for name, kind in _KINDS.items():
        if not isinstance(given[name], kind):
            raise Malformed(f"{name} is of the wrong type")
    if not all(isinstance(stop, str) for stop in given["stop"]):
        raise Malformed("stop is of the wrong type")
    return params
