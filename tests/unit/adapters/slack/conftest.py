"""What all tests of this door need."""

import pytest


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    """slack_sdk sends everything through a proxy of the environment, also what goes to this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
