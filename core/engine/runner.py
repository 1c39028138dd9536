"""One forward pass of the model over some rows of the cache."""

from typing import Any, cast

import torch
from torch import Tensor

from core.engine.cache import SlotCache


class Runner:
    """Owns the network and its cache. Belongs to one thread."""

    def __init__(self, network: Any, slots: int, context: int) -> None:
        self._network = network
        self.cache = SlotCache(slots, context, network.device)

    @torch.inference_mode()
    def forward(self, first: int, tokens: list[list[int]]) -> Tensor:
        """Reads the same number of new tokens in each row from `first` on.

        Gives the logits `[rows, vocabulary]` of what comes after them.
        """
        count, width = len(tokens), len(tokens[0])
        window = self.cache.open(first, count, width)
        output = self._network(
            input_ids=torch.tensor(tokens, device=self.cache.device),
            attention_mask=window.mask(),
            position_ids=window.positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache.close(first, count, width)
        return cast(Tensor, output.logits)[:, -1]
