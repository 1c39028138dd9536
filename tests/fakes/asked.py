"""What a plugin is handed in a test, without a way out to the network."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.message import Author, Message, ThreadId
from core.plugin import Asked, HttpAnswer

NOW = datetime(2026, 11, 27, 5, 5, tzinfo=UTC)  # a Friday


class NoHttp:
    """A way out that is shut: whoever asks for it has gone wrong."""

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        raise AssertionError(f"nothing may be asked of {url}")

    async def post(self, url: str, *, json: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        raise AssertionError(f"nothing may be told to {url}")


def asked(language: str = "en", *, help_text: str = "", **settings: Any) -> Asked:
    """Asked by a person of this language at NOW, with these settings."""
    author = Author("console", "w", "u")
    message = Message(id="1", thread=ThreadId("console", "w", "c", "t"), author=author, text="", sent_at=NOW)
    return Asked(http=NoHttp(), settings=settings, message=message, language=language, now=NOW, help=help_text)
