"""The decode step from fixed buffers: on a processor nothing is recorded, all else is as on a GPU."""

import pytest
import torch

from core.engine.cache import SlotCache
from core.engine.decoder import Decoder, rounded_length, rounded_rows
from core.engine.runner import Runner

PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12], [13, 14], [15, 16, 17, 18], [19, 20, 21]]


def read(runner: Runner, prompts: list[list[int]]) -> None:
    for row, prompt in enumerate(prompts):
        runner.forward(row, [prompt])


@torch.inference_mode()
def test_rows_that_only_fill_up_a_shape_change_nothing(llama):
    plain, other = Runner(llama, 8, 600), Runner(llama, 8, 600)
    other.cache = SlotCache(8, 600, llama.device, has_spare=True)
    decoder = Decoder(llama, other.cache)
    read(plain, PROMPTS)
    read(other, PROMPTS)
    for tokens in ([1, 2, 3], [4, 5, 6, 7, 8], [9], [1, 2, 3, 4]):
        expected, found = plain.decode(tokens), decoder.decode(tokens)
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-5)
    assert other.cache.lengths == plain.cache.lengths
    # The rows beyond those who speak belong to somebody else.
    for layer, (ours, theirs) in enumerate(zip(plain.cache._keys, other.cache._keys, strict=True)):
        for row, length in enumerate(plain.cache.lengths):
            assert torch.allclose(ours[row, :, :length], theirs[row, :, :length], atol=1e-5), (layer, row)


@torch.inference_mode()
def test_warming_up_leaves_an_empty_cache(llama):
    cache = SlotCache(6, 600, llama.device, has_spare=True)
    Decoder(llama, cache).warm_up()
    assert cache.lengths == [0] * 6


@torch.inference_mode()
def test_a_cache_that_grows_keeps_what_it_holds(llama):
    cache = SlotCache(8, 2000, llama.device, has_spare=True)
    decoder, plain = Decoder(llama, cache), Runner(llama, 8, 2000)
    had = cache.generation
    for step in range(300):
        tokens = [step % 100, 100 + step % 50]
        assert torch.allclose(decoder.decode(tokens), plain.decode(tokens), atol=1e-4)
    assert cache.generation > had


@pytest.mark.parametrize(
    ("count", "slots", "rows"), [(1, 16, 1), (3, 16, 4), (5, 16, 8), (9, 16, 16), (9, 10, 10), (17, 32, 24), (3, 3, 3)]
)
def test_there_are_few_numbers_of_rows(count, slots, rows):
    assert rounded_rows(count, slots) == rows


@pytest.mark.parametrize(
    ("length", "rounded"), [(1, 256), (256, 256), (257, 512), (1024, 1024), (1025, 1536), (1537, 2048), (5000, 6144)]
)
def test_there_are_few_lengths(length, rounded):
    assert rounded_length(length) == rounded
