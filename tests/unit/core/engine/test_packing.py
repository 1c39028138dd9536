"""A network laid out anew computes what it computed before."""

from threading import Thread

import pytest
import torch
from torch import nn

from core.engine.packing import Norm, Part, Shared, pack
from tests.fakes.networks import network

IDS = torch.tensor([[1, 2, 3, 4, 5], [9, 8, 7, 6, 5]])


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "deepseek v2"])
def test_a_packed_network_says_the_same(kind):
    plain, packed = network(kind), network(kind)
    pack(packed)
    assert torch.allclose(packed(input_ids=IDS).logits, plain(input_ids=IDS).logits, atol=1e-4)
    assert any(isinstance(module, Norm) for module in packed.modules())
    assert not any(type(module) is nn.Linear for module in packed.modules())


def test_siblings_are_joined_biases_too():
    packed = network("qwen2")
    pack(packed)
    attention = packed.model.layers[0].self_attn
    assert all(isinstance(part, Part) for part in (attention.q_proj, attention.k_proj, attention.v_proj))


@torch.inference_mode()
def test_parts_may_be_asked_for_in_any_order_and_again():
    linear = nn.Linear(4, 6)
    shared = Shared(linear, [1, 2, 3])
    states = torch.randn(2, 4)
    whole = linear(states)
    for index in (2, 0, 1, 1, 0):
        start = (0, 1, 3)[index]
        assert torch.equal(shared.part(index, states), whole[:, start : start + (1, 2, 3)[index]])


@torch.inference_mode()
def test_two_threads_never_get_each_others_part():
    linear = nn.Linear(8, 16)
    shared, wrong = Shared(linear, [8, 8]), []

    def work(seed: int) -> None:
        states = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            expected = linear(states)
            for _ in range(300):
                first, second = shared.part(0, states), shared.part(1, states)
                if not torch.equal(torch.cat((first, second), -1), expected):
                    wrong.append(seed)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
