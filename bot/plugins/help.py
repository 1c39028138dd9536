"""The plugin `help`: what the assistant can do, where somebody asks it in plain words."""

from collections.abc import Mapping

from bot.plugins._help.asking import asks
from core.plugin import Asked, plugin

_FALLBACK = {
    "en": "Ask me anything in your own words. `/help` lists what else I can do.",
    "zh": "请直接用自己的话提问。输入 `/help` 可查看我还能做什么。",
}


def reads(text: str) -> Mapping[str, str] | None:
    """No arguments, where a whole message asks what the assistant can do."""
    return {} if asks(text) else None


@plugin(
    name="help",
    about={
        "en": 'what I can do: ask "what can you do?", or `/help`',
        "zh": "我能做什么：可以问“你能做什么？”，或输入 `/help`",
    },
    reads=reads,
    timeout=5,
)
async def helping(asked: Asked) -> str:
    """Says what this assistant can do: its commands, its plugins, and how to use them."""
    return asked.help or _FALLBACK["zh" if asked.language == "zh" else "en"]
