"""Work that is done in rounds: a part that fails keeps no other from being done."""

from collections.abc import Generator
from contextlib import contextmanager

from core.errors import NotStored


class Round:
    """The parts of one round, and which of them came to nothing."""

    def __init__(self) -> None:
        self._failed: list[str] = []

    @contextmanager
    def part(self, name: str) -> Generator[None, None, None]:
        try:
            yield
        except NotStored as error:
            self._failed.append(f"{name} {error.detail}".strip())

    def end(self) -> None:
        """Raises NotStored with the names of the parts that failed, and why they did."""
        if self._failed:
            raise NotStored(", ".join(self._failed))
