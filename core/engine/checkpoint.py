"""A model as it lies on disk, and how it is brought into memory."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from core.engine import attention
from core.engine.footprint import Footprint, check_fits
from core.engine.packing import pack
from core.engine.plan import Plan, plan
from core.engine.prompt import Prompts
from core.errors import Misconfigured
from core.ports import Model
from core.turn import RECOMMENDED, SamplingParams

DEMO_MARK = "is_parley_demo"
"""What training writes into the demo model's config.json: it is known for what it is wherever it lies."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model. `ends` are the tokens that end an answer; `vocabulary` is the width of its logits.

    `weights` are the bytes they take in memory; `footprint` says what else it needs of the `free` bytes there were
    before it was loaded.
    """

    model: Model
    network: Any
    tokenizer: Any
    prompts: Prompts
    ends: frozenset[int]
    vocabulary: int
    weights: int
    footprint: Footprint
    free: int


def load(
    source: str, *, device: str, dtype: str, context: int, quantisation: str = "none", device_map: str = ""
) -> Checkpoint:
    """Loads a folder, or a model of the hub by its id. Blocks; raises Misconfigured with what to do.

    `quantisation` is none, nf4 or int8; what was saved quantised stays as it is. `device_map` "auto" spreads the
    layers over all GPUs; "" puts everything on `device`.
    """
    _show_progress()
    with _explained(source):
        config = AutoConfig.from_pretrained(source, local_files_only=_is_folder(source))
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=_is_folder(source))
        planned = plan(source, config, device=device, dtype=dtype, quantisation=quantisation, device_map=device_map)
    text_config = config.get_text_config()
    _check_attention(text_config)
    context = min(context, text_config.max_position_embeddings)
    if planned.footprint.weights:
        check_fits(source, planned.footprint, context, planned.free)
    with _explained(source):
        network = _network(source, planned)
    weights = network.get_memory_footprint()
    pack(network)
    prompts = Prompts(tokenizer, text_config.model_type)
    return Checkpoint(
        _model(source, config, context, _params(network.generation_config), planned.quantisation),
        network,
        tokenizer,
        prompts,
        _ends(network, tokenizer, prompts.family.ends),
        text_config.vocab_size,
        weights,
        planned.footprint,
        planned.free,
    )


@contextmanager
def _explained(source: str) -> Iterator[None]:
    """Many things can be wrong with a model's files, and the libraries have as many names for them."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise Misconfigured(
            f"The model {source} does not fit into the device's memory ({_first_line(error)}). Set "
            "engine.quantisation to nf4, or choose a smaller model."
        ) from error
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise Misconfigured(
            f"The model {source} could not be loaded ({_first_line(error)}). Name a folder with config.json, "
            "tokenizer.json and *.safetensors, or the hub id of a model that was pulled before."
        ) from error


def _is_folder(source: str) -> bool:
    return Path(source).is_dir()


def _network(source: str, planned: Plan) -> Any:
    from_pretrained: Any = AutoModelForCausalLM.from_pretrained
    network, report = from_pretrained(
        source,
        attn_implementation=attention.NAME,
        local_files_only=_is_folder(source),
        output_loading_info=True,
        **planned.arguments(),
    )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"its files lack {missing[0]}, which would be made up")
    if planned.moves:
        network.to(planned.device)
    return network.eval()


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


def _model(source: str, config: Any, context: int, params: SamplingParams, quantisation: str) -> Model:
    folder, is_demo = Path(source), bool(getattr(config, DEMO_MARK, False))
    if folder.is_dir():
        name, revision = "parley-demo" if is_demo else folder.resolve().name, fingerprint(folder)
    else:
        name, revision = source, str(config._commit_hash)[:8]
    rounded = "" if quantisation == "none" else f"+{quantisation}"
    return Model(name, f"{name}@{revision}{rounded}", context, is_demo, params)


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


def _ends(network: Any, tokenizer: Any, names: tuple[str, ...]) -> frozenset[int]:
    """Some families name one token that ends an answer, some several, some none in one of the two places.

    `names` are those that end an answer whatever the files say.
    """
    vocabulary = tokenizer.get_vocab()
    named = network.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    known = (vocabulary.get(name) for name in names)
    return frozenset(token for token in (*several, tokenizer.eos_token_id, *known) if token is not None)


def _check_attention(config: Any) -> None:
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    if types != {"full_attention"}:
        raise Misconfigured(f"This engine runs models with full attention only, and this one has {sorted(types)}.")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
