"""The room of plugins: finds and loads them, chooses among them, and runs each where it harms nobody else."""

from core.plugins.choosing import Choice, choose
from core.plugins.files import GROUP, Kind, Origin, found, installed
from core.plugins.http import GuardedHttp
from core.plugins.registry import Loaded, Problem, Registry
from core.plugins.signature import Signature, Unfit
from core.plugins.stage import Plugins, more_help
from core.plugins.worker import Broken, Hung, Worker

__all__ = [
    "GROUP",
    "Broken",
    "Choice",
    "GuardedHttp",
    "Hung",
    "Kind",
    "Loaded",
    "Origin",
    "Plugins",
    "Problem",
    "Registry",
    "Signature",
    "Unfit",
    "Worker",
    "choose",
    "found",
    "installed",
    "more_help",
]
