"""What a model needs of memory, counted before anything is loaded."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.engine.weights import SMALL, Weights, count
from core.errors import Misconfigured

_TOKENS = 1024
"""How many tokens a step works on, at most about."""

_LOGITS = 64
"""Rows of 4-byte numbers, as wide as the vocabulary, that choosing the next tokens takes, at most about."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A model as it would be loaded; all sizes in bytes.

    `config` is what config.json says of the text model; it computes with numbers of `itemsize` bytes.
    """

    config: Mapping[str, Any]
    numbers: Weights
    itemsize: int
    quantisation: str = "none"

    @property
    def weights(self) -> int:
        return self.numbers.size(self.itemsize, self.quantisation)

    @property
    def token(self) -> int:
        """What the cache keeps of one token."""
        return kept_per_token(self.config) * self.itemsize

    @property
    def work(self) -> int:
        """What a step computes, and what is lost on the way: a twentieth of the weights to allocators, and as much
        again where bitsandbytes turns them about, a layer at a time."""
        width = 8 * self.config["hidden_size"] + 3 * self.config.get("intermediate_size", 0)
        step: int = _TOKENS * width * self.itemsize + _LOGITS * 4 * self.config["vocab_size"]
        return step + self.weights // (20 if self.quantisation == "none" else 10)

    def conversation(self, tokens: int) -> int:
        """One that is so long: what is kept, and the most that is needed beside it, which is either the old half
        while the cache grows, or what attention makes of one layer."""
        reading = _made_per_token(self.config) * self.itemsize
        return tokens * (self.token + max(self.token // 2, reading))

    def need(self, context: int) -> int:
        """The least the model runs with: its weights, and one conversation that fills the context."""
        return self.weights + self.work + self.conversation(context)


@dataclass(frozen=True, slots=True)
class Room:
    """What free memory holds: so many full `contexts` at once, and beside them so many bytes of kept prefixes."""

    contexts: int
    prefixes: int


def fits(footprint: Footprint, free: int, context: int, slots: int) -> Room:
    """What `free` bytes, measured before the weights were loaded, hold besides them; `slots` contexts at most."""
    left = max(0, free - footprint.weights - footprint.work)
    contexts = min(slots, left // footprint.conversation(context))
    return Room(contexts, left - contexts * footprint.conversation(context))


def check_fits(name: str, footprint: Footprint, context: int, free: int) -> None:
    """Raises Misconfigured, with the numbers and with what would fit, where the model would not run."""
    if (need := footprint.need(context)) <= free:
        return
    raise Misconfigured(
        f"The model {name} needs {readable(need)} of memory, and {readable(free)} are free: "
        f"{readable(footprint.weights)} for its weights, {readable(footprint.conversation(context))} for a "
        f"conversation of {context} tokens and {readable(footprint.work)} to work with. "
        f"What would fit: {', or '.join(_alternatives(footprint, context, free))}."
    )


def needs(folder: Path, context: int) -> dict[str, int]:
    """The least memory a model takes as it is, and where that spares something rounded; empty where it is unknown."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
        shape = config.get("text_config", config)
        context = min(context, shape["max_position_embeddings"])
        if not (weights := count(folder, shape)):
            return {}
        is_small = weights.size(4) <= SMALL
        kinds = ("none",) if is_small or not weights.linear else ("none", "int8", "nf4")
        itemsize = 4 if is_small else 2
        return {kind: Footprint(shape, weights, itemsize, kind).need(context) for kind in kinds}
    except (KeyError, TypeError, ValueError, OSError):
        return {}


def _alternatives(footprint: Footprint, context: int, free: int) -> Iterator[str]:
    if footprint.quantisation == "none" and footprint.numbers.linear:
        for smaller in (replace(footprint, quantisation="int8"), replace(footprint, quantisation="nf4")):
            if (need := smaller.need(context)) <= free:
                yield f"engine.quantisation: {smaller.quantisation} ({readable(need)})"
    spare = free - footprint.weights - footprint.work
    if (tokens := spare // footprint.conversation(1) // 256 * 256) > 0:
        yield f"engine.context: {tokens}"
    yield "a smaller model"


def kept_per_token(config: Mapping[str, Any]) -> int:
    """How many numbers the cache keeps of each token, over all layers."""
    if latent := config.get("kv_lora_rank"):  # DeepSeek V2 and V3 are kept compressed
        return int(config["num_hidden_layers"] * (latent + config["qk_rope_head_dim"]))
    keys, _ = _heads(config)
    return int(config["num_hidden_layers"] * 2 * keys * _head_dim(config))


def _made_per_token(config: Mapping[str, Any]) -> int:
    """How many numbers a layer makes of each token it looks at: keys and values for every head that asks."""
    keys, queries = _heads(config)
    if config.get("kv_lora_rank"):
        plain, turned, value = (config[name] for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
        return int(queries * (2 * plain + turned + value))
    return 0 if keys == queries else 2 * queries * _head_dim(config)


def _heads(config: Mapping[str, Any]) -> tuple[int, int]:
    """Of keys and values, and of queries."""
    queries = int(config["num_attention_heads"])
    return int(config.get("num_key_value_heads") or queries), queries


def _head_dim(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def readable(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
