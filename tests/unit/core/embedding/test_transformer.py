"""An embedder of sentence-transformers' form, made here with random weights: what it reads, and what it refuses."""

import json
import math

import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from core.embedding.transformer import TransformerEmbedder
from core.errors import Misconfigured, Refused

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("how", "do", "i", "install", "docker", "你", "好")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("embedder")
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = BertWordPieceTokenizer(vocabulary)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, model_max_length=32, **names).save_pretrained(place)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def embedder(folder):
    return TransformerEmbedder(str(folder))


async def test_vectors_are_of_unit_length_and_of_the_length_it_says(embedder):
    vectors = await embedder.embed(["how do i install docker", "你好"])
    assert [len(vector) for vector in vectors] == [embedder.dimension] * 2 == [16, 16]
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1])


async def test_the_same_text_has_the_same_vector_and_another_has_another(embedder):
    first, second, third = await embedder.embed(["install docker", "install docker", "docker install"])
    assert first == second != third


async def test_a_text_with_more_than_a_tenth_of_unknown_words_is_refused(embedder):
    for text in ("怎么开启深色模式", "install podman", "", "install docker " * 4 + "now"):
        with pytest.raises(Refused):
            await embedder.embed([text])
    assert await embedder.embed(["install docker " * 5 + "now"])


async def test_a_text_that_is_longer_than_it_reads_is_refused(embedder):
    with pytest.raises(Refused):
        await embedder.embed(["docker " * 40])


async def test_the_pooling_is_the_models_own(folder, embedder):
    (mean,) = await embedder.embed(["install docker"])
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_cls_token": True}), encoding="utf-8")
    (first,) = await TransformerEmbedder(str(folder)).embed(["install docker"])
    assert first != pytest.approx(mean)


def test_its_name_says_which_weights_it_has(folder, embedder, tmp_path):
    assert embedder.name.startswith(f"{folder.name}@")
    assert TransformerEmbedder(str(folder)).name == embedder.name


def test_what_is_no_embedder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(Misconfigured, match="set cache"):
        TransformerEmbedder(str(tmp_path))
