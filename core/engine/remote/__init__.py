"""Models on other machines, behind any server that speaks OpenAI's chat completions. Only here openai is imported."""

from core.engine.remote.engine import REMOTE, RemoteEngine

__all__ = ["REMOTE", "RemoteEngine"]
