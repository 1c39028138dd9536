"""One running server for each module that asks for it."""

import pytest

from tests.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The whole application with the demo model and a database of its own."""
    running = Server(tmp_path_factory.mktemp("parley")).start()
    yield running
    assert running.stop() == 0
