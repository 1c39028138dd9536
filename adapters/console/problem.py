"""Why a request cannot be served, as a status and a sentence of texts.py."""

from collections.abc import Mapping

from core.errors import ParleyError


class Problem(ParleyError):
    """The request cannot be served."""

    def __init__(
        self, status: int, name: str, *, headers: Mapping[str, str] | None = None, **values: str | int
    ) -> None:
        self.status = status
        self.name = name
        self.values = values
        self.headers = dict(headers or {})
        super().__init__(name)
