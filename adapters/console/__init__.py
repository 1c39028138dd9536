"""The browser channel: a page and an HTTP API that need no account anywhere, and the worked example of a front door."""

from adapters.console.adapter import ConsoleAdapter
from adapters.console.settings import LOOPBACK_NAMES, ConsoleSettings

__all__ = ["LOOPBACK_NAMES", "ConsoleAdapter", "ConsoleSettings"]
