"""What the Teams door is told by its operator."""

from dataclasses import dataclass, field

# Reactions as Teams names them in messageReaction activities.
UP = frozenset({"like", "heart"})
DOWN = frozenset({"sad", "angry"})
LOGIN_URL = "https://login.microsoftonline.com"
KEYS_URL = "https://login.botframework.com/v1/.well-known/openidconfiguration"
# Hosts, or what they end with, that our answers and their token may be sent to.
SERVICES = ("smba.trafficmanager.net", ".botframework.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings:
    """Who we are in Teams, and whom we believe.

    A single-tenant bot has an `app_password`; without one the bot's managed identity is used. Without an `app_id`
    nobody is verified: that needs `is_dev`, and only loopback is then answered. `up` and `down` are the reactions that
    count as a vote. `login_url`, `keys_url` and `services` are Microsoft's, others where a sovereign cloud has its own.
    """

    app_id: str = ""
    app_password: str = field(default="", repr=False)
    tenant_id: str = ""
    is_dev: bool = False
    up: frozenset[str] = UP
    down: frozenset[str] = DOWN
    login_url: str = LOGIN_URL
    keys_url: str = KEYS_URL
    services: tuple[str, ...] = SERVICES

    @property
    def has_managed_identity(self) -> bool:
        """Whether the machine's identity speaks for the bot, in place of a password."""
        return bool(self.app_id) and not self.app_password
