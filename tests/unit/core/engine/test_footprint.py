"""What models need of memory, against what is published about them and what loading them really takes."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from core.engine.footprint import Footprint, check_fits, fits, kept_per_token, needs
from core.engine.weights import Weights, count
from core.errors import Misconfigured
from tests.fakes.families import PUBLISHED, save_family

GB, KIB = 10**9, 1024


def weights_of(config: Any) -> Weights:
    """What the files of a published model hold, without having them: its parameters, on no device."""
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    layers = (module for name, module in network.named_modules() if name != "lm_head")
    linear = [module for module in layers if type(module) is torch.nn.Linear]
    numbers = sum(module.weight.numel() for module in linear)
    total = sum(parameter.numel() for parameter in network.parameters())
    return Weights(numbers, sum(module.out_features for module in linear), total - numbers)


def footprint(name: str, quantisation: str = "none") -> Footprint:
    return Footprint(PUBLISHED[name].to_dict(), weights_of(PUBLISHED[name]), 2, quantisation)


@pytest.mark.parametrize(
    ("name", "billions", "bf16", "nf4", "kib"),
    [
        ("R1-Distill-Qwen-1.5B", 1.78, 3.6, 1.6, 28),
        ("R1-Distill-Qwen-7B", 7.62, 15.2, 5.6, 56),
        ("R1-Distill-Llama-8B", 8.03, 16.1, 5.7, 128),
        ("R1-0528-Qwen3-8B", 8.19, 16.4, 6.1, 144),
        ("llm-7b-chat", 6.91, 13.8, 4.8, 480),
        ("coder-6.7b", 6.74, 13.5, 3.9, 512),
    ],
)
def test_the_published_models_are_as_large_as_their_dimensions_say(name, billions, bf16, nf4, kib):
    plain, rounded = footprint(name), footprint(name, "nf4")
    assert plain.numbers.linear + plain.numbers.rest == pytest.approx(billions * GB, rel=0.002)
    assert plain.weights / GB == pytest.approx(bf16, abs=0.06)
    assert rounded.weights / GB == pytest.approx(nf4, abs=0.06)
    assert plain.token == kib * KIB


def test_a_latent_cache_is_counted_as_it_is_kept():
    config = PUBLISHED["V2-Lite"].to_dict()
    assert kept_per_token(config) == 27 * (512 + 64)
    assert weights_of(PUBLISHED["V2-Lite"]).rest > 14 * GB  # experts lie in blocks that are not rounded


@pytest.mark.parametrize("family", ["r1", "r1-0528", "coder", "v2-chat"])
def test_what_is_counted_in_the_files_is_what_the_model_has(family, tmp_path):
    save_family(tmp_path, family)
    network = AutoModelForCausalLM.from_pretrained(tmp_path)
    counted = count(tmp_path, network.config.to_dict())
    expected = weights_of(network.config)
    assert counted
    assert (counted.linear, counted.rows) == (expected.linear, expected.rows)
    assert counted.size(4) == network.get_memory_footprint(return_buffers=False)


def test_numbers_are_counted_whatever_they_were_saved_as(tmp_path):
    tensors = {"model.layers.0.mlp.up_proj.weight": torch.zeros(8, 4, dtype=torch.float16)}
    tensors |= {"model.embed_tokens.weight": torch.zeros(10, 4), "model.norm.weight": torch.zeros(4)}
    tensors |= {"lm_head.weight": torch.zeros(10, 4), "model.packed.weight": torch.zeros(6, 1, dtype=torch.uint8)}
    save_file(tensors, tmp_path / "model.safetensors")
    assert count(tmp_path, {}) == Weights(linear=32, rows=8, rest=84, saved=6)
    assert count(tmp_path, {"tie_word_embeddings": True}) == Weights(linear=32, rows=8, rest=44, saved=6)


def test_a_folder_without_weights_has_none(tmp_path):
    assert count(tmp_path, {}) is None


def test_files_that_do_not_say_what_they_hold_are_estimated(tmp_path):
    (tmp_path / "pytorch_model-00001-of-00001.bin").write_bytes(bytes(2000))
    config = {"dtype": "bfloat16", "vocab_size": 10, "hidden_size": 5}
    assert count(tmp_path, config) == Weights(linear=900, rows=180, rest=100)


def test_a_model_that_fits_is_let_in():
    check_fits("m", footprint("R1-Distill-Qwen-7B"), 8192, 18 * GB)


@pytest.mark.parametrize(
    ("free", "offered"),
    [
        (16.5, "engine.quantisation: int8 (10.5 GB), or engine.quantisation: nf4 (7.0 GB), or engine.context: "),
        (8.0, "engine.quantisation: nf4 (7.0 GB), or a smaller model"),
        (4.0, "What would fit: a smaller model."),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_numbers_and_with_what_would_fit(free, offered):
    with pytest.raises(Misconfigured) as refused:
        check_fits("m", footprint("R1-Distill-Qwen-7B"), 8192, round(free * GB))
    assert f"and {free} GB are free: 15.2 GB for its weights" in refused.value.detail
    assert offered in refused.value.detail


def test_the_context_that_is_offered_would_be_let_in():
    model = footprint("llm-7b-chat")
    with pytest.raises(Misconfigured, match=r"engine\.context: ") as refused:
        check_fits("m", model, 4096, 17 * GB)
    check_fits("m", model, int(refused.value.detail.split("engine.context: ")[1].split(",")[0]), 17 * GB)


def test_what_is_left_holds_so_many_contexts_and_the_rest_is_for_prefixes():
    model = footprint("R1-Distill-Qwen-7B")
    room = fits(model, 24 * GB, 8192, slots=16)
    assert 0 < room.contexts < 16
    assert 0 <= room.prefixes < model.conversation(8192)
    few = fits(model, 24 * GB, 8192, slots=1)
    assert few.contexts == 1
    assert few.prefixes == 24 * GB - model.need(8192)
    assert fits(model, GB, 8192, slots=4).contexts == 0


def test_a_folder_says_what_it_needs(tmp_path):
    save_family(tmp_path, "r1")
    assert list(needs(tmp_path, 8192)) == ["none"]
    assert needs(tmp_path / "elsewhere", 8192) == {}
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert needs(tmp_path, 8192) == {}


def test_a_large_model_needs_less_where_it_is_rounded(tmp_path):
    config = {"vocab_size": 64, "hidden_size": 1024, "num_hidden_layers": 1, "num_attention_heads": 8}
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64, "dtype": "bfloat16"}))
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        file.truncate(2**30)
    needed = needs(tmp_path, 8192)
    assert needed["nf4"] < 0.4 * needed["none"]
    assert needed["nf4"] < needed["int8"] < 0.7 * needed["none"]
