"""Weights laid out for the processor: what oneDNN multiplies fastest, without being rearranged at every step."""

from typing import Any

import torch
from torch import Tensor, nn

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


def pack(network: Any) -> int:
    """Packs every plain linear layer of a network on the processor, layer by layer; how many there were.

    A network elsewhere, quantised, or in another dtype stays as it is, and so does everything on a build of torch
    without oneDNN. Afterwards the weights can no longer be saved or moved.
    """
    if network.device.type != "cpu" or not torch._C._has_mkldnn:
        return 0
    named = [(name, module) for name, module in network.named_modules() if _can_be_packed(module)]
    for name, module in named:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, _packed(module))
    return len(named)


@torch.inference_mode()
def _packed(linear: nn.Linear) -> PackedLinear:
    return PackedLinear(linear)


def _can_be_packed(module: nn.Module) -> bool:
    # Subclasses (bitsandbytes has some) compute something else.
    return type(module) is nn.Linear and module.weight.dtype in _DTYPES
