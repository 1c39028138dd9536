"""In which numbers a model computes."""

import torch

from core.engine.precision import best_dtype, needed, saved_as
from core.engine.weights import SMALL

CPU = torch.device("cpu")


def test_a_small_model_runs_in_float32_and_a_large_one_as_the_processor_likes(monkeypatch):
    assert best_dtype(CPU, SMALL, free=0) == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert best_dtype(CPU, 2**32, free=2**34) == torch.float32
    assert best_dtype(CPU, 2**34, free=2**34) == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert best_dtype(CPU, 2**32, free=2**34) == torch.bfloat16


def test_a_gpu_without_bfloat16_units_computes_in_float16(monkeypatch):
    gpu = torch.device("cuda")
    for has_units, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has=has_units: has)
        assert best_dtype(gpu, 2**20, free=2**30) == dtype


class _Config:
    def __init__(self, saved: dict[str, object] | None) -> None:
        self.quantization_config = saved


def test_how_a_checkpoint_was_saved_is_read_from_its_config():
    assert saved_as(object()) == "none"
    assert saved_as(_Config(None)) == "none"
    assert saved_as(_Config({"quant_method": "bitsandbytes", "load_in_8bit": True})) == "int8"
    assert saved_as(_Config({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"})) == "nf4"
    assert saved_as(_Config({"quant_method": "fp8"})) == "fp8"


def test_what_must_be_installed_depends_on_how_the_weights_are_kept():
    assert needed("none", spreads=False) == ()
    assert needed("none", spreads=True) == ("accelerate",)
    assert needed("nf4", spreads=False) == needed("int8", spreads=True) == ("bitsandbytes", "accelerate")
