"""The room of the engine: a language model in this process or on other machines, and the simplest stand-in for one."""

from pathlib import Path

from core.engine.breaker import Breaker, Circuit
from core.engine.echo import EchoEngine
from core.engine.fallback import Fallback
from core.engine.guarded import Guarded
from core.engine.local import DEMO, LocalEngine
from core.engine.remote import REMOTE, RemoteEngine
from core.engine.routed import Routed
from core.engine.standing import Standing, is_broken, is_up, standing

__all__ = [
    "REMOTE",
    "Breaker",
    "Circuit",
    "EchoEngine",
    "Fallback",
    "Guarded",
    "LocalEngine",
    "RemoteEngine",
    "Routed",
    "Standing",
    "demo_folder",
    "is_broken",
    "is_up",
    "standing",
]


def demo_folder() -> Path:
    """Where the bundled demo checkpoint lies."""
    return DEMO
