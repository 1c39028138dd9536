"""How a model is going to be loaded: where to, in which numbers, and what it needs there."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache

from core.engine.footprint import Footprint
from core.engine.memory import free_memory
from core.engine.precision import best_dtype, needed, rounding, saved_as
from core.engine.weights import Weights, count
from core.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Plan:
    """`quantisation` is how the weights will lie in memory; `rounds` says that they are made so only now.

    `free` are the bytes free on the device, or on all of them with a `device_map`.
    """

    device: torch.device
    device_map: str
    dtype: torch.dtype
    quantisation: str
    rounds: bool
    footprint: Footprint
    free: int

    @property
    def moves(self) -> bool:
        """Whether the model is loaded into the machine's own memory first."""
        return self._device_map() is None

    def arguments(self) -> dict[str, Any]:
        """For transformers' from_pretrained; raises Misconfigured where a package is missing for it."""
        _require(needed(self.quantisation, spreads=bool(self.device_map)))
        # Named at all, even as None, it would replace what a checkpoint that was saved quantised says of itself.
        rounded = {"quantization_config": rounding(self.quantisation, self.dtype)} if self.rounds else {}
        return {"dtype": self.dtype, "device_map": self._device_map(), **rounded}

    def _device_map(self) -> str | dict[str, str] | None:
        if self.device_map:
            return self.device_map
        is_direct = self.quantisation != "none" or (self.device.type != "cpu" and _is_installed("accelerate"))
        return {"": str(self.device)} if is_direct else None


def plan(source: str, config: Any, *, device: str, dtype: str, quantisation: str, device_map: str) -> Plan:
    """`config` is the model's. What was saved quantised stays as it is, whatever `quantisation` says."""
    where = _device(device)
    free, saved = _free_bytes(where, device_map), saved_as(config)
    shape: dict[str, Any] = config.get_text_config().to_dict()
    folder = files(source)
    weights = (count(folder, shape) if folder else None) or Weights()
    rounds = saved == "none" and quantisation != "none"
    chosen = best_dtype(where, weights.size(4), free) if dtype == "auto" else getattr(torch, dtype)
    footprint = Footprint(shape, weights, chosen.itemsize, quantisation if rounds else "none")
    return Plan(where, device_map, chosen, quantisation if rounds else saved, rounds, footprint, free)


def files(source: str) -> Path | None:
    """Where a model's files lie: its folder, or the hub's cache; None where they are not on this machine."""
    if Path(source).is_dir():
        return Path(source)
    config = try_to_load_from_cache(source, "config.json")
    return Path(config).parent if isinstance(config, str) else None


def _require(packages: Iterable[str]) -> None:
    if missing := [name for name in packages if not _is_installed(name)]:
        raise Misconfigured(
            f"Quantised models, and engine.device_map, need {' and '.join(missing)}: pip install 'parley[quantised]'"
        )


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _device(wanted: str) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise Misconfigured(f"engine.device is {wanted}, and the number of CUDA devices seen here is {count}.")
    return device


def _free_bytes(where: torch.device, device_map: str) -> int:
    if where.type != "cuda":  # also where a GPU shares the machine's memory
        return free_memory()
    devices = range(torch.cuda.device_count()) if device_map else [where.index or 0]
    return sum(torch.cuda.mem_get_info(index)[0] for index in devices)
