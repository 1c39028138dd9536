"""How the model's layers attend to the cache: grouped queries are never answered with copies of their keys."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from core.engine.fusion import Fused

NAME = "parley"
"""The `attn_implementation` a model is loaded with."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of `[n, heads, width, dim]` queries over `[n, groups, length, dim]` keys and values.

    The queries that share a key are laid behind one another. The mask `[n, 1, width, length]` is boolean, or 0 and −∞.
    Gives `[n, width, heads, dim]`.
    """
    if attention_mask is None:  # not a step of ours: the library leaves the mask out where a kernel knows it
        return sdpa_attention_forward(module, query, key, value, None, scaling=scaling, **kwargs)
    rows, heads, width, dim = query.shape
    shared = heads // key.shape[1]
    if shared > 1:
        query = query.reshape(rows, key.shape[1], shared * width, dim)
        attention_mask = attention_mask if width == 1 else attention_mask.repeat(1, 1, shared, 1)
    scale = dim**-0.5 if scaling is None else scaling
    if width == 1 and query.is_cuda:
        output = _multiplied(query, key, value, attention_mask, scale)
    else:
        output = scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=scale)
    return output.reshape(rows, heads, width, -1).transpose(1, 2).contiguous(), None


def _multiplied(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """For one token a row the fused kernels keep a few of a GPU's multiprocessors busy, products all of them."""
    return torch.matmul(_weights(torch.matmul(query, key.transpose(2, 3)), mask, scale), value)


def _softened(scores: Tensor, mask: Tensor, scale: float) -> Tensor:
    scores = scores * scale
    scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch.softmax(scores, -1, dtype=torch.float32).to(scores.dtype)


_weights = Fused(_softened)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
