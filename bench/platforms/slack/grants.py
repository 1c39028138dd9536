"""OAuth: codes that become tokens, and tokens that are renewed."""

from dataclasses import dataclass, field

from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import APP, USER
from bench.platforms.slack.workspace import Bot

HOURS_12 = 43_200  # "Token rotation": what expires_in says


@dataclass(slots=True)
class Code:
    """What the consent page hands over: for one installation, once."""

    bot: Bot
    redirect_uri: str = ""
    is_used: bool = False


@dataclass(slots=True)
class Grants:
    """Who may exchange them. With `is_rotating` tokens expire and come with a refresh token.

    With `is_declined` the person on the consent page says no.
    """

    client_id: str = "100.200"
    client_secret: str = field(default="client-secret", repr=False)
    app: str = APP
    installer: str = USER
    is_rotating: bool = False
    is_declined: bool = False
    codes: dict[str, Code] = field(default_factory=dict)
    refresh: dict[str, Bot] = field(default_factory=dict)

    def check(self, client_id: object, client_secret: object) -> None:
        if client_id != self.client_id:
            raise ApiError("invalid_client_id")
        if client_secret != self.client_secret:
            raise ApiError("bad_client_secret")

    def exchange(self, code: object, redirect_uri: object) -> Bot:
        """The installation behind a code; it is spent by that."""
        found = self.codes.get(code) if isinstance(code, str) else None
        if found is None:
            raise ApiError("invalid_code")
        if found.is_used:
            raise ApiError("code_already_used")
        if found.redirect_uri and found.redirect_uri != redirect_uri:
            raise ApiError("bad_redirect_uri")
        found.is_used = True
        return found.bot

    def renew(self, token: object) -> Bot:
        """The installation behind a refresh token; it is spent by that."""
        bot = self.refresh.pop(token, None) if isinstance(token, str) else None
        if bot is None or not bot.is_installed:
            raise ApiError("invalid_refresh_token")
        return bot
