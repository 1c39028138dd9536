"""Networks of each family's architecture, small enough for a test, with random weights."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, DeepseekV2Config, LlamaConfig, Qwen2Config, Qwen3Config

from core.engine.attention import NAME

SMALL: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
    "eos_token_id": 7,
    "bos_token_id": 0,
    "pad_token_id": 7,
}
MLA: dict[str, Any] = {"num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": None, "qk_rope_head_dim": 8}
MLA |= {"qk_nope_head_dim": 8, "v_head_dim": 8, "moe_intermediate_size": 32, "n_routed_experts": 4}
MLA |= {"num_experts_per_tok": 2, "first_k_dense_replace": 1, "n_shared_experts": 1, "head_dim": 8}


def network(kind: str) -> Any:
    """The same weights every time, and attention as the engine loads it."""
    torch.manual_seed(1)
    from_config: Any = AutoModelForCausalLM.from_config
    return from_config(_config(kind), attn_implementation=NAME).eval()


def _config(kind: str) -> Any:
    match kind:
        case "llama":
            return LlamaConfig(**SMALL)
        case "llama, scaled positions":  # as deepseek-coder has them
            return LlamaConfig(**SMALL, rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 1e5})
        case "qwen2":
            return Qwen2Config(**SMALL)
        case "qwen3":
            return Qwen3Config(**SMALL | {"head_dim": 8})
    return DeepseekV2Config(**SMALL | MLA)
