"""Who is there: the app in each workspace, and the people."""

from dataclasses import dataclass, field

from bench.platforms.slack import payloads
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import Payload

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "reactions:read",
    "reactions:write",
    "users:read",
)

# What a method asks for; one of them is enough ("scopes" on each method's page).
NEEDED: dict[str, tuple[str, ...]] = {
    "assistant.threads.setStatus": ("assistant:write", "chat:write"),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "bots.info": ("users:read",),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.info": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.open": ("im:write", "mpim:write"),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "download": ("files:read",),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "reactions.add": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "reactions.remove": ("reactions:write",),
    "users.info": ("users:read",),
}


@dataclass(slots=True)
class Bot:
    """The app as one workspace (or, `is_org_wide`, one enterprise) has it."""

    team: str = payloads.TEAM
    token: str = field(default="xoxb-parley-test", repr=False)
    user: str = payloads.BOT_USER
    id: str = payloads.BOT
    name: str = "parley"
    app: str = payloads.APP
    enterprise: str = ""
    is_org_wide: bool = False
    scopes: tuple[str, ...] = SCOPES
    is_installed: bool = True

    @property
    def team_name(self) -> str:
        return f"{self.team} workspace"

    def require(self, scope: str) -> None:
        """ApiError `missing_scope`, with what was needed and what was granted."""
        if scope not in self.scopes:
            raise ApiError("missing_scope", needed=scope, provided=",".join(self.scopes))


@dataclass(slots=True)
class User:
    """A person; `team` is their own workspace, another one than the channel's for a stranger."""

    id: str
    name: str
    team: str = payloads.TEAM
    locale: str = "en-US"
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    display_name: str = ""

    @property
    def handle(self) -> str:
        return self.name.split(" ")[0].lower()

    def body(self, team: str, *, with_locale: bool) -> Payload:
        """The user object ("User object") as `team` sees it."""
        profile = {"real_name": self.name, "display_name": self.display_name, "team": self.team}
        body: Payload = {"id": self.id, "team_id": self.team, "name": self.handle, "deleted": False}
        body |= {"real_name": self.name, "tz": "Europe/London", "profile": profile, "updated": 1700000000}
        body |= {"is_admin": False, "is_owner": False, "is_bot": self.is_bot, "is_app_user": False}
        body |= {"is_restricted": self.is_restricted, "is_ultra_restricted": self.is_ultra_restricted}
        if self.team != team:
            body["is_stranger"] = True
        return body | ({"locale": self.locale} if with_locale else {})


# Which family of scopes a conversation belongs to: `channels:history`, `groups:history`, …
FAMILIES = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


class Workspaces:
    """Every installation by its tokens. Tokens end: revoked with the installation, or expired by rotation."""

    def __init__(self) -> None:
        self.bots: dict[str, Bot] = {}
        self._tokens: dict[str, Bot] = {}
        self._ended: dict[str, str] = {}

    def add(self, bot: Bot) -> Bot:
        self.bots[bot.team] = bot
        self.admit(bot.token, bot)
        return bot

    def admit(self, token: str, bot: Bot) -> None:
        self._tokens[token] = bot
        self._ended.pop(token, None)

    def end(self, token: str, why: str) -> None:
        """`why`: token_expired, token_revoked or account_inactive."""
        self._ended[token] = why

    def remove(self, bot: Bot) -> None:
        bot.is_installed = False
        for token, owner in self._tokens.items():
            if owner is bot:
                self.end(token, "token_revoked")

    def of(self, token: str) -> Bot:
        """The installation behind a token; ApiError where there is none."""
        if not token:
            raise ApiError("not_authed")
        if why := self._ended.get(token):
            raise ApiError(why)
        if bot := self._tokens.get(token):
            return bot
        raise ApiError("invalid_auth")
