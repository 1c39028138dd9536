"""What a model runs on, and how much of its memory is left."""

import os
from dataclasses import dataclass
from typing import Any

from core.engine.memory import free_memory


@dataclass(frozen=True, slots=True)
class Machine:
    """`device` is cpu or cuda:0, several where a model is spread over them, with the GPU's own `chip` name.

    `weights` are the bytes the model takes, `free` of `total` bytes is what is left there; None where nobody can say.
    """

    device: str
    chip: str
    dtype: str
    quantisation: str
    weights: int
    free: int | None = None
    total: int | None = None


def look_at(network: Any, weights: int) -> Machine:
    """Of a loaded model, right now. A device that no longer answers has no free memory to tell of."""
    from core.engine.precision import saved_as

    device, spread = network.device, sorted({str(place) for place in getattr(network, "hf_device_map", {}).values()})
    name = ", ".join(spread) if len(spread) > 1 else str(device)
    chip, free, total = _cuda(device) if device.type == "cuda" else ("", *_own())
    dtype = str(network.dtype).removeprefix("torch.")
    return Machine(name, chip, dtype, saved_as(network.config), weights, free, total)


def _own() -> tuple[int, int]:
    return free_memory(), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cuda(device: Any) -> tuple[str, int | None, int | None]:
    import torch

    try:
        return torch.cuda.get_device_name(device), *torch.cuda.mem_get_info(device)
    except RuntimeError:
        return "", None, None
