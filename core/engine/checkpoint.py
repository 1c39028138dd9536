"""A model as it lies on disk, and how it is brought into memory."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from core.engine.prompt import Prompts
from core.errors import Misconfigured
from core.ports import Model
from core.turn import RECOMMENDED, SamplingParams

DEMO_MARK = "is_parley_demo"
"""What training writes into the demo model's config.json: it is known for what it is wherever it lies."""

SMALL = 2**30
"""Up to this many bytes in float32 a model on a processor is not worth rounding."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model. `ends` are the tokens that end an answer; `vocabulary` is the width of its logits."""

    model: Model
    network: Any
    tokenizer: Any
    prompts: Prompts
    ends: frozenset[int]
    vocabulary: int


def load(source: str, *, device: str, dtype: str, context: int) -> Checkpoint:
    """Loads a folder, or a model of the hub by its id. Blocks; raises Misconfigured with what to do."""
    _show_progress()
    is_folder = Path(source).is_dir()
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=is_folder)
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=is_folder)
        where = torch.device(_device(device))
        network: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=getattr(torch, _dtype(dtype, where, _float32_bytes(source) if is_folder else SMALL + 1)),
            attn_implementation="sdpa",
            local_files_only=is_folder,
        )
    except (OSError, ValueError, ImportError) as error:
        raise Misconfigured(
            f"The model {source} could not be loaded ({_first_line(error)}). Name a folder with config.json, "
            "tokenizer.json and *.safetensors, or the hub id of a model that was pulled before."
        ) from error
    text_config = config.get_text_config()
    context = min(context, text_config.max_position_embeddings)
    _check_attention(text_config)
    network.to(where).eval()
    return Checkpoint(
        _model(source, config, context, _params(network.generation_config)),
        network,
        tokenizer,
        Prompts(tokenizer),
        _ends(network, tokenizer),
        text_config.vocab_size,
    )


def _show_progress() -> None:
    """On a terminal only: a log has no use for bars."""
    hide: Callable[[], None] = transformers_logging.disable_progress_bar
    if not sys.stderr.isatty():
        hide()


def fingerprint(folder: Path) -> str:
    """Names the weights and everything that steers them, in 8 hexadecimal digits; the same after every restart.

    Of each file the size and up to 64 blocks of 64 KiB, evenly spread, are read: enough to tell any retraining.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in {".json", ".jinja", ".safetensors", ".bin"}):
        digest.update(f"{path.name}:{path.stat().st_size}:".encode())
        for block in _blocks(path):
            digest.update(block)
    return digest.hexdigest()[:8]


def _blocks(path: Path, count: int = 64, size: int = 64 * 1024) -> Iterator[bytes]:
    stride = max(size, path.stat().st_size // count)
    with path.open("rb") as file:
        for offset in range(0, path.stat().st_size, stride):
            file.seek(offset)
            yield file.read(size)


def _model(source: str, config: Any, context: int, params: SamplingParams) -> Model:
    folder, is_demo = Path(source), bool(getattr(config, DEMO_MARK, False))
    if folder.is_dir():
        name, revision = "parley-demo" if is_demo else folder.resolve().name, fingerprint(folder)
    else:
        name, revision = source, str(config._commit_hash)[:8]
    return Model(name, f"{name}@{revision}", context, is_demo, params)


def _params(recommended: Any) -> SamplingParams:
    """What the checkpoint's generation_config says; where that is nothing, what suits DeepSeek's models."""
    if recommended.do_sample is False:
        return replace(RECOMMENDED, temperature=0.0)
    named = {
        name: value
        for name in ("temperature", "top_p", "top_k", "repetition_penalty")
        if (value := getattr(recommended, name, None)) is not None
    }
    return replace(RECOMMENDED, **named) if recommended.do_sample else RECOMMENDED


def _ends(network: Any, tokenizer: Any) -> frozenset[int]:
    """Some families name one token that ends an answer, some several, some none in one of the two places."""
    named = network.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None)


def _check_attention(config: Any) -> None:
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    if types != {"full_attention"}:
        raise Misconfigured(f"This engine runs models with full attention only, and this one has {sorted(types)}.")


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(wanted: str, device: torch.device, float32_bytes: int) -> str:
    """What the hardware computes well: on a processor without bfloat16 units float32 is the fastest."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if float32_bytes <= SMALL:
        return "float32"
    units = torch.cpu.get_capabilities()
    has_units = units.get("avx512_bf16") or units.get("amx_bf16")
    return "bfloat16" if has_units or float32_bytes > _free_bytes() // 2 else "float32"


def _float32_bytes(source: str) -> int:
    """An upper bound: weights are stored with two bytes per number, or four."""
    return 2 * sum(path.stat().st_size for path in Path(source).glob("*.safetensors"))


def _free_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
