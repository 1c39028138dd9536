"""What the operator decides about the browser channel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""By these names a browser reaches its own machine and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """Who may knock, and how long they wait.

    `secret` signs cookies and CSRF tokens. `tokens` maps the name of an access token to the hexadecimal SHA-256 of the
    token: a token is 256 random bits, so a fast hash is no weakness. A host in `allowed_hosts` may name its port; one
    without a port stands for all ports. Origins are written as browsers send them: `https://chat.example.com`. The
    server `has_tls` where it speaks HTTPS itself.
    """

    secret: bytes = field(repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict)
    allowed_hosts: frozenset[str] = LOOPBACK_NAMES
    allowed_origins: frozenset[str] = frozenset()
    is_loopback: bool = True
    has_tls: bool = False
    workspace: str = "local"
    answer_timeout: timedelta = timedelta(minutes=5)
    heartbeat: timedelta = timedelta(seconds=15)
    max_prompt: int = 32_000
    max_body: int = 256 * 1024

    @property
    def is_secure(self) -> bool:
        """Whether every way in is HTTPS, so that cookies may insist on it."""
        outside = self.allowed_origins
        return self.has_tls or (bool(outside) and all(origin.startswith("https://") for origin in outside))
