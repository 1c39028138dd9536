"""The model's forward passes over some rows of the cache: reading a part of a prompt, and the next token of many."""

from typing import Any, cast

import torch
from torch import Tensor

from core.engine.cache import SlotCache
from core.engine.decoder import Decoder
from core.engine.fusion import fuse_rotation


class Runner:
    """Owns the network and its cache. Belongs to one thread.

    On a GPU decoding is recorded as CUDA graphs, and where `is_reserved` the cache has all its memory from the start.
    """

    def __init__(self, network: Any, slots: int, context: int, *, is_reserved: bool = False) -> None:
        self._network = network
        is_recorded = network.device.type == "cuda" and not _is_spread(network)
        self.cache = SlotCache(slots, context, network.device, has_spare=is_recorded)
        self._decoder = Decoder(network, self.cache) if is_recorded else None
        if network.device.type == "cuda":
            fuse_rotation(network)
        if is_recorded and is_reserved:
            self.cache.reserve(slots, context)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Does once what would make the first steps slow."""
        if self._decoder:
            self._decoder.warm_up()

    @torch.inference_mode()
    def decode(self, tokens: list[int]) -> Tensor:
        """Reads one token in each of the rows from 0 on: logits `[rows, vocabulary]`, valid until the next step."""
        return self._decoder.decode(tokens) if self._decoder else self.forward(0, [[token] for token in tokens])

    def read(self, row: int, tokens: list[int]) -> Tensor:
        """Reads a part of a prompt; returns once it is computed, so that one knows how long it took."""
        logits = self.forward(row, [tokens])
        if logits.is_cuda:
            torch.cuda.current_stream().synchronize()
        return logits

    @property
    def works_ahead(self) -> bool:
        """Whether `decode` returns before its result is computed, so that there is time for something else."""
        return self._decoder is not None

    def release(self) -> None:
        """Gives all memory back; whatever it does afterwards fails."""
        self.cache.reset()
        if self._decoder:
            self._decoder.forget()

    def rest(self) -> None:
        """Nobody has asked for a while. A GPU has nothing else to do with its memory, a processor has."""
        if not self._decoder:
            self.cache.reset()

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


def _is_spread(network: Any) -> bool:
    """Whether its layers lie on several devices."""
    return len(set(getattr(network, "hf_device_map", {}).values())) > 1
