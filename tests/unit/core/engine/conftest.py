"""The tiny models that the engine's tests run on, loaded once."""

import pytest
import torch

from core.engine.checkpoint import Checkpoint, load
from tests.fakes.networks import network
from tests.fakes.tiny import save_tiny


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Several would mostly wait for each other: the steps of a tiny model are too short to be shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def checkpoint(folder) -> Checkpoint:
    return load(str(folder), device="cpu", dtype="float32", context=512)


@pytest.fixture(scope="session")
def llama():
    return network("llama")
