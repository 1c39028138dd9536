"""Loading a model, and the name of its version."""

import shutil

import pytest
import torch

from core.engine import checkpoint as module
from core.engine.checkpoint import fingerprint, load
from core.errors import Misconfigured
from tests.fakes.tiny import save_tiny


def test_a_version_names_the_weights_and_stays_the_same(folder, checkpoint, tmp_path):
    copy = shutil.copytree(folder, tmp_path / folder.name)
    assert checkpoint.model.version == f"{folder.name}@{fingerprint(folder)}"
    assert fingerprint(copy) == fingerprint(folder)


def test_other_weights_are_another_version(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert fingerprint(copy) != fingerprint(folder)


def test_another_template_is_another_version(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    assert fingerprint(copy) != fingerprint(folder)


def test_a_long_file_is_read_in_samples(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(64 * 64 * 1024 * 4))
    assert sum(len(block) for block in module._blocks(path)) == 64 * 64 * 1024


@pytest.mark.parametrize("source", ["/no/such/folder", "no-such-model/at-all"])
def test_a_model_that_is_not_there_is_misconfigured(source):
    with pytest.raises(Misconfigured, match=source):
        load(source, device="cpu", dtype="auto", context=512)


def test_an_empty_folder_is_misconfigured(tmp_path):
    with pytest.raises(Misconfigured, match=tmp_path.name):
        load(str(tmp_path), device="cpu", dtype="auto", context=512)


def test_the_context_is_bounded_by_the_model_and_by_the_setting(folder, checkpoint):
    bounded = load(str(folder), device="cpu", dtype="auto", context=100)
    assert (checkpoint.model.context, bounded.model.context) == (512, 100)
    assert load(str(folder), device="cpu", dtype="auto", context=9999).model.context == 512


def test_a_small_model_runs_in_float32_and_a_large_one_as_the_processor_likes(monkeypatch):
    cpu = torch.device("cpu")
    assert module._dtype("auto", cpu, 2**20) == "float32"
    assert module._dtype("float16", cpu, 2**20) == "float16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(module, "_free_bytes", lambda: 2**34)
    assert module._dtype("auto", cpu, 2**32) == "float32"
    assert module._dtype("auto", cpu, 2**34) == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert module._dtype("auto", cpu, 2**32) == "bfloat16"


def test_a_model_that_does_not_look_at_everything_is_refused(tmp_path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    save_tiny(tmp_path)
    config = Qwen2Config(vocab_size=320, hidden_size=32, intermediate_size=32, num_hidden_layers=2)
    config.num_attention_heads = config.num_key_value_heads = 2
    config.layer_types = ["full_attention", "sliding_attention"]
    config.sliding_window = 16
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(Misconfigured, match="sliding"):
        load(str(tmp_path), device="cpu", dtype="auto", context=512)
