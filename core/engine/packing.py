"""A network laid out for the machine it runs on: the same numbers, in fewer and larger operations."""

from threading import local
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

_SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that all families give the same input, by the names the library gives them."""

_ROWS = 16
"""How many rows a step usually has; oneDNN chooses the layout by it, and reads prompts about as fast with it."""

_DTYPES = (torch.float32, torch.bfloat16)


class PackedLinear(nn.Module):
    """A linear layer that keeps its weight in oneDNN's own layout, and no other copy of it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        # A buffer is what `nn.Module` would cast and move; this tensor can be neither.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
        bias: Tensor | None = linear.bias
        self._bias = None if bias is None else bias.detach()

    def forward(self, states: Tensor) -> Tensor:
        packed: Tensor = torch.ops.mkldnn._linear_pointwise(states, self._weight, self._bias, "none", [], "")
        return packed


class Shared:
    """Several linear layers as one product: whoever is asked first computes it, and the others take their part."""

    def __init__(self, linear: nn.Module, sizes: list[int]) -> None:
        self._linear, self._sizes = linear, sizes
        # A thread that was given up may come back, and must not meet the one in its place.
        self._here = local()

    def part(self, index: int, states: Tensor) -> Tensor:
        known, parts = getattr(self._here, "computed", (None, {}))
        if known is not states or index not in parts:
            parts = dict(enumerate(self._linear(states).split(self._sizes, -1)))
        part: Tensor = parts.pop(index)
        self._here.computed = (states, parts) if parts else (None, {})
        return part


class Part(nn.Module):
    """One of the layers that share a product."""

    def __init__(self, shared: Shared, index: int) -> None:
        super().__init__()
        self._shared, self._index = shared, index

    def forward(self, states: Tensor) -> Tensor:
        return self._shared.part(self._index, states)


class Norm(nn.Module):
    """The library's RMS norm as one operation instead of eight."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self._epsilon = norm.weight, float(norm.variance_epsilon)

    def forward(self, states: Tensor) -> Tensor:
        return rms_norm(states, self.weight.shape, self.weight, self._epsilon)


@torch.inference_mode()
def pack(network: Any) -> None:
    """Joins siblings, replaces norms, and packs what runs on a processor, layer by layer.

    What is quantised stays as it is, and without oneDNN nothing is packed. Afterwards the weights can no longer be
    saved or moved.
    """
    for module in [*network.modules()]:
        for names in _SIBLINGS:
            _join(module, names)
        for name, child in [*module.named_children()]:
            if type(child).__name__.endswith("RMSNorm") and hasattr(child, "variance_epsilon"):
                setattr(module, name, Norm(child))
            elif _is_plain(child):
                setattr(module, name, _packed(child))


def _join(module: Any, names: tuple[str, ...]) -> None:
    siblings: list[Any] = [getattr(module, name, None) for name in names]
    if not all(map(_is_plain, siblings)) or len({(each.weight.device, each.weight.dtype) for each in siblings}) > 1:
        return
    sizes = [linear.out_features for linear in siblings]
    shared = Shared(_packed(_joined(siblings)), sizes)
    for index, name in enumerate(names):
        setattr(module, name, Part(shared, index))


def _joined(linears: list[Any]) -> nn.Linear:
    weight = torch.cat([linear.weight for linear in linears])
    joined = nn.Linear(weight.shape[1], weight.shape[0], bias=linears[0].bias is not None, device="meta")
    joined.weight = nn.Parameter(weight, requires_grad=False)
    if linears[0].bias is not None:
        joined.bias = nn.Parameter(torch.cat([linear.bias for linear in linears]), requires_grad=False)
    return joined


def _packed(linear: nn.Linear) -> nn.Module:
    is_packable = linear.weight.device.type == "cpu" and torch._C._has_mkldnn and linear.weight.dtype in _DTYPES
    return PackedLinear(linear) if is_packable else linear


def _is_plain(module: Any) -> bool:
    # Subclasses (bitsandbytes has some) compute something else.
    return type(module) is nn.Linear
