"""What an identity provider is asked with, and what comes of it."""

from dataclasses import dataclass

from core.errors import ParleyError


class NotVouched(ParleyError):
    """The provider vouches for nobody here.

    `why` is away, refused or invalid. A detail says for the log what it was, and never quotes a token or a code.
    """

    def __init__(self, why: str, detail: str) -> None:
        self.why = why
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Vouched:
    """Somebody the provider vouches for, with the groups it tells."""

    subject: str
    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Errand:
    """What a browser is sent to the provider with, and what it must come back with."""

    state: str
    nonce: str
    verifier: str
