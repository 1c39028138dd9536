"""A tiny model with random weights and a real tokenizer: it says nonsense, but it runs like a large one."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CORPUS = [
    "Parley answers questions in the browser, thread by thread, and nothing of it is lost.",
    "Hello! What is the weather like today? The quick brown fox jumps over the lazy dog 0123456789.",
    "你好！今天天气怎么样？模型在这里回答问题。",
    "def answer(turn):\n    return [word for word in turn.text.split()]\n\n",
]
SPECIAL = ["<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>", "<|system|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tiny_tokenizer(template: str = TEMPLATE, special: list[str] = SPECIAL) -> PreTrainedTokenizerFast:
    # Characters, not bytes: whatever a random model chooses can then be shown.
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(CORPUS * 4, trainers.BpeTrainer(vocab_size=320, special_tokens=special))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=template
    )


def tiny_network(vocabulary: int, **changes: Any) -> LlamaForCausalLM:
    """Llama with grouped queries, 2 layers, 512 tokens of context; the same weights every time."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,  # wide enough that what was said matters for what comes next
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
    }
    network: LlamaForCausalLM = LlamaForCausalLM(LlamaConfig(**shape | changes)).eval()
    return network


def save_tiny(folder: Path, template: str = TEMPLATE, special: list[str] = SPECIAL, **changes: Any) -> Path:
    tokenizer = tiny_tokenizer(template, special)
    network = tiny_network(len(tokenizer), **changes)
    network.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=[1], pad_token_id=1)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
