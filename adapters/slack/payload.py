"""What Slack sends, looked into without trust: a field of another kind than expected is as good as missing."""

from collections.abc import Mapping
from typing import Any

Payload = Mapping[str, Any]


def text_of(payload: Payload, name: str) -> str:
    """The text in this field, "" where there is none."""
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def part_of(payload: Payload, name: str) -> Payload:
    """The object in this field, an empty one where there is none."""
    value = payload.get(name)
    return value if isinstance(value, Mapping) else {}
