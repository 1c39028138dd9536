"""The tiny models that the engine's tests run on, loaded once."""

import pytest

from core.engine.checkpoint import Checkpoint, load
from tests.fakes.tiny import save_tiny


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def checkpoint(folder) -> Checkpoint:
    return load(str(folder), device="cpu", dtype="float32", context=512)
