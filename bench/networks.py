"""Networks with random weights, saved as checkpoints: speed does not depend on what they say."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.engine import demo_folder

CONTEXT = 4096


def tokenizer_of(folder: Path) -> Any:
    return PreTrainedTokenizerFast.from_pretrained(folder)


def load(folder: Path) -> Any:
    """The model as the library gives it, for those the engine is measured against."""
    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    network.eval()
    network.generation_config.update(do_sample=False, max_new_tokens=None)
    return network


def save_llama(folder: Path) -> Path:
    """A Llama of 50 million parameters in float32, with the demo model's tokenizer. It never ends by itself."""
    torch.manual_seed(0)
    tokenizer = tokenizer_of(demo_folder())
    shape = LlamaConfig(
        vocab_size=8192,
        hidden_size=640,
        intermediate_size=1728,
        num_hidden_layers=8,
        num_attention_heads=10,
        num_key_value_heads=10,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    network: Any = LlamaForCausalLM(shape)
    with torch.no_grad():
        # Only what the tokenizer knows is ever said, and never the end.
        network.lm_head.weight[len(tokenizer) :] = 0
        network.lm_head.weight[tokenizer.eos_token_id] = 0
    make: Any = GenerationConfig
    network.generation_config = make(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    network.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(demo_folder() / name, folder / name)
    return folder
