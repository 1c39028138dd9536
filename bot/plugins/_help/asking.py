"""Whether a whole message asks what the assistant can do, or how it is used, and nothing else."""

from bot.plugins._help import chinese, english

LONGEST = 120  # characters


def asks(text: str) -> bool:
    """Takes time in proportion to the text."""
    return len(text) <= LONGEST and (english.asks(text) or chinese.asks(text))
