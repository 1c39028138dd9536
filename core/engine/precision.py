"""In which numbers a model computes, and in which its weights are kept."""

import logging
from typing import Any

import torch

from core.engine.weights import SMALL

_ROUNDED = ("nf4", "fp4", "int8")


def best_dtype(device: torch.device, float32_bytes: int, free: int) -> torch.dtype:
    """What the hardware computes well: on a processor without bfloat16 units float32 is the fastest, if it fits."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if float32_bytes <= SMALL:
        return torch.float32
    units = torch.cpu.get_capabilities()
    has_units = units.get("avx512_bf16") or units.get("amx_bf16")
    return torch.bfloat16 if has_units or float32_bytes > free // 2 else torch.float32


def saved_as(config: Any) -> str:
    """How a checkpoint was quantised when it was saved: nf4, int8, the name of another method, or none."""
    saved: dict[str, Any] = getattr(config, "quantization_config", None) or {}
    if saved.get("load_in_8bit"):
        return "int8"
    if saved.get("load_in_4bit"):
        return str(saved.get("bnb_4bit_quant_type", "fp4"))
    return str(saved.get("quant_method", "none"))


def needed(quantisation: str, spreads: bool) -> tuple[str, ...]:
    """The packages it takes to load weights kept so, or to spread them over several devices."""
    if quantisation in _ROUNDED:
        return "bitsandbytes", "accelerate"
    return ("accelerate",) if spreads else ()


def rounding(quantisation: str, dtype: torch.dtype) -> Any:
    """How transformers is to round the linear layers while it loads them."""
    from transformers import BitsAndBytesConfig

    _hush()
    settings: Any = BitsAndBytesConfig
    if quantisation == "int8":
        return settings(load_in_8bit=True)
    return settings(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _hush() -> None:
    """Of every layer bitsandbytes says that it rounds, and on some processors that it fetches no kernel."""
    for name in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(name).setLevel(logging.ERROR)
