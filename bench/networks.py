"""Networks with random weights, saved as checkpoints: speed does not depend on what they say."""

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

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
    """A Llama of 45 million parameters in float32, with the demo model's tokenizer. It never ends by itself.

    Five queries share a key, about as in the models distilled from R1 (four in Llama's, seven in Qwen's).
    """
    torch.manual_seed(0)
    tokenizer = tokenizer_of(demo_folder())
    shape = LlamaConfig(
        vocab_size=8192,
        hidden_size=640,
        intermediate_size=1728,
        num_hidden_layers=8,
        num_attention_heads=10,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    network: Any = LlamaForCausalLM(shape)
    return _saved(network, tokenizer, folder)


def save_qwen(folder: Path, layers: int = 28) -> Path:
    """The shape of DeepSeek-R1-Distill-Qwen-7B in bfloat16, made on the GPU, with the demo model's tokenizer."""
    tokenizer = tokenizer_of(demo_folder())
    shape = Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=layers,
        num_attention_heads=28,
        num_key_value_heads=4,
        max_position_embeddings=131072,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    from_config: Any = AutoModelForCausalLM.from_config
    with torch.device("cuda"):
        torch.manual_seed(0)
        network = from_config(shape, dtype=torch.bfloat16)
    return _saved(network, tokenizer, folder)


def _saved(network: Any, tokenizer: Any, folder: Path) -> Path:
    with torch.no_grad():
        # Only words are ever said, so that each token shows, and never the end.
        head = network.lm_head.weight
        words = [index for index in range(len(tokenizer)) if tokenizer.decode([index]).strip().isascii()]
        said = torch.zeros(len(head), 1, dtype=head.dtype, device=head.device)
        said[words] = 1
        said[tokenizer.eos_token_id] = 0
        head *= said
    make: Any = GenerationConfig
    network.generation_config = make(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    network.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(demo_folder() / name, folder / name)
    return folder


def weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def read_bandwidth(gigabytes: int = 8) -> float:
    """Bytes per second that the GPU's memory gives when a kernel only reads: the best of several."""
    numbers = torch.zeros(gigabytes * 2**28, dtype=torch.float32, device="cuda")
    event: Any = torch.cuda.Event
    times = []
    for _ in range(12):
        before, after = event(enable_timing=True), event(enable_timing=True)
        before.record()
        numbers.sum()
        after.record()
        after.synchronize()
        times.append(float(before.elapsed_time(after)) / 1e3)
    return numbers.nbytes / min(times)


def gpu() -> dict[str, str]:
    """What the figures of a GPU depend on."""
    major, minor = torch.cuda.get_device_capability()
    return {
        "gpu": torch.cuda.get_device_name(),
        "gpu_memory_gb": f"{torch.cuda.get_device_properties(0).total_memory / 2**30:.0f}",
        "compute_capability": f"{major}.{minor}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
