"""The room of the engine: a language model in this process, and the simplest stand-in for one."""

from pathlib import Path

from core.engine.echo import EchoEngine
from core.engine.local import DEMO, LocalEngine

__all__ = ["EchoEngine", "LocalEngine", "demo_folder"]


def demo_folder() -> Path:
    """Where the bundled demo checkpoint lies."""
    return DEMO
