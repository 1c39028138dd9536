"""Notes of a house in which every reply that is named exists."""

from datetime import timedelta

from core.message import Author, ReplyId


class Notes:
    """`core.ports.Notes`; `about` is whose each one is."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.about: dict[str, Author | ReplyId] = {}

    async def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def put(self, name: str, value: bytes, *, about: Author | ReplyId, lifetime: timedelta) -> None:
        assert lifetime > timedelta(0)
        self.values[name], self.about[name] = value, about

    async def delete(self, name: str) -> None:
        self.values.pop(name, None)
