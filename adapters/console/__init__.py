"""The browser channel: a page and an HTTP API that need no account anywhere, and the worked example of a front door."""

from adapters.console.adapter import ConsoleAdapter
from adapters.console.settings import ConsoleSettings

__all__ = ["ConsoleAdapter", "ConsoleSettings"]
