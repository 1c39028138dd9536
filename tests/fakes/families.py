"""DeepSeek's families as their model cards describe them: how their templates behave, and their published dimensions.

The templates are our own: they print what the makers say theirs print, and no more.
"""

from pathlib import Path
from typing import Any

from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.fakes.tiny import SPECIAL, tiny_tokenizer

REFUSAL = "You refuse whatever is not computer science."

_TURNS = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% elif m.role == 'assistant' %}"
    "{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}"
)
_SYSTEM = "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
_SPOKEN = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ 'User: ' + m.content + '\n\n' }}"
    "{% elif m.role == 'assistant' %}{{ 'Assistant: ' + m.content + eos_token }}"
    "{% else %}{{ m.content + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)

TEMPLATES = {
    "r1": "{{ bos_token }}"
    + _SYSTEM
    + _TURNS
    + "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}",
    "r1-0528": "{{ bos_token }}" + _SYSTEM + _TURNS + "{% if add_generation_prompt %}<｜Assistant｜>{% endif %}",
    "llm-chat": _SPOKEN,  # the tokenizer puts its first token before it by itself
    "v2-chat": "{{ bos_token }}" + _SPOKEN,
    "coder": (
        "{{ bos_token }}{% if not (messages | selectattr('role', 'equalto', 'system') | list) %}"
        + REFUSAL
        + "\n{% endif %}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
        "{{ '### Instruction:\n' + m.content + '\n' }}{% else %}{{ '### Response:\n' + m.content + '\n<|EOT|>\n' }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}### Response:{% endif %}"
    ),
}

TYPES = {"r1": "qwen2", "r1-0528": "qwen3", "llm-chat": "llama", "v2-chat": "deepseek_v2", "coder": "llama"}

_MARKS = {
    "r1": ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"],
    "r1-0528": ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"],
    "coder": ["<|EOT|>"],
}

_TINY: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
_TINY |= {"num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 1}
_LATENT: dict[str, Any] = {"num_key_value_heads": 4, "kv_lora_rank": 32, "q_lora_rank": None, "qk_rope_head_dim": 16}
_LATENT |= {"qk_nope_head_dim": 16, "v_head_dim": 16, "moe_intermediate_size": 64, "n_routed_experts": 4}
_LATENT |= {"num_experts_per_tok": 2, "first_k_dense_replace": 1, "n_shared_experts": 1}

_NETWORKS: dict[str, Any] = {
    "qwen2": lambda vocabulary: Qwen2ForCausalLM(Qwen2Config(vocab_size=vocabulary, **_TINY)),
    "qwen3": lambda vocabulary: Qwen3ForCausalLM(Qwen3Config(vocab_size=vocabulary, head_dim=16, **_TINY)),
    "llama": lambda vocabulary: LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **_TINY)),
    "deepseek_v2": lambda vocabulary: DeepseekV2ForCausalLM(DeepseekV2Config(vocab_size=vocabulary, **_TINY | _LATENT)),
}

_LLAMA: dict[str, Any] = {"hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32}
PUBLISHED: dict[str, Any] = {
    "R1-Distill-Qwen-1.5B": Qwen2Config(
        vocab_size=151936,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
    ),
    "R1-Distill-Qwen-7B": Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
    ),
    "R1-Distill-Llama-8B": LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    ),
    "R1-0528-Qwen3-8B": Qwen3Config(
        vocab_size=151936,
        hidden_size=4096,
        intermediate_size=12288,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
    ),
    "llm-7b-chat": LlamaConfig(vocab_size=102400, num_hidden_layers=30, **_LLAMA),
    "coder-6.7b": LlamaConfig(vocab_size=32256, num_hidden_layers=32, **_LLAMA),
    "V2-Lite": DeepseekV2Config(
        vocab_size=102400,
        hidden_size=2048,
        intermediate_size=10944,
        moe_intermediate_size=1408,
        num_hidden_layers=27,
        num_attention_heads=16,
        num_key_value_heads=16,
        kv_lora_rank=512,
        q_lora_rank=None,
        n_routed_experts=64,
        n_shared_experts=2,
        num_experts_per_tok=6,
        first_k_dense_replace=1,
    ),
}


def family_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """With the family's marks as tokens; llm-chat's begins every text with its first token by itself."""
    tokenizer = tiny_tokenizer(TEMPLATES[family], [*SPECIAL, *_MARKS.get(family, [])])
    if family == "llm-chat":
        from tokenizers.processors import TemplateProcessing

        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    if family == "coder":
        tokenizer.eos_token = "<|EOT|>"
    return tokenizer


def save_family(folder: Path, family: str, ends: int | list[int] | None = 1) -> Path:
    """A tiny model of the family's architecture with random weights; `ends` is its generation_config's eos."""
    tokenizer = family_tokenizer(family)
    network = _NETWORKS[TYPES[family]](len(tokenizer))
    network.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=ends, pad_token_id=1)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
