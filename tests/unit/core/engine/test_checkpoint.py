"""Loading a model, and the name of its version."""

import shutil
from contextlib import aclosing
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.engine import LocalEngine
from core.engine import checkpoint as module
from core.engine import plan as plan_module
from core.engine.checkpoint import fingerprint, load
from core.engine.precision import rounding
from core.errors import Misconfigured
from core.ports import Conversation
from core.turn import SamplingParams, Utterance
from tests.fakes.families import save_family
from tests.fakes.tiny import save_tiny, tiny_network

quantises = pytest.mark.skipif(
    not (find_spec("bitsandbytes") and find_spec("accelerate")), reason="the extra `quantised` is not installed"
)


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


def test_a_number_of_bits_may_be_chosen(folder):
    assert load(str(folder), device="cpu", dtype="bfloat16", context=512).network.dtype == torch.bfloat16


def test_weights_that_are_no_safetensors_load_too(folder, checkpoint, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    torch.save(tiny_network(checkpoint.vocabulary).state_dict(), copy / "pytorch_model.bin")
    loaded = load(str(copy), device="cpu", dtype="auto", context=512)
    assert loaded.footprint.weights == pytest.approx(checkpoint.footprint.weights, rel=0.05)
    assert loaded.model.version == f"copy@{fingerprint(copy)}"


def test_a_model_that_lacks_weights_is_refused_and_never_made_up(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Misconfigured, match=r"lack lm_head\.weight"):
        load(str(copy), device="cpu", dtype="auto", context=512)


def test_a_file_that_was_cut_is_misconfigured(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    with (copy / "model.safetensors").open("r+b") as file:
        file.truncate(4)
    with pytest.raises(Misconfigured, match="not a whole safetensors file"):
        load(str(copy), device="cpu", dtype="auto", context=512)


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(plan_module, "free_memory", lambda: 2**20)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", None)
    with pytest.raises(Misconfigured, match=r"needs \d+ MB of memory, and 1 MB are free.*a smaller model"):
        load(str(folder), device="cpu", dtype="auto", context=512)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_here_is_misconfigured(folder):
    with pytest.raises(Misconfigured, match="CUDA devices"):
        load(str(folder), device="cuda:1", dtype="auto", context=512)


@pytest.mark.parametrize(
    ("wanted", "package"), [({"quantisation": "nf4"}, "bitsandbytes"), ({"device_map": "auto"}, "accelerate")]
)
def test_a_package_that_is_missing_is_named_with_its_remedy(folder, monkeypatch, wanted, package):
    monkeypatch.setattr(plan_module, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match=rf"{package}.*pip install 'parley\[quantised\]'"):
        load(str(folder), device="cpu", dtype="auto", context=512, **wanted)


@quantises
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantised_model_says_so_and_is_as_large_as_was_counted(folder, checkpoint, kind):
    rounded = load(str(folder), device="cpu", dtype="auto", context=512, quantisation=kind)
    assert rounded.model.version == f"{checkpoint.model.version}+{kind}"
    layer = type(rounded.network.model.layers[0].mlp.up_proj).__name__
    assert layer == {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[kind]
    assert rounded.footprint.weights == pytest.approx(rounded.weights, rel=0.03)
    assert rounded.weights < checkpoint.weights / 2


@quantises
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantised_model_computes_nearly_the_same(folder, checkpoint, kind):
    rounded = load(str(folder), device="cpu", dtype="auto", context=512, quantisation=kind)
    ids = torch.arange(6, 40)[None]
    with torch.inference_mode():
        ours, theirs = (each.network(ids).logits[0, -1] for each in (checkpoint, rounded))
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > {"nf4": 0.8, "int8": 0.99}[kind]


@quantises
@pytest.mark.parametrize("kind", ["nf4", "int8"])
async def test_a_model_that_was_saved_quantised_loads_as_it_is_and_answers(folder, checkpoint, tmp_path, kind):
    settings = rounding(kind, torch.float32)
    network = AutoModelForCausalLM.from_pretrained(folder, quantization_config=settings, device_map={"": "cpu"})
    network.save_pretrained(tmp_path)
    checkpoint.tokenizer.save_pretrained(tmp_path)
    other = load(str(tmp_path), device="cpu", dtype="auto", context=512, quantisation="nf4")
    assert other.model.version == f"{tmp_path.name}@{fingerprint(tmp_path)}+{kind}"
    assert other.footprint.weights == pytest.approx(other.weights, rel=0.15)
    engine = LocalEngine(tmp_path, slots=2, threads=1)
    await engine.start()
    asked = Conversation("thread", (Utterance("user", "Hello"),))
    async with aclosing(engine.stream(asked, SamplingParams(temperature=0, max_new_tokens=4))) as deltas:
        assert [delta async for delta in deltas][-1].finish
    await engine.stop()


@quantises
def test_a_map_of_one_device_is_that_device(folder, checkpoint):
    spread = load(str(folder), device="cpu", dtype="auto", context=512, device_map="auto")
    assert spread.network.device == checkpoint.network.device
    assert spread.model.version == checkpoint.model.version


@quantises
def test_experts_are_counted_as_they_are_kept(tmp_path):
    save_family(tmp_path, "v2-chat")
    rounded = load(str(tmp_path), device="cpu", dtype="auto", context=512, quantisation="nf4")
    assert rounded.network.model.layers[1].mlp.experts.down_proj.dtype == torch.float32
    assert rounded.footprint.weights == pytest.approx(rounded.weights, rel=0.02)


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
