"""The room of the engine: a language model in this process or on other machines, and the simplest stand-in for one."""

from pathlib import Path

from core.engine.echo import EchoEngine
from core.engine.local import DEMO, LocalEngine
from core.engine.remote import REMOTE, RemoteEngine

__all__ = ["REMOTE", "EchoEngine", "LocalEngine", "RemoteEngine", "demo_folder"]


def demo_folder() -> Path:
    """Where the bundled demo checkpoint lies."""
    return DEMO
